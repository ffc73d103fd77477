//! Slack: what is said in the channels of the one workspace.
//!
//! Sources: docs.slack.dev, the references of `users.conversations`, `conversations.history` and
//! `conversations.replies`, "Rate limits" (for each method, workspace and application), and the change of May 2025 for
//! applications that are not in its marketplace: one call for history a minute, one for replies, and at most fifteen
//! messages with each.

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

/// Calls of a method come no closer together, in seconds.
const CALLS_EVERY_SECONDS: i64 = 60;
/// Messages of one answer, whatever is asked for.
const MESSAGES_MAX: usize = 15;
/// Channels of one page, so that there are some.
const CHANNELS_MAX: usize = 2;

/// What was said, and when it was last asked for.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// By channel, the oldest first.
    channels: BTreeMap<String, Vec<Value>>,
    /// Replies, by channel and the moment of the message that they are to, the oldest first.
    threads: BTreeMap<(String, String), Vec<Value>>,
    said: u32,
    /// By method.
    asked_at: BTreeMap<&'static str, i64>,
}

impl World {
    /// A channel is opened, with everybody in it.
    pub fn open_channel(&self, channel: &str) {
        self.data().slack.channels.entry(channel.to_owned()).or_default();
    }

    /// Somebody says something in a channel. The moment by which it is known there.
    pub fn say(&self, channel: &str, user: &str, words: &str) -> String {
        let message = self.message(user, words);
        self.data().slack.channels.entry(channel.to_owned()).or_default().push(message.clone());
        self.tell_of_message(channel, message)
    }

    /// Somebody replies to a message in a channel, in its thread. The moment by which that is known there.
    pub fn reply(&self, channel: &str, to: &str, user: &str, words: &str) -> String {
        let mut reply = self.message(user, words);
        reply["thread_ts"] = json!(to);
        let mut data = self.data();
        let Workspace { channels, threads, .. } = &mut data.slack;
        let said = channels.get_mut(channel).into_iter().flatten().find(|message| message["ts"] == to);
        let message = said.expect("there is such a message");
        reply["parent_user_id"] = message["user"].clone();
        let thread = threads.entry((channel.to_owned(), to.to_owned())).or_default();
        thread.push(reply.clone());
        (message["thread_ts"], message["reply_count"]) = (json!(to), json!(thread.len()));
        message["latest_reply"] = reply["ts"].clone();
        drop(data);
        self.tell_of_message(channel, reply)
    }

    fn message(&self, user: &str, words: &str) -> Value {
        let now = self.now();
        let mut data = self.data();
        data.slack.said += 1;
        let ts = format!("{now}.{:06}", data.slack.said);
        json!({ "type": "message", "user": user, "text": words, "ts": ts, "team": "T9TK3CUKW" })
    }

    fn tell_of_message(&self, channel: &str, mut event: Value) -> String {
        (event["channel"], event["channel_type"]) = (json!(channel), json!("channel"));
        event["event_ts"] = event["ts"].clone();
        self.tell_slack(&event);
        event["ts"].as_str().unwrap_or_default().to_owned()
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
    if let Some(refusal) = too_often(&world, "history") {
        return refusal;
    }
    let data = world.data();
    let field = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let Some(said) = data.slack.channels.get(field("channel")) else { return failed("channel_not_found") };
    // Moments are texts of one length.
    let (oldest, cursor) = (field("oldest"), field("cursor"));
    let is_meant = |message: &&Value| {
        let ts = message["ts"].as_str().unwrap_or_default();
        ts > oldest && (cursor.is_empty() || ts <= cursor)
    };
    page(&query, said.iter().rev().filter(is_meant))
}

/// `GET /api/conversations.replies`: the message itself, and then the replies, the oldest first.
pub(crate) async fn replies(
    State(world): State<Arc<World>>,
    Query(query): Query<HashMap<String, String>>,
    _: Admitted,
) -> Response {
    if let Some(refusal) = too_often(&world, "replies") {
        return refusal;
    }
    let data = world.data();
    let field = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let Some(said) = data.slack.channels.get(field("channel")) else { return failed("channel_not_found") };
    let Some(message) = said.iter().find(|message| message["ts"] == field("ts")) else {
        return failed("thread_not_found");
    };
    let thread = data.slack.threads.get(&(field("channel").to_owned(), field("ts").to_owned()));
    let (oldest, cursor) = (field("oldest"), field("cursor"));
    let is_meant = |message: &&Value| {
        let ts = message["ts"].as_str().unwrap_or_default();
        ts > oldest && ts >= cursor
    };
    // Wherever a time begins, the message itself is on the first page.
    let message = cursor.is_empty().then_some(message);
    page(&query, message.into_iter().chain(thread.into_iter().flatten().filter(is_meant)))
}

/// Says no to whoever calls a method again within its time.
fn too_often(world: &World, method: &'static str) -> Option<Response> {
    let now = world.now();
    let mut data = world.data();
    let rests_until = data.slack.asked_at.get(method).map_or(now, |at| at + CALLS_EVERY_SECONDS);
    if now < rests_until {
        let rests = (rests_until - now).to_string();
        let body = Json(json!({ "ok": false, "error": "ratelimited" }));
        return Some((StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, rests)], body).into_response());
    }
    data.slack.asked_at.insert(method, now);
    None
}

/// The first of `meant`, and where the others begin.
fn page<'m>(query: &HashMap<String, String>, mut meant: impl Iterator<Item = &'m Value>) -> Response {
    let Ok(limit @ 1..=999) = query.get("limit").map_or(Ok(100), |limit| limit.parse::<usize>()) else {
        return failed("invalid_limit");
    };
    let shown: Vec<_> = meant.by_ref().take(limit.min(MESSAGES_MAX)).collect();
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
