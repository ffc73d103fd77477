//! Finding deliveries: lists and pages, and claims whose holders did not come back.

use domain::delivery::{Delivery, State, Status};
use domain::{DeliveryId, Event};
use store::{DeliveryFilter, Page, Store};

use crate::make::{Make, at, becomes, by_node, by_worker, change, owing, user};
use crate::steps::{delivery_ids, keep, subscribe};

/// Twelve deliveries, a second apart: six events, each owed to a subscription of alice and to one of nobody; of two
/// types; the last two of them cancelled.
async fn twelve(store: &dyn Store, make: &mut Make) -> Vec<Delivery> {
    let of_alice = subscribe(store, make).await;
    let mut of_nobody = make.subscription(at(0));
    of_nobody.subscription.user_id = None;
    store.create_subscription(&of_nobody).await.unwrap();
    let mut deliveries = Vec::new();
    for n in 0..6 {
        let event_type = ["task.created", "task.done"][n % 2].parse().unwrap();
        let event = Event { event_type, ..make.event(at(2 * n as i64)) };
        let later = Event { received_at: at(2 * n as i64 + 1), ..event.clone() };
        let owed = vec![make.owed(&event, &of_alice), make.owed(&later, &of_nobody)];
        deliveries.extend(owed.clone());
        keep(store, vec![owing(event, owed)]).await;
    }
    for delivery in &mut deliveries[10..] {
        let cancelled = becomes(delivery, State::Cancelled, Some(at(20)));
        store.change(&[change(delivery, cancelled.clone())]).await.unwrap();
        *delivery = cancelled;
    }
    deliveries
}

pub(crate) async fn deliveries_are_listed_from_the_newest(store: &dyn Store) {
    let deliveries = twelve(store, &mut Make::new()).await;
    let listed = store.deliveries(&DeliveryFilter::default(), &Page::first(100)).await.unwrap();
    assert!(listed.iter().eq(deliveries.iter().rev()));
}

pub(crate) async fn each_filter_of_deliveries_finds_what_it_means(store: &dyn Store) {
    let make = &mut Make::new();
    let deliveries = twelve(store, make).await;
    let all = DeliveryFilter::default;
    let (of_alice, of_nobody) = (deliveries[0].subscription_id, deliveries[1].subscription_id);
    let filters: [(DeliveryFilter, &[usize]); 9] = [
        (DeliveryFilter { owner_id: Some(user("alice")), ..all() }, &[10, 8, 6, 4, 2, 0]),
        (DeliveryFilter { subscription_id: Some(of_nobody), ..all() }, &[11, 9, 7, 5, 3, 1]),
        (DeliveryFilter { event_id: Some(deliveries[4].event_id), ..all() }, &[5, 4]),
        (DeliveryFilter { status: Some(Status::Cancelled), ..all() }, &[11, 10]),
        (DeliveryFilter { event_type: Some("task.done".parse().unwrap()), ..all() }, &[11, 10, 7, 6, 3, 2]),
        (DeliveryFilter { since: Some(at(9)), ..all() }, &[11, 10, 9]),
        (DeliveryFilter { until: Some(at(2)), ..all() }, &[1, 0]),
        (DeliveryFilter { owner_id: Some(user("bob")), ..all() }, &[]),
        (
            DeliveryFilter {
                owner_id: Some(user("alice")),
                subscription_id: Some(of_alice),
                event_id: Some(deliveries[6].event_id),
                status: Some(Status::Pending),
                event_type: Some("task.done".parse().unwrap()),
                since: Some(at(6)),
                until: Some(at(7)),
            },
            &[6],
        ),
    ];
    for (filter, meant) in filters {
        let expected: Vec<_> = meant.iter().map(|&n| deliveries[n].id).collect();
        assert_eq!(delivery_ids(store, &filter).await, expected, "{filter:?}");
    }
}

