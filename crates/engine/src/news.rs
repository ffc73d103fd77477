//! News of our own work, told as events in the same log, and delivered like any other to whoever names their types.
//!
//! What becomes of such news is no news: a broken endpoint would report itself for ever.

use std::sync::Arc;
use std::time::Duration;

use domain::alert::{Alert, State};
use domain::delivery::Delivery;
use domain::event::{DedupeKey, Json};
use domain::subscription::Subscription;
use domain::{Connection, Event, EventId, EventType, Timestamp, UserId};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use crate::chance;
use crate::clock::Clock;
use crate::limits::{NEWS_WAITING_MAX, STORE_RETRY_AFTER};
use crate::log::{Draft, Log, NotKept, Owed};
use crate::maintain::Backlog;
use crate::shared::Shared;
use store::StoreError;

/// The source of events that tell of our own work.
pub const SOURCE: &str = "waystation";

/// Something about our own work that a user may want to know.
#[derive(Debug)]
pub(crate) struct News {
    event_type: &'static str,
    user_id: Option<UserId>,
    /// What tells it from a repeat, within its type.
    id: String,
    data: Value,
}

impl News {
    /// A delivery was given up.
    pub(crate) fn delivery_failed(delivery: &Delivery) -> Self {
        let data = json!({
            "delivery_id": delivery.id,
            "event_id": delivery.event_id,
            "event_type": delivery.event_type,
            "subscription_id": delivery.subscription_id,
            "attempts": delivery.attempt_count,
            "response_status": delivery.response_status,
            "error": delivery.error,
        });
        // One that is retried by hand may fail again.
        let ended = delivery.completed_at.map_or(0, Timestamp::as_micros);
        let id = format!("{} {ended}", delivery.id);
        Self { event_type: "delivery.failed", user_id: delivery.owner_id.clone(), id, data }
    }

    /// A subscription gets nothing any more.
    pub(crate) fn deactivated(subscription: &Subscription, why: Why) -> Self {
        let mut news =
            Self::of_subscription("subscription.deactivated", subscription, subscription.updated_at);
        news.data["reason"] = json!(why);
        news
    }

    /// An endpoint that was taken for dead answers again.
    pub(crate) fn recovered(subscription: &Subscription, now: Timestamp) -> Self {
        Self::of_subscription("subscription.recovered", subscription, now)
    }

    /// A grant is dead: its user has to authorise the connection again. A grant dies once.
    pub(crate) fn needs_reauth(connection: &Connection) -> Self {
        let data = json!({
            "connection_id": connection.id,
            "provider": connection.provider,
            "reason": connection.state_reason,
        });
        let id = format!("{} {}", connection.id, connection.authorized_at.as_micros());
        let user_id = Some(connection.user_id.clone());
        Self { event_type: "connection.needs_reauth", user_id, id, data }
    }

    /// A grant will die at `ends_at`, whatever we do. It is told once for each number of days ahead.
    pub(crate) fn expiring(connection: &Connection, ends_at: Timestamp, days_ahead: u64) -> Self {
        let data = json!({
            "connection_id": connection.id,
            "provider": connection.provider,
            "expires_at": ends_at,
            "days_ahead": days_ahead,
        });
        let id = format!("{} {} {days_ahead}", connection.id, connection.authorized_at.as_micros());
        let user_id = Some(connection.user_id.clone());
        Self { event_type: "connection.expiring", user_id, id, data }
    }

    /// A subscription's attempts fail, drag on or repeat too often, or no longer do.
    pub(crate) fn alert(subscription: &Subscription, alert: &Alert, span: Duration) -> Self {
        let data = json!({
            "subscription_id": subscription.id,
            "state": alert.state,
            "threshold": alert.threshold,
            "value": alert.value,
            "window_seconds": span.as_secs(),
        });
        Self::of_span(alert.kind.event_type(), subscription, alert.state, alert.span, data)
    }

    /// More waits for a subscription than should, or no longer does.
    pub(crate) fn backlog(
        subscription: &Subscription,
        backlog: &Backlog<'_>,
        state: State,
        span: i64,
    ) -> Self {
        let data = json!({
            "subscription_id": subscription.id,
            "queue": backlog.queue,
            "state": state,
            "threshold": backlog.threshold,
            "waiting": backlog.waiting,
            "oldest_at": backlog.oldest,
        });
        Self::of_span("queue.backlog", subscription, state, span, data)
    }

