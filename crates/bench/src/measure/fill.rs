//! Fills the store before anything is measured, through the API as any application would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;

use super::progress;
use super::report::Number;
use crate::github::push_event;
use crate::http::{Connection, request_bytes};
use crate::program::ADMIN_KEY;
use crate::scratch::Engine;

pub(super) const BATCH_EVENTS: u64 = 1000;
const CONNECTIONS: usize = 4;
/// Events belong to so many users, as they would.
const USERS: u64 = 1000;
const PROGRESS_EVERY_BATCHES: u64 = 50;

/// What is published.
#[derive(Clone, Copy, Debug)]
pub(super) struct Published {
    event_type: &'static str,
    user: Option<&'static str>,
}

impl Published {
    /// Events that nobody is subscribed to.
    pub(super) fn of_many_users() -> Self {
        Self { event_type: "bench.stored", user: None }
    }

    pub(super) fn of_one_user(event_type: &'static str, user: &'static str) -> Self {
        Self { event_type, user: Some(user) }
    }

    pub(super) fn event_type(self) -> &'static str {
        self.event_type
    }
}

/// Publishes `count` events, to the nearest batch upwards.
pub(super) async fn publish(
    engine: Engine,
    address: SocketAddr,
    published: Published,
    count: u64,
) -> Result<()> {
    let batches = count.div_ceil(BATCH_EVENTS);
    let done = Arc::new(AtomicU64::new(0));
    let next = Arc::new(AtomicU64::new(0));
    let request = Arc::new(batch_request(address, published));
    let started_at = Instant::now();
    let mut senders = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (next, done, request) = (Arc::clone(&next), Arc::clone(&done), Arc::clone(&request));
        let mut connection = Connection::open(address).await?;
        senders.spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < batches {
                send_batch(&mut connection, &request).await?;
                let stored = done.fetch_add(1, Ordering::Relaxed) + 1;
                if stored % PROGRESS_EVERY_BATCHES == 0 || stored == batches {
                    let events = stored * BATCH_EVENTS;
                    let rate = events as f64 / started_at.elapsed().as_secs_f64();
                    let (stored, rate) = (Number(events as f64), Number(rate));
                    progress(engine, &format!("stored {stored} events, {rate}/s"));
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender??;
    }
    Ok(())
}

async fn send_batch(connection: &mut Connection, request: &[u8]) -> Result<()> {
    let response = connection.exchange(request).await?;
    let (status, body) = (response.status, String::from_utf8_lossy(response.body));
    ensure!((200..300).contains(&status), "publishing a batch answered {status}: {body}");
    Ok(())
}

/// The same bytes can be sent again and again: without an id of their own, published events are always new.
fn batch_request(address: SocketAddr, published: Published) -> Vec<u8> {
    let event = |number: u64| {
        let user = published.user.map_or_else(|| format!("user-{}", number % USERS), str::to_owned);
        json!({ "type": published.event_type, "user_id": user, "data": push_event(number as usize) })
    };
    let body = json!({ "events": (0..BATCH_EVENTS).map(event).collect::<Vec<_>>() }).to_string();
    request_bytes("POST", "/api/events", address, ADMIN_KEY, Some(body.as_bytes()))
}
