//! Clients: each reads a few frames, breaks off, and goes on from its cursor, until it has seen everything.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::{Storm, USER};
use crate::program::ADMIN_KEY;
use crate::socket::{Follow, Transport};

/// How many frames somebody reads before they break off.
const FRAMES: std::ops::RangeInclusive<usize> = 1..=200;
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Should everything have been read already, nothing more comes.
const SILENCE: Duration = Duration::from_secs(1);

/// What an application has seen, in its order.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The events' ids.
    pub(super) ids: Vec<Box<str>>,
    /// What is due next of each sender.
    due: Vec<u64>,
}

/// A client with its ledger. The two and the cursor are all that is left of it when it breaks off.
#[derive(Debug)]
pub(super) struct Follower {
    storm: Arc<Storm>,
    number: usize,
    rng: StdRng,
    cursor: String,
    node: Option<usize>,
    ledger: Ledger,
}

impl Follower {
    pub(super) fn new(storm: Arc<Storm>, number: usize, senders: usize, seed: u64) -> Self {
        let ledger = Ledger { ids: Vec::new(), due: vec![0; senders] };
        let cursor = "earliest".to_owned();
        Self { storm, number, rng: StdRng::seed_from_u64(seed), cursor, node: None, ledger }
    }

    /// Follows from the first event to the last.
    pub(super) async fn run(mut self) -> Result<Ledger> {
        while !self.has_seen_all() {
            let transport = if self.rng.random() { Transport::Socket } else { Transport::Events };
            if self.visit(transport).await? {
                self.storm.tally.broke_off(transport);
            } else {
                sleep(AGAIN_AFTER).await;
            }
        }
        Ok(self.ledger)
    }

    /// Reads a few frames at some node; false where nobody is there.
    async fn visit(&mut self, transport: Transport) -> Result<bool> {
        let node = self.rng.random_range(0..self.storm.nodes.len());
        let opened = Follow::open(transport, self.storm.nodes[node], ADMIN_KEY, USER, &self.cursor).await;
        let Ok(mut stream) = opened else { return Ok(false) };
        if self.node.replace(node).is_some_and(|before| before != node) {
            self.storm.tally.moves.fetch_add(1, Ordering::Relaxed);
        }
        // The first frame of a WebSocket, `ready`, has been read by whoever opened it.
        let mut previous = matches!(transport, Transport::Socket).then(|| self.cursor.clone());
        previous = previous.filter(|cursor| cursor != "earliest");
        for _ in 0..self.rng.random_range(FRAMES) {
            if self.has_seen_all() {
                break;
            }
            let Ok(read) = timeout(SILENCE, stream.frame()).await else { continue };
            // Broken off by the node's end.
            let Ok(frame) = read else { break };
            self.take(&frame, &mut previous)?;
        }
        Ok(true)
    }

    fn take(&mut self, frame: &Value, previous: &mut Option<String>) -> Result<()> {
        ensure!(frame["t"] != "reset", "a cursor was not honoured: {frame}");
        if frame["t"] == "event" {
            let before = frame["previous"].as_str();
            ensure!(
                previous.is_none() || before == previous.as_deref(),
                "{frame} does not follow {previous:?}"
            );
            self.ledger.note(&frame["event"])?;
            self.storm.read_to[self.number].store(self.ledger.ids.len(), Ordering::Relaxed);
        }
        if let Some(cursor) = frame["cursor"].as_str() {
            cursor.clone_into(&mut self.cursor);
            *previous = Some(cursor.to_owned());
        }
        Ok(())
    }

    fn has_seen_all(&self) -> bool {
        self.storm.total.get().is_some_and(|total| self.ledger.ids.len() >= *total)
    }
}

impl Ledger {
    /// Writes down an event, which must be the next of its sender.
    fn note(&mut self, event: &Value) -> Result<()> {
        ensure!(event["user_id"] == USER, "somebody else's event: {event}");
        let data = &event["data"];
        let sender = data["sender"].as_u64().and_then(|sender| usize::try_from(sender).ok());
        let due = sender.and_then(|sender| self.due.get_mut(sender));
        let due = due.with_context(|| format!("nobody has sent {event}"))?;
        ensure!(data["count"].as_u64() == Some(*due), "{data} was seen where {due} was due");
        *due += 1;
        self.ids.push(event["id"].as_str().context("an event without an id")?.into());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tick(user: &str, sender: u64, count: u64) -> Value {
        json!({ "id": format!("evt_{sender}_{count}"), "user_id": user, "data": { "sender": sender, "count": count } })
    }

    #[test]
    fn a_ledger_takes_each_event_once_and_in_order() {
        let mut ledger = Ledger { ids: Vec::new(), due: vec![0; 2] };
        for (sender, count) in [(0, 0), (1, 0), (1, 1), (0, 1)] {
            ledger.note(&tick(USER, sender, count)).unwrap();
        }
        for wrong in [tick(USER, 0, 1), tick(USER, 0, 3), tick(USER, 2, 0), tick("somebody else", 0, 2)] {
            assert!(ledger.note(&wrong).is_err(), "{wrong}");
        }
        assert_eq!(ledger.ids.len(), 4);
    }
}
