//! Connections that stay at hand between two statements.
//!
//! A pool asks the server, each time that a connection comes back, whether it is still good, and that takes as long as a
//! small statement. It is too much for what runs all the time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgPool, Postgres as Pg};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::pool::{ANSWER_TIMEOUT, answered};
use super::{ACQUIRE_TIMEOUT, classify};
use crate::Result;

/// For how long a connection that was good is taken to be so still.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// The connections of a pool that is used in no other way.
#[derive(Debug)]
pub(super) struct Lines {
    pool: PgPool,
    /// One for each connection: whoever has it finds a line at hand, or the pool has one to give.
    turns: Semaphore,
    at_hand: Mutex<Vec<Line>>,
}

#[derive(Debug)]
struct Line {
    connection: PoolConnection<Pg>,
    /// When the pool has last looked at it.
    seen_at: Instant,
}

impl Lines {
    pub(super) fn new(pool: PgPool) -> Self {
        let turns = Semaphore::new(pool.options().get_max_connections() as usize);
        Self { pool, turns, at_hand: Mutex::default() }
    }

    pub(super) async fn fetch_all(&self, query: Query<'_, Pg, PgArguments>) -> Result<Vec<PgRow>> {
        let turn = timeout(ACQUIRE_TIMEOUT, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| classify(sqlx::Error::PoolTimedOut))?;
        let mut line = match self.take() {
            Some(line) => line,
            None => {
                let connection = self.pool.acquire().await.map_err(classify)?;
                Line { connection, seen_at: Instant::now() }
            }
        };
        // Where it fails, or nobody waits for it any more, the connection goes back to the pool.
        let answer = timeout(ANSWER_TIMEOUT, query.fetch_all(&mut *line.connection)).await;
        let rows = answered(&mut line.connection, answer).flatten().map_err(classify)?;
        self.at_hand().push(line);
        Ok(rows)
    }

    pub(super) async fn close(&self) {
        // From here on what comes back to the pool is closed.
        let closed = self.pool.close();
        self.at_hand().clear();
        closed.await;
    }

    /// A line that the pool has seen a moment ago. The others go back to it.
    fn take(&self) -> Option<Line> {
        let mut at_hand = self.at_hand();
        at_hand.retain(|line| line.seen_at.elapsed() < TRUSTED_FOR);
        at_hand.pop()
    }

    fn at_hand(&self) -> MutexGuard<'_, Vec<Line>> {
        self.at_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
