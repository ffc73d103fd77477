//! Lines: of deliveries with one ordering key only the first may be claimed, until it has ended.

use std::collections::BTreeMap;

use domain::delivery::{Delivery, State, Status, Trigger};
use domain::job::Only;
use domain::order::OrderingKey;
use domain::{DeliveryId, Event};
use futures::future::join;
use store::{Claimed, Store, StoredSubscription};

use crate::engines::Engine;
use crate::make::{Make, at, becomes, by_node, change, json, lane, owing, plain};
use crate::steps::{claim_one, current, keep, owe, subscribe, version};

/// A subscription whose deliveries are ordered by `data.k`.
async fn subscribe_in_order(store: &dyn Store, make: &mut Make) -> StoredSubscription {
    let mut subscription = make.subscription(at(0));
    subscription.subscription.terms.ordering_key = Some("data.k".parse().unwrap());
    store.create_subscription(&subscription).await.unwrap();
    subscription
}

/// An event of which the value of the key is `data`.
fn event(make: &mut Make, second: i64, data: &str) -> Event {
    Event { data: json(&format!(r#"{{"k":{data}}}"#)), ..make.event(at(second)) }
}

/// Owes an event for each key, in this order: the first came in and is due at second 1, the second at second 2, and so
/// on.
async fn owe_keys(
    store: &dyn Store,
    make: &mut Make,
    to: &StoredSubscription,
    keys: &[&str],
) -> Vec<Delivery> {
    let events: Vec<_> = (1..).zip(keys).map(|(second, key)| event(make, second, key)).collect();
    let owed: Vec<_> = events.iter().map(|event| make.owed(event, to)).collect();
    let new = events.into_iter().zip(&owed).map(|(event, owed)| owing(event, vec![owed.clone()]));
    keep(store, new.collect()).await;
    owed
}

async fn claim(store: &dyn Store, make: &mut Make, of: &StoredSubscription, room: u32) -> Vec<Delivery> {
    let by = by_node(make.node(), at(9_000));
    let claimed = store.claim(&[lane(of, room)], &by, at(1_000)).await.unwrap();
    claimed.into_iter().map(|claimed| claimed.delivery).collect()
}

fn ids(deliveries: &[Delivery]) -> Vec<DeliveryId> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}

/// Ends a delivery that is claimed.
async fn end(store: &dyn Store, claimed: &Delivery, state: State) {
    let ended = becomes(claimed, state, Some(at(1_001)));
    assert_eq!(store.change(&[change(claimed, ended)]).await.unwrap(), [true]);
}

pub(crate) async fn only_the_first_of_a_line_is_claimed(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe_in_order(store, make).await;
    let owed = owe_keys(store, make, &subscription, &["1", "2", "1", "1", "2", "null"]).await;
    let first = claim(store, make, &subscription, 9).await;
    assert_eq!(ids(&first), [owed[0].id, owed[1].id, owed[5].id], "what has no key waits for nobody");
    assert_eq!(claim(store, make, &subscription, 9).await, []);
    end(store, &first[0], State::Success).await;
    let second = claim(store, make, &subscription, 9).await;
    assert_eq!(ids(&second), [owed[2].id]);
    end(store, &first[1], State::Success).await;
    end(store, &second[0], State::Success).await;
    assert_eq!(ids(&claim(store, make, &subscription, 9).await), [owed[3].id, owed[4].id]);
}

pub(crate) async fn whatever_has_not_ended_holds_its_line_back(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe_in_order(store, make).await;
    let owed = owe_keys(store, make, &subscription, &["1", "1"]).await;
    for state in [State::Retrying { due_at: at(9_999) }, State::Pending { due_at: at(9_999) }, State::Held] {
        let first = current(store, owed[0].id).await;
        store.change(&[change(&first, becomes(&first, state.clone(), None))]).await.unwrap();
        assert_eq!(claim(store, make, &subscription, 9).await, [], "{state:?}");
    }
    assert_eq!(store.waiting().await.unwrap()[0].due_at, at(2), "it is due, but not the first");
    for (place, state) in [State::Failed, State::Cancelled].into_iter().enumerate() {
        let first = current(store, owed[place].id).await;
        end(store, &first, state).await;
        let next: Vec<_> = owed.iter().skip(place + 1).map(|owed| owed.id).collect();
        assert_eq!(ids(&claim(store, make, &subscription, 9).await), next);
    }
}

pub(crate) async fn a_line_belongs_to_one_subscription(store: &dyn Store) {
    let make = &mut Make::new();
    let (one, other) = (subscribe_in_order(store, make).await, subscribe_in_order(store, make).await);
    let event = event(make, 1, "1");
    let owed = [make.owed(&event, &one), make.owed(&event, &other)];
    assert_eq!(owed[0].ordering_key, owed[1].ordering_key);
    keep(store, vec![owing(event, owed.to_vec())]).await;
    assert_eq!(ids(&claim(store, make, &one, 9).await), [owed[0].id]);
    assert_eq!(ids(&claim(store, make, &other, 9).await), [owed[1].id]);
}

/// Ids tell when a clock thought that something came in. The log tells what came first.
pub(crate) async fn the_log_says_which_is_the_first(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe_in_order(store, make).await;
    let (early, late) = (event(make, 1, "1"), event(make, 500, "1"));
    let owed = [make.owed(&late, &subscription), make.owed(&early, &subscription)];
    assert!(owed[0].id > owed[1].id);
    keep(store, vec![owing(late, vec![owed[0].clone()])]).await;
    keep(store, vec![owing(early.clone(), vec![owed[1].clone()])]).await;
    assert_eq!(ids(&claim(store, make, &subscription, 9).await), [owed[0].id]);
    // What is owed again stands behind all that is there, in the order in which it is given.
    let again = [make.owed(&early, &subscription), make.owed(&early, &subscription)];
    let (newer, older) = (again[0].id.max(again[1].id), again[0].id.min(again[1].id));
    let given = [newer, older].map(|id| Delivery { id, ..again[0].clone() });
    store.owe(&given, Only::All, version(store).await, None).await.unwrap();
    let after = owe_keys(store, make, &subscription, &["1"]).await;
    let mut line = Vec::new();
    for id in [owed[0].id, owed[1].id, newer, older, after[0].id] {
        let now = current(store, id).await;
        let claimed =
            if now.claimed().is_some() { now } else { claim(store, make, &subscription, 9).await[0].clone() };
        line.push(claimed.id);
        end(store, &claimed, State::Success).await;
    }
    assert_eq!(line, [owed[0].id, owed[1].id, newer, older, after[0].id]);
}

pub(crate) async fn a_retry_by_hand_leaves_the_line(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe_in_order(store, make).await;
    let owed = owe_keys(store, make, &subscription, &["1", "1", "1"]).await;
    let first = claim(store, make, &subscription, 9).await;
    end(store, &first[0], State::Failed).await;
    let second = claim(store, make, &subscription, 9).await;
    assert_eq!(ids(&second), [owed[1].id]);
    let failed = current(store, owed[0].id).await;
    let mut again = failed.clone();
    again.retry(Trigger::Manual, at(900)).unwrap();
    assert_eq!(store.change(&[change(&failed, again.clone())]).await.unwrap(), [true]);
    assert_eq!(current(store, owed[0].id).await, again);
    assert_eq!(ids(&claim(store, make, &subscription, 9).await), [owed[0].id], "beside the second");
    end(store, &second[0], State::Success).await;
    assert_eq!(ids(&claim(store, make, &subscription, 9).await), [owed[2].id], "which held back the third");
}

pub(crate) async fn a_pause_holds_a_line_and_lets_it_go_in_order(store: &dyn Store) {
    let make = &mut Make::new();
    let mut subscription = subscribe_in_order(store, make).await;
    let owed = owe_keys(store, make, &subscription, &["1", "1", "null"]).await;
    for (revision, paused) in [true, false].into_iter().enumerate() {
        subscription.subscription.paused = paused;
        subscription.revision = revision as i64;
        assert!(store.change_subscription(&subscription, at(700)).await.unwrap());
        let expected = if paused { Status::Held } else { Status::Pending };
        for owed in &owed {
            assert_eq!(current(store, owed.id).await.status(), expected);
        }
    }
    let mut claimed = ids(&claim(store, make, &subscription, 9).await);
    claimed.sort_unstable();
    assert_eq!(claimed, [owed[0].id, owed[2].id]);
}

pub(crate) async fn many_lines_are_worked_off_each_in_its_order(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe_in_order(store, make).await;
    let keys: Vec<_> = (0..160).map(|number| (number % 16).to_string()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let owed = owe_keys(store, make, &subscription, &keys).await;
    let mut order: BTreeMap<Option<OrderingKey>, Vec<DeliveryId>> = BTreeMap::new();
    let mut left = owed.len();
    while left > 0 {
        let claimed = claim(store, make, &subscription, 8).await;
        assert!((1..=8).contains(&claimed.len()), "{left} are left, and {} are claimed", claimed.len());
        left -= claimed.len();
        for claimed in claimed {
            order.entry(claimed.ordering_key).or_default().push(claimed.id);
            end(store, &claimed, State::Success).await;
        }
    }
    for line in order.values() {
        let expected = owed.iter().filter(|owed| line.contains(&owed.id)).map(|owed| owed.id);
        assert!(line.len() == 10 && line.iter().copied().eq(expected));
    }
}

pub(crate) async fn lines_and_what_stands_in_none_share_the_room(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe_in_order(store, make).await;
    let owed = owe_keys(store, make, &subscription, &["null", "1", "null", "2", "null"]).await;
    let claimed = claim(store, make, &subscription, 4).await;
    assert_eq!(ids(&claimed), ids(&owed[..4]), "the longest due come first");
}

/// Two nodes work a few lines off, each as fast as it can. Nothing of a line may be claimed while another is.
pub(crate) async fn nodes_share_lines_without_breaking_them<E: Engine>(engine: &E) {
    let make = &mut Make::new();
    let (one, other) = (engine.open().await, engine.open().await);
    let subscription = subscribe_in_order(&one, make).await;
    let keys: Vec<_> = (0..120).map(|number| (number % 3).to_string()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let owed = owe_keys(&one, make, &subscription, &keys).await;
    let done = std::sync::Mutex::new(Vec::new());
    let work = async |node: &E::Store, by: domain::NodeId| {
        while done.lock().unwrap().len() < owed.len() {
            let by = by_node(by, at(9_000));
            let claimed = node.claim(&[lane(&subscription, 2)], &by, at(1_000)).await.unwrap();
            for Claimed { delivery, .. } in claimed {
                // Noted before it ends: from then on the next may be claimed, and noted, by the other.
                done.lock().unwrap().push(delivery.clone());
                end(node, &delivery, State::Success).await;
            }
            tokio::task::yield_now().await;
        }
    };
    let (by_one, by_other) = (make.node(), make.node());
    join(work(&one, by_one), work(&other, by_other)).await;
    let done = done.into_inner().unwrap();
    for key in 0..3 {
        let of_line = |all: &[Delivery]| -> Vec<_> {
            all.iter().filter(|d| d.ordering_key == owed[key].ordering_key).map(|d| d.id).collect()
        };
        assert_eq!(of_line(&done), of_line(&owed));
    }
    one.close().await;
    other.close().await;
}

pub(crate) async fn a_line_outlives_the_program<E: Engine>(engine: &E) {
    let make = &mut Make::new();
    let store = engine.open().await;
    let subscription = subscribe_in_order(&store, make).await;
    let owed = owe_keys(&store, make, &subscription, &["1", "1"]).await;
    let past = event(make, 3, "1");
    let again = make.owed(&past, &subscription);
    keep(&store, vec![plain(make.event(at(3)))]).await;
    let again = Delivery { event_id: owed[0].event_id, ..again };
    store.owe(std::slice::from_ref(&again), Only::All, version(&store).await, None).await.unwrap();
    let first = claim_one(&store, &subscription, &by_node(make.node(), at(9_000)), at(1_000)).await.delivery;
    store.close().await;

    let store = engine.open().await;
    let last = owe_keys(&store, make, &subscription, &["1"]).await;
    assert_eq!(claim(&store, make, &subscription, 9).await, []);
    let mut claimed = current(&store, first.id).await;
    for id in [owed[1].id, again.id, last[0].id] {
        end(&store, &claimed, State::Success).await;
        claimed = claim(&store, make, &subscription, 9).await.remove(0);
        assert_eq!(claimed.id, id);
    }
    // Without an ordering key nothing of this matters.
    let plain = subscribe(&store, make).await;
    let owed = owe(&store, make, &plain, 3).await;
    assert_eq!(ids(&claim(&store, make, &plain, 9).await), ids(&owed));
    store.close().await;
}
