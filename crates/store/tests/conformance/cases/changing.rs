//! Changing: a decision is written if nobody else decided in the meantime, and so is the attempt that led to it.

use std::time::Duration;

use domain::Timestamp;
use domain::attempt::{Attempt, ErrorCode};
use domain::delivery::{Delivery, State, Status, Trigger};
use domain::limits::RESPONSE_EXCERPT_BYTES_MAX;
use futures::future::join;
use store::{Change, Fence, Store};

use crate::make::{Make, at, attempt, becomes, by_node, by_worker, change, failed_attempt};
use crate::steps::{current, owe, owe_and_claim, status, subscribe};

fn succeeded(delivery: &Delivery) -> Delivery {
    becomes(delivery, State::Success, Some(at(2)))
}

fn cancelled(delivery: &Delivery) -> Delivery {
    becomes(delivery, State::Cancelled, Some(at(3)))
}

pub(crate) async fn a_change_is_written_with_its_attempt(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let claimed = owe_and_claim(store, make, &subscription).await;
    let to = Delivery { attempt_count: 1, response_status: Some(204), ..succeeded(&claimed) };
    let attempt = attempt(&claimed, 1, at(1));
    let settled = Change { attempt: Some(attempt.clone()), ..change(&claimed, to.clone()) };
    assert_eq!(store.change(&[settled]).await.unwrap(), [true]);
    assert_eq!(current(store, claimed.id).await, to);
    assert_eq!(store.attempts(claimed.id).await.unwrap(), [attempt]);
}

pub(crate) async fn a_change_that_comes_too_late_leaves_nothing(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let claimed = owe_and_claim(store, make, &subscription).await;
    let before = store.statistics(claimed.subscription_id).await.unwrap();
    let pending = becomes(&claimed, State::Pending { due_at: at(1) }, None);
    let of_another = becomes(&claimed, State::Processing(by_node(make.node(), at(60))), None);
    let leased = becomes(&claimed, State::Processing(by_worker(make.token(), at(60))), None);
    let ended = succeeded(&claimed);
    for found in [pending, of_another, leased, ended] {
        let late =
            Change { attempt: Some(attempt(&claimed, 1, at(1))), ..change(&found, succeeded(&claimed)) };
        assert_eq!(store.change(&[late]).await.unwrap(), [false], "{:?}", found.state);
    }
    assert_eq!(current(store, claimed.id).await, claimed);
    assert_eq!(store.attempts(claimed.id).await.unwrap(), []);
    assert_eq!(store.statistics(claimed.subscription_id).await.unwrap(), before);
}

pub(crate) async fn a_holder_may_change_its_deadline(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let claimed = owe_and_claim(store, make, &subscription).await;
    let holder = claimed.claimed().unwrap().holder.clone();
    let extended = State::Processing(domain::delivery::Claim { holder, deadline: at(600) });
    let extended = becomes(&claimed, extended, None);
    assert_eq!(store.change(&[change(&claimed, extended.clone())]).await.unwrap(), [true]);
    assert_eq!(current(store, claimed.id).await, extended);
    // The deadline is no part of the fence: whoever holds it still holds it.
    assert_eq!(store.change(&[change(&claimed, succeeded(&claimed))]).await.unwrap(), [true]);
}

pub(crate) async fn who_was_just_given_more_time_keeps_it(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let found = owe_and_claim(store, make, &subscription).await;
    let taken_back = || Change {
        from: Fence::with_deadline(&found),
        ..change(&found, becomes(&found, State::Pending { due_at: at(61) }, None))
    };
    let holder = found.claimed().unwrap().holder.clone();
    let extended = State::Processing(domain::delivery::Claim { holder, deadline: at(600) });
    let extended = becomes(&found, extended, None);
    assert_eq!(store.change(&[change(&found, extended.clone())]).await.unwrap(), [true]);
    assert_eq!(store.change(&[taken_back()]).await.unwrap(), [false]);
    assert_eq!(current(store, found.id).await, extended);
    let lapsed = Change { from: Fence::with_deadline(&extended), ..taken_back() };
    assert_eq!(store.change(&[lapsed]).await.unwrap(), [true]);
}

pub(crate) async fn each_change_of_a_call_counts_by_itself(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, 3).await;
    let event = make.event(at(1));
    let unknown = make.owed(&event, &subscription);
    let stale = becomes(&owed[1], State::Held, None);
    let changes = [
        change(&owed[0], cancelled(&owed[0])),
        change(&stale, cancelled(&stale)),
        change(&unknown, cancelled(&unknown)),
        change(&owed[2], cancelled(&owed[2])),
    ];
    assert_eq!(store.change(&changes).await.unwrap(), [true, false, false, true]);
    assert_eq!(status(store, &owed[0]).await, Status::Cancelled);
    assert_eq!(status(store, &owed[1]).await, Status::Pending);
    assert_eq!(status(store, &owed[2]).await, Status::Cancelled);
    assert_eq!(store.delivery(unknown.id).await.unwrap(), None);
    assert!(store.change(&[]).await.unwrap().is_empty());
}

