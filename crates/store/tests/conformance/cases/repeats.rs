//! Repeats: a sender may say a thing twice, a caller may send a request twice, and it happens once.

use futures::future::join_all;
use store::{Append, Kept, KeptEvent, NewEvent, Position, Store};

use crate::make::{Make, append_of, at, idempotency, keyed, plain};
use crate::steps::{append, keep, subscribe, whole_log};

pub(crate) async fn a_repeat_is_answered_with_the_first(store: &dyn Store) {
    let make = &mut Make::new();
    let first = make.event(at(1));
    let kept = keep(store, vec![keyed("push 1", first.clone(), vec![])]).await;
    let again = make.event(at(2));
    let answer = keep(store, vec![keyed("push 1", again.clone(), vec![])]).await;
    assert_eq!(answer, [KeptEvent { id: first.id, is_new: false, ..kept[0] }]);
    assert_eq!(store.event(again.id).await.unwrap(), None);
    assert_eq!(whole_log(store).await.len(), 1);
}

pub(crate) async fn a_repeat_within_one_call_is_one_of_the_first(store: &dyn Store) {
    let make = &mut Make::new();
    let mut push = |name: &str| keyed(name, make.event(at(1)), vec![]);
    let appends = [append_of(vec![push("a"), push("a"), push("b")]), append_of(vec![push("b"), push("a")])];
    let [Kept::Events(one), Kept::Events(other)] = &append(store, &appends, at(1)).await[..] else {
        panic!("no idempotency key was used")
    };
    let [a, b] = [one[0], one[2]];
    assert_eq!([a.is_new, b.is_new], [true, true]);
    let again = |kept: KeptEvent| KeptEvent { is_new: false, ..kept };
    assert_eq!(one[..], [a, again(a), b]);
    assert_eq!(other[..], [again(b), again(a)]);
    assert_eq!(whole_log(store).await.len(), 2);
}

pub(crate) async fn of_a_mixed_batch_only_what_is_new_is_owed(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    keep(store, vec![keyed("known", make.event(at(1)), vec![])]).await;
    let mut owed = |name: &str| {
        let event = make.event(at(2));
        let delivery = make.owed(&event, &subscription);
        (delivery.id, keyed(name, event, vec![delivery]))
    };
    let ((first, new), (repeated, known), (second, more)) = (owed("new"), owed("known"), owed("more"));
    let kept = keep(store, vec![new, known, more]).await;
    assert!(kept.iter().map(|kept| kept.is_new).eq([true, false, true]));
    assert_eq!(store.delivery(repeated).await.unwrap(), None);
    assert!(store.delivery(first).await.unwrap().is_some());
    assert!(store.delivery(second).await.unwrap().is_some());
    assert_eq!(store.statistics(subscription.subscription.id).await.unwrap().total, 2);
}

/// Three hundred events in one call: ten are known from before, and the second half repeats the first.
pub(crate) async fn repeats_are_told_apart_in_a_large_batch(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let mut sent = |n: usize| {
        let event = make.event(at(1));
        let owed = make.owed(&event, &subscription);
        keyed(&(n % 150).to_string(), event, vec![owed])
    };
    let before = keep(store, (70..80).map(&mut sent).collect()).await;
    let batch: Vec<_> = (0..300).map(&mut sent).collect();
    let kept = keep(store, batch.clone()).await;
    for (n, kept) in kept.iter().enumerate() {
        let first =
            if (70..80).contains(&(n % 150)) { before[n % 150 - 70].id } else { batch[n % 150].event.id };
        assert_eq!((kept.id, kept.is_new), (first, first == batch[n].event.id), "{n}");
    }
    assert_eq!(whole_log(store).await.len(), 150);
    assert_eq!(store.statistics(subscription.subscription.id).await.unwrap().total, 150);
}

pub(crate) async fn without_a_dedupe_key_every_event_is_new(store: &dyn Store) {
    let make = &mut Make::new();
    let kept = keep(store, (0..3).map(|_| plain(make.event(at(1)))).collect()).await;
    assert!(kept.iter().all(|kept| kept.is_new));
    assert_eq!(store.head().await.unwrap(), Position(3));
}

/// Sixteen callers send the same ten things at once, each in another order: one of them is the first with each thing,
/// everyone is told the same, and nobody waits for ever on somebody who waits for them.
pub(crate) async fn of_sixteen_at_once_one_is_the_first(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let mut sent = |name: usize| {
        let event = make.event(at(1));
        let delivery = make.owed(&event, &subscription);
        keyed(&name.to_string(), event, vec![delivery])
    };
    let orders: Vec<Vec<usize>> = (0..16).map(|caller| order(caller, 10)).collect();
    let calls: Vec<Vec<NewEvent>> =
        orders.iter().map(|order| order.iter().map(|&name| sent(name)).collect()).collect();
    let answers = join_all(calls.into_iter().map(|events| keep(store, events))).await;

    for name in 0..10 {
        let told = |(order, kept): (&Vec<usize>, &Vec<KeptEvent>)| {
            kept[order.iter().position(|&other| other == name).unwrap()]
        };
        let told: Vec<_> = orders.iter().zip(&answers).map(told).collect();
        assert_eq!(told.iter().filter(|kept| kept.is_new).count(), 1);
        assert!(told.iter().all(|kept| (kept.id, kept.position) == (told[0].id, told[0].position)));
    }
    assert_eq!(whole_log(store).await.len(), 10);
    assert_eq!(store.statistics(subscription.subscription.id).await.unwrap().total, 10);
}

