//! Slack: what is said in the channels of the one workspace.
//!
//! Sources: docs.slack.dev, the references of `users.conversations` and `conversations.history`, "Rate limits" (for each
//! method, workspace and application), and the change of May 2025 for applications that are not in its marketplace: one
//! call for history a minute, and at most fifteen messages with it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::RETRY_AFTER;
use http::request::Parts;
use serde_json::{Value, json};

use crate::accounts::account;
use crate::world::World;

/// Calls for history come no closer together, in seconds.
const HISTORY_EVERY_SECONDS: i64 = 60;
/// Messages that history answers with, whatever is asked for.
const HISTORY_MAX: usize = 15;
/// Channels of one page, so that there are some.
const CHANNELS_MAX: usize = 2;

/// What was said, and when history was last asked for.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// By channel, the oldest first.
    channels: BTreeMap<String, Vec<Value>>,
    said: u32,
    asked_at: Option<i64>,
}

impl World {
    /// A channel is opened, with everybody in it.
    pub fn open_channel(&self, channel: &str) {
        self.data().slack.channels.entry(channel.to_owned()).or_default();
    }

    /// Somebody says something in a channel. The moment by which it is known there.
    pub fn say(&self, channel: &str, user: &str, words: &str) -> String {
        let now = self.now();
        let mut data = self.data();
        data.slack.said += 1;
        let ts = format!("{now}.{:06}", data.slack.said);
        let message =
            json!({ "type": "message", "user": user, "text": words, "ts": ts, "team": "T9TK3CUKW" });
        data.slack.channels.entry(channel.to_owned()).or_default().push(message.clone());
        drop(data);
        let mut event = message;
        (event["channel"], event["channel_type"]) = (json!(channel), json!("channel"));
        event["event_ts"] = json!(ts);
        self.tell_slack(&event);
        ts
    }
}

/// `GET /api/users.conversations`.
pub(crate) async fn conversations(
    State(world): State<Arc<World>>,
    Query(query): Query<HashMap<String, String>>,
    _: Admitted,
) -> Response {
    let from = query.get("cursor").cloned().unwrap_or_default();
    let data = world.data();
    let mut left = data.slack.channels.keys().filter(|channel| **channel >= from);
    let shown: Vec<_> = left.by_ref().take(CHANNELS_MAX).collect();
    let channels: Vec<_> = shown
        .into_iter()
        .map(|id| json!({ "id": id, "name": id.to_lowercase(), "is_channel": true, "is_archived": false }))
        .collect();
    let next = left.next().cloned().unwrap_or_default();
    Json(json!({ "ok": true, "channels": channels, "response_metadata": { "next_cursor": next } }))
        .into_response()
}

/// `GET /api/conversations.history`, the newest first.
pub(crate) async fn history(
    State(world): State<Arc<World>>,
    Query(query): Query<HashMap<String, String>>,
    _: Admitted,
) -> Response {
    let now = world.now();
    let mut data = world.data();
    let rests_until = data.slack.asked_at.map_or(now, |at| at + HISTORY_EVERY_SECONDS);
    if now < rests_until {
        let rests = (rests_until - now).to_string();
        let body = Json(json!({ "ok": false, "error": "ratelimited" }));
        return (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, rests)], body).into_response();
    }
    data.slack.asked_at = Some(now);
    let field = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let Some(said) = data.slack.channels.get(field("channel")) else { return failed("channel_not_found") };
    let Ok(limit @ 1..=999) = query.get("limit").map_or(Ok(100), |limit| limit.parse::<usize>()) else {
        return failed("invalid_limit");
    };
    // Moments are texts of one length.
    let (oldest, cursor) = (field("oldest"), field("cursor"));
    let is_meant = |message: &&Value| {
        let ts = message["ts"].as_str().unwrap_or_default();
        ts > oldest && (cursor.is_empty() || ts <= cursor)
    };
    let mut meant = said.iter().rev().filter(is_meant);
    let shown: Vec<_> = meant.by_ref().take(limit.min(HISTORY_MAX)).collect();
    let next = meant.next().map(|message| message["ts"].clone());
    let mut body = json!({ "ok": true, "messages": shown, "has_more": next.is_some() });
    if let Some(next) = next {
        body["response_metadata"] = json!({ "next_cursor": next });
    }
    Json(body).into_response()
}

/// A call with a token that opens something, and that was not told to fail.
pub(crate) struct Admitted;

impl FromRequestParts<Arc<World>> for Admitted {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, world: &Arc<World>) -> Result<Self, Response> {
        if account(world, "slack", &parts.headers).is_none() {
            return Err(failed("invalid_auth"));
        }
        match world.count_api_call("slack") {
            Some(status) => {
                Err((status, Json(json!({ "ok": false, "error": "internal_error" }))).into_response())
            }
            None => Ok(Self),
        }
    }
}

fn failed(error: &str) -> Response {
    Json(json!({ "ok": false, "error": error })).into_response()
}
