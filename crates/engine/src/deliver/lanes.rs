//! A lane for each subscription: what is claimed for it, how many attempts are under way, and what still waits.
//!
//! Lanes keep one endpoint's trouble its own. Each has its own queue and its own attempts; how much it may hold in
//! memory grows with what it delivers and shrinks with what it fails, so that an endpoint that is down keeps its
//! backlog in the store and leaves the memory to others.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::attempt::Outcome;
use domain::batch::Batch;
use domain::delivery::Delivery;
use domain::health::{self, Admission, Health, State};
use domain::subscription::Terms;
use domain::{Event, SubscriptionId, Timestamp};
use store::{Claimed, Lane as Room};

use crate::limits::{CLAIMED_MAX, LANE_ROOM_MAX};

/// A delivery that this node has claimed, with what goes in one request with it.
#[derive(Debug)]
pub struct Job {
    /// The delivery, processing.
    pub delivery: Delivery,
    /// What it carries.
    pub event: Arc<Event>,
    /// The others of its batch, in their order. `None`: it is in none.
    pub batch: Option<Vec<Claimed>>,
}

impl Job {
    /// A delivery that goes by itself.
    #[must_use]
    pub const fn alone(delivery: Delivery, event: Arc<Event>) -> Self {
        Self { delivery, event, batch: None }
    }

    /// Deliveries that go together; `None` if there are none.
    pub(super) fn batch(claimed: Vec<Claimed>) -> Option<Self> {
        let mut claimed = claimed.into_iter();
        let Claimed { delivery, event } = claimed.next()?;
        Some(Self { delivery, event, batch: Some(claimed.collect()) })
    }

    /// Its deliveries, in their order.
    pub(super) fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        let others = self.batch.iter().flatten().map(|claimed| &claimed.delivery);
        std::iter::once(&self.delivery).chain(others)
    }

    /// What they carry, in the same order.
    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        let others = self.batch.iter().flatten().map(|claimed| &*claimed.event);
        std::iter::once(&*self.event).chain(others)
    }

    /// Its deliveries, for whoever decides what becomes of them.
    pub(super) fn into_deliveries(self) -> impl Iterator<Item = Delivery> {
        let others = self.batch.into_iter().flatten().map(|claimed| claimed.delivery);
        std::iter::once(self.delivery).chain(others)
    }
}

/// All lanes that hold or await something, or whose endpoint is in trouble.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<Held>);

/// How much of a subscription's deliveries may go on at once, and how fast.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    pub(super) max_concurrency: u16,
    pub(super) per_minute: Option<u16>,
    pub(super) batch: Option<Batch>,
}

impl Flow {
    /// For a subscription that is gone: what is left of it is handed back one by one.
    pub(super) const LEAST: Self = Self { max_concurrency: 1, per_minute: None, batch: None };

    /// What of it is one node's, of so many. The rate is an endpoint's, whoever calls it.
    fn share_of(self, nodes: u16) -> Self {
        Self { per_minute: self.per_minute.map(|all| (all / nodes.max(1)).max(1)), ..self }
    }
}

impl From<&Terms> for Flow {
    fn from(terms: &Terms) -> Self {
        Self {
            max_concurrency: terms.max_concurrency,
            per_minute: terms.rate_limit_per_minute,
            batch: terms.batch,
        }
    }
}

/// What a worker is to do.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is taken apart at once")]
pub(super) enum Next {
    /// Attempt this.
    Attempt(Job),
    /// Give these back, and end: none of them may be attempted before that time.
    GiveBack(Vec<Job>, Timestamp),
    /// End: there is nothing to do.
    Rest,
}

/// What an attempt's end means for its lane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished {
    /// Whether the lane could do with more from the store.
    pub(super) wants_more: bool,
    /// What it says of the endpoint.
    pub(super) change: health::Change,
}

