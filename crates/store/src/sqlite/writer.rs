//! The one connection that writes, on a thread of its own.
//!
//! Work is sent to the thread and its outcome comes back: nothing ever waits for SQLite's own lock, and a caller who goes
//! away takes no half-done transaction along.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};

use rusqlite::{CachedStatement, Connection, ToSql};
use tokio::sync::oneshot;

use super::disk::Disk;
use super::fold::Folding;
use super::recent::RecentKeys;
use super::runs::Runs;
use super::users::RecentUsers;
use super::{classify, unpack};
use crate::sql::{Counters, Row, Statement, Value};
use crate::{Position, Result, RoutesVersion, StoreError, one_core};

/// Prepared statements that the connection keeps; those of many rows come in many lengths.
const STATEMENT_CACHE: usize = 384;

/// The way to the writing thread. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

type Job = Box<dyn FnOnce(&mut Desk) + Send>;

impl Writer {
    /// Starts the thread.
    pub(super) fn start(mut desk: Desk, mut folding: Folding) -> Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new().name("sqlite-writer".to_owned());
        let started = thread.spawn(move || {
            one_core::stay();
            for job in inbox {
                // A bug that one piece of work has met must not end all writing.
                if catch_unwind(AssertUnwindSafe(|| job(&mut desk))).is_err() {
                    desk.log = None;
                }
                folding.committed(&desk.connection);
            }
        });
        started.map_err(|error| StoreError::Unavailable(format!("no thread to write with: {error}")))?;
        Ok(Self { jobs })
    }

    /// Does `work` on the thread, and answers once it is on the disk.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.send(|answer| {
            Box::new(move |desk| match work(desk) {
                Ok(done) => desk.when_durable(move |durable| {
                    // Nobody waits any more; what was done is done.
                    let _gone = answer.send(durable.map(|()| done));
                }),
                Err(error) => {
                    let _gone = answer.send(Err(error));
                }
            })
        })
        .await
    }

    /// Does `work` on the thread. It survives this program's end, and the machine's if something durable follows it.
    pub(super) async fn run_relaxed<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.send(|answer| {
            Box::new(move |desk| {
                let _gone = answer.send(work(desk));
            })
        })
        .await
    }

    async fn send<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T>>) -> Job) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let broken = || StoreError::Unavailable("writing broke off".to_owned());
        self.jobs.send(job(answer)).map_err(|_| broken())?;
        answered.await.map_err(|_| broken())?
    }
}

/// What the writing thread works with.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) connection: Connection,
    /// `None` where it has to be read.
    pub(super) log: Option<LogEnd>,
    /// They outlast a failure: at worst they let too many keys pass.
    pub(super) runs: Runs,
    pub(super) users: RecentUsers,
    disk: Disk,
    /// Up to which position the log is on the disk.
    durable: Arc<AtomicI64>,
    counters: Arc<Counters>,
}

/// The end of the log: what every append needs to know, and only the writer changes.
#[derive(Debug)]
pub(super) struct LogEnd {
    pub(super) position: Position,
    pub(super) routes: RoutesVersion,
    pub(super) keys: RecentKeys,
}

impl LogEnd {
    pub(super) fn with_routes_moved(self) -> Self {
        Self { routes: RoutesVersion(self.routes.0 + 1), ..self }
    }
}

/// A transaction. Unless it is committed, it is rolled back.
#[derive(Debug)]
pub(super) struct Transaction<'d> {
    pub(super) desk: &'d mut Desk,
    is_open: bool,
}

const BEGIN: Statement = Statement::new("begin", "BEGIN IMMEDIATE");
const COMMIT: Statement = Statement::new("commit", "COMMIT");
const ROLLBACK: Statement = Statement::new("rollback", "ROLLBACK");

impl Desk {
    pub(super) fn new(
        connection: Connection,
        runs: Runs,
        users: RecentUsers,
        disk: Disk,
        durable: Arc<AtomicI64>,
        counters: Arc<Counters>,
    ) -> Self {
        connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        Self { connection, log: None, runs, users, disk, durable, counters }
    }

    /// Tells `waiter` once all that has been committed so far is on the disk.
    fn when_durable(&self, waiter: impl FnOnce(Result<()>) + Send + 'static) {
        let (end, durable) = (self.log.as_ref().map(|log| log.position), Arc::clone(&self.durable));
        self.disk.when_flushed(move |flushed| {
            if let (Ok(()), Some(Position(end))) = (&flushed, end) {
                durable.fetch_max(end, Ordering::AcqRel);
            }
            waiter(flushed);
        });
    }

