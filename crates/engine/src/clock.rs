//! Where time comes from.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use domain::Timestamp;

/// A clock. Whoever needs the time is handed one.
#[async_trait]
pub trait Clock: Send + Sync + Debug + 'static {
    /// The time of day. It may jump.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment. It never goes back.
    fn elapsed(&self) -> Duration;

    /// Waits.
    async fn sleep(&self, span: Duration);
}

/// The system's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: std::time::Instant,
}

#[expect(clippy::disallowed_methods, reason = "this is the place that everyone else is sent to")]
impl SystemClock {
    /// The system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self { started: std::time::Instant::now() }
    }

    fn read() -> std::time::SystemTime {
        std::time::SystemTime::now()
    }

    fn since_start(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = Self::read().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.since_start()
    }

    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}