pub(crate) async fn every_field_of_a_delivery_is_kept(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let due_at = Timestamp::from_micros(1_700_000_000_123_456);
    let states = [
        State::Processing(by_node(make.node(), due_at)),
        State::Retrying { due_at },
        State::Processing(by_worker(make.token(), due_at)),
        State::Failed,
        State::Pending { due_at },
        State::Held,
        State::Success,
        State::Cancelled,
    ];
    let mut from = owe(store, make, &subscription, 1).await.remove(0);
    let bare = from.clone();
    for (n, state) in (0..).zip(states) {
        let is_full = n % 2 == 0;
        let to = Delivery {
            state,
            attempt_count: u16::MAX - n,
            max_attempts: u16::MAX - 10 * n,
            lapses: u16::MAX - 100 * n,
            trigger: Trigger::ALL[usize::from(n) % Trigger::ALL.len()],
            completed_at: is_full.then_some(due_at),
            response_status: is_full.then_some(599 - n),
            error: is_full.then(|| format!("it said “{n}”, and 'that' was \"all\"\n")),
            ..bare.clone()
        };
        assert_eq!(store.change(&[change(&from, to.clone())]).await.unwrap(), [true]);
        assert_eq!(current(store, from.id).await, to);
        from = to;
    }
}

pub(crate) async fn every_field_of_an_attempt_is_kept(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let delivery = owe(store, make, &subscription, 1).await.remove(0);
    let mut attempts = vec![attempt(&delivery, 1, at(1))];
    for (number, error_code) in (2..).zip(ErrorCode::ALL) {
        attempts.push(Attempt {
            delivery_id: delivery.id,
            number,
            at: Timestamp::from_micros(1_700_000_000_123_456),
            trigger: Trigger::ALL[usize::from(number) % Trigger::ALL.len()],
            duration: Duration::from_micros(60_000_001),
            response_status: Some(100),
            response_headers: Some(r#"{"retry-after": "120", "x": "“quoted”"}"#.to_owned()),
            response_body: Some((0..RESPONSE_EXCERPT_BYTES_MAX).map(|n| n as u8).collect()),
            error: Some(format!("it failed with {}", error_code.as_str())),
            error_code: Some(error_code),
        });
    }
    attempts.push(Attempt { response_body: Some(vec![]), ..attempt(&delivery, u16::MAX, at(9)) });
    // The last comes first, to be listed last all the same.
    for attempt in attempts.iter().rev() {
        let made = Change { attempt: Some(attempt.clone()), ..change(&delivery, delivery.clone()) };
        assert_eq!(store.change(&[made]).await.unwrap(), [true]);
    }
    assert_eq!(store.attempts(delivery.id).await.unwrap(), attempts);
}

pub(crate) async fn an_attempt_is_written_once(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let delivery = owe(store, make, &subscription, 1).await.remove(0);
    let first = attempt(&delivery, 1, at(1));
    let second = failed_attempt(&delivery, 1, at(2));
    for attempt in [first.clone(), second] {
        let made = Change { attempt: Some(attempt), ..change(&delivery, delivery.clone()) };
        assert_eq!(store.change(&[made]).await.unwrap(), [true]);
    }
    assert_eq!(store.attempts(delivery.id).await.unwrap(), [first]);
}

/// Seven hundred decisions, of which every third comes too late.
pub(crate) async fn seven_hundred_changes_fit_one_call(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, 700).await;
    let is_late = |n: usize| n.is_multiple_of(3);
    let settle = |(n, owed): (usize, &Delivery)| {
        let found = if is_late(n) { cancelled(owed) } else { owed.clone() };
        let to = Delivery { attempt_count: 1, ..succeeded(owed) };
        Change { attempt: Some(attempt(owed, 1, at(701))), ..change(&found, to) }
    };
    let changes: Vec<_> = owed.iter().enumerate().map(settle).collect();
    let written = store.change(&changes).await.unwrap();
    assert!(written.iter().copied().eq((0..700).map(|n| !is_late(n))));
    assert_eq!(store.statistics(subscription.subscription.id).await.unwrap().successful, 466);
    for ((owed, change), is_written) in owed.iter().zip(&changes).zip(written) {
        let expected = if is_written { &change.to } else { owed };
        assert_eq!(current(store, owed.id).await, *expected);
        assert_eq!(store.attempts(owed.id).await.unwrap().len(), usize::from(is_written));
    }
}

/// Two callers decide about the same deliveries at once, one from the first to the last and one backwards: each
/// decision of one of them counts, and neither waits for ever on the other.
pub(crate) async fn of_two_decisions_at_once_one_counts(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    for _ in 0..5 {
        let owed = owe(store, make, &subscription, 200).await;
        let forwards: Vec<_> = owed.iter().map(|owed| change(owed, succeeded(owed))).collect();
        let backwards: Vec<_> = owed.iter().rev().map(|owed| change(owed, cancelled(owed))).collect();
        let (done, undone) = join(store.change(&forwards), store.change(&backwards)).await;
        let written = done.unwrap().into_iter().zip(undone.unwrap().into_iter().rev());
        for (owed, (done, undone)) in owed.iter().zip(written) {
            assert_ne!(done, undone, "one of them counts");
            let expected = if done { Status::Success } else { Status::Cancelled };
            assert_eq!(status(store, owed).await, expected);
        }
    }
}
