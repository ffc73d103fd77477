//! What became of deliveries, hour by hour.

use std::collections::BTreeMap;

use domain::Timestamp;

use super::Data;
use crate::hours::count_hours;
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
            let is_theirs = filter.user_id.is_none()
                || self
                    .subscriptions
                    .get(&subscription_id)
                    .is_some_and(|stored| stored.subscription.user_id == filter.user_id);
            if is_theirs && filter.since <= begins_at && begins_at < filter.until {
                let sum = sums.remove(&begins_at);
                sums.insert(begins_at, sum.map_or(*hour, |sum: Hour| sum.and(hour)));
            }
        }
        sums.into_values().collect()
    }

    pub(super) fn remove_hours(&mut self, before: Timestamp, limit: u32) -> u64 {
        let old = self.hours.keys().take_while(|(begins_at, _)| *begins_at < before);
        let old: Vec<_> = old.take(limit as usize).copied().collect();
        old.iter().for_each(|key| _ = self.hours.remove(key));
        old.len() as u64
    }
}
