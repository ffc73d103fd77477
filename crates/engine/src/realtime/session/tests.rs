use domain::event::Json;
use domain::{Access, Event, EventId, UserId};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use store::Logged;

use super::*;
use crate::realtime::ephemera::Rooms;
use crate::realtime::line::Line;
use crate::realtime::tail::{Entry, Tail, batch_of};

const HEARTBEAT: Duration = Duration::from_secs(25);
const USERS: [&str; 3] = ["alice", "bob", "carol"];
const TYPES: [&str; 6] =
    ["message.new", "message.read", "task.created", "delivery.failed", "message", "a.b.c"];
const PATTERNS: [&str; 6] = ["*", "message.*", "message.new", "delivery.*", "a.b.*", "task.created"];

fn at(seconds: u64) -> Moment {
    Moment { time: Timestamp::from_seconds(seconds as i64), elapsed: Duration::from_secs(seconds) }
}

fn user(number: usize) -> UserId {
    USERS[number].parse().unwrap()
}

/// An event at each position, of somebody or of nobody.
fn log(owners: &[(Option<usize>, usize)]) -> Vec<Logged> {
    let rng = &mut SmallRng::seed_from_u64(1);
    let now = Timestamp::from_seconds(1);
    let event = |&(owner, kind): &(Option<usize>, usize)| Event {
        id: EventId::new(now, rng),
        event_type: TYPES[kind].parse().unwrap(),
        user_id: owner.map(user),
        source: "api".into(),
        provider: None,
        occurred_at: now,
        received_at: now,
        data: Json::trusted("{}"),
        raw: None,
    };
    let events = owners.iter().map(event).collect::<Vec<_>>();
    let place = |(index, event)| Logged { position: Position(index as i64 + 1), event: Arc::new(event) };
    events.into_iter().enumerate().map(place).collect()
}

fn entries(log: &[Logged]) -> Vec<Arc<Entry>> {
    log.iter().map(|logged| Arc::new(Entry::from(logged.clone()))).collect()
}

fn patterns(numbers: &[usize]) -> Vec<domain::subscription::TypePattern> {
    numbers.iter().map(|&number| PATTERNS[number].parse().unwrap()).collect()
}

/// What the rules say, in other words than the code's.
fn may_see(event: &Event, owner: Option<usize>, token: Option<&[usize]>, wanted: &[usize]) -> bool {
    let named = |numbers: &[usize]| {
        numbers.iter().any(|&number| match PATTERNS[number] {
            "*" => !event.event_type.as_str().starts_with("delivery."),
            exact if !exact.ends_with(".*") => event.event_type.as_str() == exact,
            below => event.event_type.as_str().starts_with(&below[..below.len() - 1]),
        })
    };
    let is_theirs = owner.is_none_or(|owner| event.user_id == Some(user(owner)));
    is_theirs && named(if wanted.is_empty() { &[0] } else { wanted }) && token.is_none_or(named)
}

fn open(grant: &Grant, wanted: &[usize], from: From, head: i64) -> (Session, Vec<Frame>) {
    let scope = grant.scope(None, patterns(wanted)).unwrap();
    Session::open((7, HEARTBEAT), grant, scope, from, (Position(head), Position::START), at(0))
}

fn shown(frames: &[Frame]) -> Vec<i64> {
    let position = |frame: &Frame| match frame {
        Frame::Event { cursor, .. } => Some(cursor.0.0),
        _ => None,
    };
    frames.iter().filter_map(position).collect()
}

/// Where the session gets what it shows from.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Pages of the log that begin somewhere before, as another reader would have asked for them.
    StalePage(usize),
    /// The store, in pages of this many.
    Store(usize),
    /// The tail.
    Tail,
    /// The connection breaks, and a new one goes on from the last frame's cursor.
    Reconnect,
    /// Nothing for a while.
    Silence,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..40_usize).prop_map(Step::StalePage),
        (1..5_usize).prop_map(Step::Store),
        Just(Step::Tail),
        Just(Step::Reconnect),
        Just(Step::Silence),
    ]
}

