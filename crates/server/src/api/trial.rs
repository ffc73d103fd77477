//! Trying a subscription out: a test event, delivered while the caller waits.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::attempt::ErrorCode;
use domain::delivery::Status;
use domain::event::Json as Data;
use domain::{DeliveryId, Event, EventId, EventType};
use engine::deliver::Job;
use engine::log::{Draft, Owed};
use serde::Serialize;
use utoipa::ToSchema;

use super::fields::Fields;
use super::owned::OwnedSubscription;
use crate::app::App;
use crate::problem::{Problem, Result};

/// The type of the events that are sent for a test.
pub(crate) const TEST_EVENT: &str = "webhook.test";

/// How a test went.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Trial {
    /// `success`, `failed`, or `cancelled` where the transform had nothing to send.
    #[schema(value_type = String, example = "success")]
    status: Status,
    duration_ms: f64,
    response_status: Option<u16>,
    /// The beginning of the answer's body, at most 16 KiB.
    response_body: Option<String>,
    error: Option<String>,
    #[schema(value_type = Option<String>)]
    error_code: Option<ErrorCode>,
    #[schema(value_type = String)]
    event_id: EventId,
    #[schema(value_type = String)]
    delivery_id: DeliveryId,
}

/// Send a test event to a subscription now
#[utoipa::path(post, path = "/api/webhooks/{id}/test", tag = "Subscriptions", params(("id" = String, Path)),
    responses((status = 200, body = Trial), (status = 404, body = Problem)))]
pub(crate) async fn test_subscription(
    State(app): State<Arc<App>>,
    OwnedSubscription(stored): OwnedSubscription,
    mut fields: Fields,
) -> Result<Json<Trial>> {
    // There is nothing to be said, and whoever says something is told.
    fields.finish()?;
    let routes = app.engine.routes.current();
    let route = routes.get(stored.subscription.id).cloned();
    let route =
        route.ok_or_else(|| Problem::conflict("conflict", "the subscription has just changed; try again"))?;
    if route.endpoint.is_none() {
        return Err(Problem::conflict("conflict", "a queue has nowhere to send a test to"));
    }
    let event = Arc::new(test_event(&app, &route.subscription)?);
    let delivery = app.engine.deliverer.claimed_for_test(&event, &route.subscription);
    let owed = Owed::Exactly(Box::new(delivery.clone()));
    let draft = Draft { events: vec![(Arc::clone(&event), None)], idempotency: None, owed };
    app.engine.log.append(draft).await?;
    let batch = route.subscription.terms.batch.map(|_| Vec::new());
    let job = Job { delivery, event, batch };
    let (delivery, attempt) = app.engine.deliverer.deliver_now(&route, job).await?;
    Ok(Json(Trial {
        status: delivery.status(),
        duration_ms: attempt.duration.as_micros() as f64 / 1_000.0,
        response_status: attempt.response_status,
        response_body: attempt.response_body.map(|body| String::from_utf8_lossy(&body).into_owned()),
        error: attempt.error,
        error_code: attempt.error_code,
        event_id: delivery.event_id,
        delivery_id: delivery.id,
    }))
}

fn test_event(app: &App, subscription: &domain::subscription::Subscription) -> Result<Event> {
    let now = app.engine.clock.now();
    let data = serde_json::json!({
        "message": "This is a test. Your endpoint works.",
        "subscription_id": subscription.id,
    });
    Ok(Event {
        id: EventId::new(now, &mut engine::chance::rng()),
        event_type: EventType::from_words([TEST_EVENT]),
        user_id: subscription.user_id.clone(),
        source: engine::ingest::API.into(),
        provider: None,
        occurred_at: now,
        received_at: now,
        data: Data::from_text(&data.to_string()).map_err(|_| Problem::internal())?,
        raw: None,
    })
}
