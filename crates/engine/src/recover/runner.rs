//! Does jobs: a step of each in turn, each step one transaction that also says how far the job has come.
//!
//! Nothing of a job is kept in memory. Before each step it is read from the store, so it goes on wherever the last step
//! that was written has left it, whoever wrote that; and a step that somebody else has overtaken is not written.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use domain::delivery::{Delivery, State, Trigger};
use domain::job::{self, Action, Only, Work};
use domain::order::OrderingKey;
use domain::{ConnectionId, DeliveryId, Event, EventId, NodeId, SubscriptionId};
use futures::FutureExt as _;
use store::{Change, Fence, Owed, Stepped, Store, StoreError, StoredJob};
use tokio_util::sync::CancellationToken;

use super::{Inner, Recovery, newest_event, past};
use crate::chance;
use crate::limits::{
    JOB_RESTS_MAX, JOB_STEP_MAX, JOBS_AT_ONCE_MAX, JOBS_POLL_EVERY, STORE_RETRY_AFTER, SYNC_TAKES_MAX,
};
use crate::routes::Route;

/// Does the jobs that nobody else does.
#[derive(Debug)]
pub(crate) struct Runner {
    node: NodeId,
    recovery: Recovery,
    stopping: CancellationToken,
}

impl Runner {
    pub(crate) fn new(recovery: Recovery, stopping: CancellationToken) -> Self {
        Self { node: recovery.0.deliverer.node(), recovery, stopping }
    }

    /// Works until the program is told to stop.
    pub(crate) async fn run(&self) {
        let Inner { clock, begun, .. } = &*self.recovery.0;
        while !self.stopping.is_cancelled() {
            // Registered before looking, so that a job that begins meanwhile is not missed.
            let mut rung = std::pin::pin!(begun.notified());
            rung.as_mut().enable();
            let began = clock.elapsed();
            let round = self.round().await;
            let is_idle = matches!(round, Ok(0));
            let rest = match round {
                Ok(0) => JOBS_POLL_EVERY,
                Ok(_) => clock.elapsed().saturating_sub(began).min(JOB_RESTS_MAX),
                Err(error) => {
                    tracing::warn!(%error, "jobs wait for the store");
                    STORE_RETRY_AFTER
                }
            };
            tokio::select! {
                () = self.stopping.cancelled() => {}
                () = rung, if is_idle => {}
                () = clock.sleep(rest) => {}
            }
        }
    }

    /// Takes one step of each job that is this node's, or nobody's; how many jobs those were.
    async fn round(&self) -> Result<usize, StoreError> {
        let store = self.store();
        let running = store.running_jobs(JOBS_AT_ONCE_MAX).await?;
        let others = running.iter().any(|stored| stored.node.is_some_and(|node| node != self.node));
        let alive = if others { store.nodes().await? } else { Vec::new() };
        let is_taken = |stored: &StoredJob| {
            stored.node.is_some_and(|node| node != self.node && alive.iter().any(|&(alive, _)| alive == node))
        };
        let mut jobs = 0;
        for mut stored in running {
            if self.stopping.is_cancelled() || is_taken(&stored) {
                continue;
            }
            if let Work::Sync { connection_id } = stored.job.work {
                self.look_after_sync(stored, connection_id).await?;
                continue;
            }
            jobs += 1;
            stored.node = Some(self.node);
            self.step_or_give_up(stored).await?;
        }
        Ok(jobs)
    }

