//! YouTube: what a channel has published and liked.
//!
//! Source: the references of `channels.list` and `playlistItems.list`, and "Quota and compliance audits".

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::accounts::{account, google_refusal};
use crate::clock::iso_millis;
use crate::world::World;

/// By playlist, the newest last.
pub(crate) type Playlists = HashMap<String, Vec<Value>>;

impl World {
    /// A channel publishes a video.
    pub fn publish_video(&self, channel: &str, video: &str) {
        self.add_to_playlist(&uploads(channel), channel, channel, video);
        self.tell_subscribers(channel, video);
    }

    /// Whoever has a channel likes somebody's video.
    pub fn like_video(&self, channel: &str, video: &str) {
        self.add_to_playlist(&likes(channel), channel, "UCsomebody", video);
    }

    fn add_to_playlist(&self, playlist: &str, channel: &str, owner: &str, video: &str) {
        let at = iso_millis(self.now() * 1_000).replace(".000Z", "Z");
        let item = json!({
            "kind": "youtube#playlistItem", "etag": video, "id": format!("{playlist}.{video}"),
            "snippet": {
                "publishedAt": at, "channelId": channel, "title": format!("Video {video}"), "playlistId": playlist,
                "videoOwnerChannelId": owner, "resourceId": { "kind": "youtube#video", "videoId": video },
            },
            "contentDetails": { "videoId": video, "videoPublishedAt": at },
        });
        self.data().youtube.entry(playlist.to_owned()).or_default().push(item);
    }
}

fn uploads(channel: &str) -> String {
    format!("UU{}", channel.trim_start_matches("UC"))
}

fn likes(channel: &str) -> String {
    format!("LL{}", channel.trim_start_matches("UC"))
}

/// `GET /youtube/v3/channels`.
pub(crate) async fn channels(
    State(world): State<Arc<World>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let Some(channel) = account(&world, "youtube", &headers) else { return google_refusal() };
    let part = query.get("part").map(String::as_str);
    if query.get("mine").map(String::as_str) != Some("true") || part.is_none() {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let mut item = json!({ "kind": "youtube#channel", "etag": "e", "id": channel });
    if part.is_some_and(|part| part.contains("contentDetails")) {
        let lists = json!({ "uploads": uploads(&channel), "likes": likes(&channel) });
        item["contentDetails"] = json!({ "relatedPlaylists": lists });
    }
    let page = json!({ "totalResults": 1, "resultsPerPage": 5 });
    let body =
        json!({ "kind": "youtube#channelListResponse", "etag": "e", "pageInfo": page, "items": [item] });
    Json(body).into_response()
}

/// `GET /youtube/v3/playlistItems`, the newest first. A list that has never had anything in it is not there.
pub(crate) async fn playlist_items(
    State(world): State<Arc<World>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if account(&world, "youtube", &headers).is_none() {
        return google_refusal();
    }
    match world.count_api_call("youtube") {
        Some(StatusCode::FORBIDDEN) => return refused(StatusCode::FORBIDDEN, "quotaExceeded"),
        Some(status) => return refused(status, "backendError"),
        None => {}
    }
    let field = |name: &str| query.get(name).map(String::as_str);
    let known = world.data().youtube.get(field("playlistId").unwrap_or_default()).cloned();
    let Some(items) = known else { return refused(StatusCode::NOT_FOUND, "playlistNotFound") };
    let size = field("maxResults").map_or(Ok(5), str::parse).unwrap_or_default();
    let from = field("pageToken").map_or(Ok(0), str::parse).unwrap_or(usize::MAX);
    if !(1..=50).contains(&size) || from > items.len() {
        return refused(StatusCode::BAD_REQUEST, "invalidPageToken");
    }
    let etag = format!("\"{}x{from}\"", items.len());
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known == etag.as_str()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let page: Vec<_> = items.iter().rev().skip(from).take(size).collect();
    let mut body = json!({ "kind": "youtube#playlistItemListResponse", "etag": etag, "items": page });
    if from + size < items.len() {
        body["nextPageToken"] = (from + size).to_string().into();
    }
    ([(ETAG, etag)], Json(body)).into_response()
}

fn refused(status: StatusCode, reason: &str) -> Response {
    let code = status.as_u16();
    let errors = json!([{ "message": "No.", "domain": "youtube", "reason": reason }]);
    (status, Json(json!({ "error": { "code": code, "message": "No.", "errors": errors } }))).into_response()
}
