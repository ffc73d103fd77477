//! What a lane may hold, and when it goes to the store.

use domain::delivery::{Claim, Holder, Trigger};
use domain::event::Json;
use domain::subscription::{Subscription, Target, Terms};
use domain::{DeliveryId, EventId, NodeId};

use super::*;
use crate::chance;

const NOW: Timestamp = Timestamp::from_seconds(1_000);
const CONCURRENCY: u16 = 3;

fn lane_id() -> SubscriptionId {
    SubscriptionId::new(NOW, &mut chance::rng())
}

fn job(id: SubscriptionId) -> Job {
    let rng = &mut chance::rng();
    let event = Event {
        id: EventId::new(NOW, rng),
        event_type: "task.created".parse().unwrap(),
        user_id: None,
        source: "api".to_owned(),
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
    Job { delivery, event: Arc::new(event) }
}

/// Admits as many fresh deliveries as there are places; how many that was.
fn fill(lanes: &Lanes, id: SubscriptionId) -> usize {
    let mut admitted = 0;
    while lanes.reserve(id, CONCURRENCY) {
        lanes.admit_reserved(job(id), CONCURRENCY);
        admitted += 1;
    }
    admitted
}

/// Attempts everything that is queued, as one worker after another would.
fn attempt_all(lanes: &Lanes, id: SubscriptionId, has_arrived: bool) -> usize {
    let mut attempted = 0;
    while lanes.next(id).is_some() {
        lanes.finished(id, has_arrived, CONCURRENCY);
        attempted += 1;
    }
    attempted
}

fn wants(lanes: &Lanes, now: Timestamp) -> Vec<Room> {
    lanes.wants(now, |_| Some(CONCURRENCY))
}

#[test]
fn one_worker_is_started_for_each_attempt_that_may_be_under_way() {
    let (lanes, id) = (Lanes::default(), lane_id());
    let started =
        (0..6).filter(|_| lanes.reserve(id, CONCURRENCY) && lanes.admit_reserved(job(id), CONCURRENCY));
    assert_eq!(started.count(), usize::from(CONCURRENCY));
}

#[test]
fn room_is_earned_by_what_arrives_and_lost_by_what_fails() {
    let (lanes, id) = (Lanes::default(), lane_id());
    assert_eq!(fill(&lanes, id), 6, "two for each attempt");
    attempt_all(&lanes, id, true);
    assert_eq!(fill(&lanes, id), 12, "and one more for each that arrived");
    attempt_all(&lanes, id, false);
    assert_eq!(fill(&lanes, id), 6);
}

#[test]
fn a_lane_never_holds_more_than_its_limit() {
    let (lanes, id) = (Lanes::default(), lane_id());
    for _ in 0..20 {
        assert!(fill(&lanes, id) <= LANE_ROOM_MAX);
        attempt_all(&lanes, id, true);
    }
    assert_eq!(fill(&lanes, id), LANE_ROOM_MAX);
}

#[test]
fn what_waits_in_the_store_goes_before_what_is_fresh() {
    let (lanes, id) = (Lanes::default(), lane_id());
    lanes.note_behind(id);
    assert!(!lanes.reserve(id, CONCURRENCY));
    assert_eq!(wants(&lanes, NOW), [Room { subscription_id: id, room: 6 }]);
    lanes.note_caught_up(id);
    assert!(lanes.reserve(id, CONCURRENCY));
}

#[test]
fn a_lane_goes_to_the_store_when_it_is_half_empty() {
    let (lanes, id) = (Lanes::default(), lane_id());
    assert_eq!(fill(&lanes, id), 6);
    lanes.note_behind(id);
    assert_eq!(wants(&lanes, NOW), []);
    let mut rang = Vec::new();
    for _ in 0..3 {
        assert!(lanes.next(id).is_some());
        rang.push(lanes.finished(id, false, CONCURRENCY));
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
            attempt_all(&lanes, id, true);
        }
    }
    let held: usize = ids.iter().map(|&id| fill(&lanes, id)).sum();
    assert_eq!(held, CLAIMED_MAX);
    let late = lane_id();
    lanes.note_behind(late);
    assert_eq!(wants(&lanes, NOW), [], "a lane with nothing has to wait too");
    attempt_all(&lanes, ids[0], true);
    assert!(wants(&lanes, NOW).iter().any(|want| want.subscription_id == late));
}

#[test]
fn a_promise_that_is_taken_back_frees_its_place() {
    let (lanes, id) = (Lanes::default(), lane_id());
    for _ in 0..100 {
        assert!(lanes.reserve(id, CONCURRENCY));
        lanes.release(id);
    }
    assert_eq!(fill(&lanes, id), 6);
}

#[test]
fn draining_takes_what_is_not_under_way() {
    let (lanes, id) = (Lanes::default(), lane_id());
    fill(&lanes, id);
    assert!(lanes.next(id).is_some());
    assert_eq!(lanes.drain().len(), 5);
    assert!(lanes.next(id).is_none());
}
