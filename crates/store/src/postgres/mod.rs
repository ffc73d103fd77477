//! PostgreSQL: many nodes over one database.
//!
//! Every write is one statement and so one transaction and one round trip. Nothing rests on `LISTEN`, advisory locks or
//! session state; notes go that way, which may be lost.

mod lines;
mod notes;
mod pool;
mod uuid;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::batch::Batch;
use domain::delivery::{Claim, Delivery};
use domain::job::Only;
use domain::{DeliveryId, EventId, SourceId, SubscriptionId, Timestamp};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{
    Arguments as _, Column as _, ConnectOptions as _, Connection as _, PgConnection, PgPool, Row as _,
    TypeInfo as _, ValueRef as _,
};
use tokio::time::timeout;

use self::lines::Lines;
use self::pool::Pool;
use self::uuid::uuid;
use crate::engine::{Engine, SqlStore};
use crate::migrate::{Migration, migrations, pending};
use crate::sql::{Counters, Row, Sql, Statement, Value};
use crate::*;

const MIGRATIONS: &[Migration] = migrations!("postgres": 1 "0001_spine");

/// Connections of one node, beside those for what runs all the time.
const CONNECTIONS_MAX: u32 = 8;

/// Connections for appends, and as many for how attempts went. One is enough; the pool may look at the other meanwhile.
const LINES_MAX: u32 = 2;

/// Those who listen to notes, a connection each.
const LISTENERS_MAX: u32 = 2;

/// How long to wait for a connection before the store counts as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// What each connection is set to. No statement has reason to read a large table from end to end, be it along an index;
/// but the server knows nothing of a table that is just filling, and would keep a plan that does.
const SETTINGS: [(&str, &str); 4] =
    [("statement_timeout", "30s"), ("jit", "off"), ("enable_seqscan", "off"), ("enable_mergejoin", "off")];

/// The same for the first one, when somebody waits to be told what is wrong.
const REACHED_WITHIN: Duration = Duration::from_secs(1);

/// A store in a PostgreSQL database, version 15 or later.
pub type PostgresStore = SqlStore<Postgres>;

/// The engine below a [`PostgresStore`].
#[derive(Debug)]
pub struct Postgres {
    /// For all but what has lines of its own.
    pool: Pool,
    /// For appends.
    appending: Lines,
    /// Commits here are not waited for to reach the disk. For what can be done again: a delivery whose end is lost is
    /// made once more, with the same id, after the database server itself has crashed.
    relaxed: Lines,
    /// What notes come over, once somebody listens.
    listening: PgPool,
    counters: Counters,
}

impl PostgresStore {
    /// Connects to the database at `url` and brings its schema up to date.
    ///
    /// # Errors
    /// The URL is not one, the server stays out of reach for a while, or a later program has written the database.
    pub async fn open(url: &str) -> Result<Self> {
        let options: PgConnectOptions = url.parse().map_err(classify)?;
        let options = options
            .application_name("waystation")
            .statement_cache_capacity(256)
            .options(SETTINGS)
            .disable_statement_logging();
        let pool = |size| PgPoolOptions::new().max_connections(size).acquire_timeout(ACQUIRE_TIMEOUT);
        let relaxed = options.clone().options([("synchronous_commit", "off")]);
        let postgres = Postgres {
            listening: pool(LISTENERS_MAX)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_lazy_with(options.clone()),
            pool: Pool::new(pool(CONNECTIONS_MAX).connect_lazy_with(options.clone())),
            appending: Lines::new(pool(LINES_MAX).connect_lazy_with(options.clone())),
            relaxed: Lines::new(pool(LINES_MAX).connect_lazy_with(relaxed)),
            counters: Counters::default(),
        };
        // It stays, for what is asked next.
        let connections = &postgres.pool.connections;
        let mut first = match timeout(REACHED_WITHIN, connections.acquire()).await {
            Ok(acquired) => acquired.map_err(classify)?,
            // The pool goes on trying. What it fails for, a single try tells.
            Err(_) => {
                options.connect().await.map_err(classify)?;
                connections.acquire().await.map_err(classify)?
            }
        };
        migrate(&mut first).await?;
        // Not in a while, as when it is dropped: whoever comes next would open another.
        first.return_to_pool().await;
        Ok(SqlStore(postgres))
    }
}

/// Brings the schema up to date. Mostly it is, and then nothing is locked: that is one way there and back.
async fn migrate(connection: &mut PgConnection) -> Result<()> {
    match version(connection, "SELECT version FROM schema_version").await? {
        None if make(connection).await? => Ok(()),
        Some(found) if pending(MIGRATIONS, found)?.is_empty() => Ok(()),
        _ => catch_up(connection).await,
    }
}

