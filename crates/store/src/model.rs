//! The contract in memory: the shortest way to say what each method does.
//!
//! It defines what the engines that know SQL must do, and the simulator runs on it. So it is plain rather than fast:
//! sorted maps behind one lock, which makes every method a transaction.

mod batches;
mod connections;
mod deliveries;
mod door;
mod hours;
mod inbox;
mod jobs;
mod log;
mod registrations;
mod retention;
mod sealed;
mod sources;
mod store;
mod subscriptions;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::attempt::Attempt;
use domain::delivery::Delivery;
use domain::event::DedupeKey;
use domain::{
    ConnectionId, ConversationId, DeliveryId, EmailId, Event, EventId, EventType, JobId, KeyId, MessageId,
    NodeId, RegistrationId, RejectionId, SourceId, SubscriptionId, Timestamp, UserId,
};

use crate::notes::Board;
use crate::{
    AddedType, ApiKey, Hour, Idempotency, KeyDigest, Page, Position, Rejection, Result, Statistics,
    StoreError, StoredConnection, StoredConversation, StoredEmail, StoredJob, StoredMessage,
    StoredRegistration, StoredSource, StoredSubscription,
};

/// A store that forgets everything when it is dropped.
#[derive(Debug, Default)]
pub struct Model {
    data: Mutex<Data>,
    notes: Board,
    /// How often each method has been called.
    calls: Mutex<BTreeMap<&'static str, u64>>,
    /// Which calls of a method fail.
    failing: Mutex<BTreeMap<&'static str, Range<u64>>>,
}

/// What is kept. Whatever the maps sort by is the order in which the contract lists it.
#[derive(Debug, Default)]
struct Data {
    log: BTreeMap<Position, Arc<Event>>,
    positions: BTreeMap<EventId, Position>,
    /// The last that was given out.
    last_position: i64,
    /// The highest that was removed.
    removed_to: i64,
    kept_under: BTreeMap<DedupeKey, EventId>,
    idempotency: BTreeMap<DedupeKey, Idempotency>,
    deliveries: BTreeMap<DeliveryId, Delivery>,
    /// Where in its line each delivery stands: they are numbered as they come.
    places: BTreeMap<DeliveryId, u64>,
    last_place: u64,
    /// Which was claimed with which: those of one batch have the same.
    batches: BTreeMap<DeliveryId, u64>,
    last_batch: u64,
    attempts: BTreeMap<(DeliveryId, u16), Attempt>,
    subscriptions: BTreeMap<SubscriptionId, StoredSubscription>,
    /// Goes up by one whenever `subscriptions` changes.
    routes_version: i64,
    /// Which subscription each of the last versions is about.
    route_changes: BTreeMap<i64, SubscriptionId>,
    statistics: BTreeMap<SubscriptionId, Statistics>,
    /// By when they began.
    hours: BTreeMap<(Timestamp, SubscriptionId), Hour>,
    nodes: BTreeMap<NodeId, i64>,
    keys: BTreeMap<KeyId, ApiKey>,
    rejections: BTreeMap<RejectionId, Rejection>,
    /// By owner and name.
    event_types: BTreeMap<(Option<UserId>, EventType), AddedType>,
    jobs: BTreeMap<JobId, StoredJob>,
    sources: BTreeMap<SourceId, StoredSource>,
    /// Goes up by one whenever `sources` changes.
    sources_version: i64,
    connections: BTreeMap<ConnectionId, StoredConnection>,
    registrations: BTreeMap<RegistrationId, StoredRegistration>,
    /// By kind and subject: when each is due.
    tasks: BTreeMap<(String, String), connections::Kept>,
    /// By kind of tasks: until when they rest, and why.
    rests: BTreeMap<String, (Timestamp, String)>,
    spent: BTreeMap<KeyDigest, Timestamp>,
    /// How far the inbox has followed the log.
    inbox_position: i64,
    conversations: BTreeMap<ConversationId, StoredConversation>,
    messages: BTreeMap<MessageId, StoredMessage>,
    emails: BTreeMap<EmailId, StoredEmail>,
}

impl Model {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls of a method fail from now on, as those of a store that is away: these of the next, counted from 0. Only
    /// `append`, `change_connection`, `claim_tasks`, `settle_task` and `finish_sync` do.
    pub fn fail(&self, method: &'static str, calls: Range<u64>) {
        let made = lock(&self.calls).get(method).copied().unwrap_or_default();
        lock(&self.failing).insert(method, calls.start.saturating_add(made)..calls.end.saturating_add(made));
    }

    /// Whether the method `called` fails this time.
    fn reach(&self, called: &'static str) -> Result<()> {
        let made = lock(&self.calls).get(called).copied().unwrap_or_default();
        if lock(&self.failing).get(called).is_none_or(|failing| !failing.contains(&made)) {
            return Ok(());
        }
        *lock(&self.calls).entry(called).or_default() += 1;
        Err(StoreError::Unavailable("it was told to be away".to_owned()))
    }

    /// The data, for the method `called`.
    fn data(&self, called: &'static str) -> MutexGuard<'_, Data> {
        *lock(&self.calls).entry(called).or_default() += 1;
        lock(&self.data)
    }
}

/// A test that fails while it holds the lock says so itself; the others need not fail with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The part of a list, given from the newest to the oldest, that `page` asks for.
fn paged<Id: Ord, T>(
    newest_first: impl Iterator<Item = T>,
    page: &Page<Id>,
    id_of: impl Fn(&T) -> Id,
) -> Vec<T> {
    let is_older = |item: &T| page.before.as_ref().is_none_or(|before| id_of(item) < *before);
    newest_first.filter(is_older).take(page.limit as usize).collect()
}
