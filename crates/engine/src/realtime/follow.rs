//! Follows the log while anybody streams it: reads what is new, once for all connections, and has it taken to those it
//! concerns.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use store::{Position, Store, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::crier::Crier;
use super::ephemera::Rooms;
use super::metrics::Figures;
use super::tail::{Entry, Tail};
use crate::clock::Clock;
use crate::limits::{
    STORE_RETRY_AFTER, TAIL_EVENTS_MAX, TAIL_EVENTS_PER_READ, TAIL_POLL_EVERY, TAIL_POLL_SHARED_EVERY,
};

/// Says that the log has advanced. It is a hint: a poll stands behind it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Advance {
    streams: Arc<Notify>,
    inbox: Arc<Notify>,
}

impl Advance {
    /// The log has advanced.
    pub(crate) fn tell(&self) {
        self.streams.notify_one();
    }

    /// There is something for the inbox.
    pub(crate) fn tell_inbox(&self) {
        self.inbox.notify_one();
    }

    /// Ends when there is something for the inbox.
    pub(crate) async fn for_inbox(&self) {
        self.inbox.notified().await;
    }
}

/// The task that follows the log.
#[derive(Debug)]
pub(crate) struct Follower {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    pub(super) crier: Arc<Crier>,
    rooms: Arc<Rooms>,
    advance: Advance,
    figures: Arc<Figures>,
    /// Connections that stream.
    audience: AtomicUsize,
    has_audience: Notify,
    /// Up to where everybody has been rung.
    rung_to: AtomicI64,
    stopping: CancellationToken,
}

impl Follower {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        rooms: Arc<Rooms>,
        advance: Advance,
        figures: Arc<Figures>,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            crier: Arc::new(Crier::new(Tail::new(Position::START), Arc::clone(&clock), Arc::clone(&figures))),
            store,
            clock,
            rooms,
            advance,
            figures,
            audience: AtomicUsize::new(0),
            has_audience: Notify::new(),
            rung_to: AtomicI64::new(0),
            stopping,
        }
    }

    /// Somebody streams from now on.
    pub(super) fn join(&self) {
        self.audience.fetch_add(1, Ordering::AcqRel);
        self.has_audience.notify_one();
    }

    /// Somebody streams no more.
    pub(super) fn leave(&self) {
        self.audience.fetch_sub(1, Ordering::AcqRel);
    }

    /// Up to where everybody has been rung. To be read before a room's marks: then these know of all up to here.
    pub(super) fn rung_to(&self) -> Position {
        Position(self.rung_to.load(Ordering::Acquire))
    }

    /// Follows until the program is told to stop. Without an audience it rests.
    pub(crate) async fn run(&self) {
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = self.news() => {}
            }
            if let Err(error) = self.step().await {
                tracing::warn!(%error, "the log cannot be followed; streams wait");
                self.clock.sleep(STORE_RETRY_AFTER).await;
            }
        }
    }

    async fn news(&self) {
        if self.audience.load(Ordering::Acquire) == 0 {
            // Whoever comes next begins later, or reads the store.
            self.tail().skip_to(self.tail().end());
            return self.has_audience.notified().await;
        }
        let poll = if self.store.is_shared() { TAIL_POLL_SHARED_EVERY } else { TAIL_POLL_EVERY };
        tokio::select! {
            () = self.advance.streams.notified() => {}
            () = self.has_audience.notified() => {}
            () = self.clock.sleep(poll) => {}
        }
    }

    fn tail(&self) -> &Tail {
        &self.crier.tail
    }

    /// Reads all that is new, and takes it round.
    async fn step(&self) -> Result<(), StoreError> {
        let head = self.store.head().await?;
        let mut end = self.tail().end();
        self.figures.lag.set(head.0 - end.0);
        if head.0 - end.0 > TAIL_EVENTS_MAX as i64 {
            // Nobody has read this for a while, or it is faster than we are. Each connection reads from the store what
            // concerns it, which is less.
            self.tail().skip_to(head);
            self.rooms.ring_all(head);
            self.rung_to.store(head.0, Ordering::Release);
            return Ok(());
        }
        while end < head {
            let page = self.store.read_log(end, TAIL_EVENTS_PER_READ).await?;
            let is_whole = page.len() < TAIL_EVENTS_PER_READ as usize;
            let entries: Vec<_> = page.into_iter().map(|logged| Arc::new(Entry::from(logged))).collect();
            let last = entries.last().map_or(end, |entry| entry.position);
            // Some positions stay empty; what is read in one go has none that are still to be filled.
            let read_to = if is_whole { last.max(head) } else { last };
            self.tail().push(entries.clone(), read_to);
            let rung = self.rooms.ring(&entries, end);
            self.rung_to.store(read_to.0, Ordering::Release);
            // What comes meanwhile is read when all have this, and then goes out together.
            self.crier.go_round(rung).await;
            end = read_to;
        }
        self.figures.lag.set(0);
        Ok(())
    }
}

/// How long until `deadline`, at most.
pub(super) fn at_most(span: Option<Duration>, most: Duration) -> Duration {
    span.map_or(most, |span| span.min(most))
}
