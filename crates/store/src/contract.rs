//! The contract: what every store can do, and what each thing means.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::attempt::Attempt;
use domain::batch::Batch;
use domain::conversation::{Conversation, Message};
use domain::delivery::{Claim, Delivery, Status};
use domain::email::Email;
use domain::event::{DedupeKey, Json};
use domain::job::{self, Job, Only, Standing};
use domain::registration::Basis;
use domain::subscription::Subscription;
use domain::{
    Connection, ConnectionId, ConversationId, DeliveryId, EmailId, Event, EventId, EventType, JobId, KeyId,
    MessageId, NodeId, Registration, RegistrationId, RejectionId, SourceId, SubscriptionId, Timestamp,
    UserId,
};

use crate::sealed::{SealedIn, SealedSecret};

/// Everything that is kept.
///
/// Each method is one transaction: it happens as a whole or not at all, and has happened for good once it answers.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug + 'static {
    /// Adds events to the log, each with its dedupe key and every delivery it owes.
    ///
    /// The deliveries were decided under `routes`. Where subscriptions have changed since, nothing is written and the
    /// answer is [`Appended::StaleRoutes`]: no event can miss a subscription that was there before it.
    ///
    /// An event whose dedupe key is known is not written again; the answer names the one that was kept. An append
    /// whose idempotency key was used for another body is refused by itself, and the others are kept.
    async fn append(&self, appends: &[Append], routes: RoutesVersion, now: Timestamp) -> Result<Appended>;

    /// Events after `after` in the order of the log, at most `limit`. What is not returned and lies before the last
    /// position that is returned will never appear: a reader cannot step over a late commit.
    async fn read_log(&self, after: Position, limit: u32) -> Result<Vec<Logged>>;

    /// [`Store::read_log`] of one user's events alone.
    async fn read_log_of(&self, user: &UserId, after: Position, limit: u32) -> Result<Vec<Logged>>;

    /// The highest position that an event has been removed from; [`Position::START`] while none has. Whoever reads on from
    /// below it may be missing something.
    async fn removed_to(&self) -> Result<Position>;

    /// The position of the newest event; [`Position::START`] while there is none.
    async fn head(&self) -> Result<Position>;

    /// One event.
    async fn event(&self, id: EventId) -> Result<Option<Logged>>;

    /// Events, the newest first.
    async fn events(&self, filter: &EventFilter, page: &Page<EventId>) -> Result<Vec<Logged>>;

    /// How many events came in, by bucket of time, source and type, the oldest bucket first.
    async fn event_counts(&self, counted: &Counted) -> Result<Vec<EventCount>>;

    /// Claims deliveries that are due: of each lane the longest due first, at most as many as it has room for. No
    /// delivery is ever given to two claimants at once.
    ///
    /// Of those of a subscription that share an ordering key only the first in the line is claimed: the one whose event
    /// is the first in the log, or that was owed first, among all that have not ended. Which of several lines come first
    /// changes from call to call.
    async fn claim(&self, lanes: &[Lane], claim: &Claim, now: Timestamp) -> Result<Vec<Claimed>>;

    /// Claims one batch of a subscription's deliveries, in the order of the log; nothing where none is to go.
    ///
    /// What was claimed as one batch stays one: what is left of it is claimed together, once all of it is due and none of
    /// it is claimed. What has ended has left it, also where it is set going once more. Else a batch is made of what is in none: at most as many as `terms` say and
    /// [`BATCH_BYTES_MAX`](domain::limits::BATCH_BYTES_MAX) bytes of data, or one that is larger, the longest due first. It
    /// is made as soon as it is full, or the first of it is due; then what is fresh and not yet due goes with it. Of those
    /// that share an ordering key it holds the first in the line at most.
    async fn claim_batch(
        &self,
        of: SubscriptionId,
        terms: &Batch,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<Vec<Claimed>>;

    /// Which subscriptions have deliveries waiting, each with the time at which the first is due, whether or not that is
    /// the first of its line.
    async fn waiting(&self) -> Result<Vec<Waiting>>;

    /// How many deliveries are due and wait for a subscription, by type of event; of the longest due, at most `limit`.
    async fn overdue(&self, id: SubscriptionId, now: Timestamp, limit: u32) -> Result<Vec<(EventType, u32)>>;

    /// Writes what was decided about deliveries, with the attempts that led to it. Answers for each whether it was
    /// written: a change whose delivery is no longer as the decision found it is left out. No delivery is named twice.
    ///
    /// A crash of the machine, or of the database server, may take the last of these back, and of the claims: what was
    /// delivered is then delivered again. A crash of this program takes nothing back.
    async fn change(&self, changes: &[Change]) -> Result<Vec<bool>>;

    /// Deliveries whose claim has passed its deadline, or is held by `dead`; the earliest deadline first.
    async fn lapsed(&self, dead: Option<NodeId>, now: Timestamp, limit: u32) -> Result<Vec<Delivery>>;

    /// One delivery.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>>;

    /// The attempts of a delivery, the first first.
    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>>;

    /// Deliveries, the newest first.
    async fn deliveries(&self, filter: &DeliveryFilter, page: &Page<DeliveryId>) -> Result<Vec<Delivery>>;

    /// Every subscription, with the version that [`Store::append`] compares.
    async fn routes(&self) -> Result<Routes>;

    /// What has become of subscriptions since `version`; `None` where that is more than [`ROUTE_CHANGES_KEPT`] changes ago, or
    /// was never.
    async fn routes_since(&self, version: RoutesVersion) -> Result<Option<RouteChanges>>;

    /// The current version of [`Store::routes`].
    async fn routes_version(&self) -> Result<RoutesVersion>;

    /// Adds a subscription.
    async fn create_subscription(&self, subscription: &StoredSubscription) -> Result<()>;

    /// One subscription.
    async fn subscription(&self, id: SubscriptionId) -> Result<Option<StoredSubscription>>;

    /// Subscriptions, the newest first.
    async fn subscriptions(
        &self,
        user: Option<&UserId>,
        page: &Page<SubscriptionId>,
    ) -> Result<Vec<StoredSubscription>>;

    /// Writes a subscription of which `revision` is the current one, and counts the revision up; false where it is not
    /// there or somebody else has changed it since. Its waiting deliveries are held or let go at `now` as it now says.
    async fn change_subscription(&self, subscription: &StoredSubscription, now: Timestamp) -> Result<bool>;

    /// Removes a subscription; false where there is none. Its open deliveries are cancelled, its history stays.
    async fn delete_subscription(&self, id: SubscriptionId, now: Timestamp) -> Result<bool>;

    /// The active subscriptions that are called and have done nothing but fail for longer than `span`, from the first
    /// failure since they last succeeded, or were switched on or off, to the latest; at most `limit`. What fails on our
    /// side ([`ErrorCode::OURS`](domain::attempt::ErrorCode::OURS)) begins no such span.
    async fn failing_for(&self, span: Duration, limit: u32) -> Result<Vec<SubscriptionId>>;

    /// How a subscription's deliveries have ended so far.
    async fn statistics(&self, id: SubscriptionId) -> Result<Statistics>;

    /// What became of deliveries in each hour of a span, the oldest first, all subscriptions together. Hours in which nothing
    /// happened are left out. They are counted as statistics are, in the transaction of each change.
    async fn hours(&self, filter: &HourFilter) -> Result<Vec<Hour>>;

    /// Says that a node lives. Each call counts its beat up by one.
    async fn beat(&self, node: NodeId) -> Result<()>;

    /// Every node that has said that it lives, with its beat.
    async fn nodes(&self) -> Result<Vec<(NodeId, i64)>>;

    /// Forgets a node, if its beat is still `beat`; false where it was not.
    async fn forget_node(&self, node: NodeId, beat: i64) -> Result<bool>;

    /// Adds an event type to the catalogue; false where its owner has one of that name already.
    async fn create_event_type(&self, event_type: &AddedType) -> Result<bool>;

    /// The event types that `owner` has added (`None`: those that the operator has added for everyone), by their names.
    async fn event_types(&self, owner: Option<&UserId>) -> Result<Vec<AddedType>>;

    /// Removes an event type of `owner`; false where there is none. Events of that type stay.
    async fn delete_event_type(&self, owner: Option<&UserId>, event_type: &EventType) -> Result<bool>;

    /// Adds an API key.
    async fn create_key(&self, key: &ApiKey) -> Result<()>;

    /// The API key with that digest.
    async fn key(&self, digest: &KeyDigest) -> Result<Option<ApiKey>>;

    /// API keys, the newest first.
    async fn keys(&self, page: &Page<KeyId>) -> Result<Vec<ApiKey>>;

    /// Revokes an API key; false where there is none.
    async fn delete_key(&self, id: KeyId) -> Result<bool>;

    /// Every source that is there, with the version of them all.
    async fn every_source(&self) -> Result<(SourcesVersion, Vec<StoredSource>)>;

    /// The current version of [`Store::every_source`]. It goes up with every change.
    async fn sources_version(&self) -> Result<SourcesVersion>;

    /// Adds a source, of revision 1.
    async fn create_source(&self, source: &StoredSource) -> Result<()>;

    /// One source.
    async fn source(&self, id: SourceId) -> Result<Option<StoredSource>>;

    /// Sources, the newest first.
    async fn sources(&self, user: Option<&UserId>, page: &Page<SourceId>) -> Result<Vec<StoredSource>>;

    /// Writes a source of which `revision` is the current one, and counts the revision up; false where it is not there or
    /// somebody else has changed it since. Its user and its time of creation stay.
    async fn change_source(&self, source: &StoredSource) -> Result<bool>;

    /// Removes a source; false where there is none.
    async fn delete_source(&self, id: SourceId) -> Result<bool>;

    /// Sealed secrets of one kind of rows, by their ids, from past `after`: to seal them anew.
    async fn sealed_secrets(
        &self,
        within: SealedIn,
        after: [u8; 16],
        limit: u32,
    ) -> Result<Vec<SealedSecret>>;

    /// Puts `sealed` in the place of a secret; false where it has changed since, or is gone. The row's revision stays:
    /// what it says is the same.
    async fn reseal(&self, secret: &SealedSecret, sealed: &[u8]) -> Result<bool>;

    /// Adds a connection, of revision 1, and what is due for it; false where its user has that account already.
    async fn create_connection(&self, connection: &StoredConnection, due: &[Due]) -> Result<bool>;

    /// One connection, also one that was removed and is not gone yet. All others that are removed are nobody's.
    async fn connection(&self, id: ConnectionId) -> Result<Option<StoredConnection>>;

    /// Who has connected that account, the first to do so first.
    async fn connections_to(&self, provider: &str, account_id: &str) -> Result<Vec<StoredConnection>>;

    /// Connections, the newest first.
    async fn connections(
        &self,
        user: Option<&UserId>,
        page: &Page<ConnectionId>,
    ) -> Result<Vec<StoredConnection>>;

    /// Writes a connection of which `revision` is the current one, counts the revision up, and moves what is due for it;
    /// false, with nothing changed, where it is not there or somebody else has changed it since. Its user, provider,
    /// account and times of creation and of the last sync stay.
    async fn change_connection(&self, connection: &StoredConnection, due: &[Due]) -> Result<bool>;

    /// Forgets a connection with all its tasks; false where there is none.
    async fn delete_connection(&self, id: ConnectionId) -> Result<bool>;

    /// Removes a connection; false where there is none. Where nothing is registered for it, it is forgotten. Else it stays
    /// for as long as that is: what is registered is to be gone from `now` on, the connection is in no list, its account
    /// may be connected anew, and of its tasks only that of the kind `kept` stays.
    async fn remove_connection(&self, id: ConnectionId, kept: &str, now: Timestamp) -> Result<bool>;

    /// Adds a registration, of revision 1, and rings for its place (see [`registration_task`]); false where its basis has
    /// one of that place already.
    async fn create_registration(&self, registration: &StoredRegistration) -> Result<bool>;

    /// One registration.
    async fn registration(&self, id: RegistrationId) -> Result<Option<StoredRegistration>>;

    /// Registrations, the newest first.
    async fn registrations(
        &self,
        filter: &RegistrationFilter,
        page: &Page<RegistrationId>,
    ) -> Result<Vec<StoredRegistration>>;

    /// Writes a registration of which `revision` is the current one, counts the revision up, and rings for its place at
    /// `ring_at`, if that is said; false, with nothing changed, where it is not there or somebody else has changed it since.
    /// Its user, provider, basis, target and time of creation stay.
    async fn change_registration(
        &self,
        registration: &StoredRegistration,
        ring_at: Option<Timestamp>,
    ) -> Result<bool>;

    /// Removes a registration of which `revision` is the current one; false where it is not. A connection that was removed
    /// is forgotten with its last.
    async fn delete_registration(&self, registration: &StoredRegistration) -> Result<bool>;

    /// Claims tasks of a kind that are due, the longest due first, at most `limit`: they are next due at `deadline`, in
    /// case whoever has claimed them dies. No task is given to two claimants before its deadline.
    async fn claim_tasks(
        &self,
        kind: &str,
        limit: u32,
        now: Timestamp,
        deadline: Timestamp,
    ) -> Result<Vec<Task>>;

    /// Says when a claimed task is next due, and what is to be remembered until then; false where it was not claimed by
    /// this claim any more. Where it was rung for since it was claimed it is due at once.
    async fn settle_task(&self, task: &Task, due_at: Timestamp, memory: &str) -> Result<bool>;

    /// Keeps a task claimed until `deadline`, and writes down what is to be remembered; false where it was not claimed by
    /// this claim any more.
    async fn keep_task(&self, task: &Task, deadline: Timestamp, memory: &str) -> Result<bool>;

    /// Makes a task due at `now`, if it is not before; one that somebody has claimed, as soon as they have settled it. False
    /// where there is none.
    async fn ring_task(&self, kind: &str, subject: &str, now: Timestamp) -> Result<bool>;

    /// Removes a claimed task for which there is nothing more to do; false where it was not claimed by this claim any more, or
    /// was rung for since.
    async fn drop_task(&self, task: &Task) -> Result<bool>;

    /// [`Store::settle_task`], and with it when a connection was last asked for what is new, which only moves on. It counts
    /// no revision of the connection up.
    async fn finish_sync(
        &self,
        settled: (&Task, Timestamp, &str),
        synced: (ConnectionId, Timestamp),
    ) -> Result<bool>;

    /// When the next task of a kind is due; `None` where there is none.
    async fn next_task_at(&self, kind: &str) -> Result<Option<Timestamp>>;

    /// Spends what may be used once, by its digest, and remembers that until `expires_at`; false where it is spent
    /// already. What was to be remembered until `now` is forgotten.
    async fn spend(&self, digest: &KeyDigest, expires_at: Timestamp, now: Timestamp) -> Result<bool>;

    /// Keeps requests that were refused, at most [`REJECTIONS_PER_CALL_MAX`] at once.
    async fn keep_rejections(&self, rejections: &[Rejection]) -> Result<()>;

    /// Requests that were refused, the newest first.
    async fn rejections(&self, page: &Page<RejectionId>) -> Result<Vec<Rejection>>;

    /// Forgets what was refused before `oldest`, and of the rest all but the newest `count_max`; how many that were.
    async fn forget_rejections(&self, oldest: Timestamp, count_max: u32) -> Result<u64>;

    /// Owes events that are in the log already: adds deliveries that were decided under `routes`, and writes how far the
    /// `job` that decided them has come, as [`Store::step_job`] does.
    ///
    /// A delivery whose event has gone is left out, and so is one whose event stands with its subscription otherwise than
    /// `only` wants. No call names an event and a subscription together twice. Those that have an ordering key stand in
    /// line behind all that are there, in the order in which they are given.
    async fn owe(
        &self,
        deliveries: &[Delivery],
        only: Only,
        routes: RoutesVersion,
        job: Option<&StoredJob>,
    ) -> Result<Owed>;

    /// Adds a job, of revision 1.
    async fn create_job(&self, job: &StoredJob) -> Result<()>;

    /// Adds a subscription together with the job that owes it what came in before.
    async fn create_started_subscription(
        &self,
        subscription: &StoredSubscription,
        job: &StoredJob,
    ) -> Result<()>;

    /// One job.
    async fn job(&self, id: JobId) -> Result<Option<StoredJob>>;

    /// Jobs, the newest first.
    async fn jobs(&self, owner: Option<&UserId>, page: &Page<JobId>) -> Result<Vec<StoredJob>>;

    /// Jobs that run, the oldest first.
    async fn running_jobs(&self, limit: u32) -> Result<Vec<StoredJob>>;

    /// Writes a job of which `revision` is the current one, and counts the revision up; and with it what it has decided
    /// about deliveries. All of it is written or nothing. No delivery is named twice.
    async fn step_job(&self, job: &StoredJob, changes: &[Change]) -> Result<Stepped>;

    /// Removes at most `limit` jobs that have ended, made before `before`; how many.
    async fn remove_ended_jobs(&self, before: Timestamp, limit: u32) -> Result<u64>;

    /// Events of a span, the oldest first, each with how it stands with a subscription. They come without their data and
    /// raw bytes.
    async fn past_events(&self, past: &Past, limit: u32) -> Result<Vec<PastEvent>>;

    /// At most [`EVENTS_PER_CALL_MAX`] events with their data, and without their raw bytes, the oldest first. What has gone is
    /// left out.
    async fn events_of(&self, ids: &[EventId]) -> Result<Vec<Arc<Event>>>;

    /// Deliveries that `filter` means, the oldest first: at most `limit` of those after `after`, up to `last`.
    async fn past_deliveries(
        &self,
        filter: &job::Filter,
        after: DeliveryId,
        last: DeliveryId,
        limit: u32,
    ) -> Result<Vec<Delivery>>;

    /// How many deliveries up to `last` `filter` means.
    async fn count_deliveries(&self, filter: &job::Filter, last: DeliveryId) -> Result<u64>;

    /// How far the inbox has followed the log.
    async fn inbox_position(&self) -> Result<Position>;

    /// [`Store::read_log`] of the events alone that the inbox may be about ([`is_for_inbox`]).
    async fn read_inbox_log(&self, after: Position, limit: u32) -> Result<Vec<Logged>>;

    /// Writes conversations, messages and e-mails, each of which `revision` is the current one, and counts the revisions up; with it
    /// how far the log was followed, and what is due. False, with nothing written, where somebody else has followed it
    /// further, or has written one of them since; or where a new message has a provider's id that another has already.
    async fn keep_inbox(&self, step: &InboxStep) -> Result<bool>;

    /// One conversation.
    async fn conversation(&self, id: ConversationId) -> Result<Option<StoredConversation>>;

    /// Conversations, those with the latest message first, and those without any last.
    async fn conversations(
        &self,
        user: Option<&UserId>,
        page: &Page<Latest<ConversationId>>,
    ) -> Result<Vec<StoredConversation>>;

    /// One message, whether or not it has come in itself.
    async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>>;

    /// The message of a conversation that its provider calls `provider_id`.
    async fn message_called(
        &self,
        conversation: ConversationId,
        provider_id: &str,
    ) -> Result<Option<StoredMessage>>;

    /// The messages of a conversation that have come in, the latest first.
    async fn messages(
        &self,
        conversation: ConversationId,
        page: &Page<Latest<MessageId>>,
    ) -> Result<Vec<StoredMessage>>;

    /// The messages of a conversation that wait to be handed to the provider, by their ids.
    async fn sending_messages(&self, conversation: ConversationId, limit: u32) -> Result<Vec<StoredMessage>>;

    /// One e-mail.
    async fn email(&self, id: EmailId) -> Result<Option<StoredEmail>>;

    /// The e-mail of a user that its provider calls `provider_id`; of several mailboxes the one with the least id.
    async fn email_called(&self, user: &UserId, provider_id: &str) -> Result<Option<StoredEmail>>;

    /// E-mails, the latest first: of a user, or of one of their threads.
    async fn emails(
        &self,
        user: Option<&UserId>,
        thread_id: Option<&str>,
        page: &Page<Latest<EmailId>>,
    ) -> Result<Vec<StoredEmail>>;

    /// The oldest events, received before `before`: at most `limit` of those after `after`, each with its type.
    async fn oldest_events(
        &self,
        after: Option<EventId>,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<(EventId, EventType)>>;

    /// The oldest deliveries that have ended, made before `before`: at most `limit` of those after `after`.
    async fn oldest_ended(
        &self,
        after: Option<DeliveryId>,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<DeliveryId>>;

    /// The oldest deliveries that have attempts, made before `before`: at most `limit` of those after `after`.
    async fn oldest_tried(
        &self,
        after: Option<DeliveryId>,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<DeliveryId>>;

    /// Removes events, with what tells their repeats, what they owed, and the attempts at it; how many. An event that
    /// is still owed to somebody stays. No position is ever given out again, and statistics stay as they are.
    async fn remove_events(&self, ids: &[EventId]) -> Result<u64>;

    /// Removes those of the deliveries that have ended, with their attempts; how many. Statistics stay as they are.
    async fn remove_deliveries(&self, ids: &[DeliveryId]) -> Result<u64>;

    /// Removes all attempts of those deliveries; how many.
    async fn remove_attempts(&self, of: &[DeliveryId]) -> Result<u64>;

    /// Removes at most `limit` idempotency keys that have expired; how many.
    async fn remove_expired_keys(&self, now: Timestamp, limit: u32) -> Result<u64>;

    /// Forgets what happened in hours that began before `before`: at most `limit` of all subscriptions' hours; how many.
    async fn remove_hours(&self, before: Timestamp, limit: u32) -> Result<u64>;

    /// How often each statement has run.
    fn statements(&self) -> Vec<(&'static str, u64)>;

    /// Whether other nodes may be at work on the same data.
    fn is_shared(&self) -> bool;

    /// Finishes what is under way and lets go of the data.
    async fn close(&self);
}

/// What a store answers.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why a store could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The data is out of reach for now. Nothing was changed, or nobody can tell: ask again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store will not take this, now or later.
    #[error("the store refused: {0}")]
    Refused(String),
    /// What is stored is not what was once written.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// The data was written by a later version of the program.
    #[error(
        "the database has schema version {found}, and this program knows versions up to {known}: run a newer waystation"
    )]
    NewerSchema {
        /// The data's version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
}

/// A place in the log. Positions only grow, in the order in which appends became durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub i64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);
}

/// Which set of subscriptions a decision was made under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoutesVersion(pub i64);

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

/// What became of [`Store::append`].
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

/// Which deliveries are meant; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are those of a delivery")]
pub struct DeliveryFilter {
    pub owner_id: Option<UserId>,
    pub subscription_id: Option<SubscriptionId>,
    pub event_id: Option<EventId>,
    pub status: Option<Status>,
    pub event_type: Option<EventType>,
    /// Made at or after.
    pub since: Option<Timestamp>,
    /// Made before.
    pub until: Option<Timestamp>,
}

/// A piece of a list that runs from the newest to the oldest.
#[derive(Debug, Clone, Copy)]
pub struct Page<Id> {
    /// Only what is older than this.
    pub before: Option<Id>,
    /// At most so many.
    pub limit: u32,
}

impl<Id> Page<Id> {
    /// The first `limit`.
    #[must_use]
    pub const fn first(limit: u32) -> Self {
        Self { before: None, limit }
    }
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

/// A subscription with room for deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane {
    /// Whose deliveries.
    pub subscription_id: SubscriptionId,
    /// At most so many.
    pub room: u32,
}

/// A delivery that is now the claimant's, with what is to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The delivery, processing.
    pub delivery: Delivery,
    /// The event it carries.
    pub event: Arc<Event>,
}

