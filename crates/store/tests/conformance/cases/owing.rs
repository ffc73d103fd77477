//! Owing what is in the log already.

use domain::delivery::{Delivery, State};
use domain::job::Only;
use store::{Owed, RoutesVersion, Store};

use crate::make::{Make, at, by_node, keyed, plain};
use crate::steps::{claim_one, current, keep, owe, subscribe, version};

pub(crate) async fn a_past_event_is_owed_and_can_be_claimed(store: &dyn Store) {
    let make = &mut Make::new();
    let event = make.event(at(1));
    keep(store, vec![plain(event.clone())]).await;
    let subscription = subscribe(store, make).await;
    let late = make.owed(&event, &subscription);
    let owed = store.owe(std::slice::from_ref(&late), Only::All, version(store).await, None).await.unwrap();
    assert_eq!(owed, Owed::Done(vec![late.id]));
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
    let owed =
        async |deliveries: &[Delivery], only| match store.owe(deliveries, only, now, None).await.unwrap() {
            Owed::Done(owed) => owed,
            other => panic!("{other:?}"),
        };
    assert_eq!(owed(&again, Only::Missing).await, [again[1].id, again[2].id]);
    let more =
        again.each_ref().map(|delivery| Delivery { id: make.owed(&known, &other).id, ..delivery.clone() });
    assert!(owed(&more, Only::Missing).await.is_empty(), "twice is once");
    let failed = Delivery { id: make.owed(&known, &other).id, ..again[0].clone() };
    assert_eq!(owed(&[failed.clone(), again[1].clone()], Only::Failed).await, [failed.id]);
    let once_more = Delivery { id: make.owed(&known, &other).id, ..failed };
    assert!(owed(&[once_more], Only::Failed).await.is_empty(), "it is on its way");
    assert_eq!(owed(&more, Only::All).await.len(), 3, "unless it is asked for");
}

pub(crate) async fn what_has_gone_or_was_decided_too_early_is_not_owed(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, 1).await;
    let event = make.event(at(1));
    let again = Delivery { id: make.owed(&event, &subscription).id, ..owed[0].clone() };
    let stale = RoutesVersion(version(store).await.0 - 1);
    let too_early = store.owe(std::slice::from_ref(&again), Only::All, stale, None).await.unwrap();
    assert_eq!(too_early, Owed::StaleRoutes);
    assert!(store.delivery(again.id).await.unwrap().is_none());
    let unknown = make.event(at(3));
    let of_nothing = make.owed(&unknown, &subscription);
    for deliveries in [&[of_nothing][..], &[]] {
        let owed = store.owe(deliveries, Only::All, version(store).await, None).await.unwrap();
        assert_eq!(owed, Owed::Done(vec![]));
    }
}
