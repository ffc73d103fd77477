//! Reading events: lists, pages and counts.

use domain::event::Json;
use domain::{Event, Timestamp};
use store::{Counted, EVENTS_PER_CALL_MAX, EventCount, EventFilter, Page, Store};

use crate::make::{Make, at, plain, user};
use crate::steps::{ALL, event_ids, keep};

/// Twelve events, a second apart: of alice, bob and nobody; of two types; from two sources.
async fn twelve(store: &dyn Store, make: &mut Make) -> Vec<Event> {
    let users = [Some(user("alice")), Some(user("bob")), None];
    let types = ["task.created", "task.done"];
    let sources = ["api", "github"];
    let event = |n: usize| Event {
        user_id: users[n % 3].clone(),
        event_type: types[n / 3 % 2].parse().unwrap(),
        source: sources[n / 6].into(),
        ..make.event(at(n as i64))
    };
    let events: Vec<_> = (0..12).map(event).collect();
    keep(store, events.iter().cloned().map(plain).collect()).await;
    events
}

pub(crate) async fn events_are_listed_from_the_newest(store: &dyn Store) {
    let events = twelve(store, &mut Make::new()).await;
    let listed = store.events(&EventFilter::default(), &Page::first(ALL)).await.unwrap();
    assert!(listed.iter().map(|logged| &*logged.event).eq(events.iter().rev()));
    assert!(listed.iter().map(|logged| logged.position.0).eq((1..=12).rev()));
}

pub(crate) async fn each_filter_of_events_finds_what_it_means(store: &dyn Store) {
    let events = twelve(store, &mut Make::new()).await;
    let all = EventFilter::default;
    let filters: [(EventFilter, &[usize]); 8] = [
        (EventFilter { user_id: Some(user("bob")), ..all() }, &[10, 7, 4, 1]),
        (EventFilter { event_type: Some("task.done".parse().unwrap()), ..all() }, &[11, 10, 9, 5, 4, 3]),
        (EventFilter { source: Some("github".to_owned()), ..all() }, &[11, 10, 9, 8, 7, 6]),
        (EventFilter { since: Some(at(9)), ..all() }, &[11, 10, 9]),
        (EventFilter { until: Some(at(2)), ..all() }, &[1, 0]),
        (EventFilter { since: Some(at(4)), until: Some(at(4)), ..all() }, &[]),
        (EventFilter { user_id: Some(user("carol")), ..all() }, &[]),
        (
            EventFilter {
                user_id: Some(user("alice")),
                event_type: Some("task.created".parse().unwrap()),
                source: Some("github".to_owned()),
                since: Some(at(6)),
                until: Some(at(9)),
            },
            &[6],
        ),
    ];
    for (filter, meant) in filters {
        let expected: Vec<_> = meant.iter().map(|&n| events[n].id).collect();
        assert_eq!(event_ids(store, &filter).await, expected, "{filter:?}");
    }
}