/// A subscription for which deliveries wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Whose.
    pub subscription_id: SubscriptionId,
    /// When the first of them is due.
    pub due_at: Timestamp,
}

/// A decision about a delivery.
#[derive(Debug, Clone)]
pub struct Change {
    /// How the decision found it.
    pub from: Fence,
    /// How it is to be.
    pub to: Delivery,
    /// The attempt that led to it.
    pub attempt: Option<Attempt>,
}

/// What must still be so for a decision to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The delivery's status.
    pub status: Status,
    /// Who holds it, if it is claimed.
    pub holder: Option<String>,
    /// Until when, where that matters.
    pub deadline: Option<Timestamp>,
}

impl Fence {
    /// Nobody else has touched `delivery`.
    #[must_use]
    pub fn of(delivery: &Delivery) -> Self {
        let holder = delivery.claimed().map(|claim| claim.holder.to_text());
        Self { status: delivery.status(), holder, deadline: None }
    }

    /// Nobody else has touched `delivery`, nor has who holds it been given more time.
    #[must_use]
    pub fn with_deadline(delivery: &Delivery) -> Self {
        Self { deadline: delivery.claimed().map(|claim| claim.deadline), ..Self::of(delivery) }
    }

    /// Whether `delivery` is as the decision found it.
    pub(crate) fn holds_for(&self, delivery: &Delivery) -> bool {
        let now = Self::with_deadline(delivery);
        self.status == now.status
            && self.holder == now.holder
            && (self.deadline.is_none() || self.deadline == now.deadline)
    }
}

