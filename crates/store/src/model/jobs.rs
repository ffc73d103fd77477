//! Jobs, and what they walk along.

use std::ops::Bound::{Excluded, Included};
use std::sync::Arc;

use domain::delivery::Delivery;
use domain::{DeliveryId, Event, JobId, Timestamp, UserId, event, job};

use super::{Data, paged};
use crate::{Change, Fence, Page, Past, PastEvent, Result, Stepped, StoreError, StoredJob};

impl Data {
    pub(super) fn create_job(&mut self, job: &StoredJob) -> Result<()> {
        let id = job.job.id;
        if self.jobs.contains_key(&id) {
            return Err(StoreError::Refused(format!("{id} exists already")));
        }
        self.jobs.insert(id, job.clone());
        Ok(())
    }

    pub(super) fn jobs(&self, owner: Option<&UserId>, page: &Page<JobId>) -> Vec<StoredJob> {
        let is_meant =
            |stored: &&StoredJob| owner.is_none_or(|owner| stored.job.owner_id.as_ref() == Some(owner));
        paged(self.jobs.values().rev().filter(is_meant).cloned(), page, |stored| stored.job.id)
    }

    pub(super) fn running_jobs(&self, limit: u32) -> Vec<StoredJob> {
        let running = self.jobs.values().filter(|stored| stored.job.state == job::State::Running);
        running.take(limit as usize).cloned().collect()
    }

    pub(super) fn step_job(&mut self, job: &StoredJob, changes: &[Change]) -> Stepped {
        if self.jobs.get(&job.job.id).is_none_or(|current| current.revision != job.revision) {
            return Stepped::Overtaken;
        }
        let holds = |change: &Change| {
            self.deliveries.get(&change.to.id).map(Fence::of).as_ref() == Some(&change.from)
        };
        if !changes.iter().all(holds) {
            return Stepped::Conflict;
        }
        self.write_job(job);
        changes.iter().for_each(|change| _ = self.change(change));
        Stepped::Done
    }

    pub(super) fn write_job(&mut self, job: &StoredJob) -> bool {
        let current = self.jobs.get_mut(&job.job.id).filter(|current| current.revision == job.revision);
        let Some(current) = current else { return false };
        *current = StoredJob { revision: job.revision + 1, ..job.clone() };
        true
    }

    pub(super) fn remove_ended_jobs(&mut self, before: Timestamp, limit: u32) -> u64 {
        let old = self.jobs.range(..JobId::first_at(before));
        let ended = old.filter(|(_, stored)| stored.job.state != job::State::Running).map(|(&id, _)| id);
        let ended: Vec<_> = ended.take(limit as usize).collect();
        ended.iter().for_each(|id| _ = self.jobs.remove(id));
        ended.len() as u64
    }

    pub(super) fn past_events(&self, past: &Past, limit: u32) -> Vec<PastEvent> {
        if past.after >= past.last {
            return Vec::new();
        }
        let span = self.positions.range((Excluded(past.after), Included(past.last)));
        let events = span.map(|(_, position)| &self.log[position]);
        let is_meant = |event: &&Arc<Event>| past.user_id.is_none() || event.user_id == past.user_id;
        let shown = |event: &Arc<Event>| PastEvent {
            data_bytes: event.data.as_str().len() as u64,
            event: Arc::new(Event { data: event::Json::trusted("null"), raw: None, ..Event::clone(event) }),
            standing: self.standing(event.id, past.subscription_id),
        };
        events.filter(is_meant).take(limit as usize).map(shown).collect()
    }

    pub(super) fn past_deliveries(
        &self,
        filter: &job::Filter,
        after: DeliveryId,
        last: DeliveryId,
        limit: u32,
    ) -> Vec<Delivery> {
        let meant = self.deliveries_up_to(filter, last).filter(|delivery| delivery.id > after);
        meant.take(limit as usize).cloned().collect()
    }

    pub(super) fn deliveries_up_to<'d>(
        &'d self,
        filter: &'d job::Filter,
        last: DeliveryId,
    ) -> impl Iterator<Item = &'d Delivery> {
        self.deliveries.range(..=last).map(|(_, delivery)| delivery).filter(move |delivery| {
            filter.owner_id.as_ref().is_none_or(|owner| delivery.owner_id.as_ref() == Some(owner))
                && filter.subscription_id.is_none_or(|id| delivery.subscription_id == id)
                && filter.statuses.contains(&delivery.status())
                && filter.event_type.as_ref().is_none_or(|event_type| delivery.event_type == *event_type)
                && filter.since.is_none_or(|since| delivery.id >= DeliveryId::first_at(since))
                && filter.until.is_none_or(|until| delivery.id < DeliveryId::first_at(until))
        })
    }
}
