//! How the two SQL engines become a [`Store`]: what reads the same comes from `tables/`, what does not from the engine.

use async_trait::async_trait;
use domain::attempt::Attempt;
use domain::batch::Batch;
use domain::delivery::{Claim, Delivery};
use domain::{
    DeliveryId, EventId, EventType, KeyId, NodeId, RejectionId, SourceId, SubscriptionId, Timestamp, UserId,
};

use crate::sql::{Counters, Sql};
use crate::tables::{
    deliveries, event_types, keys, log, nodes, rejections, retention, sources, subscriptions,
};
use crate::*;

/// A store over one of the SQL engines.
#[derive(Debug)]
pub struct SqlStore<E>(pub(crate) E);

/// What each engine does in its own words.
#[async_trait]
pub(crate) trait Engine: Sql + std::fmt::Debug + 'static {
    async fn head(&self) -> Result<Position>;
    /// How far the log can be read, where that is less than what is written: what a crash of the machine could still take
    /// back has not happened yet.
    fn durable_end(&self) -> Option<Position> {
        None
    }
    async fn append(&self, appends: &[Append], routes: RoutesVersion, now: Timestamp) -> Result<Appended>;
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
    async fn owe(
        &self,
        deliveries: &[Delivery],
        only_missing: bool,
        routes: RoutesVersion,
    ) -> Result<Option<Vec<DeliveryId>>>;
    async fn remove_events(&self, ids: &[EventId]) -> Result<u64>;
    async fn remove_deliveries(&self, ids: &[DeliveryId]) -> Result<u64>;
    async fn remove_attempts(&self, of: &[DeliveryId]) -> Result<u64>;
    async fn close(&self);
    fn counters(&self) -> &Counters;
    const IS_SHARED: bool;
}

#[async_trait]
impl<E: Engine> Store for SqlStore<E> {
    async fn append(&self, appends: &[Append], routes: RoutesVersion, now: Timestamp) -> Result<Appended> {
        self.0.append(appends, routes, now).await
    }

    async fn read_log(&self, after: Position, limit: u32) -> Result<Vec<Logged>> {
        let mut events = log::read(&self.0, after, limit).await?;
        if let Some(end) = self.0.durable_end() {
            events.retain(|event| event.position <= end);
        }
        Ok(events)
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

    async fn delete_source(&self, id: SourceId, now: Timestamp) -> Result<bool> {
        sources::delete(&self.0, id, now).await
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
        only_missing: bool,
        routes: RoutesVersion,
    ) -> Result<Option<Vec<DeliveryId>>> {
        self.0.owe(deliveries, only_missing, routes).await
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
