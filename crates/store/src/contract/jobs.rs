//! Work that goes on for a while, and the past that it looks at.

use std::sync::Arc;

use domain::job::{Job, Standing};
use domain::{DeliveryId, Event, EventId, NodeId, SubscriptionId, UserId};

/// A job, with how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredJob {
    /// What everyone may see.
    pub job: Job,
    /// Who works on it; `None`: nobody yet.
    pub node: Option<NodeId>,
    /// The id of the last event or delivery that it is done with; zeros before the first.
    pub cursor: [u8; 16],
    /// How often it has been written.
    pub revision: i64,
}

/// What became of [`Store::step_job`](crate::Store::step_job).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// It is written.
    Done,
    /// Nothing was written: somebody else has written the job since.
    Overtaken,
    /// Nothing was written: a delivery is no longer as its decision found it.
    Conflict,
}

/// What became of [`Store::owe`](crate::Store::owe).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owed {
    /// These were added.
    Done(Vec<DeliveryId>),
    /// Nothing was added: subscriptions have changed.
    StaleRoutes,
    /// Nothing was added: somebody else has written the job since.
    Overtaken,
}

/// Events in one call of [`Store::events_of`](crate::Store::events_of). They are one statement, which has a parameter
/// for each.
pub const EVENTS_PER_CALL_MAX: usize = 256;

/// A span of the log, as a subscription may want to see it.
#[derive(Debug, Clone)]
pub struct Past {
    /// Whose events; `None`: everyone's.
    pub user_id: Option<UserId>,
    /// The subscription with which they stand.
    pub subscription_id: SubscriptionId,
    /// Only what comes after this,
    pub after: EventId,
    /// up to this.
    pub last: EventId,
}

/// An event, and how it stands with a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastEvent {
    /// The event, without its data and raw bytes.
    pub event: Arc<Event>,
    /// Bytes of its data.
    pub data_bytes: u64,
    /// How it stands.
    pub standing: Standing,
}