    /// A job that the store will not take, or that meets a bug, ends there, and takes no others with it.
    async fn step_or_give_up(&self, stored: StoredJob) -> Result<(), StoreError> {
        let mut given_up = stored.clone();
        let why = match AssertUnwindSafe(self.step(stored)).catch_unwind().await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error @ StoreError::Unavailable(_))) => return Err(error),
            Ok(Err(error)) => error.to_string(),
            Err(_panic) => "something went wrong here".to_owned(),
        };
        tracing::error!(job = %given_up.job.id, %why, "a job cannot go on");
        given_up.job.fail("something went wrong here; the server's log has more", self.now());
        self.store().step_job(&given_up, &[]).await.map(|_| ())
    }

    async fn step(&self, mut stored: StoredJob) -> Result<(), StoreError> {
        match stored.job.work.clone() {
            Work::Replay { subscription_id, only, last, .. } => {
                self.step_replay(stored, subscription_id, (only, Trigger::Replay), last).await
            }
            Work::Start { subscription_id, last: Some(last), .. } => {
                self.step_replay(stored, subscription_id, (Only::Missing, Trigger::Initial), last).await
            }
            Work::Start { subscription_id, after, last: None } => {
                // The subscription has been there for a while. So whatever is not in the log yet will be owed to it
                // anyway.
                let last = Some(newest_event(self.store()).await?);
                stored.job.work = Work::Start { subscription_id, after, last };
                self.store().step_job(&stored, &[]).await.map(|_| ())
            }
            Work::Bulk { action, filter, last } => self.step_bulk(stored, action, &filter, last).await,
            Work::Sync { .. } => Ok(()),
        }
    }

    /// A sync ends with the poll that it waits for, wherever that is made; unless there never will be one.
    async fn look_after_sync(&self, mut stored: StoredJob, id: ConnectionId) -> Result<(), StoreError> {
        let why = if self.store().connection(id).await?.is_none() {
            "its connection was removed"
        } else if self.now() > stored.job.created_at.plus(SYNC_TAKES_MAX) {
            "the provider could not be asked in time; it will be asked all the same"
        } else {
            return Ok(());
        };
        stored.job.fail(why, self.now());
        self.store().step_job(&stored, &[]).await.map(|_| ())
    }

    /// Owes the next events of the span.
    async fn step_replay(
        &self,
        mut stored: StoredJob,
        to: SubscriptionId,
        (only, trigger): (Only, Trigger),
        last: EventId,
    ) -> Result<(), StoreError> {
        let Inner { store, routes, deliverer, .. } = &*self.recovery.0;
        let current = routes.current();
        let Some(route) = current.get(to).filter(|route| route.subscription.is_active) else {
            if store.routes_version().await? != current.version {
                return routes.refresh().await;
            }
            let gone = current.get(to).is_none();
            let why = if gone { "its subscription was deleted" } else { "its subscription was deactivated" };
            stored.job.fail(why, self.now());
            return store.step_job(&stored, &[]).await.map(|_| ());
        };
        let span = past(&route.subscription, stored.cursor.into(), last);
        let events = store.past_events(&span, JOB_STEP_MAX).await?;
        let wanted = self.recovery.wanted(route, only, &events).await?;
        let numbered = wanted.events.iter().enumerate();
        let owed: Vec<Delivery> =
            numbered.map(|(number, wanted)| self.owed(number, *wanted, route, trigger)).collect();
        stored.job.done += owed.len() as u64;
        let (seen, unseen) = events.split_at(wanted.seen);
        let is_last = events.len() < JOB_STEP_MAX as usize && unseen.is_empty();
        self.pass(&mut stored, seen.last().map(|past| past.event.id.into()), is_last);
        match store.owe(&owed, only, current.version, Some(&stored)).await? {
            Owed::Done(_) => owed.iter().take(1).for_each(|first| deliverer.note_waiting(first)),
            Owed::StaleRoutes => routes.refresh().await?,
            Owed::Overtaken => {}
        }
        Ok(())
    }

    fn owed(
        &self,
        number: usize,
        (event, line): (&Event, Option<OrderingKey>),
        route: &Route,
        trigger: Trigger,
    ) -> Delivery {
        // A microsecond apart, as those of one commit are: they are due in the order in which they came in.
        let now = self.now().plus(Duration::from_micros(number as u64));
        let id = DeliveryId::new(now, &mut chance::rng());
        let mut delivery = Delivery::owed_in_line(id, event, &route.subscription, line, trigger, now);
        if trigger == Trigger::Initial && delivery.due_at().is_some() {
            // What came in before the subscription is to be had before what has come in since.
            delivery.state = State::Pending { due_at: event.received_at };
        }
        delivery
    }

    /// Does what is to be done to the next deliveries. Where one of them moves on meanwhile none is changed: they are
    /// read again, half as many each time, so that a busy subscription cannot hold the job up for ever.
    async fn step_bulk(
        &self,
        stored: StoredJob,
        action: Action,
        filter: &job::Filter,
        last: DeliveryId,
    ) -> Result<(), StoreError> {
        let Inner { store, deliverer, .. } = &*self.recovery.0;
        self.recovery.0.routes.refresh().await?;
        let mut size = JOB_STEP_MAX;
        loop {
            let found = store.past_deliveries(filter, stored.cursor.into(), last, size).await?;
            let changes: Vec<Change> =
                found.iter().filter_map(|delivery| self.decide(delivery, action)).collect();
            let mut stepped = stored.clone();
            stepped.job.done += changes.len() as u64;
            stepped.job.failed += (found.len() - changes.len()) as u64;
            let is_last = found.len() < size as usize;
            self.pass(&mut stepped, found.last().map(|delivery| delivery.id.into()), is_last);
            match store.step_job(&stepped, &changes).await? {
                Stepped::Done => {
                    changes.iter().for_each(|change| deliverer.note_waiting(&change.to));
                    return Ok(());
                }
                Stepped::Overtaken => return Ok(()),
                Stepped::Conflict => size = (size / 2).max(1),
            }
        }
    }

    /// `None` where it cannot be done, or no longer needs to be.
    fn decide(&self, delivery: &Delivery, action: Action) -> Option<Change> {
        let (mut to, now) = (delivery.clone(), self.now());
        match action {
            Action::Cancel => to.cancel(now).ok()?,
            Action::Retry => {
                let routes = self.recovery.0.routes.current();
                let subscription = &routes.get(delivery.subscription_id)?.subscription;
                to.retry(Trigger::Bulk, now).ok()?;
                if subscription.holds() {
                    to.hold();
                }
            }
        }
        Some(Change { from: Fence::of(delivery), to, attempt: None })
    }

    /// Goes on behind `cursor`, or ends there.
    fn pass(&self, stored: &mut StoredJob, cursor: Option<[u8; 16]>, is_last: bool) {
        stored.cursor = cursor.unwrap_or(stored.cursor);
        if is_last {
            stored.job.complete(self.now());
        }
    }

    fn store(&self) -> &dyn Store {
        self.recovery.0.store.as_ref()
    }

    fn now(&self) -> domain::Timestamp {
        self.recovery.0.clock.now()
    }
}
