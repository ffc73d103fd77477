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
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{
    Arguments as _, Column as _, ConnectOptions as _, Row as _, SqliteConnection, SqlitePool, TypeInfo as _,
    ValueRef as _,
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
        // A long log is folded back less often; 16 MiB of pages are what a busy batch touches.
        let writing = options.clone().pragma("wal_autocheckpoint", "4000").pragma("cache_size", "-16384");
        let mut connection = writing.connect().await.map_err(classify)?;
        migrate(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .min_connections(0)
            .connect_lazy_with(options.read_only(true));
        let writer = Mutex::new(Writer { connection, in_transaction: false });
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

/// A transaction on the writer. Unless it is committed, the next one rolls it back.
struct Transaction<'s> {
    writer: MutexGuard<'s, Writer>,
    counters: &'s Counters,
}

impl Sqlite {
    async fn begin(&self) -> Result<Transaction<'_>> {
        let mut writer = self.writer.lock().await;
        if writer.in_transaction {
            // It fails where SQLite has rolled back by itself, or never began; both are what is wanted.
            let _nothing_to_undo = run(&mut writer.connection, &ROLLBACK, vec![], &self.counters).await;
            writer.in_transaction = false;
        }
        // Set first: were this task dropped while it begins, the next one must still roll back.
        writer.in_transaction = true;
        match run(&mut writer.connection, &BEGIN, vec![], &self.counters).await {
            Ok(_) => Ok(Transaction { writer, counters: &self.counters }),
            Err(error) => {
                writer.in_transaction = false;
                Err(error)
            }
        }
    }
}

const BEGIN: Statement = Statement::new("begin", "BEGIN IMMEDIATE");
const COMMIT: Statement = Statement::new("commit", "COMMIT");
const ROLLBACK: Statement = Statement::new("rollback", "ROLLBACK");

impl Transaction<'_> {
    async fn commit(mut self) -> Result<()> {
        self.write(&COMMIT, vec![]).await?;
        self.writer.in_transaction = false;
        Ok(())
    }

    async fn roll_back(mut self) -> Result<()> {
        self.write(&ROLLBACK, vec![]).await?;
        self.writer.in_transaction = false;
        Ok(())
    }

    async fn write(&mut self, statement: &Statement, args: Vec<Value>) -> Result<u64> {
        run(&mut self.writer.connection, statement, args, self.counters).await
    }

    async fn read(&mut self, statement: &Statement, args: Vec<Value>) -> Result<Vec<Row>> {
        self.counters.count(statement.name);
        let query = sqlx::query_with(statement.sql(), bind(args)?);
        let rows = query.fetch_all(&mut self.writer.connection).await.map_err(classify)?;
        rows.iter().map(unpack).collect()
    }
}

async fn run(
    connection: &mut SqliteConnection,
    statement: &Statement,
    args: Vec<Value>,
    counters: &Counters,
) -> Result<u64> {
    counters.count(statement.name);
    let query = sqlx::query_with(statement.sql(), bind(args)?);
    Ok(query.execute(connection).await.map_err(classify)?.rows_affected())
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
        let mut transaction = self.begin().await?;
        let rows = transaction.write(statement, args).await?;
        transaction.commit().await?;
        Ok(rows)
    }
}

#[async_trait]
impl Engine for Sqlite {
    const IS_SHARED: bool = false;

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
