//! Routing: what an event is owed to is decided under a set of subscriptions, and written only while that set stands.

use std::cell::RefCell;
use std::collections::BTreeMap;

use domain::delivery::Status;
use domain::{DeliveryId, SubscriptionId};
use futures::future::{join, join_all};
use store::{
    Appended, DeliveryFilter, Kept, KeptEvent, Page, Position, ROUTE_CHANGES_KEPT, RoutesVersion, Store,
};

use crate::make::{Make, append_of, at, idempotency, keyed, owing, plain};
use crate::steps::{ALL, append, delivery_ids, keep, subscribe, version, whole_log};

pub(crate) async fn under_stale_routes_nothing_is_written(store: &dyn Store) {
    let make = &mut Make::new();
    let stale = version(store).await;
    let subscription = subscribe(store, make).await;
    let event = make.event(at(1));
    let owed = make.owed(&event, &subscription);
    let request = append_of(vec![keyed("sent", event.clone(), vec![owed.clone()])]);
    let answer = store.append([request.clone()].into(), stale, at(1)).await.unwrap();
    assert_eq!(answer, Appended::StaleRoutes);
    assert_eq!(store.head().await.unwrap(), Position::START);
    assert_eq!(store.event(event.id).await.unwrap(), None);
    assert_eq!(store.delivery(owed.id).await.unwrap(), None);
    assert_eq!(store.statistics(owed.subscription_id).await.unwrap().total, 0);
    // Sent again under the routes of now, it is no repeat.
    let kept = KeptEvent { id: event.id, position: Position(1), is_new: true };
    assert_eq!(append(store, &[request], at(1)).await, [Kept::Events(vec![kept])]);
}

pub(crate) async fn under_stale_routes_no_key_is_taken(store: &dyn Store) {
    let make = &mut Make::new();
    let stale = version(store).await;
    subscribe(store, make).await;
    let mut request = append_of(vec![plain(make.event(at(1)))]);
    request.idempotency = Some(idempotency("request", 1, at(60)));
    let answer = store.append([request.clone()].into(), stale, at(1)).await.unwrap();
    assert_eq!(answer, Appended::StaleRoutes);
    request.idempotency = Some(idempotency("request", 2, at(60)));
    assert!(matches!(append(store, &[request], at(2)).await[..], [Kept::Events(_)]));
}

pub(crate) async fn the_version_moves_with_every_change(store: &dyn Store) {
    let make = &mut Make::new();
    let start = version(store).await.0;
    let mut subscription = subscribe(store, make).await;
    assert_eq!(version(store).await.0, start + 1);
    subscription.subscription.paused = true;
    assert!(store.change_subscription(&subscription, at(2)).await.unwrap());
    assert_eq!(version(store).await.0, start + 2);
    assert!(store.delete_subscription(subscription.subscription.id, at(3)).await.unwrap());
    assert_eq!(version(store).await.0, start + 3);
    assert!(store.routes().await.unwrap().subscriptions.is_empty());
}

pub(crate) async fn what_changes_nothing_does_not_move_the_version(store: &dyn Store) {
    let make = &mut Make::new();
    let unknown = make.subscription(at(0));
    let start = version(store).await;
    keep(store, vec![plain(make.event(at(1)))]).await;
    assert!(!store.change_subscription(&unknown, at(4)).await.unwrap());
    assert!(!store.delete_subscription(unknown.subscription.id, at(4)).await.unwrap());
    assert_eq!(version(store).await, start);
}

/// What [`Store::routes_since`] tells, by the ids of what is there and of what is gone.
async fn changes(store: &dyn Store, since: RoutesVersion) -> (Vec<SubscriptionId>, Vec<SubscriptionId>) {
    let changes = store.routes_since(since).await.unwrap().unwrap();
    assert_eq!(changes.version, version(store).await);
    let (there, gone): (Vec<_>, Vec<_>) = changes.changed.into_iter().partition(|(_, to)| to.is_some());
    (there.into_iter().map(|(id, _)| id).collect(), gone.into_iter().map(|(id, _)| id).collect())
}

pub(crate) async fn what_has_changed_since_a_version_is_read_alone(store: &dyn Store) {
    let make = &mut Make::new();
    let start = version(store).await;
    assert_eq!(changes(store, start).await, (vec![], vec![]));
    let (mut one, other) = (subscribe(store, make).await, subscribe(store, make).await);
    let (one_id, other_id) = (one.subscription.id, other.subscription.id);
    let both = version(store).await;
    assert_eq!(changes(store, start).await, (vec![one_id, other_id], vec![]));
    for paused in [true, false, true] {
        one.subscription.paused = paused;
        assert!(store.change_subscription(&one, at(2)).await.unwrap());
        one.revision += 1;
    }
    let changed = store.routes_since(both).await.unwrap().unwrap().changed;
    assert_eq!(changed.into_iter().collect::<Vec<_>>(), [(one_id, Some(one))], "once, as it is now");
    assert!(store.delete_subscription(one_id, at(3)).await.unwrap());
    assert_eq!(changes(store, both).await, (vec![], vec![one_id]));
    assert_eq!(changes(store, start).await, (vec![other_id], vec![one_id]));
    assert_eq!(changes(store, version(store).await).await, (vec![], vec![]));
}

pub(crate) async fn changes_that_are_too_old_are_forgotten(store: &dyn Store) {
    let make = &mut Make::new();
    subscribe(store, make).await;
    let now = version(store).await;
    assert_eq!(store.routes_since(RoutesVersion(now.0 - ROUTE_CHANGES_KEPT - 1)).await.unwrap(), None);
    assert!(store.routes_since(RoutesVersion(now.0 - ROUTE_CHANGES_KEPT)).await.unwrap().is_some());
    assert_eq!(store.routes_since(RoutesVersion(now.0 + 1)).await.unwrap(), None, "of another store's time");
}

