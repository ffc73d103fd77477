//! What goes together.

use std::sync::Arc;

use domain::batch::Batch;
use domain::delivery::{Claim, Delivery, Status};
use domain::limits::BATCH_BYTES_MAX;
use domain::{DeliveryId, SubscriptionId, Timestamp};

use super::Data;
use crate::Claimed;

impl Data {
    pub(super) fn claim_batch(
        &mut self,
        of: SubscriptionId,
        terms: &Batch,
        claim: &Claim,
        now: Timestamp,
    ) -> Vec<Claimed> {
        let mut ids = self.due_batch(of, now).unwrap_or_else(|| self.gather(of, terms, now));
        self.last_batch += 1;
        ids.sort_by_key(|id| (self.positions[&self.deliveries[id].event_id], *id));
        let mut claimed = Vec::new();
        for id in ids {
            let Some(delivery) = self.deliveries.get_mut(&id) else { continue };
            if delivery.claim_with_others(claim.clone()).is_ok() {
                self.batches.entry(id).or_insert(self.last_batch);
                let event = Arc::clone(&self.log[&self.positions[&delivery.event_id]]);
                claimed.push(Claimed { delivery: delivery.clone(), event });
            }
        }
        claimed
    }

    /// What is left of a batch that was made before, where all of it is due.
    fn due_batch(&self, of: SubscriptionId, now: Timestamp) -> Option<Vec<DeliveryId>> {
        let open = |batch: u64| {
            let members = self.batches.iter().filter(move |(_, of)| **of == batch);
            members.map(|(id, _)| &self.deliveries[id]).filter(|member| !member.status().is_terminal())
        };
        let waiting = self.deliveries.values().filter(|d| d.subscription_id == of && d.due_at().is_some());
        let mut batches = waiting.filter_map(|delivery| self.batches.get(&delivery.id).copied());
        let may_go = |member: &Delivery| {
            member.status() == Status::Held || member.due_at().is_some_and(|due_at| due_at <= now)
        };
        let due = batches.find(|&batch| open(batch).all(may_go))?;
        Some(open(due).filter(|member| member.due_at().is_some()).map(|member| member.id).collect())
    }

    /// What makes a new batch; nothing while it is neither full nor due.
    fn gather(&self, of: SubscriptionId, terms: &Batch, now: Timestamp) -> Vec<DeliveryId> {
        let behind_another = self.behind_another();
        let is_due = |delivery: &Delivery| delivery.due_at().is_some_and(|due_at| due_at <= now);
        let may_join = |delivery: &&Delivery| {
            delivery.subscription_id == of
                && !self.batches.contains_key(&delivery.id)
                && !behind_another.contains(&delivery.id)
                && (delivery.status() == Status::Pending || is_due(delivery))
        };
        let mut waiting: Vec<_> = self.deliveries.values().filter(may_join).collect();
        waiting.sort_by_key(|delivery| (delivery.due_at(), delivery.id));
        let (mut fitting, mut bytes) = (0, 0);
        for delivery in waiting.iter().take(terms.max_events.into()) {
            bytes += self.log[&self.positions[&delivery.event_id]].data.as_str().len();
            if fitting > 0 && bytes > BATCH_BYTES_MAX {
                break;
            }
            fitting += 1;
        }
        let is_full = fitting == usize::from(terms.max_events) || fitting < waiting.len();
        let goes = is_full || waiting.first().is_some_and(|first| is_due(first));
        waiting.iter().take(if goes { fitting } else { 0 }).map(|delivery| delivery.id).collect()
    }
}