pub(crate) async fn a_walk_by_one_sees_every_delivery_once(store: &dyn Store) {
    let deliveries = twelve(store, &mut Make::new()).await;
    let filter = DeliveryFilter { owner_id: Some(user("alice")), ..DeliveryFilter::default() };
    let mut seen = Vec::new();
    let mut page = Page::first(1);
    while let [delivery] = &store.deliveries(&filter, &page).await.unwrap()[..] {
        seen.push(delivery.id);
        page.before = Some(delivery.id);
    }
    assert!(seen.into_iter().eq([10, 8, 6, 4, 2, 0].map(|n: usize| deliveries[n].id)));
}

/// One delivery for each state, in the order of their ids.
async fn in_states(store: &dyn Store, make: &mut Make, states: Vec<State>) -> Vec<DeliveryId> {
    let subscription = subscribe(store, make).await;
    let mut ids = Vec::new();
    for (second, state) in (1..).zip(states) {
        let event = make.event(at(second));
        let owed = Delivery { state, ..make.owed(&event, &subscription) };
        ids.push(owed.id);
        keep(store, vec![owing(event, vec![owed])]).await;
    }
    ids
}

async fn lapsed(store: &dyn Store, dead: Option<domain::NodeId>, now: i64, limit: u32) -> Vec<DeliveryId> {
    let lapsed = store.lapsed(dead, at(now), limit).await.unwrap();
    for delivery in &lapsed {
        assert_eq!(store.delivery(delivery.id).await.unwrap().as_ref(), Some(delivery), "it is only found");
    }
    lapsed.iter().map(|delivery| delivery.id).collect()
}

pub(crate) async fn a_claim_lapses_at_its_deadline(store: &dyn Store) {
    let make = &mut Make::new();
    let by_node = |make: &mut Make, deadline| State::Processing(by_node(make.node(), at(deadline)));
    let states = vec![
        by_node(make, 30),
        State::Processing(by_worker(make.token(), at(20))),
        State::Pending { due_at: at(1) },
        by_node(make, 10),
        State::Held,
    ];
    let ids = in_states(store, make, states).await;
    assert_eq!(lapsed(store, None, 9, 10).await, []);
    assert_eq!(lapsed(store, None, 10, 10).await, [ids[3]]);
    assert_eq!(lapsed(store, None, 20, 10).await, [ids[3], ids[1]]);
    assert_eq!(lapsed(store, None, 99, 2).await, [ids[3], ids[1]], "the earliest deadline first");
}

pub(crate) async fn a_dead_nodes_claims_lapse_at_once(store: &dyn Store) {
    let make = &mut Make::new();
    let (dead, alive) = (make.node(), make.node());
    let states = vec![
        State::Processing(by_node(dead, at(60))),
        State::Processing(by_node(alive, at(5))),
        State::Processing(by_worker(make.token(), at(5))),
        State::Processing(by_node(dead, at(5))),
    ];
    let ids = in_states(store, make, states).await;
    assert_eq!(lapsed(store, Some(dead), 10, 10).await, [ids[3], ids[0]], "the earliest deadline first");
    assert_eq!(lapsed(store, Some(dead), 10, 1).await, [ids[3]]);
    assert_eq!(lapsed(store, Some(make.node()), 10, 10).await, []);
}

pub(crate) async fn an_expired_delivery_is_anybodys_again(store: &dyn Store) {
    let make = &mut Make::new();
    let claim = State::Processing(by_worker(make.token(), at(20)));
    let [id] = in_states(store, make, vec![claim]).await[..] else { panic!("one was made") };
    let found = store.lapsed(None, at(20), 10).await.unwrap().remove(0);
    let mut expired = found.clone();
    expired.expire(at(20)).unwrap();
    assert_eq!(store.change(&[change(&found, expired.clone())]).await.unwrap(), [true]);
    assert_eq!(store.delivery(id).await.unwrap(), Some(expired));
    // A second rescuer who found it too comes too late.
    assert_eq!(store.change(&[change(&found, found.clone())]).await.unwrap(), [false]);
    assert_eq!(lapsed(store, None, 99, 10).await, []);
}