#[derive(Debug, Default)]
struct Held {
    lanes: HashMap<SubscriptionId, Lane>,
    /// Over all lanes: reserved, queued and under way.
    claimed: usize,
    /// Nodes that live, this one among them; 0 while nobody has counted.
    nodes: u16,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<Job>,
    /// Places promised to deliveries that are being committed.
    reserved: usize,
    /// Workers, each with at most one attempt under way.
    workers: usize,
    /// Attempts under way.
    under_way: usize,
    /// Successes less failures, roughly: how much more than the least may be held.
    credit: usize,
    /// Whether deliveries that are due wait in the store.
    is_behind: bool,
    /// When the next in the store will be due, as far as is known.
    next_due: Option<Timestamp>,
    /// How many have come in that wait to be in a batch, as far as is known.
    gathered: usize,
    /// Whether the endpoint is worth calling.
    health: Health,
    /// When the attempts of the last minute began; only kept where their rate is limited.
    pace: VecDeque<Timestamp>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Lane {
    fn held(&self) -> usize {
        self.queue.len() + self.reserved + self.under_way
    }

    /// Two for each attempt that may be under way, so that none waits for the store, and more once it has earned it;
    /// none while no attempt may be made, and one to see whether a dead endpoint lives again. Batches are made no
    /// sooner than they can go: until then more may join them.
    fn room(&mut self, flow: Flow, now: Timestamp) -> usize {
        let most = usize::from(flow.max_concurrency);
        let room = match flow.batch {
            Some(_) => most,
            None => (most * 2 + self.credit).min(LANE_ROOM_MAX.max(most)),
        };
        let room = match self.health.state(now) {
            State::Closed => room,
            State::HalfOpen => 1,
            State::Open | State::Probing => 0,
        };
        room.min(self.attempts_left(flow, now))
    }

    /// Attempts that may still begin within the minute.
    fn attempts_left(&mut self, flow: Flow, now: Timestamp) -> usize {
        let Some(per_minute) = flow.per_minute else { return usize::MAX };
        while self.pace.front().is_some_and(|began| now.since(*began) >= MINUTE) {
            self.pace.pop_front();
        }
        usize::from(per_minute).saturating_sub(self.pace.len())
    }

    /// Until when no attempt may be made; `None` if one may, and is made.
    fn closed_until(&mut self, flow: Flow, now: Timestamp) -> Option<Timestamp> {
        if self.attempts_left(flow, now) == 0 {
            return self.pace.front().map(|began| began.plus(MINUTE));
        }
        if let Admission::Wait(until) = self.health.admit(now) {
            return Some(until);
        }
        if flow.per_minute.is_some() {
            self.pace.push_back(now);
        }
        None
    }

    /// When the endpoint may be called again, while it may not.
    fn opens_at(&self, now: Timestamp) -> Option<Timestamp> {
        // Of a copy: asking must not use up the probe.
        match { self.health }.admit(now) {
            Admission::Wait(until) => Some(until),
            Admission::Attempt => self.pace.front().map(|began| began.plus(MINUTE)),
        }
    }

    fn is_idle(&self) -> bool {
        self.held() == 0 && self.workers == 0 && !self.is_behind && self.next_due.is_none()
    }

    /// Whether forgetting it loses nothing.
    fn is_forgettable(&self) -> bool {
        self.is_idle()
            && self.gathered == 0
            && self.credit == 0
            && self.pace.is_empty()
            && self.health == Health::default()
    }
}

impl Lanes {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many nodes live, this one among them: each may make its share of the attempts whose rate is limited.
    pub(super) fn note_nodes(&self, count: usize) {
        self.held().nodes = u16::try_from(count).unwrap_or(u16::MAX);
    }

    /// Promises a place for a delivery that is about to be committed; false if it has to wait in the store. What waits
    /// there already goes first.
    pub(super) fn reserve(&self, id: SubscriptionId, flow: Flow, now: Timestamp) -> bool {
        let mut held = self.held();
        if held.claimed >= CLAIMED_MAX {
            return false;
        }
        let flow = flow.share_of(held.nodes);
        let lane = held.lanes.entry(id).or_default();
        let has_room = !lane.is_behind && lane.held() < lane.room(flow, now);
        lane.reserved += usize::from(has_room);
        held.claimed += usize::from(has_room);
        has_room
    }

