//! What a lane may hold, and when it goes to the store.

use domain::attempt::ErrorCode;
use domain::delivery::{Claim, Holder, Trigger};
use domain::event::Json;
use domain::subscription::{Subscription, Target, Terms};
use domain::{DeliveryId, EventId, NodeId};

use super::*;
use crate::chance;

const NOW: Timestamp = Timestamp::from_seconds(1_000);
const CONCURRENCY: u16 = 3;
const FLOW: Flow = Flow { max_concurrency: CONCURRENCY, per_minute: None, batch: None };

const ARRIVED: Outcome = Outcome::Answered { status: 200, retry_after: None };
const REFUSED: Outcome = Outcome::Answered { status: 500, retry_after: None };

/// A failure that says nothing of the endpoint.
fn called_off() -> Outcome {
    Outcome::Failed { code: ErrorCode::Cancelled, message: String::new(), status: None }
}

fn lane_id() -> SubscriptionId {
    SubscriptionId::new(NOW, &mut chance::rng())
}

fn job(id: SubscriptionId) -> Job {
    let rng = &mut chance::rng();
    let event = Event {
        id: EventId::new(NOW, rng),
        event_type: "task.created".parse().unwrap(),
        user_id: None,
        source: "api".into(),
        provider: None,
        occurred_at: NOW,
        received_at: NOW,
        data: Json::from_text("{}").unwrap(),
        raw: None,
    };
    let subscription = Subscription {
        id,
        user_id: None,
        target: Target::Push { url: "https://example.com/".to_owned() },
        terms: Terms::default(),
        is_active: true,
        paused: false,
        created_at: NOW,
        updated_at: NOW,
    };
    let mut delivery =
        Delivery::owed(DeliveryId::new(NOW, rng), &event, &subscription, Trigger::Initial, NOW);
    let holder = Holder::Node(NodeId::new(NOW, rng));
    delivery.claim(Claim { holder, deadline: NOW }, NOW).unwrap();
    Job::alone(delivery, Arc::new(event))
}

/// Admits as many fresh deliveries as there are places; how many that was.
fn fill(lanes: &Lanes, id: SubscriptionId) -> usize {
    let mut admitted = 0;
    while lanes.reserve(id, FLOW, NOW) {
        lanes.admit_reserved(job(id), CONCURRENCY);
        admitted += 1;
    }
    admitted
}

/// Attempts everything that is queued, as one worker after another would.
fn attempt_all(lanes: &Lanes, id: SubscriptionId, outcome: &Outcome) -> usize {
    let mut attempted = 0;
    while let Next::Attempt(_) = lanes.next(id, FLOW, NOW) {
        lanes.finished(id, Some(outcome), FLOW, NOW);
        attempted += 1;
    }
    attempted
}

fn wants(lanes: &Lanes, now: Timestamp) -> Vec<Room> {
    lanes.wants(now, |_| Some(FLOW))
}

#[test]
fn one_worker_is_started_for_each_attempt_that_may_be_under_way() {
    let (lanes, id) = (Lanes::default(), lane_id());
    let started =
        (0..6).filter(|_| lanes.reserve(id, FLOW, NOW) && lanes.admit_reserved(job(id), CONCURRENCY));
    assert_eq!(started.count(), usize::from(CONCURRENCY));
}

#[test]
fn room_is_earned_by_what_arrives_and_lost_by_what_fails() {
    let (lanes, id) = (Lanes::default(), lane_id());
    assert_eq!(fill(&lanes, id), 6, "two for each attempt");
    attempt_all(&lanes, id, &ARRIVED);
    assert_eq!(fill(&lanes, id), 12, "and one more for each that arrived");
    attempt_all(&lanes, id, &called_off());
    assert_eq!(fill(&lanes, id), 6);
}

#[test]
fn a_lane_never_holds_more_than_its_limit() {
    let (lanes, id) = (Lanes::default(), lane_id());
    for _ in 0..20 {
        assert!(fill(&lanes, id) <= LANE_ROOM_MAX);
        attempt_all(&lanes, id, &ARRIVED);
    }
    assert_eq!(fill(&lanes, id), LANE_ROOM_MAX);
}

