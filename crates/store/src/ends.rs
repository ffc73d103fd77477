//! What a batch of changes adds to the statistics of each subscription.

use std::collections::BTreeMap;

use domain::delivery::Status;
use domain::{SubscriptionId, Timestamp};

use crate::Change;

/// What is added to one subscription's statistics.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) subscription_id: SubscriptionId,
    pub(crate) successful: i64,
    pub(crate) failed: i64,
    pub(crate) cancelled: i64,
    pub(crate) last_delivery_at: Option<Timestamp>,
    pub(crate) last_success_at: Option<Timestamp>,
    pub(crate) last_failure_at: Option<Timestamp>,
    /// When attempts failed at the endpoint.
    blamed_at: Vec<Timestamp>,
}

impl Ends {
    fn none(subscription_id: SubscriptionId) -> Self {
        Self {
            subscription_id,
            successful: 0,
            failed: 0,
            cancelled: 0,
            last_delivery_at: None,
            last_success_at: None,
            last_failure_at: None,
            blamed_at: Vec::new(),
        }
    }

    /// `count` deliveries were called off together.
    pub(crate) fn cancelled(subscription_id: SubscriptionId, count: i64) -> Self {
        Self { cancelled: count, ..Self::none(subscription_id) }
    }

    fn add(&mut self, change: &Change) {
        let completed_at = change.to.completed_at;
        match change.from.status {
            Status::Failed => self.failed -= 1,
            Status::Cancelled => self.cancelled -= 1,
            _ => {}
        }
        match change.to.status() {
            Status::Success => {
                self.successful += 1;
                self.last_delivery_at = self.last_delivery_at.max(completed_at);
                self.last_success_at = self.last_success_at.max(completed_at);
            }
            Status::Failed => {
                self.failed += 1;
                self.last_delivery_at = self.last_delivery_at.max(completed_at);
            }
            Status::Cancelled => self.cancelled += 1,
            _ => {}
        }
        let failed = change.attempt.as_ref().filter(|attempt| attempt.error_code.is_some());
        let failed_at = failed.map(|attempt| attempt.at.plus(attempt.duration));
        self.last_failure_at = self.last_failure_at.max(failed_at);
        let is_blamed = failed.and_then(|attempt| attempt.error_code).is_some_and(|code| !code.is_ours());
        self.blamed_at.extend(failed_at.filter(|_| is_blamed));
    }

    /// The first failure after the last success, as far as this batch knows.
    pub(crate) fn failing_since(&self) -> Option<Timestamp> {
        self.blamed_at.iter().copied().filter(|at| Some(*at) > self.last_success_at).min()
    }

    fn is_nothing(&self) -> bool {
        self.successful == 0
            && self.failed == 0
            && self.cancelled == 0
            && self.last_delivery_at.is_none()
            && self.last_failure_at.is_none()
    }
}

/// Sums up `changes` by subscription. The order is that of the ids, so that two nodes lock the rows in the same order.
pub(crate) fn count_ends<'c>(changes: impl Iterator<Item = &'c Change>) -> Vec<Ends> {
    let mut by_subscription = BTreeMap::new();
    for change in changes {
        let id = change.to.subscription_id;
        by_subscription.entry(id).or_insert_with(|| Ends::none(id)).add(change);
    }
    by_subscription.into_values().filter(|ends| !ends.is_nothing()).collect()
}
