//! Paths: where in an event a value lies, for filters and for ordering.

use std::fmt;
use std::str::FromStr;

use ring::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

use crate::document::FIELDS;
use crate::limits::{ORDERING_KEY_BYTES_MAX, PATH_BYTES_MAX};

/// Where in an event a value lies: names joined by dots, from the event downwards, such as
/// `data.issue.labels.0.name`.
///
/// A whole number counts an array's items from 0. A dot, a backslash or a leading `$` that belongs to a name has a
/// backslash before it: `data.example\.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    text: String,
    parts: Vec<Part>,
}

/// One step downwards.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    name: String,
    /// The name as an item's number, where it is one: `1`, but not `01`.
    index: Option<usize>,
}

/// A text that is no path into an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPath {
    /// A name is empty, as in `data..id`.
    #[error("name each part of the path, as in data.issue.title")]
    EmptyPart,
    /// It begins with something that an event does not have.
    #[error("an event has no {0:?}: begin with one of {fields}, as in data.{0}", fields = FIELDS.join(", "))]
    NoSuchField(String),
    /// A backslash stands before something else than a dot, a backslash or `$`.
    #[error("write a backslash as \\\\ and a dot within a name as \\.")]
    StrayBackslash,
    /// It is longer than any real one.
    #[error("keep a path within {PATH_BYTES_MAX} bytes")]
    TooLong,
}

impl Path {
    /// What lies there in an event's document, or `None` where nothing does.
    #[must_use]
    pub fn get<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.parts.iter().try_fold(document, |value, part| match value {
            Value::Object(fields) => fields.get(&part.name),
            Value::Array(items) => items.get(part.index?),
            _ => None,
        })
    }

    /// The text under which deliveries of this event are ordered, at most [`ORDERING_KEY_BYTES_MAX`] bytes. `None`
    /// where there is no value, or `null`: such deliveries wait for no others.
    ///
    /// Equal values have equal texts, and different values different ones: `1` and `1.0` are one key, `1` and `"1"`
    /// are two.
    #[must_use]
    pub fn ordering_key(&self, document: &Value) -> Option<String> {
        let value = self.get(document).filter(|value| !value.is_null())?;
        let mut text = String::new();
        write_canonical(value, &mut text);
        // A digest cannot be mistaken for a value: no JSON begins with an `s`.
        let is_long = text.len() > ORDERING_KEY_BYTES_MAX;
        Some(if is_long {
            format!("sha256:{}", hex::encode(digest::digest(&digest::SHA256, text.as_bytes())))
        } else {
            text
        })
    }

    /// A path that begins at some value within an event, with any name.
    pub(crate) fn relative(text: &str) -> Result<Self, NotAPath> {
        if text.len() > PATH_BYTES_MAX {
            return Err(NotAPath::TooLong);
        }
        let parts = split(text)?.into_iter().map(Part::from).collect();
        Ok(Self { text: text.to_owned(), parts })
    }
}

impl FromStr for Path {
    type Err = NotAPath;

    fn from_str(text: &str) -> Result<Self, NotAPath> {
        let path = Self::relative(text)?;
        match path.parts.first() {
            Some(part) if !FIELDS.contains(&part.name.as_str()) => {
                Err(NotAPath::NoSuchField(part.name.chars().take(64).collect()))
            }
            _ => Ok(path),
        }
    }
}

/// The names in `text`, without their backslashes.
fn split(text: &str) -> Result<Vec<String>, NotAPath> {
    let (mut names, mut name, mut letters) = (Vec::new(), String::new(), text.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '.' => names.push(std::mem::take(&mut name)),
            '\\' => match letters.next() {
                Some(escaped @ ('.' | '\\' | '$')) => name.push(escaped),
                _ => return Err(NotAPath::StrayBackslash),
            },
            _ => name.push(letter),
        }
    }
    names.push(name);
    if names.iter().any(String::is_empty) { Err(NotAPath::EmptyPart) } else { Ok(names) }
}

impl From<String> for Part {
    fn from(name: String) -> Self {
        let is_plain = name == "0" || name.starts_with(|c: char| matches!(c, '1'..='9'));
        let index = is_plain.then(|| name.parse().ok()).flatten();
        Self { name, index }
    }
}

/// Appends `value` as JSON in the one way in which equal values are written alike.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|&(name, _)| name);
            text.push('{');
            for (position, (name, value)) in fields.into_iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        Value::Number(number) => match whole(number) {
            Some(whole) => text.push_str(&whole.to_string()),
            None => text.push_str(&number.to_string()),
        },
        _ => text.push_str(&value.to_string()),
    }
}