/// What `select` finds in the version's table; `None` if there is no such table or row.
async fn version(connection: &mut PgConnection, select: &'static str) -> Result<Option<i64>> {
    match sqlx::raw_sql(select).fetch_optional(connection).await {
        Ok(row) => row.map(|row| row.try_get(0)).transpose().map_err(classify),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NO_SUCH_TABLE) => Ok(None),
        Err(error) => Err(classify(error)),
    }
}

const NO_SUCH_TABLE: &str = "42P01";

/// Makes all of the schema, in one transaction and one way there and back; false if there is some of it already. Of two
/// nodes that find none, one waits for the other at the version's table.
async fn make(connection: &mut PgConnection) -> Result<bool> {
    let scripts: Vec<_> = MIGRATIONS.iter().map(|migration| migration.script).collect();
    let newest = MIGRATIONS.last().map_or(0, |migration| migration.version);
    let script = format!(
        "BEGIN; CREATE TABLE schema_version (only_row BIGINT PRIMARY KEY, version BIGINT NOT NULL);
         INSERT INTO schema_version VALUES (1, {newest}); {}; COMMIT",
        scripts.join(";")
    );
    let Err(error) = sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&mut *connection).await else {
        return Ok(true);
    };
    sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.map_err(classify)?;
    match sqlx::raw_sql("SELECT FROM schema_version").execute(connection).await {
        Ok(_) => Ok(false),
        Err(_) => Err(classify(error)),
    }
}

/// Applies what is missing. The version's row is locked for the while, so that nodes that start together take turns.
async fn catch_up(connection: &mut PgConnection) -> Result<()> {
    let mut transaction = connection.begin().await.map_err(classify)?;
    sqlx::raw_sql("INSERT INTO schema_version VALUES (1, 0) ON CONFLICT DO NOTHING")
        .execute(&mut *transaction)
        .await
        .map_err(classify)?;
    let found = version(&mut transaction, "SELECT version FROM schema_version FOR UPDATE").await?;
    for migration in pending(MIGRATIONS, found.unwrap_or(0))? {
        let script =
            format!("{}; UPDATE schema_version SET version = {};", migration.script, migration.version);
        sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&mut *transaction).await.map_err(classify)?;
    }
    transaction.commit().await.map_err(classify)
}

const READ_INBOX_LOG: Statement = Statement::new(
    "read_inbox_log",
    const_format::formatcp!(
        "SELECT {} FROM events WHERE position > $1 AND {} ORDER BY position LIMIT $2",
        rows::EVENT,
        tables::inbox::IS_FOLLOWED
    ),
);

const USER_EVENTS: &str = "events AS mine";

const HEAD: Statement = Statement::new("head", "SELECT position FROM log");

fn bind(args: Vec<Value>) -> Result<PgArguments> {
    let mut bound = PgArguments::default();
    for arg in args {
        let added = match arg {
            // Text, which the server then reads as whatever the place calls for, except for numbers and bytes; those
            // are never null in a statement that both engines share, unless the column is text.
            Value::Null => bound.add(None::<&str>),
            Value::Int(value) => bound.add(value),
            Value::Text(value) => bound.add(&*value),
            Value::Bytes(value) => bound.add(value),
            Value::Id(value) => bound.add(uuid(value)),
        };
        added.map_err(|error| classify(sqlx::Error::Encode(error)))?;
    }
    Ok(bound)
}

fn unpack(row: &PgRow) -> Result<Row> {
    let column = |index: usize| {
        let value = row.try_get_raw(index)?;
        if value.is_null() {
            return Ok(Value::Null);
        }
        let kind = value.type_info();
        Ok(match kind.name() {
            "INT8" => Value::Int(row.try_get(index)?),
            "UUID" => Value::Bytes(value.as_bytes().map_err(sqlx::Error::Decode)?.into()),
            "BYTEA" => Value::Bytes(row.try_get(index)?),
            _ => Value::Text(row.try_get::<&str, _>(index)?.into()),
        })
    };
    let columns: Result<_, sqlx::Error> = row.columns().iter().map(|c| column(c.ordinal())).collect();
    Ok(Row::new(columns.map_err(classify)?))
}

#[async_trait]
impl Sql for Postgres {
    const USER_EVENTS: &'static str = USER_EVENTS;

    async fn read(&self, statement: &Statement, args: Vec<Value>) -> Result<Vec<Row>> {
        self.counters.count(statement.name);
        let query = sqlx::query_with(statement.sql(), bind(args)?);
        self.pool.fetch_all(query).await?.iter().map(unpack).collect()
    }

