//! Hours: what became of deliveries, and when.

use std::time::Duration;

use domain::attempt::Attempt;
use domain::delivery::State;
use domain::{Timestamp, UserId};
use store::{Change, Hour, HourFilter, Store, StoredSubscription};

use crate::make::{Make, at, attempt, becomes, by_node, change, failed_attempt, user};
use crate::steps::{claim_one, owe_and_claim, subscribe};

/// Seconds.
const HOUR: i64 = 3_600;

/// Seconds from the hour in which every case begins: [`at`] has no whole one.
fn on(seconds: i64) -> Timestamp {
    let begun = at(0).as_seconds();
    at(seconds - begun.rem_euclid(HOUR))
}

async fn hours(store: &dyn Store, user_id: Option<UserId>, since: i64, until: i64) -> Vec<Hour> {
    store.hours(&HourFilter { user_id, since: on(since), until: on(until) }).await.unwrap()
}

/// Owes `to` an event and has it end at `end` after one attempt that was answered after `milliseconds`, and did not
/// please where it `has_failed`.
async fn end_one(
    store: &dyn Store,
    make: &mut Make,
    to: &StoredSubscription,
    end: i64,
    milliseconds: u64,
    has_failed: bool,
) {
    let claimed = owe_and_claim(store, make, to).await;
    let state = if has_failed { State::Failed } else { State::Success };
    let duration = Duration::from_millis(milliseconds);
    let made = if has_failed { failed_attempt } else { attempt };
    let tried = Attempt {
        at: on(end).minus(duration),
        duration,
        response_status: Some(200),
        ..made(&claimed, 1, on(0))
    };
    let settled =
        Change { attempt: Some(tried), ..change(&claimed, becomes(&claimed, state, Some(on(end)))) };
    assert_eq!(store.change(&[settled]).await.unwrap(), [true]);
}

pub(crate) async fn what_happened_is_counted_in_its_hour(store: &dyn Store) {
    let make = &mut Make::new();
    let (one, other) = (subscribe(store, make).await, subscribe(store, make).await);
    end_one(store, make, &one, HOUR + 1, 30, false).await;
    end_one(store, make, &other, HOUR + 2, 50, false).await;
    end_one(store, make, &one, 3 * HOUR, 10, true).await;

    // Tried once in vain, without an answer, and then given up without another attempt.
    let claimed = owe_and_claim(store, make, &one).await;
    let tried = failed_attempt(&claimed, 1, on(3 * HOUR + 5));
    assert_eq!((tried.response_status, tried.duration), (None, Duration::from_millis(250)));
    let retrying = becomes(&claimed, State::Retrying { due_at: on(3 * HOUR + 8) }, None);
    let first = Change { attempt: Some(tried), ..change(&claimed, retrying) };
    store.change(&[first]).await.unwrap();
    let claim = by_node(make.node(), on(9 * HOUR));
    let claimed = claim_one(store, &one, &claim, on(3 * HOUR + 8)).await.delivery;
    let given_up = becomes(&claimed, State::Failed, Some(on(4 * HOUR)));
    store.change(&[change(&claimed, given_up)]).await.unwrap();

    let expected = [
        Hour {
            successful: 2,
            attempts: 2,
            answers: 2,
            answer_micros: 80_000,
            answer_micros_max: 50_000,
            ..Hour::of_nothing(on(HOUR))
        },
        Hour {
            failed: 1,
            attempts: 2,
            errors: 2,
            answers: 1,
            answer_micros: 10_000,
            answer_micros_max: 10_000,
            ..Hour::of_nothing(on(3 * HOUR))
        },
        Hour { failed: 1, ..Hour::of_nothing(on(4 * HOUR)) },
    ];
    assert_eq!(hours(store, None, 0, 9 * HOUR).await, expected);
    assert_eq!(
        hours(store, None, 3 * HOUR, 4 * HOUR).await,
        expected[1..2],
        "from the first, without the last"
    );
}

pub(crate) async fn a_change_that_comes_too_late_counts_in_no_hour(store: &dyn Store) {
    let make = &mut Make::new();
    let to = subscribe(store, make).await;
    let claimed = owe_and_claim(store, make, &to).await;
    let done = || becomes(&claimed, State::Success, Some(on(2)));
    let settled =
        |number| Change { attempt: Some(attempt(&claimed, number, on(1))), ..change(&claimed, done()) };
    assert_eq!(store.change(&[settled(1)]).await.unwrap(), [true]);
    assert_eq!(store.change(&[settled(2)]).await.unwrap(), [false]);
    let counted = hours(store, None, 0, HOUR).await;
    assert_eq!((counted.len(), counted[0].successful, counted[0].attempts), (1, 1, 1));
}

