//! How deliveries end, and how many wait, is watched: who should know is told.
//!
//! Ends are counted as they come, each node its own; nothing is looked up for them. What waits is asked of the store,
//! no further than the bound. What two nodes find out within one span is one event, since both give it the same id.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::alert::{Alert, Meter, Rules, Sample, State};
use domain::attempt::Attempt;
use domain::delivery::{Delivery, Status, Trigger};
use domain::subscription::{Subscription, Target};
use domain::{SubscriptionId, Timestamp};
use store::{Change, Store, StoreError, Waiting};

use crate::clock::Clock;
use crate::limits::{ALERTS_LOOKED_AT_AT_LEAST_EVERY, ALERTS_LOOKED_AT_AT_MOST_EVERY};
use crate::news::{Desk, News};
use crate::routes::RouteTable;
use crate::shared::Shared;

/// Sees how deliveries end, and tells who should know.
#[derive(Debug, Clone)]
pub(crate) struct Observer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: Rules,
    store: Arc<dyn Store>,
    routes: Arc<RouteTable>,
    desk: Desk,
    clock: Arc<dyn Clock>,
    /// Each with the span in which it last counted something.
    meters: Mutex<HashMap<SubscriptionId, (i64, Meter)>>,
    /// Subscriptions whose backlog has been told of.
    backlogs: Mutex<HashSet<SubscriptionId>>,
}

impl Observer {
    pub(crate) fn new(shared: &Shared, rules: Rules, desk: Desk) -> Self {
        let Shared { store, routes, clock, .. } = shared.clone();
        let (meters, backlogs) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { rules, store, routes, desk, clock, meters, backlogs }))
    }

    /// Takes in a change that has been written: a delivery given up is told of, and its attempt counts. What carries
    /// news does neither, or an endpoint that is down would report itself for ever.
    pub(crate) fn note(&self, change: &Change) {
        let Change { to: delivery, attempt, .. } = change;
        if delivery.event_type.is_operational() {
            return;
        }
        if delivery.status() == Status::Failed {
            self.0.desk.tell(News::delivery_failed(delivery));
        }
        if let Some(attempt) = attempt.as_ref().filter(|attempt| attempt.trigger != Trigger::Test) {
            self.count(delivery, attempt);
        }
    }

    fn count(&self, delivery: &Delivery, attempt: &Attempt) {
        let (id, now) = (delivery.subscription_id, self.0.clock.now());
        let routes = self.0.routes.current();
        let Some(route) = routes.get(id) else { return };
        let is_push = route.endpoint.is_some();
        let sample = Sample {
            has_failed: attempt.error_code.is_some(),
            is_retry: attempt.number > 1,
            // A worker takes the time that its work takes.
            duration: is_push.then_some(attempt.duration),
        };
        let alerts = {
            let mut meters = held(&self.0.meters);
            let (last, meter) = meters.entry(id).or_default();
            *last = self.0.rules.span_at(now);
            meter.count(sample, &self.0.rules, now)
        };
        self.tell(&route.subscription, &alerts);
    }

    fn tell(&self, subscription: &Subscription, alerts: &[Alert]) {
        for alert in alerts {
            self.0.desk.tell(News::alert(subscription, alert, self.0.rules.span));
        }
    }

    /// How often to [look](Self::look): a few times in each span.
    pub(crate) fn look_every(&self) -> Duration {
        let often = self.0.rules.span / 5;
        often.clamp(ALERTS_LOOKED_AT_AT_LEAST_EVERY, ALERTS_LOOKED_AT_AT_MOST_EVERY)
    }

    /// Ends the spans that are over, and looks at what waits.
    pub(crate) async fn look(&self) {
        self.end_spans();
        if let Err(error) = self.look_at_what_waits().await {
            tracing::warn!(%error, "cannot look at what waits");
        }
    }

    fn end_spans(&self) {
        let (rules, now, routes) = (&self.0.rules, self.0.clock.now(), self.0.routes.current());
        let mut over = Vec::new();
        held(&self.0.meters).retain(|id, (last, meter)| {
            let Some(route) = routes.get(*id) else { return false };
            over.push((Arc::clone(route), meter.move_on(rules, now)));
            !meter.is_silent(*last, rules, now)
        });
        over.iter().for_each(|(route, alerts)| self.tell(&route.subscription, alerts));
    }

    async fn look_at_what_waits(&self) -> Result<(), StoreError> {
        if self.0.rules.backlog == 0 {
            return Ok(());
        }
        let (now, routes) = (self.0.clock.now(), self.0.routes.current());
        let mut seen = HashSet::new();
        for waiting in self.0.store.waiting().await?.iter().filter(|waiting| waiting.due_at <= now) {
            if let Some(route) = routes.get(waiting.subscription_id) {
                seen.insert(waiting.subscription_id);
                self.look_at(&route.subscription, *waiting, now).await?;
            }
        }
        // Of the others nothing is due any more.
        let done: Vec<_> = held(&self.0.backlogs).extract_if(|id| !seen.contains(id)).collect();
        for route in done.into_iter().filter_map(|id| routes.get(id)) {
            self.tell_of_backlog(&route.subscription, State::Resolved, 0, None, now);
        }
        Ok(())
    }

    /// A backlog is told of at the bound, and is over at half of it, so that one that stays about there is told of
    /// once.
    async fn look_at(
        &self,
        subscription: &Subscription,
        waiting: Waiting,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (id, bound) = (subscription.id, self.0.rules.backlog);
        // News that waits is no backlog, but may wait before what is.
        let overdue = self.0.store.overdue(id, now, bound.saturating_mul(2)).await?;
        let count = overdue.iter().filter(|(kind, _)| !kind.is_operational()).map(|(_, count)| count).sum();
        let was_told = held(&self.0.backlogs).contains(&id);
        if !was_told && count >= bound {
            held(&self.0.backlogs).insert(id);
            self.tell_of_backlog(subscription, State::Firing, count, Some(waiting.due_at), now);
        } else if was_told && count <= bound / 2 {
            held(&self.0.backlogs).remove(&id);
            self.tell_of_backlog(subscription, State::Resolved, count, Some(waiting.due_at), now);
        }
        Ok(())
    }

    fn tell_of_backlog(
        &self,
        subscription: &Subscription,
        state: State,
        waiting: u32,
        oldest: Option<Timestamp>,
        now: Timestamp,
    ) {
        let queue = match &subscription.target {
            Target::Pull { queue } => Some(queue.as_str()),
            Target::Push { .. } => None,
        };
        let (threshold, span) = (self.0.rules.backlog, self.0.rules.span_at(now));
        let backlog = Backlog { queue, waiting, threshold, oldest };
        self.0.desk.tell(News::backlog(subscription, &backlog, state, span));
    }
}

