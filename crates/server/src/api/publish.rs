//! Publishing: events from the host application itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as JsonBody;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use domain::event::{DedupeKey, Json};
use domain::limits::{DEDUPE_ID_BYTES_MAX, PUBLISH_EVENTS_MAX};
use domain::{Access, EventType, Timestamp, UserId};
use engine::ingest::Publication;
use http::HeaderMap;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use store::{Idempotency, Kept};
use utoipa::ToSchema;

use crate::access::Bearer;
use crate::app::App;
use crate::problem::{FieldProblem, Problem, Result};
use crate::receive::{Accepted, read_body};

/// How long an idempotency key is remembered.
const IDEMPOTENCY_LASTS: std::time::Duration = std::time::Duration::from_secs(24 * 3_600);

/// An event to publish.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is what the document shows; its fields are read one by one, as `Written`")]
pub(crate) struct PublishedEvent {
    /// What kind of fact: words of a-z, 0-9, _ and - joined by dots.
    #[serde(rename = "type")]
    #[schema(example = "task.created")]
    event_type: String,
    /// Whose it is. A user's key may leave it out.
    #[schema(example = "alice")]
    user_id: Option<String>,
    /// What happened: any JSON.
    #[schema(value_type = Object)]
    data: Option<Box<RawValue>>,
    /// When it happened; now where it is left out.
    #[schema(value_type = Option<String>)]
    occurred_at: Option<Timestamp>,
    /// Your own id for it: a second event of the user with the same id is a duplicate.
    id: Option<String>,
}

/// One event, or up to 1,000.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is what the document shows; the two are told apart before they are read")]
pub(crate) enum PublishBody {
    One(PublishedEvent),
    Many { events: Vec<PublishedEvent> },
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AcceptedBatch {
    #[schema(example = "accepted")]
    status: &'static str,
    /// In the order in which they were sent.
    events: Vec<Accepted>,
}

#[derive(Deserialize)]
struct Batch<'b> {
    #[serde(borrow)]
    events: Option<Vec<&'b RawValue>>,
}

/// Publish one event, or up to 1,000 together
///
/// A batch is kept as a whole or not at all. With an `Idempotency-Key` header the same request may be sent again for 24
/// hours and is kept once; the same key with another body answers 409.
#[utoipa::path(post, path = "/api/events", tag = "Events", request_body = PublishBody,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, body = Accepted),
        (status = 409, description = "`idempotency_key_reused`", body = Problem),
        (status = 422, body = Problem),
        (status = 503, description = "Nothing was kept: send it again", body = Problem),
    ))]
pub(crate) async fn publish_events(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    request: Request,
) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, app.inbound.body_bytes_max).await?;
    let (mut publications, is_batch) = read_publications(&body)?;
    // A user's key publishes as that user; the operator may also publish what belongs to nobody.
    for publication in &mut publications {
        publication.user_id = access.narrow(publication.user_id.take())?;
    }
    let idempotency = idempotency(&parts.headers, &access, &publications, &body, app.engine.clock.now())?;
    let kept = app.engine.intake.publish(publications, idempotency).await?;
    let Kept::Events(kept) = kept else {
        let detail = "this idempotency key was used for another body within the last 24 hours";
        return Err(Problem::conflict("idempotency_key_reused", detail));
    };
    for event in &kept {
        app.metrics.count_event(engine::ingest::API, if event.is_new { "accepted" } else { "duplicate" });
    }
    let mut accepted = kept.into_iter().map(Accepted::from);
    if is_batch {
        return Ok(JsonBody(AcceptedBatch { status: "accepted", events: accepted.collect() }).into_response());
    }
    accepted.next().map(|only| JsonBody(only).into_response()).ok_or_else(Problem::internal)
}

/// The events of a body, and whether it was a batch. One bad event refuses them all.
fn read_publications(body: &[u8]) -> Result<(Vec<Publication>, bool)> {
    let document = Json::parse(body).map_err(|error| Problem::bad_request(format!("the body is {error}")))?;
    let batch: Batch<'_> = serde_json::from_str(document.as_str())
        .map_err(|_| Problem::bad_request("the body is neither an event nor {\"events\": […]}"))?;
    let Some(events) = batch.events else {
        return Ok((vec![read_publication(document.as_str()).map_err(refuse)?], false));
    };
    if events.is_empty() || events.len() > PUBLISH_EVENTS_MAX {
        let message = format!("must hold 1 to {PUBLISH_EVENTS_MAX} events, not {}", events.len());
        return Err(Problem::invalid(vec![FieldProblem { field: "events".to_owned(), message }]));
    }
    let mut publications = Vec::with_capacity(events.len());
    let mut problems = Vec::new();
    for (index, event) in events.into_iter().enumerate() {
        match read_publication(event.get()) {
            Ok(publication) => publications.push(publication),
            Err(wrong) => {
                problems.extend(wrong.into_iter().map(|(field, message)| {
                    (format!("events[{index}].{field}").trim_end_matches('.').to_owned(), message)
                }));
            }
        }
    }
    if problems.is_empty() { Ok((publications, true)) } else { Err(refuse(problems)) }
}

