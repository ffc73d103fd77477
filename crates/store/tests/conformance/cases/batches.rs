//! Batches: deliveries that are claimed together, and stay together.

use std::collections::BTreeSet;
use std::sync::Mutex;

use domain::batch::Batch;
use domain::delivery::{Delivery, State, Trigger};
use domain::limits::BATCH_BYTES_MAX;
use domain::{DeliveryId, Event, Timestamp};
use futures::future::join;
use store::{Store, StoredSubscription};

use crate::engines::Engine;
use crate::make::{Make, at, becomes, by_node, change, json, owing};
use crate::steps::{current, keep};

/// Up to three, of which the first waits for a minute.
const TERMS: Batch = Batch { max_events: 3, max_wait_ms: 60_000 };

async fn subscribe(store: &dyn Store, make: &mut Make) -> StoredSubscription {
    let mut subscription = make.subscription(at(0));
    subscription.subscription.terms.batch = Some(TERMS);
    store.create_subscription(&subscription).await.unwrap();
    subscription
}

/// Owes an event that came in then for each of the seconds.
async fn owe(
    store: &dyn Store,
    make: &mut Make,
    to: &StoredSubscription,
    seconds: impl IntoIterator<Item = i64>,
) -> Vec<Delivery> {
    let events: Vec<_> = seconds.into_iter().map(|second| make.event(at(second))).collect();
    owe_events(store, make, to, events).await
}

async fn owe_events(
    store: &dyn Store,
    make: &mut Make,
    to: &StoredSubscription,
    events: Vec<Event>,
) -> Vec<Delivery> {
    let owed: Vec<_> = events.iter().map(|event| make.owed(event, to)).collect();
    let new = events.into_iter().zip(&owed).map(|(event, owed)| owing(event, vec![owed.clone()]));
    keep(store, new.collect()).await;
    owed
}

async fn claim(store: &dyn Store, make: &mut Make, of: &StoredSubscription, second: i64) -> Vec<Delivery> {
    let by = by_node(make.node(), at(90_000));
    let claimed = store.claim_batch(of.subscription.id, &TERMS, &by, at(second)).await.unwrap();
    for claimed in &claimed {
        assert_eq!(claimed.event.id, claimed.delivery.event_id);
        assert_eq!(claimed.delivery.state, State::Processing(by.clone()));
        assert_eq!(current(store, claimed.delivery.id).await, claimed.delivery);
    }
    claimed.into_iter().map(|claimed| claimed.delivery).collect()
}

fn ids(deliveries: &[Delivery]) -> Vec<DeliveryId> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}

/// Makes all of them `state`.
async fn become_all(store: &dyn Store, all: &[Delivery], state: &State, completed_at: Option<Timestamp>) {
    let changes: Vec<_> =
        all.iter().map(|delivery| change(delivery, becomes(delivery, state.clone(), completed_at))).collect();
    assert!(store.change(&changes).await.unwrap().into_iter().all(|written| written));
}

pub(crate) async fn a_batch_goes_when_its_first_is_due_or_it_is_full(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, [1, 2]).await;
    assert_eq!(owed[0].due_at(), Some(at(61)));
    assert_eq!(store.waiting().await.unwrap()[0].due_at, at(61));
    assert_eq!(claim(store, make, &subscription, 60).await, []);
    assert_eq!(
        ids(&claim(store, make, &subscription, 61).await),
        ids(&owed),
        "the second goes with the first"
    );
    let owed = owe(store, make, &subscription, [3, 4, 5, 6]).await;
    assert_eq!(ids(&claim(store, make, &subscription, 7).await), ids(&owed[..3]));
    assert_eq!(claim(store, make, &subscription, 65).await, [], "one is left over, and waits");
    assert_eq!(ids(&claim(store, make, &subscription, 66).await), ids(&owed[3..]));
}

pub(crate) async fn what_was_one_batch_stays_one(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, [1, 2]).await;
    let first = claim(store, make, &subscription, 61).await;
    let fresh = owe(store, make, &subscription, [50]).await;
    // Part of it is still under way.
    become_all(store, &first[..1], &State::Retrying { due_at: at(70) }, None).await;
    assert_eq!(claim(store, make, &subscription, 80).await, []);
    // Part of it is not yet due.
    become_all(store, &first[1..], &State::Retrying { due_at: at(90) }, None).await;
    assert_eq!(claim(store, make, &subscription, 89).await, []);
    let again = claim(store, make, &subscription, 90).await;
    assert_eq!(ids(&again), ids(&owed), "and nothing joins it");
    // Its node dies, and it is anybody's again.
    become_all(store, &again, &State::Retrying { due_at: at(95) }, None).await;
    assert_eq!(ids(&claim(store, make, &subscription, 200).await), ids(&owed), "before a new one is made");
    assert_eq!(ids(&claim(store, make, &subscription, 200).await), ids(&fresh));
}

pub(crate) async fn what_has_ended_leaves_its_batch(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, [1, 2, 3]).await;
    let first = claim(store, make, &subscription, 4).await;
    become_all(store, &first[..1], &State::Cancelled, Some(at(5))).await;
    become_all(store, &first[1..], &State::Retrying { due_at: at(6) }, None).await;
    let rest = claim(store, make, &subscription, 6).await;
    assert_eq!(ids(&rest), ids(&owed[1..]));
    become_all(store, &rest, &State::Success, Some(at(7))).await;
    assert_eq!(claim(store, make, &subscription, 9_000).await, []);
}

