//! What the door refused, kept for the operator.
//!
//! Whoever is refused never waits for this, and cannot fill the disk with it: what comes faster than it is written is
//! counted and dropped, and of what is written the oldest goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use store::{REJECTIONS_PER_CALL_MAX, Rejection, Store};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::limits::{
    REJECTIONS_FORGOTTEN_EVERY, REJECTIONS_KEPT_MAX, REJECTIONS_WAITING_MAX, REJECTIONS_WRITTEN_EVERY,
};
use crate::shared::Shared;

/// The way into the list of what was refused.
#[derive(Debug, Clone)]
pub struct Rejections {
    waiting: mpsc::Sender<Rejection>,
    dropped: Arc<AtomicU64>,
}

impl Rejections {
    /// A list and the task that writes it. What was refused more than `kept_for` ago is forgotten.
    pub(crate) fn new(shared: &Shared, kept_for: Duration) -> (Self, Recorder) {
        let Shared { store, clock, supervisor, .. } = shared.clone();
        let stopping = supervisor.stopping();
        let (waiting, inbox) = mpsc::channel(REJECTIONS_WAITING_MAX);
        let inbox = Mutex::new(inbox);
        (Self { waiting, dropped: Arc::default() }, Recorder { inbox, store, clock, kept_for, stopping })
    }

    /// Keeps what `describe` tells, if there is room for it. It never waits; without room nothing is described.
    pub fn keep(&self, describe: impl FnOnce() -> Rejection) {
        match self.waiting.try_reserve() {
            Ok(place) => place.send(describe()),
            Err(_full) => self.drop_one(),
        }
    }

    /// Counts one that is not to be kept.
    pub fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were not kept since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// The task behind [`Rejections`].
#[derive(Debug)]
pub(crate) struct Recorder {
    inbox: Mutex<mpsc::Receiver<Rejection>>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    kept_for: Duration,
    stopping: CancellationToken,
}

impl Recorder {
    /// Writes what has gathered, a bounded batch at a time, until the program is told to stop.
    pub(crate) async fn run(&self) {
        let mut inbox = self.inbox.lock().await;
        let mut forget_at = Duration::ZERO;
        while !self.stopping.is_cancelled() {
            if self.clock.elapsed() >= forget_at {
                self.forget().await;
                forget_at = self.clock.elapsed() + self.forget_every();
            }
            self.write(&mut inbox).await;
            tokio::select! {
                () = self.stopping.cancelled() => {}
                () = self.clock.sleep(REJECTIONS_WRITTEN_EVERY) => {}
            }
        }
        self.write(&mut inbox).await;
    }

    async fn write(&self, inbox: &mut mpsc::Receiver<Rejection>) {
        let batch: Vec<_> =
            std::iter::from_fn(|| inbox.try_recv().ok()).take(REJECTIONS_PER_CALL_MAX).collect();
        if !batch.is_empty()
            && let Err(error) = self.store.keep_rejections(&batch).await
        {
            tracing::warn!(%error, rejections = batch.len(), "what was refused could not be written down");
        }
    }

    async fn forget(&self) {
        let oldest = self.clock.now().minus(self.kept_for);
        if let Err(error) = self.store.forget_rejections(oldest, REJECTIONS_KEPT_MAX).await {
            tracing::warn!(%error, "what was refused long ago could not be forgotten");
        }
    }

    /// Nothing stays twice as long as it may, whatever that is.
    fn forget_every(&self) -> Duration {
        self.kept_for.min(REJECTIONS_FORGOTTEN_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use domain::RejectionId;
    use store::Page;
    use store::model::Model;

    use super::*;
    use crate::chance;
    use crate::clock::SystemClock;
    use crate::testing::shared;

    fn rejection(clock: &dyn Clock) -> Rejection {
        let now = clock.now();
        Rejection {
            id: RejectionId::new(now, &mut chance::rng()),
            at: now,
            route: String::new(),
            source: None,
            address: String::new(),
            reason: "unreadable".to_owned(),
            detail: String::new(),
            headers: "{}".to_owned(),
            body: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_written_slowly_and_the_rest_is_counted() {
        let (store, clock) = (Arc::new(Model::new()), Arc::new(SystemClock::new()));
        let shared = shared(Arc::<Model>::clone(&store), Arc::<SystemClock>::clone(&clock)).await;
        let (rejections, recorder) = Rejections::new(&shared, Duration::from_secs(3_600));
        for _ in 0..REJECTIONS_WAITING_MAX {
            rejections.keep(|| rejection(clock.as_ref()));
        }
        rejections.keep(|| panic!("there is no room, and nothing is described"));
        assert_eq!(rejections.dropped(), 1);

        let written = async || store.rejections(&Page::first(1_000)).await.unwrap().len();
        let running = tokio::time::timeout(REJECTIONS_WRITTEN_EVERY / 2, recorder.run());
        assert!(running.await.is_err(), "it goes on");
        assert_eq!(written().await, REJECTIONS_PER_CALL_MAX, "one batch at a time");
        let running = tokio::time::timeout(REJECTIONS_WRITTEN_EVERY * 10, recorder.run());
        assert!(running.await.is_err());
        assert_eq!(written().await, REJECTIONS_WAITING_MAX);

        rejections.keep(|| rejection(clock.as_ref()));
        shared.supervisor.stop();
        recorder.run().await;
        assert_eq!(written().await, REJECTIONS_WAITING_MAX + 1, "what waits is written before the end");
    }
}
