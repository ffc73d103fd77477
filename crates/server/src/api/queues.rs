//! Queues: workers lease events, and say how it went.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts as _, Path, Request, State};
use axum::{Json, body::Body};
use domain::attempt::Outcome;
use domain::lease::{LeaseToken, StaleLease};
use domain::limits::{
    ERROR_BYTES_MAX, LEASE_SECONDS_MAX, PULL_EVENTS_MAX, PULL_WAIT_SECONDS_MAX, QUEUE_BYTES_MAX,
    RETRY_AFTER_SECONDS_MAX,
};
use domain::subscription::Target;
use domain::{DeliveryId, EventId, EventType, Timestamp, UserId};
use engine::lease::{Held, Leased, NotHeld, NotPulled, Pull};
use http::StatusCode;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::deliveries::ShownDelivery;
use super::fields::{Fields, Said};
use super::list::{Params, parsed};
use crate::access::Bearer;
use crate::app::App;
use crate::problem::{Problem, Result};

/// The queue of those who name none.
const QUEUE: &str = "default";

const LIMIT: u32 = 10;
const LEASE_SECONDS: u32 = 60;

/// What a worker asks for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PullQuery {
    /// The queue; `default` where it is left out.
    queue: Option<String>,
    /// Whose queue: names are per user. The admin key may leave it out, and pulls from all of that name.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// At most so many events, 1 to 100; 10 where it is left out.
    limit: Option<u32>,
    /// How long they are held for this worker, 1 to 3600; 60 where it is left out.
    lease_seconds: Option<u32>,
    /// How long to wait for the first event, 0 to 30; 0 where it is left out.
    wait_seconds: Option<u32>,
}

/// What a worker holds from now on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pulled {
    /// The longest due first. Empty where nothing came in time.
    events: Vec<LeasedEvent>,
}

/// An event that a worker holds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LeasedEvent {
    #[schema(value_type = String)]
    event_id: EventId,
    #[schema(value_type = String)]
    delivery_id: DeliveryId,
    /// Shown when the worker says how it went.
    lease_token: String,
    /// After this it goes back into the queue, and that was an attempt.
    #[schema(value_type = String)]
    lease_expires_at: Timestamp,
    /// The first is 1.
    attempt: u16,
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    #[schema(value_type = String)]
    event_type: EventType,
    source: String,
    /// When the event came in.
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = Object)]
    data: Option<Box<RawValue>>,
}

impl From<Leased> for LeasedEvent {
    fn from(Leased { delivery, event, token, expires_at }: Leased) -> Self {
        Self {
            event_id: event.id,
            delivery_id: delivery.id,
            lease_token: token,
            lease_expires_at: expires_at,
            attempt: delivery.attempt_count + 1,
            user_id: event.user_id.clone(),
            event_type: event.event_type.clone(),
            source: event.source.to_string(),
            created_at: event.received_at,
            data: RawValue::from_string(event.data.as_str().to_owned()).ok(),
        }
    }
}

/// Lease events from a queue
///
/// A pull subscription feeds a queue. What is leased belongs to this worker until it completes or fails it, or the
/// lease lapses. With `wait_seconds` the answer comes as soon as there is something.
#[utoipa::path(get, path = "/api/webhooks/events/pending", tag = "Queues", params(PullQuery),
    responses((status = 200, body = Pulled), (status = 404, body = Problem)))]
pub(crate) async fn pull_events(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<PullQuery>,
) -> Result<Json<Pulled>> {
    let owner = access.narrow(query.user_id)?;
    let queue = query.queue.unwrap_or_else(|| QUEUE.to_owned());
    let wait = within("wait_seconds", query.wait_seconds.unwrap_or(0), 0, PULL_WAIT_SECONDS_MAX)?;
    let pull = Pull {
        owner,
        limit: within("limit", query.limit.unwrap_or(LIMIT), 1, PULL_EVENTS_MAX)?,
        lease_seconds: within(
            "lease_seconds",
            query.lease_seconds.unwrap_or(LEASE_SECONDS),
            1,
            LEASE_SECONDS_MAX,
        )?,
        wait: Duration::from_secs(wait.into()),
        queue,
    };
    match app.engine.queues.pull(&pull).await {
        Ok(leased) => Ok(Json(Pulled { events: leased.into_iter().map(Into::into).collect() })),
        Err(NotPulled::Store(error)) => Err(error.into()),
        Err(NotPulled::NoSuchQueue) => Err(no_such_queue(&pull.queue)),
    }
}

