//! Connections for what is asked now and then, and how long an answer is waited for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Connection as _, PgConnection, PgPool, Postgres as Pg};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::{ACQUIRE_TIMEOUT, classify};
use crate::{Result, StoreError};

/// How long an answer is waited for. A server that is there has given a statement up before; one that has vanished without a
/// word would be waited for until the system gives up, a quarter of an hour.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);

/// A pool, and a task for whatever is asked.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) connections: PgPool,
    /// Whoever finds no connection idle takes turns here.
    turns: Arc<Semaphore>,
}

/// How a transaction ends, and what it is answered with.
#[derive(Debug)]
pub(super) enum End<T> {
    Commit(T),
    RollBack(T),
}

impl Pool {
    pub(super) fn new(connections: PgPool) -> Self {
        Self { connections, turns: Arc::new(Semaphore::new(1)) }
    }

    /// Runs `work` on a connection, in a task of its own: a caller who goes away must leave neither a transaction open, nor an
    /// answer that nobody has read, on a connection that goes back to the pool. And one who stops to wait for something else
    /// must not keep the connection that it was given meanwhile: that something may want one too.
    #[expect(clippy::disallowed_methods, reason = "the task ends with its work and is waited for")]
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> BoxFuture<'_, Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (pool, (mut caller, answer)) = (self.clone(), oneshot::channel());
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = caller.closed() => {}
                connection = pool.acquire() => {
                    let asked = async { run(&mut connection?, work).await };
                    let _gone = caller.send(asked.await);
                }
            }
        });
        answer.await.map_err(|_| StoreError::Unavailable("asking the database broke off".to_owned()))?
    }

    /// [`Pool::ask`] in a transaction, which ends as `work` says.
    pub(super) async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> BoxFuture<'_, Result<End<T>>> + Send + 'static,
    ) -> Result<T> {
        let transacted = self.ask(|connection| {
            Box::pin(async move {
                let mut transaction = connection.begin().await.map_err(classify)?;
                let (ended, answer) = match work(&mut transaction).await? {
                    End::Commit(answer) => (transaction.commit().await, answer),
                    End::RollBack(answer) => (transaction.rollback().await, answer),
                };
                ended.map_err(classify).map(|()| answer)
            })
        });
        transacted.await
    }

    /// All rows that `query` is answered with.
    pub(super) async fn fetch_all(&self, query: Query<'static, Pg, PgArguments>) -> Result<Vec<PgRow>> {
        self.ask(|connection| Box::pin(async move { query.fetch_all(connection).await.map_err(classify) }))
            .await
    }

    /// A connection. While one is being opened, others do not open more: opening takes longer than most statements do, and at
    /// the start, when all ask at once, each would wait for all that are opened.
    async fn acquire(&self) -> Result<PoolConnection<Pg>> {
        let acquiring = async {
            let connections = &self.connections;
            let is_full = connections.size() >= connections.options().get_max_connections();
            // It is never closed.
            let _turn = match is_full || connections.num_idle() > 0 {
                true => None,
                false => self.turns.acquire().await.ok(),
            };
            connections.acquire().await.map_err(classify)
        };
        let none_in_time = |_| StoreError::Unavailable("no connection to the database was free".to_owned());
        timeout(ACQUIRE_TIMEOUT, acquiring).await.map_err(none_in_time)?
    }
}

async fn run<T>(
    connection: &mut PoolConnection<Pg>,
    work: impl FnOnce(&mut PgConnection) -> BoxFuture<'_, Result<T>>,
) -> Result<T> {
    let answer = timeout(ANSWER_TIMEOUT, work(connection)).await;
    answered(connection, answer).map_err(classify)?
}

/// What `connection` has answered in time. If it has not, nobody else is to have it.
pub(super) fn answered<T>(
    connection: &mut PoolConnection<Pg>,
    answer: Result<T, Elapsed>,
) -> sqlx::Result<T> {
    answer.map_err(|_| {
        connection.close_on_drop();
        let why = format!("the database has not answered within {} s", ANSWER_TIMEOUT.as_secs());
        sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, why))
    })
}
