//! What is owed, and what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::attempt::Attempt;
use domain::delivery::{Claim, Delivery, Holder, Status};
use domain::job::{Only, Standing};
use domain::{DeliveryId, EventId, EventType, NodeId, SubscriptionId, Timestamp};

use super::{Data, paged};
use crate::{
    Change, Claimed, DeliveryFilter, Lane, Owed, Page, RoutesVersion, Statistics, StoredJob, Waiting,
};

impl Data {
    /// Adds a delivery, last in its line.
    pub(super) fn add(&mut self, delivery: &Delivery) {
        self.statistics.entry(delivery.subscription_id).or_default().total += 1;
        self.last_place += 1;
        self.places.insert(delivery.id, self.last_place);
        self.deliveries.insert(delivery.id, delivery.clone());
    }

    /// Every delivery that is not the first of its line.
    pub(super) fn behind_another(&self) -> BTreeSet<DeliveryId> {
        let mut lines: BTreeMap<_, Vec<DeliveryId>> = BTreeMap::new();
        for delivery in self.deliveries.values().filter(|delivery| !delivery.status().is_terminal()) {
            if let Some(key) = delivery.ordering_key {
                lines.entry((delivery.subscription_id, key)).or_default().push(delivery.id);
            }
        }
        lines.values_mut().for_each(|line| line.sort_by_key(|id| self.places[id]));
        lines.into_values().flat_map(|line| line.into_iter().skip(1)).collect()
    }

    pub(super) fn claim(&mut self, lanes: &[Lane], claim: &Claim, now: Timestamp) -> Vec<Claimed> {
        let behind_another = self.behind_another();
        let mut room: BTreeMap<_, _> = lanes.iter().map(|lane| (lane.subscription_id, lane.room)).collect();
        let mut waiting: Vec<_> = self.deliveries.values_mut().filter(|d| d.due_at().is_some()).collect();
        waiting.sort_by_key(|delivery| (delivery.due_at(), delivery.id));
        let mut claimed = Vec::new();
        for delivery in waiting {
            if behind_another.contains(&delivery.id) {
                continue;
            }
            let Some(room) = room.get_mut(&delivery.subscription_id).filter(|room| **room > 0) else {
                continue;
            };
            if delivery.claim(claim.clone(), now).is_ok() {
                *room -= 1;
                let event = Arc::clone(&self.log[&self.positions[&delivery.event_id]]);
                claimed.push(Claimed { delivery: delivery.clone(), event });
            }
        }
        claimed
    }

    pub(super) fn waiting(&self) -> Vec<Waiting> {
        let mut first_due = BTreeMap::new();
        for delivery in self.deliveries.values() {
            if let Some(due_at) = delivery.due_at() {
                let first = first_due.entry(delivery.subscription_id).or_insert(due_at);
                *first = due_at.min(*first);
            }
        }
        first_due.into_iter().map(|(subscription_id, due_at)| Waiting { subscription_id, due_at }).collect()
    }

    pub(super) fn overdue(&self, id: SubscriptionId, now: Timestamp, limit: u32) -> Vec<(EventType, u32)> {
        let is_overdue = |d: &&Delivery| d.subscription_id == id && d.due_at().is_some_and(|due| due <= now);
        let mut due: Vec<_> = self.deliveries.values().filter(is_overdue).collect();
        due.sort_by_key(|delivery| (delivery.due_at(), delivery.id));
        let mut counts = BTreeMap::new();
        for delivery in due.into_iter().take(limit as usize) {
            *counts.entry(delivery.event_type.clone()).or_default() += 1;
        }
        counts.into_iter().collect()
    }

    pub(super) fn change_all(&mut self, changes: &[Change]) -> Vec<bool> {
        let written: Vec<_> = changes.iter().map(|change| self.change(change)).collect();
        let made = changes.iter().zip(&written).filter(|&(_, &made)| made).map(|(change, _)| change);
        self.note_failures(made.clone());
        self.count_hours(made);
        written
    }

    pub(super) fn change(&mut self, change: &Change) -> bool {
        let Some(current) = self.deliveries.get_mut(&change.to.id) else { return false };
        if !change.from.holds_for(current) {
            return false;
        }
        let statistics = self.statistics.entry(current.subscription_id).or_default();
        count(statistics, current.status(), &change.to, change.attempt.as_ref());
        if current.status().is_terminal() {
            self.batches.remove(&change.to.id);
        }
        current.clone_from(&change.to);
        if let Some(attempt) = &change.attempt {
            let key = (attempt.delivery_id, attempt.number);
            self.attempts.entry(key).or_insert_with(|| attempt.clone());
        }
        true
    }

