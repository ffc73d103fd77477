//! Owing past events: one by hand, or many by a job.
//!
//! What is asked for is counted, then written down as a job, and then done step by step by whichever node has it
//! ([`runner`]).

mod runner;

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::delivery::{Delivery, Trigger};
use domain::job::{self, Job, Only, Work};
use domain::limits::{JOBS_RUNNING_MAX, REPLAY_EVENTS_MAX};
use domain::order::OrderingKey;
use domain::subscription::Subscription;
use domain::{DeliveryId, Event, EventId, JobId, SubscriptionId, Timestamp, UserId};
use store::{
    DeliveryFilter, EVENTS_PER_CALL_MAX, EventFilter, Owed, Page, Past, PastEvent, Stepped, Store,
    StoreError, StoredJob, StoredSubscription,
};
use tokio::sync::Notify;

pub(crate) use self::runner::Runner;
use crate::chance;
use crate::clock::Clock;
use crate::deliver::Deliverer;
use crate::limits::{JOB_COUNT_STEP, JOBS_AT_ONCE_MAX, PAST_BYTES_MAX};
use crate::matching::{Answer, Matching};
use crate::routes::{Route, RouteTable};
use crate::shared::Shared;

/// Owes what has been in the log for a while.
#[derive(Debug, Clone)]
pub struct Recovery(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    routes: Arc<RouteTable>,
    matching: Matching,
    deliverer: Deliverer,
    clock: Arc<dyn Clock>,
    /// Rung when there is a new job.
    begun: Notify,
}

/// Work that has been counted, and has not begun.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whose it is.
    pub owner_id: Option<UserId>,
    /// What is to be done.
    pub work: Work,
    /// How many events or deliveries it is about.
    pub count: u64,
}

