//! SQLite: one writer that commits for many, and a few readers beside it.
//!
//! The database is in WAL mode with `synchronous = FULL`: a commit has reached the disk before it is answered. All
//! writes go through one connection, so that nothing ever waits for SQLite's own lock, and readers never wait at all.

mod multirow;
mod write;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use domain::delivery::Claim;
use domain::{SubscriptionId, Timestamp};
use futures::TryStreamExt as _;
use sqlx::Executor as _;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{
    Arguments as _, Column as _, ConnectOptions as _, Either, Row as _, SqliteConnection, SqlitePool,
    TypeInfo as _, ValueRef as _,
};
use tokio::sync::{Mutex, MutexGuard};

use crate::engine::{Engine, SqlStore};
use crate::migrate::{Migration, migrations, pending};
use crate::sql::{Counters, Row, Sql, Statement, Value, classify};
use crate::*;

const MIGRATIONS: &[Migration] = migrations!("sqlite": 1 "0001_spine");

/// Connections for reading. Two cores read no faster with more, and each keeps a cache of its own.
const READERS_MAX: u32 = 4;

/// How long a statement waits for another process that writes, such as `waystation keys`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements that a connection keeps; multi-row statements come in many lengths.
const STATEMENT_CACHE: usize = 512;

/// A store in one SQLite file.
pub type SqliteStore = SqlStore<Sqlite>;

/// The engine below a [`SqliteStore`].
#[derive(Debug)]
pub struct Sqlite {
    writer: Mutex<Writer>,
    readers: SqlitePool,
    counters: Counters,
}

#[derive(Debug)]
struct Writer {
    connection: SqliteConnection,
    /// Whether a transaction was begun and not ended: its task was dropped in the middle.
    in_transaction: bool,
    /// `None` where it has to be read.
    head: Option<Head>,
}

impl SqliteStore {
    /// Opens the database at `path`, makes it if it is not there, and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot be opened or written, or a later program has written it.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(STATEMENT_CACHE)
            .row_buffer_size(512)
            .pragma("temp_store", "memory")
            .disable_statement_logging();
        // A long log is folded back less often. The cache holds a few batches: its size costs, since every commit that has
        // balanced a tree looks through all of its hash table.
        let writing = options.clone().pragma("wal_autocheckpoint", "4000").pragma("cache_size", "-4096");
        let mut connection = writing.connect().await.map_err(classify)?;
        migrate(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .min_connections(0)
            .connect_lazy_with(options.read_only(true));
        let writer = Mutex::new(Writer { connection, in_transaction: false, head: None });
        Ok(SqlStore(Sqlite { writer, readers, counters: Counters::default() }))
    }
}

async fn migrate(connection: &mut SqliteConnection) -> Result<()> {
    let found: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(classify)?;
    for migration in pending(MIGRATIONS, found)? {
        let script = format!(
            "BEGIN IMMEDIATE; {}; PRAGMA user_version = {}; COMMIT;",
            migration.script, migration.version
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&mut *connection).await.map_err(classify)?;
    }
    Ok(())
}

/// Where the log ends, and under which routes: what every append needs to know and only the writer changes.
#[derive(Debug, Clone, Copy)]
struct Head {
    position: Position,
    routes: RoutesVersion,
}

/// A statement with its values.
type Bound = (Statement, Vec<Value>);

/// A transaction on the writer. Unless it is committed, the next one rolls it back.
struct Transaction<'s> {
    writer: MutexGuard<'s, Writer>,
    counters: &'s Counters,
}

impl Sqlite {
    /// Takes the writer. The transaction begins with its first message.
    async fn begin(&self) -> Transaction<'_> {
        let mut writer = self.writer.lock().await;
        if writer.in_transaction {
            writer.head = None;
            // It fails where SQLite has rolled back by itself, or never began; both are what is wanted.
            let _nothing_to_undo =
                send(&mut writer.connection, vec![(ROLLBACK, vec![])], &self.counters).await;
            writer.in_transaction = false;
        }
        Transaction { writer, counters: &self.counters }
    }
}

const BEGIN: Statement = Statement::new("begin", "BEGIN IMMEDIATE");
const COMMIT: Statement = Statement::new("commit", "COMMIT");
const ROLLBACK: Statement = Statement::new("rollback", "ROLLBACK");
pub(crate) const HEAD: Statement = Statement::new(
    "head",
    "SELECT max(position, (SELECT coalesce(max(position), 0) FROM events)), routes_version FROM log",
);

impl Transaction<'_> {
    /// The head of the log. It is read once and then remembered.
    async fn head(&mut self) -> Result<Head> {
        if let Some(head) = self.writer.head {
            return Ok(head);
        }
        let rows = send(&mut self.writer.connection, vec![(HEAD, vec![])], self.counters).await?.rows;
        let mut row =
            rows.into_iter().next().ok_or_else(|| StoreError::Corrupt("the log has no head".to_owned()))?;
        let head = Head { position: Position(row.int()?), routes: RoutesVersion(row.int()?) };
        self.writer.head = Some(head);
        Ok(head)
    }

    /// Runs statements in one message to the connection's thread, which costs more than a small statement. Their values
    /// are in one row: only the first statement that has any may number them.
    async fn run(&mut self, mut statements: Vec<Bound>) -> Result<Done> {
        let begins = !self.writer.in_transaction;
        if begins {
            // Set first: were this task dropped while it begins, the next one must still roll back.
            self.writer.in_transaction = true;
            statements.insert(0, (BEGIN, vec![]));
        }
        let mut done = send(&mut self.writer.connection, statements, self.counters).await?;
        done.written.drain(..usize::from(begins));
        Ok(done)
    }

    async fn write(&mut self, statement: &Statement, args: Vec<Value>) -> Result<u64> {
        Ok(self.run(vec![(statement.clone(), args)]).await?.written.iter().sum())
    }

    async fn read(&mut self, statement: &Statement, args: Vec<Value>) -> Result<Vec<Row>> {
        Ok(self.run(vec![(statement.clone(), args)]).await?.rows)
    }

    /// Runs the last statements and commits. `head` is where the log ends from then on; `None` where that is to be read
    /// anew.
    async fn commit(mut self, mut statements: Vec<Bound>, head: Option<Head>) -> Result<()> {
        statements.push((COMMIT, vec![]));
        self.writer.head = None;
        self.run(statements).await?;
        self.writer.in_transaction = false;
        self.writer.head = head;
        Ok(())
    }
}

