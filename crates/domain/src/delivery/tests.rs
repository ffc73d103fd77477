//! The life of a delivery, along every path that chance can find.

use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;
use crate::attempt::ErrorCode;
use crate::event::Json;
use crate::subscription::{Target, Terms};

/// Something that may happen to a delivery.
#[derive(Debug, Clone)]
enum Step {
    Wait(u32),
    Claim { pulled: bool },
    Settle(Outcome),
    Expire,
    HandBack,
    Hold,
    Release,
    Cancel,
    Retry,
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    let retry_after = proptest::option::of((0..100_u64).prop_map(Duration::from_secs));
    prop_oneof![
        (200..=599_u16, retry_after)
            .prop_map(|(status, retry_after)| Outcome::Answered { status, retry_after }),
        Just(Outcome::Failed { code: ErrorCode::Timeout, message: "late".to_owned(), status: None }),
        Just(Outcome::Unsendable { code: ErrorCode::Transform, message: "threw".to_owned() }),
        Just(Outcome::Skipped),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..5_000_u32).prop_map(Step::Wait),
        5 => any::<bool>().prop_map(|pulled| Step::Claim { pulled }),
        4 => any_outcome().prop_map(Step::Settle),
        1 => Just(Step::Expire),
        1 => Just(Step::HandBack),
        1 => Just(Step::Hold),
        1 => Just(Step::Release),
        1 => Just(Step::Cancel),
        1 => Just(Step::Retry),
    ]
}

pub(crate) fn subscription(retry_count: u16) -> Subscription {
    let rng = &mut SmallRng::seed_from_u64(0);
    let now = Timestamp::from_seconds(0);
    Subscription {
        id: SubscriptionId::new(now, rng),
        user_id: None,
        target: Target::Push { url: "https://example.com/".to_owned() },
        terms: Terms { retry_count, ordering_key: Some("type".parse().unwrap()), ..Terms::default() },
        is_active: true,
        paused: false,
        created_at: now,
        updated_at: now,
    }
}

pub(crate) fn owed(subscription: &Subscription) -> Delivery {
    let rng = &mut SmallRng::seed_from_u64(1);
    let now = Timestamp::from_seconds(0);
    let event = Event {
        id: EventId::new(now, rng),
        event_type: "task.created".parse().unwrap(),
        user_id: Some("alice".parse().unwrap()),
        source: "api".into(),
        provider: None,
        occurred_at: now,
        received_at: now,
        data: Json::from_text("{}").unwrap(),
        raw: None,
    };
    Delivery::owed(DeliveryId::new(now, rng), &event, subscription, Trigger::Initial, now)
}

fn claim(pulled: bool, now: Timestamp, rng: &mut SmallRng) -> Claim {
    let holder =
        if pulled { Holder::Worker(LeaseToken::new(now, rng)) } else { Holder::Node(NodeId::new(now, rng)) };
    Claim { holder, deadline: now.plus(Duration::from_secs(60)) }
}

/// A delivery, its clock, and what has been done by hand.
struct World {
    delivery: Delivery,
    now: Timestamp,
    rng: SmallRng,
    retries_by_hand: u16,
    policy: RetryPolicy,
}

impl World {
    fn take(&mut self, step: &Step) {
        let (delivery, now) = (&mut self.delivery, self.now);
        match step {
            Step::Wait(seconds) => self.now = now.plus(Duration::from_secs((*seconds).into())),
            Step::Claim { pulled } => _ = delivery.claim(claim(*pulled, now, &mut self.rng), now),
            Step::Settle(outcome) => _ = delivery.settle(outcome, &self.policy, now, &mut self.rng),
            Step::Expire => _ = delivery.expire(now),
            Step::HandBack => _ = delivery.hand_back(now),
            Step::Hold => delivery.hold(),
            Step::Release => delivery.release(now),
            Step::Cancel => _ = delivery.cancel(now),
            Step::Retry => self.retries_by_hand += u16::from(delivery.retry(Trigger::Manual, now).is_ok()),
        }
    }
}

