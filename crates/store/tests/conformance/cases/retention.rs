//! Removing: what has been kept for long enough goes, with all that belongs to it and nothing else.

use domain::delivery::{Delivery, State};
use domain::{DeliveryId, EventId};
use store::{Change, KeptEvent, Position, Store};

use crate::make::{Make, append_of, at, attempt, becomes, change, idempotency, keyed, owing, plain};
use crate::steps::{ALL, append, event_ids, keep, owe, subscribe, whole_log};

/// The delivery ends well, with an attempt.
async fn end(store: &dyn Store, delivery: &Delivery) {
    let mut ended = becomes(delivery, State::Success, Some(at(50)));
    ended.attempt_count = 1;
    let change = Change { attempt: Some(attempt(delivery, 1, at(49))), ..change(delivery, ended) };
    assert_eq!(store.change(&[change]).await.unwrap(), [true]);
}

pub(crate) async fn what_is_oldest_is_walked_in_order(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, 5).await;
    let events: Vec<EventId> = owed.iter().map(|delivery| delivery.event_id).collect();
    let oldest = async |after, before, limit| {
        let found = store.oldest_events(after, at(before), limit).await.unwrap();
        assert!(found.iter().all(|(_, event_type)| event_type.as_str() == "task.created"));
        found.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(oldest(None, 100, 2).await, events[..2]);
    assert_eq!(oldest(Some(events[1]), 100, 2).await, events[2..4]);
    assert_eq!(oldest(Some(events[1]), 4, 10).await, events[2..3], "only what came in before");
    for delivery in [&owed[0], &owed[2], &owed[4]] {
        end(store, delivery).await;
    }
    let ids = [owed[0].id, owed[2].id, owed[4].id];
    assert_eq!(store.oldest_ended(None, at(100), 2).await.unwrap(), ids[..2]);
    assert_eq!(store.oldest_ended(Some(ids[0]), at(5), 9).await.unwrap(), ids[1..2]);
    assert_eq!(store.oldest_tried(None, at(100), 2).await.unwrap(), ids[..2]);
    assert_eq!(store.oldest_tried(Some(ids[1]), at(100), 9).await.unwrap(), ids[2..]);
}

pub(crate) async fn an_event_goes_with_all_that_belongs_to_it(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, 2).await;
    end(store, &owed[0]).await;
    end(store, &owed[1]).await;
    assert_eq!(store.remove_events(&[owed[0].event_id]).await.unwrap(), 1);
    assert_eq!(store.remove_events(&[owed[0].event_id]).await.unwrap(), 0);
    assert!(store.event(owed[0].event_id).await.unwrap().is_none());
    assert!(store.delivery(owed[0].id).await.unwrap().is_none());
    assert!(store.attempts(owed[0].id).await.unwrap().is_empty());
    assert_eq!(event_ids(store, &store::EventFilter::default()).await, [owed[1].event_id]);
    assert_eq!(store.attempts(owed[1].id).await.unwrap().len(), 1);
    let statistics = store.statistics(subscription.subscription.id).await.unwrap();
    assert_eq!((statistics.total, statistics.successful), (2, 2), "what has been counted stays counted");
}

pub(crate) async fn it_is_known_up_to_where_events_have_been_removed(store: &dyn Store) {
    let make = &mut Make::new();
    let kept = keep(store, (1..=5).map(|second| plain(make.event(at(second)))).collect()).await;
    assert_eq!(store.removed_to().await.unwrap(), Position::START);
    for (removed, highest) in [(&kept[1..2], 2), (&kept[3..4], 4), (&kept[0..1], 4)] {
        let ids: Vec<EventId> = removed.iter().map(|kept| kept.id).collect();
        store.remove_events(&ids).await.unwrap();
        assert_eq!(store.removed_to().await.unwrap(), Position(highest));
    }
    assert_eq!(store.remove_events(&[kept[3].id]).await.unwrap(), 0);
    assert_eq!(store.removed_to().await.unwrap(), Position(4));
}

