//! How what is owed gets there: claim what is due, attempt it, settle it.
//!
//! ```text
//! log ──admit──▶ lanes ──▶ workers ──attempt──▶ settler ──▶ store
//!                  ▲                                          │
//!                  └───────────── refill: claim what is due ◀─┘
//! ```
//!
//! A fresh delivery comes from the log already claimed. When its lane is full it waits in the store, as do retries, and
//! [`Deliverer::refill`] claims it when it is due and there is room.

mod attempt;
mod client;
mod connection;
mod content;
mod fetch;
mod guard;
mod lanes;
mod settle;
mod transforms;

use std::sync::Arc;
use std::time::Duration;

use domain::attempt::{Attempt, ErrorCode, Outcome};
use domain::delivery::{Delivery, Settled, State, Trigger};
use domain::health;
use domain::retry::RetryPolicy;
use domain::subscription::{Subscription, Target};
use domain::{DeliveryId, Event, NodeId, SubscriptionId};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng as _};
use store::{Change, Fence, Lane, Store, StoreError};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use attempt::attempt_of;
pub use attempt::{headers, signed_headers, unsigned_headers};
pub(crate) use client::explain;
pub use client::{Client, Failure};
pub use content::{Content, Shape};
pub use fetch::{NoAnswer, Page};
pub use guard::Guard;
pub use lanes::Job;
use lanes::{Flow, Lanes, Next};
use settle::Book;
pub(crate) use settle::Settler;
pub use transforms::Transforms;

use crate::chance;
use crate::clock::Clock;
use crate::lease::Bells;
use crate::limits::{DEACTIVATED_AT_ONCE_MAX, DUE_POLL_AT_MOST_EVERY, DUE_POLL_EVERY, STORE_RETRY_AFTER};
use crate::log::claim;
use crate::maintain::Observer;
use crate::news::{Desk, News, Why};
use crate::routes::{Route, RouteTable};
use crate::shared::Shared;
use crate::supervise::Supervisor;

/// Delivers what this node has claimed.
#[derive(Debug, Clone)]
pub struct Deliverer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    node: NodeId,
    store: Arc<dyn Store>,
    routes: Arc<RouteTable>,
    client: Client,
    desk: Desk,
    observer: Observer,
    transforms: Transforms,
    lanes: Arc<Lanes>,
    settled: mpsc::Sender<Change>,
    book: Arc<Book>,
    /// Rung when a lane could do with more from the store.
    refill: Arc<Notify>,
    /// Rung when something comes into a queue that workers wait for.
    bells: Bells,
    clock: Arc<dyn Clock>,
    supervisor: Supervisor,
}

impl Deliverer {
    /// A deliverer and the task that writes what it settles.
    pub(crate) fn new(
        shared: &Shared,
        desk: Desk,
        observer: Observer,
        settling_ends: CancellationToken,
    ) -> (Self, Settler) {
        let Shared { node, store, routes, client, transforms, clock, supervisor, .. } = shared.clone();
        let (lanes, refill, bells) = (Arc::<Lanes>::default(), Arc::<Notify>::default(), Bells::default());
        let book = Arc::new(Book {
            store: Arc::clone(&store),
            observer: observer.clone(),
            clock: Arc::clone(&clock),
            lanes: Arc::clone(&lanes),
            refill: Arc::clone(&refill),
        });
        let (settled, settler) = Settler::new(Arc::clone(&book), settling_ends);
        (
            Self(Arc::new(Inner {
                node,
                store,
                routes,
                client,
                desk,
                observer,
                transforms,
                lanes,
                settled,
                book,
                refill,
                bells,
                clock,
                supervisor,
            })),
            settler,
        )
    }