proptest! {
    #[test]
    fn no_path_leaves_a_delivery_neither_terminal_nor_due(
        retry_count in 0..=10_u16, steps in proptest::collection::vec(any_step(), 0..60), seed: u64,
    ) {
        let subscription = subscription(retry_count);
        let policy = subscription.terms.retry_policy.clone();
        let delivery = owed(&subscription);
        let mut world = World {
            delivery, now: Timestamp::from_seconds(0), rng: SmallRng::seed_from_u64(seed), retries_by_hand: 0, policy,
        };
        for step in &steps {
            let before = world.delivery.clone();
            world.take(step);
            let after = &world.delivery;
            let will_be_seen = after.due_at().is_some() || after.claimed().is_some() || after.state == State::Held;
            prop_assert_eq!(will_be_seen, !after.status().is_terminal());
            prop_assert_eq!(after.completed_at.is_some(), after.status().is_terminal());
            prop_assert!(after.attempt_count <= after.max_attempts);
            prop_assert!(after.attempt_count <= retry_count + 1 + world.retries_by_hand);
            prop_assert!(after.attempt_count >= before.attempt_count, "history is kept");
            let set_going_by_hand = before.status().is_terminal() && !after.status().is_terminal();
            let line = before.ordering_key.filter(|_| !set_going_by_hand);
            prop_assert_eq!(after.ordering_key, line, "it leaves its line only by hand");
            prop_assert_eq!(after.lets_next_go(), line.is_some() && after.status().is_terminal());
            if let (State::Processing(_), State::Retrying { due_at }, Step::Settle(_)) =
                (&before.state, &after.state, step)
            {
                let gap = world.policy.gap_seconds(after.attempt_count);
                prop_assert!(due_at.since(world.now) >= Duration::from_secs(gap.into()));
            }
        }
        finish(&mut world);
        prop_assert!(world.delivery.status().is_terminal());
    }
}

/// Whatever has happened, an endpoint that fails for good brings every delivery to its end.
fn finish(world: &mut World) {
    let failure = Outcome::Answered { status: 500, retry_after: None };
    for _ in 0..100 {
        world.take(&Step::Release);
        world.take(&Step::Wait(40_000));
        world.take(&Step::Claim { pulled: false });
        world.take(&Step::Settle(failure.clone()));
    }
}

fn processing(retry_count: u16) -> (Delivery, SmallRng) {
    let mut rng = SmallRng::seed_from_u64(3);
    let mut delivery = owed(&subscription(retry_count));
    let now = Timestamp::from_seconds(0);
    delivery.claim(claim(false, now, &mut rng), now).unwrap();
    (delivery, rng)
}

fn answered(status: u16) -> Outcome {
    Outcome::Answered { status, retry_after: None }
}

fn settle(delivery: &mut Delivery, outcome: &Outcome, rng: &mut SmallRng) -> Settled {
    delivery.settle(outcome, &RetryPolicy::Exponential, Timestamp::from_seconds(0), rng).unwrap()
}

#[test]
fn what_is_skipped_is_called_off_without_an_attempt() {
    let (mut delivery, mut rng) = processing(3);
    assert_eq!(settle(&mut delivery, &Outcome::Skipped, &mut rng), Settled::Skipped);
    assert_eq!((delivery.status(), delivery.attempt_count), (Status::Cancelled, 0));
    assert!(delivery.error.is_some() && delivery.completed_at.is_some());
}

#[test]
fn what_can_never_be_sent_fails_at_once() {
    let (mut delivery, mut rng) = processing(3);
    let outcome = Outcome::Unsendable { code: ErrorCode::Transform, message: "it threw".to_owned() };
    assert_eq!(settle(&mut delivery, &outcome, &mut rng), Settled::Failed);
    assert_eq!((delivery.status(), delivery.attempt_count), (Status::Failed, 1));
    assert_eq!(delivery.error.as_deref(), Some("it threw"));
}

#[test]
fn a_success_ends_it() {
    let (mut delivery, mut rng) = processing(3);
    assert_eq!(settle(&mut delivery, &answered(204), &mut rng), Settled::Success);
    assert_eq!(
        (delivery.status(), delivery.attempt_count, delivery.error.clone()),
        (Status::Success, 1, None)
    );
    assert_eq!(
        delivery.retry(Trigger::Manual, Timestamp::from_seconds(1)),
        Err(Refused::NotEnded(Status::Success))
    );
}

#[test]
fn gone_ends_it_at_once_and_says_so() {
    let (mut delivery, mut rng) = processing(3);
    assert_eq!(settle(&mut delivery, &answered(410), &mut rng), Settled::Gone);
    assert_eq!((delivery.status(), delivery.attempt_count), (Status::Failed, 1));
}

#[test]
fn the_last_attempt_makes_a_dead_letter_which_can_be_retried_once_by_hand() {
    let (mut delivery, mut rng) = processing(0);
    assert_eq!(settle(&mut delivery, &answered(500), &mut rng), Settled::Failed);
    let now = Timestamp::from_seconds(9);
    delivery.retry(Trigger::Manual, now).unwrap();
    assert_eq!((delivery.due_at(), delivery.attempt_trigger()), (Some(now), Trigger::Manual));
    delivery.claim(claim(false, now, &mut rng), now).unwrap();
    assert_eq!(settle(&mut delivery, &answered(500), &mut rng), Settled::Failed);
    assert_eq!(delivery.attempt_count, 2);
}

