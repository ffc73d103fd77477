//! What the APIs say about the account of a token.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::world::World;

/// Whose the bearer is.
pub(crate) fn account(world: &World, vendor: &str, headers: &HeaderMap) -> Option<String> {
    let bearer = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    world.account_of(vendor, bearer)
}

/// `GET /user`.
pub(crate) async fn github_user(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    // Without one GitHub answers 403, whoever asks.
    if !headers.contains_key(USER_AGENT) {
        return StatusCode::FORBIDDEN.into_response();
    }
    match account(&world, "github", &headers) {
        Some(login) => Json(json!({ "login": login, "id": 583_231, "type": "User" })).into_response(),
        None => github_refusal(),
    }
}

/// How GitHub refuses a token.
pub(crate) fn github_refusal() -> Response {
    let body = json!({ "message": "Bad credentials", "documentation_url": "https://docs.github.com/rest", "status": "401" });
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

/// `POST /api/auth.test`.
pub(crate) async fn slack_auth_test(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    let body = match account(&world, "slack", &headers) {
        Some(user) => json!({
            "ok": true, "url": "https://sandbox.slack.com/", "team": "Sandbox", "user": "alice",
            "team_id": "T9TK3CUKW", "user_id": user,
        }),
        None => json!({ "ok": false, "error": "invalid_auth" }),
    };
    Json(body).into_response()
}

/// How Google's APIs refuse a token.
pub(crate) fn google_refusal() -> Response {
    let error = json!({ "error": {
        "code": 401, "message": "Invalid Credentials", "status": "UNAUTHENTICATED",
        "errors": [{ "message": "Invalid Credentials", "domain": "global", "reason": "authError" }],
    }});
    (StatusCode::UNAUTHORIZED, Json(error)).into_response()
}

/// `GET /v1/me`.
pub(crate) async fn spotify_me(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    match account(&world, "spotify", &headers) {
        Some(id) => Json(json!({ "id": id, "display_name": "Alice", "type": "user" })).into_response(),
        None => {
            let error = json!({ "error": { "status": 401, "message": "The access token expired" } });
            (StatusCode::UNAUTHORIZED, Json(error)).into_response()
        }
    }
}
