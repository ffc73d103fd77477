//! What has been kept for long enough.

use std::ops::Bound::{Excluded, Unbounded};

use domain::{DeliveryId, EventId, EventType, Timestamp};

use super::Data;

impl Data {
    pub(super) fn oldest_events(
        &self,
        after: Option<EventId>,
        before: Timestamp,
        limit: u32,
    ) -> Vec<(EventId, EventType)> {
        let old =
            self.positions.range((after.map_or(Unbounded, Excluded), Excluded(EventId::first_at(before))));
        let with_type = |(&id, position)| (id, self.log[position].event_type.clone());
        old.take(limit as usize).map(with_type).collect()
    }

    pub(super) fn oldest_ended(
        &self,
        after: Option<DeliveryId>,
        before: Timestamp,
        limit: u32,
    ) -> Vec<DeliveryId> {
        let old = (after.map_or(Unbounded, Excluded), Excluded(DeliveryId::first_at(before)));
        let ended = self.deliveries.range(old).filter(|(_, delivery)| delivery.status().is_terminal());
        ended.take(limit as usize).map(|(&id, _)| id).collect()
    }

    pub(super) fn oldest_tried(
        &self,
        after: Option<DeliveryId>,
        before: Timestamp,
        limit: u32,
    ) -> Vec<DeliveryId> {
        let mut tried: Vec<_> = self.attempts.keys().map(|&(id, _)| id).collect();
        tried.dedup();
        tried.retain(|&id| after.is_none_or(|after| id > after) && id < DeliveryId::first_at(before));
        tried.truncate(limit as usize);
        tried
    }

    pub(super) fn remove_event(&mut self, id: EventId) -> bool {
        let owed = self.deliveries.values().filter(|delivery| delivery.event_id == id);
        let is_open = owed.clone().any(|delivery| !delivery.status().is_terminal());
        let owed: Vec<_> = owed.map(|delivery| delivery.id).collect();
        let Some(position) = self.positions.get(&id).copied().filter(|_| !is_open) else { return false };
        owed.into_iter().for_each(|id| _ = self.remove_delivery(id));
        self.kept_under.retain(|_, kept| *kept != id);
        self.positions.remove(&id);
        self.removed_to = self.removed_to.max(position.0);
        self.log.remove(&position).is_some()
    }

    pub(super) fn remove_delivery(&mut self, id: DeliveryId) -> bool {
        let has_ended = self.deliveries.get(&id).is_some_and(|delivery| delivery.status().is_terminal());
        if has_ended {
            self.deliveries.remove(&id);
            self.places.remove(&id);
            self.remove_attempts(id);
        }
        has_ended
    }

    pub(super) fn remove_attempts(&mut self, of: DeliveryId) -> u64 {
        let before = self.attempts.len();
        self.attempts.retain(|&(id, _), _| id != of);
        (before - self.attempts.len()) as u64
    }

    pub(super) fn remove_expired_keys(&mut self, now: Timestamp, limit: u32) -> u64 {
        let mut expired: Vec<_> =
            self.idempotency.values().filter(|key| key.expires_at <= now).copied().collect();
        expired.sort_by_key(|key| key.expires_at);
        expired.truncate(limit as usize);
        expired.iter().for_each(|expired| _ = self.idempotency.remove(&expired.key));
        expired.len() as u64
    }
}
