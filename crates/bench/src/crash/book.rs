//! The two ledgers, and the rules that hold at every moment.
//!
//! One side writes down what the program answered to each GUID, the other what the receiver got. What breaks
//! a rule the moment it happens is noted as a violation here; what can be judged only at the end is the
//! verdict's business.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use serde_json::Value;

use crate::github::{Guid, Pushes};
use crate::receiver::{Arrival, Ledger, Reply};
use crate::signature::Verifier;

/// Beyond this many the point is made.
const VIOLATIONS_MAX: usize = 50;

/// Share of events whose first attempt is answered 500, and of those answered late, in 1,000.
const FAILED_FIRST_PER_MILLE: u64 = 20;
const DELAYED_PER_MILLE: u64 = 10;
const DELAY_MS_MAX: u64 = 400;

#[derive(Debug)]
pub(super) struct Book {
    /// Decides which deliveries fail or dawdle.
    seed: u64,
    user: &'static str,
    pushes: Arc<Pushes>,
    verifier: OnceLock<Verifier>,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) answered: HashMap<Guid, Answered>,
    pub(super) delivered: HashMap<Box<str>, Delivered>,
    pub(super) violations: Vec<String>,
    pub(super) tally: Tally,
}

/// What the program said about a GUID.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) event_id: Box<str>,
    /// Which of the prepared requests was sent under it.
    pub(super) push: usize,
}

/// What the receiver got of an event.
#[derive(Debug)]
pub(super) struct Delivered {
    delivery_id: Box<str>,
    body_hash: u64,
    /// The whole `data`, if it is one of those sent: by the commit that names it.
    pub(super) after: Box<str>,
    pub(super) succeeded: bool,
    times: u64,
}

/// Not judged, but telling.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Answers that never came, because the program was killed first.
    pub(super) answers_lost: u64,
    /// Of those, events that turned out to have been stored.
    pub(super) stored_unanswered: u64,
    pub(super) unavailable: u64,
    pub(super) arrivals: u64,
    pub(super) told_to_fail: u64,
    pub(super) repeats_after_success: u64,
}

/// What a client knows of a GUID when it sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// No whole request with it has ever left.
    Unknown,
    /// A whole request with it has left and no answer came: it may be stored.
    Perhaps,
    /// It was answered 200 before.
    Stored,
}

impl Book {
    pub(super) fn new(seed: u64, user: &'static str, pushes: Arc<Pushes>) -> Self {
        Self { seed, user, pushes, verifier: OnceLock::new(), entries: Mutex::default() }
    }

    pub(super) fn verify_with(&self, verifier: Verifier) {
        self.verifier.get_or_init(|| verifier);
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().expect("no holder panics")
    }

    /// How many accepted events the receiver has not answered 200 to yet.
    pub(super) fn owed(&self) -> usize {
        let entries = self.entries();
        entries.answered.len().saturating_sub(entries.delivered.len())
    }

    pub(super) fn answered(&self, guid: Guid, push: usize, before: Before, status: &str, event_id: &str) {
        let mut entries = self.entries();
        match (before, status) {
            (Before::Unknown | Before::Perhaps, "accepted") | (Before::Stored, "duplicate") => {}
            (Before::Perhaps, "duplicate") => entries.tally.stored_unanswered += 1,
            _ => entries.violate(format!("{guid} was answered {status}, though before it was {before:?}")),
        }
        match entries.answered.entry(guid) {
            Entry::Vacant(entry) => {
                entry.insert(Answered { event_id: event_id.into(), push });
            }
            Entry::Occupied(entry) if *entry.get().event_id == *event_id => {}
            Entry::Occupied(entry) => {
                let first = entry.get().event_id.clone();
                entries.violate(format!("{guid} became two events, {first} and {event_id}"));
            }
        }
    }