/// What waits for a subscription.
#[derive(Debug)]
pub(crate) struct Backlog<'s> {
    /// The queue that it feeds; `None` where it is called.
    pub(crate) queue: Option<&'s str>,
    /// How many are due; counting ends at twice the threshold.
    pub(crate) waiting: u32,
    pub(crate) threshold: u32,
    /// Since when the first of them is due.
    pub(crate) oldest: Option<Timestamp>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use domain::NodeId;
    use domain::attempt::ErrorCode;
    use domain::delivery::State as Stage;
    use serde_json::json;
    use store::Fence;

    use super::*;
    use crate::chance;
    use crate::testing::{Parts, claimed_by, owe, subscription};

    const RULES: Rules = Rules {
        span: Duration::from_secs(100),
        attempts_min: 2,
        error_rate_percent: 50,
        latency: Duration::from_secs(1),
        retry_spike_factor: 3,
        backlog: 4,
    };

    /// An attempt that ended now, and made of its delivery what it says.
    async fn end(parts: &Parts, of: &Subscription, kind: &str, failed: Option<ErrorCode>) -> Delivery {
        let now = parts.clock.now();
        let node = NodeId::new(now, &mut chance::rng());
        let owed = owe(&parts.store, of, kind, now, |delivery| delivery.state = claimed_by(node, now)).await;
        let attempt = Attempt {
            delivery_id: owed.id,
            number: 1,
            at: now,
            trigger: Trigger::Initial,
            duration: Duration::from_millis(10),
            response_status: None,
            response_headers: None,
            response_body: None,
            error: failed.map(|code| code.as_str().to_owned()),
            error_code: failed,
        };
        let state = if failed.is_some() { Stage::Failed } else { Stage::Success };
        let to = Delivery { state, completed_at: Some(now), attempt_count: 1, ..owed.clone() };
        let change = Change { from: Fence::of(&owed), to, attempt: Some(attempt) };
        assert_eq!(parts.store.change(std::slice::from_ref(&change)).await.unwrap(), [true]);
        parts.observer.note(&change);
        change.to
    }

    fn types(told: &[(&'static str, serde_json::Value)]) -> Vec<&'static str> {
        told.iter().map(|(event_type, _)| *event_type).collect()
    }

    #[tokio::test]
    async fn a_rate_is_told_once_and_its_end_too() {
        let subscription = subscription(None);
        let id = subscription.subscription.id;
        let mut parts = Parts::new(RULES, std::slice::from_ref(&subscription)).await;
        for _ in 0..5 {
            end(&parts, &subscription.subscription, "a.b", Some(ErrorCode::Timeout)).await;
        }
        let mut told = parts.told();
        told.retain(|(event_type, _)| *event_type != "delivery.failed");
        let data = json!({
            "subscription_id": id, "state": "firing", "threshold": 0.5, "value": 1.0, "window_seconds": 100,
        });
        assert_eq!(told, [("alert.error_rate", data)]);
        parts.clock.move_by(RULES.span);
        parts.observer.look().await;
        assert_eq!(parts.told(), [], "nothing is known of this span yet");
        end(&parts, &subscription.subscription, "a.b", None).await;
        parts.clock.move_by(RULES.span);
        parts.observer.look().await;
        let told = parts.told();
        assert_eq!(types(&told), ["alert.error_rate"]);
        assert_eq!((&told[0].1["state"], &told[0].1["value"]), (&json!("resolved"), &json!(0.0)));
        parts.clock.move_by(RULES.span * 20);
        parts.observer.look().await;
        assert!(held(&parts.observer.0.meters).is_empty(), "it is forgotten in the end");
    }

    #[tokio::test]
    async fn what_becomes_of_news_is_no_news() {
        let subscription = subscription(Some("jobs"));
        let mut parts = Parts::new(RULES, std::slice::from_ref(&subscription)).await;
        for _ in 0..10 {
            end(&parts, &subscription.subscription, "alert.latency", Some(ErrorCode::Worker)).await;
            owe(&parts.store, &subscription.subscription, "queue.backlog", parts.clock.now(), |_| {}).await;
        }
        parts.observer.look().await;
        assert_eq!(parts.told(), []);
    }

    #[tokio::test]
    async fn a_backlog_is_told_of_at_the_bound_and_is_over_at_half_of_it() {
        let (queue, push) = (subscription(Some("jobs")), subscription(None));
        let mut parts = Parts::new(RULES, &[queue.clone(), push.clone()]).await;
        let now = parts.clock.now();
        let mut owed = Vec::new();
        for number in 0..4 {
            parts.observer.look().await;
            assert_eq!(parts.told(), [], "{number} are not enough");
            owed.push(owe(&parts.store, &queue.subscription, "a.b", now, |_| {}).await);
            let later = |delivery: &mut Delivery| {
                delivery.state = Stage::Retrying { due_at: now.plus(Duration::from_secs(9)) };
            };
            owe(&parts.store, &push.subscription, "a.b", now, later).await;
        }
        parts.observer.look().await;
        parts.observer.look().await;
        let data = json!({
            "subscription_id": queue.subscription.id, "queue": "jobs", "state": "firing",
            "threshold": 4, "waiting": 4, "oldest_at": now,
        });
        assert_eq!(parts.told(), [("queue.backlog", data)]);
        for (index, delivery) in owed.into_iter().enumerate() {
            let to = Delivery { state: Stage::Success, completed_at: Some(now), ..delivery.clone() };
            let change = Change { from: Fence::of(&delivery), to, attempt: None };
            parts.store.change(&[change]).await.unwrap();
            parts.observer.look().await;
            let states: Vec<_> = parts.told().into_iter().map(|(_, data)| data["state"].clone()).collect();
            assert_eq!(states, if index == 1 { vec![json!("resolved")] } else { vec![] });
        }
        parts.clock.move_by(Duration::from_secs(10));
        parts.observer.look().await;
        let told = parts.told();
        assert_eq!(
            (types(&told), &told[0].1["queue"]),
            (vec!["queue.backlog"], &json!(null)),
            "now they are due"
        );
    }
}