    pub(super) fn begin(&mut self) -> Result<Transaction<'_>> {
        if self.disk.has_failed() {
            self.make_good()?;
        }
        // Only a panic can have left one open.
        if !self.connection.is_autocommit() {
            self.run(&ROLLBACK, [])?;
        }
        self.run(&BEGIN, [])?;
        Ok(Transaction { desk: self, is_open: true })
    }

    /// Brings all that is in the log into the database file, past a flush that has failed.
    fn make_good(&self) -> Result<()> {
        let folded: rusqlite::Result<i64> =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        match folded {
            Ok(0) => Ok(()),
            stood_in_the_way => {
                self.disk.still_fails();
                let why = stood_in_the_way
                    .map_or_else(|error| error.to_string(), |_| "it is being read".to_owned());
                Err(StoreError::Unavailable(format!(
                    "the write-ahead log cannot be flushed or folded: {why}"
                )))
            }
        }
    }

    /// Runs a statement that answers with nothing; how many rows it has written.
    pub(super) fn run(&self, statement: &Statement, args: impl IntoIterator<Item = Value>) -> Result<u64> {
        let mut prepared = self.prepare(statement)?;
        Binder::new(&mut prepared).numbered(args).done()?;
        prepared.raw_execute().map(|rows| rows as u64).map_err(classify)
    }

    /// Runs a statement that answers with rows.
    pub(super) fn fetch(
        &self,
        statement: &Statement,
        args: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Row>> {
        self.counters.count(statement.name);
        fetch(&self.connection, statement, args)
    }

    pub(super) fn prepare(&self, statement: &Statement) -> Result<CachedStatement<'_>> {
        self.counters.count(statement.name);
        self.connection.prepare_cached(statement.text()).map_err(classify)
    }
}

impl<'d> Transaction<'d> {
    pub(super) fn commit(mut self) -> Result<()> {
        self.desk.run(&COMMIT, [])?;
        self.is_open = false;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // SQLite rolls back by itself after some failures.
        if self.is_open
            && !self.desk.connection.is_autocommit()
            && let Err(error) = self.desk.run(&ROLLBACK, [])
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }
}

/// All rows with which a statement answers.
pub(super) fn fetch(
    connection: &Connection,
    statement: &Statement,
    args: impl IntoIterator<Item = Value>,
) -> Result<Vec<Row>> {
    let mut prepared = connection.prepare_cached(statement.text()).map_err(classify)?;
    Binder::new(&mut prepared).numbered(args).done()?;
    let mut answer = prepared.raw_query();
    let mut rows = Vec::new();
    while let Some(row) = answer.next().map_err(classify)? {
        rows.push(unpack(row)?);
    }
    Ok(rows)
}

/// Binds values one after another; the first that will not be bound is remembered.
pub(super) struct Binder<'s, 'c> {
    statement: &'s mut CachedStatement<'c>,
    bound: usize,
    failure: Option<rusqlite::Error>,
}

impl<'s, 'c> Binder<'s, 'c> {
    pub(super) fn new(statement: &'s mut CachedStatement<'c>) -> Self {
        Self { statement, bound: 0, failure: None }
    }

    pub(super) fn bind(&mut self, value: impl ToSql) -> &mut Self {
        self.bound += 1;
        if let Err(error) = self.statement.raw_bind_parameter(self.bound, value) {
            self.failure.get_or_insert(error);
        }
        self
    }

    pub(super) fn id(&mut self, id: impl Into<[u8; 16]>) -> &mut Self {
        self.bind(id.into())
    }

    /// Binds `$1` and so on. To SQLite these are names, and stand wherever the statement has put them.
    pub(super) fn numbered(&mut self, values: impl IntoIterator<Item = Value>) -> &mut Self {
        for (number, value) in (1..).zip(values) {
            let name = format!("${number}");
            match self.statement.parameter_index(&name) {
                Ok(Some(index)) => {
                    self.bound = index - 1;
                    self.bind(value);
                }
                _ => {
                    self.failure.get_or_insert(rusqlite::Error::InvalidParameterName(name));
                }
            }
        }
        self
    }

    pub(super) fn done(&mut self) -> Result<()> {
        self.failure.take().map_or(Ok(()), |error| Err(classify(error)))
    }
}
