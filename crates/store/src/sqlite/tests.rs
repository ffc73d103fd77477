//! What the suite cannot see from outside: that every statement is one that SQLite can prepare, that dedupe keys and users'
//! events are found wherever they are on their way from memory to the index, and that the disk is waited for.

use std::io;
use std::sync::mpsc;

use domain::event::{DedupeKey, Json};
use domain::{Event, EventId};
use rand::rngs::SmallRng;

use super::*;

#[test]
fn every_statement_prepares() {
    let connection = connect(Path::new(":memory:")).unwrap();
    let multi_row = write::MULTI_ROW.iter().flat_map(|multi| [multi.of(1), multi.of(multirow::ROWS_MAX)]);
    let own = write::STATEMENTS.iter().chain(remove::STATEMENTS).copied().cloned().chain([
        HEAD,
        READ_INBOX_LOG,
        runs::INDEXED,
        runs::KEYS_OF_RUN,
    ]);
    for statement in crate::tables::statements::<Sqlite>().into_iter().chain(own).chain(multi_row) {
        let prepared = connection.prepare(statement.text());
        assert!(prepared.is_ok(), "{}: {:?}", statement.name, prepared.err());
    }
}

#[test]
fn no_statement_walks_through_all_events_deliveries_or_attempts() {
    let connection = connect(Path::new(":memory:")).unwrap();
    let own = write::STATEMENTS.iter().chain(remove::STATEMENTS).copied().cloned().chain([
        HEAD,
        READ_INBOX_LOG,
        runs::INDEXED,
        runs::KEYS_OF_RUN,
    ]);
    let all = crate::tables::served_by_indexes::<Sqlite>()
        .into_iter()
        .chain(own.map(|statement| (statement, false)));
    let partial = column(
        &connection,
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql LIKE '% WHERE %'",
        0,
    );
    for (statement, may_walk) in all {
        let plan = column(&connection, &format!("EXPLAIN QUERY PLAN {}", statement.text()), 3);
        for step in &plan {
            let words: Vec<&str> = step.split(' ').collect();
            let is_walk =
                matches!(words[..], ["SCAN", "events" | "mine" | "deliveries" | "attempts" | "known", ..]);
            let is_narrow = words.iter().any(|word| partial.iter().any(|index| index == word));
            let is_history = words.contains(&"deliveries_subscription")
                && ["waiting", "overdue", "statistics"].contains(&statement.name);
            assert!(!is_history, "{}: all that it ever had: {plan:#?}", statement.name);
            assert!(!is_walk || is_narrow || may_walk, "{}: {plan:#?}\n{}", statement.name, statement.text());
        }
    }
}

/// A column of what a statement answers; its parameters are null.
fn column(connection: &rusqlite::Connection, statement: &str, index: usize) -> Vec<String> {
    let mut prepared = connection.prepare(statement).unwrap();
    prepared.raw_query().mapped(|row| row.get(index)).collect::<Result<_, _>>().unwrap()
}

/// As small as they can be: then a few thousand events pass through many generations, and into many runs.
const GENERATION: i64 = 128;
const RUN: i64 = 300;

/// What writes to the database at `path`, just opened.
fn open(path: &Path) -> Desk {
    let connection = connect(path).unwrap();
    let runs = Runs::open(&connection, RUN).unwrap();
    let disk = Disk::start(|| Ok(())).unwrap();
    let mut desk = Desk::new(connection, runs, RecentUsers::default(), disk, Arc::default(), Arc::default());
    desk.log = Some(write::read_log_end(&desk, GENERATION).unwrap());
    desk
}

#[test]
fn a_repeat_is_known_wherever_its_key_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("waystation.db");
    let mut first = Vec::new();
    for opened in 0..4 {
        let mut desk = open(&path);
        for batch in 0..20 {
            let new: Vec<_> = (0..50).map(|index| (opened * 20 + batch) * 50 + index).collect();
            let old: Vec<_> = (0..first.len()).step_by(97).collect();
            let kept = append(&mut desk, new.iter().chain(&old));
            assert!(kept[..new.len()].iter().all(|kept| kept.is_new));
            for (number, kept) in old.iter().zip(&kept[new.len()..]) {
                let known: KeptEvent = first[*number];
                assert_eq!((kept.id, kept.position, kept.is_new), (known.id, known.position, false));
            }
            first.extend_from_slice(&kept[..new.len()]);
        }
        let indexed: i64 =
            desk.connection.query_row("SELECT count(*) FROM dedupe_keys", [], |row| row.get(0)).unwrap();
        assert!(indexed > 0 && (indexed as usize) < first.len(), "{indexed} of {}", first.len());
    }
}

