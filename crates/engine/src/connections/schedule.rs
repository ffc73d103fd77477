//! How tasks are run: a few at a time, by whoever has claimed them.

use std::future::Future;
use std::time::Duration;

use domain::Timestamp;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use store::{StoreError, Task};
use tokio_util::sync::CancellationToken;

use super::Connections;
use crate::limits::{STORE_RETRY_AFTER, TASK_CLAIM_LASTS};

impl Connections {
    /// Looks at what is due whenever something is, when the bell rings, and at least every so often.
    pub(super) async fn keep_looking<F>(
        &self,
        provider: &'static str,
        every: Duration,
        stopping: &CancellationToken,
        look: impl Fn() -> F,
    ) where
        F: Future<Output = Result<Option<Timestamp>, StoreError>>,
    {
        let bell = self.bells.get(provider).expect("whoever can be connected has a bell");
        while !stopping.is_cancelled() {
            // Before the store is asked: what is made due meanwhile rings after it.
            let mut rung = std::pin::pin!(bell.notified());
            rung.as_mut().enable();
            let pause = match look().await {
                Ok(next) => next.map_or(every, |next| next.since(self.clock.now())),
                Err(error) => {
                    tracing::warn!(%error, provider, "what is due cannot be looked at");
                    every
                }
            };
            tokio::select! {
                () = stopping.cancelled() => {}
                () = rung => {}
                () = self.clock.sleep(pause.clamp(STORE_RETRY_AFTER.min(every), every)) => {}
            }
        }
    }

    /// Runs what is due of a kind, at most `at_once` side by side; when the next is due.
    pub(super) async fn run_due<F>(
        &self,
        kind: &str,
        at_once: usize,
        run: impl Fn(Task) -> F,
    ) -> Result<Option<Timestamp>, StoreError>
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        let mut under_way = FuturesUnordered::new();
        loop {
            let room = at_once - under_way.len();
            // A claim is a statement, which a few of them share.
            if room >= at_once.div_ceil(2) {
                let now = self.clock.now();
                let claimed =
                    self.store.claim_tasks(kind, room as u32, now, now.plus(TASK_CLAIM_LASTS)).await?;
                under_way.extend(claimed.into_iter().map(&run));
            }
            match under_way.next().await {
                Some(Ok(())) => {}
                // The claim lapses, and the task falls due again.
                Some(Err(error)) => {
                    tracing::warn!(%error, kind, "what was done could not be written down yet");
                }
                None => return self.store.next_task_at(kind).await,
            }
        }
    }
}