/// A subscription with its secret, which only the vault can open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSubscription {
    /// What everyone may see.
    pub subscription: Subscription,
    /// The signing key, sealed.
    pub sealed_key: Vec<u8>,
    /// How often it has been changed.
    pub revision: i64,
}

/// Every subscription, at one moment.
#[derive(Debug, Clone)]
pub struct Routes {
    /// Which moment.
    pub version: RoutesVersion,
    /// The subscriptions.
    pub subscriptions: Vec<StoredSubscription>,
}

/// Changes of subscriptions that are remembered for [`Store::routes_since`]. A node that looks once a second is never that far
/// behind, and remembering one takes 30 bytes.
pub const ROUTE_CHANGES_KEPT: i64 = 10_000;

/// What has become of subscriptions between two moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteChanges {
    /// The later moment.
    pub version: RoutesVersion,
    /// Each that was created, changed or removed, as it is at that moment; `None`: gone.
    pub changed: BTreeMap<SubscriptionId, Option<StoredSubscription>>,
}

/// How a subscription's deliveries have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// All of them, whether or not they have ended.
    pub total: i64,
    /// Those that arrived.
    pub successful: i64,
    /// Those that were given up.
    pub failed: i64,
    /// When one last arrived or was given up.
    pub last_delivery_at: Option<Timestamp>,
    /// When one last arrived.
    pub last_success_at: Option<Timestamp>,
    /// When an attempt last failed.
    pub last_failure_at: Option<Timestamp>,
    /// When the first attempt failed at the endpoint since one last succeeded.
    pub failing_since: Option<Timestamp>,
}