fn within(name: &str, number: u32, least: u32, most: u32) -> Result<u32> {
    let is_within = (least..=most).contains(&number);
    let problem = || Problem::bad_request(format!("{name} is a number from {least} to {most}"));
    is_within.then_some(number).ok_or_else(problem)
}

fn no_such_queue(queue: &str) -> Problem {
    let subscription = serde_json::json!({ "target": "pull", "queue": queue, "event_types": ["*"] });
    let detail = format!(
        "there is no queue {queue:?}; a pull subscription makes it: POST /api/webhooks with {subscription}"
    );
    Problem::new(StatusCode::NOT_FOUND, "unknown_queue", detail)
}

/// A delivery that the bearer holds, by the event in the path and the token in the body; what else the body says.
async fn held(app: &Arc<App>, request: Request) -> Result<(Held, Fields)> {
    let (mut parts, body) = request.into_parts();
    let Bearer(access) = Bearer::from_request_parts(&mut parts, app).await?;
    let event_id = event_id(&mut parts, app).await?;
    let (token, fields) = token(&parts, body).await?;
    let shown = LeaseToken::read_shown(&token);
    let delivery = match &shown {
        Some((_, id)) => app.engine.store.delivery(*id).await?.filter(|found| found.event_id == event_id),
        None => None,
    };
    let (Some(delivery), Some((token, _))) = (delivery, shown) else {
        let event = app.engine.store.event(event_id).await?.ok_or_else(|| Problem::not_found("event"))?;
        access.check(event.event.user_id.as_ref())?;
        return Err(stale(StaleLease::Superseded));
    };
    access.check(delivery.owner_id.as_ref())?;
    Ok((app.engine.queues.held(delivery, &token).map_err(stale)?, fields))
}

async fn event_id(parts: &mut Parts, app: &Arc<App>) -> Result<EventId> {
    let path = Path::<String>::from_request_parts(parts, app).await;
    path.ok().and_then(|Path(text)| text.parse().ok()).ok_or_else(|| Problem::not_found("event"))
}

async fn token(parts: &Parts, body: Body) -> Result<(String, Fields)> {
    let mut fields = Fields::read(&parts.headers, body).await?;
    let token = fields.take_text("lease_token", TOKEN_BYTES_MAX);
    let token = fields.need("lease_token", token, "it came with the event");
    match token {
        Some(token) => Ok((token, fields)),
        None => Err(fields.finish().err().unwrap_or_else(Problem::internal)),
    }
}

/// Ours are half as long.
const TOKEN_BYTES_MAX: usize = 256;

fn stale(stale: StaleLease) -> Problem {
    let detail = format!(
        "{stale}; unless it was settled under it before, the work does not count, and the event may come to another worker"
    );
    Problem::conflict("stale_lease", detail)
}

impl From<NotHeld> for Problem {
    fn from(error: NotHeld) -> Self {
        match error {
            NotHeld::Stale(error) => stale(error),
            NotHeld::Store(error) => error.into(),
        }
    }
}

/// Which lease.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct Completion {
    lease_token: String,
}

/// Say that a leased event is done
#[utoipa::path(post, path = "/api/webhooks/events/{event_id}/complete", tag = "Queues",
    params(("event_id" = String, Path)), request_body = Completion,
    responses((status = 200, body = ShownDelivery), (status = 409, body = Problem)))]
pub(crate) async fn complete_event(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Json<ShownDelivery>> {
    let (held, mut fields) = held(&app, request).await?;
    fields.finish()?;
    Ok(Json(app.engine.queues.settle(held, &Outcome::Completed).await?.into()))
}

/// What went wrong.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct Failure {
    lease_token: String,
    /// What went wrong; the first 1024 bytes are kept.
    error: Option<String>,
    /// Seconds until it may be tried again, 0 to 86400. Left out, the subscription's retry policy says.
    retry_after_seconds: Option<u32>,
}