/// A field, and what is wrong with it.
type Wrong = (String, String);

fn refuse(problems: Vec<Wrong>) -> Problem {
    // More than a person would read is no help.
    let problems = problems.into_iter().take(20);
    let named = |field: String| if field.is_empty() { "event".to_owned() } else { field };
    let errors = problems.map(|(field, message)| FieldProblem { field: named(field), message });
    Problem::invalid(errors.collect())
}

/// An event's fields as they were written. Each is read, and refused, by itself.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written<'e> {
    #[serde(borrow, rename = "type")]
    event_type: Option<&'e RawValue>,
    #[serde(borrow)]
    user_id: Option<&'e RawValue>,
    #[serde(borrow)]
    data: Option<&'e RawValue>,
    #[serde(borrow)]
    occurred_at: Option<&'e RawValue>,
    #[serde(borrow)]
    id: Option<&'e RawValue>,
}

const FIELDS: [&str; 5] = ["type", "user_id", "data", "occurred_at", "id"];

/// What it says, or all that is wrong with it.
fn read_publication(text: &str) -> Result<Publication, Vec<Wrong>> {
    let written: Written<'_> = serde_json::from_str(text).map_err(|error| find_unknown(text, &error))?;
    let mut wrong = Vec::new();
    let mut refuse = |field: &str, message: String| wrong.push((field.to_owned(), message));
    let event_type = match written.event_type.map(read_text) {
        None => Err("is needed: what kind of fact? Such as task.created".to_owned()),
        Some(None) => Err("must be text such as task.created".to_owned()),
        Some(Some(text)) => text.parse::<EventType>().map_err(|error| error.to_string()),
    };
    let event_type = event_type.map_err(|message| refuse("type", message)).ok();
    let user_id = written.user_id.map(|user| match read_text(user) {
        None => Err("must be text".to_owned()),
        Some(text) => text.parse::<UserId>().map_err(|error| error.to_string()),
    });
    let user_id = user_id.transpose().map_err(|message| refuse("user_id", message)).ok();
    let data = Json::from_text(written.data.map_or("null", RawValue::get));
    let data = data.map_err(|error| refuse("data", error.to_string())).ok();
    let at = |written| Timestamp::parse(&read_text(written)?).ok();
    let occurred_at = written.occurred_at.map(|written| at(written).ok_or(()));
    let not_a_time =
        |()| refuse("occurred_at", "must be an ISO 8601 time such as 2026-11-21T09:30:00Z".to_owned());
    let occurred_at = occurred_at.transpose().map_err(not_a_time).ok();
    let is_id = |id: &String| (1..=DEDUPE_ID_BYTES_MAX).contains(&id.len());
    let id = written.id.map(|id| read_text(id).filter(is_id).ok_or(()));
    let not_an_id = |()| refuse("id", format!("must be text of 1 to {DEDUPE_ID_BYTES_MAX} bytes"));
    let id = id.transpose().map_err(not_an_id).ok();
    match (event_type, user_id, data, occurred_at, id) {
        (Some(event_type), Some(user_id), Some(data), Some(occurred_at), Some(id)) => {
            Ok(Publication { event_type, user_id, data, occurred_at, id })
        }
        _ => Err(wrong),
    }
}

fn read_text(written: &RawValue) -> Option<String> {
    serde_json::from_str(written.get()).ok()
}

/// Says which fields there are none of, or that it is no object at all.
fn find_unknown(text: &str, error: &serde_json::Error) -> Vec<Wrong> {
    let Ok(fields) = serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text) else {
        return vec![(String::new(), "must be a JSON object".to_owned())];
    };
    let unknown = fields.into_keys().filter(|field| !FIELDS.contains(&field.as_str()));
    let wrong: Vec<_> = unknown.map(|field| (field, "there is no such field".to_owned())).collect();
    if wrong.is_empty() { vec![(String::new(), error.to_string())] } else { wrong }
}

fn idempotency(
    headers: &HeaderMap,
    access: &Access,
    publications: &[Publication],
    body: &[u8],
    now: Timestamp,
) -> Result<Option<Idempotency>> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= DEDUPE_ID_BYTES_MAX);
    let key = key.ok_or_else(|| {
        let detail = format!("Idempotency-Key is 1 to {DEDUPE_ID_BYTES_MAX} characters of visible ASCII");
        Problem::bad_request(detail)
    })?;
    // The key is the caller's: the bearer's user, or for the operator the user that is published for.
    let user = match access {
        Access::User(user) => Some(user),
        Access::Admin => publications.first().and_then(|publication| publication.user_id.as_ref()),
    };
    let mut digest = [0; 16];
    digest.copy_from_slice(&Sha256::digest(body)[..16]);
    Ok(Some(Idempotency {
        key: DedupeKey::new("idempotency key", user, key),
        body: digest,
        expires_at: now.plus(IDEMPOTENCY_LASTS),
    }))
}
