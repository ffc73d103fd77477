//! The one connection that writes, on a thread of its own.
//!
//! Work is sent to the thread and its outcome comes back: nothing ever waits for SQLite's own lock, and a caller who goes
//! away takes no half-done transaction along.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};

use rusqlite::{CachedStatement, Connection, ToSql};
use tokio::sync::oneshot;

use super::fold::Folding;
use super::recent::RecentKeys;
use super::{classify, unpack};
use crate::sql::{Counters, Row, Statement, Value};
use crate::{Position, Result, RoutesVersion, StoreError};

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
    pub(super) fn start(
        connection: Connection,
        mut folding: Folding,
        counters: Arc<Counters>,
    ) -> Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let mut desk = Desk::new(connection, counters);
        let thread = std::thread::Builder::new().name("sqlite-writer".to_owned());
        let started = thread.spawn(move || {
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

    /// Does `work` on the thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |desk| {
            // Nobody waits any more; what was done is done.
            let _gone = answer.send(work(desk));
        });
        let broken = || StoreError::Unavailable("writing broke off".to_owned());
        self.jobs.send(job).map_err(|_| broken())?;
        answered.await.map_err(|_| broken())?
    }
}

/// What the writing thread works with.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) connection: Connection,
    /// `None` where it has to be read.
    pub(super) log: Option<LogEnd>,
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
    pub(super) fn new(connection: Connection, counters: Arc<Counters>) -> Self {
        connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        Self { connection, log: None, counters }
    }

    pub(super) fn begin(&mut self) -> Result<Transaction<'_>> {
        // Only a panic can have left one open.
        if !self.connection.is_autocommit() {
            self.run(&ROLLBACK, &[])?;
        }
        self.run(&BEGIN, &[])?;
        Ok(Transaction { desk: self, is_open: true })
    }

    /// Runs a statement that answers with nothing; how many rows it has written.
    pub(super) fn run(&self, statement: &Statement, args: &[Value]) -> Result<u64> {
        let mut prepared = self.prepare(statement)?;
        Binder::new(&mut prepared).numbered(args).done()?;
        prepared.raw_execute().map(|rows| rows as u64).map_err(classify)
    }

    /// Runs a statement that answers with rows.
    pub(super) fn fetch(&self, statement: &Statement, args: &[Value]) -> Result<Vec<Row>> {
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
        self.desk.run(&COMMIT, &[])?;
        self.is_open = false;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // SQLite rolls back by itself after some failures.
        if self.is_open
            && !self.desk.connection.is_autocommit()
            && let Err(error) = self.desk.run(&ROLLBACK, &[])
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }
}

/// All rows with which a statement answers.
pub(super) fn fetch(connection: &Connection, statement: &Statement, args: &[Value]) -> Result<Vec<Row>> {
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

    /// Binds `$1` and so on. To SQLite these are names, and stand wherever the statement has put them.
    pub(super) fn numbered(&mut self, values: &[Value]) -> &mut Self {
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