pub(crate) async fn a_users_hours_are_those_of_their_subscriptions(store: &dyn Store) {
    let make = &mut Make::new();
    let mine = {
        let mut mine = make.subscription(on(0));
        mine.subscription.user_id = Some(user("grace"));
        store.create_subscription(&mine).await.unwrap();
        mine
    };
    let everyones = {
        let mut everyones = make.subscription(on(0));
        everyones.subscription.user_id = None;
        store.create_subscription(&everyones).await.unwrap();
        everyones
    };
    end_one(store, make, &mine, 1, 30, false).await;
    end_one(store, make, &everyones, 2, 30, false).await;
    let successful = async |whose: Option<&str>| {
        let counted = hours(store, whose.map(user), 0, HOUR).await;
        counted.iter().map(|hour| hour.successful).sum::<i64>()
    };
    assert_eq!((successful(Some("grace")).await, successful(Some("frank")).await), (1, 0));
    assert_eq!(successful(None).await, 2);
    store.delete_subscription(mine.subscription.id, on(3)).await.unwrap();
    assert_eq!(
        (successful(Some("grace")).await, successful(None).await),
        (0, 2),
        "what happened has happened"
    );
}

pub(crate) async fn what_is_owed_is_noted_in_its_hour(store: &dyn Store) {
    let make = &mut Make::new();
    let (one, other) = (subscribe(store, make).await, subscribe(store, make).await);
    let owed = async |at: i64| {
        store.note_owed(on(at)).await.unwrap();
        hours(store, None, at - at % HOUR, at - at % HOUR + HOUR)
            .await
            .iter()
            .map(|hour| hour.owed)
            .sum::<i64>()
    };
    assert_eq!(
        (owed(1).await, hours(store, None, 0, HOUR).await),
        (0, Vec::new()),
        "who is owed nothing has no row"
    );

    let claimed = owe_and_claim(store, make, &one).await;
    let retried = owe_and_claim(store, make, &other).await;
    let retrying = becomes(&retried, State::Retrying { due_at: on(3 * HOUR) }, None);
    store.change(&[change(&retried, retrying)]).await.unwrap();
    assert_eq!((owed(2).await, owed(HOUR).await), (2, 2), "claimed or to be retried");
    assert_eq!(store.owed(None).await.unwrap(), 2);
    assert_eq!(store.owed(one.subscription.user_id.as_ref()).await.unwrap(), 2);
    assert_eq!(store.owed(Some(&user("a stranger"))).await.unwrap(), 0);

    let done = becomes(&claimed, State::Success, Some(on(HOUR + 1)));
    store.change(&[change(&claimed, done)]).await.unwrap();
    assert_eq!(owed(HOUR + 2).await, 1, "the last look counts");
    store.delete_subscription(other.subscription.id, on(HOUR + 3)).await.unwrap();
    assert_eq!((owed(HOUR + 4).await, owed(2 * HOUR).await), (0, 0), "what is called off is not owed");
    let noted = hours(store, None, 0, 9 * HOUR).await;
    let at_hours: Vec<_> = noted.iter().map(|hour| (hour.begins_at, hour.owed, hour.successful)).collect();
    assert_eq!(at_hours, [(on(0), 2, 0), (on(HOUR), 0, 1)], "beside what is counted");
}

pub(crate) async fn old_hours_go_a_few_at_a_time(store: &dyn Store) {
    let make = &mut Make::new();
    let to = subscribe(store, make).await;
    for hour in 1..=4 {
        end_one(store, make, &to, hour * HOUR, 10, false).await;
    }
    assert_eq!(store.remove_hours(on(4 * HOUR), 2).await.unwrap(), 2);
    assert_eq!(store.remove_hours(on(4 * HOUR), 2).await.unwrap(), 1);
    assert_eq!(store.remove_hours(on(4 * HOUR), 2).await.unwrap(), 0);
    let left = hours(store, None, 0, 9 * HOUR).await;
    assert_eq!(left.iter().map(|hour| hour.begins_at).collect::<Vec<_>>(), [on(4 * HOUR)]);
}
