//! Fields that say something about an event and must not make it unreadable: whatever else stands there counts as
//! nothing.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::Value;

/// A text; a number as it is written.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) if !text.is_empty() => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// A truth value, which some write as 0 and 1.
pub(crate) fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(truth) => Some(truth),
        Value::Number(number) => Some(number.as_u64() != Some(0)),
        _ => None,
    })
}

/// An object of the shape of `T`.
pub(crate) fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    Ok(if value.is_object() { serde_json::from_value(value).ok() } else { None })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Loose {
        #[serde(default, deserialize_with = "super::text")]
        text: Option<String>,
        #[serde(default, deserialize_with = "super::truth")]
        truth: Option<bool>,
        #[serde(default, deserialize_with = "super::object")]
        object: Option<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        id: u8,
    }

    #[test]
    fn what_fits_is_taken_and_the_rest_is_nothing() {
        let read = |json| serde_json::from_str::<Loose>(json).unwrap();
        let fits = Loose { text: Some("7".to_owned()), truth: Some(true), object: Some(Inner { id: 1 }) };
        assert_eq!(read(r#"{"text":"7","truth":true,"object":{"id":1}}"#), fits);
        assert_eq!(read(r#"{"text":7,"truth":1,"object":{"id":1,"more":[]}}"#), fits);
        for nothing in [
            "{}",
            r#"{"text":null,"truth":null,"object":null}"#,
            r#"{"text":["7"],"truth":"yes","object":[1]}"#,
            r#"{"text":"","truth":{},"object":{"id":"x"}}"#,
        ] {
            assert_eq!(read(nothing), Loose::default(), "{nothing}");
        }
    }
}
