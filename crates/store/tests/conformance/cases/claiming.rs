//! Claiming: what is due goes to one claimant, the longest due first, as much as each lane has room for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::delivery::{Claim, Delivery, State};
use domain::{DeliveryId, Event, Timestamp};
use futures::future::join_all;
use store::{Change, Claimed, Lane, Store, StoredSubscription, Waiting};

use crate::make::{Make, at, becomes, by_node, by_worker, change, lane, owing};
use crate::steps::{claim_one, current, keep, owe, subscribe};

/// One delivery for each time, in the order of their ids, due then.
async fn due_at(store: &dyn Store, to: &StoredSubscription, make: &mut Make, due: &[i64]) -> Vec<DeliveryId> {
    let mut new = Vec::new();
    for (second, &due) in (0..).zip(due) {
        let event = make.event(at(second - 100));
        let state = State::Pending { due_at: at(due) };
        let owed = Delivery { state, ..make.owed(&event, to) };
        new.push(owing(event, vec![owed]));
    }
    keep(store, new.clone()).await;
    new.iter().map(|new| new.deliveries[0].id).collect()
}

fn ids(claimed: &[Claimed]) -> Vec<DeliveryId> {
    claimed.iter().map(|claimed| claimed.delivery.id).collect()
}

async fn claim(store: &dyn Store, lanes: &[Lane], by: &Claim, now: i64) -> Vec<Claimed> {
    store.claim(lanes, by, at(now)).await.unwrap()
}

pub(crate) async fn only_what_is_due_is_claimed(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let lanes = [lane(&subscription, 10)];
    let due = due_at(store, &subscription, make, &[10, 20, 30]).await;
    let by = by_node(make.node(), at(60));
    assert_eq!(ids(&claim(store, &lanes, &by, 9).await), []);
    assert_eq!(ids(&claim(store, &lanes, &by, 20).await), due[..2]);
    assert_eq!(ids(&claim(store, &lanes, &by, 20).await), [], "they are taken");
    assert_eq!(ids(&claim(store, &lanes, &by, 30).await), due[2..]);
}

pub(crate) async fn the_longest_due_comes_first(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let due = due_at(store, &subscription, make, &[30, 10, 20, 10, 5]).await;
    let by = by_node(make.node(), at(60));
    let first = claim(store, &[lane(&subscription, 3)], &by, 40).await;
    // Of two that fell due together, the older.
    assert_eq!(ids(&first), [due[4], due[1], due[3]]);
    let then = claim(store, &[lane(&subscription, 3)], &by, 40).await;
    assert_eq!(ids(&then), [due[2], due[0]]);
}

pub(crate) async fn each_lane_gets_what_it_has_room_for(store: &dyn Store) {
    let make = &mut Make::new();
    let (wide, narrow) = (subscribe(store, make).await, subscribe(store, make).await);
    let (closed, unnamed) = (subscribe(store, make).await, subscribe(store, make).await);
    for subscription in [&wide, &narrow, &closed, &unnamed] {
        owe(store, make, subscription, 5).await;
    }
    let lanes = [lane(&wide, 10), lane(&narrow, 2), lane(&closed, 0), lane(&make.subscription(at(0)), 9)];
    let claimed = claim(store, &lanes, &by_node(make.node(), at(60)), 10).await;
    let mut counts = BTreeMap::new();
    for claimed in claimed {
        *counts.entry(claimed.delivery.subscription_id).or_insert(0) += 1;
    }
    let expected = [(wide.subscription.id, 5), (narrow.subscription.id, 2)];
    assert_eq!(counts, BTreeMap::from(expected));
    assert_eq!(claim(store, &[], &by_node(make.node(), at(60)), 10).await, []);
}

pub(crate) async fn three_hundred_lanes_are_served_in_one_call(store: &dyn Store) {
    let make = &mut Make::new();
    let event = make.event(at(1));
    let (mut lanes, mut owed) = (Vec::new(), Vec::new());
    for _ in 0..300 {
        let subscription = subscribe(store, make).await;
        lanes.push(lane(&subscription, 1));
        owed.extend([make.owed(&event, &subscription), make.owed(&event, &subscription)]);
    }
    keep(store, vec![owing(event, owed)]).await;
    for _ in 0..2 {
        let claimed = claim(store, &lanes, &by_node(make.node(), at(60)), 10).await;
        let served: BTreeSet<_> = claimed.iter().map(|claimed| claimed.delivery.subscription_id).collect();
        assert_eq!((claimed.len(), served.len()), (300, 300));
    }
}

pub(crate) async fn what_is_claimed_carries_its_event(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let events: Vec<_> = (1..4).map(|second| make.event(at(second))).collect();
    let owed: Vec<_> = events.iter().map(|event| make.owed(event, &subscription)).collect();
    let new = events.iter().zip(&owed).map(|(event, owed)| owing(event.clone(), vec![owed.clone()]));
    keep(store, new.collect()).await;
    let by = by_worker(make.token(), at(60));
    let claimed = claim(store, &[lane(&subscription, 3)], &by, 10).await;
    for ((event, owed), claimed) in events.into_iter().zip(owed).zip(claimed) {
        let delivery = becomes(&owed, State::Processing(by.clone()), None);
        assert_eq!(current(store, owed.id).await, delivery);
        assert_eq!(claimed, Claimed { delivery, event: Arc::new(event) });
    }
}