#[test]
fn retry_after_is_kept_for_busy_endpoints_only() {
    let asked = Some(Duration::from_secs(300));
    for (status, at_least) in [(429, 300), (503, 300), (500, 2)] {
        let (mut delivery, mut rng) = processing(3);
        let settled = settle(&mut delivery, &Outcome::Answered { status, retry_after: asked }, &mut rng);
        let Settled::Retrying(at) = settled else { panic!("{settled:?}") };
        assert_eq!(at.as_seconds(), at_least, "{status}");
    }
}

#[test]
fn a_dead_node_costs_no_attempt_but_a_lapsed_lease_does() {
    let (mut delivery, mut rng) = processing(1);
    let now = Timestamp::from_seconds(0);
    assert_eq!(delivery.expire(now), Ok(Status::Pending));
    delivery.claim(claim(true, now, &mut rng), now).unwrap();
    assert_eq!(delivery.expire(now), Ok(Status::Retrying));
    delivery.claim(claim(true, now, &mut rng), now).unwrap();
    assert_eq!(delivery.expire(now), Ok(Status::Failed));
}

#[test]
fn an_event_that_kills_its_node_is_given_up_in_the_end() {
    let (mut delivery, mut rng) = processing(3);
    let now = Timestamp::from_seconds(0);
    let lives = std::iter::from_fn(|| {
        delivery.expire(now).ok()?;
        delivery.claim(claim(false, now, &mut rng), now).ok()
    });
    assert_eq!(lives.count(), usize::from(LAPSES_MAX) - 1);
    assert_eq!(delivery.status(), Status::Failed);
}

#[test]
fn what_is_paused_is_held_and_let_go_later() {
    let mut paused = subscription(3);
    paused.paused = true;
    let mut delivery = owed(&paused);
    assert_eq!(delivery.status(), Status::Held);
    delivery.release(Timestamp::from_seconds(5));
    assert_eq!(delivery.due_at(), Some(Timestamp::from_seconds(5)));
    delivery.hold();
    assert_eq!(delivery.state, State::Held);
}

#[test]
fn names_are_written_as_they_are_read() {
    for status in Status::ALL {
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
    for trigger in Trigger::ALL {
        assert_eq!(serde_json::to_value(trigger).unwrap(), trigger.as_str());
    }
    for code in ErrorCode::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
    }
}

/// An endpoint that fails for good, on a clock that is moved to each time it is due: the gaps, in milliseconds.
fn gaps_until_given_up(policy: &RetryPolicy, seed: u64) -> Vec<u64> {
    let subscription = subscription(policy.natural_count());
    let (mut delivery, mut rng) = (owed(&subscription), SmallRng::seed_from_u64(seed));
    let (mut now, mut gaps) = (Timestamp::from_seconds(0), Vec::new());
    loop {
        let early = Timestamp::from_micros(now.as_micros() - 1);
        let claim = claim(false, now, &mut rng);
        assert!(gaps.is_empty() || delivery.claim(claim.clone(), early).is_err(), "not before it is due");
        delivery.claim(claim, now).unwrap();
        match delivery.settle(&answered(500), policy, now, &mut rng).unwrap() {
            Settled::Retrying(due_at) => {
                gaps.push(due_at.since(now).as_millis() as u64);
                now = due_at;
            }
            settled => {
                assert_eq!(settled, Settled::Failed);
                assert_eq!(usize::from(delivery.attempt_count), gaps.len() + 1);
                return gaps;
            }
        }
    }
}

#[test]
fn each_policy_keeps_its_gaps_until_it_gives_up() {
    let hour = 3_600;
    let standard = [5, 300, 1_800, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour];
    let policies: [(RetryPolicy, &[u64]); 3] = [
        (RetryPolicy::Exponential, &[2, 4, 8]),
        (RetryPolicy::Conversation, &[4, 8, 10]),
        (RetryPolicy::Standard, &standard),
    ];
    for (policy, seconds) in policies {
        for seed in 0..50 {
            let gaps = gaps_until_given_up(&policy, seed);
            assert_eq!(gaps.len(), seconds.len(), "{policy:?}");
            for (gap, seconds) in gaps.iter().zip(seconds) {
                let most = seconds * 1_100;
                assert!(
                    (seconds * 1_000..=most).contains(gap),
                    "{policy:?}: {gap} ms for {seconds} s, seed {seed}"
                );
            }
        }
    }
}