/// `0..count`, begun elsewhere by each caller, and backwards by every other.
fn order(caller: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..count).map(|n| (n + caller) % count).collect();
    if caller % 2 == 1 {
        order.reverse();
    }
    order
}

/// A request under the idempotency key `request`, holding one event of this dedupe key.
fn request(make: &mut Make, body: u8, name: &str) -> Append {
    let events = vec![keyed(name, make.event(at(1)), vec![])];
    Append { events, idempotency: Some(idempotency("request", body, at(60))) }
}

pub(crate) async fn a_request_sent_again_finds_its_events_kept(store: &dyn Store) {
    let make = &mut Make::new();
    let [Kept::Events(first)] = &append(store, &[request(make, 1, "a")], at(1)).await[..] else { panic!() };
    let [Kept::Events(again)] = &append(store, &[request(make, 1, "a")], at(2)).await[..] else { panic!() };
    assert_eq!(again[..], [KeptEvent { is_new: false, ..first[0] }]);
    assert_eq!(whole_log(store).await.len(), 1);
}

pub(crate) async fn a_key_used_for_another_body_is_refused_by_itself(store: &dyn Store) {
    let make = &mut Make::new();
    append(store, &[request(make, 1, "a")], at(1)).await;
    let refused = request(make, 2, "b");
    let free = append_of(vec![keyed("b", make.event(at(1)), vec![])]);
    let answers = append(store, &[refused.clone(), free.clone()], at(2)).await;
    let [Kept::KeyTaken, Kept::Events(kept)] = &answers[..] else { panic!("{answers:?}") };
    // What was refused has left nothing behind, so `b` is new when it comes with the other request.
    assert_eq!((kept[0].id, kept[0].is_new), (free.events[0].event.id, true));
    assert_eq!(store.event(refused.events[0].event.id).await.unwrap(), None);
}

pub(crate) async fn a_key_counts_within_one_call_too(store: &dyn Store) {
    let make = &mut Make::new();
    let appends = [request(make, 1, "a"), request(make, 2, "b"), request(make, 1, "a")];
    let answers = append(store, &appends, at(1)).await;
    let kept = KeptEvent { id: appends[0].events[0].event.id, position: Position(1), is_new: true };
    let again = KeptEvent { is_new: false, ..kept };
    assert_eq!(answers, [Kept::Events(vec![kept]), Kept::KeyTaken, Kept::Events(vec![again])]);
}

pub(crate) async fn a_key_is_free_again_once_it_expires(store: &dyn Store) {
    let make = &mut Make::new();
    append(store, &[request(make, 1, "a")], at(1)).await;
    assert_eq!(append(store, &[request(make, 2, "b")], at(59)).await, [Kept::KeyTaken]);
    let mut later = request(make, 2, "b");
    later.idempotency = Some(idempotency("request", 2, at(120)));
    assert!(matches!(append(store, &[later], at(60)).await[..], [Kept::Events(_)]));
    assert_eq!(append(store, &[request(make, 1, "a")], at(119)).await, [Kept::KeyTaken]);
}

pub(crate) async fn a_request_sent_again_does_not_keep_its_key_for_longer(store: &dyn Store) {
    let make = &mut Make::new();
    append(store, &[request(make, 1, "a")], at(1)).await;
    let mut again = request(make, 1, "a");
    again.idempotency = Some(idempotency("request", 1, at(120)));
    append(store, &[again], at(2)).await;
    assert!(matches!(append(store, &[request(make, 2, "b")], at(60)).await[..], [Kept::Events(_)]));
}

pub(crate) async fn a_refused_request_does_not_take_the_key(store: &dyn Store) {
    let make = &mut Make::new();
    append(store, &[request(make, 1, "a")], at(1)).await;
    assert_eq!(append(store, &[request(make, 2, "b")], at(2)).await, [Kept::KeyTaken]);
    assert!(matches!(append(store, &[request(make, 1, "a")], at(3)).await[..], [Kept::Events(_)]));
}

pub(crate) async fn of_sixteen_bodies_at_once_one_takes_the_key(store: &dyn Store) {
    let make = &mut Make::new();
    let requests: Vec<_> = (0..16).map(|n| request(make, n, &n.to_string())).collect();
    let answers =
        join_all(requests.iter().map(|request| append(store, std::slice::from_ref(request), at(1)))).await;
    let kept = answers.iter().filter(|answer| matches!(answer[..], [Kept::Events(_)])).count();
    assert_eq!(kept, 1, "{answers:?}");
    assert_eq!(whole_log(store).await.len(), 1);
}
