//! The model as a store: each method takes the lock, and has the data do it.

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

use super::{Model, lock};
use crate::*;

#[async_trait]
impl Store for Model {
    async fn append(
        &self,
        appends: Arc<[Append]>,
        routes: RoutesVersion,
        now: Timestamp,
    ) -> Result<Appended> {
        self.reach("append")?;
        Ok(self.data("append").append(&appends, routes, now))
    }

    async fn read_log(&self, after: Position, limit: u32) -> Result<Vec<Logged>> {
        Ok(self.data("read_log").read_log(after, limit))
    }

    async fn read_log_of(&self, user: &UserId, after: Position, limit: u32) -> Result<Vec<Logged>> {
        Ok(self.data("read_log_of").read_log_of(user, after, limit))
    }

    async fn removed_to(&self) -> Result<Position> {
        Ok(Position(self.data("removed_to").removed_to))
    }

    async fn head(&self) -> Result<Position> {
        Ok(self.data("head").head())
    }

    async fn event(&self, id: EventId) -> Result<Option<Logged>> {
        Ok(self.data("event").event(id))
    }

    async fn events(&self, filter: &EventFilter, page: &Page<EventId>) -> Result<Vec<Logged>> {
        Ok(self.data("events").events(filter, page))
    }

    async fn event_counts(&self, counted: &Counted) -> Result<Vec<EventCount>> {
        Ok(self.data("event_counts").event_counts(counted))
    }

    async fn claim(&self, lanes: &[Lane], claim: &Claim, now: Timestamp) -> Result<Vec<Claimed>> {
        Ok(self.data("claim").claim(lanes, claim, now))
    }

