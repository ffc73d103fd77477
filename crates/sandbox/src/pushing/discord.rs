//! docs.discord.com, "Application Resource": the application that is the bot's.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::OPERATOR_KEY;
use crate::world::World;

impl super::Pushing {
    /// The application, with where its events go.
    #[must_use]
    pub fn discord_application(&self) -> Value {
        self.data().application.clone()
    }

    /// Discord has switched the application's events off.
    pub fn disable_discord(&self) {
        self.data().application["event_webhooks_status"] = json!(3);
    }
}

fn refusal(headers: &HeaderMap) -> Option<Response> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !text(USER_AGENT).starts_with("DiscordBot (") {
        return Some(StatusCode::FORBIDDEN.into_response());
    }
    let body = json!({ "message": "401: Unauthorized", "code": 0 });
    (text(AUTHORIZATION) != format!("Bot {OPERATOR_KEY}"))
        .then(|| (StatusCode::UNAUTHORIZED, Json(body)).into_response())
}

/// `GET /applications/@me`.
pub(crate) async fn read(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    refusal(&headers).unwrap_or_else(|| show(world.pushing().discord_application()))
}

fn show(mut application: Value) -> Response {
    application["id"] = json!("1234560123453231555");
    Json(application).into_response()
}

/// `PATCH /applications/@me`.
pub(crate) async fn change(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refusal) = refusal(&headers) {
        return refusal;
    }
    let mut data = world.pushing().data();
    for (key, value) in body.as_object().into_iter().flatten() {
        data.application[key] = value.clone();
    }
    show(data.application.clone())
}
