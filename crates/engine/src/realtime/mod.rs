//! Live streams: the same log, as browsers tail it.
//!
//! A connection holds a cursor and nothing else. One task follows the log, keeps its newest events in memory, and goes round
//! those they concern; each is shown what lies ahead of where it is, from that tail or, when it is further behind, by its own
//! task from the store. Live is replay with an empty backlog: there is no queue for a connection that could overflow, no moment at
//! which it is handed from one to the other, and nothing that it could miss, here or at another node.
//!
//! Read in this order: [`scope`] (what may be shown), [`frame`] (what is said), [`session`] (the life of a stream, without
//! any I/O), [`line`] (how a connection is reached), [`tail`], [`follow`] and [`crier`] (the log in memory, and who takes it
//! round), [`place`] (how many there may be), [`stream`] (one connection), [`ephemera`] (what is passed on and not kept) and
//! [`elsewhere`] (the same at other nodes), [`send`] (what clients do), [`revoke`].

mod crier;
mod cursor;
mod elsewhere;
mod ephemera;
mod follow;
mod frame;
mod line;
mod metrics;
mod place;
mod revoke;
mod scope;
mod send;
mod session;
mod stream;
mod tail;

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use store::Store;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use cursor::{Cursor, NotACursor};
pub use ephemera::{PRESENCE, TYPING, Whisper};
pub(crate) use follow::Advance;
pub use frame::{Ack, Bye, Frame, From, Hello, Lost, Refusal, Send};
pub use line::{Gone, Outlet, Sent};
pub use metrics::Figures;
pub use place::{Full, Place};
pub use scope::{Grant, Scope};
pub use send::{Conversations, Desk, SOURCE, UNAVAILABLE};
pub use session::Moment;
pub use stream::{Gate, Heard, Wire};
pub use tail::Entry;

use self::elsewhere::Elsewhere;
use self::ephemera::Rooms;
use self::follow::Follower;
use self::revoke::Keys;
use crate::chance;
use crate::clock::Clock;
use crate::limits::{BACKLOG_READS_MAX, EPHEMERA_EVERY, HERE_EVERY, REVOKED_LOOKED_AT_EVERY};
use crate::log::Log;
use crate::shared::Shared;
use crate::supervise::Supervisor;

/// How streams are served.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How long one is silent at the most.
    pub heartbeat: Duration,
    /// How many there may be at this node.
    pub streams_max: usize,
    /// How many one user may have of them. The operator's count for nobody.
    pub streams_per_user_max: usize,
}

/// All live streams of this node.
#[derive(Debug)]
pub struct Hub {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    terms: Terms,
    follower: Follower,
    rooms: Arc<Rooms>,
    keys: Arc<Keys>,
    /// What clients send.
    pub desk: Desk,
    /// What is counted.
    pub figures: Arc<Figures>,
    /// Turns at reading the store.
    backlog_reads: Semaphore,
    places: Arc<Semaphore>,
    closing: CancellationToken,
    open: TaskTracker,
}

impl Hub {
    /// A hub of no connections yet, and the tasks behind it.
    pub(crate) fn start(
        shared: &Shared,
        log: Log,
        conversations: Arc<dyn Conversations>,
        terms: Terms,
    ) -> Arc<Self> {
        let Shared { store, clock, advance, supervisor, .. } = shared.clone();
        let elsewhere =
            if store.is_shared() { Elsewhere::of(chance::rng().random()) } else { Elsewhere::default() };
        let (rooms, figures) = (Arc::new(Rooms::beside(elsewhere)), Arc::new(Figures::default()));
        let hub = Arc::new(Self {
            terms,
            follower: Follower::new(
                Arc::clone(&store),
                Arc::clone(&clock),
                Arc::clone(&rooms),
                advance,
                Arc::clone(&figures),
                supervisor.stopping(),
            ),
            keys: Arc::new(Keys::new(Arc::clone(&store))),
            desk: Desk::new(log, Arc::clone(&clock), Arc::clone(&rooms), conversations),
            store,
            clock,
            rooms,
            figures,
            backlog_reads: Semaphore::new(BACKLOG_READS_MAX),
            places: Arc::new(Semaphore::new(terms.streams_max.min(Semaphore::MAX_PERMITS))),
            closing: CancellationToken::new(),
            open: TaskTracker::new(),
        });
        supervisor.keep_with(
            "follow the log",
            Arc::clone(&hub),
            |hub| async move { hub.follower.run().await },
        );
        supervisor.repeat_with("look at keys", REVOKED_LOOKED_AT_EVERY, Arc::clone(&hub), |hub| async move {
            hub.keys.look().await;
        });
        supervisor.repeat_with("tell who has gone", EPHEMERA_EVERY, Arc::clone(&hub), |hub| async move {
            hub.rooms.tell_due(hub.clock.elapsed());
        });
        if hub.store.is_shared() {
            hub.keep_in_touch(&supervisor);
        }
        hub
    }

    /// Tells other nodes of this one's users, and hears of theirs.
    fn keep_in_touch(self: &Arc<Self>, supervisor: &Supervisor) {
        let with = || (Arc::clone(self), supervisor.stopping());
        supervisor.keep_with("tell other nodes", with(), |(hub, stopping)| async move {
            hub.tell_others(&stopping).await;
        });
        supervisor.keep_with("hear other nodes", with(), |(hub, stopping)| async move {
            hub.hear_others(&stopping).await;
        });
        supervisor.repeat_with("say who is here", HERE_EVERY, Arc::clone(self), |hub| async move {
            hub.rooms.say_who_is_here(hub.clock.elapsed());
        });
    }

    /// Sends all connections away, not all at one instant.
    pub fn close(&self) {
        self.open.close();
        self.closing.cancel();
    }

    /// Ends once all connections have, after [`Hub::close`].
    pub async fn closed(&self) {
        self.open.wait().await;
    }
}