#[test]
fn every_repeat_is_known_before_any_filter_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("waystation.db");
    let all: Vec<usize> = (0..2_000).collect();
    let mut desk = open(&path);
    let first: Vec<_> = all.chunks(50).flat_map(|batch| append(&mut desk, batch.iter())).collect();
    drop(desk);

    let mut desk = open(&path);
    desk.runs.stop_reading();
    // Each key may be in each run, which is more than one statement asks.
    let again = append(&mut desk, all.iter());
    assert!(again.iter().zip(&first).all(|(kept, known)| !kept.is_new && kept.id == known.id));
    assert!(append(&mut desk, [2_000].iter())[0].is_new);
}

#[test]
fn what_is_removed_is_new_again_and_all_else_is_still_known() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("waystation.db");
    let all: Vec<usize> = (0..2_000).collect();
    let mut desk = open(&path);
    let first: Vec<_> = all.chunks(50).flat_map(|batch| append(&mut desk, batch.iter())).collect();
    // Whole runs, and part of one.
    let (gone, stays) = first.split_at(1_000);
    for ids in gone.chunks(100) {
        let ids: Vec<EventId> = ids.iter().map(|kept| kept.id).collect();
        assert_eq!(remove::events(&mut desk, &ids).unwrap(), 100);
    }
    let oldest: i64 =
        desk.connection.query_row("SELECT min(position) FROM dedupe_keys", [], |row| row.get(0)).unwrap();
    assert_eq!(oldest, stays[0].position.0);
    drop(desk);

    let mut desk = open(&path);
    let again: Vec<_> = all.chunks(50).flat_map(|batch| append(&mut desk, batch.iter())).collect();
    assert!(again[..1_000].iter().all(|kept| kept.is_new));
    assert!(again[1_000..].iter().zip(stays).all(|(kept, known)| !kept.is_new && kept.id == known.id));
}

#[test]
fn the_events_of_a_user_are_found_wherever_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("waystation.db");
    let mut first = Vec::new();
    for opened in 0..4 {
        let mut desk = open(&path);
        for batch in 0..20 {
            let new: Vec<_> = (0..50).map(|index| (opened * 20 + batch) * 50 + index).collect();
            first.extend(append(&mut desk, new.iter()));
            let user = user_of(batch);
            write::index_events_of(&mut desk, &user).unwrap();
            let theirs = first.iter().enumerate().filter(|&(number, _)| user_of(number) == user);
            assert!(
                indexed_of(&desk, &user).into_iter().eq(theirs.map(|(_, kept)| (kept.id, kept.position)))
            );
        }
        let indexed = count(&desk, "SELECT count(*) FROM user_events");
        assert!(indexed < first.len() as i64, "{indexed} of {}", first.len());
        let indexed_to = count(&desk, "SELECT users_indexed_to FROM log");
        assert!(indexed_to >= first.len() as i64 - 4 * GENERATION, "{indexed_to} of {}", first.len());
    }
}

#[test]
fn what_is_removed_is_not_in_the_index_of_users_either_and_does_not_come_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut desk = open(&directory.path().join("waystation.db"));
    let all: Vec<usize> = (0..2_000).collect();
    let first: Vec<_> = all.chunks(50).flat_map(|batch| append(&mut desk, batch.iter())).collect();
    // Some were indexed long ago, some have just moved, and some have not.
    let gone: Vec<EventId> = first.iter().step_by(2).map(|kept| kept.id).collect();
    for ids in gone.chunks(100) {
        assert_eq!(remove::events(&mut desk, ids).unwrap(), 100);
    }
    let more: Vec<usize> = (2_000..3_000).collect();
    more.chunks(50).for_each(|batch| _ = append(&mut desk, batch.iter()));
    let of_none = "SELECT count(*) FROM user_events WHERE NOT EXISTS
                       (SELECT 1 FROM events WHERE position = user_events.position AND id = user_events.id)";
    assert_eq!(count(&desk, of_none), 0);
    assert!(count(&desk, "SELECT count(*) FROM user_events") > 1_000);
}

#[tokio::test]
async fn the_index_of_users_is_made_for_a_database_that_had_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("waystation.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(MIGRATIONS[0].script).unwrap();
    connection
        .execute_batch(
            "INSERT INTO events
             WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 300)
             SELECT n, randomblob(16), 'task.created', nullif('user-' || (n % 3), 'user-0'), 'api', NULL, 0, 0, NULL, '{}', NULL
             FROM n;
             PRAGMA user_version = 1",
        )
        .unwrap();
    drop(connection);
    let store = SqliteStore::open(&path).await.unwrap();
    let theirs = store.read_log_of(&"user-1".parse().unwrap(), Position(100), 10).await.unwrap();
    assert_eq!(
        theirs.iter().map(|logged| logged.position.0).collect::<Vec<_>>(),
        (103..).step_by(3).take(10).collect::<Vec<_>>()
    );
    let filter = EventFilter { user_id: Some("user-2".parse().unwrap()), ..EventFilter::default() };
    assert_eq!(store.events(&filter, &Page::first(200)).await.unwrap().len(), 100);
    store.close().await;
}