/// Which hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourFilter {
    /// Whose subscriptions, of those that are still there; `None`: everyone's, also those that are gone.
    pub user_id: Option<UserId>,
    /// Begun at or after.
    pub since: Timestamp,
    /// Begun before.
    pub until: Timestamp,
}

/// What became of deliveries within an hour: that in which an attempt ended, or where there was none, the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hour {
    /// When it began.
    pub begins_at: Timestamp,
    /// Deliveries that arrived.
    pub successful: i64,
    /// Deliveries that were given up.
    pub failed: i64,
    /// Attempts.
    pub attempts: i64,
    /// Those of them that failed.
    pub errors: i64,
    /// Those of them that were answered with a status.
    pub answers: i64,
    /// How long these took together, in microseconds.
    pub answer_micros: i64,
    /// How long the longest of these took, in microseconds.
    pub answer_micros_max: i64,
}

/// An event type that somebody has described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedType {
    /// Whose catalogue it is in; `None`: everyone's.
    pub owner_id: Option<UserId>,
    /// The type.
    pub event_type: EventType,
    /// When such events happen.
    pub description: String,
    /// An example of their data.
    pub example: Option<Json>,
    /// The JSON Schema of their data.
    pub schema: Option<Json>,
    /// When it was added.
    pub created_at: Timestamp,
}