    /// A batch is in no particular order: what has succeeded in it counts first.
    fn note_failures<'c>(&mut self, written: impl Iterator<Item = &'c Change>) {
        for change in written {
            let statistics = self.statistics.entry(change.to.subscription_id).or_default();
            if statistics.failing_since <= statistics.last_success_at {
                statistics.failing_since = None;
            }
            let attempt = change.attempt.as_ref();
            let failed = attempt.filter(|attempt| attempt.error_code.is_some_and(|code| !code.is_ours()));
            let failed_at = failed.map(|attempt| attempt.at.plus(attempt.duration));
            if let Some(at) = failed_at.filter(|&at| Some(at) > statistics.last_success_at) {
                statistics.failing_since = Some(statistics.failing_since.map_or(at, |since| since.min(at)));
            }
        }
    }

    pub(super) fn owe(
        &mut self,
        deliveries: &[Delivery],
        only: Only,
        routes: RoutesVersion,
        job: Option<&StoredJob>,
    ) -> Owed {
        if routes.0 != self.routes_version {
            return Owed::StaleRoutes;
        }
        if job.is_some_and(|job| !self.write_job(job)) {
            return Owed::Overtaken;
        }
        let mut owed = Vec::new();
        for new in deliveries {
            let is_there = self.positions.contains_key(&new.event_id);
            if is_there && only.takes(self.standing(new.event_id, new.subscription_id)) {
                self.add(new);
                owed.push(new.id);
            }
        }
        Owed::Done(owed)
    }

    /// How an event stands with a subscription.
    pub(super) fn standing(&self, event: EventId, subscription: SubscriptionId) -> Standing {
        let between = |d: &&Delivery| d.event_id == event && d.subscription_id == subscription;
        Standing::of(self.deliveries.values().filter(between).map(Delivery::status))
    }

    pub(super) fn lapsed(&self, dead: Option<NodeId>, now: Timestamp, limit: u32) -> Vec<Delivery> {
        let has_lapsed = |claim: &Claim| match dead {
            Some(node) => claim.holder == Holder::Node(node),
            None => claim.deadline <= now,
        };
        let lapsed = self.deliveries.values().filter(|delivery| delivery.claimed().is_some_and(has_lapsed));
        let mut lapsed: Vec<_> = lapsed.collect();
        lapsed.sort_by_key(|delivery| (delivery.claimed().map(|claim| claim.deadline), delivery.id));
        lapsed.into_iter().take(limit as usize).cloned().collect()
    }

    pub(super) fn deliveries(&self, filter: &DeliveryFilter, page: &Page<DeliveryId>) -> Vec<Delivery> {
        let newest_first = self.deliveries.values().rev().filter(|delivery| is_meant(filter, delivery));
        paged(newest_first.cloned(), page, |delivery| delivery.id)
    }
}

/// Keeps the statistics true when a delivery of status `from` becomes `to`.
fn count(statistics: &mut Statistics, from: Status, to: &Delivery, attempt: Option<&Attempt>) {
    if from == Status::Failed {
        statistics.failed -= 1;
    }
    match to.status() {
        Status::Success => {
            statistics.successful += 1;
            statistics.last_delivery_at = statistics.last_delivery_at.max(to.completed_at);
            statistics.last_success_at = statistics.last_success_at.max(to.completed_at);
        }
        Status::Failed => {
            statistics.failed += 1;
            statistics.last_delivery_at = statistics.last_delivery_at.max(to.completed_at);
        }
        _ => {}
    }
    let failure = attempt.filter(|attempt| attempt.error.is_some());
    let failed_at = failure.map(|attempt| attempt.at.plus(attempt.duration));
    statistics.last_failure_at = statistics.last_failure_at.max(failed_at);
}

/// An id tells when its delivery was made, to the millisecond: that is how precisely times are compared.
fn is_meant(filter: &DeliveryFilter, delivery: &Delivery) -> bool {
    filter.owner_id.as_ref().is_none_or(|owner| delivery.owner_id.as_ref() == Some(owner))
        && filter.subscription_id.is_none_or(|id| delivery.subscription_id == id)
        && filter.event_id.is_none_or(|id| delivery.event_id == id)
        && filter.status.is_none_or(|status| delivery.status() == status)
        && filter.event_type.as_ref().is_none_or(|event_type| delivery.event_type == *event_type)
        && filter.since.is_none_or(|since| delivery.id >= DeliveryId::first_at(since))
        && filter.until.is_none_or(|until| delivery.id < DeliveryId::first_at(until))
}