/// What a message to the connection's thread has done.
#[derive(Debug)]
struct Done {
    /// Rows that each of its statements has written; for one that writes none, SQLite says again what it said last.
    written: Vec<u64>,
    /// Rows that they returned.
    rows: Vec<Row>,
}

/// Sends statements, with all of their values, in one message.
async fn send(
    connection: &mut SqliteConnection,
    statements: Vec<Bound>,
    counters: &Counters,
) -> Result<Done> {
    let (mut text, mut args) = (String::new(), Vec::new());
    for (statement, values) in statements {
        counters.count(statement.name);
        text += statement.text();
        text += ";\n";
        args.extend(values);
    }
    let query = sqlx::query_with(sqlx::AssertSqlSafe(text), bind(args)?);
    let mut results = connection.fetch_many(query);
    let mut done = Done { written: Vec::new(), rows: Vec::new() };
    while let Some(result) = results.try_next().await.map_err(classify)? {
        match result {
            Either::Left(written) => done.written.push(written.rows_affected()),
            Either::Right(row) => done.rows.push(unpack(&row)?),
        }
    }
    Ok(done)
}

fn bind(args: Vec<Value>) -> Result<SqliteArguments> {
    let mut bound = SqliteArguments::default();
    bound.reserve(args.len(), 0);
    for arg in args {
        let added = match arg {
            Value::Null => bound.add(None::<i64>),
            Value::Int(value) => bound.add(value),
            Value::Text(value) => bound.add(value),
            Value::Bytes(value) => bound.add(value),
        };
        added.map_err(|error| classify(sqlx::Error::Encode(error)))?;
    }
    Ok(bound)
}

fn unpack(row: &SqliteRow) -> Result<Row> {
    let column = |index: usize| {
        let value = row.try_get_raw(index)?;
        if value.is_null() {
            return Ok(Value::Null);
        }
        let kind = value.type_info();
        Ok(match kind.name() {
            "INTEGER" => Value::Int(row.try_get(index)?),
            "BLOB" => Value::Bytes(row.try_get(index)?),
            _ => Value::Text(row.try_get::<&str, _>(index)?.into()),
        })
    };
    let columns: Result<_, sqlx::Error> = row.columns().iter().map(|c| column(c.ordinal())).collect();
    Ok(Row::new(columns.map_err(classify)?))
}

#[async_trait]
impl Sql for Sqlite {
    async fn read(&self, statement: &Statement, args: Vec<Value>) -> Result<Vec<Row>> {
        self.counters.count(statement.name);
        let query = sqlx::query_with(statement.sql(), bind(args)?);
        let rows = query.fetch_all(&self.readers).await.map_err(classify)?;
        rows.iter().map(unpack).collect()
    }

    async fn write(&self, statement: &Statement, args: Vec<Value>) -> Result<u64> {
        let mut transaction = self.begin().await;
        let head = transaction.writer.head;
        let rows = transaction.write(statement, args).await?;
        transaction.commit(vec![], head).await?;
        Ok(rows)
    }
}

#[async_trait]
impl Engine for Sqlite {
    const IS_SHARED: bool = false;

    async fn head(&self) -> Result<Position> {
        let row = self.read_one(&HEAD, vec![]).await?;
        Ok(Position(row.map_or(Ok(0), |mut row| row.int())?))
    }

    async fn append(&self, appends: &[Append], routes: RoutesVersion, now: Timestamp) -> Result<Appended> {
        write::append(self, appends, routes, now).await
    }

    async fn claim(&self, lanes: &[Lane], claim: &Claim, now: Timestamp) -> Result<Vec<Claimed>> {
        write::claim(self, lanes, claim, now).await
    }

    async fn change(&self, changes: &[Change]) -> Result<Vec<bool>> {
        write::change(self, changes).await
    }

    async fn create_subscription(&self, subscription: &StoredSubscription) -> Result<()> {
        write::create_subscription(self, subscription).await
    }

    async fn change_subscription(&self, subscription: &StoredSubscription, now: Timestamp) -> Result<bool> {
        write::change_subscription(self, subscription, now).await
    }

    async fn delete_subscription(&self, id: SubscriptionId, now: Timestamp) -> Result<bool> {
        write::delete_subscription(self, id, now).await
    }

    async fn close(&self) {
        self.readers.close().await;
        // Folds the log back, so that the file alone is the database once the program has ended.
        let mut writer = self.writer.lock().await;
        let folded = sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut writer.connection).await;
        if let Err(error) = folded {
            tracing::warn!(%error, "the write-ahead log was left beside the database; nothing is lost");
        }
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }
}

#[cfg(test)]
mod tests;
