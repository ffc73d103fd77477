//! What a batch of changes adds to the hours of each subscription.

use std::collections::BTreeMap;

use domain::delivery::Status;
use domain::{SubscriptionId, Timestamp};

use crate::{Change, Hour};

/// Microseconds.
const HOUR: i64 = 3_600_000_000;

/// Sums up `changes` by the hour in which they happened and by subscription, in the order of both, so that two nodes
/// lock the rows in the same order.
pub(crate) fn count_hours<'c>(changes: impl Iterator<Item = &'c Change>) -> Vec<(SubscriptionId, Hour)> {
    let mut hours = BTreeMap::new();
    for change in changes {
        if let Some(happened_at) = happened_at(change) {
            let begins_at = hour_of(happened_at);
            let key = (begins_at, change.to.subscription_id);
            hours.entry(key).or_insert_with(|| Hour::of_nothing(begins_at)).add(change);
        }
    }
    hours.into_iter().map(|((_, subscription_id), hour)| (subscription_id, hour)).collect()
}

/// The beginning of the hour of `moment`.
pub(crate) fn hour_of(moment: Timestamp) -> Timestamp {
    Timestamp::from_micros(moment.as_micros().div_euclid(HOUR) * HOUR)
}

/// The end of the attempt, else of the delivery; `None` where neither has come to an end that counts.
fn happened_at(change: &Change) -> Option<Timestamp> {
    let attempt = change.attempt.as_ref();
    let has_ended = matches!(change.to.status(), Status::Success | Status::Failed);
    attempt.map(|attempt| attempt.at.plus(attempt.duration)).or(change.to.completed_at.filter(|_| has_ended))
}

impl Hour {
    /// One in which nothing happened.
    #[must_use]
    pub const fn of_nothing(begins_at: Timestamp) -> Self {
        Self {
            begins_at,
            successful: 0,
            failed: 0,
            attempts: 0,
            errors: 0,
            answers: 0,
            answer_micros: 0,
            answer_micros_max: 0,
            owed: 0,
        }
    }

    fn add(&mut self, change: &Change) {
        match change.to.status() {
            Status::Success => self.successful += 1,
            Status::Failed => self.failed += 1,
            _ => {}
        }
        let Some(attempt) = &change.attempt else { return };
        self.attempts += 1;
        self.errors += i64::from(attempt.error_code.is_some());
        if attempt.response_status.is_some() {
            let micros = attempt.duration.as_micros() as i64;
            self.answers += 1;
            self.answer_micros += micros;
            self.answer_micros_max = self.answer_micros_max.max(micros);
        }
    }

    /// Both together, in the hour of the first.
    pub(crate) fn and(self, other: &Self) -> Self {
        Self {
            begins_at: self.begins_at,
            successful: self.successful + other.successful,
            failed: self.failed + other.failed,
            attempts: self.attempts + other.attempts,
            errors: self.errors + other.errors,
            answers: self.answers + other.answers,
            answer_micros: self.answer_micros + other.answer_micros,
            answer_micros_max: self.answer_micros_max.max(other.answer_micros_max),
            owed: self.owed + other.owed,
        }
    }
}
