//! Chats to which messages are sent: of Unipile, as a form in parts under a key in a header, and channels of Slack, as
//! JSON in the name of a user.
//!
//! Sources: for Slack docs.slack.dev, the reference of `chat.postMessage` (its errors come with status 200), "Rate
//! limits" (429 with `Retry-After`; a message a second in each channel, and short bursts beyond that).

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::accounts::account;
use crate::pushing::OPERATOR_KEY;
use crate::world::{Fault, World};

/// Characters that Slack takes as one message.
const TEXT_CHARACTERS_MAX: usize = 40_000;

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// To which chat.
    pub chat_id: String,
    /// What it says.
    pub text: String,
    /// What it is called here.
    pub message_id: String,
}

/// Sends a message to a chat.
pub(crate) async fn send_to_chat(
    State(world): State<Arc<World>>,
    Path(chat_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    world.count_call("unipile");
    world.take_turn().await;
    let fault = world.next_fault("unipile");
    if let Some(Fault::Status(status)) = fault {
        return refused(status);
    }
    if headers.get("x-api-key").is_none_or(|key| key != OPERATOR_KEY) {
        return refused(401);
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let Some(text) = part(kind, &body, "text") else { return refused(400) };
    let message_id = world.keep_message(chat_id, text);
    if fault == Some(Fault::AnswerLost) {
        return lost();
    }
    (StatusCode::CREATED, Json(json!({ "object": "MessageSent", "message_id": message_id }))).into_response()
}

/// `POST /api/chat.postMessage`.
pub(crate) async fn post_to_channel(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let ok = |body: Value| (StatusCode::OK, Json(body)).into_response();
    let error = |word: &str| ok(json!({ "ok": false, "error": word }));
    world.count_call("slack");
    world.take_turn().await;
    let fault = world.next_fault("slack");
    match fault {
        Some(Fault::Status(429)) => {
            let body = Json(json!({ "ok": false, "error": "ratelimited" }));
            return (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "1")], body).into_response();
        }
        Some(Fault::Status(status)) => return refused(status),
        _ => {}
    }
    if account(&world, "slack", &headers).is_none() {
        return error("invalid_auth");
    }
    let Ok(said) = serde_json::from_slice::<Value>(&body) else { return error("invalid_json") };
    let (Some(channel), Some(text)) = (said["channel"].as_str(), said["text"].as_str()) else {
        return error("invalid_arguments");
    };
    // There are no others in this workspace.
    if !channel.starts_with('C') {
        return error("channel_not_found");
    }
    if text.is_empty() {
        return error("no_text");
    }
    if text.chars().count() > TEXT_CHARACTERS_MAX {
        return error("msg_too_long");
    }
    let ts = world.post_message(channel.to_owned(), text.to_owned());
    if fault == Some(Fault::AnswerLost) {
        return lost();
    }
    let message = json!({ "type": "message", "bot_id": "B0KRD7HC3", "text": text, "ts": ts });
    ok(json!({ "ok": true, "channel": channel, "ts": ts, "message": message }))
}

fn lost() -> Response {
    let broken = std::io::Error::other("the sandbox was told to break off");
    Response::new(Body::from_stream(futures::stream::once(async { Err::<Vec<u8>, _>(broken) })))
}

/// The part of that name of a form (RFC 7578).
fn part(kind: &str, body: &[u8], name: &str) -> Option<String> {
    let (kind, boundary) = kind.split_once("boundary=")?;
    if !kind.starts_with("multipart/form-data") {
        return None;
    }
    let body = std::str::from_utf8(body).ok()?;
    let line = format!("--{boundary}");
    let wanted = format!("name=\"{name}\"");
    body.split(&line).find_map(|part| {
        let (head, content) = part.split_once("\r\n\r\n")?;
        head.contains(&wanted).then(|| content.strip_suffix("\r\n").map(str::to_owned))?
    })
}

fn refused(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let body = Json(json!({ "status": status.as_u16(), "type": "errors/sandbox", "title": "As told" }));
    match status {
        StatusCode::TOO_MANY_REQUESTS => (status, [(RETRY_AFTER, "1")], body).into_response(),
        _ => (status, body).into_response(),
    }
}
