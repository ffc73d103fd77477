//! How many streams there may be: at a node, for each costs memory and a file, and of one user, who must not take the places of
//! all others.

use std::sync::Arc;

use rand::RngExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::scope::Grant;
use super::{Bye, Hub};
use crate::chance;

/// A stream's place in the hub, until it is dropped.
#[derive(Debug)]
pub struct Place {
    pub(super) hub: Arc<Hub>,
    /// The connection's name.
    pub(super) connection: u64,
    _place: OwnedSemaphorePermit,
    _open: TaskTrackerToken,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The node serves as many streams as it may.
    Node,
    /// The user has as many as one may have.
    User,
}

impl Hub {
    /// A place for one more stream. `grant` is what its request has shown, if it has shown anything: of a user who has too many
    /// already that is told before the stream begins. Who says `hello` first is told then.
    ///
    /// # Errors
    /// There is none.
    pub fn place(self: &Arc<Self>, grant: Option<&Grant>) -> Result<Place, Full> {
        let full = |full| {
            self.figures.count_disconnect(Bye::TooMany.as_str());
            full
        };
        if let Some(user) = grant.and_then(Grant::user)
            && self.rooms.is_full(user, self.terms.streams_per_user_max)
        {
            return Err(full(Full::User));
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| full(Full::Node))?;
        self.figures.connections.inc();
        self.follower.join();
        let connection = chance::rng().random();
        Ok(Place { hub: Arc::clone(self), connection, _place: place, _open: self.open.token() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.follower.leave();
        self.hub.figures.connections.dec();
    }
}
