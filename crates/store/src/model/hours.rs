//! What became of deliveries, hour by hour.

use std::collections::BTreeMap;

use domain::{SubscriptionId, Timestamp, UserId};

use super::Data;
use crate::hours::{count_hours, hour_of};
use crate::{Change, Hour, HourFilter};

impl Data {
    pub(super) fn count_hours<'c>(&mut self, written: impl Iterator<Item = &'c Change>) {
        for (subscription_id, hour) in count_hours(written) {
            let known = self.hours.remove(&(hour.begins_at, subscription_id));
            let sum = known.map_or(hour, |known| known.and(&hour));
            self.hours.insert((hour.begins_at, subscription_id), sum);
        }
    }

    pub(super) fn hours(&self, filter: &HourFilter) -> Vec<Hour> {
        let mut sums = BTreeMap::new();
        for (&(begins_at, subscription_id), hour) in &self.hours {
            let is_theirs = self.is_theirs(subscription_id, filter.user_id.as_ref());
            if is_theirs && filter.since <= begins_at && begins_at < filter.until {
                let sum = sums.remove(&begins_at);
                sums.insert(begins_at, sum.map_or(*hour, |sum: Hour| sum.and(hour)));
            }
        }
        sums.into_values().collect()
    }

    /// Whether a subscription is among those of `user`, or of all.
    fn is_theirs(&self, subscription: SubscriptionId, user: Option<&UserId>) -> bool {
        let owner = || self.subscriptions.get(&subscription)?.subscription.user_id.as_ref();
        user.is_none() || owner() == user
    }

    pub(super) fn owed(&self, user: Option<&UserId>) -> i64 {
        let open = self.deliveries.values().filter(|delivery| !delivery.status().is_terminal());
        open.filter(|delivery| self.is_theirs(delivery.subscription_id, user)).count() as i64
    }

    pub(super) fn note_owed(&mut self, now: Timestamp) {
        let begins_at = hour_of(now);
        self.hours.values_mut().filter(|hour| hour.begins_at == begins_at).for_each(|hour| hour.owed = 0);
        for delivery in self.deliveries.values().filter(|delivery| !delivery.status().is_terminal()) {
            let key = (begins_at, delivery.subscription_id);
            self.hours.entry(key).or_insert_with(|| Hour::of_nothing(begins_at)).owed += 1;
        }
    }

    pub(super) fn remove_hours(&mut self, before: Timestamp, limit: u32) -> u64 {
        let old = self.hours.keys().take_while(|(begins_at, _)| *begins_at < before);
        let old: Vec<_> = old.take(limit as usize).copied().collect();
        old.iter().for_each(|key| _ = self.hours.remove(key));
        old.len() as u64
    }
}