/// Why something was not begun.
#[derive(Debug, thiserror::Error)]
pub enum NotBegun {
    /// The subscription has just gone.
    #[error("there is no such subscription")]
    NoSubscription,
    /// It lets nothing through.
    #[error("the subscription is inactive: set is_active to true first")]
    Inactive,
    /// The span is too long.
    #[error("more than {REPLAY_EVENTS_MAX} events lie in that span: replay it in pieces")]
    TooMuch,
    /// The user has enough of them already.
    #[error("{JOBS_RUNNING_MAX} jobs are running already: wait for one to end, or cancel it")]
    TooManyJobs,
    /// It is not known to be begun.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a job was not called off.
#[derive(Debug, thiserror::Error)]
pub enum NotCancelled {
    /// It has ended.
    #[error(transparent)]
    Ended(#[from] job::Ended),
    /// It has been removed.
    #[error("there is no such job")]
    Gone,
    /// It is not known to be called off.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Recovery {
    pub(crate) fn new(shared: &Shared, deliverer: Deliverer) -> Self {
        let Shared { store, routes, matching, clock, .. } = shared.clone();
        Self(Arc::new(Inner { store, routes, matching, deliverer, clock, begun: Notify::new() }))
    }

    /// Owes `event` to a subscription once more, whether or not it wants such events: a delivery of its own, with all
    /// attempts. `None` where the event or the subscription has just gone.
    ///
    /// # Errors
    /// It is not known to be owed.
    pub async fn resend(&self, event: &Event, to: SubscriptionId) -> Result<Option<Delivery>, StoreError> {
        loop {
            let (routes, now) = (self.0.routes.current(), self.0.clock.now());
            let Some(route) = routes.get(to) else {
                if self.0.store.routes_version().await? == routes.version {
                    return Ok(None);
                }
                self.0.routes.refresh().await?;
                continue;
            };
            let id = DeliveryId::new(now, &mut chance::rng());
            let delivery = Delivery::owed(id, event, &route.subscription, Trigger::Manual, now);
            let owing = self.0.store.owe(std::slice::from_ref(&delivery), Only::All, routes.version, None);
            match owing.await? {
                Owed::Done(owed) if owed.is_empty() => return Ok(None),
                Owed::Done(_) => {
                    self.0.deliverer.note_waiting(&delivery);
                    return Ok(Some(delivery));
                }
                Owed::StaleRoutes | Owed::Overtaken => self.0.routes.refresh().await?,
            }
        }
    }

    /// Counts what came in since `since`, and before `until` or by now, that a subscription wants and `only` means.
    ///
    /// # Errors
    /// There is no such subscription, it takes nothing, or too much came in.
    pub async fn plan_replay(
        &self,
        to: SubscriptionId,
        (since, until): (Timestamp, Option<Timestamp>),
        only: Only,
    ) -> Result<Plan, NotBegun> {
        self.0.routes.refresh().await?;
        let routes = self.0.routes.current();
        let route = routes.get(to).ok_or(NotBegun::NoSubscription)?;
        if !route.subscription.is_active {
            return Err(NotBegun::Inactive);
        }
        let newest = newest_event(self.0.store.as_ref()).await?;
        let (after, last) = (EventId::first_at(since), until.map_or(newest, EventId::first_at).min(newest));
        let count = self.count_wanted(route, after, last, only).await?;
        let owner_id = route.subscription.user_id.clone();
        Ok(Plan { owner_id, work: Work::Replay { subscription_id: to, only, after, last }, count })
    }

    async fn count_wanted(
        &self,
        route: &Arc<Route>,
        after: EventId,
        last: EventId,
        only: Only,
    ) -> Result<u64, NotBegun> {
        let (store, mut past) = (self.0.store.as_ref(), past(&route.subscription, after, last));
        let (mut count, mut seen) = (0, 0);
        loop {
            let events = store.past_events(&past, JOB_COUNT_STEP).await?;
            let mut unseen = events.as_slice();
            while !unseen.is_empty() {
                let wanted = self.wanted(route, only, unseen).await?;
                count += wanted.events.len() as u64;
                unseen = &unseen[wanted.seen..];
            }
            seen += events.len();
            match events.last() {
                Some(_) if seen > REPLAY_EVENTS_MAX => return Err(NotBegun::TooMuch),
                Some(event) if events.len() == JOB_COUNT_STEP as usize => past.after = event.event.id,
                _ => return Ok(count),
            }
        }
    }

    /// Those of `events` that `route` wants now, as routing would say, and that `only` means. Where it looks into them
    /// they are read whole, and as many are looked at as fit into memory and take a moment; at least one.
    async fn wanted<'e>(
        &self,
        route: &Arc<Route>,
        only: Only,
        events: &'e [PastEvent],
    ) -> Result<Wanted<'e>, StoreError> {
        let is_meant = |past: &PastEvent| only.takes(past.standing) && route.subscription.wants(&past.event);
        if !route.looks_inside() {
            let meant = events.iter().filter(|past| is_meant(past));
            return Ok(Wanted {
                events: meant.map(|past| (&*past.event, None)).collect(),
                seen: events.len(),
            });
        }
        let (mut page, mut bytes, mut seen) = (Vec::new(), 0, 0);
        for past in events {
            if is_meant(past) {
                bytes += past.data_bytes;
                if page.len() == EVENTS_PER_CALL_MAX || (bytes > PAST_BYTES_MAX && !page.is_empty()) {
                    break;
                }
                page.push((past.event.id, (seen, &*past.event)));
            }
            seen += 1;
        }
        let ids: Vec<_> = page.iter().map(|(id, _)| *id).collect();
        let whole = self.0.store.events_of(&ids).await?;
        let answers = self.0.matching.ask_in_order(route, &whole).await;
        // What was not asked is left to the next time.
        let mut places: BTreeMap<_, _> = page.into_iter().collect();
        if let Some(unasked) = whole.get(answers.len()).and_then(|event| places.get(&event.id)) {
            seen = unasked.0;
        }
        // Gone since: it is left out, as `owe` would.
        let wanted = whole.iter().zip(answers).filter_map(|(event, answer)| {
            let (_, event) = places.remove(&event.id)?;
            matches!(answer, Answer::Wanted(_)).then_some((event, answer.line()))
        });
        Ok(Wanted { events: wanted.collect(), seen })
    }