    /// The first attempt of some events is told to fail, some are kept waiting; which, the seed decides.
    fn reply_to(&self, event_id: &str, first: bool) -> Reply {
        let mut hasher = DefaultHasher::new();
        (self.seed, event_id).hash(&mut hasher);
        let draw = hasher.finish();
        match draw % 1000 {
            lot if lot < FAILED_FIRST_PER_MILLE && first => Reply { status: 500, delay: Duration::ZERO },
            lot if (FAILED_FIRST_PER_MILLE..FAILED_FIRST_PER_MILLE + DELAYED_PER_MILLE).contains(&lot) => {
                Reply { status: 200, delay: Duration::from_millis(draw / 1000 % DELAY_MS_MAX) }
            }
            _ => Reply::OK,
        }
    }

    fn check_signatures(&self, arrival: &Arrival<'_>) -> anyhow::Result<()> {
        let Some(verifier) = self.verifier.get() else { return Ok(()) };
        let (id, timestamp) = (arrival.webhook_id, arrival.webhook_timestamp);
        verifier.check(id, timestamp, arrival.body, arrival.webhook_signature)?;
        verifier.check_plain(arrival.body, arrival.plain_signature)
    }

    /// The commit that names the push which this body carries whole; an error says what is wrong with it.
    fn check_body(&self, arrival: &Arrival<'_>) -> Result<Box<str>, String> {
        let body: Value = serde_json::from_slice(arrival.body).map_err(|error| error.to_string())?;
        for (name, expected) in [("id", arrival.webhook_id), ("type", "github.push"), ("user_id", self.user)]
        {
            if body[name] != *expected {
                return Err(format!("{name} is {}, not {expected}", body[name]));
            }
        }
        let after = body["data"]["after"].as_str().ok_or("data has no commit")?;
        match self.pushes.find(after) {
            Some(push) if push.data == body["data"] => Ok(after.into()),
            _ => Err("data is not what was sent".to_owned()),
        }
    }
}

impl Ledger for Book {
    fn arrived(&self, arrival: &Arrival<'_>) -> Reply {
        let id = arrival.webhook_id;
        let signatures = self.check_signatures(arrival);
        let after = self.check_body(arrival);
        let mut entries = self.entries();
        if let Err(error) = signatures {
            entries.violate(format!("{id} arrived badly signed: {error}"));
        }
        let after = after.unwrap_or_else(|error| {
            entries.violate(format!("{id} arrived with a wrong body: {error}"));
            Box::default()
        });
        let first = !entries.delivered.contains_key(id);
        let reply = self.reply_to(id, first);
        entries.arrived(arrival, after, reply.status == 200);
        reply
    }
}

impl Entries {
    pub(super) fn violate(&mut self, what: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(what);
        }
    }

    fn arrived(&mut self, arrival: &Arrival<'_>, after: Box<str>, succeeds: bool) {
        let mut hasher = DefaultHasher::new();
        arrival.body.hash(&mut hasher);
        let body_hash = hasher.finish();
        self.tally.arrivals += 1;
        self.tally.told_to_fail += u64::from(!succeeds);
        let id = arrival.webhook_id;
        let Some(known) = self.delivered.get_mut(id) else {
            let delivery_id = arrival.delivery_id.into();
            let delivered = Delivered { delivery_id, body_hash, after, succeeded: succeeds, times: 1 };
            self.delivered.insert(id.into(), delivered);
            return;
        };
        self.tally.repeats_after_success += u64::from(known.succeeded);
        known.times += 1;
        known.succeeded |= succeeds;
        let same_delivery = *known.delivery_id == *arrival.delivery_id;
        let same_body = known.body_hash == body_hash;
        let (times, first_delivery) = (known.times, known.delivery_id.clone());
        if !same_delivery {
            let second = arrival.delivery_id;
            self.violate(format!("{id} arrived as {first_delivery} and, the {times}. time, as {second}"));
        }
        if !same_body {
            self.violate(format!("{id} arrived with another body the {times}. time"));
        }
    }
}
