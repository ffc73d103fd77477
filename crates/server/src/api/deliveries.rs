//! Deliveries: what is owed, and how it went.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::attempt::{Attempt, ErrorCode};
use domain::delivery::{Delivery, Refused, Status, Trigger};
use domain::{EventType, SubscriptionId, Timestamp, UserId};
use engine::deliver::Content;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{Change, DeliveryFilter, Fence};
use utoipa::{IntoParams, ToSchema};

use super::list::{At, Listed, Params, page, parsed};
use super::owned::{OwnedDelivery, OwnedSubscription};
use crate::access::Bearer;
use crate::app::App;
use crate::problem::{Problem, Result};

/// A delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownDelivery {
    #[schema(value_type = String, example = "dlv_019aa6b0c7d07b3e8f3c5a1d2e4f6071")]
    id: domain::DeliveryId,
    #[schema(value_type = String)]
    subscription_id: SubscriptionId,
    #[schema(value_type = String)]
    event_id: domain::EventId,
    #[schema(value_type = String)]
    event_type: EventType,
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    #[schema(value_type = String, example = "success")]
    status: Status,
    attempt_count: u16,
    max_attempts: u16,
    #[schema(value_type = Option<String>)]
    next_attempt_at: Option<Timestamp>,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>)]
    completed_at: Option<Timestamp>,
    /// HTTP status of the last answer.
    response_status: Option<u16>,
    /// What went wrong last.
    error: Option<String>,
    /// Why it was made, or last set going by hand.
    #[schema(value_type = String, example = "initial")]
    trigger: Trigger,
}

impl From<Delivery> for ShownDelivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            subscription_id: delivery.subscription_id,
            event_id: delivery.event_id,
            status: delivery.status(),
            next_attempt_at: delivery.due_at(),
            event_type: delivery.event_type,
            user_id: delivery.user_id,
            attempt_count: delivery.attempt_count,
            max_attempts: delivery.max_attempts,
            created_at: delivery.created_at,
            completed_at: delivery.completed_at,
            response_status: delivery.response_status,
            error: delivery.error,
            trigger: delivery.trigger,
        }
    }
}

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveriesQuery {
    /// With this status.
    #[param(value_type = Option<String>)]
    status: Option<Status>,
    /// Carrying events of this type.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    event_type: Option<EventType>,
    /// Of this subscription.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    subscription_id: Option<SubscriptionId>,
    /// Of this user's subscriptions.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// Made at or after.
    #[param(value_type = Option<String>)]
    since: Option<Timestamp>,
    /// Made before.
    #[param(value_type = Option<String>)]
    until: Option<Timestamp>,
    /// At most so many, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List deliveries across subscriptions, the newest first
#[utoipa::path(get, path = "/api/deliveries", tag = "Deliveries", params(DeliveriesQuery),
    responses((status = 200, body = Listed<ShownDelivery>), (status = 403, body = Problem)))]
pub(crate) async fn list_deliveries(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<DeliveriesQuery>,
) -> Result<At<Listed<ShownDelivery>>> {
    let owner_id = access.narrow(query.user_id.clone())?;
    list(&app, query, owner_id).await
}

/// List a subscription's deliveries, the newest first
#[utoipa::path(get, path = "/api/webhooks/{id}/deliveries", tag = "Subscriptions",
    params(("id" = String, Path), DeliveriesQuery),
    responses((status = 200, body = Listed<ShownDelivery>), (status = 404, body = Problem)))]
pub(crate) async fn list_subscription_deliveries(
    State(app): State<Arc<App>>,
    OwnedSubscription(stored): OwnedSubscription,
    Params(query): Params<DeliveriesQuery>,
) -> Result<At<Listed<ShownDelivery>>> {
    let query = DeliveriesQuery { subscription_id: Some(stored.subscription.id), ..query };
    list(&app, query, None).await
}

async fn list(
    app: &App,
    query: DeliveriesQuery,
    owner_id: Option<UserId>,
) -> Result<At<Listed<ShownDelivery>>> {
    let page = page(query.limit, query.cursor.as_deref())?;
    let filter = DeliveryFilter {
        owner_id,
        subscription_id: query.subscription_id,
        event_id: None,
        status: query.status,
        event_type: query.event_type,
        since: query.since,
        until: query.until,
    };
    let head = app.engine.store.head().await?;
    let deliveries = app.engine.store.deliveries(&filter, &page).await?;
    Ok(At(head, Listed::new(deliveries, page.limit, |delivery| delivery.id.to_string(), Into::into)))
}

/// A delivery with all its attempts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryWithAttempts {
    #[serde(flatten)]
    delivery: ShownDelivery,
    /// What is sent on the subscription's terms as they are now; `null` where its transform makes nothing, and where it
    /// goes in batches. The timestamp and the signatures are those of the last attempt, or of one that would be made
    /// now.
    request: Option<ShownRequest>,
    /// The first first.
    attempts: Vec<ShownAttempt>,
}

/// A request to a subscriber.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownRequest {
    url: String,
    #[schema(value_type = Object)]
    headers: serde_json::Map<String, serde_json::Value>,
    body: String,
}

/// One try of a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownAttempt {
    /// The first is 1.
    number: u16,
    /// When it began.
    #[schema(value_type = String)]
    at: Timestamp,
    #[schema(value_type = String, example = "initial")]
    trigger: Trigger,
    duration_ms: f64,
    response_status: Option<u16>,
    #[schema(value_type = Object)]
    response_headers: Option<Box<RawValue>>,
    /// The beginning of the answer's body, at most 16 KiB.
    response_body: Option<String>,
    error: Option<String>,
    #[schema(value_type = Option<String>, example = "timeout")]
    error_code: Option<ErrorCode>,
}

