//! Events: immutable facts, and the words they are made of.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ring::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{EVENT_TYPE_BYTES_MAX, JSON_DEPTH_MAX, USER_ID_BYTES_MAX};
use crate::{EventId, Timestamp};

/// A fact that came in. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name, also the `webhook-id` of each request that carries it.
    pub id: EventId,
    /// What kind of fact.
    pub event_type: EventType,
    /// Whose it is. `None` where no user could be found: kept for the operator, delivered to global subscriptions.
    pub user_id: Option<UserId>,
    /// Where it came in: a provider's route (`github`), a custom source (`src_…`), or the publish API (`api`).
    pub source: Cow<'static, str>,
    /// The provider that spoke, where one did.
    pub provider: Option<Cow<'static, str>>,
    /// When it happened, as far as the sender says.
    pub occurred_at: Timestamp,
    /// When it came in.
    pub received_at: Timestamp,
    /// What happened, byte for byte as the sender wrote it.
    pub data: Json,
    /// The request's body, where it is not `data` itself (a form post, XML).
    pub raw: Option<Vec<u8>>,
}

/// A user of the host application: an opaque text, unique there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

/// A text that cannot be a user's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user id is 1 to {USER_ID_BYTES_MAX} bytes without control characters")]
pub struct NotAUserId;

impl UserId {
    /// The id as the host application knows it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = NotAUserId;

    fn from_str(text: &str) -> Result<Self, NotAUserId> {
        let good = !text.is_empty() && text.len() <= USER_ID_BYTES_MAX && !text.chars().any(char::is_control);
        good.then(|| Self(text.into())).ok_or(NotAUserId)
    }
}

/// What kind of fact an event is: lower-case words joined by dots, such as `github.pull_request.opened`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(Arc<str>);

/// A text that cannot be an event type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an event type is words of a-z, 0-9, _ and - joined by dots, at most {EVENT_TYPE_BYTES_MAX} bytes in all, such as task.created"
)]
pub struct NotAnEventType;

/// Types that Waystation itself emits about its own work. A plain `*` leaves them out: they must be named.
const OPERATIONAL: [&str; 4] = ["delivery.", "subscription.", "queue.", "alert."];

impl EventType {
    /// Joins words that a sender chose into a type: letters become lower case, and whatever may not stand in a word
    /// becomes `_`. Empty words are left out, and what is too long is cut.
    ///
    /// ```
    /// # use domain::EventType;
    /// assert_eq!(EventType::from_words(["composio", "GMAIL_NEW Message"]).as_str(), "composio.gmail_new_message");
    /// ```
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut joined = String::new();
        for word in words.into_iter().flat_map(|words| words.split('.')).filter(|word| !word.is_empty()) {
            if !joined.is_empty() {
                joined.push('.');
            }
            // Nearly all come as they are to be.
            match word.chars().all(is_word_char) {
                true => joined.push_str(word),
                false => joined.extend(word.chars().map(tame)),
            }
        }
        joined.truncate(EVENT_TYPE_BYTES_MAX);
        joined.truncate(joined.trim_end_matches('.').len());
        Self(if joined.is_empty() { "unknown".into() } else { joined.into() })
    }

    /// The type as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it tells of Waystation's own work (`delivery.failed`, `queue.backlog`, …).
    #[must_use]
    pub fn is_operational(&self) -> bool {
        OPERATIONAL.iter().any(|prefix| self.0.starts_with(prefix))
    }
}

const fn is_word_char(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9' | '_' | '-')
}

fn tame(c: char) -> char {
    let lower = c.to_ascii_lowercase();
    if is_word_char(lower) { lower } else { '_' }
}

/// Whether `text` is words joined by dots.
pub(crate) fn is_dotted(text: &str) -> bool {
    text.len() <= EVENT_TYPE_BYTES_MAX
        && text.split('.').all(|word| !word.is_empty() && word.chars().all(is_word_char))
}

impl FromStr for EventType {
    type Err = NotAnEventType;

    fn from_str(text: &str) -> Result<Self, NotAnEventType> {
        is_dotted(text).then(|| Self(text.into())).ok_or(NotAnEventType)
    }
}

/// A whole JSON document, byte for byte as it came: UTF-8, well formed, and nested at most [`JSON_DEPTH_MAX`] deep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(Arc<str>);

/// Why bytes are no JSON document that we keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// The bytes are not UTF-8.
    #[error("not UTF-8 after {0} bytes")]
    NotUtf8(usize),
    /// The text is not JSON.
    #[error("not JSON: {0}")]
    Malformed(String),
    /// The document is JSON, but not what was looked for.
    #[error("JSON of another shape: {0}")]
    OtherShape(String),
    /// The document is nested too deep.
    #[error("nested deeper than {JSON_DEPTH_MAX}")]
    TooDeep,
}

