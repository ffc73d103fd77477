//! What is owed, and what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::attempt::Attempt;
use domain::delivery::{Claim, Delivery, Holder, Status};
use domain::{DeliveryId, NodeId, Timestamp};

use super::{Data, paged};
use crate::{Change, Claimed, DeliveryFilter, Fence, Lane, Page, RoutesVersion, Statistics, Waiting};

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

    pub(super) fn change(&mut self, change: &Change) -> bool {
        let Some(current) = self.deliveries.get_mut(&change.to.id) else { return false };
        if Fence::of(current) != change.from {
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

    pub(super) fn owe(
        &mut self,
        deliveries: &[Delivery],
        only_missing: bool,
        routes: RoutesVersion,
    ) -> Option<Vec<DeliveryId>> {
        if routes.0 != self.routes_version {
            return None;
        }
        let mut owed = Vec::new();
        for new in deliveries {
            if !self.positions.contains_key(&new.event_id) {
                continue;
            }
            let is_same = |known: &Delivery| {
                known.event_id == new.event_id && known.subscription_id == new.subscription_id
            };
            if only_missing && self.deliveries.values().any(is_same) {
                continue;
            }
            self.add(new);
            owed.push(new.id);
        }
        Some(owed)
    }

    pub(super) fn lapsed(&self, dead: Option<NodeId>, now: Timestamp, limit: u32) -> Vec<Delivery> {
        let has_lapsed = |claim: &Claim| match dead {
            Some(node) => claim.holder == Holder::Node(node),
            None => claim.deadline <= now,
        };
        let lapsed = self.deliveries.values().filter(|delivery| delivery.claimed().is_some_and(has_lapsed));
        lapsed.take(limit as usize).cloned().collect()
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
