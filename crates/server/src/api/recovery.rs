//! Recovery: what went wrong is sent once more.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use http::StatusCode;
use utoipa::ToSchema;

use super::deliveries::ShownDelivery;
use super::fields::Fields;
use super::owned::OwnedEvent;
use crate::access::Bearer;
use crate::app::App;
use crate::problem::{FieldProblem, Problem, Result};

/// Where to.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct Resending {
    /// A subscription that may have this user's events. Its event types do not matter.
    subscription_id: String,
}

/// Send an event to a subscription once more
///
/// It becomes a delivery of its own, with all its attempts; the `webhook-id` stays the event's.
#[utoipa::path(post, path = "/api/events/{id}/resend", tag = "Events", params(("id" = String, Path)),
    request_body = Resending,
    responses((status = 201, body = ShownDelivery), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn resend_event(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    OwnedEvent(logged): OwnedEvent,
    request: Request,
) -> Result<(StatusCode, Json<ShownDelivery>)> {
    let (parts, body) = request.into_parts();
    let mut fields = Fields::read(&parts.headers, body).await?;
    let id = fields.take_parsed("subscription_id");
    let id = fields.need("subscription_id", id, "who is to get it?");
    fields.finish()?;
    let gone = || Problem::not_found("subscription");
    let id = id.ok_or_else(gone)?;
    let subscription = app.engine.store.subscription(id).await?.ok_or_else(gone)?.subscription;
    access.check(subscription.user_id.as_ref())?;
    if subscription.user_id.is_some() && subscription.user_id != logged.event.user_id {
        let message = "is another user's than the event".to_owned();
        return Err(Problem::invalid(vec![FieldProblem { field: "subscription_id".to_owned(), message }]));
    }
    let delivery = app.engine.recovery.resend(&logged.event, id).await?.ok_or_else(gone)?;
    Ok((StatusCode::CREATED, Json(delivery.into())))
}
