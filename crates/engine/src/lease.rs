//! Pulling: workers lease what a queue holds, and say how it went.
//!
//! A queue is what all pull subscriptions of one name owe. Its deliveries are those that [`crate::deliver`] leaves
//! alone: here a worker claims them, under a token instead of a node's name, and [`domain::lease`] says how long that
//! holds. A worker that waits sleeps until a bell rings; behind the bells stands the poll of [`crate::deliver`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::attempt::{Attempt, ErrorCode, Outcome};
use domain::delivery::{Delivery, State, Trigger};
use domain::lease::{Lease, LeaseToken, StaleLease};
use domain::retry::RetryPolicy;
use domain::{Event, SubscriptionId, Timestamp, UserId};
use futures::future::select_all;
use rand::RngExt as _;
use store::{Change, Claimed, Fence, Lane, Store, StoreError};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::chance;
use crate::clock::Clock;
use crate::deliver::Deliverer;
use crate::maintain::Rescuer;
use crate::routes::{Route, RouteTable};
use crate::shared::Shared;
use crate::supervise::Supervisor;

/// Where workers pull from.
#[derive(Debug, Clone)]
pub struct Queues(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    routes: Arc<RouteTable>,
    deliverer: Deliverer,
    rescuer: Arc<Rescuer>,
    clock: Arc<dyn Clock>,
    supervisor: Supervisor,
    closing: CancellationToken,
}

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct Pull {
    /// The queue's name.
    pub queue: String,
    /// Whose queue; `None`: everybody's of that name.
    pub owner: Option<UserId>,
    /// At most so many events.
    pub limit: u32,
    /// How long they are to be held.
    pub lease_seconds: u32,
    /// How long to wait for the first.
    pub wait: Duration,
}

/// A delivery that a worker now holds.
#[derive(Debug, Clone)]
pub struct Leased {
    /// The delivery, processing.
    pub delivery: Delivery,
    /// The event it carries.
    pub event: Arc<Event>,
    /// What the worker shows when it says how it went.
    pub token: String,
    /// Until when it is held.
    pub expires_at: Timestamp,
}

