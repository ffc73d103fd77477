//! Where something stands in a JSON body: names and indices joined by dots, such as `events.0.type`.

use serde_json::Value;

/// Steps of a path. Nobody signs or names anything deeper.
const STEPS_MAX: usize = 16;

/// A way into a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(Vec<String>);

impl Path {
    /// Reads a path; `None` where a step is empty or there are too many.
    pub(super) fn parse(written: &str) -> Option<Self> {
        let steps: Vec<_> = written.split('.').map(str::to_owned).collect();
        (steps.len() <= STEPS_MAX && steps.iter().all(|step| !step.is_empty())).then_some(Self(steps))
    }

    /// What stands there.
    pub(super) fn of<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(root, |at, step| match at {
            Value::Object(fields) => fields.get(step),
            Value::Array(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        })
    }

    /// Puts `value` there, making the objects on the way; for signing. What is in the way is replaced.
    pub(super) fn put(&self, root: &mut Value, value: Value) {
        let mut at = root;
        for step in &self.0 {
            let items = at.as_array().map_or(0, Vec::len);
            at = match step.parse::<usize>().ok().filter(|index| *index < items) {
                Some(index) => &mut at[index],
                None => {
                    if !at.is_object() {
                        *at = Value::Object(serde_json::Map::new());
                    }
                    &mut at[step]
                }
            };
        }
        *at = value;
    }
}

/// A scalar as text: what senders sign and identify by. `None` for null and for whatever has parts.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_leads_through_objects_and_arrays() {
        let document = json!({"events": [{"type": "a"}, {"type": "b", "is_last": true}]});
        let at = |path: &str| Path::parse(path).unwrap().of(&document).and_then(text);
        assert_eq!(at("events.1.type").unwrap(), "b");
        assert_eq!(at("events.1.is_last").unwrap(), "true");
        assert_eq!((at("events.2.type"), at("events"), at("events.type")), (None, None, None));
        assert_eq!((Path::parse(""), Path::parse("a..b"), Path::parse(&"a.".repeat(20))), (None, None, None));
    }

    #[test]
    fn what_is_put_is_found() {
        let mut document = json!({"items": [{"id": 1}], "signature": "old"});
        for path in ["items.0.additional.mac", "signature.token", "new"] {
            let path = Path::parse(path).unwrap();
            path.put(&mut document, json!("x"));
            assert_eq!(path.of(&document), Some(&json!("x")));
        }
        assert_eq!(document["items"][0]["id"], 1);
    }
}
