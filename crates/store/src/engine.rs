//! How the two SQL engines become a [`Store`]: what reads the same comes from `tables/`, what does not from the engine.

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

use crate::sql::{Counters, Sql, Statement};
use crate::tables::{
    connections, deliveries, emails, event_types, hours, inbox, jobs, keys, log, nodes, registrations,
    rejections, retention, sealed, sources, subscriptions, tasks,
};
use crate::*;

/// A store over one of the SQL engines.
#[derive(Debug)]
pub struct SqlStore<E>(pub(crate) E);

/// What each engine does in its own words.
#[async_trait]
pub(crate) trait Engine: Sql + std::fmt::Debug + 'static {
    async fn head(&self) -> Result<Position>;
    /// How far the log can be read, where that is less than what is written: what a crash of the machine could still
    /// take back has not happened yet.
    fn durable_end(&self) -> Option<Position> {
        None
    }
    /// Those of `events` that have happened for good.
    fn durable(&self, mut events: Vec<Logged>) -> Vec<Logged> {
        if let Some(end) = self.durable_end() {
            events.retain(|event| event.position <= end);
        }
        events
    }
    async fn append(&self, appends: Arc<[Append]>, routes: RoutesVersion, now: Timestamp)
    -> Result<Appended>;
    async fn claim(&self, lanes: &[Lane], claim: &Claim, now: Timestamp) -> Result<Vec<Claimed>>;
    async fn claim_batch(
        &self,
        of: SubscriptionId,
        terms: &Batch,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<Vec<Claimed>>;
    async fn change(&self, changes: &[Change]) -> Result<Vec<bool>>;
    async fn create_subscription(&self, subscription: &StoredSubscription) -> Result<()>;
    async fn change_subscription(&self, subscription: &StoredSubscription, now: Timestamp) -> Result<bool>;
    async fn delete_subscription(&self, id: SubscriptionId, now: Timestamp) -> Result<bool>;
    async fn delete_source(&self, id: SourceId) -> Result<bool>;
    async fn owe(
        &self,
        deliveries: &[Delivery],
        only: Only,
        routes: RoutesVersion,
        job: Option<&StoredJob>,
    ) -> Result<Owed>;
    async fn claim_tasks(
        &self,
        kind: &str,
        limit: u32,
        now: Timestamp,
        deadline: Timestamp,
    ) -> Result<Vec<Task>>;
    async fn create_started_subscription(
        &self,
        subscription: &StoredSubscription,
        job: &StoredJob,
    ) -> Result<()>;
    async fn step_job(&self, job: &StoredJob, changes: &[Change]) -> Result<Stepped>;
    async fn remove_events(&self, ids: &[EventId]) -> Result<u64>;
    async fn remove_deliveries(&self, ids: &[DeliveryId]) -> Result<u64>;
    async fn remove_attempts(&self, of: &[DeliveryId]) -> Result<u64>;
    async fn pass_note(&self, note: &str) -> Result<()>;
    async fn notes(&self) -> Result<Box<dyn Notes>>;
    async fn close(&self);
    fn counters(&self) -> &Counters;
    const IS_SHARED: bool;
    const READ_INBOX_LOG: Statement;
}

#[async_trait]
impl<E: Engine> Store for SqlStore<E> {
    async fn append(
        &self,
        appends: Arc<[Append]>,
        routes: RoutesVersion,
        now: Timestamp,
    ) -> Result<Appended> {
        self.0.append(appends, routes, now).await
    }

    async fn read_log(&self, after: Position, limit: u32) -> Result<Vec<Logged>> {
        Ok(self.0.durable(log::read(&self.0, after, limit).await?))
    }

    async fn read_log_of(&self, user: &UserId, after: Position, limit: u32) -> Result<Vec<Logged>> {
        Ok(self.0.durable(log::read_of(&self.0, user, after, limit).await?))
    }

    async fn removed_to(&self) -> Result<Position> {
        log::removed_to(&self.0).await
    }

    async fn head(&self) -> Result<Position> {
        self.0.head().await
    }

    async fn event(&self, id: EventId) -> Result<Option<Logged>> {
        log::event(&self.0, id).await
    }

