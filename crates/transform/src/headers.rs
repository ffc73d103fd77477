//! Headers that a transform sets: which may be set, and how many.

use rquickjs::{Atom, Value};

use crate::function::Failed;
use crate::limits::{HEADER_BYTES_MAX, HEADERS_MAX};
use crate::world::{Stopped, World, cut};

/// Headers that say how the request travels, or who sent it and what. They are ours to set.
const OURS: [&str; 17] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-webhook-signature",
    "x-webhook-delivery",
    "x-webhook-event",
];

/// Reads the `headers` of an envelope: an object with a text for each name, or nothing.
///
/// # Errors
/// [`Failed::BadHeader`] where a name or a value cannot stand in a request, a name is ours or comes twice, or there are
/// too many.
pub(crate) fn read<'js>(world: &World<'js>, headers: &Value<'js>) -> Result<Vec<(String, String)>, Stopped> {
    if headers.is_undefined() || headers.is_null() {
        return Ok(Vec::new());
    }
    let Some(object) = headers.as_object().filter(|_| !headers.is_array() && !headers.is_function()) else {
        return Err(bad("", "headers are an object with a text for each name").into());
    };
    let mut read: Vec<(String, String)> = Vec::new();
    for name in object.keys::<Atom<'js>>() {
        let name = name?;
        let value: Value<'js> = object.get(name.clone())?;
        let name = world.text(&name.to_js_string()?)?;
        let Some(value) = value.as_string() else {
            return Err(bad(&name, "its value is not a text").into());
        };
        let value = world.text(value)?;
        check(&name, &value, &read)?;
        read.push((name, value));
    }
    Ok(read)
}

/// Whether a header may follow those before it.
fn check(name: &str, value: &str, before: &[(String, String)]) -> Result<(), Failed> {
    let bytes: usize = before.iter().map(|(name, value)| name.len() + value.len()).sum();
    let problem = if before.len() == HEADERS_MAX || bytes + name.len() + value.len() > HEADER_BYTES_MAX {
        "there are too many, or they are too long"
    } else if name.is_empty() || !name.bytes().all(is_token_byte) {
        "its name is not made of letters, digits and !#$%&'*+-.^_`|~"
    } else if !value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        "its value holds something other than printable ASCII"
    } else if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
        "it is set by Waystation itself"
    } else if before.iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
        "it is there twice"
    } else {
        return Ok(());
    };
    Err(bad(name, problem))
}

/// RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn bad(name: &str, problem: &str) -> Failed {
    Failed::BadHeader { name: cut(name.to_owned()), problem: problem.to_owned() }
}
