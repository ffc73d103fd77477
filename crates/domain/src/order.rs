//! Order: which deliveries of a subscription wait for one another.

use serde_json::Value;

use crate::path::Path;

/// What deliveries have in common that go one after another: a digest of the value at a subscription's `ordering_key`.
///
/// Those of a subscription that have the same one stand in a line, in the order of the log. Only the first may be
/// claimed; the next is the first once that has ended, however it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderingKey([u8; 16]);

impl OrderingKey {
    /// The key of an event's `document`. `None` where nothing lies at `path`, or `null`: such a delivery stands in no
    /// line.
    ///
    /// The path itself is no part of it: where a subscription changes its path, equal values stay in one line.
    #[must_use]
    pub fn of(document: &Value, path: &Path) -> Option<Self> {
        let text = path.ordering_key(document)?;
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        digest.as_ref().first_chunk().copied().map(Self)
    }

    /// Its bytes, to be kept.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// What [`OrderingKey::as_bytes`] gave.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn key(path: &str, data: &Value) -> Option<OrderingKey> {
        OrderingKey::of(&json!({ "data": data }), &path.parse().unwrap())
    }

    #[test]
    fn nothing_and_null_stand_in_no_line() {
        assert_eq!(key("data.customer", &json!({})), None);
        assert_eq!(key("data.customer", &json!({ "customer": null })), None);
        assert_eq!(key("data.customer.id", &json!({ "customer": "c-1" })), None);
    }

    #[test]
    fn equal_values_stand_in_one_line_by_whichever_path() {
        let data = json!({ "a": { "n": 1 }, "b": { "n": 1.0 }, "c": { "n": "1" } });
        assert_eq!(key("data.a", &data), key("data.b", &data));
        assert_ne!(key("data.a", &data), key("data.c", &data));
    }

    proptest! {
        #[test]
        fn keys_are_equal_where_values_are(one in ".{0,300}", other in ".{0,300}") {
            let of = |text: &str| key("data", &json!(text));
            prop_assert!(of(&one).is_some());
            prop_assert_eq!(one == other, of(&one) == of(&other));
        }
    }
}