pub(crate) async fn a_retry_is_claimed_when_it_falls_due(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let by = by_node(make.node(), at(60));
    owe(store, make, &subscription, 1).await;
    let first = claim_one(store, &subscription, &by, at(1)).await.delivery;
    let retrying = Delivery { attempt_count: 1, ..becomes(&first, State::Retrying { due_at: at(5) }, None) };
    store.change(&[change(&first, retrying.clone())]).await.unwrap();
    assert_eq!(claim(store, &[lane(&subscription, 1)], &by, 4).await, []);
    let again = claim_one(store, &subscription, &by, at(5)).await.delivery;
    assert_eq!(again, becomes(&retrying, State::Processing(by), None));
}

pub(crate) async fn what_is_held_claimed_or_ended_is_not_claimed(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, 5).await;
    let taken = State::Processing(by_node(make.node(), at(5)));
    let states = [State::Held, taken, State::Success, State::Failed, State::Cancelled];
    let change = |(owed, state): (&Delivery, State)| change(owed, becomes(owed, state, None));
    let changes: Vec<Change> = owed.iter().zip(states).map(change).collect();
    assert_eq!(store.change(&changes).await.unwrap(), [true; 5]);
    // Not even long after a deadline: first somebody has to decide what its passing means.
    let by = by_node(make.node(), at(9_999));
    assert_eq!(claim(store, &[lane(&subscription, 9)], &by, 9_000).await, []);
    assert_eq!(store.waiting().await.unwrap(), []);
}

pub(crate) async fn waiting_tells_when_each_lane_falls_due(store: &dyn Store) {
    let make = &mut Make::new();
    let (soon, later) = (subscribe(store, make).await, subscribe(store, make).await);
    let idle = subscribe(store, make).await;
    due_at(store, &soon, make, &[20, 10, 30]).await;
    due_at(store, &later, make, &[500]).await;
    let mut waiting = store.waiting().await.unwrap();
    waiting.sort_by_key(|waiting| waiting.due_at);
    let expect = |of: &StoredSubscription, due_at: Timestamp| {
        let subscription_id = of.subscription.id;
        Waiting { subscription_id, due_at }
    };
    assert_eq!(waiting, [expect(&soon, at(10)), expect(&later, at(500))]);

    claim(store, &[lane(&soon, 2), lane(&idle, 2)], &by_node(make.node(), at(60)), 20).await;
    claim(store, &[lane(&later, 2)], &by_node(make.node(), at(900)), 800).await;
    assert_eq!(store.waiting().await.unwrap(), [expect(&soon, at(30))]);
}

pub(crate) async fn five_hundred_are_claimed_in_one_call(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, 600).await;
    let claimed = claim(store, &[lane(&subscription, 500)], &by_node(make.node(), at(9_000)), 600).await;
    assert!(claimed.iter().map(|claimed| claimed.delivery.id).eq(owed[..500].iter().map(|owed| owed.id)));
    assert!(claimed.iter().zip(&owed).all(|(claimed, owed)| claimed.event.id == owed.event_id));
}

pub(crate) async fn of_eight_claimants_each_delivery_goes_to_one(store: &dyn Store) {
    let make = &mut Make::new();
    let (one, other) = (subscribe(store, make).await, subscribe(store, make).await);
    let mut owed = owe(store, make, &one, 100).await;
    owed.extend(owe(store, make, &other, 100).await);
    let claimants: Vec<_> = (0..8).map(|_| by_node(make.node(), at(900))).collect();
    let claimed =
        join_all(claimants.iter().map(|by| claim_all(store, [lane(&one, 3), lane(&other, 4)], by))).await;
    let claimed: Vec<_> = claimed.into_iter().flatten().collect();
    assert_eq!(claimed.len(), 200);
    let expected: BTreeSet<_> = owed.iter().map(|delivery| delivery.id).collect();
    assert_eq!(claimed.iter().map(|delivery| delivery.id).collect::<BTreeSet<_>>(), expected);
    for delivery in claimed {
        assert_eq!(current(store, delivery.id).await, delivery, "it is still its claimant's");
    }
}

/// Claims again and again, until there is nothing more to have.
pub(crate) async fn claim_all(store: &dyn Store, lanes: [Lane; 2], by: &Claim) -> Vec<Delivery> {
    let mut all = Vec::new();
    loop {
        let claimed = claim(store, &lanes, by, 200).await;
        if claimed.is_empty() {
            return all;
        }
        all.extend(claimed.into_iter().map(|claimed| claimed.delivery));
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn what_is_overdue_is_counted_up_to_a_limit(store: &dyn Store) {
    let make = &mut Make::new();
    let (one, other) = (subscribe(store, make).await, subscribe(store, make).await);
    owe(store, make, &one, 5).await;
    owe(store, make, &other, 1).await;
    let told = make.event(at(0));
    let told = Event { event_type: "queue.backlog".parse().unwrap(), ..told };
    let delivery = make.owed(&told, &one);
    keep(store, vec![owing(told, vec![delivery])]).await;
    let id = one.subscription.id;
    let overdue = |now, limit| async move {
        let counts = store.overdue(id, at(now), limit).await.unwrap();
        counts.into_iter().map(|(kind, count)| (kind.to_string(), count)).collect::<Vec<_>>()
    };
    let (task, news) = (|count| ("task.created".to_owned(), count), ("queue.backlog".to_owned(), 1));
    assert_eq!(overdue(3, 100).await, [news.clone(), task(3)]);
    assert_eq!(overdue(9, 3).await, [news.clone(), task(2)], "the longest due are counted");
    let claim = by_node(make.node(), at(60));
    assert_eq!(store.claim(&[lane(&one, 4)], &claim, at(9)).await.unwrap().len(), 4);
    assert_eq!(overdue(9, 100).await, [task(2)]);
}