    async fn write(&self, statement: &Statement, args: Vec<Value>) -> Result<u64> {
        self.counters.count(statement.name);
        let query = sqlx::query_with(statement.sql(), bind(args)?);
        let executed = self
            .pool
            .ask(|connection| Box::pin(async move { query.execute(connection).await.map_err(classify) }));
        Ok(executed.await?.rows_affected())
    }

    async fn write_fenced(&self, fences: usize, statements: Vec<(Statement, Vec<Value>)>) -> Result<bool> {
        write::together(self, fences, statements).await
    }
}

#[async_trait]
impl Engine for Postgres {
    const IS_SHARED: bool = true;
    const READ_INBOX_LOG: Statement = READ_INBOX_LOG;

    async fn head(&self) -> Result<Position> {
        let row = self.read_one(&HEAD, vec![]).await?;
        Ok(Position(row.map_or(Ok(0), |mut row| row.int())?))
    }

    async fn append(
        &self,
        appends: Arc<[Append]>,
        routes: RoutesVersion,
        now: Timestamp,
    ) -> Result<Appended> {
        write::append(self, &appends, routes, now).await
    }

    async fn claim(&self, lanes: &[Lane], claim: &Claim, now: Timestamp) -> Result<Vec<Claimed>> {
        write::claim(self, lanes, claim, now).await
    }

    async fn claim_batch(
        &self,
        of: SubscriptionId,
        terms: &Batch,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<Vec<Claimed>> {
        write::claim_batch(self, of, *terms, claim, now).await
    }

    async fn change(&self, changes: &[Change]) -> Result<Vec<bool>> {
        write::change(self, changes).await
    }

    async fn create_subscription(&self, subscription: &StoredSubscription) -> Result<()> {
        write::create_subscription(self, subscription).await
    }

    async fn create_started_subscription(
        &self,
        subscription: &StoredSubscription,
        job: &StoredJob,
    ) -> Result<()> {
        write::create_started_subscription(self, subscription, job).await
    }

    async fn step_job(&self, job: &StoredJob, changes: &[Change]) -> Result<Stepped> {
        write::step_job(self, job, changes).await
    }

    async fn change_subscription(&self, subscription: &StoredSubscription, now: Timestamp) -> Result<bool> {
        write::change_subscription(self, subscription, now).await
    }

    async fn delete_subscription(&self, id: SubscriptionId, now: Timestamp) -> Result<bool> {
        write::delete_subscription(self, id, now).await
    }

    async fn delete_source(&self, id: SourceId) -> Result<bool> {
        write::delete_source(self, id).await
    }

    async fn owe(
        &self,
        deliveries: &[Delivery],
        only: Only,
        routes: RoutesVersion,
        job: Option<&StoredJob>,
    ) -> Result<Owed> {
        write::owe(self, deliveries, only, routes, job).await
    }

    async fn claim_tasks(
        &self,
        kind: &str,
        limit: u32,
        now: Timestamp,
        deadline: Timestamp,
    ) -> Result<Vec<Task>> {
        write::claim_tasks(self, tables::tasks::claim_args(kind, limit, now, deadline)).await
    }

    async fn remove_events(&self, ids: &[EventId]) -> Result<u64> {
        write::remove_events(self, ids).await
    }

    async fn remove_deliveries(&self, ids: &[DeliveryId]) -> Result<u64> {
        write::remove_deliveries(self, ids).await
    }

    async fn remove_attempts(&self, of: &[DeliveryId]) -> Result<u64> {
        write::remove_attempts(self, of).await
    }

    async fn pass_note(&self, note: &str) -> Result<()> {
        notes::pass(self, note).await
    }

    async fn notes(&self) -> Result<Box<dyn Notes>> {
        notes::listen(&self.listening).await
    }

    async fn close(&self) {
        self.appending.close().await;
        self.relaxed.close().await;
        self.pool.connections.close().await;
        // Whoever listens still holds its connection. That is not waited for.
        drop(self.listening.close());
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// Tells what will pass from what will not.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn classify(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database) if !is_passing(database.as_ref()) => {
            StoreError::Refused(error.to_string())
        }
        sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            StoreError::Corrupt(error.to_string())
        }
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// Connection trouble (08), deadlock and serialization failure (40), resources (53), intervention and cancelled (57),
/// system trouble (58).
fn is_passing(error: &dyn sqlx::error::DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class))
}

#[cfg(test)]
mod tests;
