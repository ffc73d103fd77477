//! Asking a provider for what is new because somebody wants it now: a job, which ends with the poll that it waits for.

use domain::job::{Job, State, Work};
use domain::{ConnectionId, JobId, Timestamp};
use store::{Stepped, StoreError, StoredConnection, StoredJob};

use super::{Connections, poll};
use crate::chance;
use crate::limits::SYNCS_LOOKED_AT_MAX;

/// Why nobody is asked.
#[derive(Debug, thiserror::Error)]
pub enum NotSynced {
    /// There is nothing that could be asked of this provider.
    #[error("{0} is not asked for what is new")]
    NotPolled(String),
    /// The operator has not set what it takes.
    #[error("{0} cannot be asked: set its API key")]
    NotSet(&'static str),
    /// There is nothing to ask with.
    #[error("the connection has no tokens to ask with")]
    NoTokens,
    /// The provider is not called for it.
    #[error("the connection is {0}: it has to be authorised again")]
    NotInUse(&'static str),
    /// It is not known to be begun.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a poll has ended, for those who wait for it.
pub(super) enum Outcome {
    Done,
    Failed(String),
}

impl Connections {
    /// Has the provider of a connection asked for what is new, now, and answers with the job that does it: the one that
    /// is under way already, if there is one.
    ///
    /// # Errors
    /// Why nobody is asked.
    pub async fn sync(&self, stored: &StoredConnection) -> Result<JobId, NotSynced> {
        self.check_synced(stored)?;
        let connection = &stored.connection;
        if let Some(known) = self.syncs_of(connection.id).await?.into_iter().next() {
            return Ok(known.job.id);
        }
        let now = self.clock.now();
        let id = JobId::new(now, &mut chance::rng());
        let work = Work::Sync { connection_id: connection.id };
        let job = Job::new(id, Some(connection.user_id.clone()), work, None, now);
        self.store.create_job(&StoredJob { job, node: None, cursor: [0; 16], revision: 1 }).await?;
        self.ring(&connection.provider, connection.id).await?;
        Ok(id)
    }

    /// Whether [`Self::sync`] would ask the provider, as things stand.
    #[must_use]
    pub fn can_sync(&self, stored: &StoredConnection) -> bool {
        self.check_synced(stored).is_ok()
    }

    fn check_synced(&self, stored: &StoredConnection) -> Result<(), NotSynced> {
        let connection = &stored.connection;
        let provider = self.pollable(&connection.provider);
        let provider = provider.ok_or_else(|| NotSynced::NotPolled(connection.provider.clone()))?;
        if !provider.is_ready(self.settings(provider.name())) {
            return Err(NotSynced::NotSet(provider.name()));
        }
        if !connection.state.is_in_use() {
            return Err(NotSynced::NotInUse(connection.state.as_str()));
        }
        let tokens = self.tokens_of(stored).unwrap_or_default();
        if poll::can_be_asked(provider, &tokens) { Ok(()) } else { Err(NotSynced::NoTokens) }
    }

    /// Has an account polled for whoever has connected it.
    pub(crate) async fn poll_account(&self, provider: &str, account_id: &str) -> Result<(), StoreError> {
        for stored in self.store.connections_to(provider, account_id).await? {
            self.ring(provider, stored.connection.id).await?;
        }
        Ok(())
    }

    /// Has a connection polled as soon as its provider lets us.
    pub(crate) async fn ring(&self, provider: &str, id: ConnectionId) -> Result<(), StoreError> {
        self.store.ring_task(&poll::kind(provider), &id.to_string(), self.clock.now()).await?;
        self.ring_for(provider);
        Ok(())
    }

    /// Ends the jobs that wait for a poll of a connection that began at `began_at`; whether others wait for the next.
    pub(super) async fn end_syncs(
        &self,
        id: ConnectionId,
        began_at: Timestamp,
        found: u64,
        outcome: &Outcome,
    ) -> Result<bool, StoreError> {
        let mut is_another_owed = false;
        for mut stored in self.syncs_of(id).await? {
            if matches!(outcome, Outcome::Done) && stored.job.created_at > began_at {
                is_another_owed = true;
                continue;
            }
            let now = self.clock.now();
            stored.job.done = found;
            match outcome {
                Outcome::Done => stored.job.complete(now),
                Outcome::Failed(why) => stored.job.fail(why, now),
            }
            let stepped = self.store.step_job(&stored, &[]).await?;
            // Somebody has just called it off.
            debug_assert_ne!(stepped, Stepped::Conflict);
        }
        Ok(is_another_owed)
    }

    async fn syncs_of(&self, id: ConnectionId) -> Result<Vec<StoredJob>, StoreError> {
        let mut running = self.store.running_jobs(SYNCS_LOOKED_AT_MAX).await?;
        let is_it = |stored: &StoredJob| matches!(&stored.job.work, Work::Sync { connection_id } if *connection_id == id);
        running.retain(|stored| stored.job.state == State::Running && is_it(stored));
        Ok(running)
    }
}
