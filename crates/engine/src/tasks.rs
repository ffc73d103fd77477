//! How tasks are run: a few at a time, by whoever has claimed them.
//!
//! What is under way goes on whatever becomes of the rest: while the store is asked for more, where it does not answer, when
//! another meets a bug, and when the program is to stop. It may be all that knows of something, such as a token that its
//! provider has just given out.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use futures::future::{CatchUnwind, FutureExt as _};
use futures::stream::{FuturesUnordered, StreamExt as _};
use store::{Store, StoreError, Task};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::limits::{TASK_CLAIM_LASTS, TASKS_LOOKED_FOR_BESIDE_OTHERS_EVERY};

/// The tasks of a kind, as a node runs them.
pub(crate) struct Tasks<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) kind: String,
    pub(crate) at_once: usize,
    /// Once there is room for so many, more are claimed: a claim is a statement, which they share.
    pub(crate) together: usize,
}

/// When it is looked for what is due.
pub(crate) struct Looks<'a> {
    /// The longest time between two looks.
    pub(crate) every: Duration,
    /// The shortest, unless there is a reason to look.
    pub(crate) apart: Duration,
    /// Rung when something may be due earlier than was known.
    pub(crate) bell: &'a Notify,
    pub(crate) stopping: &'a CancellationToken,
}

type UnderWay<F> = FuturesUnordered<CatchUnwind<AssertUnwindSafe<F>>>;

impl Tasks<'_> {
    /// Runs what falls due until the program is told to stop, and what is under way then to its end.
    pub(crate) async fn keep_running<F: Future<Output = ()>>(
        &self,
        looks: &Looks<'_>,
        run: impl Fn(Task) -> F,
    ) {
        let mut under_way = FuturesUnordered::new();
        while !looks.stopping.is_cancelled() {
            // Before the store is asked: what is made due meanwhile rings after it.
            let mut rung = pin!(looks.bell.notified());
            rung.as_mut().enable();
            let pause = self.look(looks, &mut under_way, &run).await.unwrap_or_else(|error| {
                tracing::warn!(%error, kind = %self.kind, "what is due cannot be looked at");
                looks.every
            });
            tokio::select! {
                () = looks.stopping.cancelled() => {}
                () = rung => {}
                () = self.room(&mut under_way), if !under_way.is_empty() => {}
                () = self.clock.sleep(pause.clamp(looks.apart.min(looks.every), looks.every)) => {}
            }
        }
        self.end(under_way).await;
    }

    /// Runs all that is due now.
    ///
    /// # Errors
    /// The store is away. What had begun by then has come to its end.
    pub(crate) async fn run_due<F: Future<Output = ()>>(
        &self,
        run: impl Fn(Task) -> F,
    ) -> Result<(), StoreError> {
        let mut under_way = FuturesUnordered::new();
        let looked = loop {
            let begun = self.begin(&mut under_way, &run).await;
            if begun.is_err() || under_way.is_empty() {
                break begun;
            }
            self.room(&mut under_way).await;
        };
        self.end(under_way).await;
        looked
    }

    /// Begins with what is due, as far as there is room; when the next look is.
    async fn look<F: Future<Output = ()>>(
        &self,
        looks: &Looks<'_>,
        under_way: &mut UnderWay<F>,
        run: &impl Fn(Task) -> F,
    ) -> Result<Duration, StoreError> {
        if under_way.len() < self.at_once {
            self.begin(under_way, run).await?;
        }
        // One that hangs holds up no other.
        if !under_way.is_empty() {
            return Ok(TASKS_LOOKED_FOR_BESIDE_OTHERS_EVERY);
        }
        let next = self.store.next_task_at(&self.kind).await?;
        Ok(next.map_or(looks.every, |next| next.since(self.clock.now())))
    }

    /// Claims as much as there is room for, and begins with it. What is under way may hold what the store answers with.
    async fn begin<F: Future<Output = ()>>(
        &self,
        under_way: &mut UnderWay<F>,
        run: &impl Fn(Task) -> F,
    ) -> Result<(), StoreError> {
        let (now, room) = (self.clock.now(), self.at_once - under_way.len());
        let mut claim = self.store.claim_tasks(&self.kind, room as u32, now, now.plus(TASK_CLAIM_LASTS));
        let claimed = loop {
            tokio::select! {
                biased;
                claimed = &mut claim => break claimed?,
                Some(ended) = under_way.next() => self.told(&ended),
            }
        };
        under_way.extend(claimed.into_iter().map(|task| AssertUnwindSafe(run(task)).catch_unwind()));
        Ok(())
    }

    /// Waits until one has ended and there is room for those that are claimed together.
    async fn room<F: Future<Output = ()>>(&self, under_way: &mut UnderWay<F>) {
        while let Some(ended) = under_way.next().await {
            self.told(&ended);
            if under_way.len() + self.together <= self.at_once {
                return;
            }
        }
    }

    async fn end<F: Future<Output = ()>>(&self, mut under_way: UnderWay<F>) {
        while let Some(ended) = under_way.next().await {
            self.told(&ended);
        }
    }

    fn told(&self, ended: &std::thread::Result<()>) {
        if ended.is_err() {
            tracing::error!(kind = %self.kind, "a task panicked; it is run again once its claim has lapsed");
        }
    }
}

#[cfg(test)]
mod tests;
