//! Who sends to the demo's server, and who works at its queue.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use engine::clock::{Clock as _, SystemClock};
use engine::remote::Caller;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use sandbox::receivers::Receivers;
use sandbox::senders::Parcel;
use sandbox::traffic::{Sent, Traffic};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use super::tell;

/// What has come in when somebody first looks.
const AT_ONCE: u64 = 72;

/// How often it is said how it goes.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How long work on one event takes, so that a queue is seen to be one.
const WORK: Duration = Duration::from_millis(150);

/// Of so many events the worker fails one, and of so many it forgets one.
const FAILS_EVERY: u64 = 9;
const FORGETS_EVERY: u64 = 31;

/// How long the worker rests where the server does not answer it.
const REST: Duration = Duration::from_secs(1);

/// Bytes of an answer with leased events.
const LEASED_BYTES_MAX: usize = 1_024 * 1_024;

pub(super) struct Players {
    caller: Caller,
    url: String,
    key: String,
    traffic: Traffic,
    accepted: Cell<u64>,
    refused: Cell<u64>,
}

#[derive(Deserialize)]
struct Leased {
    events: Vec<Lease>,
}

#[derive(Deserialize)]
struct Lease {
    event_id: String,
    lease_token: String,
}

impl Players {
    pub(super) fn new(url: &str, key: &str, traffic: Traffic) -> Self {
        let (accepted, refused) = (Cell::new(0), Cell::new(0));
        Self {
            caller: Caller::default(),
            url: url.to_owned(),
            key: key.to_owned(),
            traffic,
            accepted,
            refused,
        }
    }

    /// Goes on for ever.
    pub(super) async fn play(&self, rate: u32, receivers: &Receivers) {
        tokio::join!(self.send(rate), self.work(), self.tell(receivers));
    }

    async fn send(&self, rate: u32) {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0.. {
            if number >= AT_ONCE {
                ticks.tick().await;
            }
            let (parcel, bearer) = match self.traffic.nth(number, SystemClock::new().now().as_seconds()) {
                Sent::Signed(parcel) | Sent::Forged(parcel) => (parcel, None),
                Sent::Published(parcel) => (parcel, Some(self.key.as_str())),
            };
            let is_accepted = self.post(parcel, bearer).await.is_ok();
            let count = if is_accepted { &self.accepted } else { &self.refused };
            count.set(count.get() + 1);
        }
    }

    async fn post(&self, parcel: Parcel, bearer: Option<&str>) -> Result<()> {
        let mut headers = HeaderMap::new();
        for (name, value) in &parcel.headers {
            headers.insert(HeaderName::from_static(name), value.parse()?);
        }
        if let Some(key) = bearer {
            headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))?);
        }
        let url: Uri = format!("{}{}", self.url, parcel.path).parse()?;
        let answer = self.caller.post(&url, headers, Bytes::from(parcel.body)).await?;
        answer.status.is_success().then_some(()).context("it was refused")
    }

    async fn work(&self) {
        let mut number = 0;
        loop {
            let leased = self.lease().await.unwrap_or_default();
            if leased.is_empty() {
                tokio::time::sleep(REST).await;
            }
            for lease in leased {
                number += 1;
                tokio::time::sleep(WORK).await;
                // Where the answer gets lost the lease lapses, and the event comes again.
                let _lapses = self.end(lease, number).await;
            }
        }
    }

    async fn lease(&self) -> Result<Vec<Lease>> {
        let path = "/api/webhooks/events/pending?queue=reports&limit=5&lease_seconds=15&wait_seconds=10";
        let url: Uri = format!("{}{path}", self.url).parse()?;
        let answer = self.caller.get(&url, Some(&self.key), LEASED_BYTES_MAX).await?;
        Ok(serde_json::from_slice::<Leased>(&answer.body)?.events)
    }

    async fn end(&self, Lease { event_id, lease_token }: Lease, number: u64) -> Result<()> {
        if number.is_multiple_of(FORGETS_EVERY) {
            return Ok(());
        }
        let (how, body): (_, Value) = if number.is_multiple_of(FAILS_EVERY) {
            ("failed", json!({ "lease_token": lease_token, "error": "the report was locked" }))
        } else {
            ("complete", json!({ "lease_token": lease_token }))
        };
        let path = format!("/api/webhooks/events/{event_id}/{how}");
        let headers = vec![("content-type", "application/json".to_owned())];
        self.post(Parcel { path, headers, body: body.to_string() }, Some(&self.key)).await
    }

    async fn tell(&self, receivers: &Receivers) {
        let mut ticks = tokio::time::interval(TELL_EVERY);
        loop {
            ticks.tick().await;
            let (accepted, refused, taken) = (self.accepted.get(), self.refused.get(), receivers.taken());
            tell(&format!("{accepted} accepted, {refused} refused, {taken} requests taken by receivers"));
        }
    }
}
