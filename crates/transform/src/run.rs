//! One run, in this process: the source becomes a function, the event its argument, the result a request.
//!
//! Only a runner does this. What the limits here cannot stop, the end of its process does.

use rquickjs::atom::PredefinedAtom;
use rquickjs::{Atom, Function, Object, Type, Value};

use crate::function::{Failed, NotATransform, Transformed};
use crate::headers;
use crate::limits::{BODY_BYTES_MAX, SOURCE_BYTES_MAX};
use crate::world::{Stopped, World, in_new_world};

/// Checks that a source is a function.
///
/// # Errors
/// [`NotATransform`] says what it is instead.
pub(crate) fn compile(source: &str) -> Result<(), NotATransform> {
    if source.len() > SOURCE_BYTES_MAX {
        return Err(NotATransform::TooLarge(source.len()));
    }
    in_new_world(|world| {
        world.start_clock();
        Ok(read(world, source).map(drop))
    })?
}

/// Runs a transform on an event, a JSON document.
///
/// # Errors
/// [`Failed`] says why there is no request.
pub(crate) fn run(source: &str, event: &str) -> Result<Transformed, Failed> {
    in_new_world(|world| {
        let event = world.ctx.json_parse(event).map_err(|error| not_an_event(world, error))?;
        world.start_clock();
        let function = read(world, source).map_err(into_failed)?;
        request(world, &function.call((event,))?)
    })
}

fn not_an_event(world: &World<'_>, error: rquickjs::Error) -> Failed {
    match world.explain(error.into()) {
        Failed::Threw { message, .. } => Failed::NotAnEvent(message),
        other => other,
    }
}

/// A source that was a transform when it was created is one still; what fails now is its evaluation.
fn into_failed(not: NotATransform) -> Failed {
    match not {
        NotATransform::Failed(failed) => failed,
        other => Failed::Threw { message: other.to_string(), line: None },
    }
}

/// Reads a source in one of the two ways in which people write it: as a script that ends with the function
/// (`const limit = 5; (event) => …`), or as one function (`function (event) { … }`).
///
/// Where neither succeeds, the reading that got further has the better words for what is wrong.
fn read<'js>(world: &World<'js>, source: &str) -> Result<Function<'js>, NotATransform> {
    let as_script = match evaluate(world, source, 0) {
        Ok(function) => return Ok(function),
        Err(NotATransform::Failed(failed)) => return Err(failed.into()),
        Err(not) => not,
    };
    // The line break ends a comment in the source's last line.
    evaluate(world, &format!("({source}\n)"), 1).map_err(|as_expression| {
        let lines = source.split('\n').count();
        if got_further(&as_expression, &as_script, lines) { as_expression } else { as_script }
    })
}

fn got_further(as_expression: &NotATransform, as_script: &NotATransform, lines: usize) -> bool {
    use NotATransform::Syntax;
    match (as_expression, as_script) {
        (Syntax { line, column, .. }, Syntax { line: script_line, column: script_column, .. }) => {
            // Beyond the last line is the bracket that we have added, which nobody else can see.
            *line as usize <= lines && (line, column) > (script_line, script_column)
        }
        (Syntax { .. }, _) => false,
        _ => true,
    }
}

fn evaluate<'js>(
    world: &World<'js>,
    source: &str,
    columns_before: u32,
) -> Result<Function<'js>, NotATransform> {
    match world.eval(source) {
        Ok(value) => as_function(value),
        Err(rquickjs::Error::InvalidString(error)) => Err(nul_at(source, error.nul_position())),
        Err(rquickjs::Error::Exception) => Err(explain_evaluation(world, columns_before)),
        Err(error) => Err(world.explain(error.into()).into()),
    }
}

fn as_function<'js>(value: Value<'js>) -> Result<Function<'js>, NotATransform> {
    let kind = kind_of(&value);
    match value.into_function() {
        Some(function) if kind == FUNCTION => Ok(function),
        _ => Err(NotATransform::NotAFunction(kind.to_owned())),
    }
}

fn explain_evaluation(world: &World<'_>, columns_before: u32) -> NotATransform {
    let thrown = world.catch();
    match (thrown.name.as_deref(), thrown.place) {
        (Some("SyntaxError"), Some((line, column))) => {
            let columns_before = if line == 1 { columns_before } else { 0 };
            NotATransform::Syntax {
                message: thrown.message,
                line,
                column: column.saturating_sub(columns_before),
            }
        }
        _ => world.explain_thrown(thrown).into(),
    }
}