pub(crate) async fn a_retry_by_hand_leaves_its_batch(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, [1, 2, 3]).await;
    let first = claim(store, make, &subscription, 4).await;
    become_all(store, &first[..1], &State::Failed, Some(at(5))).await;
    become_all(store, &first[1..], &State::Retrying { due_at: at(600) }, None).await;
    let failed = current(store, owed[0].id).await;
    let mut again = failed.clone();
    again.retry(Trigger::Manual, at(6)).unwrap();
    assert_eq!(store.change(&[change(&failed, again)]).await.unwrap(), [true]);
    assert_eq!(
        ids(&claim(store, make, &subscription, 7).await),
        [owed[0].id],
        "it does not wait for the others"
    );
    assert_eq!(ids(&claim(store, make, &subscription, 600).await), ids(&owed[1..]));
}

pub(crate) async fn a_batch_is_bounded_by_its_bytes(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    // In bytes, not in letters.
    let sized = |make: &mut Make, second: i64, bytes: usize| Event {
        data: json(&format!("\"{}\"", "é".repeat(bytes / 2 - 1))),
        ..make.event(at(second))
    };
    let half = BATCH_BYTES_MAX / 2;
    let events = vec![
        sized(make, 1, half),
        sized(make, 2, half + 2),
        sized(make, 3, BATCH_BYTES_MAX * 2),
        sized(make, 4, half),
        sized(make, 5, half),
    ];
    let owed = owe_events(store, make, &subscription, events).await;
    for expected in [0..1, 1..2, 2..3, 3..5] {
        let now = if expected.end == 5 { 64 } else { 6 };
        assert_eq!(ids(&claim(store, make, &subscription, now).await), ids(&owed[expected]));
    }
}

pub(crate) async fn a_batch_holds_one_of_each_line(store: &dyn Store) {
    let make = &mut Make::new();
    let mut subscription = make.subscription(at(0));
    subscription.subscription.terms.batch = Some(TERMS);
    subscription.subscription.terms.ordering_key = Some("data".parse().unwrap());
    store.create_subscription(&subscription).await.unwrap();
    let events = (1..).zip(["1", "1", "2", "null", "2"]);
    let events: Vec<_> =
        events.map(|(second, data)| Event { data: json(data), ..make.event(at(second)) }).collect();
    let owed = owe_events(store, make, &subscription, events).await;
    let first = claim(store, make, &subscription, 6).await;
    assert_eq!(ids(&first), [owed[0].id, owed[2].id, owed[3].id]);
    assert_eq!(claim(store, make, &subscription, 600).await, [], "the others stand behind them");
    become_all(store, &first, &State::Retrying { due_at: at(700) }, None).await;
    assert_eq!(claim(store, make, &subscription, 699).await, []);
    let again = claim(store, make, &subscription, 700).await;
    assert_eq!(ids(&again), ids(&first));
    become_all(store, &again, &State::Success, Some(at(701))).await;
    assert_eq!(ids(&claim(store, make, &subscription, 702).await), [owed[1].id, owed[4].id]);
}

pub(crate) async fn what_is_held_does_not_keep_the_rest_of_its_batch(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    owe(store, make, &subscription, [1, 2, 3]).await;
    let first = claim(store, make, &subscription, 4).await;
    become_all(store, &first[..2], &State::Retrying { due_at: at(5) }, None).await;
    become_all(store, &first[2..], &State::Held, None).await;
    assert_eq!(ids(&claim(store, make, &subscription, 5).await), ids(&first[..2]));
}

/// Two nodes claim as fast as they can. None gets what the other has, and a batch that failed comes back as it was.
pub(crate) async fn nodes_share_batches_without_breaking_them<E: Engine>(engine: &E) {
    let make = &mut Make::new();
    let (one, other) = (engine.open().await, engine.open().await);
    let subscription = subscribe(&one, make).await;
    let owed = owe(&one, make, &subscription, 1..=90).await;
    let (failed, done) = (Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    let work = async |node: &E::Store, by: domain::NodeId| {
        while done.lock().unwrap().iter().map(Vec::len).sum::<usize>() < owed.len() {
            let claim = by_node(by, at(9_000));
            let claimed =
                node.claim_batch(subscription.subscription.id, &TERMS, &claim, at(1_000)).await.unwrap();
            let members: Vec<_> = claimed.into_iter().map(|claimed| claimed.delivery).collect();
            if !members.is_empty() && failed.lock().unwrap().insert(ids(&members)) {
                become_all(node, &members, &State::Retrying { due_at: at(999) }, None).await;
            } else if !members.is_empty() {
                become_all(node, &members, &State::Success, Some(at(1_001))).await;
                done.lock().unwrap().push(ids(&members));
            }
            tokio::task::yield_now().await;
        }
    };
    let (by_one, by_other) = (make.node(), make.node());
    join(work(&one, by_one), work(&other, by_other)).await;
    let (failed, done) = (failed.into_inner().unwrap(), done.into_inner().unwrap());
    assert_eq!(done.iter().cloned().collect::<BTreeSet<_>>(), failed, "each came back as it was");
    let all: BTreeSet<_> = done.iter().flatten().copied().collect();
    assert_eq!((all.len(), done.iter().map(Vec::len).sum()), (90, 90_usize));
    one.close().await;
    other.close().await;
}

pub(crate) async fn a_batch_outlives_the_program<E: Engine>(engine: &E) {
    let make = &mut Make::new();
    let store = engine.open().await;
    let subscription = subscribe(&store, make).await;
    let owed = owe(&store, make, &subscription, [1, 2]).await;
    let claimed = claim(&store, make, &subscription, 61).await;
    owe(&store, make, &subscription, [3]).await;
    store.close().await;
    let store = engine.open().await;
    become_all(&store, &claimed, &State::Pending { due_at: at(62) }, None).await;
    assert_eq!(ids(&claim(&store, make, &subscription, 62).await), ids(&owed));
    store.close().await;
}