/// Say that a leased event could not be dealt with
///
/// It comes back, unless its attempts are used up.
#[utoipa::path(post, path = "/api/webhooks/events/{event_id}/failed", tag = "Queues",
    params(("event_id" = String, Path)), request_body = Failure,
    responses((status = 200, body = ShownDelivery), (status = 409, body = Problem)))]
pub(crate) async fn fail_event(State(app): State<Arc<App>>, request: Request) -> Result<Json<ShownDelivery>> {
    let (held, mut fields) = held(&app, request).await?;
    let error = fields.take("error", "a text", |text: String| Ok::<_, String>(kept(&text)));
    let retry_in = take_seconds(&mut fields, "retry_after_seconds", 0, RETRY_AFTER_SECONDS_MAX);
    fields.finish()?;
    let retry_in = match retry_in {
        Said::Value(seconds) => Some(Duration::from_secs(seconds.into())),
        Said::Nothing | Said::Null => None,
    };
    let error = error.or("the worker could not do it".to_owned());
    Ok(Json(app.engine.queues.settle(held, &Outcome::Reported { error, retry_in }).await?.into()))
}

/// The beginning of an error, as any store takes it.
fn kept(error: &str) -> String {
    error[..error.floor_char_boundary(ERROR_BYTES_MAX)].replace('\0', "\u{fffd}")
}

/// For how long.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct Extension {
    lease_token: String,
    /// From now, 1 to 3600.
    #[schema(default = 60)]
    lease_seconds: Option<u32>,
}

/// A lease that lasts longer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Extended {
    #[schema(value_type = String)]
    lease_expires_at: Timestamp,
}

/// Hold a leased event for longer
#[utoipa::path(post, path = "/api/webhooks/events/{event_id}/extend", tag = "Queues",
    params(("event_id" = String, Path)), request_body = Extension,
    responses((status = 200, body = Extended), (status = 409, body = Problem)))]
pub(crate) async fn extend_lease(State(app): State<Arc<App>>, request: Request) -> Result<Json<Extended>> {
    let (held, mut fields) = held(&app, request).await?;
    let seconds = take_seconds(&mut fields, "lease_seconds", 1, LEASE_SECONDS_MAX).or(LEASE_SECONDS);
    fields.finish()?;
    Ok(Json(Extended { lease_expires_at: app.engine.queues.extend(held, seconds).await? }))
}

fn take_seconds(fields: &mut Fields, name: &str, least: u32, most: u32) -> Said<u32> {
    let expected = format!("a whole number from {least} to {most}");
    fields.take(name, &expected, |seconds: i64| {
        let seconds = u32::try_from(seconds).ok().filter(|seconds| (least..=most).contains(seconds));
        seconds.ok_or_else(|| format!("must be {expected}"))
    })
}

/// Takes `target` and `queue`: the queue of a new subscription, if workers are to pull from it.
pub(crate) fn take_pull_target(fields: &mut Fields) -> Option<Target> {
    let pulls = fields.take("target", "\"push\" or \"pull\"", |target: String| match target.as_str() {
        "push" => Ok(false),
        "pull" => Ok(true),
        _ => Err("must be \"push\" or \"pull\""),
    });
    let queue = take_queue(fields);
    if pulls.or(false) {
        return Some(Target::Pull { queue: queue.or(QUEUE.to_owned()) });
    }
    if matches!(queue, Said::Value(_)) {
        fields.refuse("queue", "is for target \"pull\"");
    }
    None
}

/// Takes the name of a queue.
pub(crate) fn take_queue(fields: &mut Fields) -> Said<String> {
    fields.take("queue", "a text", |queue: String| {
        let is_name = (1..=QUEUE_BYTES_MAX).contains(&queue.len()) && !queue.chars().any(char::is_control);
        let expected = || format!("must be 1 to {QUEUE_BYTES_MAX} bytes without control characters");
        is_name.then_some(queue).ok_or_else(expected)
    })
}
