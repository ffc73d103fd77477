//! The reference of Composio's API, version 3.1.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{OPERATOR_KEY, text};
use crate::world::World;

impl super::Pushing {
    /// The webhook subscriptions of the project.
    #[must_use]
    pub fn composio_subscriptions(&self) -> Vec<Value> {
        self.data().subscriptions.clone()
    }

    /// The triggers that are switched on.
    #[must_use]
    pub fn composio_triggers(&self) -> Vec<Value> {
        self.data().triggers.values().cloned().collect()
    }
}

fn refusal() -> Response {
    let error =
        json!({ "error": { "message": "Invalid API key", "slug": "Auth_InvalidApiKey", "status": 401 } });
    (StatusCode::UNAUTHORIZED, Json(error)).into_response()
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "error": { "message": "Not found", "status": 404 } })))
        .into_response()
}

fn is_operator(headers: &HeaderMap) -> bool {
    headers.get("x-api-key").is_some_and(|key| key == OPERATOR_KEY)
}

/// `GET /webhook_subscriptions`.
pub(crate) async fn list_subscriptions(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    if !is_operator(&headers) {
        return refusal();
    }
    let items = world.pushing().composio_subscriptions();
    Json(json!({ "items": items, "next_cursor": null, "total_pages": 1, "current_page": 1 })).into_response()
}

/// `POST /webhook_subscriptions`.
pub(crate) async fn create_subscription(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if !is_operator(&headers) {
        return refusal();
    }
    let mut data = world.pushing().data();
    if !data.subscriptions.is_empty() {
        let error =
            json!({ "error": { "message": "The project has a webhook subscription", "status": 409 } });
        return (StatusCode::CONFLICT, Json(error)).into_response();
    }
    let number = data.next_number();
    let mut subscription = body;
    subscription["id"] = json!(format!("ws_{number}"));
    subscription["secret"] = json!(format!("composio-secret-{number:020}"));
    data.subscriptions.push(subscription.clone());
    (StatusCode::CREATED, Json(subscription)).into_response()
}

/// `PATCH /webhook_subscriptions/{id}`.
pub(crate) async fn change_subscription(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if !is_operator(&headers) {
        return refusal();
    }
    let mut data = world.pushing().data();
    let Some(known) = data.subscriptions.iter_mut().find(|one| text(one, "id") == id) else {
        return not_found();
    };
    for (key, value) in body.as_object().into_iter().flatten() {
        known[key] = value.clone();
    }
    Json(known.clone()).into_response()
}

/// `DELETE /webhook_subscriptions/{id}`.
pub(crate) async fn delete_subscription(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !is_operator(&headers) {
        return refusal();
    }
    world.pushing().data().subscriptions.retain(|one| text(one, "id") != id);
    Json(json!({ "success": true })).into_response()
}

/// `POST /webhook_subscriptions/{id}/rotate_secret`.
pub(crate) async fn rotate_secret(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !is_operator(&headers) {
        return refusal();
    }
    let mut data = world.pushing().data();
    let secret = format!("composio-secret-{:020}", data.next_number());
    let Some(known) = data.subscriptions.iter_mut().find(|one| text(one, "id") == id) else {
        return not_found();
    };
    known["secret"] = json!(secret);
    Json(json!({ "id": id, "secret": secret })).into_response()
}

/// `POST /trigger_instances/{slug}/upsert`. Another account, or another configuration, is another trigger.
pub(crate) async fn upsert_trigger(
    State(world): State<Arc<World>>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if !is_operator(&headers) {
        return refusal();
    }
    let mut data = world.pushing().data();
    let trigger = json!({
        "slug": slug, "connected_account_id": body["connected_account_id"], "trigger_config": body["trigger_config"],
    });
    let known = data.triggers.iter().find(|(_, known)| **known == trigger).map(|(id, _)| id.clone());
    let status = if known.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let id = known.unwrap_or_else(|| format!("ti_{}", data.next_number()));
    data.triggers.insert(id.clone(), trigger);
    (status, Json(json!({ "trigger_id": id }))).into_response()
}

/// `DELETE /trigger_instances/manage/{id}`.
pub(crate) async fn delete_trigger(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !is_operator(&headers) {
        return refusal();
    }
    match world.pushing().data().triggers.remove(&id) {
        Some(_) => Json(json!({ "trigger_id": id })).into_response(),
        None => not_found(),
    }
}
