//! SQLite: one writer that commits for many, and a few readers beside it.
//!
//! The database is in WAL mode, and what is to be durable has reached the disk before it is answered. All writes go through
//! one connection, so that nothing ever waits for SQLite's own lock, and readers never wait at all.

mod disk;
mod fold;
mod generations;
mod multirow;
mod readers;
mod recent;
mod remove;
mod runs;
mod users;
mod write;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::batch::Batch;
use domain::delivery::{Claim, Delivery};
use domain::job::Only;
use domain::{DeliveryId, EventId, SourceId, SubscriptionId, Timestamp, UserId};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql};

use self::disk::Disk;
use self::fold::Folding;
use self::readers::Readers;
use self::runs::{RUN, Runs};
use self::users::RecentUsers;
use self::write::HEAD;
use self::writer::{Desk, Writer};
use crate::engine::{Engine, SqlStore};
use crate::migrate::{Migration, migrations, pending};
use crate::notes::Board;
use crate::sql::{Counters, Row, Sql, Statement, Value};
use crate::*;

const MIGRATIONS: &[Migration] = migrations!("sqlite": 1 "0001_spine", 2 "0002_user_events");

/// How long a statement waits for another process that writes, such as `waystation keys`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Without the hint SQLite would rather walk along the log itself.
const READ_INBOX_LOG: Statement = Statement::new(
    "read_inbox_log",
    const_format::formatcp!(
        "SELECT {} FROM events INDEXED BY events_inbox WHERE position > $1 AND {} ORDER BY position LIMIT $2",
        rows::EVENT,
        tables::inbox::IS_FOLLOWED
    ),
);

/// The order of the two is the order of the reading: a user's places, and then the event at each.
const USER_EVENTS: &str = "user_events AS mine CROSS JOIN events ON events.position = mine.position";

/// A store in one SQLite file.
pub type SqliteStore = SqlStore<Sqlite>;

/// The engine below a [`SqliteStore`].
#[derive(Debug)]
pub struct Sqlite {
    writer: Writer,
    readers: Readers,
    /// What readers may have to ask the writer for.
    users: RecentUsers,
    /// Up to which position the log is on the disk.
    durable: Arc<AtomicI64>,
    counters: Arc<Counters>,
    notes: Board,
}

impl SqliteStore {
    /// Opens the database at `path`, makes it if it is not there, and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot be opened or written, or a later program has written it.
    pub async fn open(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        let opening = tokio::task::spawn_blocking(move || {
            let connection = connect(&path)?;
            let log = flushed_log(&path)
                .map_err(|error| StoreError::Unavailable(format!("the write-ahead log: {error}")))?;
            let disk = Disk::start(move || log.sync_data())?;
            let durable = connection.query_row(HEAD.text(), [], |row| row.get(0)).map_err(classify)?;
            let (durable, counters) = (Arc::new(AtomicI64::new(durable)), Arc::new(Counters::default()));
            let (runs, users) = (Runs::open(&connection, RUN)?, RecentUsers::default());
            let desk =
                Desk::new(connection, runs, users.clone(), disk, Arc::clone(&durable), Arc::clone(&counters));
            let writer = Writer::start(desk, Folding::start(&path)?)?;
            let readers = Readers::new(path);
            Ok(SqlStore(Sqlite { writer, readers, users, durable, counters, notes: Board::default() }))
        });
        opening.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }
}

/// The connection that writes.
fn connect(path: &Path) -> Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "temp_store", "memory")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        // It holds a few batches. Its size costs: a commit that has balanced a tree looks through its whole hash table.
        connection.pragma_update(None, "cache_size", -4_096)?;
        let found = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok((connection, found))
    };
    let (connection, found) = open().map_err(classify)?;
    for migration in pending(MIGRATIONS, found)? {
        let script = format!(
            "BEGIN IMMEDIATE; {}; PRAGMA user_version = {}; COMMIT;",
            migration.script, migration.version
        );
        connection.execute_batch(&script).map_err(classify)?;
    }
    Ok(connection)
}

/// The write-ahead log, which the open connection has made. What an earlier program left in it is flushed, with the names
/// of the files.
fn flushed_log(database: &Path) -> std::io::Result<File> {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    let log = File::open(&path)?;
    log.sync_all()?;
    let directory = database.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(log)
}

/// Tells what will pass from what will not: busy, locked, out of memory, I/O error, full and cannot open pass.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn classify(error: rusqlite::Error) -> StoreError {
    match &error {
        rusqlite::Error::SqliteFailure(failure, _)
            if matches!(failure.extended_code & 0xff, 5 | 6 | 7 | 10 | 13 | 14) =>
        {
            StoreError::Unavailable(error.to_string())
        }
        rusqlite::Error::SqliteFailure(..) => StoreError::Refused(error.to_string()),
        _ => StoreError::Corrupt(error.to_string()),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
            Self::Id(value) => ValueRef::Blob(value),
        }))
    }
}

fn unpack(row: &rusqlite::Row<'_>) -> Result<Row> {
    let column = |index: usize| {
        Ok(match row.get_ref(index)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(value) => Value::Int(value),
            ValueRef::Blob(value) => Value::Bytes(value.to_vec()),
            value => Value::Text(value.as_str()?.into()),
        })
    };
    let columns: rusqlite::Result<_> = (0..row.as_ref().column_count()).map(column).collect();
    Ok(Row::new(columns.map_err(classify)?))
}

#[async_trait]
impl Sql for Sqlite {
    const USER_EVENTS: &'static str = USER_EVENTS;

    async fn index_events_of(&self, user: &UserId) -> Result<()> {
        let durable = Position(self.durable.load(Ordering::Acquire));
        while self.users.has(user, durable) {
            let user = user.clone();
            self.writer.run_relaxed(move |desk| write::index_events_of(desk, &user)).await?;
        }
        Ok(())
    }