proptest! {
    #[test]
    fn each_event_that_may_be_seen_is_shown_once_in_order_and_no_other(
        owners in prop::collection::vec((prop::option::of(0..3_usize), 0..6_usize), 0..120),
        owner in prop::option::of(0..3_usize),
        token in prop::option::of(prop::collection::vec(0..6_usize, 1..3)),
        wanted in prop::collection::vec(0..6_usize, 0..3),
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let log = log(&owners);
        let access = owner.map_or(Access::Admin, |owner| Access::User(user(owner)));
        let grant = Grant { types: token.as_deref().map(patterns), ..Grant::of(access) };
        let head = Position(log.len() as i64);
        let tail = Tail::new(Position::START);
        tail.push(entries(&log), head);
        let (mut session, mut frames) = open(&grant, &wanted, From::Earliest, head.0);
        let (mut seen, mut previous) = (Vec::new(), None);
        // In the end all of it is read.
        for step in steps.into_iter().chain([Step::Tail; 4]) {
            let after = session.position();
            let read = |after: Position, limit: usize| {
                let page: Vec<_> = log.iter().filter(|l| l.position > after).take(limit).cloned().collect();
                let is_whole = page.len() < limit;
                batch_of(page, session.scope(), after, head, is_whole)
            };
            frames.extend(match step {
                Step::StalePage(back) => {
                    let from = Position((after.0 - back as i64).max(0));
                    let page = log.iter().filter(|l| l.position > from && l.position <= after);
                    let page: Vec<_> = page.cloned().collect();
                    let ahead = Ahead { entries: entries(&page), to: from, is_all: false };
                    session.show(ahead, at(0))
                }
                Step::Store(limit) => { let ahead = read(after, limit); session.show(ahead, at(0)) }
                Step::Tail => {
                    let ahead = tail.read().after(after, session.scope()).unwrap();
                    session.show(ahead, at(0))
                }
                Step::Silence => {
                    let until = session.due_in(at(0)).as_secs();
                    session.pass_time(at(until), None).unwrap().into_iter().collect()
                }
                Step::Reconnect => {
                    let cursor = frames.iter().rev().find_map(Frame::cursor).or(previous).unwrap();
                    let (next, ready) = open(&grant, &wanted, From::After(cursor), head.0);
                    session = next;
                    ready
                }
            });
            for frame in frames.drain(..) {
                if let Frame::Event { previous: named, entry, .. } = &frame {
                    prop_assert_eq!(Some(*named), previous);
                    prop_assert!(may_see(&entry.event, owner, token.as_deref(), &wanted));
                }
                seen.extend(shown(std::slice::from_ref(&frame)));
                previous = frame.cursor().or(previous);
            }
        }
        let due = log.iter().filter(|logged| may_see(&logged.event, owner, token.as_deref(), &wanted));
        prop_assert_eq!(seen, due.map(|logged| logged.position.0).collect::<Vec<_>>());
    }

    /// The follower reads on in batches, and rings whoever is concerned; the session looks when it is rung, or after a
    /// silence, and steps over what it knows to hold nothing for it.
    #[test]
    fn nothing_is_stepped_over_on_the_word_of_the_bell(
        owners in prop::collection::vec((prop::option::of(0..3_usize), 0..6_usize), 1..120),
        cuts in prop::collection::vec((1..8_usize, any::<bool>(), any::<bool>()), 1..60),
        start in 0..20_usize,
    ) {
        let log = log(&owners);
        let clock: Arc<dyn crate::clock::Clock> = Arc::new(crate::clock::SystemClock::new());
        let (tail, rooms) = (Tail::new(Position::START), Arc::new(Rooms::default()));
        let start = start.min(log.len());
        let grant = Grant::of(Access::User(user(0)));
        // Some of it is there before the session is.
        tail.push(entries(&log[..start]), Position(start as i64));
        let (mut session, _) = open(&grant, &[0, 3], From::Earliest, start as i64);
        let seat = rooms.enter(&Line::to_nobody(session.scope()), Some(1), &clock).unwrap();
        let (mut seen, mut end) = (Vec::new(), start);
        let last = (log.len(), true, false);
        for (count, looks, is_silent) in cuts.into_iter().chain([last]) {
            let batch = &log[end..(end + count).min(log.len())];
            let from = Position(end as i64);
            end += batch.len();
            let batch = entries(batch);
            tail.push(batch.clone(), Position(end as i64));
            let _rung = rooms.ring(&batch, from);
            if looks {
                while session.is_behind(seat.marks()) {
                    let ahead = tail.read().after(session.position(), session.scope()).unwrap();
                    seen.extend(shown(&session.show(ahead, at(0))));
                }
            }
            if is_silent {
                let quiet_to = (!session.is_behind(seat.marks())).then_some(Position(end as i64));
                let _heartbeat = session.pass_time(at(30), quiet_to).unwrap();
            }
        }
        let theirs = log.iter().filter(|logged| may_see(&logged.event, Some(0), None, &[0, 3]));
        prop_assert_eq!(seen, theirs.map(|logged| logged.position.0).collect::<Vec<_>>());
    }
}

