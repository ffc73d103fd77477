//! Owing what is in the log already.

use domain::delivery::{Delivery, State};
use store::{RoutesVersion, Store};

use crate::make::{Make, at, by_node, keyed, plain};
use crate::steps::{claim_one, current, keep, owe, subscribe, version};

pub(crate) async fn a_past_event_is_owed_and_can_be_claimed(store: &dyn Store) {
    let make = &mut Make::new();
    let event = make.event(at(1));
    keep(store, vec![plain(event.clone())]).await;
    let subscription = subscribe(store, make).await;
    let late = make.owed(&event, &subscription);
    let owed = store.owe(std::slice::from_ref(&late), false, version(store).await).await.unwrap();
    assert_eq!(owed, Some(vec![late.id]));
    assert_eq!(current(store, late.id).await, late);
    assert_eq!(store.statistics(subscription.subscription.id).await.unwrap().total, 1);
    let claim = by_node(make.node(), at(60));
    assert_eq!(*claim_one(store, &subscription, &claim, at(9)).await.event, event);
}

pub(crate) async fn only_what_is_missing_is_owed_again(store: &dyn Store) {
    let make = &mut Make::new();
    let (subscription, other) = (subscribe(store, make).await, subscribe(store, make).await);
    let (known, missing) = (make.event(at(1)), make.event(at(2)));
    let first = Delivery { state: State::Failed, ..make.owed(&known, &subscription) };
    keep(store, vec![keyed("a", known.clone(), vec![first]), plain(missing.clone())]).await;
    let again =
        [make.owed(&known, &subscription), make.owed(&known, &other), make.owed(&missing, &subscription)];
    let now = version(store).await;
    let owed = store.owe(&again, true, now).await.unwrap().unwrap();
    assert_eq!(owed, [again[1].id, again[2].id]);
    let more =
        again.each_ref().map(|delivery| Delivery { id: make.owed(&known, &other).id, ..delivery.clone() });
    assert_eq!(store.owe(&more, true, now).await.unwrap(), Some(vec![]), "twice is once");
    assert_eq!(store.owe(&more, false, now).await.unwrap().unwrap().len(), 3, "unless it is asked for");
}

pub(crate) async fn what_has_gone_or_was_decided_too_early_is_not_owed(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, 1).await;
    let event = make.event(at(1));
    let again = Delivery { id: make.owed(&event, &subscription).id, ..owed[0].clone() };
    let stale = RoutesVersion(version(store).await.0 - 1);
    assert_eq!(store.owe(std::slice::from_ref(&again), false, stale).await.unwrap(), None);
    assert!(store.delivery(again.id).await.unwrap().is_none());
    let unknown = make.event(at(3));
    let of_nothing = make.owed(&unknown, &subscription);
    assert_eq!(store.owe(&[of_nothing], false, version(store).await).await.unwrap(), Some(vec![]));
    assert_eq!(store.owe(&[], true, version(store).await).await.unwrap(), Some(vec![]));
}
