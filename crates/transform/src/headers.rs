//! Headers that a transform sets: those that a subscription may set too.

use domain::headers::check;
use rquickjs::{Atom, Value};

use crate::function::Failed;
use crate::world::{Stopped, World, cut};

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
        check(&name, &value, &read).map_err(|fault| bad(&name, &fault.to_string()))?;
        read.push((name, value));
    }
    Ok(read)
}

fn bad(name: &str, problem: &str) -> Failed {
    Failed::BadHeader { name: cut(name.to_owned()), problem: problem.to_owned() }
}