#[test]
fn what_waits_in_the_store_goes_before_what_is_fresh() {
    let (lanes, id) = (Lanes::default(), lane_id());
    lanes.note_behind(id);
    assert!(!lanes.reserve(id, FLOW, NOW));
    assert_eq!(wants(&lanes, NOW), [Room { subscription_id: id, room: 6 }]);
    lanes.note_caught_up(id);
    assert!(lanes.reserve(id, FLOW, NOW));
}

#[test]
fn a_lane_goes_to_the_store_when_it_is_half_empty() {
    let (lanes, id) = (Lanes::default(), lane_id());
    assert_eq!(fill(&lanes, id), 6);
    lanes.note_behind(id);
    assert_eq!(wants(&lanes, NOW), []);
    let mut rang = Vec::new();
    for _ in 0..3 {
        assert!(matches!(lanes.next(id, FLOW, NOW), Next::Attempt(_)));
        rang.push(lanes.finished(id, Some(&called_off()), FLOW, NOW).wants_more);
    }
    assert_eq!(rang, [false, false, true]);
    assert_eq!(wants(&lanes, NOW), [Room { subscription_id: id, room: 3 }]);
}

#[test]
fn a_retry_is_fetched_when_it_is_due_and_the_earliest_is_known() {
    let (lanes, id, other) = (Lanes::default(), lane_id(), lane_id());
    let later = |seconds: i64| Timestamp::from_seconds(1_000 + seconds);
    assert!(lanes.note_due(id, later(20)));
    assert!(lanes.note_due(other, later(10)));
    assert!(!lanes.note_due(id, later(30)), "nothing has become earlier");
    assert_eq!(lanes.next_due(), Some(later(10)));
    assert_eq!(wants(&lanes, later(9)), []);
    assert_eq!(wants(&lanes, later(10)), [Room { subscription_id: other, room: 6 }]);
    assert_eq!(lanes.next_due(), Some(later(20)));
}

#[test]
fn all_lanes_together_hold_no_more_than_the_node_may() {
    let lanes = Lanes::default();
    let ids: Vec<_> = (0..CLAIMED_MAX / LANE_ROOM_MAX + 2).map(|_| lane_id()).collect();
    for &id in &ids {
        for _ in 0..12 {
            fill(&lanes, id);
            attempt_all(&lanes, id, &ARRIVED);
        }
    }
    let held: usize = ids.iter().map(|&id| fill(&lanes, id)).sum();
    assert_eq!(held, CLAIMED_MAX);
    let late = lane_id();
    lanes.note_behind(late);
    assert_eq!(wants(&lanes, NOW), [], "a lane with nothing has to wait too");
    attempt_all(&lanes, ids[0], &ARRIVED);
    assert!(wants(&lanes, NOW).iter().any(|want| want.subscription_id == late));
}

#[test]
fn a_promise_that_is_taken_back_frees_its_place() {
    let (lanes, id) = (Lanes::default(), lane_id());
    for _ in 0..100 {
        assert!(lanes.reserve(id, FLOW, NOW));
        lanes.release(id);
    }
    assert_eq!(fill(&lanes, id), 6);
}

#[test]
fn draining_takes_what_is_not_under_way() {
    let (lanes, id) = (Lanes::default(), lane_id());
    fill(&lanes, id);
    assert!(matches!(lanes.next(id, FLOW, NOW), Next::Attempt(_)));
    assert_eq!(lanes.drain().len(), 5);
    assert!(matches!(lanes.next(id, FLOW, NOW), Next::Rest));
}

#[test]
fn a_dead_endpoint_is_left_alone_and_then_asked_once() {
    let (lanes, id) = (Lanes::default(), lane_id());
    attempt_all_of(&lanes, id, 9, &REFUSED);
    fill(&lanes, id);
    let Next::Attempt(_) = lanes.next(id, FLOW, NOW) else { panic!("nine failures are not enough") };
    let health::Change::Opened(until) = lanes.finished(id, Some(&REFUSED), FLOW, NOW).change else {
        panic!("ten are")
    };
    let Next::GiveBack(jobs, opens_at) = lanes.next(id, FLOW, NOW) else { panic!("there is a queue") };
    assert_eq!((jobs.len(), opens_at), (5, until));
    assert!(!lanes.reserve(id, FLOW, NOW), "what is fresh waits in the store as well");
    lanes.note_behind(id);
    assert_eq!(wants(&lanes, NOW), []);
    assert_eq!(lanes.next_due(), Some(until));

    assert_eq!(wants(&lanes, until), [Room { subscription_id: id, room: 1 }], "a probe");
    lanes.admit_claimed(job(id), CONCURRENCY);
    assert!(matches!(lanes.next(id, FLOW, until), Next::Attempt(_)));
    assert_eq!(wants(&lanes, until), [], "and no other until it has ended");
    let ended = lanes.finished(id, Some(&ARRIVED), FLOW, until);
    assert_eq!(ended.change, health::Change::Closed);
    assert!(ended.wants_more);
    assert_eq!(wants(&lanes, until).len(), 1);
}

