//! An event as one JSON document: what filters, paths and templates look into.

use serde_json::{Value, json};

use crate::Event;
use crate::event::Json;

/// The fields of an event's document. A path begins with one of them.
pub const FIELDS: [&str; 8] =
    ["id", "type", "user_id", "source", "provider", "occurred_at", "received_at", "data"];

impl Event {
    /// The event as the API shows it: `{id, type, user_id, source, provider, occurred_at, received_at, data}`, with
    /// `null` where there is no user or provider.
    ///
    /// It reads all of `data`. Whoever asks many subscriptions about one event makes the document once, and only if
    /// one of them looks (`LazyCell::new(|| event.document())`).
    #[must_use]
    pub fn document(&self) -> Value {
        json!({
            "id": self.id,
            "type": self.event_type,
            "user_id": self.user_id,
            "source": self.source,
            "provider": self.provider,
            "occurred_at": self.occurred_at,
            "received_at": self.received_at,
            "data": self.data.to_value(),
        })
    }
}

impl Json {
    /// The document's value, as near as a `Value` can say it: of equal keys the last counts, numbers are 64-bit
    /// integers or doubles, and half a surrogate pair is U+FFFD.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let text = self.as_str();
        // What does not parse is JSON all the same: it holds what RFC 8259 permits and a `Value` cannot hold. A
        // filter must not lose the event for that.
        serde_json::from_str(text)
            .or_else(|_| serde_json::from_str(&representable(text)))
            .unwrap_or(Value::Null)
    }
}

/// The JSON `text` with halves of surrogate pairs replaced, and with numbers beyond the doubles brought to the last
/// of them.
fn representable(text: &str) -> String {
    let (mut written, mut rest, mut in_string) = (String::with_capacity(text.len()), text, false);
    while let Some(first) = rest.chars().next() {
        let (length, instead) = match first {
            '\\' if in_string => escape(rest),
            '-' | '0'..='9' if !in_string => number(rest),
            _ => (first.len_utf8(), None),
        };
        // An escaped quote never comes here by itself: the escape before it took it along.
        in_string ^= first == '"';
        let (piece, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        written.push_str(instead.unwrap_or(piece));
        rest = after;
    }
    written
}

/// How long the escape is with which `text` begins, and what stands in for it if it is half a pair.
fn escape(text: &str) -> (usize, Option<&'static str>) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    match unit(0) {
        Some(0xd800..=0xdbff) if matches!(unit(6), Some(0xdc00..=0xdfff)) => (12, None),
        Some(0xd800..=0xdfff) => (6, Some("\\ufffd")),
        Some(_) => (6, None),
        None => (1 + text.chars().nth(1).map_or(0, char::len_utf8), None),
    }
}

/// How long the number is with which `text` begins, and what stands in for it if it is too large.
fn number(text: &str) -> (usize, Option<&'static str>) {
    let length = text.find(|c| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(text.len());
    let is_too_large = text[..length].parse::<f64>().is_ok_and(f64::is_infinite);
    let nearest = if text.starts_with('-') { "-1.7976931348623157e308" } else { "1.7976931348623157e308" };
    (length, is_too_large.then_some(nearest))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;
    use crate::{EventId, Timestamp};

    /// An event of `event_type` that holds `data`.
    pub(crate) fn event(event_type: &str, data: &str) -> Event {
        let now = Timestamp::from_seconds(1_700_000_000);
        Event {
            id: EventId::new(now, &mut SmallRng::seed_from_u64(1)),
            event_type: event_type.parse().unwrap(),
            user_id: Some("alice".parse().unwrap()),
            source: "github".into(),
            provider: Some("github".into()),
            occurred_at: now,
            received_at: now,
            data: Json::from_text(data).unwrap(),
            raw: None,
        }
    }

    fn value(text: &str) -> Value {
        Json::from_text(text).unwrap().to_value()
    }

    #[test]
    fn the_document_has_the_fields_that_the_api_shows() {
        let event = event("task.created", r#"{"n":1}"#);
        let document = event.document();
        let mut fields = FIELDS;
        fields.sort_unstable();
        let mut keys: Vec<_> = document.as_object().unwrap().keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, fields);
        assert_eq!(document["type"], "task.created");
        assert_eq!(document["occurred_at"], "2023-11-14T22:13:20.000Z");
        assert_eq!(document["data"]["n"], 1);
        assert_eq!(Event { user_id: None, ..event }.document()["user_id"], Value::Null);
    }

    #[test]
    fn what_a_value_cannot_hold_is_brought_near() {
        assert_eq!(value(r#"{"a":"x\ud83dy","b":2}"#), json!({"a": "x\u{fffd}y", "b": 2}));
        assert_eq!(value(r#"["\ude00\ud83d\ude00\ud83d\n\"\\"]"#), json!(["\u{fffd}😀\u{fffd}\n\"\\"]));
        assert_eq!(value(r#"["\ud800\ud800\udc00"]"#), json!(["\u{fffd}\u{10000}"]));
        assert_eq!(value("[1e999,-1E+999,1e-999,12]"), json!([f64::MAX, f64::MIN, 0.0, 12]));
        assert_eq!(value(r#"["1e999 é",1e999]"#), json!(["1e999 é", f64::MAX]), "texts stay as they are");
    }

    proptest! {
        #[test]
        fn every_document_that_is_kept_has_a_value(pieces in proptest::collection::vec(
            prop_oneof![
                Just(r"\ud83d"), Just(r"\ude00"), Just(r"\\"), Just(r#"\""#), Just("é"), Just("u"), Just("1e999"),
            ],
            0..12,
        )) {
            let text = format!(r#"{{"a":"{}","b":[1e999,true]}}"#, pieces.concat());
            let value = value(&text);
            prop_assert_eq!(&value["b"], &json!([f64::MAX, true]), "{}", text);
            prop_assert!(value["a"].is_string());
        }

        #[test]
        fn what_a_value_can_hold_is_left_as_it_is(text: String, number: f64, whole: i64) {
            let value = json!({ text.clone(): [text, number, whole, null, true] });
            let written = value.to_string();
            prop_assert_eq!(representable(&written), written);
        }
    }
}
