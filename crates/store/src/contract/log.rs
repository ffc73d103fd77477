//! Events, as they are appended and read.

use std::sync::Arc;

use domain::delivery::Delivery;
use domain::event::DedupeKey;
use domain::{Event, EventId, EventType, Timestamp, UserId};

/// A place in the log. Positions only grow, in the order in which appends became durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub i64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);
}

/// Events of one request, kept together or not at all.
#[derive(Debug, Clone)]
pub struct Append {
    /// What came in.
    pub events: Vec<NewEvent>,
    /// The request's idempotency key.
    pub idempotency: Option<Idempotency>,
}

/// An event with all that is written with it.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The event.
    pub event: Arc<Event>,
    /// What tells a repeat of it; `None` where every event is new.
    pub dedupe_key: Option<DedupeKey>,
    /// What is owed since it came in.
    pub deliveries: Vec<Delivery>,
}

/// A caller's word that two requests with this key are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idempotency {
    /// The key, with its user.
    pub key: DedupeKey,
    /// The digest of the body that it stands for.
    pub body: [u8; 16],
    /// When it is forgotten.
    pub expires_at: Timestamp,
}

/// What became of [`Store::append`](crate::Store::append).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// It is durable: for each append, in order, what was kept.
    Durable(Vec<Kept>),
    /// Subscriptions have changed; nothing was written.
    StaleRoutes,
}

/// What was kept of one [`Append`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Its events, in order.
    Events(Vec<KeptEvent>),
    /// Nothing: its idempotency key stands for another body.
    KeyTaken,
}

/// Where an event is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptEvent {
    /// The event that is in the log; for a repeat, the first.
    pub id: EventId,
    /// Where.
    pub position: Position,
    /// Whether this append put it there.
    pub is_new: bool,
}

/// An event in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Where in the log.
    pub position: Position,
    /// The event.
    pub event: Arc<Event>,
}

/// Which events are meant; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are those of an event")]
pub struct EventFilter {
    pub user_id: Option<UserId>,
    pub event_type: Option<EventType>,
    pub source: Option<String>,
    /// Received at or after.
    pub since: Option<Timestamp>,
    /// Received before.
    pub until: Option<Timestamp>,
}

/// What is to be counted.
#[derive(Debug, Clone)]
pub struct Counted {
    /// Whose events; `None`: everyone's.
    pub user_id: Option<UserId>,
    /// Received at or after.
    pub since: Timestamp,
    /// Received before.
    pub until: Timestamp,
    /// How long a bucket is.
    pub bucket_seconds: u32,
}

/// How many events of a kind came in within a bucket of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventCount {
    /// When the bucket begins.
    pub bucket: Timestamp,
    /// Where they came in.
    pub source: String,
    /// What kind.
    pub event_type: EventType,
    /// How many.
    pub count: i64,
}