pub(crate) async fn some_events_are_read_whole_but_for_their_raw_bytes(store: &dyn Store) {
    let make = &mut Make::new();
    let mut events: Vec<_> = (0..EVENTS_PER_CALL_MAX).map(|_| make.event(at(1))).collect();
    for (number, event) in events.iter_mut().enumerate() {
        event.data = Json::from_text(&format!(r#"{{"n": {number}}}"#)).unwrap();
        event.raw = Some(vec![1]);
    }
    let unknown = make.event(at(1)).id;
    keep(store, events.iter().cloned().map(plain).collect()).await;
    events.sort_by_key(|event| event.id);
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    let whole = |event: &Event| Event { raw: None, ..event.clone() };
    let all = store.events_of(&ids).await.unwrap();
    assert!(all.iter().map(|event| Event::clone(event)).eq(events.iter().map(whole)));
    let some = store.events_of(&[ids[7], unknown, ids[3]]).await.unwrap();
    assert_eq!(some.iter().map(|event| event.id).collect::<Vec<_>>(), [ids[3], ids[7]]);
    assert_eq!(store.events_of(&[]).await.unwrap(), []);
}

pub(crate) async fn a_list_ends_at_its_limit(store: &dyn Store) {
    let events = twelve(store, &mut Make::new()).await;
    let filter = EventFilter { user_id: Some(user("alice")), ..EventFilter::default() };
    let page = store.events(&filter, &Page { before: Some(events[9].id), limit: 2 }).await.unwrap();
    assert!(page.iter().map(|logged| logged.event.id).eq([events[6].id, events[3].id]));
}

pub(crate) async fn a_walk_by_one_sees_every_event_once(store: &dyn Store) {
    let make = &mut Make::new();
    let mut events = twelve(store, make).await;
    // Ids of one millisecond are in no order among themselves, and still none is seen twice or left out.
    let together: Vec<_> = (0..8).map(|_| make.event(at(5))).collect();
    keep(store, together.iter().cloned().map(plain).collect()).await;
    events.extend(together);
    let mut seen = Vec::new();
    let mut page = Page::first(1);
    while let [logged] = &store.events(&EventFilter::default(), &page).await.unwrap()[..] {
        seen.push(logged.event.id);
        page.before = Some(logged.event.id);
    }
    let mut expected: Vec<_> = events.iter().map(|event| event.id).collect();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(seen, expected);
}

/// The counts of all time in buckets of `bucket_seconds`.
fn ever(bucket_seconds: u32) -> Counted {
    Counted { user_id: None, since: at(-86_400), until: at(86_400), bucket_seconds }
}

fn count(bucket: Timestamp, source: &str, event_type: &str, count: i64) -> EventCount {
    EventCount { bucket, source: source.to_owned(), event_type: event_type.parse().unwrap(), count }
}

pub(crate) async fn events_are_counted_by_time_source_and_type(store: &dyn Store) {
    twelve(store, &mut Make::new()).await;
    let expected = [
        count(at(0), "api", "task.created", 3),
        count(at(0), "api", "task.done", 2),
        count(at(5), "api", "task.done", 1),
        count(at(5), "github", "task.created", 3),
        count(at(5), "github", "task.done", 1),
        count(at(10), "github", "task.done", 2),
    ];
    assert_eq!(store.event_counts(&ever(5)).await.unwrap(), expected);
}

pub(crate) async fn counts_begin_and_end_with_the_span_and_the_user(store: &dyn Store) {
    twelve(store, &mut Make::new()).await;
    let counted = Counted { since: at(1), until: at(8), user_id: Some(user("bob")), bucket_seconds: 3_600 };
    let hour = Timestamp::from_seconds(at(0).as_seconds() - at(0).as_seconds() % 3_600);
    let expected = [
        count(hour, "api", "task.created", 1),
        count(hour, "api", "task.done", 1),
        count(hour, "github", "task.created", 1),
    ];
    assert_eq!(store.event_counts(&counted).await.unwrap(), expected);
    let nothing = Counted { until: counted.since, ..counted };
    assert_eq!(store.event_counts(&nothing).await.unwrap(), []);
}

pub(crate) async fn a_bucket_ends_just_before_the_next_begins(store: &dyn Store) {
    let make = &mut Make::new();
    let next = Timestamp::from_seconds(at(0).as_seconds() / 60 * 60 + 60);
    let last = Timestamp::from_micros(next.as_micros() - 1);
    let bucket = Timestamp::from_seconds(next.as_seconds() - 60);
    keep(store, [bucket, last, next].map(|moment| plain(make.event(moment))).to_vec()).await;
    let expected = [count(bucket, "api", "task.created", 2), count(next, "api", "task.created", 1)];
    assert_eq!(store.event_counts(&ever(60)).await.unwrap(), expected);
}

pub(crate) async fn counts_are_sorted_by_byte_and_not_as_people_sort(store: &dyn Store) {
    let make = &mut Make::new();
    let sources = ["API", "a b", "a-b", "aB", "a_b", "ab", "Äb"];
    let events =
        sources.iter().rev().map(|&source| Event { source: source.to_owned().into(), ..make.event(at(1)) });
    keep(store, events.map(plain).collect()).await;
    let counts = store.event_counts(&ever(60)).await.unwrap();
    assert!(counts.iter().map(|count| count.source.as_str()).eq(sources));
}
