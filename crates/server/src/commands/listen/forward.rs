//! One event on its way to whoever listens: signed as a subscriber's would be.

use std::time::Duration;

use domain::signing::Secret;
use domain::{DeliveryId, Event};
use engine::clock::{Clock as _, SystemClock};
use engine::deliver::{Content, signed_headers};
use engine::keys::SigningKeys;
use engine::remote::Caller;
use http::{HeaderMap, Uri};

/// Bytes of an answer that are shown.
const EXCERPT_BYTES_MAX: usize = 2 * 1_024;

/// Sends events to one URL under one secret.
#[derive(Debug)]
pub(super) struct Forwarder {
    url: Uri,
    keys: SigningKeys,
    caller: Caller,
    clock: SystemClock,
}

/// How it went.
#[derive(Debug, Clone)]
pub(super) struct Forwarded {
    /// The headers that were sent.
    pub(super) headers: HeaderMap,
    /// The status, or why there was none.
    pub(super) outcome: Result<u16, String>,
    /// The beginning of what was answered.
    pub(super) excerpt: String,
    /// How long it took.
    pub(super) took: Duration,
}

impl Forwarder {
    pub(super) fn new(url: Uri, secret: Secret) -> Self {
        Self { url, keys: SigningKeys::shared(secret), caller: Caller::default(), clock: SystemClock::new() }
    }

    /// A new name for what is owed to whoever listens: the same on each try of one event.
    pub(super) fn delivery_id(&self) -> DeliveryId {
        DeliveryId::new(self.clock.now(), &mut engine::chance::rng())
    }

    /// Sends `event` as `delivery`.
    pub(super) async fn forward(&self, event: &Event, delivery: DeliveryId) -> Forwarded {
        let content = Content::plain(event);
        let headers = signed_headers(&self.keys, delivery, event, self.clock.now(), &content);
        let began = self.clock.elapsed();
        let answer = self.caller.post(&self.url, headers.clone(), content.body).await;
        let took = self.clock.elapsed().saturating_sub(began);
        let (outcome, excerpt) = match answer {
            Ok(answer) => {
                let end = answer.body.len().min(EXCERPT_BYTES_MAX);
                (Ok(answer.status.as_u16()), String::from_utf8_lossy(&answer.body[..end]).into_owned())
            }
            Err(error) => (Err(error.to_string()), String::new()),
        };
        Forwarded { headers, outcome, excerpt, took }
    }
}

impl Forwarded {
    /// The status, or why there was none.
    pub(super) fn told(&self) -> String {
        match &self.outcome {
            Ok(status) => status.to_string(),
            Err(why) => why.clone(),
        }
    }
}