/// The number as an integer, if it is one: `1.0` is 1. So are all doubles from 2^53 on; beyond 2^127 they stay what
/// they are.
pub(crate) fn whole(number: &Number) -> Option<i128> {
    const LIMIT: f64 = i128::MAX as f64;
    let of_double = |double: f64| (double.fract() == 0.0 && double.abs() < LIMIT).then_some(double as i128);
    number.as_i128().or_else(|| number.as_f64().and_then(of_double))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    fn key(value: &Value) -> Option<String> {
        path("data.k").ordering_key(&json!({"data": {"k": value}}))
    }

    #[test]
    fn a_path_leads_through_objects_and_arrays() {
        let event = json!({"type": "a.b", "data": {"list": [{"id": 7}, "x"], "0": "zero", "a.b": {"$c": 1}}});
        assert_eq!(path("type").get(&event), Some(&json!("a.b")));
        assert_eq!(path("data.list.0.id").get(&event), Some(&json!(7)));
        assert_eq!(path("data.0").get(&event), Some(&json!("zero")), "a number is a name in an object");
        assert_eq!(path(r"data.a\.b.$c").get(&event), Some(&json!(1)));
        assert_eq!(path(r"data.a\.b.\$c").get(&event), Some(&json!(1)));
        for missing in [
            "data.list.2",
            "data.list.00",
            "data.list.+0",
            "data.list.-1",
            "data.list.x",
            "type.a",
            "user_id",
        ] {
            assert_eq!(path(missing).get(&event), None, "{missing}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_with_advice() {
        let refused = |text: &str| text.parse::<Path>().unwrap_err();
        for text in ["", ".", "data.", ".data", "data..x"] {
            assert_eq!(refused(text), NotAPath::EmptyPart, "{text}");
        }
        assert!(refused("amount").to_string().ends_with("as in data.amount"));
        assert_eq!(refused(r"data.\x"), NotAPath::StrayBackslash);
        assert_eq!(refused(r"data.x\"), NotAPath::StrayBackslash);
        assert_eq!(refused(&format!("data.{}", "x".repeat(508))), NotAPath::TooLong);
        assert!(format!("data.{}", "x".repeat(507)).parse::<Path>().is_ok());
    }

    #[test]
    fn a_path_reads_as_it_is_written() {
        let written = json!(r"data.a\.b.0");
        assert_eq!(
            serde_json::to_value(serde_json::from_value::<Path>(written.clone()).unwrap()).unwrap(),
            written
        );
        assert!(serde_json::from_value::<Path>(json!("nowhere")).is_err());
    }

    #[test]
    fn an_ordering_key_is_the_value_and_never_long() {
        assert_eq!(key(&json!("c-1")).unwrap(), r#""c-1""#);
        assert_eq!(key(&json!(1.0)), key(&json!(1)));
        assert_eq!(key(&json!(-0.0)), key(&json!(0)));
        assert_ne!(key(&json!("1")), key(&json!(1)));
        assert_eq!(key(&json!({"b": 1, "a": [true, null]})).unwrap(), r#"{"a":[true,null],"b":1}"#);
        assert_eq!(key(&Value::Null), None);
        assert_eq!(path("data.k").ordering_key(&json!({"data": {}})), None);
        let (long, other) =
            (key(&json!("x".repeat(9_999))).unwrap(), key(&json!("x".repeat(9_998))).unwrap());
        assert!(long.starts_with("sha256:") && long.len() <= ORDERING_KEY_BYTES_MAX);
        assert_ne!(long, other);
    }

    #[test]
    fn whole_numbers_are_found_however_they_are_written() {
        let whole = |text: &str| whole(&serde_json::from_str(text).unwrap());
        assert_eq!(whole("1e3"), Some(1_000));
        assert_eq!(whole("18446744073709551615"), Some(u64::MAX.into()));
        assert_eq!(whole("1e30"), Some(1e30 as i128));
        assert_eq!(whole("0.5"), None);
        assert_eq!(whole("1e300"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_or_refused(text: String) {
            let _ = text.parse::<Path>();
        }

        #[test]
        fn any_name_can_be_reached(name in ".{1,40}") {
            let escaped = name.replace('\\', r"\\").replace('.', r"\.");
            let event = json!({"data": {name: 1}});
            prop_assert_eq!(path(&format!("data.{escaped}")).get(&event), Some(&json!(1)));
        }

        #[test]
        fn different_texts_have_different_keys(one in ".{0,300}", other in ".{0,300}") {
            prop_assert_eq!(one == other, key(&json!(one)) == key(&json!(other)));
        }
    }
}
