//! The reference of Composio's API, version 3.1.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::text;
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

/// What somebody hears who does not show the key.
pub(crate) fn refusal() -> Response {
    let error =
        json!({ "error": { "message": "Invalid API key", "slug": "Auth_InvalidApiKey", "status": 401 } });
    (StatusCode::UNAUTHORIZED, Json(error)).into_response()
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "error": { "message": "Not found", "status": 404 } })))
        .into_response()
}

/// `GET /webhook_subscriptions`.
pub(crate) async fn list_subscriptions(State(world): State<Arc<World>>) -> Response {
    let items = world.pushing().composio_subscriptions();
    Json(json!({ "items": items, "next_cursor": null, "total_pages": 1, "current_page": 1 })).into_response()
}

/// `POST /webhook_subscriptions`.
pub(crate) async fn create_subscription(
    State(world): State<Arc<World>>,
    Json(body): Json<Value>,
) -> Response {
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
    world.note_secret(subscription["secret"].as_str());
    (StatusCode::CREATED, Json(subscription)).into_response()
}

/// `PATCH /webhook_subscriptions/{id}`.
pub(crate) async fn change_subscription(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
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
pub(crate) async fn delete_subscription(State(world): State<Arc<World>>, Path(id): Path<String>) -> Response {
    world.pushing().data().subscriptions.retain(|one| text(one, "id") != id);
    Json(json!({ "success": true })).into_response()
}

/// `POST /webhook_subscriptions/{id}/rotate_secret`.
pub(crate) async fn rotate_secret(State(world): State<Arc<World>>, Path(id): Path<String>) -> Response {
    let mut data = world.pushing().data();
    let secret = format!("composio-secret-{:020}", data.next_number());
    let Some(known) = data.subscriptions.iter_mut().find(|one| text(one, "id") == id) else {
        return not_found();
    };
    known["secret"] = json!(secret);
    world.note_secret(Some(&secret));
    Json(json!({ "id": id, "secret": secret })).into_response()
}

/// `POST /trigger_instances/{slug}/upsert`. Another account, or another configuration, is another trigger.
pub(crate) async fn upsert_trigger(
    State(world): State<Arc<World>>,
    Path(slug): Path<String>,
    Json(body): Json<Value>,
) -> Response {
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
pub(crate) async fn delete_trigger(State(world): State<Arc<World>>, Path(id): Path<String>) -> Response {
    match world.pushing().data().triggers.remove(&id) {
        Some(_) => Json(json!({ "trigger_id": id })).into_response(),
        None => not_found(),
    }
}

/// `POST /tools/execute/GMAIL_FETCH_EMAILS`. What goes wrong with the tool is told with status 200.
pub(crate) async fn fetch_emails(State(world): State<Arc<World>>, Json(body): Json<Value>) -> Response {
    let (account, arguments) = (text(&body, "connected_account_id"), &body["arguments"]);
    let after = arguments["query"].as_str().and_then(|query| query.strip_prefix("after:")?.parse().ok());
    let from = arguments["page_token"].as_str().map_or(Ok(0), str::parse).unwrap_or(usize::MAX);
    let size = arguments["max_results"].as_u64().unwrap_or(1) as usize;
    let failed = |error: &str| json!({ "data": {}, "error": error, "successful": false, "log_id": "log_1" });
    if world.count_api_call("composio").is_some() {
        return Json(failed("the tool has failed")).into_response();
    }
    let found = world.mails_after(account, after.unwrap_or_default());
    if !(1..=500).contains(&size) || from > found.len() {
        return Json(failed("Invalid request data provided")).into_response();
    }
    let page: Vec<_> = found.iter().skip(from).take(size).collect();
    let next = (from + size < found.len()).then(|| (from + size).to_string());
    let data = json!({ "messages": page, "nextPageToken": next, "resultSizeEstimate": found.len() });
    Json(json!({ "data": data, "error": null, "successful": true, "log_id": "log_1" })).into_response()
}

/// `POST /backend/actions/fetch_emails`, of a host application that has Composio fetch them.
pub(crate) async fn fetch_for_host(world: State<Arc<World>>, Json(body): Json<Value>) -> Response {
    if text(&body, "user_id").is_empty() {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    }
    fetch_emails(world, Json(json!({ "connected_account_id": body["email"], "arguments": body }))).await
}