/// Why nothing could be pulled.
#[derive(Debug, thiserror::Error)]
pub enum NotPulled {
    /// No subscription feeds it.
    #[error("there is no such queue")]
    NoSuchQueue,
    /// Nobody can tell what it holds.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a worker's word did not count.
#[derive(Debug, thiserror::Error)]
pub enum NotHeld {
    /// The worker does not hold the delivery, or no longer.
    #[error(transparent)]
    Stale(#[from] StaleLease),
    /// It could not be written down; nobody can tell.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Proof that a worker holds a delivery; only [`Queues::held`] makes it.
#[derive(Debug)]
pub struct Held {
    delivery: Delivery,
    lease: Lease,
}

impl Queues {
    pub(crate) fn new(shared: &Shared, deliverer: Deliverer, rescuer: Arc<Rescuer>) -> Self {
        let Shared { store, routes, clock, supervisor, .. } = shared.clone();
        let closing = CancellationToken::new();
        Self(Arc::new(Inner { store, routes, deliverer, rescuer, clock, supervisor, closing }))
    }

    /// Leases what the queue holds, and waits for it as long as the worker likes.
    ///
    /// # Errors
    /// There is no such queue, or the store cannot be asked.
    pub async fn pull(&self, pull: &Pull) -> Result<Vec<Leased>, NotPulled> {
        let began = self.0.clock.elapsed();
        loop {
            let feeding = self.feeding(pull).await?;
            let bells: Vec<_> = feeding.iter().map(|route| self.bell(route)).collect();
            // Registered before looking, so that what comes in meanwhile is not missed.
            let mut rung: Vec<_> = bells.iter().map(|bell| Box::pin(bell.notify.notified())).collect();
            rung.iter_mut().for_each(|rung| _ = rung.as_mut().enable());
            let leased = self.lease(feeding.clone(), pull).await?;
            let left = pull.wait.saturating_sub(self.0.clock.elapsed().saturating_sub(began));
            if !leased.is_empty() || left.is_zero() || self.0.closing.is_cancelled() {
                return Ok(leased);
            }
            tokio::select! {
                () = self.0.closing.cancelled() => {}
                _ = select_all(rung) => {}
                () = self.0.clock.sleep(left) => {}
            }
        }
    }

    /// Workers that wait for something to come into a queue, each once for every subscription that feeds it.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.deliverer.bells().listeners()
    }

    /// Sends workers that wait for something home: the program is about to stop.
    pub fn close(&self) {
        self.0.closing.cancel();
    }

    /// Passes if `token` holds `delivery`.
    ///
    /// # Errors
    /// The lease has lapsed, or the delivery is held under another or none.
    pub fn held(&self, delivery: Delivery, token: &LeaseToken) -> Result<Held, StaleLease> {
        let lease = delivery.lease().ok_or(StaleLease::Superseded)?;
        lease.check(token, self.0.clock.now())?;
        Ok(Held { delivery, lease })
    }

    /// Takes in how it went, and decides what follows.
    ///
    /// # Errors
    /// The lease was lost in this very moment, or it could not be written.
    pub async fn settle(&self, held: Held, outcome: &Outcome) -> Result<Delivery, NotHeld> {
        let (Held { mut delivery, lease }, now) = (held, self.0.clock.now());
        let (from, trigger) = (Fence::of(&delivery), delivery.attempt_trigger());
        let routes = self.0.routes.current();
        let subscription = routes.get(delivery.subscription_id).map(|route| &route.subscription);
        let policy = subscription.map_or(&RetryPolicy::Exponential, |s| &s.terms.retry_policy);
        let settled = delivery.settle(outcome, policy, now, &mut chance::rng());
        settled.map_err(|_unclaimed| StaleLease::Superseded)?;
        if subscription.is_some_and(domain::subscription::Subscription::holds) {
            delivery.hold();
        }
        let error = outcome.error().zip(outcome.error_code());
        let attempt = pulled_attempt(&delivery, &lease, trigger, error, now);
        self.write(Change { from, to: delivery, attempt: Some(attempt) }).await
    }

    /// Holds it until `seconds` from now, and answers with that moment.
    ///
    /// # Errors
    /// The lease was lost in this very moment, or it could not be written.
    pub async fn extend(&self, held: Held, seconds: u32) -> Result<Timestamp, NotHeld> {
        let Held { mut delivery, lease } = held;
        let (from, token) = (Fence::of(&delivery), lease.token.clone());
        let lease = lease.extend(&token, seconds, self.0.clock.now())?;
        let expires_at = lease.deadline;
        delivery.state = State::Processing(lease.into());
        self.write(Change { from, to: delivery, attempt: None }).await?;
        Ok(expires_at)
    }

    async fn write(&self, change: Change) -> Result<Delivery, NotHeld> {
        if self.0.store.change(std::slice::from_ref(&change)).await? != [true] {
            return Err(StaleLease::Superseded.into());
        }
        self.0.deliverer.observer().note(&change);
        self.0.deliverer.note_waiting(&change.to);
        Ok(change.to)
    }

    /// The subscriptions that feed the queue. Another node may have just made them.
    async fn feeding(&self, pull: &Pull) -> Result<Vec<Arc<Route>>, NotPulled> {
        let known = || -> Vec<_> {
            let routes = self.0.routes.current();
            routes.feeding(&pull.queue, pull.owner.as_ref()).cloned().collect()
        };
        let mut feeding = known();
        if feeding.is_empty() {
            self.0.routes.refresh().await?;
            feeding = known();
        }
        if feeding.is_empty() { Err(NotPulled::NoSuchQueue) } else { Ok(feeding) }
    }

    /// Leases in a task of its own: what was claimed for a worker that has gone away meanwhile is given back, and is
    /// none the worse for it.
    async fn lease(&self, feeding: Vec<Arc<Route>>, pull: &Pull) -> Result<Vec<Leased>, StoreError> {
        let (answer, answered) = oneshot::channel();
        let (this, limit, seconds) = (self.clone(), pull.limit, pull.lease_seconds);
        self.0.supervisor.spawn(async move {
            let leased = this.claim(&feeding, limit, seconds).await;
            if let Err(Ok(unwanted)) = answer.send(leased) {
                this.hand_back(unwanted).await;
            }
        });
        answered.await.unwrap_or_else(|_| Ok(Vec::new()))
    }

    async fn claim(
        &self,
        feeding: &[Arc<Route>],
        limit: u32,
        seconds: u32,
    ) -> Result<Vec<Leased>, StoreError> {
        let leased = self.claim_due(feeding, limit, seconds).await?;
        // What has lapsed is to be had at once, not only once the rescuer comes by.
        if leased.is_empty() && self.0.rescuer.take_back(None).await? > 0 {
            return self.claim_due(feeding, limit, seconds).await;
        }
        Ok(leased)
    }

    async fn claim_due(
        &self,
        feeding: &[Arc<Route>],
        limit: u32,
        seconds: u32,
    ) -> Result<Vec<Leased>, StoreError> {
        let now = self.0.clock.now();
        let lease = Lease::grant(seconds, now, &mut chance::rng());
        // Of several that feed it, none always comes first.
        let first = chance::rng().random_range(0..feeding.len().max(1));
        let (before, after) = feeding.split_at(first.min(feeding.len()));
        let mut leased: Vec<Leased> = Vec::new();
        for route in after.iter().chain(before).filter(|route| !route.subscription.holds()) {
            let (id, room) = (route.subscription.id, limit.saturating_sub(leased.len() as u32));
            if room == 0 {
                break;
            }
            let lane = Lane { subscription_id: id, room };
            let claimed = self.0.store.claim(&[lane], &lease.clone().into(), now).await?;
            if claimed.len() == room as usize {
                // There may be more, for others that wait.
                self.0.deliverer.bells().ring(id);
            }
            leased.extend(claimed.into_iter().map(|claimed| shown(claimed, &lease)));
        }
        Ok(leased)
    }

    async fn hand_back(&self, leased: Vec<Leased>) {
        let now = self.0.clock.now();
        let change = |Leased { mut delivery, .. }: Leased| {
            let from = Fence::of(&delivery);
            delivery.hand_back(now).ok()?;
            Some(Change { from, to: delivery, attempt: None })
        };
        let changes: Vec<Change> = leased.into_iter().filter_map(change).collect();
        match self.0.store.change(&changes).await {
            Ok(_) => changes.iter().for_each(|change| self.0.deliverer.note_waiting(&change.to)),
            // Then the leases lapse.
            Err(error) => tracing::warn!(%error, "could not give back what a worker did not wait for"),
        }
    }

    fn bell(&self, route: &Route) -> Bell {
        self.0.deliverer.bells().hang(route.subscription.id)
    }
}

fn shown(Claimed { delivery, event }: Claimed, lease: &Lease) -> Leased {
    Leased { token: lease.token.to_show(delivery.id), delivery, event, expires_at: lease.deadline }
}

/// The attempt that a lease was, now that `delivery` says how it ended.
pub(crate) fn pulled_attempt(
    delivery: &Delivery,
    lease: &Lease,
    trigger: Trigger,
    error: Option<(String, ErrorCode)>,
    now: Timestamp,
) -> Attempt {
    let at = lease.token.granted_at().unwrap_or(now);
    let (error, error_code) = error.unzip();
    Attempt {
        delivery_id: delivery.id,
        number: delivery.attempt_count,
        at,
        trigger,
        duration: now.since(at),
        response_status: None,
        response_headers: None,
        response_body: None,
        error,
        error_code,
    }
}

/// What wakes workers: a bell for each subscription that one waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bells(Arc<Mutex<Hung>>);

type Hung = HashMap<SubscriptionId, (usize, Arc<Notify>)>;

/// A bell that is there for as long as somebody listens.
#[derive(Debug)]
struct Bell {
    id: SubscriptionId,
    notify: Arc<Notify>,
    bells: Bells,
}

impl Bells {
    /// Wakes one of those who wait for this subscription's deliveries.
    pub(crate) fn ring(&self, id: SubscriptionId) {
        if let Some((_, notify)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            notify.notify_one();
        }
    }

    /// How many listen, a worker once for each subscription that feeds its queue.
    fn listeners(&self) -> usize {
        let hung = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hung.values().map(|(listeners, _)| listeners).sum()
    }

    fn hang(&self, id: SubscriptionId) -> Bell {
        let mut hung = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (listeners, notify) = hung.entry(id).or_default();
        *listeners += 1;
        Bell { id, notify: Arc::clone(notify), bells: self.clone() }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let mut hung = self.bells.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((listeners, _)) = hung.get_mut(&self.id) {
            *listeners -= 1;
            if *listeners == 0 {
                hung.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_bell_is_there_while_somebody_listens_and_wakes_one() {
        let (bells, id) = (Bells::default(), SubscriptionId::first_at(Timestamp::from_seconds(1)));
        bells.ring(id);
        let (one, other) = (bells.hang(id), bells.hang(id));
        bells.ring(id);
        assert!(one.notify.notified().now_or_never().is_some());
        assert!(other.notify.notified().now_or_never().is_none(), "one event wakes one worker");
        drop(one);
        assert_eq!(bells.0.lock().unwrap().len(), 1);
        assert_eq!(bells.listeners(), 1);
        drop(other);
        assert!(bells.0.lock().unwrap().is_empty());
    }
}