/// SHA-256 of an API key. A key has 256 random bits, so a plain digest tells nothing about it.
pub type KeyDigest = [u8; 32];

/// An API key, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name for programs.
    pub id: KeyId,
    /// Its name for people.
    pub name: String,
    /// Whose things it opens; `None`: all.
    pub user_id: Option<UserId>,
    /// What is known of the key itself.
    pub digest: KeyDigest,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A request that was refused, for the operator to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Its name; it begins with the time at which the request came in.
    pub id: RejectionId,
    /// When the request came in.
    pub at: Timestamp,
    /// Where it came in: the path, without what is secret in it.
    pub route: String,
    /// The source that it was for, as events name it; `None` where there is none.
    pub source: Option<String>,
    /// The network address that it came from.
    pub address: String,
    /// Why it was refused, for programs.
    pub reason: String,
    /// Why, in words.
    pub detail: String,
    /// Its headers, as a JSON object of texts, without secrets.
    pub headers: String,
    /// How its body begins.
    pub body: Vec<u8>,
}

/// Rejections in one call of [`Store::keep_rejections`]. They are one statement, which has parameters for each.
pub const REJECTIONS_PER_CALL_MAX: usize = 64;

/// Which set of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourcesVersion(pub i64);

/// A custom source with its keys, which only the vault can open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSource {
    /// Its name for programs.
    pub id: SourceId,
    /// Whose events come in at it; `None`: nobody's in particular.
    pub user_id: Option<UserId>,
    /// Its name for people.
    pub name: String,
    /// How it is spoken to, as JSON.
    pub terms: String,
    /// Whether it takes requests.
    pub is_active: bool,
    /// What its requests are checked against, sealed.
    pub sealed_keys: Vec<u8>,
    /// What is known of the token in its address.
    pub token: KeyDigest,
    /// The same of the token before that, and until when it is good.
    pub previous_token: Option<(KeyDigest, Timestamp)>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// How often it has been written.
    pub revision: i64,
}