    async fn events(&self, filter: &EventFilter, page: &Page<EventId>) -> Result<Vec<Logged>> {
        log::events(&self.0, filter, page).await
    }

    async fn event_counts(&self, counted: &Counted) -> Result<Vec<EventCount>> {
        log::counts(&self.0, counted).await
    }

    async fn claim(&self, lanes: &[Lane], claim: &Claim, now: Timestamp) -> Result<Vec<Claimed>> {
        self.0.claim(lanes, claim, now).await
    }

    async fn claim_batch(
        &self,
        of: SubscriptionId,
        terms: &Batch,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<Vec<Claimed>> {
        self.0.claim_batch(of, terms, claim, now).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>> {
        deliveries::waiting(&self.0).await
    }

    async fn overdue(&self, id: SubscriptionId, now: Timestamp, limit: u32) -> Result<Vec<(EventType, u32)>> {
        deliveries::overdue(&self.0, id, now, limit).await
    }

    async fn change(&self, changes: &[Change]) -> Result<Vec<bool>> {
        self.0.change(changes).await
    }

    async fn lapsed(&self, dead: Option<NodeId>, now: Timestamp, limit: u32) -> Result<Vec<Delivery>> {
        deliveries::lapsed(&self.0, dead, now, limit).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        deliveries::one(&self.0, id).await
    }

    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>> {
        deliveries::attempts(&self.0, id).await
    }

    async fn deliveries(&self, filter: &DeliveryFilter, page: &Page<DeliveryId>) -> Result<Vec<Delivery>> {
        deliveries::list(&self.0, filter, page).await
    }

    async fn routes(&self) -> Result<Routes> {
        subscriptions::routes(&self.0).await
    }

    async fn routes_since(&self, version: RoutesVersion) -> Result<Option<RouteChanges>> {
        subscriptions::routes_since(&self.0, version).await
    }

    async fn routes_version(&self) -> Result<RoutesVersion> {
        subscriptions::routes_version(&self.0).await
    }

    async fn create_subscription(&self, subscription: &StoredSubscription) -> Result<()> {
        self.0.create_subscription(subscription).await
    }

    async fn subscription(&self, id: SubscriptionId) -> Result<Option<StoredSubscription>> {
        subscriptions::one(&self.0, id).await
    }

    async fn subscriptions(
        &self,
        user: Option<&UserId>,
        page: &Page<SubscriptionId>,
    ) -> Result<Vec<StoredSubscription>> {
        subscriptions::list(&self.0, user, page).await
    }

    async fn change_subscription(&self, subscription: &StoredSubscription, now: Timestamp) -> Result<bool> {
        self.0.change_subscription(subscription, now).await
    }

    async fn delete_subscription(&self, id: SubscriptionId, now: Timestamp) -> Result<bool> {
        self.0.delete_subscription(id, now).await
    }

    async fn failing_for(&self, span: Duration, limit: u32) -> Result<Vec<SubscriptionId>> {
        subscriptions::failing_for(&self.0, span, limit).await
    }

    async fn hours(&self, filter: &HourFilter) -> Result<Vec<Hour>> {
        hours::hours(&self.0, filter).await
    }

    async fn owed(&self, user: Option<&UserId>) -> Result<i64> {
        hours::owed(&self.0, user).await
    }

    async fn note_owed(&self, now: Timestamp) -> Result<()> {
        hours::note_owed(&self.0, now).await
    }

    async fn remove_hours(&self, before: Timestamp, limit: u32) -> Result<u64> {
        hours::remove_hours(&self.0, before, limit).await
    }

    async fn statistics(&self, id: SubscriptionId) -> Result<Statistics> {
        subscriptions::statistics(&self.0, id).await
    }

    async fn beat(&self, node: NodeId) -> Result<()> {
        nodes::beat(&self.0, node).await
    }

    async fn nodes(&self) -> Result<Vec<(NodeId, i64)>> {
        nodes::all(&self.0).await
    }

    async fn forget_node(&self, node: NodeId, beat: i64) -> Result<bool> {
        nodes::forget(&self.0, node, beat).await
    }

    async fn create_event_type(&self, event_type: &AddedType) -> Result<bool> {
        event_types::create(&self.0, event_type).await
    }

    async fn event_types(&self, owner: Option<&UserId>) -> Result<Vec<AddedType>> {
        event_types::of_owner(&self.0, owner).await
    }

    async fn delete_event_type(&self, owner: Option<&UserId>, event_type: &EventType) -> Result<bool> {
        event_types::delete(&self.0, owner, event_type).await
    }

    async fn create_key(&self, key: &ApiKey) -> Result<()> {
        keys::create(&self.0, key).await
    }

    async fn key(&self, digest: &KeyDigest) -> Result<Option<ApiKey>> {
        keys::by_digest(&self.0, digest).await
    }

    async fn keys(&self, page: &Page<KeyId>) -> Result<Vec<ApiKey>> {
        keys::list(&self.0, page).await
    }

    async fn delete_key(&self, id: KeyId) -> Result<bool> {
        keys::delete(&self.0, id).await
    }

    async fn every_source(&self) -> Result<(SourcesVersion, Vec<StoredSource>)> {
        sources::every(&self.0).await
    }

    async fn sources_version(&self) -> Result<SourcesVersion> {
        sources::version(&self.0).await
    }

    async fn create_source(&self, source: &StoredSource) -> Result<()> {
        sources::create(&self.0, source).await
    }

    async fn source(&self, id: SourceId) -> Result<Option<StoredSource>> {
        sources::one(&self.0, id).await
    }

    async fn sources(&self, user: Option<&UserId>, page: &Page<SourceId>) -> Result<Vec<StoredSource>> {
        sources::list(&self.0, user, page).await
    }

    async fn change_source(&self, source: &StoredSource) -> Result<bool> {
        sources::change(&self.0, source).await
    }

    async fn delete_source(&self, id: SourceId) -> Result<bool> {
        self.0.delete_source(id).await
    }

    async fn sealed_secrets(
        &self,
        within: SealedIn,
        after: [u8; 16],
        limit: u32,
    ) -> Result<Vec<SealedSecret>> {
        sealed::secrets(&self.0, within, after, limit).await
    }

    async fn reseal(&self, secret: &SealedSecret, sealed: &[u8]) -> Result<bool> {
        sealed::reseal(&self.0, secret, sealed).await
    }

    async fn create_connection(&self, connection: &StoredConnection, due: &[Due]) -> Result<bool> {
        connections::create(&self.0, connection, due).await
    }

    async fn connection(&self, id: ConnectionId) -> Result<Option<StoredConnection>> {
        connections::one(&self.0, id).await
    }

    async fn connections_to(&self, provider: &str, account_id: &str) -> Result<Vec<StoredConnection>> {
        connections::to_account(&self.0, provider, account_id).await
    }

    async fn connections(
        &self,
        user: Option<&UserId>,
        page: &Page<ConnectionId>,
    ) -> Result<Vec<StoredConnection>> {
        connections::list(&self.0, user, page).await
    }

    async fn change_connection(&self, connection: &StoredConnection, due: &[Due]) -> Result<bool> {
        connections::change(&self.0, connection, due).await
    }

    async fn treat_connection(
        &self,
        id: ConnectionId,
        settings: (&Settings, Timestamp),
        due: &[Due],
    ) -> Result<bool> {
        connections::treat(&self.0, id, settings, due).await
    }

    async fn delete_connection(&self, id: ConnectionId) -> Result<bool> {
        connections::delete(&self.0, id).await
    }

    async fn remove_connection(&self, id: ConnectionId, kept: &str, now: Timestamp) -> Result<bool> {
        connections::remove(&self.0, id, kept, now).await
    }

    async fn create_registration(&self, registration: &StoredRegistration) -> Result<bool> {
        registrations::create(&self.0, registration).await
    }

    async fn registration(&self, id: RegistrationId) -> Result<Option<StoredRegistration>> {
        registrations::one(&self.0, id).await
    }

    async fn registrations(
        &self,
        filter: &RegistrationFilter,
        page: &Page<RegistrationId>,
    ) -> Result<Vec<StoredRegistration>> {
        registrations::list(&self.0, filter, page).await
    }

    async fn change_registration(
        &self,
        registration: &StoredRegistration,
        ring_at: Option<Timestamp>,
    ) -> Result<bool> {
        registrations::change(&self.0, registration, ring_at).await
    }

    async fn delete_registration(&self, registration: &StoredRegistration) -> Result<bool> {
        registrations::delete(&self.0, registration).await
    }

    async fn claim_tasks(
        &self,
        kind: &str,
        limit: u32,
        now: Timestamp,
        deadline: Timestamp,
    ) -> Result<Vec<Task>> {
        self.0.claim_tasks(kind, limit, now, deadline).await
    }

    async fn settle_task(&self, task: &Task, due_at: Timestamp, memory: &str) -> Result<bool> {
        tasks::settle(&self.0, task, due_at, memory).await
    }

    async fn keep_task(&self, task: &Task, deadline: Timestamp, memory: &str) -> Result<bool> {
        tasks::keep(&self.0, task, deadline, memory).await
    }

    async fn drop_task(&self, task: &Task) -> Result<bool> {
        tasks::drop(&self.0, task).await
    }

    async fn ring_task(&self, kind: &str, subject: &str, now: Timestamp) -> Result<bool> {
        tasks::ring(&self.0, kind, subject, now).await
    }

    async fn finish_sync(
        &self,
        settled: (&Task, Timestamp, &str),
        synced: (ConnectionId, Timestamp),
    ) -> Result<bool> {
        connections::finish_sync(&self.0, settled, synced).await
    }

    async fn rest_tasks(&self, kind: &str, until: Timestamp, cause: &str) -> Result<bool> {
        tasks::rest(&self.0, kind, until, cause).await
    }

    async fn wake_tasks(&self, kind: &str, cause: &str) -> Result<bool> {
        tasks::wake(&self.0, kind, cause).await
    }

    async fn next_task_at(&self, kind: &str) -> Result<Option<Timestamp>> {
        tasks::next_at(&self.0, kind).await
    }

    async fn spend(&self, digest: &KeyDigest, expires_at: Timestamp, now: Timestamp) -> Result<bool> {
        tasks::spend(&self.0, digest, expires_at, now).await
    }

    async fn keep_rejections(&self, rejections: &[Rejection]) -> Result<()> {
        rejections::keep(&self.0, rejections).await
    }

    async fn rejections(&self, page: &Page<RejectionId>) -> Result<Vec<Rejection>> {
        rejections::list(&self.0, page).await
    }

    async fn forget_rejections(&self, oldest: Timestamp, count_max: u32) -> Result<u64> {
        rejections::forget(&self.0, oldest, count_max).await
    }

    async fn owe(
        &self,
        deliveries: &[Delivery],
        only: Only,
        routes: RoutesVersion,
        job: Option<&StoredJob>,
    ) -> Result<Owed> {
        self.0.owe(deliveries, only, routes, job).await
    }

    async fn create_job(&self, job: &StoredJob) -> Result<()> {
        jobs::create(&self.0, job).await
    }

    async fn create_started_subscription(
        &self,
        subscription: &StoredSubscription,
        job: &StoredJob,
    ) -> Result<()> {
        self.0.create_started_subscription(subscription, job).await
    }

    async fn job(&self, id: JobId) -> Result<Option<StoredJob>> {
        jobs::one(&self.0, id).await
    }

    async fn jobs(&self, owner: Option<&UserId>, page: &Page<JobId>) -> Result<Vec<StoredJob>> {
        jobs::list(&self.0, owner, page).await
    }

    async fn running_jobs(&self, limit: u32) -> Result<Vec<StoredJob>> {
        jobs::running(&self.0, limit).await
    }

    async fn step_job(&self, job: &StoredJob, changes: &[Change]) -> Result<Stepped> {
        self.0.step_job(job, changes).await
    }

    async fn remove_ended_jobs(&self, before: Timestamp, limit: u32) -> Result<u64> {
        jobs::remove_ended(&self.0, before, limit).await
    }

    async fn events_of(&self, ids: &[EventId]) -> Result<Vec<Arc<Event>>> {
        log::events_of(&self.0, ids).await
    }

    async fn past_events(&self, past: &Past, limit: u32) -> Result<Vec<PastEvent>> {
        jobs::past_events(&self.0, past, limit).await
    }

    async fn past_deliveries(
        &self,
        filter: &job::Filter,
        after: DeliveryId,
        last: DeliveryId,
        limit: u32,
    ) -> Result<Vec<Delivery>> {
        jobs::past_deliveries(&self.0, filter, after, last, limit).await
    }

    async fn count_deliveries(&self, filter: &job::Filter, last: DeliveryId) -> Result<u64> {
        jobs::count_deliveries(&self.0, filter, last).await
    }

    async fn inbox_position(&self) -> Result<Position> {
        inbox::position(&self.0).await
    }

    async fn read_inbox_log(&self, after: Position, limit: u32) -> Result<Vec<Logged>> {
        Ok(self.0.durable(inbox::read_log(&self.0, &E::READ_INBOX_LOG, after, limit).await?))
    }

    async fn keep_inbox(&self, step: &InboxStep) -> Result<bool> {
        inbox::keep(&self.0, step).await
    }

    async fn conversation(&self, id: ConversationId) -> Result<Option<StoredConversation>> {
        inbox::conversation(&self.0, id).await
    }

    async fn conversations(
        &self,
        user: Option<&UserId>,
        page: &Page<Latest<ConversationId>>,
    ) -> Result<Vec<StoredConversation>> {
        inbox::conversations(&self.0, user, page).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>> {
        inbox::message(&self.0, id).await
    }

    async fn message_called(
        &self,
        conversation: ConversationId,
        provider_id: &str,
    ) -> Result<Option<StoredMessage>> {
        inbox::message_called(&self.0, conversation, provider_id).await
    }

    async fn messages(
        &self,
        conversation: ConversationId,
        page: &Page<Latest<MessageId>>,
    ) -> Result<Vec<StoredMessage>> {
        inbox::messages(&self.0, conversation, page).await
    }

    async fn sending_messages(&self, conversation: ConversationId, limit: u32) -> Result<Vec<StoredMessage>> {
        inbox::sending(&self.0, conversation, limit).await
    }

    async fn email(&self, id: EmailId) -> Result<Option<StoredEmail>> {
        emails::one(&self.0, id).await
    }

    async fn email_called(&self, user: &UserId, provider_id: &str) -> Result<Option<StoredEmail>> {
        emails::called(&self.0, user, provider_id).await
    }

    async fn emails(
        &self,
        user: Option<&UserId>,
        thread_id: Option<&str>,
        page: &Page<Latest<EmailId>>,
    ) -> Result<Vec<StoredEmail>> {
        emails::list(&self.0, user, thread_id, page).await
    }

    async fn oldest_events(
        &self,
        after: Option<EventId>,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<(EventId, EventType)>> {
        retention::oldest_events(&self.0, after, before, limit).await
    }

    async fn oldest_ended(
        &self,
        after: Option<DeliveryId>,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<DeliveryId>> {
        retention::oldest_ended(&self.0, after, before, limit).await
    }

    async fn oldest_tried(
        &self,
        after: Option<DeliveryId>,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<DeliveryId>> {
        retention::oldest_tried(&self.0, after, before, limit).await
    }

    async fn remove_events(&self, ids: &[EventId]) -> Result<u64> {
        self.0.remove_events(ids).await
    }

    async fn remove_deliveries(&self, ids: &[DeliveryId]) -> Result<u64> {
        self.0.remove_deliveries(ids).await
    }

    async fn remove_attempts(&self, of: &[DeliveryId]) -> Result<u64> {
        self.0.remove_attempts(of).await
    }

    async fn remove_expired_keys(&self, now: Timestamp, limit: u32) -> Result<u64> {
        retention::remove_expired_keys(&self.0, now, limit).await
    }

    async fn pass_note(&self, note: &str) -> Result<()> {
        self.0.pass_note(note).await
    }

    async fn notes(&self) -> Result<Box<dyn Notes>> {
        self.0.notes().await
    }

    fn statements(&self) -> Vec<(&'static str, u64)> {
        self.0.counters().all()
    }

    fn is_shared(&self) -> bool {
        E::IS_SHARED
    }

    async fn close(&self) {
        self.0.close().await;
    }
}
