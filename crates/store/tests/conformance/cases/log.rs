//! The log: what is appended is there for good, as it was written, in an order that no reader can miss.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use domain::delivery::{Delivery, State, Trigger};
use domain::{Event, Timestamp};
use futures::future::{join, join_all};
use store::{Appended, DeliveryFilter, EventFilter, Kept, KeptEvent, Logged, NewEvent, Position, Store};

use crate::make::{Make, append_of, at, by_node, by_worker, json, keyed, owing, plain, user};
use crate::steps::{ALL, append, current, delivery_ids, event_ids, keep, subscribe, version, whole_log};

pub(crate) async fn an_event_is_there_with_all_that_it_owes(store: &dyn Store) {
    let make = &mut Make::new();
    let (one, other) = (subscribe(store, make).await, subscribe(store, make).await);
    let event = make.event(at(1));
    let owed = [make.owed(&event, &one), make.owed(&event, &other)];
    let kept = keep(store, vec![owing(event.clone(), owed.to_vec())]).await;
    assert_eq!(kept, [KeptEvent { id: event.id, position: Position(1), is_new: true }]);
    let logged = Logged { position: Position(1), event: Arc::new(event) };
    assert_eq!(store.event(logged.event.id).await.unwrap().as_ref(), Some(&logged));
    assert_eq!(whole_log(store).await, [logged]);
    for delivery in owed {
        assert_eq!(current(store, delivery.id).await, delivery);
    }
}