    /// Counts the deliveries that `filter` means.
    ///
    /// # Errors
    /// They cannot be counted.
    pub async fn plan_bulk(&self, action: job::Action, filter: job::Filter) -> Result<Plan, NotBegun> {
        let store = self.0.store.as_ref();
        let newest = store.deliveries(&DeliveryFilter::default(), &Page::first(1)).await?;
        let last =
            newest.first().map_or_else(|| DeliveryId::first_at(self.0.clock.now()), |newest| newest.id);
        let count = store.count_deliveries(&filter, last).await?;
        Ok(Plan { owner_id: filter.owner_id.clone(), work: Work::Bulk { action, filter, last }, count })
    }

    /// Begins what was planned.
    ///
    /// # Errors
    /// Its owner has enough jobs already, or it is not known to be begun.
    pub async fn begin(&self, plan: Plan) -> Result<JobId, NotBegun> {
        let running = self.0.store.running_jobs(JOBS_AT_ONCE_MAX).await?;
        let of_owner = running.iter().filter(|stored| stored.job.owner_id == plan.owner_id);
        if of_owner.count() >= JOBS_RUNNING_MAX || running.len() == JOBS_AT_ONCE_MAX as usize {
            return Err(NotBegun::TooManyJobs);
        }
        let stored = self.fresh(plan.owner_id, plan.work, Some(plan.count));
        self.0.store.create_job(&stored).await?;
        self.0.begun.notify_one();
        Ok(stored.job.id)
    }

    /// Adds a subscription that is also owed what came in since `since` (`None`: ever), and answers with the job that
    /// does it. Whatever comes in from now on is owed anyway: nothing is missed between the two, and nothing is owed
    /// twice.
    ///
    /// # Errors
    /// It is not known to be there.
    pub async fn create_started(
        &self,
        subscription: &StoredSubscription,
        since: Option<Timestamp>,
    ) -> Result<JobId, StoreError> {
        let after = EventId::first_at(since.unwrap_or(Timestamp::from_micros(0)));
        let subscription_id = subscription.subscription.id;
        let owner_id = subscription.subscription.user_id.clone();
        let stored = self.fresh(owner_id, Work::Start { subscription_id, after, last: None }, None);
        self.0.store.create_started_subscription(subscription, &stored).await?;
        self.0.begun.notify_one();
        Ok(stored.job.id)
    }

    fn fresh(&self, owner_id: Option<UserId>, work: Work, total: Option<u64>) -> StoredJob {
        let now = self.0.clock.now();
        let cursor = match &work {
            Work::Replay { after, .. } | Work::Start { after, .. } => (*after).into(),
            Work::Bulk { .. } | Work::Sync { .. } => [0; 16],
        };
        let id = JobId::new(now, &mut chance::rng());
        StoredJob { job: Job::new(id, owner_id, work, total, now), node: None, cursor, revision: 1 }
    }

    /// Calls a job off; what it has done stays.
    ///
    /// # Errors
    /// It has ended, or is not known to be called off.
    pub async fn cancel(&self, mut stored: StoredJob) -> Result<Job, NotCancelled> {
        loop {
            stored.job.cancel(self.0.clock.now())?;
            if self.0.store.step_job(&stored, &[]).await? == Stepped::Done {
                return Ok(stored.job);
            }
            // A step came in between.
            let current = self.0.store.job(stored.job.id).await?;
            stored = current.ok_or(NotCancelled::Gone)?;
        }
    }
}

/// What of some past events a subscription wants.
struct Wanted<'e> {
    /// Each with the line in which it is to stand, the oldest first.
    events: Vec<(&'e Event, Option<OrderingKey>)>,
    /// So many were looked at.
    seen: usize,
}

async fn newest_event(store: &dyn Store) -> Result<EventId, StoreError> {
    let newest = store.events(&EventFilter::default(), &Page::first(1)).await?;
    Ok(newest.first().map_or_else(|| EventId::from([0; 16]), |newest| newest.event.id))
}

/// The span from after `after` up to `last`, as `subscription` sees it.
fn past(subscription: &Subscription, after: EventId, last: EventId) -> Past {
    let (user_id, subscription_id) = (subscription.user_id.clone(), subscription.id);
    Past { user_id, subscription_id, after, last }
}
