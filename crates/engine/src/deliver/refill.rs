//! How lanes are kept supplied: claims what is due in the store, for those that have room.

use std::sync::Arc;
use std::time::Duration;

use domain::SubscriptionId;
use domain::subscription::Target;
use store::{Lane, StoreError};

use super::Deliverer;
use super::lanes::{Flow, Job};
use crate::limits::{DUE_POLL_AT_MOST_EVERY, DUE_POLL_EVERY, STORE_RETRY_AFTER};
use crate::log::claim;
use crate::routes::Route;

impl Deliverer {
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
    async fn refill_once(&self, is_poll_due: bool) -> Result<bool, StoreError> {
        if is_poll_due {
            self.poll().await?;
        }
        let routes = self.0.routes.current();
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

    /// Learns which lanes have something waiting, also of what other nodes have left behind.
    async fn poll(&self) -> Result<(), StoreError> {
        self.0.routes.refresh().await?;
        let routes = self.0.routes.current();
        for waiting in self.0.store.waiting().await? {
            let id = waiting.subscription_id;
            let is_workable = |route: &&Arc<Route>| {
                route.endpoint.is_some() || matches!(route.subscription.target, Target::Pull { .. })
            };
            let Some(route) = routes.get(id).filter(is_workable) else { continue };
            self.note_due(id, waiting.due_at);
            if route.subscription.terms.batch.is_some() {
                // It may be full without being due: others have kept some of it, or this program before it started.
                self.0.lanes.note_behind(id);
            }
        }
        Ok(())
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
