//! Subscriptions: who wants which events, and where they go.

use std::cell::LazyCell;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::batch::Batch;
use crate::event::is_dotted;
use crate::headers::Headers;
use crate::order::OrderingKey;
use crate::path::Path;
use crate::retry::RetryPolicy;
use crate::template::Template;
use crate::{ConversationId, Event, EventType, SubscriptionId, Timestamp, UserId};

/// Who wants which events, where they go, and how hard we try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its name.
    pub id: SubscriptionId,
    /// Whose events it gets. `None`: every user's.
    pub user_id: Option<UserId>,
    /// Where they go.
    pub target: Target,
    /// What is fixed by its owner.
    pub terms: Terms,
    /// False once it was deactivated, by its owner or by a `410 Gone`.
    pub is_active: bool,
    /// Whether its deliveries are held back for now.
    pub paused: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its owner, or a `410 Gone`, last changed it.
    pub updated_at: Timestamp,
}

/// Where deliveries go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To a URL, as signed requests.
    Push {
        /// Where each request is sent.
        url: String,
    },
    /// To a queue, from which workers lease them.
    Pull {
        /// The queue's name, unique within its user.
        queue: String,
    },
}

/// What the owner of a subscription chooses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// The types that are wanted.
    pub event_types: Vec<TypePattern>,
    /// For people.
    pub description: String,
    /// Which events of those types are wanted: a [`Filter`](crate::filter::Filter) as its owner wrote it. It is read
    /// where it is used, so that one which a later version reads otherwise makes nothing else unreadable.
    pub filter: Option<Value>,
    /// Whose body requests have instead of the event's own.
    pub template: Option<Template>,
    /// The source of a JavaScript function that makes the body of an event, instead of a template.
    pub transform: Option<Source>,
    /// Headers beside ours.
    pub headers: Headers,
    /// The gaps between attempts.
    pub retry_policy: RetryPolicy,
    /// Retries after the first attempt.
    pub retry_count: u16,
    /// Seconds that one attempt may take.
    pub timeout_seconds: u16,
    /// Attempts under way at once.
    pub max_concurrency: u16,
    /// Attempts that may begin within any minute; `None`: as many as can.
    pub rate_limit_per_minute: Option<u16>,
    /// How requests are signed.
    pub signing: Signing,
    /// Where events hold what deliveries must be equal in to go one after another; `None`: all go at once.
    pub ordering_key: Option<Path>,
    /// How deliveries gather; `None`: each goes by itself.
    pub batch: Option<Batch>,
    /// The conversation whose callback it is, and with which it comes and goes; `None`: somebody has subscribed. It has
    /// the callback's own body.
    pub callback_of: Option<ConversationId>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            event_types: vec![TypePattern::All],
            description: String::new(),
            filter: None,
            template: None,
            transform: None,
            headers: Headers::default(),
            retry_policy: RetryPolicy::Exponential,
            retry_count: RetryPolicy::Exponential.natural_count(),
            timeout_seconds: 10,
            max_concurrency: 10,
            rate_limit_per_minute: None,
            signing: Signing::Standard,
            ordering_key: None,
            batch: None,
            callback_of: None,
        }
    }
}

/// The source of a transform, as its owner wrote it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Source(pub String);

/// Without the source: people write tokens into such functions.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({} bytes)", self.0.len())
    }
}

/// How requests are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signing {
    /// Standard Webhooks v1: HMAC-SHA256 under a shared secret.
    #[default]
    Standard,
    /// Standard Webhooks v1a: Ed25519; the subscriber holds only the public key.
    Ed25519,
}

impl Subscription {
    /// Whether `event` is to be delivered here by its user and type; its filter is asked by whoever has read it.
    #[must_use]
    pub fn wants(&self, event: &Event) -> bool {
        let covers_user = self.user_id.is_none() || self.user_id == event.user_id;
        self.is_active && covers_user && self.terms.event_types.iter().any(|p| p.matches(&event.event_type))
    }

    /// In which line a delivery of an event stands, if in any. The event's `document` is made only when somebody looks.
    pub fn ordering_key<D: FnOnce() -> Value>(&self, document: &LazyCell<Value, D>) -> Option<OrderingKey> {
        OrderingKey::of(document, self.terms.ordering_key.as_ref()?)
    }

    /// When something that comes in at `now` is to go: at once, or after having waited for others.
    #[must_use]
    pub fn due_at(&self, now: Timestamp) -> Timestamp {
        self.terms.batch.map_or(now, |batch| now.plus(batch.max_wait()))
    }

    /// Attempts that a delivery gets before it is given up.
    #[must_use]
    pub const fn max_attempts(&self) -> u16 {
        self.terms.retry_count + 1
    }

    /// Whether new deliveries wait until somebody lets them go.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.paused || !self.is_active
    }
}

/// Which event types are meant: one, all that begin alike, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypePattern {
    /// `*`: every type but the operational ones, which must be named.
    All,
    /// `github.*`: every type below `github.`; the text held is `github.`.
    Below(String),
    /// One type.
    Exactly(EventType),
}

/// A text that is no pattern of event types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no event type: name one exactly (github.push), with a trailing wildcard (github.*), or all (*)"
)]
pub struct NotATypePattern(String);

impl TypePattern {
    /// Whether `event_type` is meant.
    #[must_use]
    pub fn matches(&self, event_type: &EventType) -> bool {
        match self {
            Self::All => !event_type.is_operational(),
            Self::Below(prefix) => event_type.as_str().starts_with(prefix),
            Self::Exactly(wanted) => wanted == event_type,
        }
    }
}

impl FromStr for TypePattern {
    type Err = NotATypePattern;

    fn from_str(text: &str) -> Result<Self, NotATypePattern> {
        let refuse = || NotATypePattern(text.chars().take(64).collect());
        match text.strip_suffix(".*") {
            _ if text == "*" => Ok(Self::All),
            Some(words) if is_dotted(words) => Ok(Self::Below(format!("{words}."))),
            Some(_) => Err(refuse()),
            None => text.parse().map(Self::Exactly).map_err(|_| refuse()),
        }
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Below(prefix) => write!(f, "{prefix}*"),
            Self::Exactly(event_type) => event_type.fmt(f),
        }
    }
}

impl Serialize for TypePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TypePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, event_type: &str) -> bool {
        pattern.parse::<TypePattern>().unwrap().matches(&event_type.parse().unwrap())
    }

    #[test]
    fn a_pattern_names_one_type_or_all_below_a_word_or_all() {
        assert!(matches("github.push", "github.push"));
        assert!(!matches("github.push", "github.push.x"));
        assert!(matches("github.*", "github.pull_request.opened"));
        assert!(!matches("github.*", "github"));
        assert!(!matches("github.*", "githubby.push"));
        assert!(matches("*", "anything.at.all"));
    }

    #[test]
    fn operational_types_must_be_named() {
        assert!(!matches("*", "delivery.failed"));
        assert!(matches("delivery.*", "delivery.failed"));
        assert!(matches("queue.backlog", "queue.backlog"));
        assert!(matches("*", "connection.needs_reauth"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", "**", "*.push", "git*", ".*", "github.*.x", "GitHub.*"] {
            assert!(bad.parse::<TypePattern>().is_err(), "{bad}");
        }
        for good in ["*", "a.*", "a.b.*", "a.b"] {
            assert_eq!(good.parse::<TypePattern>().unwrap().to_string(), good);
        }
    }
}