    /// Takes a promise back.
    pub(super) fn release(&self, id: SubscriptionId) {
        let held = &mut *self.held();
        if let Some(lane) = held.lanes.get_mut(&id) {
            lane.reserved = lane.reserved.saturating_sub(1);
            held.claimed = held.claimed.saturating_sub(1);
        }
    }

    /// Queues a delivery in the place it was promised; true if a worker is to be started for it.
    pub(super) fn admit_reserved(&self, job: Job, max_concurrency: u16) -> bool {
        let mut held = self.held();
        let lane = held.lanes.entry(job.delivery.subscription_id).or_default();
        lane.reserved = lane.reserved.saturating_sub(1);
        lane.enqueue(job, max_concurrency)
    }

    /// Queues a delivery that was claimed from the store; true if a worker is to be started for it.
    pub(super) fn admit_claimed(&self, job: Job, max_concurrency: u16) -> bool {
        let mut held = self.held();
        held.claimed += 1;
        held.lanes.entry(job.delivery.subscription_id).or_default().enqueue(job, max_concurrency)
    }

    /// A worker asks what to do.
    pub(super) fn next(&self, id: SubscriptionId, flow: Flow, now: Timestamp) -> Next {
        let held = &mut *self.held();
        let flow = flow.share_of(held.nodes);
        let Some(lane) = held.lanes.get_mut(&id) else { return Next::Rest };
        if lane.queue.is_empty() {
            lane.workers -= 1;
            if lane.is_forgettable() {
                held.lanes.remove(&id);
            }
            return Next::Rest;
        }
        if let Some(until) = lane.closed_until(flow, now) {
            lane.workers -= 1;
            let jobs: Vec<_> = lane.queue.drain(..).collect();
            held.claimed = held.claimed.saturating_sub(jobs.len());
            return Next::GiveBack(jobs, until);
        }
        lane.under_way += 1;
        lane.queue.pop_front().map_or(Next::Rest, Next::Attempt)
    }

    /// An attempt has ended; without an outcome, it was not made after all.
    pub(super) fn finished(
        &self,
        id: SubscriptionId,
        outcome: Option<&Outcome>,
        flow: Flow,
        now: Timestamp,
    ) -> Finished {
        let held = &mut *self.held();
        held.claimed = held.claimed.saturating_sub(1);
        let flow = flow.share_of(held.nodes);
        let Some(lane) = held.lanes.get_mut(&id) else {
            return Finished { wants_more: false, change: health::Change::None };
        };
        lane.under_way = lane.under_way.saturating_sub(1);
        // What was skipped says nothing against the endpoint.
        let has_arrived = outcome.is_none_or(|outcome| outcome.is_success() || *outcome == Outcome::Skipped);
        lane.credit = if has_arrived { (lane.credit + 1).min(LANE_ROOM_MAX) } else { lane.credit / 2 };
        let change = outcome.map_or(health::Change::None, |outcome| {
            lane.health.settle(outcome, &health::Rules::default(), now)
        });
        Finished { wants_more: lane.is_behind && lane.held() <= lane.room(flow, now) / 2, change }
    }

    /// Somebody has made an attempt by hand.
    pub(super) fn note_outcome(
        &self,
        id: SubscriptionId,
        outcome: &Outcome,
        now: Timestamp,
    ) -> health::Change {
        let mut held = self.held();
        held.lanes.entry(id).or_default().health.settle(outcome, &health::Rules::default(), now)
    }

    /// How an endpoint has been answering.
    pub(super) fn health(&self, id: SubscriptionId) -> Health {
        self.held().lanes.get(&id).map_or_else(Health::default, |lane| lane.health)
    }

