//! One try of a delivery: the request that a subscriber gets, and what comes back.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use domain::attempt::{Attempt, ErrorCode, Outcome};
use domain::batch::BatchId;
use domain::delivery::Delivery;
use domain::limits::{ERROR_BYTES_MAX, RESPONSE_EXCERPT_BYTES_MAX};
use domain::retry::parse_retry_after;
use domain::{DeliveryId, Event, Timestamp};
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use transform::Failed;

use super::client::{Client, Failure, explain};
use super::content::Content;
use super::lanes::Job;
use super::transforms::Transforms;
use crate::clock::Clock;
use crate::keys::{SigningKey, SigningKeys};
use crate::limits::{ANSWER_BYTES_KEPT_LEAST, RESPONSE_BYTES_MAX, RESPONSE_HEADERS_KEPT_MAX};
use crate::routes::{Endpoint, Route};

/// Makes one attempt and tells how it ended. It takes as long as the subscription allows, and not longer; its transform
/// has time of its own.
pub(super) async fn attempt(
    client: &Client,
    transforms: &Transforms,
    route: &Route,
    job: &Job,
    clock: &dyn Clock,
) -> (Outcome, Attempt) {
    let (at, began) = (clock.now(), clock.elapsed());
    let Job { delivery, event, batch } = job;
    let mut answer = Answer::for_each_of(1 + batch.as_ref().map_or(0, Vec::len));
    let content = match batch {
        Some(_) => Ok(Some(Content::of_batch(job.events(), &route.shape))),
        None => Content::of(event, &route.shape, route.subscription.user_id.as_ref(), transforms).await,
    };
    let outcome = match content {
        Ok(Some(content)) => answer.to(client, route, job, &content, clock).await,
        Ok(None) => Outcome::Skipped,
        Err(failed) => without_content(&failed),
    };
    let attempt = Attempt {
        delivery_id: delivery.id,
        number: delivery.attempt_count + 1,
        at,
        trigger: delivery.attempt_trigger(),
        duration: clock.elapsed().saturating_sub(began),
        response_status: outcome.status(),
        response_headers: answer.headers,
        response_body: answer.status.map(|_| answer.excerpt.to_vec()),
        error: outcome.error(),
        error_code: outcome.error_code(),
    };
    (outcome, attempt)
}

/// The attempt of a batch, as that of one of its deliveries.
pub(super) fn attempt_of(delivery: &Delivery, of_batch: &Attempt) -> Attempt {
    Attempt {
        delivery_id: delivery.id,
        number: delivery.attempt_count + 1,
        trigger: delivery.attempt_trigger(),
        ..of_batch.clone()
    }
}

/// A transform that fails on its own account will fail again; one that was in the way of others may not.
fn without_content(failed: &Failed) -> Outcome {
    let (code, message) = (ErrorCode::Transform, shortened(&format!("the transform {failed}")));
    if failed.may_pass() {
        Outcome::Failed { code, message, status: None }
    } else {
        Outcome::Unsendable { code, message }
    }
}

/// What has come back so far; it is kept even when the rest never comes.
struct Answer {
    status: Option<u16>,
    headers: Option<String>,
    excerpt: BytesMut,
    /// What is kept of it is kept for so many deliveries.
    kept_for: usize,
}

impl Answer {
    fn for_each_of(deliveries: usize) -> Self {
        Self { status: None, headers: None, excerpt: BytesMut::new(), kept_for: deliveries }
    }

    /// How much of something may be kept for each delivery. Those of a batch share it.
    fn share(&self, bytes_max: usize) -> usize {
        (bytes_max / self.kept_for).max(ANSWER_BYTES_KEPT_LEAST)
    }

    /// Sends `content`, and waits for the answer as long as the subscription allows.
    async fn to(
        &mut self,
        client: &Client,
        route: &Route,
        job: &Job,
        content: &Content,
        clock: &dyn Clock,
    ) -> Outcome {
        let allowed = Duration::from_secs(route.subscription.terms.timeout_seconds.into());
        match tokio::time::timeout(allowed, self.fetch(client, route, job, content, clock)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(failure)) => self.failed(&failure),
            Err(_) => self.failed(&Failure::new(
                ErrorCode::Timeout,
                format!("no whole answer came within {} seconds", allowed.as_secs()),
            )),
        }
    }

    async fn fetch(
        &mut self,
        client: &Client,
        route: &Route,
        job: &Job,
        content: &Content,
        clock: &dyn Clock,
    ) -> Result<Outcome, Failure> {
        let now = clock.now();
        let endpoint = route.endpoint.as_ref();
        let endpoint =
            endpoint.ok_or_else(|| Failure::new(ErrorCode::Connect, "the subscription's URL is not one"))?;
        let request = request(route, endpoint, job, content, now);
        let (mut connection, response) = client.send(endpoint, request).await?;
        self.status = Some(response.status().as_u16());
        self.headers = Some(kept_headers(response.headers(), self.share(RESPONSE_HEADERS_KEPT_MAX)));
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| parse_retry_after(value, now));
        let status = response.status().as_u16();
        connection.drive(self.read_body(response)).await?;
        client.keep(endpoint, connection, clock.elapsed()).await;
        Ok(Outcome::Answered { status, retry_after })
    }

    /// Reads the body to its end, so that the answer is known to be whole and the connection can be used again.
    async fn read_body(&mut self, response: Response<Incoming>) -> Result<(), Failure> {
        let mut body = response.into_body();
        let (mut bytes, kept_max) = (0, self.share(RESPONSE_EXCERPT_BYTES_MAX));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| explain(&error))?;
            let Some(data) = frame.data_ref() else { continue };
            bytes += data.len();
            let room = kept_max - self.excerpt.len();
            self.excerpt.extend_from_slice(&data[..data.len().min(room)]);
            if bytes > RESPONSE_BYTES_MAX {
                let message = format!("the answer is longer than {RESPONSE_BYTES_MAX} bytes");
                return Err(Failure::new(ErrorCode::ResponseTooLarge, message));
            }
        }
        Ok(())
    }

    fn failed(&self, failure: &Failure) -> Outcome {
        Outcome::Failed { code: failure.code, message: shortened(&failure.message), status: self.status }
    }
}

