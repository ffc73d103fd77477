//! Tasks with a name, that are watched and waited for.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::runtime::{self, Handle};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;

/// How long a task that panicked is left before it is started again.
const RESTART_AFTER: Duration = Duration::from_millis(500);

/// Starts tasks and, in the end, waits for them.
#[derive(Debug, Clone)]
pub struct Supervisor {
    tasks: TaskTracker,
    stopping: CancellationToken,
    clock: Arc<dyn Clock>,
    workers: Handle,
}

impl Supervisor {
    /// A supervisor of nothing yet.
    ///
    /// # Panics
    /// There are no workers here: it is made within their runtime.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (tasks, stopping) = (TaskTracker::new(), CancellationToken::new());
        Self { tasks, stopping, clock, workers: Handle::current() }
    }

    /// Ends when the program is told to stop.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Runs `task` to its end, by the workers.
    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.tasks.spawn_on(task, &self.workers)
    }

    /// Runs the task that `start` makes, and makes it again whenever it panics: a bug met by one event must not stop
    /// the work for all others.
    pub fn keep<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &'static str,
        start: impl Fn() -> F + Send + Sync + 'static,
    ) {
        self.spawn(self.restarted(name, start));
    }

    /// [`Supervisor::keep`] for what a subject does.
    pub fn keep_with<S: Clone + Send + Sync + 'static, F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &'static str,
        subject: S,
        start: impl Fn(S) -> F + Send + Sync + 'static,
    ) {
        self.keep(name, move || start(subject.clone()));
    }

    /// [`Supervisor::keep_with`] on a thread of its own, for a task that many others wait for: among them, it would wait for
    /// its turn whenever it could go on. What the task reads and writes, that thread waits for itself; connections that
    /// are opened there end with it.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn keep_apart_with<S: Clone + Send + Sync + 'static, F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &'static str,
        subject: S,
        start: impl Fn(S) -> F + Send + Sync + 'static,
    ) -> io::Result<()> {
        let task = self.restarted(name, move || start(subject.clone()));
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let waited_for = self.tasks.token();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(task);
            drop(waited_for);
        })?;
        Ok(())
    }

    /// [`Supervisor::repeat`] for what a subject does.
    pub fn repeat_with<S: Clone + Send + Sync + 'static, F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &'static str,
        pause: Duration,
        subject: S,
        step: impl Fn(S) -> F + Send + Sync + 'static,
    ) {
        self.repeat(name, pause, move || step(subject.clone()));
    }

    /// Runs `step` again and again, with `pause` between, until the program is told to stop.
    pub fn repeat<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &'static str,
        pause: Duration,
        step: impl Fn() -> F + Send + Sync + 'static,
    ) {
        let (stopping, clock) = (self.stopping(), Arc::clone(&self.clock));
        let step = Arc::new(step);
        self.keep(name, move || {
            let (stopping, clock, step) = (stopping.clone(), Arc::clone(&clock), Arc::clone(&step));
            async move {
                while !stopping.is_cancelled() {
                    step().await;
                    tokio::select! {
                        () = stopping.cancelled() => {}
                        () = clock.sleep(pause) => {}
                    }
                }
            }
        });
    }

    /// The task that `start` makes, and makes again whenever it panics.
    fn restarted<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &'static str,
        start: impl Fn() -> F + Send + Sync + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let clock = Arc::clone(&self.clock);
        async move {
            while std::panic::AssertUnwindSafe(start()).catch_unwind().await.is_err() {
                tracing::error!(task = name, "a task panicked and is started again");
                clock.sleep(RESTART_AFTER).await;
            }
        }
    }

    /// Tells all tasks to stop.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Waits until all tasks have ended, at most `grace`; false if some have not.
    pub async fn ended_within(&self, grace: Duration) -> bool {
        self.tasks.close();
        tokio::time::timeout(grace, self.tasks.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test]
    async fn a_task_apart_has_another_thread_is_made_again_and_is_waited_for() {
        let supervisor = Supervisor::new(Arc::new(SystemClock::new()));
        let started = Arc::new(AtomicUsize::new(0));
        let (here, stopping) = (thread::current().id(), supervisor.stopping());
        let apart = supervisor.keep_apart_with("apart", Arc::clone(&started), move |started| {
            let stopping = stopping.clone();
            async move {
                assert_ne!(thread::current().id(), here);
                assert!(started.fetch_add(1, Ordering::SeqCst) > 0, "the first time it panics");
                stopping.cancelled().await;
            }
        });
        apart.unwrap();

        assert!(!supervisor.ended_within(RESTART_AFTER / 10).await);
        supervisor.stop();
        assert!(supervisor.ended_within(RESTART_AFTER * 100).await);
        assert_eq!(started.load(Ordering::SeqCst), 2);
    }
}
