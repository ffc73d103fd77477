//! A world of its own for each run: the language, its limits, and nothing else.
//!
//! The world is made afresh for every run, at some 0.3 ms, and thrown away after it. A new context inside a lasting
//! runtime saves less than 0.1 ms of that, and shares the memory limit and the garbage between users; a lasting context
//! shares everything. Bytecode would save the reading of the source (5 ms for the longest, nothing to speak of for a
//! few lines), and loading it is `unsafe` in `rquickjs`.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use domain::limits::ERROR_BYTES_MAX;
use rquickjs::context::{EvalOptions, intrinsic};
use rquickjs::convert::Coerced;
use rquickjs::{Context, Ctx, Exception, FromJs, Function, Object, Runtime, Value};

use crate::function::Failed;
use crate::limits::{MEMORY_BYTES_MAX, RUN_MAX, STACK_BYTES_MAX};

/// Left out of the language: the performance clock, weak references (they tell when memory is collected), exceptions of
/// the DOM. There are no modules, and nothing runs what a promise leaves for later.
type Language = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::Proxy,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
    intrinsic::Promise,
);

/// The name of the user's source in traces.
const FILE: &str = "transform";

/// A world, inside.
pub(crate) struct World<'js> {
    pub(crate) ctx: Ctx<'js>,
    clock: Rc<Clock>,
    to_well_formed: Function<'js>,
}