    /// Whichever node finds it out: within a span it is told once.
    fn of_span(
        event_type: &'static str,
        subscription: &Subscription,
        state: State,
        span: i64,
        data: Value,
    ) -> Self {
        let id = format!("{} {span} {}", subscription.id, state.as_str());
        Self { event_type, user_id: subscription.user_id.clone(), id, data }
    }

    fn of_subscription(event_type: &'static str, subscription: &Subscription, at: Timestamp) -> Self {
        let data = json!({
            "subscription_id": subscription.id,
            "description": subscription.terms.description,
        });
        let id = format!("{} {}", subscription.id, at.as_micros());
        Self { event_type, user_id: subscription.user_id.clone(), id, data }
    }

    /// Its type and data.
    #[cfg(test)]
    pub(crate) fn told(self) -> (&'static str, Value) {
        (self.event_type, self.data)
    }

    pub(crate) fn draft(&self, now: Timestamp) -> Draft {
        let user = self.user_id.as_ref();
        let dedupe_key = DedupeKey::new(self.event_type, user, &self.id);
        let event = Event {
            id: EventId::new(now, &mut chance::rng()),
            event_type: EventType::from_words([self.event_type]),
            user_id: self.user_id.clone(),
            source: SOURCE.into(),
            provider: None,
            occurred_at: now,
            received_at: now,
            data: Json::trusted(self.data.to_string()),
            raw: None,
        };
        Draft {
            events: vec![(Arc::new(event), Some(dedupe_key))],
            idempotency: None,
            owed: Owed::ToWhoWantsThem,
        }
    }
}

/// Why a subscription was deactivated.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Why {
    /// Its endpoint has said that it is.
    Gone,
    /// It did nothing but fail for too long.
    Failing,
}

/// Where news is brought.
#[derive(Debug, Clone)]
pub(crate) struct Desk(mpsc::Sender<News>);

impl Desk {
    /// A desk, and where what it takes comes out.
    pub(crate) fn new() -> (Self, mpsc::Receiver<News>) {
        let (sender, receiver) = mpsc::channel(NEWS_WAITING_MAX);
        (Self(sender), receiver)
    }

    /// Has `news` told. Under a flood of it some is left out; what it is about can be looked up all the same.
    pub(crate) fn tell(&self, news: News) {
        if let Err(mpsc::error::TrySendError::Full(news)) = self.0.try_send(news) {
            tracing::warn!(event_type = news.event_type, "too much news at once: some is not told");
        }
    }
}

/// The task that writes news into the log.
#[derive(Debug)]
pub(crate) struct Teller {
    news: Mutex<mpsc::Receiver<News>>,
    log: Log,
    clock: Arc<dyn Clock>,
    stopping: CancellationToken,
}

impl Teller {
    pub(crate) fn new(shared: &Shared, news: mpsc::Receiver<News>, log: Log) -> Self {
        let Shared { clock, supervisor, .. } = shared.clone();
        Self { news: Mutex::new(news), log, clock, stopping: supervisor.stopping() }
    }

    /// Tells what comes in until the program is told to stop.
    pub(crate) async fn run(&self) {
        let mut news = self.news.lock().await;
        loop {
            let next = tokio::select! {
                next = news.recv() => next,
                () = self.stopping.cancelled() => None,
            };
            let Some(next) = next else { return };
            self.tell(&next).await;
        }
    }

    /// Writes it until it is written, or the program is told to stop.
    async fn tell(&self, news: &News) {
        while !self.stopping.is_cancelled() {
            match self.log.append(news.draft(self.clock.now())).await {
                Ok(_) => return,
                Err(NotKept::Store(StoreError::Refused(error))) => {
                    tracing::error!(%error, event_type = news.event_type, "news was refused");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, event_type = news.event_type, "news cannot be told yet");
                    self.clock.sleep(STORE_RETRY_AFTER).await;
                }
            }
        }
    }
}
