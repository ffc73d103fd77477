//! Along the log, from where it was left.

use rand::RngExt as _;
use std::time::Duration;

use store::{Logged, Position, StoreError};
use tokio_util::sync::CancellationToken;

use super::Inbox;
use super::work::Work;
use crate::chance;
use crate::limits::{INBOX_EVENTS_PER_STEP, INBOX_POLL_EVERY, STORE_RETRY_AFTER};
use crate::log::NotKept;

impl Inbox {
    /// Takes what comes into the log until the program is told to stop.
    pub(super) async fn follow(&self, stopping: &CancellationToken) {
        while !stopping.is_cancelled() {
            let pause = match self.follow_on().await {
                Ok(true) => continue,
                Ok(false) => INBOX_POLL_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "the inbox cannot follow the log now");
                    STORE_RETRY_AFTER
                }
            };
            tokio::select! {
                () = stopping.cancelled() => {}
                () = self.advance.for_inbox() => {}
                () = self.clock.sleep(pause) => {}
            }
        }
    }

    /// Takes the next events; false where there are none.
    async fn follow_on(&self) -> Result<bool, StoreError> {
        let from = self.store.inbox_position().await?;
        let events = self.store.read_inbox_log(from, INBOX_EVENTS_PER_STEP).await?;
        if events.is_empty() {
            return Ok(false);
        }
        match self.step(from, &events).await {
            Err(StoreError::Refused(_) | StoreError::Corrupt(_)) => self.step_singly(from, &events).await?,
            stepped => self.rest_unless(stepped?).await,
        }
        Ok(true)
    }

    /// What these events do, as one; false where another node was quicker.
    async fn step(&self, from: Position, events: &[Logged]) -> Result<bool, StoreError> {
        let Some(last) = events.last() else { return Ok(true) };
        let mut work = Work::new(self.store.as_ref());
        for logged in events {
            work.take(&logged.event).await?;
        }
        self.tell(std::mem::take(&mut work.tellings)).await.map_err(|error| match error {
            NotKept::Store(error) => error,
            NotKept::Busy => StoreError::Unavailable(error.to_string()),
        })?;
        let mut step = work.step();
        step.moved = Some((from, last.position));
        let is_taken = self.store.keep_inbox(&step).await?;
        if is_taken && work.sends() {
            self.to_send.notify_one();
        }
        Ok(is_taken)
    }

    /// One after another: what the store will never take must not hold up all that comes after it.
    async fn step_singly(&self, mut from: Position, events: &[Logged]) -> Result<(), StoreError> {
        for logged in events {
            let is_taken = match self.step(from, std::slice::from_ref(logged)).await {
                Err(error @ (StoreError::Refused(_) | StoreError::Corrupt(_))) => {
                    tracing::error!(%error, event = %logged.event.id, "the inbox leaves an event out");
                    let moved = Some((from, logged.position));
                    self.store.keep_inbox(&store::InboxStep { moved, ..Default::default() }).await?
                }
                stepped => stepped?,
            };
            if !is_taken {
                return Ok(());
            }
            from = logged.position;
        }
        Ok(())
    }

    /// Two nodes that are after the same events should not be so again at once.
    async fn rest_unless(&self, is_taken: bool) {
        if !is_taken {
            let millis = chance::rng().random_range(5..50);
            self.clock.sleep(Duration::from_millis(millis)).await;
        }
    }
}