/// Makes a world, does `what` in it, and ends it.
///
/// # Errors
/// Those of `what`, and what the language cannot do within its limits.
pub(crate) fn in_new_world<T>(what: impl FnOnce(&World<'_>) -> Result<T, Stopped>) -> Result<T, Failed> {
    let runtime = Runtime::new().map_err(|_| Failed::TooMuchMemory)?;
    runtime.set_memory_limit(MEMORY_BYTES_MAX);
    runtime.set_max_stack_size(STACK_BYTES_MAX);
    let clock = Rc::new(Clock::default());
    runtime.set_interrupt_handler(Some(Box::new({
        let clock = Rc::clone(&clock);
        move || clock.is_over()
    })));
    let context = Context::custom::<Language>(&runtime).map_err(|_| Failed::TooMuchMemory)?;
    let done = context.with(|ctx| {
        let to_well_formed = ctx.eval(include_str!("world.js")).map_err(|_| Failed::TooMuchMemory)?;
        let world = World { ctx, clock, to_well_formed };
        what(&world).map_err(|stopped| world.explain(stopped))
    });
    done.map_err(|failed| match failed {
        Failed::Threw { message, .. } if message == "null" && is_full(&runtime) => Failed::TooMuchMemory,
        failed => failed,
    })
}

/// Whether there is no room in a world that is left: even the error that would say so did not fit, and QuickJS has thrown
/// `null` in its place.
fn is_full(runtime: &Runtime) -> bool {
    let used = usize::try_from(runtime.memory_usage().malloc_size).unwrap_or(0);
    used > MEMORY_BYTES_MAX / 16 * 15
}

/// Why work in a world came to an end before it was done.
pub(crate) enum Stopped {
    /// We say so.
    Failed(Failed),
    /// The language says so; the reason lies in the world.
    Js(rquickjs::Error),
}

impl From<Failed> for Stopped {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

impl From<rquickjs::Error> for Stopped {
    fn from(error: rquickjs::Error) -> Self {
        Self::Js(error)
    }
}

/// How long a run has taken. It stands still until it is started, and once over it stays so.
#[derive(Default)]
struct Clock(Cell<Option<Instant>>);

#[expect(clippy::disallowed_methods, reason = "real time is what is limited; it decides nothing else")]
impl Clock {
    fn start(&self) {
        self.0.set(Some(Instant::now()));
    }

    fn is_over(&self) -> bool {
        self.0.get().is_some_and(|started| started.elapsed() > RUN_MAX)
    }
}

/// What was thrown, as far as it can be told.
pub(crate) struct Thrown {
    /// The name of the error's class, where it is an error.
    pub(crate) name: Option<String>,
    pub(crate) message: String,
    /// Line and column in the user's source.
    pub(crate) place: Option<(u32, u32)>,
}

impl<'js> World<'js> {
    /// Starts the clock. From here on the run may take [`RUN_MAX`].
    pub(crate) fn start_clock(&self) {
        self.clock.start();
    }

    /// Evaluates a source of the user's.
    pub(crate) fn eval(&self, source: &str) -> rquickjs::Result<Value<'js>> {
        let mut options = EvalOptions::default();
        options.filename = Some(FILE.to_owned());
        self.ctx.eval_with_options(source, options)
    }

    /// A JavaScript text as one of ours.
    pub(crate) fn text(&self, value: &rquickjs::String<'js>) -> rquickjs::Result<String> {
        let well_formed: rquickjs::String<'js> = self.to_well_formed.call((value.clone(),))?;
        well_formed.to_string()
    }

    /// Says why work was stopped.
    pub(crate) fn explain(&self, stopped: Stopped) -> Failed {
        match stopped {
            Stopped::Failed(failed) => failed,
            Stopped::Js(rquickjs::Error::Exception) => self.explain_thrown(self.catch()),
            Stopped::Js(_) if self.clock.is_over() => Failed::TooSlow,
            // Conversions fail only where there is no room for their result.
            Stopped::Js(_) => Failed::TooMuchMemory,
        }
    }

    /// Takes what was thrown.
    ///
    /// It may be anything, and looking at it may run more of the user's code and throw again.
    pub(crate) fn catch(&self) -> Thrown {
        let value = self.ctx.catch();
        let error = value.clone().into_object().and_then(Exception::from_object);
        let (name, message, stack) = match &error {
            Some(error) => {
                let property = |name| self.property(error.as_object(), name);
                (property("name"), property("message"), property("stack"))
            }
            None => (None, self.coerce(value), None),
        };
        Thrown {
            name: name.map(cut),
            message: cut(message.unwrap_or_else(|| "something that has no text".to_owned())),
            place: stack.and_then(|stack| place_in(&stack)),
        }
    }

    /// Says why something was thrown.
    pub(crate) fn explain_thrown(&self, thrown: Thrown) -> Failed {
        if self.clock.is_over() {
            Failed::TooSlow
        } else if thrown.is_out_of_memory() {
            Failed::TooMuchMemory
        } else {
            Failed::Threw { line: thrown.place.map(|(line, _)| line), message: thrown.in_words() }
        }
    }

    fn property(&self, object: &Object<'js>, name: &str) -> Option<String> {
        let value = object.get::<_, Value<'js>>(name).ok().or_else(|| self.forget())?;
        self.coerce(value)
    }

    fn coerce(&self, value: Value<'js>) -> Option<String> {
        let text =
            Coerced::<rquickjs::String<'js>>::from_js(&self.ctx, value).ok().or_else(|| self.forget())?;
        self.text(&text.0).ok().or_else(|| self.forget())
    }

    /// Takes away an exception that describing another one has raised.
    fn forget<T>(&self) -> Option<T> {
        self.ctx.catch();
        None
    }
}

impl Thrown {
    fn is_out_of_memory(&self) -> bool {
        self.name.as_deref() == Some("InternalError") && self.message == "out of memory"
    }

    fn in_words(self) -> String {
        match self.name {
            Some(name) => cut(format!("{name}: {}", self.message)),
            None => self.message,
        }
    }
}

/// The first place in the user's source that a trace names: `at name (transform:3:14)`.
fn place_in(stack: &str) -> Option<(u32, u32)> {
    let (_, after) = stack.split_once(&format!("{FILE}:"))?;
    let mut numbers = after.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Cuts what only people look at.
pub(crate) fn cut(mut text: String) -> String {
    if text.len() > ERROR_BYTES_MAX {
        text.truncate(text.floor_char_boundary(ERROR_BYTES_MAX - '…'.len_utf8()));
        text.push('…');
    }
    text
}
