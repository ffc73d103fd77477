//! Senders: each publishes numbered events one after another, every one until it is accepted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{EVENT_TYPE, Storm, USER};
use crate::http::{Connection, request_bytes};
use crate::program::ADMIN_KEY;

/// Between two events of a sender.
const PAUSE: Duration = Duration::from_millis(10);
const AGAIN_AFTER: Duration = Duration::from_millis(20);
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Senders pause while somebody has so many events still to read, so that the end is not awaited for long.
const BEHIND_MAX: usize = 10_000;

/// A sender with its connection.
#[derive(Debug)]
pub(super) struct Publisher {
    storm: Arc<Storm>,
    number: usize,
    connection: Option<Connection>,
    /// How often no connection could be used any more; decides to which node the next goes.
    failures: usize,
}

impl Publisher {
    pub(super) fn new(storm: Arc<Storm>, number: usize) -> Self {
        Self { storm, number, connection: None, failures: 0 }
    }

    /// Publishes until the storm has passed. What was begun is accepted in the end.
    pub(super) async fn run(mut self) -> Result<()> {
        let mut count = 0;
        while !self.storm.has_passed.load(Ordering::Acquire) {
            if self.storm.behind() < BEHIND_MAX {
                self.until_accepted(count).await?;
                self.storm.accepted.fetch_add(1, Ordering::AcqRel);
                count += 1;
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn until_accepted(&mut self, count: u64) -> Result<()> {
        let of = |user: &str| {
            let data = json!({ "sender": self.number, "count": count });
            let id = format!("{} {count}", self.number);
            json!({ "type": EVENT_TYPE, "user_id": user, "data": data, "id": id })
        };
        let events = json!({ "events": [of("somebody else"), of(USER)] }).to_string();
        while !self.try_once(events.as_bytes()).await? {
            self.connection = None;
            self.failures += 1;
            sleep(AGAIN_AFTER).await;
        }
        Ok(())
    }

    /// Whether it was accepted. Whatever else is answered than that it cannot be stored now is an error.
    async fn try_once(&mut self, events: &[u8]) -> Result<bool> {
        let nodes = &self.storm.nodes;
        let node = nodes[(self.number + self.failures) % nodes.len()];
        if self.connection.is_none() {
            self.connection = Connection::open(node).await.ok();
        }
        let Some(connection) = &mut self.connection else { return Ok(false) };
        let request = request_bytes("POST", "/api/events", node, ADMIN_KEY, Some(events));
        let Ok(Ok(answer)) = timeout(ANSWER_WITHIN, connection.exchange(&request)).await else {
            return Ok(false);
        };
        match answer.status {
            200 => Ok(true),
            503 => Ok(false),
            status => bail!("an event was answered {status}: {}", String::from_utf8_lossy(answer.body)),
        }
    }
}
