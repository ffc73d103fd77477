//! The contract: what every store can do, and what each thing means.

mod connections;
mod deliveries;
mod door;
mod inbox;
mod jobs;
mod log;
mod subscriptions;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::attempt::Attempt;
use domain::batch::Batch;
use domain::connection::Settings;
use domain::delivery::{Claim, Delivery};
use domain::job::{self, Only};
use domain::{
    ConnectionId, ConversationId, DeliveryId, EmailId, Event, EventId, EventType, JobId, KeyId, MessageId,
    NodeId, RegistrationId, RejectionId, SourceId, SubscriptionId, Timestamp, UserId,
};

use crate::notes::Notes;
use crate::sealed::{SealedIn, SealedSecret};

pub use connections::*;
pub use deliveries::*;
pub use door::*;
pub use inbox::*;
pub use jobs::*;
pub use log::*;
pub use subscriptions::*;

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
    async fn append(&self, appends: Arc<[Append]>, routes: RoutesVersion, now: Timestamp)
    -> Result<Appended>;

    /// Events after `after` in the order of the log, at most `limit`. What is not returned and lies before the last
    /// position that is returned will never appear: a reader cannot step over a late commit.
    async fn read_log(&self, after: Position, limit: u32) -> Result<Vec<Logged>>;

    /// [`Store::read_log`] of one user's events alone.
    async fn read_log_of(&self, user: &UserId, after: Position, limit: u32) -> Result<Vec<Logged>>;

    /// The highest position that an event has been removed from; [`Position::START`] while none has. Whoever reads on
    /// from below it may be missing something.
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
    /// is the first in the log, or that was owed first, among all that have not ended. Which of several lines come
    /// first changes from call to call.
    async fn claim(&self, lanes: &[Lane], claim: &Claim, now: Timestamp) -> Result<Vec<Claimed>>;

    /// Claims one batch of a subscription's deliveries, in the order of the log; nothing where none is to go.
    ///
    /// What was claimed as one batch stays one: what is left of it is claimed together, once all of it is due and none
    /// of it is claimed. What has ended has left it, also where it is set going once more. Else a batch is made of what
    /// is in none: at most as many as `terms` say and [`BATCH_BYTES_MAX`](domain::limits::BATCH_BYTES_MAX) bytes of
    /// data, or one that is larger, the longest due first. It is made as soon as it is full, or the first of it is due;
    /// then what is fresh and not yet due goes with it. Of those that share an ordering key it holds the first in the
    /// line at most.
    async fn claim_batch(
        &self,
        of: SubscriptionId,
        terms: &Batch,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<Vec<Claimed>>;

    /// Which subscriptions have deliveries waiting, each with the time at which the first is due, whether or not that
    /// is the first of its line.
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

    /// What has become of subscriptions since `version`; `None` where that is more than [`ROUTE_CHANGES_KEPT`] changes
    /// ago, or was never.
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

    /// What became of deliveries in each hour of a span, the oldest first, all subscriptions together. Hours in which
    /// nothing happened, and nothing was owed, are left out. They are counted as statistics are, in the transaction of
    /// each change.
    async fn hours(&self, filter: &HourFilter) -> Result<Vec<Hour>>;

    /// How many deliveries have not ended, of the subscriptions of one user or of all.
    async fn owed(&self, user: Option<&UserId>) -> Result<i64>;

    /// Notes how many deliveries each subscription is owed, in the hour of `now`, in the place of what was noted in it
    /// before.
    async fn note_owed(&self, now: Timestamp) -> Result<()>;

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

    /// Writes a source of which `revision` is the current one, and counts the revision up; false where it is not there
    /// or somebody else has changed it since. Its user and its time of creation stay.
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

    /// Writes a connection of which `revision` is the current one, counts the revision up, and moves what is due for
    /// it; false, with nothing changed, where it is not there or somebody else has changed it since. Its user,
    /// provider, account, settings and times of creation and of the last sync stay.
    async fn change_connection(&self, connection: &StoredConnection, due: &[Due]) -> Result<bool>;

    /// Writes the settings of a connection, at a time, and moves what is due for it; false, with nothing changed, where
    /// there is none. It counts no revision up: a refresh that is under way must not be overtaken by it.
    async fn treat_connection(
        &self,
        id: ConnectionId,
        settings: (&Settings, Timestamp),
        due: &[Due],
    ) -> Result<bool>;

    /// Forgets a connection with all its tasks; false where there is none.
    async fn delete_connection(&self, id: ConnectionId) -> Result<bool>;

    /// Removes a connection; false where there is none. Where nothing is registered for it, it is forgotten. Else it
    /// stays for as long as that is: what is registered is to be gone from `now` on, the connection is in no list, its
    /// account may be connected anew, and of its tasks only that of the kind `kept` stays.
    async fn remove_connection(&self, id: ConnectionId, kept: &str, now: Timestamp) -> Result<bool>;

    /// Adds a registration, of revision 1, and rings for its place (see [`registration_task`]); false where its basis
    /// has one of that place already.
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
    /// `ring_at`, if that is said; false, with nothing changed, where it is not there or somebody else has changed it
    /// since. Its user, provider, basis, target and time of creation stay.
    async fn change_registration(
        &self,
        registration: &StoredRegistration,
        ring_at: Option<Timestamp>,
    ) -> Result<bool>;

    /// Removes a registration of which `revision` is the current one; false where it is not. A connection that was
    /// removed is forgotten with its last.
    async fn delete_registration(&self, registration: &StoredRegistration) -> Result<bool>;

    /// Claims tasks of a kind that are due, the longest due first, at most `limit`: they are next due at `deadline`, in
    /// case whoever has claimed them dies. No task is given to two claimants before its deadline, and none of a kind
    /// that rests.
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

    /// Keeps a task claimed until `deadline`, and writes down what is to be remembered; false where it was not claimed
    /// by this claim any more.
    async fn keep_task(&self, task: &Task, deadline: Timestamp, memory: &str) -> Result<bool>;

    /// Makes a task due at `now`, if it is not before; one that somebody has claimed, as soon as they have settled it.
    /// False where there is none.
    async fn ring_task(&self, kind: &str, subject: &str, now: Timestamp) -> Result<bool>;

    /// Removes a claimed task for which there is nothing more to do; false where it was not claimed by this claim any
    /// more, or was rung for since.
    async fn drop_task(&self, task: &Task) -> Result<bool>;

    /// [`Store::settle_task`], and with it when a connection was last asked for what is new, which only moves on. It
    /// counts no revision of the connection up. False also where that is gone.
    async fn finish_sync(
        &self,
        settled: (&Task, Timestamp, &str),
        synced: (ConnectionId, Timestamp),
    ) -> Result<bool>;

    /// Has no task of a kind be claimed before `until`, by any node; what is claimed already stays so. True where that
    /// is at least [`REST_LONGER_BY`] later than was known: with less nothing changes. `cause` is why it is so, for
    /// [`Store::wake_tasks`].
    async fn rest_tasks(&self, kind: &str, until: Timestamp, cause: &str) -> Result<bool>;

    /// Ends the rest of a kind of tasks, unless its cause is this one, or is empty; whether it did.
    async fn wake_tasks(&self, kind: &str, cause: &str) -> Result<bool>;

    /// When the next task of a kind can be claimed; `None` where there is none.
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

    /// Owes events that are in the log already: adds deliveries that were decided under `routes`, and writes how far
    /// the `job` that decided them has come, as [`Store::step_job`] does.
    ///
    /// A delivery whose event has gone is left out, and so is one whose event stands with its subscription otherwise
    /// than `only` wants. No call names an event and a subscription together twice. Those that have an ordering key
    /// stand in line behind all that are there, in the order in which they are given.
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

    /// Events of a span, the oldest first, each with how it stands with a subscription. They come without their data
    /// and raw bytes.
    async fn past_events(&self, past: &Past, limit: u32) -> Result<Vec<PastEvent>>;

    /// At most [`EVENTS_PER_CALL_MAX`] events with their data, and without their raw bytes, the oldest first. What has
    /// gone is left out.
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

    /// Writes conversations, messages and e-mails, each of which `revision` is the current one, and counts the
    /// revisions up; with it how far the log was followed, and what is called for. False, with nothing written, where
    /// somebody else has followed it further, or has written one of them since; or where a new message has a provider's
    /// id that another has already.
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

    /// Forgets what happened in hours that began before `before`: at most `limit` of all subscriptions' hours; how
    /// many.
    async fn remove_hours(&self, before: Timestamp, limit: u32) -> Result<u64>;

    /// Passes a note of at most [`NOTE_BYTES_MAX`](crate::NOTE_BYTES_MAX) bytes on to whoever listens just now, at any
    /// node and at this one. It is kept nowhere, and may be lost.
    async fn pass_note(&self, note: &str) -> Result<()>;

    /// Listens to notes from now on.
    async fn notes(&self) -> Result<Box<dyn Notes>>;

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
