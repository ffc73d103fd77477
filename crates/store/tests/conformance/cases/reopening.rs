//! Reopening: what was answered is there after the store was closed and opened again.

use domain::delivery::State;
use store::{Append, Appended, Change, DeliveryFilter, EventFilter, Kept, KeptEvent, Page, Position, Store};

use crate::engines::Engine;
use crate::make::{
    Make, append_of, at, becomes, by_node, change, failed_attempt, idempotency, keyed, lane, plain,
};
use crate::steps::{ALL, append, keep, owe, owe_and_claim, subscribe, version, whole_log};

/// Everything that a store tells about itself, to be compared.
async fn everything(store: &dyn Store) -> String {
    let deliveries = store.deliveries(&DeliveryFilter::default(), &Page::first(ALL)).await.unwrap();
    let mut attempts = Vec::new();
    for delivery in &deliveries {
        attempts.extend(store.attempts(delivery.id).await.unwrap());
    }
    let subscriptions = store.subscriptions(None, &Page::first(ALL)).await.unwrap();
    let mut statistics = Vec::new();
    for stored in &subscriptions {
        statistics.push(store.statistics(stored.subscription.id).await.unwrap());
    }
    let told = (
        (whole_log(store).await, store.events(&EventFilter::default(), &Page::first(ALL)).await.unwrap()),
        (deliveries, attempts, store.waiting().await.unwrap()),
        (subscriptions, statistics, version(store).await),
        (store.nodes().await.unwrap(), store.keys(&Page::first(ALL)).await.unwrap()),
    );
    format!("{told:#?}")
}

pub(crate) async fn nothing_is_lost_and_nothing_comes_back<E: Engine>(engine: &E) {
    let make = &mut Make::new();
    let before = engine.open().await;
    let subscription = subscribe(&before, make).await;
    let claimed = owe_and_claim(&before, make, &subscription).await;
    let retrying = becomes(&claimed, State::Retrying { due_at: at(70) }, None);
    let attempt = Some(failed_attempt(&claimed, 1, at(1)));
    before.change(&[Change { attempt, ..change(&claimed, retrying) }]).await.unwrap();
    owe(&before, make, &subscription, 3).await;
    before.claim(&[lane(&subscription, 1)], &by_node(make.node(), at(60)), at(3)).await.unwrap();
    let gone = subscribe(&before, make).await;
    owe(&before, make, &gone, 2).await;
    before.delete_subscription(gone.subscription.id, at(4)).await.unwrap();
    before.beat(make.node()).await.unwrap();
    before.create_key(&make.key(at(1))).await.unwrap();
    let told = everything(&before).await;
    before.close().await;

    let after = engine.open().await;
    assert_eq!(everything(&after).await, told);
    after.close().await;
}

pub(crate) async fn the_log_goes_on_where_it_ended<E: Engine>(engine: &E) {
    let make = &mut Make::new();
    let before = engine.open().await;
    keep(&before, (0..3).map(|_| plain(make.event(at(1)))).collect()).await;
    before.close().await;

    let after = engine.open().await;
    assert_eq!(after.head().await.unwrap(), Position(3));
    let kept = keep(&after, vec![plain(make.event(at(2)))]).await;
    assert_eq!(kept[0].position, Position(4));
    after.close().await;
}

pub(crate) async fn a_repeat_is_still_known<E: Engine>(engine: &E) {
    let make = &mut Make::new();
    let mut request = |body, name| Append {
        idempotency: Some(idempotency("request", body, at(60))),
        ..append_of(vec![keyed(name, make.event(at(1)), vec![])])
    };
    let (first, again, other) = (request(1, "a"), request(1, "a"), request(2, "b"));
    let before = engine.open().await;
    append(&before, std::slice::from_ref(&first), at(1)).await;
    before.close().await;

    let after = engine.open().await;
    let kept = KeptEvent { id: first.events[0].event.id, position: Position(1), is_new: false };
    let answers = append(&after, &[again, other], at(2)).await;
    assert_eq!(answers, [Kept::Events(vec![kept]), Kept::KeyTaken]);
    after.close().await;
}

pub(crate) async fn stale_routes_stay_stale<E: Engine>(engine: &E) {
    let make = &mut Make::new();
    let before = engine.open().await;
    let stale = version(&before).await;
    subscribe(&before, make).await;
    before.close().await;

    let after = engine.open().await;
    let new = append_of(vec![plain(make.event(at(1)))]);
    assert_eq!(after.append([new].into(), stale, at(2)).await.unwrap(), Appended::StaleRoutes);
    after.close().await;
}