fn nul_at(source: &str, position: usize) -> NotATransform {
    let before = &source[..position];
    let line = 1 + before.matches('\n').count();
    let column = 1 + before.chars().rev().take_while(|c| *c != '\n').count();
    let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
    NotATransform::Syntax {
        message: "a NUL character".to_owned(),
        line: narrow(line),
        column: narrow(column),
    }
}

/// Makes the request from what the function returned.
///
/// `null` is no request. An object with no other fields than `body` and perhaps `headers` is an envelope; anything else
/// is the body itself.
fn request<'js>(world: &World<'js>, returned: &Value<'js>) -> Result<Transformed, Stopped> {
    if returned.is_null() {
        return Ok(Transformed::Skip);
    }
    let Some(envelope) = as_envelope(returned)? else {
        return Ok(Transformed::Request { body: body(world, returned)?, headers: Vec::new() });
    };
    let body = body(world, &envelope.get("body")?)?;
    let headers = headers::read(world, &envelope.get("headers")?)?;
    Ok(Transformed::Request { body, headers })
}

fn as_envelope<'a, 'js>(returned: &'a Value<'js>) -> Result<Option<&'a Object<'js>>, Stopped> {
    let Some(object) = returned.as_object().filter(|_| kind_of(returned) == OBJECT) else {
        return Ok(None);
    };
    // One more than an envelope has is enough to know that it is none.
    let keys = object.keys::<Atom<'js>>().take(3).collect::<rquickjs::Result<Vec<_>>>()?;
    let keys: Vec<_> = keys.iter().map(|key| key.to_string().unwrap_or_default()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let is_envelope = matches!(keys[..], ["body"] | ["body", "headers"] | ["headers", "body"]);
    Ok(is_envelope.then_some(object))
}

/// A text is sent as it is, anything else as JSON.
fn body<'js>(world: &World<'js>, value: &Value<'js>) -> Result<String, Stopped> {
    let text = match value.as_string() {
        Some(text) => world.text(text)?,
        None => json(world, value)?,
    };
    if text.len() > BODY_BYTES_MAX { Err(Failed::TooLarge.into()) } else { Ok(text) }
}

fn json<'js>(world: &World<'js>, value: &Value<'js>) -> Result<String, Stopped> {
    let kind = kind_of(value);
    if value.is_undefined() {
        return Err(Failed::NotRepresentable(format!("{kind}; return null to send nothing")).into());
    }
    if !matches!(kind, OBJECT | "null" | "a boolean" | "a number" | "an array" | "an error") {
        return Err(Failed::NotRepresentable(kind.to_owned()).into());
    }
    match world.ctx.json_stringify(value.clone()) {
        Ok(Some(text)) => Ok(text.to_string()?),
        Ok(None) => Err(Failed::NotRepresentable("an object whose toJSON returns nothing".to_owned()).into()),
        Err(error) => Err(match world.explain(error.into()) {
            // What no line of the source has thrown, the conversion has: a cycle, or a BigInt inside.
            Failed::Threw { message, line: None } => Failed::NotRepresentable(message),
            other => other,
        }
        .into()),
    }
}

const FUNCTION: &str = "a function";
const OBJECT: &str = "an object";

/// What a person would call a value.
fn kind_of(value: &Value<'_>) -> &'static str {
    match value.type_of() {
        Type::Uninitialized | Type::Undefined => "nothing (undefined)",
        Type::Null => "null",
        Type::Bool => "a boolean",
        Type::Int | Type::Float => "a number",
        Type::String => "a text",
        Type::Symbol => "a symbol",
        Type::BigInt => "a BigInt",
        Type::Array => "an array",
        Type::Exception => "an error",
        Type::Promise => "a promise; a transform cannot be async",
        Type::Object | Type::Proxy => OBJECT,
        Type::Function | Type::Constructor => kind_of_function(value),
        Type::Module | Type::Unknown => "something unknown",
    }
}

/// Functions that do not return what they compute carry a tag of their own.
fn kind_of_function(value: &Value<'_>) -> &'static str {
    let tag = value.as_object().and_then(|function| function.get(PredefinedAtom::SymbolToStringTag).ok());
    match tag.and_then(|tag: Option<String>| tag).as_deref() {
        Some("AsyncFunction" | "AsyncGeneratorFunction") => "an async function; nothing would wait for it",
        Some("GeneratorFunction") => "a generator function",
        _ => FUNCTION,
    }
}

#[cfg(test)]
mod tests;