    async fn read(&self, statement: &Statement, args: Vec<Value>) -> Result<Vec<Row>> {
        self.counters.count(statement.name);
        let statement = statement.clone();
        self.readers.read(move |connection| writer::fetch(connection, &statement, args)).await
    }

    async fn write(&self, statement: &Statement, args: Vec<Value>) -> Result<u64> {
        let statement = statement.clone();
        // One statement is a transaction.
        self.writer.run(move |desk| desk.run(&statement, args)).await
    }

    async fn write_fenced(&self, fences: usize, statements: Vec<(Statement, Vec<Value>)>) -> Result<bool> {
        self.writer.run(move |desk| write::together(desk, fences, statements)).await
    }
}

#[async_trait]
impl Engine for Sqlite {
    const IS_SHARED: bool = false;
    const READ_INBOX_LOG: Statement = READ_INBOX_LOG;

    async fn head(&self) -> Result<Position> {
        Ok(self.durable_end().unwrap_or(Position::START))
    }

    fn durable_end(&self) -> Option<Position> {
        Some(Position(self.durable.load(Ordering::Acquire)))
    }

    async fn append(
        &self,
        appends: Arc<[Append]>,
        routes: RoutesVersion,
        now: Timestamp,
    ) -> Result<Appended> {
        self.writer.run(move |desk| write::append(desk, &appends, routes, now)).await
    }

    async fn claim(&self, lanes: &[Lane], claim: &Claim, now: Timestamp) -> Result<Vec<Claimed>> {
        let (lanes, claim) = (lanes.to_vec(), claim.clone());
        self.writer.run_relaxed(move |desk| write::claim(desk, &lanes, &claim, now)).await
    }

    async fn claim_batch(
        &self,
        of: SubscriptionId,
        terms: &Batch,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<Vec<Claimed>> {
        let (terms, claim) = (*terms, claim.clone());
        self.writer.run_relaxed(move |desk| write::claim_batch(desk, of, terms, &claim, now)).await
    }

    async fn change(&self, changes: &[Change]) -> Result<Vec<bool>> {
        let changes = changes.to_vec();
        self.writer.run_relaxed(move |desk| write::change(desk, &changes)).await
    }

    async fn create_subscription(&self, subscription: &StoredSubscription) -> Result<()> {
        let subscription = subscription.clone();
        self.writer.run(move |desk| write::create_subscription(desk, &subscription, None)).await
    }

    async fn create_started_subscription(
        &self,
        subscription: &StoredSubscription,
        job: &StoredJob,
    ) -> Result<()> {
        let (subscription, job) = (subscription.clone(), job.clone());
        self.writer.run(move |desk| write::create_subscription(desk, &subscription, Some(&job))).await
    }

    async fn step_job(&self, job: &StoredJob, changes: &[Change]) -> Result<Stepped> {
        let (job, changes) = (job.clone(), changes.to_vec());
        self.writer.run(move |desk| write::step_job(desk, &job, &changes)).await
    }

    async fn change_subscription(&self, subscription: &StoredSubscription, now: Timestamp) -> Result<bool> {
        let subscription = subscription.clone();
        self.writer.run(move |desk| write::change_subscription(desk, &subscription, now)).await
    }

    async fn delete_subscription(&self, id: SubscriptionId, now: Timestamp) -> Result<bool> {
        self.writer.run(move |desk| write::delete_subscription(desk, id, now)).await
    }

    async fn delete_source(&self, id: SourceId) -> Result<bool> {
        self.writer.run(move |desk| write::delete_source(desk, id)).await
    }

    async fn owe(
        &self,
        deliveries: &[Delivery],
        only: Only,
        routes: RoutesVersion,
        job: Option<&StoredJob>,
    ) -> Result<Owed> {
        let (deliveries, job) = (deliveries.to_vec(), job.cloned());
        self.writer.run(move |desk| write::owe(desk, &deliveries, only, routes, job.as_ref())).await
    }

    async fn claim_tasks(
        &self,
        kind: &str,
        limit: u32,
        now: Timestamp,
        deadline: Timestamp,
    ) -> Result<Vec<Task>> {
        let args = tables::tasks::claim_args(kind, limit, now, deadline);
        self.writer.run(move |desk| write::claim_tasks(desk, args)).await
    }

    async fn remove_events(&self, ids: &[EventId]) -> Result<u64> {
        let ids = ids.to_vec();
        self.writer.run_relaxed(move |desk| remove::events(desk, &ids)).await
    }

    async fn remove_deliveries(&self, ids: &[DeliveryId]) -> Result<u64> {
        let ids = ids.to_vec();
        self.writer.run_relaxed(move |desk| remove::deliveries(desk, &ids)).await
    }

    async fn remove_attempts(&self, of: &[DeliveryId]) -> Result<u64> {
        let of = of.to_vec();
        self.writer.run_relaxed(move |desk| remove::attempts(desk, &of)).await
    }

    async fn pass_note(&self, note: &str) -> Result<()> {
        self.notes.pass(note)
    }

    async fn notes(&self) -> Result<Box<dyn Notes>> {
        Ok(self.notes.listen())
    }

    async fn close(&self) {
        self.readers.close();
        // Folds the log back, so that the file alone is the database once the program has ended.
        let fold = |desk: &mut Desk| {
            // Whoever still reads them would be in the way.
            desk.runs.stop_reading();
            desk.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(classify)
        };
        if let Err(error) = self.writer.run(fold).await {
            tracing::warn!(%error, "the write-ahead log was left beside the database; nothing is lost");
        }
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }
}

#[cfg(test)]
mod tests;