impl From<Attempt> for ShownAttempt {
    fn from(attempt: Attempt) -> Self {
        Self {
            number: attempt.number,
            at: attempt.at,
            trigger: attempt.trigger,
            duration_ms: attempt.duration.as_micros() as f64 / 1_000.0,
            response_status: attempt.response_status,
            response_headers: attempt
                .response_headers
                .and_then(|headers| RawValue::from_string(headers).ok()),
            response_body: attempt.response_body.map(|body| String::from_utf8_lossy(&body).into_owned()),
            error: attempt.error,
            error_code: attempt.error_code,
        }
    }
}

/// Read one delivery with its request and all its attempts
#[utoipa::path(get, path = "/api/deliveries/{id}", tag = "Deliveries", params(("id" = String, Path)),
    responses((status = 200, body = DeliveryWithAttempts), (status = 404, body = Problem)))]
pub(crate) async fn read_delivery(
    State(app): State<Arc<App>>,
    OwnedDelivery(delivery): OwnedDelivery,
) -> Result<At<DeliveryWithAttempts>> {
    let head = app.engine.store.head().await?;
    let attempts = app.engine.store.attempts(delivery.id).await?;
    let signed_at = attempts.last().map_or_else(|| app.engine.clock.now(), |attempt| attempt.at);
    let request = shown_request(&app, &delivery, signed_at).await?;
    let attempts = attempts.into_iter().map(Into::into).collect();
    Ok(At(head, DeliveryWithAttempts { delivery: delivery.into(), request, attempts }))
}

/// The request as it is made. It is not kept with each attempt, since it follows from what is kept.
async fn shown_request(app: &App, delivery: &Delivery, signed_at: Timestamp) -> Result<Option<ShownRequest>> {
    let routes = app.engine.routes.current();
    let Some(route) = routes.get(delivery.subscription_id) else { return Ok(None) };
    let Some(url) = route.endpoint.as_ref().map(|endpoint| endpoint.url.to_string()) else { return Ok(None) };
    if route.subscription.terms.batch.is_some() {
        return Ok(None);
    }
    let Some(logged) = app.engine.store.event(delivery.event_id).await? else { return Ok(None) };
    let user = route.subscription.user_id.as_ref();
    let content = Content::of(&logged.event, &route.shape, user, &app.engine.transforms).await;
    // Where there is none, the delivery says why.
    let Ok(Some(content)) = content else { return Ok(None) };
    let headers = engine::deliver::headers(route, delivery, &logged.event, signed_at, &content);
    let body = String::from_utf8_lossy(&content.body).into_owned();
    Ok(Some(ShownRequest { url, headers: shown_headers(&headers), body }))
}

/// Headers as a JSON object.
pub(crate) fn shown_headers(headers: &http::HeaderMap) -> serde_json::Map<String, serde_json::Value> {
    let shown = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned().into();
    headers.iter().map(|(name, value)| (name.to_string(), shown(value))).collect()
}

/// Retry a failed delivery by hand
///
/// It keeps its id and history and gets one more attempt, at once. It waits for no others of its ordering key.
#[utoipa::path(post, path = "/api/deliveries/{id}/retry", tag = "Deliveries", params(("id" = String, Path)),
    responses((status = 200, body = ShownDelivery), (status = 409, body = Problem)))]
pub(crate) async fn retry_delivery(
    State(app): State<Arc<App>>,
    OwnedDelivery(delivery): OwnedDelivery,
) -> Result<Json<ShownDelivery>> {
    let now = app.engine.clock.now();
    let routes = app.engine.routes.current();
    let holds = routes.get(delivery.subscription_id).map(|route| route.subscription.holds());
    let holds = holds.ok_or_else(|| Problem::conflict("conflict", "its subscription has been deleted"))?;
    let changed = change(&app, delivery, |delivery| {
        delivery.retry(Trigger::Manual, now)?;
        if holds {
            delivery.hold();
        }
        Ok(())
    });
    let changed = changed.await?;
    app.engine.deliverer.note_waiting(&changed);
    Ok(Json(changed.into()))
}

/// Call a delivery off
#[utoipa::path(post, path = "/api/deliveries/{id}/cancel", tag = "Deliveries", params(("id" = String, Path)),
    responses((status = 200, body = ShownDelivery), (status = 409, body = Problem)))]
pub(crate) async fn cancel_delivery(
    State(app): State<Arc<App>>,
    OwnedDelivery(delivery): OwnedDelivery,
) -> Result<Json<ShownDelivery>> {
    let now = app.engine.clock.now();
    let changed = change(&app, delivery, |delivery| delivery.cancel(now)).await?;
    app.engine.deliverer.note_waiting(&changed);
    Ok(Json(changed.into()))
}

/// How often a change by hand is made again because the delivery moved on meanwhile.
const CHANGE_TRIES: usize = 5;

/// Writes what `decide` makes of a delivery, as it stands when it is written.
async fn change(
    app: &App,
    mut delivery: Delivery,
    decide: impl Fn(&mut Delivery) -> Result<(), Refused>,
) -> Result<Delivery> {
    let store = &app.engine.store;
    for _ in 0..CHANGE_TRIES {
        let from = Fence::of(&delivery);
        decide(&mut delivery).map_err(|refused| Problem::conflict("conflict", refused.to_string()))?;
        let written = store.change(&[Change { from, to: delivery.clone(), attempt: None }]).await?;
        if written == [true] {
            return Ok(delivery);
        }
        let current = store.delivery(delivery.id).await?;
        delivery = current.ok_or_else(|| Problem::not_found("delivery"))?;
    }
    Err(Problem::conflict("conflict", "the delivery is changing too fast; try again"))
}
