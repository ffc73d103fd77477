//! Statistics: they follow every delivery, and say at any time what counting would.

use std::time::Duration;

use domain::Timestamp;
use domain::attempt::{Attempt, ErrorCode};
use domain::delivery::{Delivery, State, Trigger};
use domain::subscription::Target;
use store::{Change, Statistics, Store, StoredSubscription};

use crate::make::{Make, at, attempt, becomes, by_node, change, failed_attempt, keyed, owing};
use crate::steps::{claim_one, keep, owe, owe_and_claim, subscribe};

async fn of(store: &dyn Store, delivery: &Delivery) -> Statistics {
    store.statistics(delivery.subscription_id).await.unwrap()
}

async fn settle(store: &dyn Store, from: &Delivery, to: Delivery, attempt: Attempt) {
    let settled = Change { attempt: Some(attempt), ..change(from, to) };
    assert_eq!(store.change(&[settled]).await.unwrap(), [true]);
}

/// When an attempt that began at `second` had come to its end.
fn end_of(second: i64) -> Timestamp {
    Timestamp::from_micros(at(second).as_micros() + 250_000)
}

pub(crate) async fn a_new_subscription_has_none(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    assert_eq!(store.statistics(subscription.subscription.id).await.unwrap(), Statistics::default());
    let unknown = make.subscription(at(0)).subscription.id;
    assert_eq!(store.statistics(unknown).await.unwrap(), Statistics::default());
}

pub(crate) async fn every_delivery_counts_once(store: &dyn Store) {
    let make = &mut Make::new();
    let (one, other) = (subscribe(store, make).await, subscribe(store, make).await);
    let event = make.event(at(1));
    let mut to_both = vec![make.owed(&event, &one), make.owed(&event, &other)];
    to_both[1].state = State::Held;
    keep(store, vec![keyed("a", event, to_both)]).await;
    let repeat = make.event(at(2));
    let again = make.owed(&repeat, &one);
    let more = make.event(at(3));
    let to_one = make.owed(&more, &one);
    keep(store, vec![keyed("a", repeat, vec![again]), owing(more, vec![to_one])]).await;
    for (subscription, total) in [(&one, 2), (&other, 1)] {
        let statistics = store.statistics(subscription.subscription.id).await.unwrap();
        assert_eq!(statistics, Statistics { total, ..Statistics::default() });
    }
}

pub(crate) async fn a_success_is_counted_with_its_time(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let claimed = owe_and_claim(store, make, &subscription).await;
    let done = becomes(&claimed, State::Success, Some(at(2)));
    settle(store, &claimed, done, attempt(&claimed, 1, at(1))).await;
    let expected = Statistics {
        total: 1,
        successful: 1,
        last_delivery_at: Some(at(2)),
        last_success_at: Some(at(2)),
        ..Statistics::default()
    };
    assert_eq!(of(store, &claimed).await, expected);
}

pub(crate) async fn they_follow_a_delivery_through_its_life(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let claim = by_node(make.node(), at(900));
    let claimed = owe_and_claim(store, make, &subscription).await;

    let retrying = becomes(&claimed, State::Retrying { due_at: at(5) }, None);
    settle(store, &claimed, retrying, failed_attempt(&claimed, 1, at(1))).await;
    let mut expected = Statistics {
        total: 1,
        last_failure_at: Some(end_of(1)),
        failing_since: Some(end_of(1)),
        ..Statistics::default()
    };
    assert_eq!(of(store, &claimed).await, expected, "a failed attempt is not yet a failed delivery");

    let claimed = claim_one(store, &subscription, &claim, at(5)).await.delivery;
    let failed = becomes(&claimed, State::Failed, Some(at(6)));
    settle(store, &claimed, failed.clone(), failed_attempt(&claimed, 2, at(5))).await;
    expected.failed = 1;
    expected.last_delivery_at = Some(at(6));
    expected.last_failure_at = Some(end_of(5));
    assert_eq!(of(store, &claimed).await, expected);

    let mut retried = failed.clone();
    retried.retry(Trigger::Manual, at(10)).unwrap();
    store.change(&[change(&failed, retried)]).await.unwrap();
    expected.failed = 0;
    assert_eq!(of(store, &claimed).await, expected, "it may yet arrive");

    let claimed = claim_one(store, &subscription, &claim, at(10)).await.delivery;
    let done = becomes(&claimed, State::Success, Some(at(11)));
    settle(store, &claimed, done, attempt(&claimed, 3, at(10))).await;
    expected.successful = 1;
    expected.failing_since = None;
    expected.last_delivery_at = Some(at(11));
    expected.last_success_at = Some(at(11));
    assert_eq!(of(store, &claimed).await, expected);
}

pub(crate) async fn calling_off_is_neither_success_nor_failure(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, 1).await.remove(0);
    store.change(&[change(&owed, becomes(&owed, State::Cancelled, Some(at(2))))]).await.unwrap();
    assert_eq!(of(store, &owed).await, Statistics { total: 1, ..Statistics::default() });
}

