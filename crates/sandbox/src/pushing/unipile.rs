//! developer.unipile.com, the reference of webhooks, version 1.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::text;
use crate::world::World;

impl super::Pushing {
    /// The webhooks of the operator's account at Unipile.
    #[must_use]
    pub fn unipile_webhooks(&self) -> Vec<Value> {
        self.data().webhooks.clone()
    }
}

/// What somebody hears who does not show the key.
pub(crate) fn refusal() -> Response {
    let body = json!({ "type": "errors/missing_credentials", "title": "Missing credentials", "status": 401 });
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

/// `GET /webhooks`.
pub(crate) async fn list_webhooks(
    State(world): State<Arc<World>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    // Two to a page, whatever is asked for, so that there are some.
    let number = |id: &str| id.trim_start_matches("we_").parse::<u64>().unwrap_or(0);
    let after = query.get("cursor").map_or(0, |cursor| number(cursor));
    let mut left = world.pushing().unipile_webhooks();
    left.retain(|webhook| number(text(webhook, "id")) > after);
    let items: Vec<_> = left.iter().take(2).cloned().collect();
    let cursor = items.last().filter(|_| left.len() > 2).map(|last| last["id"].clone());
    Json(json!({ "object": "WebhookList", "items": items, "cursor": cursor })).into_response()
}

/// `POST /webhooks`. A second one like the first is made all the same.
pub(crate) async fn create_webhook(State(world): State<Arc<World>>, Json(body): Json<Value>) -> Response {
    let sources = ["messaging", "email", "email_tracking", "account_status", "users", "calendar_event"];
    if !sources.contains(&text(&body, "source")) || text(&body, "request_url").is_empty() {
        let body =
            json!({ "type": "errors/invalid_parameters", "title": "Invalid parameters", "status": 400 });
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    }
    let mut data = world.pushing().data();
    let id = format!("we_{}", data.next_number());
    let mut webhook =
        json!({ "object": "Webhook", "id": id, "account_ids": [], "data": [], "enabled": true });
    for (key, value) in body.as_object().into_iter().flatten() {
        webhook[key] = value.clone();
    }
    data.webhooks.push(webhook);
    (StatusCode::CREATED, Json(json!({ "object": "WebhookCreated", "webhook_id": id }))).into_response()
}

/// `DELETE /webhooks/{id}`.
pub(crate) async fn delete_webhook(State(world): State<Arc<World>>, Path(id): Path<String>) -> Response {
    world.pushing().data().webhooks.retain(|webhook| text(webhook, "id") != id);
    Json(json!({ "object": "WebhookDeleted" })).into_response()
}
