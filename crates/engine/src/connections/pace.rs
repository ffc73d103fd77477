//! Calls that a provider allows only so often, by all who share a rate.
//!
//! Each node keeps to it by itself. Two nodes that call at once hear from the provider how long to wait.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::Timestamp;
use providers::{Pollable, Walk};

/// Who has had a turn, and until when nobody who shares a rate with them has one.
#[derive(Debug, Default)]
pub(super) struct Paces(Mutex<HashMap<String, Timestamp>>);

impl Paces {
    /// Takes the turn of the next call of a walk; else until when it has to wait.
    pub(super) fn take_turn(
        &self,
        provider: &dyn Pollable,
        walk: &Walk<'_>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let pace = provider.pace(walk)?;
        let sharing = format!("{} {}", provider.name(), pace.shared_by);
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|_, until| *until > now);
        let until = taken.get(&sharing).copied();
        if until.is_none() {
            taken.insert(sharing, now.plus(pace.every));
        }
        until
    }
}
