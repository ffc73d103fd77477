//! Steps that many cases have in common.

use domain::delivery::{Claim, Delivery, Status};
use domain::{DeliveryId, EventId, Timestamp};
use store::{
    Append, Appended, Claimed, DeliveryFilter, EventFilter, Kept, KeptEvent, Logged, NewEvent, Page,
    Position, RoutesVersion, Store, StoredSubscription,
};

use crate::make::{Make, append_of, at, by_node, lane, owing};

/// More than any case keeps.
pub(crate) const ALL: u32 = 10_000;

/// Appends under the subscriptions of this moment.
pub(crate) async fn append(store: &dyn Store, appends: &[Append], now: Timestamp) -> Vec<Kept> {
    match store.append(appends.into(), version(store).await, now).await.unwrap() {
        Appended::Durable(kept) => kept,
        Appended::StaleRoutes => panic!("no case changes subscriptions behind this step's back"),
    }
}

/// Appends events as one request.
pub(crate) async fn keep(store: &dyn Store, events: Vec<NewEvent>) -> Vec<KeptEvent> {
    let mut kept = append(store, &[append_of(events)], at(0)).await;
    match kept.remove(0) {
        Kept::Events(events) => events,
        Kept::KeyTaken => panic!("it had no idempotency key"),
    }
}

pub(crate) async fn version(store: &dyn Store) -> RoutesVersion {
    store.routes().await.unwrap().version
}

/// Makes a subscription and adds it.
pub(crate) async fn subscribe(store: &dyn Store, make: &mut Make) -> StoredSubscription {
    let subscription = make.subscription(at(0));
    store.create_subscription(&subscription).await.unwrap();
    subscription
}

/// Owes `count` events to `to`: the first came in and is due at second 1, the second at second 2, and so on.
pub(crate) async fn owe(
    store: &dyn Store,
    make: &mut Make,
    to: &StoredSubscription,
    count: i64,
) -> Vec<Delivery> {
    let events: Vec<_> = (1..=count).map(|second| make.event(at(second))).collect();
    let deliveries: Vec<_> = events.iter().map(|event| make.owed(event, to)).collect();
    let new =
        events.into_iter().zip(&deliveries).map(|(event, delivery)| owing(event, vec![delivery.clone()]));
    keep(store, new.collect()).await;
    deliveries
}

/// Owes one event to `to`, and claims it for a node.
pub(crate) async fn owe_and_claim(store: &dyn Store, make: &mut Make, to: &StoredSubscription) -> Delivery {
    owe(store, make, to, 1).await;
    let claim = by_node(make.node(), at(60));
    claim_one(store, to, &claim, at(1)).await.delivery
}

/// Claims the one delivery that is due for `of`.
pub(crate) async fn claim_one(
    store: &dyn Store,
    of: &StoredSubscription,
    claim: &Claim,
    now: Timestamp,
) -> Claimed {
    let mut claimed = store.claim(&[lane(of, 1)], claim, now).await.unwrap();
    assert_eq!(claimed.len(), 1, "one is due");
    claimed.remove(0)
}

/// The delivery as it is now.
pub(crate) async fn current(store: &dyn Store, id: DeliveryId) -> Delivery {
    store.delivery(id).await.unwrap().unwrap()
}

pub(crate) async fn status(store: &dyn Store, delivery: &Delivery) -> Status {
    current(store, delivery.id).await.status()
}

/// The whole log.
pub(crate) async fn whole_log(store: &dyn Store) -> Vec<Logged> {
    store.read_log(Position::START, ALL).await.unwrap()
}

/// The ids of all events that `filter` means.
pub(crate) async fn event_ids(store: &dyn Store, filter: &EventFilter) -> Vec<EventId> {
    let events = store.events(filter, &Page::first(ALL)).await.unwrap();
    events.iter().map(|logged| logged.event.id).collect()
}

/// The ids of all deliveries that `filter` means.
pub(crate) async fn delivery_ids(store: &dyn Store, filter: &DeliveryFilter) -> Vec<DeliveryId> {
    let deliveries = store.deliveries(filter, &Page::first(ALL)).await.unwrap();
    deliveries.iter().map(|delivery| delivery.id).collect()
}