#[test]
fn a_cursor_that_cannot_be_honoured_is_reset_before_any_event() {
    let begun = |from, head, removed_to| {
        let grant = Grant::of(Access::Admin);
        let scope = grant.scope(None, vec![]).unwrap();
        let state = (Position(head), Position(removed_to));
        let (session, frames) = Session::open((1, HEARTBEAT), &grant, scope, from, state, at(0));
        let resets = frames.iter().filter_map(|frame| match frame {
            Frame::Reset(lost, cursor) => Some((lost.as_str(), cursor.0.0)),
            _ => None,
        });
        (session.position().0, resets.collect::<Vec<_>>())
    };
    let after = |position| From::After(Cursor(Position(position)));
    assert_eq!(begun(From::Now, 9, 5), (9, vec![]));
    assert_eq!(begun(From::Earliest, 9, 5), (0, vec![]));
    assert_eq!(begun(after(5), 9, 5), (5, vec![]));
    assert_eq!(begun(after(9), 9, 5), (9, vec![]));
    assert_eq!(begun(after(4), 9, 5), (9, vec![("expired", 9)]));
    assert_eq!(begun(after(10), 9, 5), (9, vec![("unknown", 9)]));
    assert_eq!(begun(From::Nowhere, 9, 5), (9, vec![("unknown", 9)]));
}

#[test]
fn what_is_removed_ahead_of_a_reader_resets_it() {
    let (mut session, _) = open(&Grant::of(Access::Admin), &[], From::Earliest, 9);
    assert!(session.note_removals(Position::START, Position(9)).is_none());
    let Some([Frame::Reset(Lost::Expired, reset), Frame::Heartbeat(beat)]) =
        session.note_removals(Position(4), Position(9))
    else {
        panic!("it has lost something")
    };
    assert_eq!((reset, beat, session.position()), (Cursor(Position(9)), reset, Position(9)));
    assert!(session.note_removals(Position(8), Position(9)).is_none(), "it was past that");
}

#[test]
fn a_stream_ends_when_its_token_does_and_not_before() {
    let user = |name: &str| Access::User(name.parse().unwrap());
    let until = |access, seconds: u64| Grant { expires_at: Some(at(seconds).time), ..Grant::of(access) };
    let (mut session, _) = open(&until(user("alice"), 10), &[], From::Now, 0);
    assert_eq!(session.due_in(at(9)), Duration::from_secs(1));
    assert!(matches!(session.pass_time(at(9), None), Ok(None)));
    assert!(matches!(session.pass_time(at(10), None), Err(Bye::Expired)));
    session.renew(&until(user("alice"), 100)).unwrap();
    assert!(matches!(session.pass_time(at(10), None), Ok(None)));
    assert_eq!(session.renew(&until(user("bob"), 200)), Err(Bye::Unauthorized));
    let (mut all, _) = open(&Grant::of(Access::Admin), &[], From::Now, 0);
    assert_eq!(all.renew(&until(user("alice"), 100)), Err(Bye::Unauthorized));
}

#[test]
fn a_silence_is_broken_and_its_cursor_can_be_resumed_from() {
    let (mut session, _) = open(&Grant::of(Access::Admin), &[], From::Now, 3);
    assert!(matches!(session.pass_time(at(24), Some(Position(5))), Ok(None)));
    let Ok(Some(Frame::Heartbeat(cursor))) = session.pass_time(at(25), Some(Position(5))) else {
        panic!("a heartbeat is due")
    };
    assert_eq!(cursor, Cursor(Position(5)));
    assert_eq!(session.due_in(at(25)), HEARTBEAT);
    session.leave_at(Duration::from_secs(26));
    assert_eq!(session.due_in(at(25)), Duration::from_secs(1));
    assert!(matches!(session.pass_time(at(26), None), Err(Bye::Shutdown)));
}

#[test]
fn only_a_hello_opens_and_only_once() {
    let greeting = Greeting::new(at(0), Duration::from_secs(10));
    assert_eq!(greeting.due_in(at(4)), Duration::from_secs(6));
    assert!(greeting.hear(r#"{"t":"hello","v":1}"#).is_ok());
    for other in [r#"{"t":"pong"}"#, r#"{"t":"auth","token":"x"}"#, "x"] {
        assert_eq!(greeting.hear(other).err(), Some(Bye::BadFrame));
    }
    let (session, _) = open(&Grant::of(Access::Admin), &[], From::Now, 0);
    assert_eq!(session.hear(r#"{"t":"hello","v":1}"#).err(), Some(Bye::BadFrame));
    assert!(matches!(session.hear(r#"{"t":"auth","token":"x"}"#), Ok(Asked::Renewal(token)) if token == "x"));
}
