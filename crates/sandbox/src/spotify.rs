//! Spotify: what has been played.
//!
//! Source: the reference of `GET /me/player/recently-played`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::accounts::account;
use crate::clock::iso_millis;
use crate::world::World;

/// Spotify remembers no more, and answers with no more.
const PLAYS_MAX: usize = 50;

/// By account, the oldest first.
pub(crate) type Plays = HashMap<String, Vec<Play>>;

/// A track that was played.
#[derive(Debug, Clone)]
pub(crate) struct Play {
    uri: String,
    at_ms: i64,
}

impl World {
    /// Somebody has just heard a track.
    pub fn play(&self, account: &str, uri: &str) {
        self.play_at(account, uri, self.now());
    }

    /// Somebody has heard a track, the last of all, at a time in seconds since the Unix epoch.
    pub fn play_at(&self, account: &str, uri: &str, at: i64) {
        let play = Play { uri: uri.to_owned(), at_ms: at * 1_000 };
        self.data().spotify.entry(account.to_owned()).or_default().push(play);
    }
}

/// `GET /v1/me/player/recently-played`, the newest first.
pub(crate) async fn recently_played(
    State(world): State<Arc<World>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let Some(account) = account(&world, "spotify", &headers) else {
        return refused(StatusCode::UNAUTHORIZED, "The access token expired");
    };
    if let Some(status) = world.count_api_call("spotify") {
        return busy(status);
    }
    let number = |name: &str| query.get(name).map(|text| text.parse::<i64>());
    let (after, before, limit) = (number("after"), number("before"), number("limit").unwrap_or(Ok(20)));
    let (Ok(after), Ok(before), Ok(limit @ 1..=50)) = (after.transpose(), before.transpose(), limit) else {
        return refused(StatusCode::BAD_REQUEST, "Invalid limit or cursor");
    };
    if after.is_some() && before.is_some() {
        return refused(StatusCode::BAD_REQUEST, "Only one of before or after may be specified");
    }
    let is_meant = |play: &&Play| {
        after.is_none_or(|after| play.at_ms > after) && before.is_none_or(|before| play.at_ms < before)
    };
    let plays = world.data().spotify.get(&account).cloned().unwrap_or_default();
    let remembered = plays.iter().rev().take(PLAYS_MAX);
    let meant: Vec<_> = remembered.filter(is_meant).take(limit as usize).collect();
    Json(page(&meant, limit)).into_response()
}

fn page(plays: &[&Play], limit: i64) -> Value {
    let cursors = plays.first().zip(plays.last()).map(
        |(newest, oldest)| json!({ "after": newest.at_ms.to_string(), "before": oldest.at_ms.to_string() }),
    );
    let items: Vec<_> = plays.iter().map(|play| item(play)).collect();
    json!({
        "items": items, "next": null, "cursors": cursors, "limit": limit,
        "href": "https://api.spotify.com/v1/me/player/recently-played",
    })
}

fn item(play: &Play) -> Value {
    let id = play.uri.rsplit(':').next().unwrap_or_default();
    let track = json!({
        "id": id, "uri": play.uri, "name": format!("Track {id}"), "type": "track", "duration_ms": 180_000,
        "artists": [{ "name": "The Stand-ins", "type": "artist" }], "explicit": false,
    });
    json!({ "track": track, "played_at": iso_millis(play.at_ms), "context": null })
}

fn busy(status: StatusCode) -> Response {
    let answer = refused(status, "API rate limit exceeded");
    match status {
        StatusCode::TOO_MANY_REQUESTS => ([(RETRY_AFTER, "30")], answer).into_response(),
        _ => answer,
    }
}

fn refused(status: StatusCode, message: &str) -> Response {
    let error = json!({ "error": { "status": status.as_u16(), "message": message } });
    (status, Json(error)).into_response()
}