/// Each change is in its place: whoever goes from version to version knows what whoever reads all of it knows.
pub(crate) async fn whoever_follows_the_changes_has_all_routes(store: &dyn Store) {
    let make = &RefCell::new(Make::new());
    let changing = join_all((0..4).map(|_| async {
        for round in 0..6 {
            let mut subscription = make.borrow_mut().subscription(at(0));
            store.create_subscription(&subscription).await.unwrap();
            subscription.subscription.paused = true;
            assert!(store.change_subscription(&subscription, at(1)).await.unwrap());
            if round % 2 == 0 {
                assert!(store.delete_subscription(subscription.subscription.id, at(2)).await.unwrap());
            }
        }
    }));
    let start = store.routes().await.unwrap();
    let following = async {
        let mut known: BTreeMap<_, _> =
            start.subscriptions.into_iter().map(|stored| (stored.subscription.id, stored)).collect();
        let mut version = start.version;
        while version.0 < start.version.0 + 4 * (6 + 6 + 3) {
            let changes = store.routes_since(version).await.unwrap().unwrap();
            version = changes.version;
            for (id, changed) in changes.changed {
                match changed {
                    Some(stored) => drop(known.insert(id, stored)),
                    None => drop(known.remove(&id)),
                }
            }
        }
        known
    };
    let (_, known) = join(changing, following).await;
    let mut all = store.routes().await.unwrap().subscriptions;
    all.sort_by_key(|stored| stored.subscription.id);
    assert_eq!(known.into_values().collect::<Vec<_>>(), all);
}

/// Appends ten events that are owed to every subscription there is, and decides anew if that changes meanwhile.
async fn route(store: &dyn Store, make: &RefCell<Make>) {
    loop {
        let routes = store.routes().await.unwrap();
        let new = || {
            let make = &mut *make.borrow_mut();
            let event = make.event(at(1));
            let owed = routes.subscriptions.iter().map(|to| make.owed(&event, to)).collect();
            owing(event, owed)
        };
        let request = append_of((0..10).map(|_| new()).collect());
        if store.append([request].into(), routes.version, at(1)).await.unwrap() != Appended::StaleRoutes {
            return;
        }
    }
}

/// The log and the subscriptions are in one order: whatever came in after a subscription is owed to it.
pub(crate) async fn no_event_misses_a_subscription_that_was_there(store: &dyn Store) {
    let make = &RefCell::new(Make::new());
    let subscribing = async {
        for _ in 0..12 {
            let subscription = make.borrow_mut().subscription(at(0));
            store.create_subscription(&subscription).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let publishing = join_all((0..4).map(|_| async {
        for _ in 0..6 {
            route(store, make).await;
        }
    }));
    join(subscribing, publishing).await;
    route(store, make).await;
    let mut counts = Vec::new();
    for logged in whole_log(store).await {
        let filter = DeliveryFilter { event_id: Some(logged.event.id), ..DeliveryFilter::default() };
        counts.push(delivery_ids(store, &filter).await.len());
    }
    assert!(counts.is_sorted(), "{counts:?}");
    assert_eq!(counts.last(), Some(&12));
}

/// What is owed to `of` and is not in `status`.
async fn not_in(store: &dyn Store, of: SubscriptionId, status: Status) -> Vec<DeliveryId> {
    let filter = DeliveryFilter { subscription_id: Some(of), ..DeliveryFilter::default() };
    let mut owed = store.deliveries(&filter, &Page::first(ALL)).await.unwrap();
    owed.retain(|delivery| delivery.status() != status);
    owed.into_iter().map(|delivery| delivery.id).collect()
}

/// Runs `change` while events come in, sooner or later.
async fn while_events_come_in(
    store: &dyn Store,
    make: &RefCell<Make>,
    patience: usize,
    change: impl Future<Output = bool>,
) {
    let later = async {
        for _ in 0..patience {
            tokio::task::yield_now().await;
        }
        assert!(change.await);
    };
    join(later, join_all((0..4).map(|_| route(store, make)))).await;
}

pub(crate) async fn what_comes_in_while_a_subscription_is_deleted_goes_with_it(store: &dyn Store) {
    let make = &RefCell::new(Make::new());
    for round in 0..20 {
        let deleted = make.borrow_mut().subscription(at(0));
        let id = deleted.subscription.id;
        store.create_subscription(&deleted).await.unwrap();
        while_events_come_in(store, make, round, async {
            store.delete_subscription(id, at(2)).await.unwrap()
        })
        .await;
        assert_eq!(not_in(store, id, Status::Cancelled).await, [], "in round {round}");
    }
    assert_eq!(store.waiting().await.unwrap(), []);
}

pub(crate) async fn what_comes_in_while_a_subscription_is_paused_is_held(store: &dyn Store) {
    let make = &RefCell::new(Make::new());
    for round in 0..20 {
        let mut paused = make.borrow_mut().subscription(at(0));
        let id = paused.subscription.id;
        store.create_subscription(&paused).await.unwrap();
        paused.subscription.paused = true;
        while_events_come_in(store, make, round, async {
            store.change_subscription(&paused, at(2)).await.unwrap()
        })
        .await;
        assert_eq!(not_in(store, id, Status::Held).await, [], "in round {round}");
        assert!(store.delete_subscription(id, at(3)).await.unwrap());
    }
}