    /// The node that claims are made for.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.0.node
    }

    /// Promises a place in memory for a delivery to `route` that is about to be committed; false if it has to wait in
    /// the store.
    pub(crate) fn reserve(&self, route: &Route) -> bool {
        let stopping = self.0.supervisor.stopping().is_cancelled();
        let is_push = route.endpoint.is_some();
        // Batches are made where all that could be in them is.
        is_push
            && route.subscription.terms.batch.is_none()
            && !stopping
            && self.0.lanes.reserve(
                route.subscription.id,
                Flow::from(&route.subscription.terms),
                self.0.clock.now(),
            )
    }

    /// Takes a promise back.
    pub(crate) fn release(&self, id: SubscriptionId) {
        self.0.lanes.release(id);
    }

    /// Takes a delivery that was promised a place and is now durable.
    pub(crate) fn admit(&self, job: Job) {
        let id = job.delivery.subscription_id;
        let concurrency = self.route(id).map_or(1, |route| route.subscription.terms.max_concurrency);
        if self.0.lanes.admit_reserved(job, concurrency) {
            self.start_worker(id);
        }
    }

    /// Learns of a delivery that waits in the store, or that has ended and lets the next of its line go.
    pub fn note_waiting(&self, delivery: &Delivery) {
        if let Some(due_at) = delivery.due_at() {
            self.note_due(delivery.subscription_id, due_at);
            self.note_gathered(delivery);
        } else if delivery.lets_next_go() {
            self.note_released(delivery.subscription_id);
        }
    }

    /// Counts those that wait for others. A full batch need not wait any longer.
    fn note_gathered(&self, delivery: &Delivery) {
        let id = delivery.subscription_id;
        let is_fresh = delivery.attempt_count == 0;
        let batch = self.route(id).and_then(|route| route.subscription.terms.batch).filter(|_| is_fresh);
        if batch.is_some_and(|batch| self.0.lanes.note_gathered(id, batch)) {
            self.0.lanes.note_behind(id);
            self.0.refill.notify_one();
        }
    }

    /// Learns how many nodes live, this one among them.
    pub(crate) fn note_nodes(&self, count: usize) {
        self.0.lanes.note_nodes(count);
    }

    /// Learns that a subscription's deliveries may have been let go.
    pub fn note_released(&self, id: SubscriptionId) {
        if self.is_pulled(id) {
            return self.0.bells.ring(id);
        }
        self.0.lanes.note_behind(id);
        self.0.refill.notify_one();
    }

    /// A delivery for somebody who tries a subscription out: one attempt, claimed from the start.
    #[must_use]
    pub fn claimed_for_test(&self, event: &Event, subscription: &Subscription) -> Delivery {
        let now = self.0.clock.now();
        let id = DeliveryId::new(now, &mut chance::rng());
        let mut delivery = Delivery::owed(id, event, subscription, Trigger::Test, now);
        delivery.state = State::Pending { due_at: now };
        delivery.max_attempts = 1;
        delivery.ordering_key = None;
        let claimed = delivery.claim(claim(self.0.node, now), now);
        debug_assert!(claimed.is_ok(), "it has just become due");
        delivery
    }

    /// How a subscription's endpoint has been answering this node.
    #[must_use]
    pub fn health(&self, id: SubscriptionId) -> health::Health {
        self.0.lanes.health(id)
    }

    /// What is told of changes that others have written.
    pub(crate) fn observer(&self) -> &Observer {
        &self.0.observer
    }

    /// What wakes workers that wait for a queue.
    pub(crate) fn bells(&self) -> &Bells {
        &self.0.bells
    }

    /// Whether a subscription's deliveries are fetched by workers, and not ours to make.
    fn is_pulled(&self, id: SubscriptionId) -> bool {
        let routes = self.0.routes.current();
        routes.get(id).is_some_and(|route| matches!(route.subscription.target, Target::Pull { .. }))
    }

    fn note_due(&self, id: SubscriptionId, due_at: domain::Timestamp) {
        if self.is_pulled(id) {
            // What is due later is heard of at the poll.
            if due_at <= self.0.clock.now() {
                self.0.bells.ring(id);
            }
        } else if due_at <= self.0.clock.now() {
            self.0.lanes.note_behind(id);
            self.0.refill.notify_one();
        } else if self.0.lanes.note_due(id, due_at) {
            self.0.refill.notify_one();
        }
    }

    fn route(&self, id: SubscriptionId) -> Option<Arc<Route>> {
        self.0.routes.current().get(id).cloned()
    }

    fn start_worker(&self, id: SubscriptionId) {
        let this = self.clone();
        // Boxed, since a task is moved a few times before it first runs.
        self.0.supervisor.spawn(Box::pin(async move { this.work(id).await }));
    }

    /// A worker: one attempt after another, until the lane's queue is empty or its endpoint is to be left alone.
    async fn work(&self, id: SubscriptionId) {
        loop {
            let route = self.route(id);
            let flow = route.as_ref().map_or(Flow::LEAST, |route| Flow::from(&route.subscription.terms));
            let job = match self.0.lanes.next(id, flow, self.0.clock.now()) {
                Next::Attempt(job) => job,
                Next::GiveBack(jobs, until) => {
                    for job in jobs {
                        self.hand_back(job).await;
                    }
                    return self.note_due(id, until);
                }
                Next::Rest => return,
            };
            let stopping = self.0.supervisor.stopping().is_cancelled();
            let outcome = match &route {
                Some(route) if !route.subscription.holds() && !stopping => self.deliver(route, job).await,
                _ => {
                    self.hand_back(job).await;
                    None
                }
            };
            let finished = self.0.lanes.finished(id, outcome.as_ref(), flow, self.0.clock.now());
            self.follow(id, finished.change).await;
            if finished.wants_more {
                self.0.refill.notify_one();
            }
        }
    }

    /// Does what a change in an endpoint's health asks for.
    async fn follow(&self, id: SubscriptionId, change: health::Change) {
        match change {
            health::Change::None => {}
            health::Change::Opened(until) => {
                tracing::warn!(subscription = %id, %until, "its endpoint fails and is left alone for a while");
                self.note_due(id, until);
            }
            health::Change::Closed => {
                tracing::info!(subscription = %id, "its endpoint answers again");
                if let Some(route) = self.route(id) {
                    self.0.desk.tell(News::recovered(&route.subscription, self.0.clock.now()));
                }
                self.note_released(id);
            }
            health::Change::Deactivate => self.deactivate(id, Why::Gone).await,
        }
    }

    /// Makes one attempt and settles it; how it ended.
    async fn deliver(&self, route: &Route, job: Job) -> Option<Outcome> {
        let (outcome, attempt) = self.attempt(route, &job).await;
        if job.batch.is_some() {
            self.settle_batch(route, job, &outcome, &attempt).await;
            return Some(outcome);
        }
        let (change, settled) = self.settle(route, job.delivery, &outcome, attempt, &mut chance::rng())?;
        let id = change.to.subscription_id;
        // Closed only once nobody settles any more.
        let _closed = self.0.settled.send(change).await;
        if let Settled::Retrying(due_at) = settled {
            self.note_due(id, due_at);
        }
        Some(outcome)
    }

    /// Settles all of a batch alike and at once: what is to be tried again is due together.
    async fn settle_batch(&self, route: &Route, job: Job, outcome: &Outcome, attempt: &Attempt) {
        let (id, seed) = (job.delivery.subscription_id, chance::rng().next_u64());
        let mut changes = Vec::with_capacity(1 + job.batch.as_ref().map_or(0, Vec::len));
        for delivery in job.into_deliveries() {
            let attempt = attempt_of(&delivery, attempt);
            let same_chance = &mut SmallRng::seed_from_u64(seed);
            let settled = self.settle(route, delivery, outcome, attempt, same_chance);
            changes.extend(settled.map(|(change, _)| change));
        }
        self.0.book.write(&changes).await;
        if let Some(due_at) = changes.iter().filter_map(|change| change.to.due_at()).max() {
            self.note_due(id, due_at);
        }
    }

    async fn attempt(&self, route: &Route, job: &Job) -> (Outcome, Attempt) {
        attempt::attempt(&self.0.client, &self.0.transforms, route, job, self.0.clock.as_ref()).await
    }

    fn settle(
        &self,
        route: &Route,
        mut delivery: Delivery,
        outcome: &Outcome,
        attempt: Attempt,
        rng: &mut impl Rng,
    ) -> Option<(Change, Settled)> {
        let from = Fence::of(&delivery);
        let policy = &route.subscription.terms.retry_policy;
        let settled = delivery.settle(outcome, policy, self.0.clock.now(), rng);
        match settled {
            // Where nobody was called there is no attempt to look at.
            Ok(settled) => {
                let attempt = Some(attempt).filter(|_| settled != Settled::Skipped);
                Some((Change { from, to: delivery, attempt }, settled))
            }
            Err(error) => {
                tracing::error!(delivery = %delivery.id, %error, "an attempt ended that nobody had claimed");
                None
            }
        }
    }

    /// Makes one attempt now and waits until it is settled, for somebody who wants to see the outcome. The delivery
    /// must be claimed.
    ///
    /// # Errors
    /// The outcome could not be written; the attempt may have been made.
    pub async fn deliver_now(&self, route: &Route, job: Job) -> Result<(Delivery, Attempt), StoreError> {
        let (outcome, attempt) = self.attempt(route, &job).await;
        let settled = self.settle(route, job.delivery, &outcome, attempt.clone(), &mut chance::rng());
        let unclaimed = || StoreError::Refused("the delivery is not claimed".to_owned());
        let (change, _) = settled.ok_or_else(unclaimed)?;
        let delivery = change.to.clone();
        self.0.store.change(&[change]).await?;
        let change = self.0.lanes.note_outcome(delivery.subscription_id, &outcome, self.0.clock.now());
        self.follow(delivery.subscription_id, change).await;
        Ok((delivery, attempt))
    }

    /// Settles what was claimed at its append and is not to be sent: nobody can tell whether it should be.
    pub(crate) fn fail_unsent(&self, mut delivery: Delivery, code: ErrorCode, message: String) {
        let (from, now) = (Fence::of(&delivery), self.0.clock.now());
        let outcome = Outcome::Unsendable { code, message };
        let attempt = Attempt {
            delivery_id: delivery.id,
            number: 1,
            at: now,
            trigger: delivery.trigger,
            duration: Duration::ZERO,
            response_status: None,
            response_headers: None,
            response_body: None,
            error: outcome.error(),
            error_code: outcome.error_code(),
        };
        let settled = delivery.settle(&outcome, &RetryPolicy::Exponential, now, &mut chance::rng());
        debug_assert!(settled.is_ok(), "it is claimed");
        let (this, change) = (self.clone(), Change { from, to: delivery, attempt: Some(attempt) });
        // In a task of its own: the commit, which is everybody's, does not wait until there is room for one user's
        // failures.
        self.0.supervisor.spawn(async move { this.0.settled.send(change).await });
    }

    /// Gives back what will not be attempted: its subscription is held or gone, or the program is stopping.
    async fn hand_back(&self, job: Job) {
        let holds = self.route(job.delivery.subscription_id).is_some_and(|route| route.subscription.holds());
        for mut delivery in job.into_deliveries() {
            let from = Fence::of(&delivery);
            if delivery.hand_back(self.0.clock.now()).is_ok() {
                if holds {
                    delivery.hold();
                }
                let _closed = self.0.settled.send(Change { from, to: delivery, attempt: None }).await;
            }
        }
    }

    /// Gives back all that is claimed and not yet under way.
    pub(crate) async fn hand_back_queued(&self) {
        for job in self.0.lanes.drain() {
            self.hand_back(job).await;
        }
    }

    /// Deactivates the subscriptions that have done nothing but fail for longer than `span`. That is kept in the store:
    /// every node adds to it, and none forgets it.
    pub(crate) async fn deactivate_failing(&self, span: Duration) {
        match self.0.store.failing_for(span, DEACTIVATED_AT_ONCE_MAX).await {
            Ok(failing) => {
                for id in failing {
                    self.deactivate(id, Why::Failing).await;
                }
            }
            Err(error) => tracing::warn!(%error, "cannot look for what has failed for too long"),
        }
    }

    /// The subscriber wants no more, or is no more.
    async fn deactivate(&self, id: SubscriptionId, why: Why) {
        match self.try_deactivate(id, why).await {
            Ok(()) => {
                tracing::info!(subscription = %id, "its endpoint is gone, or has failed for too long: deactivated");
            }
            // The next attempt will say so again.
            Err(error) => {
                tracing::warn!(subscription = %id, %error, "could not be deactivated");
            }
        }
    }

    async fn try_deactivate(&self, id: SubscriptionId, why: Why) -> Result<(), StoreError> {
        while let Some(mut stored) = self.0.store.subscription(id).await? {
            if !stored.subscription.is_active {
                break;
            }
            let now = self.0.clock.now();
            stored.subscription.is_active = false;
            stored.subscription.updated_at = now;
            // Else its owner has just changed it; what they wrote is kept.
            if self.0.store.change_subscription(&stored, now).await? {
                self.0.desk.tell(News::deactivated(&stored.subscription, why));
                break;
            }
        }
        self.0.routes.refresh().await
    }

    /// Keeps the lanes supplied from the store until the program is told to stop.
    pub(crate) async fn refill(&self) {
        let stopping = self.0.supervisor.stopping();
        let mut polled_at = None;
        while !stopping.is_cancelled() {
            // Registered before looking, so that what comes in meanwhile is not missed.
            let rung = self.0.refill.notified();
            let is_poll_due =
                polled_at.is_none_or(|at| self.0.clock.elapsed().saturating_sub(at) >= DUE_POLL_EVERY);
            let refilled = self.refill_once(is_poll_due).await;
            if is_poll_due && refilled.is_ok() {
                polled_at = Some(self.0.clock.elapsed());
            }
            let pause = match refilled {
                Ok(true) => continue,
                Ok(false) => self.pause(),
                Err(error) => {
                    tracing::warn!(%error, "cannot look for what is due");
                    STORE_RETRY_AFTER
                }
            };
            tokio::select! {
                () = stopping.cancelled() => {}
                () = rung => {}
                () = self.0.clock.sleep(pause) => {}
            }
        }
    }

    /// How long nothing will be due, at most until the next poll.
    fn pause(&self) -> Duration {
        let now = self.0.clock.now();
        let until_due = self.0.lanes.next_due().map_or(DUE_POLL_EVERY, |due| due.since(now));
        until_due.clamp(DUE_POLL_AT_MOST_EVERY, DUE_POLL_EVERY)
    }

    /// Claims what is due for lanes with room; true if more may be there at once.
    async fn refill_once(&self, poll: bool) -> Result<bool, StoreError> {
        if poll {
            self.0.routes.refresh().await?;
        }
        let routes = self.0.routes.current();
        if poll {
            for waiting in self.0.store.waiting().await? {
                let is_workable = |route: &Arc<Route>| {
                    route.endpoint.is_some() || matches!(route.subscription.target, Target::Pull { .. })
                };
                let Some(route) = routes.get(waiting.subscription_id).filter(|it| is_workable(it)) else {
                    continue;
                };
                self.note_due(waiting.subscription_id, waiting.due_at);
                if route.subscription.terms.batch.is_some() {
                    // It may be full without being due: others have kept some of it, or this program before it started.
                    self.0.lanes.note_behind(waiting.subscription_id);
                }
            }
        }
        let now = self.0.clock.now();
        let flow = |id| routes.get(id).map(|route| Flow::from(&route.subscription.terms));
        let wants = self.0.lanes.wants(now, flow);
        if wants.is_empty() {
            return Ok(false);
        }
        let (in_batches, alone): (Vec<_>, Vec<_>) = wants
            .into_iter()
            .partition(|want| flow(want.subscription_id).is_some_and(|flow| flow.batch.is_some()));
        let mut may_be_more = self.refill_alone(&alone, flow).await?;
        for want in in_batches {
            may_be_more |= self.refill_batches(want, flow(want.subscription_id)).await?;
        }
        Ok(may_be_more)
    }

    /// Claims for lanes whose deliveries go each by itself.
    async fn refill_alone(
        &self,
        wants: &[Lane],
        flow: impl Fn(SubscriptionId) -> Option<Flow>,
    ) -> Result<bool, StoreError> {
        if wants.is_empty() {
            return Ok(false);
        }
        let now = self.0.clock.now();
        let claimed = self.0.store.claim(wants, &claim(self.0.node, now), now).await?;
        let mut may_be_more = false;
        for want in wants {
            let found = claimed.iter().filter(|c| c.delivery.subscription_id == want.subscription_id).count();
            if found < want.room as usize {
                self.0.lanes.note_caught_up(want.subscription_id);
            } else {
                may_be_more = true;
            }
        }
        for claimed in claimed {
            let flow = flow(claimed.delivery.subscription_id);
            self.admit_claimed(Job::alone(claimed.delivery, claimed.event), flow);
        }
        Ok(may_be_more)
    }

    /// Claims one batch after another for a lane.
    async fn refill_batches(&self, want: Lane, flow: Option<Flow>) -> Result<bool, StoreError> {
        let id = want.subscription_id;
        let Some(batch) = flow.and_then(|flow| flow.batch) else { return Ok(false) };
        for _ in 0..want.room {
            let now = self.0.clock.now();
            let claimed = self.0.store.claim_batch(id, &batch, &claim(self.0.node, now), now).await?;
            self.0.lanes.note_batch(id, claimed.len(), batch);
            let Some(job) = Job::batch(claimed) else {
                self.0.lanes.note_caught_up(id);
                return Ok(false);
            };
            self.admit_claimed(job, flow);
        }
        Ok(true)
    }

    fn admit_claimed(&self, job: Job, flow: Option<Flow>) {
        let id = job.delivery.subscription_id;
        if self.0.lanes.admit_claimed(job, flow.unwrap_or(Flow::LEAST).max_concurrency) {
            self.start_worker(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::alert::Rules;
    use domain::attempt::ErrorCode;
    use domain::delivery::State;
    use store::model::Model;

    use super::*;
    use crate::testing::{Parts, claimed_by, owe, subscription};

    const SPAN: Duration = Duration::from_secs(5 * 24 * 3_600);

    /// An attempt by this node that ends now and, unless it fails, well.
    async fn attempt(node: &Parts, of: &Subscription, failed: Option<ErrorCode>) {
        let now = node.clock.now();
        let claimed = claimed_by(node.deliverer.node(), now);
        let owed = owe(&node.store, of, "a.b", now, |delivery| delivery.state = claimed).await;
        let attempt = Attempt {
            delivery_id: owed.id,
            number: 1,
            at: now,
            trigger: Trigger::Initial,
            duration: Duration::ZERO,
            response_status: None,
            response_headers: None,
            response_body: None,
            error: failed.map(|code| code.as_str().to_owned()),
            error_code: failed,
        };
        let state = if failed.is_some() { State::Failed } else { State::Success };
        let to = Delivery { state, completed_at: Some(now), attempt_count: 1, ..owed.clone() };
        let change = Change { from: Fence::of(&owed), to, attempt: Some(attempt) };
        assert_eq!(node.store.change(&[change]).await.unwrap(), [true]);
    }

    async fn is_active(store: &Model, id: SubscriptionId) -> bool {
        store.subscription(id).await.unwrap().unwrap().subscription.is_active
    }

    #[tokio::test]
    async fn nothing_but_failure_deactivates_over_nodes_and_restarts_and_a_success_on_any_begins_it_anew() {
        let (subscription, failed) = (subscription(None), Some(ErrorCode::Timeout));
        let (subscribed, id) = (&subscription.subscription, subscription.subscription.id);
        let one = Parts::new(Rules::default(), std::slice::from_ref(&subscription)).await;
        let another_node = || Parts::over(Arc::clone(&one.store), Arc::clone(&one.clock), Rules::default());
        attempt(&one, subscribed, failed).await;
        one.clock.move_by(SPAN);
        let two = another_node().await;
        attempt(&two, subscribed, failed).await;
        two.deliverer.deactivate_failing(SPAN).await;
        assert!(is_active(&one.store, id).await, "not for longer yet");
        attempt(&one, subscribed, None).await;
        one.clock.move_by(Duration::from_secs(1));
        attempt(&two, subscribed, failed).await;
        two.deliverer.deactivate_failing(SPAN).await;
        assert!(is_active(&one.store, id).await, "the other node has reached it");
        one.clock.move_by(SPAN + Duration::from_secs(1));
        let mut restarted = another_node().await;
        restarted.deliverer.deactivate_failing(SPAN).await;
        assert!(is_active(&one.store, id).await, "one failure long ago is no span of failures");
        attempt(&restarted, subscribed, failed).await;
        restarted.deliverer.deactivate_failing(SPAN).await;
        restarted.deliverer.deactivate_failing(SPAN).await;
        assert!(!is_active(&one.store, id).await);
        let told = restarted.told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].0, &told[0].1["reason"]), ("subscription.deactivated", &"failing".into()));
    }
}