    /// Deliveries of this lane wait in the store and are due.
    pub(super) fn note_behind(&self, id: SubscriptionId) {
        self.held().lanes.entry(id).or_default().is_behind = true;
    }

    /// A delivery of this lane will be due at `at`. True if nothing is due earlier, as far as is known.
    pub(super) fn note_due(&self, id: SubscriptionId, at: Timestamp) -> bool {
        let mut held = self.held();
        let lane = held.lanes.entry(id).or_default();
        let is_earlier = lane.next_due.is_none_or(|due| at < due);
        if is_earlier {
            lane.next_due = Some(at);
        }
        is_earlier
    }

    /// A delivery of this lane waits for others; true if there are now as many as a batch may hold.
    pub(super) fn note_gathered(&self, id: SubscriptionId, batch: Batch) -> bool {
        let mut held = self.held();
        let lane = held.lanes.entry(id).or_default();
        lane.gathered += 1;
        lane.gathered >= usize::from(batch.max_events)
    }

    /// A batch of this many was claimed; of none, where fewer wait than it may hold. Other nodes claim too, so what is
    /// known here may be too much.
    pub(super) fn note_batch(&self, id: SubscriptionId, count: usize, batch: Batch) {
        if let Some(lane) = self.held().lanes.get_mut(&id) {
            let most = if count == 0 { usize::from(batch.max_events) - 1 } else { usize::MAX };
            lane.gathered = lane.gathered.saturating_sub(count).min(most);
        }
    }

    /// The earliest time at which something in the store will be due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.held().lanes.values().filter_map(|lane| lane.next_due).min()
    }

    /// Which lanes want how much from the store. Lanes that have become due are behind from now on, until a claim finds
    /// less than it asked for.
    pub(super) fn wants(&self, now: Timestamp, flow: impl Fn(SubscriptionId) -> Option<Flow>) -> Vec<Room> {
        let held = &mut *self.held();
        held.lanes.retain(|&id, lane| !lane.is_idle() || (flow(id).is_some() && !lane.is_forgettable()));
        let mut free = CLAIMED_MAX.saturating_sub(held.claimed);
        let mut wants = Vec::new();
        for (&id, lane) in &mut held.lanes {
            if lane.next_due.is_some_and(|due| due <= now) {
                lane.next_due = None;
                lane.is_behind = true;
            }
            let Some(flow) = flow(id).filter(|_| lane.is_behind) else { continue };
            let flow = flow.share_of(held.nodes);
            let room = lane.room(flow, now);
            // A half-full lane can wait: many at once cost the store little more than one.
            if lane.held() <= room / 2 {
                let wanted = (room - lane.held()).min(free);
                free -= wanted;
                wants.push(Room { subscription_id: id, room: u32::try_from(wanted).unwrap_or(u32::MAX) });
            }
            if room == 0 {
                lane.next_due = lane.opens_at(now);
            }
        }
        wants.retain(|want| want.room > 0);
        wants
    }

    /// A claim found less than it asked for: nothing that is due is left in the store.
    pub(super) fn note_caught_up(&self, id: SubscriptionId) {
        if let Some(lane) = self.held().lanes.get_mut(&id) {
            lane.is_behind = false;
        }
    }

    /// Takes everything that is queued and not yet under way.
    pub(super) fn drain(&self) -> Vec<Job> {
        let held = &mut *self.held();
        let jobs: Vec<_> = held.lanes.values_mut().flat_map(|lane| lane.queue.drain(..)).collect();
        held.claimed = held.claimed.saturating_sub(jobs.len());
        jobs
    }
}

impl Lane {
    fn enqueue(&mut self, job: Job, max_concurrency: u16) -> bool {
        self.queue.push_back(job);
        let is_worker_wanted = self.workers < usize::from(max_concurrency);
        self.workers += usize::from(is_worker_wanted);
        is_worker_wanted
    }
}

#[cfg(test)]
mod tests;