/// The request that a subscriber gets.
fn request(
    route: &Route,
    endpoint: &Endpoint,
    job: &Job,
    content: &Content,
    now: Timestamp,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(content.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint.path.clone();
    *request.headers_mut() = match &job.batch {
        Some(_) => batch_headers(route, BatchId::of(job.deliveries()), now, content),
        None => headers(route, &job.delivery, &job.event, now, content),
    };
    request.headers_mut().insert(HOST, endpoint.host.clone());
    request
}

/// The headers that a subscriber gets: its own, then Standard Webhooks, and those of older consumers.
#[must_use]
pub fn headers(
    route: &Route,
    delivery: &Delivery,
    event: &Event,
    now: Timestamp,
    content: &Content,
) -> HeaderMap {
    signed_headers(&route.keys, delivery.id, event, now, content)
}

/// The same under `keys`, whoever's they are.
#[must_use]
pub fn signed_headers(
    keys: &SigningKeys,
    delivery: DeliveryId,
    event: &Event,
    now: Timestamp,
    content: &Content,
) -> HeaderMap {
    let mut headers = unsigned_headers(event, content);
    sign(&mut headers, keys, &event.id.to_string(), now, &content.body);
    set(&mut headers, X_WEBHOOK_DELIVERY, delivery.to_string());
    headers
}

/// The same for a batch. It has an id of its own, and is neither of one type nor one delivery.
fn batch_headers(route: &Route, id: BatchId, now: Timestamp, content: &Content) -> HeaderMap {
    let (mut headers, id) = (plain_headers(content), id.to_string());
    sign(&mut headers, &route.keys, &id, now, &content.body);
    set(&mut headers, WEBHOOK_ID, id);
    headers
}

fn sign(headers: &mut HeaderMap, keys: &SigningKeys, id: &str, now: Timestamp, body: &[u8]) {
    let seconds = now.as_seconds();
    let signatures: Vec<_> = keys.at(now).map(|key| key.sign(id, seconds, body)).collect();
    set(headers, WEBHOOK_SIGNATURE, signatures.join(" "));
    if let SigningKey::Secret(secret) = &keys.newest {
        set(headers, X_WEBHOOK_SIGNATURE, format!("sha256={}", secret.sign_body(body)));
    }
    set(headers, WEBHOOK_TIMESTAMP, seconds.to_string());
}

/// Those of the headers that follow from the event and what is sent for it alone.
#[must_use]
pub fn unsigned_headers(event: &Event, content: &Content) -> HeaderMap {
    let mut headers = plain_headers(content);
    set(&mut headers, WEBHOOK_ID, event.id.to_string());
    set(&mut headers, X_WEBHOOK_EVENT, event.event_type.to_string());
    headers
}

/// Those that follow from what is sent. Whatever is set after them takes the place of what the subscriber might have
/// slipped in.
fn plain_headers(content: &Content) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(10);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("Waystation/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in &content.headers {
        headers.insert(name, value.clone());
    }
    headers
}

/// All that is set is made of visible ASCII.
fn set(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const X_WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("x-webhook-signature");
const X_WEBHOOK_EVENT: HeaderName = HeaderName::from_static("x-webhook-event");
const X_WEBHOOK_DELIVERY: HeaderName = HeaderName::from_static("x-webhook-delivery");

/// The answer's headers as a JSON object, as far as they fit.
fn kept_headers(headers: &HeaderMap, bytes_max: usize) -> String {
    let mut kept = serde_json::Map::new();
    let mut bytes = 0;
    for (name, value) in headers {
        bytes += name.as_str().len() + value.len();
        if bytes > bytes_max {
            break;
        }
        kept.insert(name.to_string(), String::from_utf8_lossy(value.as_bytes()).into());
    }
    serde_json::Value::Object(kept).to_string()
}

fn shortened(text: &str) -> String {
    let end = text.floor_char_boundary(ERROR_BYTES_MAX);
    // A name or an answer can hold anything; a store need not take it.
    text[..end].replace('\0', "\u{fffd}")
}