/// A connection with its tokens, which only the vault can open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConnection {
    /// What everyone may see.
    pub connection: Connection,
    /// Its tokens, sealed.
    pub sealed_tokens: Vec<u8>,
    /// How often it has been written.
    pub revision: i64,
}

/// A registration with what the provider signs with, which only the vault can open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRegistration {
    /// What its user may see.
    pub registration: Registration,
    /// What the provider signs with, sealed; empty where that is none of ours.
    pub sealed_secrets: Vec<u8>,
    /// How often it has been written.
    pub revision: i64,
}

/// Which registrations are meant; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are those of a registration")]
pub struct RegistrationFilter {
    pub user_id: Option<UserId>,
    pub provider: Option<String>,
    pub place: Option<String>,
    pub basis: Option<Basis>,
}

/// The kind of the tasks that look after registrations at a provider. Their subjects are places, so that those of one place
/// are worked at one after the other.
#[must_use]
pub fn registration_task(provider: &str) -> String {
    format!("{REGISTRATION_TASK}{provider}")
}

/// What [`registration_task`] begins with.
pub(crate) const REGISTRATION_TASK: &str = "registration ";

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

/// When something is due for a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What.
    pub kind: String,
    /// When; `None`: not at all. What is remembered for it then goes.
    pub at: Option<Timestamp>,
}