impl Json {
    /// Reads a document.
    ///
    /// # Errors
    /// Bytes that are not UTF-8, not one JSON document, or nested too deep.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotJson> {
        let text = std::str::from_utf8(bytes).map_err(|error| NotJson::NotUtf8(error.valid_up_to()))?;
        Self::from_text(text)
    }

    /// Reads a document that is text already.
    ///
    /// # Errors
    /// As [`Json::parse`].
    pub fn from_text(text: &str) -> Result<Self, NotJson> {
        if depth_exceeds(text, JSON_DEPTH_MAX) {
            return Err(NotJson::TooDeep);
        }
        serde_json::from_str::<serde::de::IgnoredAny>(text)
            .map_err(|error| NotJson::Malformed(error.to_string()))?;
        Ok(Self(text.into()))
    }

    /// Reads a document, and of it what `T` names, in one pass.
    ///
    /// # Errors
    /// As [`Json::parse`], or the document is not of `T`'s shape: then the second error says how.
    pub fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<(Self, T), NotJson> {
        let text = std::str::from_utf8(bytes).map_err(|error| NotJson::NotUtf8(error.valid_up_to()))?;
        if depth_exceeds(text, JSON_DEPTH_MAX) {
            return Err(NotJson::TooDeep);
        }
        let read = serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => NotJson::OtherShape(error.to_string()),
            _ => NotJson::Malformed(error.to_string()),
        })?;
        Ok((Self(text.into()), read))
    }

    /// Takes a document that was checked when it was first read, such as one that comes back from the store.
    #[must_use]
    pub fn trusted(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The document's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The document's text, shared rather than copied.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

/// Counts brackets outside of strings: cheaper than building the document, and without a stack to exhaust. Most
/// documents have too few brackets in all, which is found out in no time.
fn depth_exceeds(text: &str, depth_max: usize) -> bool {
    // In pieces whose count fits into a byte: so the processor counts many of them at once.
    let opening = |piece: &[u8]| piece.iter().map(|byte| u8::from(matches!(byte, b'{' | b'['))).sum::<u8>();
    let opening: usize =
        text.as_bytes().chunks(usize::from(u8::MAX)).map(|piece| usize::from(opening(piece))).sum();
    opening > depth_max && nesting_exceeds(text, depth_max)
}

fn nesting_exceeds(text: &str, depth_max: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > depth_max {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// What tells a repeat from a new event: a digest of where it came in, whose it is, and the sender's own id for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DedupeKey([u8; 16]);

impl DedupeKey {
    /// The key of the event that `source` calls `id` when it speaks about `user`.
    #[must_use]
    pub fn new(source: &str, user: Option<&UserId>, id: &str) -> Self {
        let mut digest = digest::Context::new(&digest::SHA256);
        // A length before each part, so that no two different triples are the same bytes.
        for part in [source, user.map_or("", UserId::as_str), id] {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&digest.finish().as_ref()[..16]);
        Self(key)
    }

    /// A key that was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The key's bytes, as they are stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

macro_rules! serde_as_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

serde_as_text!(UserId);
serde_as_text!(EventType);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_lower_case_words_joined_by_dots() {
        for good in ["push", "github.pull_request.opened", "a-b.c_1"] {
            assert!(good.parse::<EventType>().is_ok(), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "A.b", "a b", "github.*", &"a".repeat(129)] {
            assert!(bad.parse::<EventType>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_senders_words_always_make_a_type() {
        let long = "x".repeat(500);
        for words in
            [vec!["github", "Push"], vec!["slack", "", ".."], vec!["ü", "a b\0"], vec![], vec!["a.b", &long]]
        {
            let made = EventType::from_words(words.iter().copied());
            assert_eq!(made.as_str().parse::<EventType>().as_ref(), Ok(&made));
        }
    }

    #[test]
    fn a_document_is_kept_byte_for_byte() {
        let odd = br#" {"a":1.0e2, "a":2, "s":"\ud83d\ude00 [[[[" } "#;
        assert_eq!(Json::parse(odd).unwrap().as_str().as_bytes(), odd);
    }

    #[test]
    fn what_is_no_document_is_refused_with_the_place() {
        assert_eq!(Json::parse(b"{\"a\":\"\xff\"}"), Err(NotJson::NotUtf8(6)));
        assert!(matches!(Json::parse(b"{} {}"), Err(NotJson::Malformed(_))));
        assert!(matches!(Json::parse(b""), Err(NotJson::Malformed(_))));
        let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Json::from_text(&deep(JSON_DEPTH_MAX)).is_ok());
        assert_eq!(Json::from_text(&deep(100_000)), Err(NotJson::TooDeep));
    }

    #[test]
    fn a_dedupe_key_tells_its_parts_apart() {
        let user: UserId = "bc".parse().unwrap();
        let key = DedupeKey::new("a", Some(&user), "d");
        assert_eq!(key, DedupeKey::new("a", Some(&user), "d"));
        assert_ne!(key, DedupeKey::new("ab", Some(&"c".parse().unwrap()), "d"));
        assert_ne!(key, DedupeKey::new("a", None, "bcd"));
    }
}
