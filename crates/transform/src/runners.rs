//! Runners, seen from the process that needs them.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufReader, BufWriter};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;

use crate::function::{Failed, NotATransform, Transform, Transformed};
use crate::limits::SOURCE_BYTES_MAX;
use crate::runner::HELD_TOO_LONG;
use crate::wire::{Question, read_answer};

/// At most so many processes that run transforms. They are started when they are needed, and end with this value, or
/// with the process that holds it.
#[derive(Debug)]
pub struct Runners {
    program: Program,
    free: Mutex<Free>,
    freed: Condvar,
}

impl Runners {
    /// Runners that `program` starts, at most `count` at once. As many as there are cores is as many as help.
    ///
    /// # Panics
    /// `count` is 0.
    #[must_use]
    pub fn new(program: Program, count: usize) -> Self {
        assert!(count > 0, "someone has to run the transforms");
        Self { program, free: Mutex::new(Free { places: count, idle: Vec::new() }), freed: Condvar::new() }
    }

    /// Checks that a source is a function, without calling it. Blocks like [`Runners::run`].
    ///
    /// # Errors
    /// [`NotATransform`] says what is wrong with it, and where.
    pub fn compile(&self, source: &str) -> Result<Transform, NotATransform> {
        // Asked here too, so that a long text is not first sent around.
        if source.len() > SOURCE_BYTES_MAX {
            return Err(NotATransform::TooLarge(source.len()));
        }
        let answer: Result<(), NotATransform> = self.ask(&Question::Compile { source })?;
        answer.map(|()| Transform::trusted(source))
    }

    /// Runs a transform on an event, a JSON document.
    ///
    /// Blocks: for its turn, behind whoever else asks, and then for the run, at most
    /// [`RUNNER_HELD_MAX`](crate::limits::RUNNER_HELD_MAX). It may be called from any thread, also from many at once. A
    /// run that fits into the limits makes the same request each time.
    ///
    /// # Errors
    /// [`Failed`] says why there is no request.
    pub fn run(&self, transform: &Transform, event: &str) -> Result<Transformed, Failed> {
        self.ask(&Question::Run { source: transform.source(), event })?
    }

    fn ask<A: DeserializeOwned>(&self, question: &Question<&str>) -> Result<A, Failed> {
        let place = self.take_place();
        let mut runner = self.send(place.idle_runner(), question)?;
        match read_answer(&mut runner.answers) {
            Ok(answer) => {
                place.leave(runner);
                Ok(answer)
            }
            Err(_) => Err(runner.end()),
        }
    }

    /// Hands a question to a runner: to the idle one if it still lives, else to a new one.
    fn send(&self, idle: Option<Runner>, question: &Question<&str>) -> Result<Runner, Failed> {
        if let Some(mut runner) = idle
            && runner.ask(question).is_ok()
        {
            return Ok(runner);
        }
        let unavailable = |error: io::Error| Failed::Unavailable(error.to_string());
        let mut runner = Runner::start(&self.program).map_err(unavailable)?;
        runner.ask(question).map_err(unavailable)?;
        Ok(runner)
    }

    fn take_place(&self) -> Place<'_> {
        let mut free = self
            .freed
            .wait_while(self.free(), |free| free.places == 0)
            .unwrap_or_else(PoisonError::into_inner);
        free.places -= 1;
        Place(self)
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What nobody uses at the moment.
#[derive(Debug)]
struct Free {
    places: usize,
    /// The one that was used last is taken first, so that the others can be swapped out.
    idle: Vec<Runner>,
}

/// The right to use one runner. It ends when this value does.
struct Place<'a>(&'a Runners);

impl Place<'_> {
    fn idle_runner(&self) -> Option<Runner> {
        self.0.free().idle.pop()
    }

    fn leave(self, runner: Runner) {
        self.0.free().idle.push(runner);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.free().places += 1;
        self.0.freed.notify_one();
    }
}

/// A program that calls [`serve_stdio`](crate::serve_stdio) when it is started with these arguments.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// The program at `path`.
    pub fn at(path: impl Into<PathBuf>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self { path: path.into(), arguments: arguments.into_iter().map(Into::into).collect() }
    }

    /// The program that is running. On Linux it is the same version even if the file has been replaced since.
    ///
    /// # Errors
    /// The system does not say where it is.
    pub fn this_one(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> io::Result<Self> {
        let path = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
        Ok(Self::at(path, arguments))
    }

    /// The command, with nothing of our environment in it: that holds secrets.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).env_clear();
        // Dates are written in local time; it is to be the same on each machine.
        command.env("TZ", "UTC").stdin(Stdio::piped()).stdout(Stdio::piped());
        // A Ctrl-C in the terminal is for us: what is under way may still need its transform.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }
}

/// A process that runs transforms.
struct Runner {
    process: Child,
    questions: BufWriter<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Runner {
    fn start(program: &Program) -> io::Result<Self> {
        let mut process = program.command().spawn()?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (questions, answers) = pipes.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { process, questions: BufWriter::new(questions), answers: BufReader::new(answers) })
    }

    fn ask(&mut self, question: &Question<&str>) -> io::Result<()> {
        question.write(&mut self.questions)
    }

    /// Ends a runner that did not answer, and says why it did not.
    fn end(mut self) -> Failed {
        // One that has ended already keeps its own reason.
        let _ = self.process.kill();
        match self.process.wait() {
            Ok(status) if status.code() == Some(HELD_TOO_LONG) => Failed::TooSlow,
            _ => Failed::Crashed,
        }
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Runner(process {})", self.process.id())
    }
}

impl Drop for Runner {
    /// Leaves no process behind, and no entry in the system's table.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