/// A batch tells of many deliveries in no particular order: they add up, and the latest time counts.
pub(crate) async fn the_changes_of_one_call_add_up(store: &dyn Store) {
    let make = &mut Make::new();
    let (one, other) = (subscribe(store, make).await, subscribe(store, make).await);
    let (to_one, to_other) = (owe(store, make, &one, 4).await, owe(store, make, &other, 1).await);
    let succeed = |owed: &Delivery, second| Change {
        attempt: Some(attempt(owed, 1, at(second))),
        ..change(owed, becomes(owed, State::Success, Some(at(second))))
    };
    let fail = |owed: &Delivery, second| Change {
        attempt: Some(failed_attempt(owed, 1, at(second))),
        ..change(owed, becomes(owed, State::Failed, Some(at(second))))
    };
    let changes = [
        fail(&to_one[0], 8),
        succeed(&to_one[1], 7),
        succeed(&to_one[2], 6),
        fail(&to_one[3], 5),
        fail(&to_other[0], 9),
    ];
    assert_eq!(store.change(&changes).await.unwrap(), [true; 5]);
    let expected = Statistics {
        total: 4,
        successful: 2,
        failed: 2,
        last_delivery_at: Some(at(8)),
        last_success_at: Some(at(7)),
        last_failure_at: Some(end_of(8)),
        failing_since: Some(end_of(8)),
    };
    assert_eq!(of(store, &to_one[0]).await, expected);
    assert_eq!(of(store, &to_other[0]).await.failed, 1);
}

/// Settles what is due next of a subscription: an attempt from `second` that fails like this, or succeeds.
async fn try_next(
    store: &dyn Store,
    make: &mut Make,
    of: &StoredSubscription,
    second: i64,
    code: Option<ErrorCode>,
) {
    let claimed = owe_and_claim(store, make, of).await;
    let (to, tried) = match code {
        None => (becomes(&claimed, State::Success, Some(end_of(second))), attempt(&claimed, 1, at(second))),
        Some(code) => (
            becomes(&claimed, State::Failed, Some(end_of(second))),
            Attempt { error_code: Some(code), ..failed_attempt(&claimed, 1, at(second)) },
        ),
    };
    settle(store, &claimed, to, tried).await;
}

async fn failing_since(store: &dyn Store, of: &StoredSubscription) -> Option<Timestamp> {
    store.statistics(of.subscription.id).await.unwrap().failing_since
}

pub(crate) async fn failures_last_until_a_success(store: &dyn Store) {
    let make = &mut Make::new();
    let one = subscribe(store, make).await;
    for code in ErrorCode::OURS {
        try_next(store, make, &one, 5, Some(code)).await;
    }
    assert_eq!(failing_since(store, &one).await, None, "that was nothing of the endpoint's");
    try_next(store, make, &one, 10, Some(ErrorCode::Timeout)).await;
    try_next(store, make, &one, 20, Some(ErrorCode::Status)).await;
    assert_eq!(failing_since(store, &one).await, Some(end_of(10)));
    try_next(store, make, &one, 8, None).await;
    assert_eq!(failing_since(store, &one).await, Some(end_of(10)), "another node's word from before");
    try_next(store, make, &one, 30, None).await;
    assert_eq!(failing_since(store, &one).await, None);
    try_next(store, make, &one, 25, Some(ErrorCode::Dns)).await;
    assert_eq!(failing_since(store, &one).await, None, "it has succeeded since");
    try_next(store, make, &one, 31, Some(ErrorCode::Dns)).await;
    assert_eq!(failing_since(store, &one).await, Some(end_of(31)));
}

pub(crate) async fn who_fails_for_too_long_is_found(store: &dyn Store) {
    let make = &mut Make::new();
    let (long, longer) = (subscribe(store, make).await, subscribe(store, make).await);
    let (short, mut pulled) = (subscribe(store, make).await, make.subscription(at(0)));
    pulled.subscription.target = Target::Pull { queue: "jobs".to_owned() };
    store.create_subscription(&pulled).await.unwrap();
    for (subscription, first) in [(&long, 5), (&longer, 2), (&short, 90), (&pulled, 1)] {
        for second in [first, 100] {
            try_next(store, make, subscription, second, Some(ErrorCode::Timeout)).await;
        }
    }
    let failing =
        |seconds, limit| async move { store.failing_for(Duration::from_secs(seconds), limit).await.unwrap() };
    assert_eq!(failing(94, 9).await, [longer.subscription.id, long.subscription.id], "the longest first");
    assert_eq!(failing(94, 1).await, [longer.subscription.id]);
    assert_eq!(failing(95, 9).await, [longer.subscription.id], "for longer, not for as long");
    let mut off = StoredSubscription { revision: 0, ..longer.clone() };
    off.subscription.is_active = false;
    assert!(
        !store
            .change_subscription(&StoredSubscription { revision: 7, ..off.clone() }, at(101))
            .await
            .unwrap()
    );
    assert_eq!(failing(95, 9).await.len(), 1, "that was no change");
    assert!(store.change_subscription(&off, at(101)).await.unwrap());
    assert_eq!(failing(94, 9).await, [long.subscription.id]);
    try_next(store, make, &longer, 102, Some(ErrorCode::Timeout)).await;
    let on = StoredSubscription { revision: 1, ..longer.clone() };
    assert!(store.change_subscription(&on, at(900)).await.unwrap());
    assert_eq!(failing_since(store, &longer).await, None, "who is switched on again begins anew");
    let renamed = StoredSubscription { revision: 0, ..long.clone() };
    assert!(store.change_subscription(&renamed, at(901)).await.unwrap());
    assert_eq!(failing(94, 9).await, [long.subscription.id], "any other change changes nothing");
    store.delete_subscription(long.subscription.id, at(902)).await.unwrap();
    assert_eq!(failing(94, 9).await, []);
}