pub(crate) async fn an_event_that_is_still_owed_stays(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let owed = owe(store, make, &subscription, 3).await;
    end(store, &owed[1]).await;
    let ids: Vec<EventId> = owed.iter().map(|delivery| delivery.event_id).collect();
    assert_eq!(store.remove_events(&ids).await.unwrap(), 1);
    assert_eq!(whole_log(store).await.len(), 2);
    let ids: Vec<DeliveryId> = owed.iter().map(|delivery| delivery.id).collect();
    assert_eq!(store.remove_deliveries(&ids).await.unwrap(), 0, "what is open stays");
    end(store, &owed[0]).await;
    assert_eq!(store.remove_deliveries(&ids).await.unwrap(), 1);
    assert!(store.attempts(owed[0].id).await.unwrap().is_empty());
    assert!(
        store.event(owed[0].event_id).await.unwrap().is_some(),
        "the event is older or younger by itself"
    );
    end(store, &owed[2]).await;
    assert_eq!(store.remove_attempts(&ids).await.unwrap(), 1);
    assert!(store.delivery(owed[2].id).await.unwrap().is_some());
}

pub(crate) async fn no_position_is_given_out_again(store: &dyn Store) {
    let make = &mut Make::new();
    let kept = keep(store, (1..=3).map(|second| plain(make.event(at(second)))).collect()).await;
    let ids: Vec<EventId> = kept.iter().map(|kept| kept.id).collect();
    assert_eq!(store.remove_events(&ids).await.unwrap(), 3);
    assert_eq!(store.head().await.unwrap(), Position(3));
    let next = keep(store, vec![plain(make.event(at(4)))]).await;
    assert_eq!(next[0].position, Position(4));
    assert_eq!(whole_log(store).await.len(), 1);
}

pub(crate) async fn what_comes_again_after_its_event_has_gone_is_new(store: &dyn Store) {
    let make = &mut Make::new();
    let first =
        keep(store, vec![keyed("a", make.event(at(1)), vec![]), keyed("b", make.event(at(1)), vec![])]).await;
    assert_eq!(store.remove_events(&[first[0].id]).await.unwrap(), 1);
    let again =
        keep(store, vec![keyed("a", make.event(at(2)), vec![]), keyed("b", make.event(at(2)), vec![])]).await;
    let told: Vec<_> = again.iter().map(|KeptEvent { is_new, .. }| *is_new).collect();
    assert_eq!(told, [true, false]);
    let repeat = keep(store, vec![keyed("a", make.event(at(3)), vec![])]).await;
    assert_eq!((repeat[0].id, repeat[0].is_new), (again[0].id, false));
}

pub(crate) async fn a_fan_out_of_a_thousand_goes_at_once(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let event = make.event(at(1));
    let ended = |make: &mut Make| becomes(&make.owed(&event, &subscription), State::Cancelled, Some(at(2)));
    let deliveries = (0..1_000).map(|_| ended(make)).collect();
    keep(store, vec![owing(event.clone(), deliveries)]).await;
    assert_eq!(store.remove_events(&[event.id]).await.unwrap(), 1);
    assert!(store.oldest_ended(None, at(100), ALL).await.unwrap().is_empty());
}

pub(crate) async fn expired_idempotency_keys_go_a_few_at_a_time(store: &dyn Store) {
    let make = &mut Make::new();
    for (name, expires_at) in [("a", 10), ("b", 20), ("c", 30)] {
        let mut request = append_of(vec![plain(make.event(at(1)))]);
        request.idempotency = Some(idempotency(name, 1, at(expires_at)));
        append(store, &[request], at(1)).await;
    }
    assert_eq!(store.remove_expired_keys(at(25), 1).await.unwrap(), 1);
    assert_eq!(store.remove_expired_keys(at(25), 9).await.unwrap(), 1);
    assert_eq!(store.remove_expired_keys(at(25), 9).await.unwrap(), 0);
}
