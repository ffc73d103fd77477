//! A lane for each subscription: what is claimed for it, how many attempts are under way, and what still waits.
//!
//! Lanes keep one endpoint's trouble its own. Each has its own queue and its own attempts; how much it may hold in memory
//! grows with what it delivers and shrinks with what it fails, so that an endpoint that is down keeps its backlog in the
//! store and leaves the memory to others.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::delivery::Delivery;
use domain::{Event, SubscriptionId, Timestamp};
use store::Lane as Room;

use crate::limits::{CLAIMED_MAX, LANE_ROOM_MAX};

/// A delivery that this node has claimed.
#[derive(Debug)]
pub struct Job {
    /// The delivery, processing.
    pub delivery: Delivery,
    /// What it carries.
    pub event: Arc<Event>,
}

/// All lanes that hold or await something.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    lanes: HashMap<SubscriptionId, Lane>,
    /// Over all lanes: reserved, queued and under way.
    claimed: usize,
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
}

impl Lane {
    fn held(&self) -> usize {
        self.queue.len() + self.reserved + self.under_way
    }

    /// Two for each attempt that may be under way, so that none waits for the store, and more once it has earned it.
    fn room(&self, max_concurrency: u16) -> usize {
        (usize::from(max_concurrency) * 2 + self.credit).min(LANE_ROOM_MAX.max(max_concurrency.into()))
    }

    fn is_idle(&self) -> bool {
        self.held() == 0 && self.workers == 0 && !self.is_behind && self.next_due.is_none()
    }
}

impl Lanes {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Promises a place for a delivery that is about to be committed; false if it has to wait in the store. What waits
    /// there already goes first.
    pub(super) fn reserve(&self, id: SubscriptionId, max_concurrency: u16) -> bool {
        let mut held = self.held();
        if held.claimed >= CLAIMED_MAX {
            return false;
        }
        let lane = held.lanes.entry(id).or_default();
        let has_room = !lane.is_behind && lane.held() < lane.room(max_concurrency);
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

    /// A worker asks for its next attempt; if there is none, the worker ends.
    pub(super) fn next(&self, id: SubscriptionId) -> Option<Job> {
        let held = &mut *self.held();
        let lane = held.lanes.get_mut(&id)?;
        let job = lane.queue.pop_front();
        if job.is_some() {
            lane.under_way += 1;
        } else {
            lane.workers -= 1;
            if lane.is_idle() && lane.credit == 0 {
                held.lanes.remove(&id);
            }
        }
        job
    }

    /// An attempt has ended. True if the lane could do with more from the store.
    pub(super) fn finished(&self, id: SubscriptionId, has_arrived: bool, max_concurrency: u16) -> bool {
        let held = &mut *self.held();
        held.claimed = held.claimed.saturating_sub(1);
        let Some(lane) = held.lanes.get_mut(&id) else { return false };
        lane.under_way = lane.under_way.saturating_sub(1);
        lane.credit = if has_arrived { (lane.credit + 1).min(LANE_ROOM_MAX) } else { lane.credit / 2 };
        lane.is_behind && lane.held() <= lane.room(max_concurrency) / 2
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

    /// The earliest time at which something in the store will be due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.held().lanes.values().filter_map(|lane| lane.next_due).min()
    }

    /// Which lanes want how much from the store. Lanes that have become due are behind from now on, until a claim finds
    /// less than it asked for.
    pub(super) fn wants(
        &self,
        now: Timestamp,
        max_concurrency: impl Fn(SubscriptionId) -> Option<u16>,
    ) -> Vec<Room> {
        let held = &mut *self.held();
        let mut free = CLAIMED_MAX.saturating_sub(held.claimed);
        let mut wants = Vec::new();
        for (&id, lane) in &mut held.lanes {
            if lane.next_due.is_some_and(|due| due <= now) {
                lane.next_due = None;
                lane.is_behind = true;
            }
            let Some(max_concurrency) = max_concurrency(id).filter(|_| lane.is_behind) else { continue };
            let room = lane.room(max_concurrency);
            // A half-full lane can wait: many at once cost the store little more than one.
            if lane.held() <= room / 2 {
                let wanted = (room - lane.held()).min(free);
                free -= wanted;
                wants.push(Room { subscription_id: id, room: u32::try_from(wanted).unwrap_or(u32::MAX) });
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
