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
mod deactivate;
mod fetch;
mod guard;
mod lanes;
mod refill;
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
use store::{Change, Fence, Store, StoreError};
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
}
