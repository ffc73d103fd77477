//! Waiting, at most so long, for what nearly always comes in time.
//!
//! hyper wants a sleep for the head of each request, and throws it away when the head is there. Each would be entered among
//! the runtime's timers and taken out again, under a lock that all threads share. So a connection has one entry there, which
//! stays: it is early for most, and is moved to where it belongs only when it has fired.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// The timer of one connection. Of its sleeps one is polled at a time, by the connection's task.
#[derive(Debug, Clone, Default)]
pub(super) struct Patience {
    entry: Arc<Mutex<Option<Entry>>>,
}

type Entry = Pin<Box<tokio::time::Sleep>>;

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Until { deadline: deadline.into(), patience: self.clone() })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// Ends at its deadline.
#[derive(Debug)]
struct Until {
    deadline: tokio::time::Instant,
    patience: Patience,
}

impl Sleep for Until {}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut entry = self.patience.entry.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entry.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(self.deadline)));
        if entry.deadline() > self.deadline {
            entry.as_mut().reset(self.deadline);
        }
        loop {
            ready!(entry.as_mut().poll(context));
            if entry.deadline() >= self.deadline {
                return Poll::Ready(());
            }
            entry.as_mut().reset(self.deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_ends_at_its_own_deadline_whatever_came_before() {
        let patience = Patience::default();
        let begun = tokio::time::Instant::now();
        let seconds = || begun.elapsed().as_secs();
        let begin = |seconds| patience.sleep(Duration::from_secs(seconds));
        // The entry is made for the first, which is given up; it fires early for the second.
        let mut first = begin(10);
        assert!(futures::poll!(&mut first).is_pending());
        drop(first);
        tokio::time::sleep(Duration::from_secs(4)).await;
        begin(10).await;
        assert_eq!(seconds(), 14);
        // An entry that stands late is moved forward.
        let mut late = begin(60);
        assert!(futures::poll!(&mut late).is_pending());
        drop(late);
        begin(5).await;
        assert_eq!(seconds(), 19);
    }
}