/// Something that is to be done once at a time, by whoever has claimed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// What is to be done.
    pub kind: String,
    /// What it is to be done to: the text of its id.
    pub subject: String,
    /// Which claim this is. The next claim, or somebody who moves the task, counts it up.
    pub turn: i64,
    /// What the last run wanted to be remembered; empty before the first.
    pub memory: String,
    /// How often somebody has rung for it when it was claimed.
    pub rings: i64,
}

/// What became of [`Store::step_job`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// It is written.
    Done,
    /// Nothing was written: somebody else has written the job since.
    Overtaken,
    /// Nothing was written: a delivery is no longer as its decision found it.
    Conflict,
}

/// What became of [`Store::owe`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owed {
    /// These were added.
    Done(Vec<DeliveryId>),
    /// Nothing was added: subscriptions have changed.
    StaleRoutes,
    /// Nothing was added: somebody else has written the job since.
    Overtaken,
}

/// Events in one call of [`Store::events_of`]. They are one statement, which has a parameter for each.
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

/// Whether the inbox may be about events of this type: those of messages and mails, ours and the providers'.
#[must_use]
pub fn is_for_inbox(event_type: &EventType) -> bool {
    const BEGINNINGS: [&str; 5] = ["unipile.m", "slack.message", "slack.reaction_", "message.", "email."];
    let text = event_type.as_str();
    text == "read.mark" || BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
}