pub(crate) async fn an_event_comes_back_as_it_was_written(store: &dyn Store) {
    let make = &mut Make::new();
    let received_at = Timestamp::from_micros(1_700_000_000_123_456);
    let bare = Event { user_id: None, ..make.event(received_at) };
    let full = Event {
        event_type: "github.pull_request.opened".parse().unwrap(),
        user_id: Some(user("alice")),
        source: "src_1".into(),
        provider: Some("github".into()),
        occurred_at: Timestamp::from_micros(-62_135_596_800_000_001),
        data: json(r#"{"number": 7}"#),
        raw: Some(b"payload=%7B%7D".to_vec()),
        ..make.event(received_at)
    };
    keep(store, vec![plain(bare.clone()), plain(full.clone())]).await;
    let read: Vec<_> = whole_log(store).await.iter().map(|logged| Event::clone(&logged.event)).collect();
    assert_eq!(read, [bare, full]);
}

pub(crate) async fn data_and_raw_bytes_come_back_byte_for_byte(store: &dyn Store) {
    let make = &mut Make::new();
    let long = format!("\"{}\"", "0123456789".repeat(30_000));
    let documents = [
        " {\"b\" : 1.0e2,\t\"a\":1,\r\n\"a\":2 } ",
        r#"{"escapes":"\ud83d\ude00 \u0000 \/ \\ \" ' $1 ? %s","text":"👩‍👩‍👧 ﷽ é 🇳🇿"}"#,
        "[12345678901234567890123456789, -0, 1E400, 0.10000000000000000000001]",
        "null",
        &long,
    ];
    let raws = [None, Some(vec![]), Some(vec![0; 3]), Some((0..=255).collect()), Some(vec![0xff; 300_000])];
    for (document, raw) in documents.into_iter().zip(raws) {
        let event = Event { data: json(document), raw, ..make.event(at(1)) };
        keep(store, vec![plain(event.clone())]).await;
        assert_eq!(*store.event(event.id).await.unwrap().unwrap().event, event);
    }
}

pub(crate) async fn the_log_of_a_user_holds_their_events_alone(store: &dyn Store) {
    let make = &mut Make::new();
    let owners = [Some("alice"), None, Some("bob"), Some("alice"), Some("alice"), Some("Alice")];
    let owned = |owner: Option<&str>| owner.map(user);
    let events = owners.map(|owner| plain(Event { user_id: owned(owner), ..make.event(at(1)) }));
    keep(store, events.to_vec()).await;
    let read = async |name, after, limit| {
        let logged = store.read_log_of(&user(name), Position(after), limit).await.unwrap();
        assert!(logged.iter().all(|logged| logged.event.user_id == Some(user(name))));
        logged.iter().map(|logged| logged.position.0).collect::<Vec<_>>()
    };
    assert_eq!(read("alice", 0, 9).await, [1, 4, 5]);
    assert_eq!(read("alice", 1, 1).await, [4]);
    assert!(read("alice", 5, 9).await.is_empty());
    assert_eq!(read("bob", 0, 9).await, [3]);
    assert!(read("carol", 0, 9).await.is_empty());
}

pub(crate) async fn user_ids_that_look_alike_are_different_users(store: &dyn Store) {
    let make = &mut Make::new();
    let widest = "é".repeat(64);
    let names = [
        "alice",
        "Alice",
        "alice ",
        "\u{c5}sa",
        "A\u{30a}sa",
        "用户🙂",
        "o'br\\ien%_\"$1",
        "0",
        "null",
        &widest,
    ];
    for name in names {
        keep(store, vec![plain(Event { user_id: Some(user(name)), ..make.event(at(1)) })]).await;
    }
    for name in names {
        let filter = EventFilter { user_id: Some(user(name)), ..EventFilter::default() };
        let [id] = event_ids(store, &filter).await[..] else { panic!("{name:?} has one event") };
        assert_eq!(store.event(id).await.unwrap().unwrap().event.user_id, Some(user(name)));
    }
}

pub(crate) async fn a_fresh_delivery_may_be_held_or_claimed_already(store: &dyn Store) {
    let make = &mut Make::new();
    let subscription = subscribe(store, make).await;
    let event = make.event(at(1));
    let owed = make.owed(&event, &subscription);
    let held = Delivery { state: State::Held, owner_id: None, ..make.owed(&event, &subscription) };
    let claimed = State::Processing(by_node(make.node(), at(60)));
    let pushed = Delivery { state: claimed, trigger: Trigger::Replay, ..make.owed(&event, &subscription) };
    let leased = State::Processing(by_worker(make.token(), at(60)));
    let pulled = Delivery { state: leased, trigger: Trigger::Test, ..make.owed(&event, &subscription) };
    let later = State::Pending { due_at: at(900) };
    let delayed =
        Delivery { state: later, user_id: None, max_attempts: 1, ..make.owed(&event, &subscription) };
    let deliveries = vec![owed, held, pushed, pulled, delayed];
    keep(store, vec![owing(event, deliveries.clone())]).await;
    for delivery in deliveries {
        assert_eq!(current(store, delivery.id).await, delivery);
    }
}

pub(crate) async fn what_does_not_exist_is_not_found(store: &dyn Store) {
    let make = &mut Make::new();
    let event = make.event(at(1));
    let subscription = make.subscription(at(0));
    let delivery = make.owed(&event, &subscription);
    assert_eq!(store.event(event.id).await.unwrap(), None);
    assert_eq!(store.delivery(delivery.id).await.unwrap(), None);
    assert_eq!(store.attempts(delivery.id).await.unwrap(), []);
    assert_eq!(store.head().await.unwrap(), Position::START);
    assert_eq!(whole_log(store).await, []);
}

pub(crate) async fn an_append_of_nothing_is_durable(store: &dyn Store) {
    let routes = version(store).await;
    assert_eq!(store.append([].into(), routes, at(1)).await.unwrap(), Appended::Durable(vec![]));
    assert_eq!(append(store, &[append_of(vec![])], at(1)).await, [Kept::Events(vec![])]);
    assert_eq!(store.head().await.unwrap(), Position::START);
}

pub(crate) async fn the_log_is_dense_and_read_in_order(store: &dyn Store) {
    let make = &mut Make::new();
    // The order is that of appending, whatever the events say about time.
    let events: Vec<_> = (0..10).map(|n| make.event(at(10 - n))).collect();
    for pair in events.chunks(2) {
        keep(store, pair.iter().cloned().map(plain).collect()).await;
    }
    let read = whole_log(store).await;
    assert!(read.iter().map(|logged| logged.position.0).eq(1..=10));
    assert!(read.iter().map(|logged| logged.event.id).eq(events.iter().map(|event| event.id)));
    assert_eq!(store.head().await.unwrap(), Position(10));
    assert_eq!(store.read_log(Position(3), 4).await.unwrap(), read[3..7]);
    assert_eq!(store.read_log(Position(8), 4).await.unwrap(), read[8..]);
    assert_eq!(store.read_log(Position(10), 4).await.unwrap(), []);
    assert_eq!(store.read_log(Position(99), 4).await.unwrap(), []);
}

pub(crate) async fn a_thousand_events_with_two_deliveries_each_fit_one_append(store: &dyn Store) {
    let make = &mut Make::new();
    let (one, other) = (subscribe(store, make).await, subscribe(store, make).await);
    let mut deliveries = Vec::new();
    let mut new = Vec::new();
    for n in 0..1_000 {
        let event = make.event(at(n));
        let owed = vec![make.owed(&event, &one), make.owed(&event, &other)];
        deliveries.extend(owed.iter().map(|delivery| delivery.id));
        new.push(keyed(&n.to_string(), event, owed));
    }
    let kept = keep(store, new.clone()).await;
    assert!(kept.iter().map(|kept| kept.position.0).eq(1..=1_000));
    assert!(kept.iter().zip(&new).all(|(kept, new)| kept.is_new && kept.id == new.event.id));
    assert_eq!(store.read_log(Position::START, ALL).await.unwrap().len(), 1_000);
    for subscription in [&one, &other] {
        let id = subscription.subscription.id;
        assert_eq!(store.statistics(id).await.unwrap().total, 1_000);
    }
    deliveries.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(delivery_ids(store, &DeliveryFilter::default()).await, deliveries);
}

/// Eight writers append batches, long ones among short ones so that they overtake each other. Meanwhile a reader
/// follows the log, going on each time from the last position that it saw.
pub(crate) async fn a_reader_steps_over_nothing_while_eight_write(store: &dyn Store) {
    let make = &mut Make::new();
    let work = work_for(8, make);
    let written: BTreeSet<_> = work.iter().flatten().flatten().map(|new| new.event.id).collect();
    let is_done = Cell::new(false);
    let writers = async {
        join_all(work.into_iter().map(|batches| write(store, batches))).await;
        is_done.set(true);
    };
    let (read, ()) = join(follow(store, &is_done), writers).await;
    assert!(read.iter().map(|logged| logged.position.0).eq(1..=written.len() as i64));
    assert_eq!(read.iter().map(|logged| logged.event.id).collect::<BTreeSet<_>>(), written);
}

/// Fifty batches for each writer, every seventh a long one.
pub(crate) fn work_for(writers: usize, make: &mut Make) -> Vec<Vec<Vec<NewEvent>>> {
    let mut batch =
        |n: usize| (0..if n.is_multiple_of(7) { 60 } else { 1 }).map(|_| plain(make.event(at(1)))).collect();
    (0..writers).map(|writer| (0..50).map(|n| batch(writer + n)).collect()).collect()
}

pub(crate) async fn write(store: &dyn Store, batches: Vec<Vec<NewEvent>>) {
    for batch in batches {
        keep(store, batch).await;
        tokio::task::yield_now().await;
    }
}

/// Reads the log to the end that it has once `is_done`.
pub(crate) async fn follow(store: &dyn Store, is_done: &Cell<bool>) -> Vec<Logged> {
    let mut read: Vec<Logged> = Vec::new();
    loop {
        let was_done = is_done.get();
        let after = read.last().map_or(Position::START, |logged| logged.position);
        let page = store.read_log(after, 100).await.unwrap();
        if page.is_empty() && was_done {
            return read;
        }
        read.extend(page);
        tokio::task::yield_now().await;
    }
}
