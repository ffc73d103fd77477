//! The subscriber's ledger: which events arrived, when first, and how often again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::{Result, bail, ensure};

use crate::load::Accepted;
use crate::receiver::{Arrival, Ledger, Reply};
use crate::signature::Verifier;

/// One in so many deliveries has its signature checked: all of them would cost a good part of a core, and one
/// subscription signs them all alike.
const VERIFIED_ONE_IN: u64 = 64;

#[derive(Debug, Default)]
pub(super) struct Arrivals {
    verifier: OnceLock<Verifier>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    first_at: HashMap<Box<str>, Instant>,
    repeats: u64,
    deliveries: u64,
    first_forgery: Option<String>,
}

impl Arrivals {
    /// The secret is known only once the subscription is made, and that needs a receiver that listens.
    pub(super) fn verify_with(&self, verifier: Verifier) {
        self.verifier.get_or_init(|| verifier);
    }

    pub(super) fn distinct(&self) -> u64 {
        self.seen.lock().expect("no holder panics").first_at.len() as u64
    }

    pub(super) fn repeats(&self) -> u64 {
        self.seen.lock().expect("no holder panics").repeats
    }

    /// Every accepted event arrived, nothing else did, and the signatures were right.
    pub(super) fn reconcile(&self, accepted: &[Accepted]) -> Result<()> {
        let seen = self.seen.lock().expect("no holder panics");
        if let Some(forgery) = &seen.first_forgery {
            bail!("a delivery with a wrong signature: {forgery}");
        }
        if let Some(lost) = accepted.iter().find(|event| !seen.first_at.contains_key(&event.event_id)) {
            bail!("{} was accepted and never delivered", lost.event_id);
        }
        let (known, arrived) = (accepted.len(), seen.first_at.len());
        ensure!(known == arrived, "{arrived} events arrived, {known} were accepted");
        Ok(())
    }

    pub(super) fn first_arrival(&self, event_id: &str) -> Option<Instant> {
        self.seen.lock().expect("no holder panics").first_at.get(event_id).copied()
    }
}

impl Ledger for Arrivals {
    fn arrived(&self, arrival: &Arrival<'_>) -> Reply {
        let mut seen = self.seen.lock().expect("no holder panics");
        seen.deliveries += 1;
        match seen.first_at.entry(arrival.webhook_id.into()) {
            Entry::Vacant(entry) => {
                entry.insert(arrival.at);
            }
            Entry::Occupied(_) => seen.repeats += 1,
        }
        if seen.deliveries % VERIFIED_ONE_IN == 1
            && let Some(verifier) = self.verifier.get()
        {
            let (id, timestamp) = (arrival.webhook_id, arrival.webhook_timestamp);
            let checked = verifier.check(id, timestamp, arrival.body, arrival.webhook_signature);
            if let Err(error) = checked {
                seen.first_forgery.get_or_insert(format!("{id}: {error}"));
            }
        }
        Reply::OK
    }
}