/// A conversation, with how often it has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConversation {
    /// What everyone may see, and a little more.
    pub conversation: Conversation,
    /// How often it has been written; 0: it is new.
    pub revision: i64,
}

/// A message, with how often it has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// What everyone may see, and a little more.
    pub message: Message,
    /// How often it has been written; 0: it is new.
    pub revision: i64,
}

/// An e-mail, with how often it has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEmail {
    /// What everyone may see, and a little more.
    pub email: Email,
    /// How often it has been written; 0: it is new.
    pub revision: i64,
}

/// What one step of the inbox writes. Nothing is named twice.
#[derive(Debug, Clone, Default)]
pub struct InboxStep {
    /// How far the log had been followed, and how far it has been now; `None`: it is not about the log.
    pub moved: Option<(Position, Position)>,
    /// Conversations as they are to be.
    pub conversations: Vec<StoredConversation>,
    /// Messages as they are to be.
    pub messages: Vec<StoredMessage>,
    /// E-mails as they are to be.
    pub emails: Vec<StoredEmail>,
    /// By the text of the id that it is due for.
    pub due: Vec<(String, Due)>,
}

/// A place in a list that runs from the latest to the earliest. It is written as one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Latest<Id> {
    /// When what is there happened; for what has no time, 0.
    pub at: Timestamp,
    /// Which of those that happened at once.
    pub id: Id,
}

/// A text that names no place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this names no place in a list")]
pub struct NotAPlace;

impl<Id: std::fmt::Display> std::fmt::Display for Latest<Id> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.at.as_micros(), self.id)
    }
}

impl<Id: std::str::FromStr> std::str::FromStr for Latest<Id> {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let (micros, id) = text.rsplit_once('-').ok_or(NotAPlace)?;
        let at = Timestamp::from_micros(micros.parse().map_err(|_| NotAPlace)?);
        Ok(Self { at, id: id.parse().map_err(|_| NotAPlace)? })
    }
}

impl StoredConversation {
    /// Where it is in lists.
    #[must_use]
    pub fn place(&self) -> Latest<ConversationId> {
        let at = self.conversation.last_message_at.unwrap_or(Timestamp::from_micros(0));
        Latest { at, id: self.conversation.id }
    }
}

impl StoredMessage {
    /// Where it is in lists.
    #[must_use]
    pub fn place(&self) -> Latest<MessageId> {
        Latest { at: self.message.occurred_at, id: self.message.id }
    }
}

impl StoredEmail {
    /// Where it is in lists.
    #[must_use]
    pub fn place(&self) -> Latest<EmailId> {
        Latest { at: self.email.date, id: self.email.id }
    }
}