fn attempt_all_of(lanes: &Lanes, id: SubscriptionId, count: usize, outcome: &Outcome) {
    for _ in 0..count {
        assert!(lanes.reserve(id, FLOW, NOW));
        lanes.admit_reserved(job(id), CONCURRENCY);
        assert_eq!(attempt_all(lanes, id, outcome), 1);
    }
}

#[test]
fn no_more_attempts_begin_in_a_minute_than_may() {
    let flow = Flow { per_minute: Some(4), ..FLOW };
    let (lanes, id) = (Lanes::default(), lane_id());
    let at = |seconds: i64| Timestamp::from_seconds(1_000 + seconds);
    let begin = |seconds: i64| matches!(lanes.next(id, flow, at(seconds)), Next::Attempt(_));
    for second in 0..4 {
        assert!(lanes.reserve(id, flow, at(second)));
        lanes.admit_reserved(job(id), CONCURRENCY);
        assert!(begin(second));
        lanes.finished(id, Some(&ARRIVED), flow, at(second));
    }
    assert!(!lanes.reserve(id, flow, at(59)), "the next waits in the store");
    lanes.note_behind(id);
    assert_eq!(lanes.wants(at(59), |_| Some(flow)), []);
    assert_eq!(lanes.next_due(), Some(at(60)));
    assert_eq!(lanes.wants(at(60), |_| Some(flow)), [Room { subscription_id: id, room: 1 }]);
    for _ in 0..2 {
        lanes.admit_claimed(job(id), CONCURRENCY);
    }
    assert!(begin(60));
    let Next::GiveBack(jobs, until) = lanes.next(id, flow, at(60)) else {
        panic!("one had gone, one could come")
    };
    assert_eq!((jobs.len(), until), (1, at(61)));
}

#[test]
fn the_nodes_share_a_rate_and_each_has_some_of_it() {
    let begun_of = |per_minute, nodes| {
        let flow = Flow { per_minute: Some(per_minute), ..FLOW };
        let (lanes, id) = (Lanes::default(), lane_id());
        lanes.note_nodes(nodes);
        let begin = || {
            lanes.admit_claimed(job(id), CONCURRENCY);
            let begins = matches!(lanes.next(id, flow, NOW), Next::Attempt(_));
            lanes.finished(id, Some(&ARRIVED), flow, NOW);
            begins
        };
        (0..10).take_while(|_| begin()).count()
    };
    assert_eq!([begun_of(6, 1), begun_of(6, 2), begun_of(6, 4), begun_of(1, 2)], [6, 3, 1, 1]);
}

#[test]
fn a_full_batch_is_noticed_whatever_was_claimed_before() {
    let (lanes, id) = (Lanes::default(), lane_id());
    let batch = Batch { max_events: 3, max_wait_ms: 60_000 };
    let noted = |count: usize| (0..count).filter(|_| lanes.note_gathered(id, batch)).count();
    assert_eq!(noted(4), 2, "at the third, and until it is claimed");
    lanes.note_batch(id, 3, batch);
    lanes.note_batch(id, 0, batch);
    assert_eq!(noted(1), 0);
    assert_eq!(noted(1), 1, "one was left over");
    // Another node has claimed them.
    lanes.note_batch(id, 0, batch);
    assert_eq!(noted(1), 1, "rather one look too many");
}

#[test]
fn a_lane_claims_no_more_batches_than_can_go() {
    let (lanes, id) = (Lanes::default(), lane_id());
    let flow = Flow { batch: Some(Batch { max_events: 3, max_wait_ms: 0 }), ..FLOW };
    lanes.note_behind(id);
    let wanted = lanes.wants(NOW, |_| Some(flow));
    assert_eq!(wanted, [Room { subscription_id: id, room: u32::from(CONCURRENCY) }]);
}