    async fn claim_batch(
        &self,
        of: SubscriptionId,
        terms: &Batch,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<Vec<Claimed>> {
        Ok(self.data("claim_batch").claim_batch(of, terms, claim, now))
    }

    async fn waiting(&self) -> Result<Vec<Waiting>> {
        Ok(self.data("waiting").waiting())
    }

    async fn overdue(&self, id: SubscriptionId, now: Timestamp, limit: u32) -> Result<Vec<(EventType, u32)>> {
        Ok(self.data("overdue").overdue(id, now, limit))
    }

    async fn change(&self, changes: &[Change]) -> Result<Vec<bool>> {
        Ok(self.data("change").change_all(changes))
    }

    async fn lapsed(&self, dead: Option<NodeId>, now: Timestamp, limit: u32) -> Result<Vec<Delivery>> {
        Ok(self.data("lapsed").lapsed(dead, now, limit))
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        Ok(self.data("delivery").deliveries.get(&id).cloned())
    }

    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>> {
        let data = self.data("attempts");
        Ok(data.attempts.range((id, 0)..=(id, u16::MAX)).map(|(_, attempt)| attempt.clone()).collect())
    }

    async fn deliveries(&self, filter: &DeliveryFilter, page: &Page<DeliveryId>) -> Result<Vec<Delivery>> {
        Ok(self.data("deliveries").deliveries(filter, page))
    }

    async fn routes(&self) -> Result<Routes> {
        Ok(self.data("routes").routes())
    }

    async fn routes_since(&self, version: RoutesVersion) -> Result<Option<RouteChanges>> {
        Ok(self.data("routes_since").routes_since(version))
    }

    async fn routes_version(&self) -> Result<RoutesVersion> {
        Ok(self.data("routes_version").routes_version())
    }

    async fn create_subscription(&self, subscription: &StoredSubscription) -> Result<()> {
        self.data("create_subscription").create_subscription(subscription)
    }

    async fn subscription(&self, id: SubscriptionId) -> Result<Option<StoredSubscription>> {
        Ok(self.data("subscription").subscriptions.get(&id).cloned())
    }

    async fn subscriptions(
        &self,
        user: Option<&UserId>,
        page: &Page<SubscriptionId>,
    ) -> Result<Vec<StoredSubscription>> {
        Ok(self.data("subscriptions").subscriptions(user, page))
    }

    async fn change_subscription(&self, subscription: &StoredSubscription, now: Timestamp) -> Result<bool> {
        Ok(self.data("change_subscription").change_subscription(subscription, now))
    }

    async fn delete_subscription(&self, id: SubscriptionId, now: Timestamp) -> Result<bool> {
        Ok(self.data("delete_subscription").delete_subscription(id, now))
    }

    async fn failing_for(&self, span: Duration, limit: u32) -> Result<Vec<SubscriptionId>> {
        Ok(self.data("failing_for").failing_for(span, limit))
    }

    async fn hours(&self, filter: &HourFilter) -> Result<Vec<Hour>> {
        Ok(self.data("hours").hours(filter))
    }

    async fn owed(&self, user: Option<&UserId>) -> Result<i64> {
        Ok(self.data("owed").owed(user))
    }

    async fn note_owed(&self, now: Timestamp) -> Result<()> {
        self.data("note_owed").note_owed(now);
        Ok(())
    }

    async fn remove_hours(&self, before: Timestamp, limit: u32) -> Result<u64> {
        Ok(self.data("remove_hours").remove_hours(before, limit))
    }

    async fn statistics(&self, id: SubscriptionId) -> Result<Statistics> {
        Ok(self.data("statistics").statistics.get(&id).copied().unwrap_or_default())
    }

    async fn beat(&self, node: NodeId) -> Result<()> {
        *self.data("beat").nodes.entry(node).or_default() += 1;
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<(NodeId, i64)>> {
        Ok(self.data("nodes").nodes.iter().map(|(&node, &beat)| (node, beat)).collect())
    }

    async fn forget_node(&self, node: NodeId, beat: i64) -> Result<bool> {
        let mut data = self.data("forget_node");
        let is_silent = data.nodes.get(&node) == Some(&beat);
        Ok(is_silent && data.nodes.remove(&node).is_some())
    }

    async fn create_event_type(&self, event_type: &AddedType) -> Result<bool> {
        Ok(self.data("create_event_type").create_event_type(event_type))
    }

    async fn event_types(&self, owner: Option<&UserId>) -> Result<Vec<AddedType>> {
        Ok(self.data("event_types").event_types(owner))
    }

    async fn delete_event_type(&self, owner: Option<&UserId>, event_type: &EventType) -> Result<bool> {
        let key = (owner.cloned(), event_type.clone());
        Ok(self.data("delete_event_type").event_types.remove(&key).is_some())
    }

    async fn create_key(&self, key: &ApiKey) -> Result<()> {
        self.data("create_key").create_key(key)
    }

    async fn key(&self, digest: &KeyDigest) -> Result<Option<ApiKey>> {
        Ok(self.data("key").keys.values().find(|key| key.digest == *digest).cloned())
    }

    async fn keys(&self, page: &Page<KeyId>) -> Result<Vec<ApiKey>> {
        Ok(self.data("keys").keys(page))
    }

    async fn delete_key(&self, id: KeyId) -> Result<bool> {
        Ok(self.data("delete_key").keys.remove(&id).is_some())
    }

    async fn every_source(&self) -> Result<(SourcesVersion, Vec<StoredSource>)> {
        let data = self.data("every_source");
        Ok((SourcesVersion(data.sources_version), data.sources.values().cloned().collect()))
    }

    async fn sources_version(&self) -> Result<SourcesVersion> {
        Ok(SourcesVersion(self.data("sources_version").sources_version))
    }

    async fn create_source(&self, source: &StoredSource) -> Result<()> {
        self.data("create_source").create_source(source)
    }

    async fn source(&self, id: SourceId) -> Result<Option<StoredSource>> {
        Ok(self.data("source").sources.get(&id).cloned())
    }

    async fn sources(&self, user: Option<&UserId>, page: &Page<SourceId>) -> Result<Vec<StoredSource>> {
        Ok(self.data("sources").sources(user, page))
    }

    async fn change_source(&self, source: &StoredSource) -> Result<bool> {
        Ok(self.data("change_source").change_source(source))
    }

    async fn delete_source(&self, id: SourceId) -> Result<bool> {
        Ok(self.data("delete_source").delete_source(id))
    }

    async fn sealed_secrets(
        &self,
        within: SealedIn,
        after: [u8; 16],
        limit: u32,
    ) -> Result<Vec<SealedSecret>> {
        Ok(self.data("sealed_secrets").sealed_secrets(within, after, limit))
    }

    async fn reseal(&self, secret: &SealedSecret, sealed: &[u8]) -> Result<bool> {
        Ok(self.data("reseal").reseal(secret, sealed))
    }

    async fn create_connection(&self, connection: &StoredConnection, due: &[Due]) -> Result<bool> {
        Ok(self.data("create_connection").create_connection(connection, due))
    }

    async fn connection(&self, id: ConnectionId) -> Result<Option<StoredConnection>> {
        Ok(self.data("connection").connections.get(&id).cloned())
    }

    async fn connections_to(&self, provider: &str, account_id: &str) -> Result<Vec<StoredConnection>> {
        Ok(self.data("connections_to").connections_to(provider, account_id))
    }

    async fn connections(
        &self,
        user: Option<&UserId>,
        page: &Page<ConnectionId>,
    ) -> Result<Vec<StoredConnection>> {
        Ok(self.data("connections").connections(user, page))
    }

    async fn change_connection(&self, connection: &StoredConnection, due: &[Due]) -> Result<bool> {
        self.reach("change_connection")?;
        Ok(self.data("change_connection").change_connection(connection, due))
    }

    async fn treat_connection(
        &self,
        id: ConnectionId,
        settings: (&Settings, Timestamp),
        due: &[Due],
    ) -> Result<bool> {
        Ok(self.data("treat_connection").treat_connection(id, settings, due))
    }

    async fn delete_connection(&self, id: ConnectionId) -> Result<bool> {
        Ok(self.data("delete_connection").delete_connection(id))
    }

    async fn remove_connection(&self, id: ConnectionId, kept: &str, now: Timestamp) -> Result<bool> {
        Ok(self.data("remove_connection").remove_connection(id, kept, now))
    }

    async fn create_registration(&self, registration: &StoredRegistration) -> Result<bool> {
        Ok(self.data("create_registration").create_registration(registration))
    }

    async fn registration(&self, id: RegistrationId) -> Result<Option<StoredRegistration>> {
        Ok(self.data("registration").registrations.get(&id).cloned())
    }

    async fn registrations(
        &self,
        filter: &RegistrationFilter,
        page: &Page<RegistrationId>,
    ) -> Result<Vec<StoredRegistration>> {
        Ok(self.data("registrations").registrations(filter, page))
    }

    async fn change_registration(
        &self,
        registration: &StoredRegistration,
        ring_at: Option<Timestamp>,
    ) -> Result<bool> {
        Ok(self.data("change_registration").change_registration(registration, ring_at))
    }

    async fn delete_registration(&self, registration: &StoredRegistration) -> Result<bool> {
        Ok(self.data("delete_registration").delete_registration(registration))
    }

    async fn claim_tasks(
        &self,
        kind: &str,
        limit: u32,
        now: Timestamp,
        deadline: Timestamp,
    ) -> Result<Vec<Task>> {
        self.reach("claim_tasks")?;
        Ok(self.data("claim_tasks").claim_tasks(kind, limit, now, deadline))
    }

    async fn settle_task(&self, task: &Task, due_at: Timestamp, memory: &str) -> Result<bool> {
        self.reach("settle_task")?;
        Ok(self.data("settle_task").settle_task(task, due_at, memory))
    }

    async fn keep_task(&self, task: &Task, deadline: Timestamp, memory: &str) -> Result<bool> {
        Ok(self.data("keep_task").keep_task(task, deadline, memory))
    }

    async fn drop_task(&self, task: &Task) -> Result<bool> {
        Ok(self.data("drop_task").drop_task(task))
    }

    async fn ring_task(&self, kind: &str, subject: &str, now: Timestamp) -> Result<bool> {
        Ok(self.data("ring_task").ring_task(kind, subject, now))
    }

    async fn finish_sync(
        &self,
        settled: (&Task, Timestamp, &str),
        synced: (ConnectionId, Timestamp),
    ) -> Result<bool> {
        self.reach("finish_sync")?;
        Ok(self.data("finish_sync").finish_sync(settled, synced))
    }

    async fn rest_tasks(&self, kind: &str, until: Timestamp, cause: &str) -> Result<bool> {
        Ok(self.data("rest_tasks").rest_tasks(kind, until, cause))
    }

    async fn wake_tasks(&self, kind: &str, cause: &str) -> Result<bool> {
        Ok(self.data("wake_tasks").wake_tasks(kind, cause))
    }

    async fn next_task_at(&self, kind: &str) -> Result<Option<Timestamp>> {
        Ok(self.data("next_task_at").next_task_at(kind))
    }

    async fn spend(&self, digest: &KeyDigest, expires_at: Timestamp, now: Timestamp) -> Result<bool> {
        Ok(self.data("spend").spend(digest, expires_at, now))
    }

    async fn keep_rejections(&self, rejections: &[Rejection]) -> Result<()> {
        self.data("keep_rejections").keep_rejections(rejections)
    }

    async fn rejections(&self, page: &Page<RejectionId>) -> Result<Vec<Rejection>> {
        Ok(self.data("rejections").rejections(page))
    }

    async fn forget_rejections(&self, oldest: Timestamp, count_max: u32) -> Result<u64> {
        Ok(self.data("forget_rejections").forget_rejections(oldest, count_max))
    }

    async fn owe(
        &self,
        deliveries: &[Delivery],
        only: Only,
        routes: RoutesVersion,
        job: Option<&StoredJob>,
    ) -> Result<Owed> {
        Ok(self.data("owe").owe(deliveries, only, routes, job))
    }

    async fn create_job(&self, job: &StoredJob) -> Result<()> {
        self.data("create_job").create_job(job)
    }

    async fn create_started_subscription(
        &self,
        subscription: &StoredSubscription,
        job: &StoredJob,
    ) -> Result<()> {
        let mut data = self.data("create_started_subscription");
        data.create_subscription(subscription)?;
        data.create_job(job)
    }

    async fn job(&self, id: JobId) -> Result<Option<StoredJob>> {
        Ok(self.data("job").jobs.get(&id).cloned())
    }

    async fn jobs(&self, owner: Option<&UserId>, page: &Page<JobId>) -> Result<Vec<StoredJob>> {
        Ok(self.data("jobs").jobs(owner, page))
    }

    async fn running_jobs(&self, limit: u32) -> Result<Vec<StoredJob>> {
        Ok(self.data("running_jobs").running_jobs(limit))
    }

    async fn step_job(&self, job: &StoredJob, changes: &[Change]) -> Result<Stepped> {
        Ok(self.data("step_job").step_job(job, changes))
    }

    async fn remove_ended_jobs(&self, before: Timestamp, limit: u32) -> Result<u64> {
        Ok(self.data("remove_ended_jobs").remove_ended_jobs(before, limit))
    }

    async fn events_of(&self, ids: &[EventId]) -> Result<Vec<Arc<Event>>> {
        Ok(self.data("events_of").events_of(ids))
    }

    async fn past_events(&self, past: &Past, limit: u32) -> Result<Vec<PastEvent>> {
        Ok(self.data("past_events").past_events(past, limit))
    }

    async fn past_deliveries(
        &self,
        filter: &job::Filter,
        after: DeliveryId,
        last: DeliveryId,
        limit: u32,
    ) -> Result<Vec<Delivery>> {
        Ok(self.data("past_deliveries").past_deliveries(filter, after, last, limit))
    }

    async fn count_deliveries(&self, filter: &job::Filter, last: DeliveryId) -> Result<u64> {
        Ok(self.data("count_deliveries").deliveries_up_to(filter, last).count() as u64)
    }

    async fn inbox_position(&self) -> Result<Position> {
        Ok(Position(self.data("inbox_position").inbox_position))
    }

    async fn read_inbox_log(&self, after: Position, limit: u32) -> Result<Vec<Logged>> {
        Ok(self.data("read_inbox_log").read_inbox_log(after, limit))
    }

    async fn keep_inbox(&self, step: &InboxStep) -> Result<bool> {
        Ok(self.data("keep_inbox").keep_inbox(step))
    }

    async fn conversation(&self, id: ConversationId) -> Result<Option<StoredConversation>> {
        Ok(self.data("conversation").conversations.get(&id).cloned())
    }

    async fn conversations(
        &self,
        user: Option<&UserId>,
        page: &Page<Latest<ConversationId>>,
    ) -> Result<Vec<StoredConversation>> {
        Ok(self.data("conversations").conversations(user, page))
    }

    async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>> {
        Ok(self.data("message").messages.get(&id).cloned())
    }

    async fn message_called(
        &self,
        conversation: ConversationId,
        provider_id: &str,
    ) -> Result<Option<StoredMessage>> {
        Ok(self.data("message_called").message_called(conversation, provider_id).cloned())
    }

    async fn messages(
        &self,
        conversation: ConversationId,
        page: &Page<Latest<MessageId>>,
    ) -> Result<Vec<StoredMessage>> {
        Ok(self.data("messages").messages(conversation, page))
    }

    async fn sending_messages(&self, conversation: ConversationId, limit: u32) -> Result<Vec<StoredMessage>> {
        Ok(self.data("sending_messages").sending_messages(conversation, limit))
    }

    async fn email(&self, id: EmailId) -> Result<Option<StoredEmail>> {
        Ok(self.data("email").emails.get(&id).cloned())
    }

    async fn email_called(&self, user: &UserId, provider_id: &str) -> Result<Option<StoredEmail>> {
        Ok(self.data("email_called").email_called(user, provider_id).cloned())
    }

    async fn emails(
        &self,
        user: Option<&UserId>,
        thread_id: Option<&str>,
        page: &Page<Latest<EmailId>>,
    ) -> Result<Vec<StoredEmail>> {
        Ok(self.data("emails").emails(user, thread_id, page))
    }

    async fn oldest_events(
        &self,
        after: Option<EventId>,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<(EventId, EventType)>> {
        Ok(self.data("oldest_events").oldest_events(after, before, limit))
    }

    async fn oldest_ended(
        &self,
        after: Option<DeliveryId>,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<DeliveryId>> {
        Ok(self.data("oldest_ended").oldest_ended(after, before, limit))
    }

    async fn oldest_tried(
        &self,
        after: Option<DeliveryId>,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<DeliveryId>> {
        Ok(self.data("oldest_tried").oldest_tried(after, before, limit))
    }

    async fn remove_events(&self, ids: &[EventId]) -> Result<u64> {
        let mut data = self.data("remove_events");
        Ok(ids.iter().filter(|&&id| data.remove_event(id)).count() as u64)
    }

    async fn remove_deliveries(&self, ids: &[DeliveryId]) -> Result<u64> {
        let mut data = self.data("remove_deliveries");
        Ok(ids.iter().filter(|&&id| data.remove_delivery(id)).count() as u64)
    }

    async fn remove_attempts(&self, of: &[DeliveryId]) -> Result<u64> {
        let mut data = self.data("remove_attempts");
        Ok(of.iter().map(|&id| data.remove_attempts(id)).sum())
    }

    async fn remove_expired_keys(&self, now: Timestamp, limit: u32) -> Result<u64> {
        Ok(self.data("remove_expired_keys").remove_expired_keys(now, limit))
    }

    async fn pass_note(&self, note: &str) -> Result<()> {
        self.notes.pass(note)
    }

    async fn notes(&self) -> Result<Box<dyn Notes>> {
        Ok(self.notes.listen())
    }

    fn statements(&self) -> Vec<(&'static str, u64)> {
        lock(&self.calls).iter().map(|(&name, &count)| (name, count)).collect()
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn close(&self) {}
}