fn count(desk: &Desk, statement: &str) -> i64 {
    desk.connection.query_row(statement, [], |row| row.get(0)).unwrap()
}

/// What the index says of a user, in the order of the log.
fn indexed_of(desk: &Desk, user: &UserId) -> Vec<(EventId, Position)> {
    let statement = "SELECT id, position FROM user_events WHERE user_id = $1 ORDER BY position";
    let mut prepared = desk.connection.prepare(statement).unwrap();
    let rows = prepared
        .query_map([user.as_str()], |row| Ok((row.get::<_, [u8; 16]>(0)?.into(), Position(row.get(1)?))));
    rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

/// A store whose disk flushes when the test says so, with what the test says.
fn on_disk(path: &Path) -> (SqliteStore, mpsc::Sender<io::Result<()>>) {
    let (flush, flushes) = mpsc::channel();
    let disk = Disk::start(move || flushes.recv().unwrap_or(Ok(()))).unwrap();
    let (durable, counters) = (Arc::default(), Arc::default());
    let connection = connect(path).unwrap();
    let runs = Runs::open(&connection, super::RUN).unwrap();
    let users = RecentUsers::default();
    let desk = Desk::new(connection, runs, users.clone(), disk, Arc::clone(&durable), Arc::clone(&counters));
    let writer = Writer::start(desk, Folding::start(path).unwrap()).unwrap();
    (
        SqlStore(Sqlite {
            writer,
            readers: Readers::new(path.to_owned()),
            users,
            durable,
            counters,
            notes: Board::default(),
        }),
        flush,
    )
}

#[tokio::test]
async fn an_append_is_answered_and_read_once_it_is_on_the_disk_and_not_before() {
    let directory = tempfile::tempdir().unwrap();
    let (store, flush) = on_disk(&directory.path().join("waystation.db"));
    let now = Timestamp::from_seconds(1_700_000_000);
    let one: Arc<[Append]> = [Append { events: vec![numbered(&1)], idempotency: None }].into();
    let mut appending = std::pin::pin!(store.append(one, RoutesVersion(0), now));
    assert!(tokio::time::timeout(Duration::from_millis(200), appending.as_mut()).await.is_err());
    assert_eq!(store.read_log(Position::START, 10).await.unwrap(), []);
    assert_eq!(store.head().await.unwrap(), Position::START);
    flush.send(Ok(())).unwrap();
    assert!(matches!(appending.await.unwrap(), Appended::Durable(_)));
    assert_eq!(store.head().await.unwrap(), Position(1));

    flush.send(Err(io::Error::other("the disk is gone"))).unwrap();
    let two: Arc<[Append]> = [Append { events: vec![numbered(&2)], idempotency: None }].into();
    let lost = store.append(Arc::clone(&two), RoutesVersion(0), now).await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    assert_eq!(store.read_log(Position::START, 10).await.unwrap().len(), 1);

    // Nobody can tell whether the second is there, so it is asked again; the next append puts all before it on the disk.
    flush.send(Ok(())).unwrap();
    assert!(matches!(
        store.append(Arc::clone(&two), RoutesVersion(0), now).await.unwrap(),
        Appended::Durable(_)
    ));
    assert_eq!(store.read_log(Position::START, 10).await.unwrap().len(), 2);
}

/// Appends events with the dedupe keys of those numbers.
fn append<'n>(desk: &mut Desk, numbers: impl Iterator<Item = &'n usize>) -> Vec<KeptEvent> {
    let append = Append { events: numbers.map(numbered).collect(), idempotency: None };
    match write::append(desk, &[append], RoutesVersion(0), Timestamp::from_seconds(1_700_000_000)).unwrap() {
        Appended::Durable(mut kept) => match kept.remove(0) {
            Kept::Events(kept) => kept,
            Kept::KeyTaken => panic!("no key was given"),
        },
        Appended::StaleRoutes => panic!("nobody has changed the routes"),
    }
}

fn numbered(number: &usize) -> NewEvent {
    let now = Timestamp::from_seconds(1_700_000_000);
    let event = Event {
        id: EventId::new(now, &mut rand::make_rng::<SmallRng>()),
        event_type: "task.created".parse().unwrap(),
        user_id: Some(user_of(*number)),
        source: "api".into(),
        provider: None,
        occurred_at: now,
        received_at: now,
        data: Json::parse(b"{}").unwrap(),
        raw: None,
    };
    let dedupe_key = Some(DedupeKey::new("api", None, &number.to_string()));
    NewEvent { event: Arc::new(event), dedupe_key, deliveries: vec![] }
}

/// Forty users in turn.
fn user_of(number: usize) -> UserId {
    format!("user-{}", number % 40).parse().unwrap()
}
