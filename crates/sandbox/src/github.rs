//! GitHub: what its users have done.
//!
//! Source: docs.github.com, "REST API endpoints for events".

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::accounts::account;
use crate::clock::iso_millis;
use crate::world::World;

/// Where everything happens.
const REPOSITORY: &str = "octocat/hello-world";

/// GitHub lists no more.
const EVENTS_MAX: usize = 300;

/// By account, the oldest first.
pub(crate) type Activities = HashMap<String, Vec<Value>>;

impl World {
    /// A user has done something in `octocat/hello-world`: `kind` is GitHub's, such as `PushEvent`. The event's id; in
    /// what the repository's hooks are told it is the number of the commit.
    pub fn act(&self, account: &str, kind: &str) -> String {
        let at = iso_millis(self.now() * 1_000).replace(".000Z", "Z");
        let mut data = self.data();
        let number: usize = data.github.values().map(Vec::len).sum();
        let id = (22_249_084_964 + number).to_string();
        let event = json!({
            "id": id, "type": kind, "actor": { "id": 583_231, "login": account, "display_login": account },
            "repo": { "id": 1_296_269, "name": REPOSITORY }, "public": true, "created_at": at,
            "payload": { "repository_id": 1_296_269, "push_id": number, "ref": "refs/heads/main", "head": "a", "before": "b" },
        });
        data.github.entry(account.to_owned()).or_default().push(event);
        drop(data);
        self.tell_hooks(REPOSITORY, account, kind, &id);
        id
    }
}

/// `GET /users/{username}/events`, the newest first.
pub(crate) async fn events(
    State(world): State<Arc<World>>,
    Path(user): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let Some(account) = account(&world, "github", &headers).filter(|_| headers.contains_key(USER_AGENT))
    else {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "message": "Bad credentials" }))).into_response();
    };
    if let Some(status) = world.count_api_call("github") {
        return limited(&world, status);
    }
    if account != user {
        return Json(json!([])).into_response();
    }
    let number = |name: &str, usual: usize| query.get(name).map_or(Ok(usual), |text| text.parse());
    let (Ok(size @ 1..=100), Ok(page @ 1..=100)) = (number("per_page", 30), number("page", 1)) else {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    };
    let all = world.data().github.get(&account).cloned().unwrap_or_default();
    let etag = format!("W/\"{}x{page}\"", all.len());
    let polled = [("x-poll-interval", "60")];
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known == etag.as_str()) {
        return (StatusCode::NOT_MODIFIED, polled, [(ETAG, etag)]).into_response();
    }
    let listed = all.into_iter().rev().take(EVENTS_MAX).skip((page - 1) * size).take(size);
    (polled, [(ETAG, etag)], Json(listed.collect::<Vec<_>>())).into_response()
}

/// A rate that is used up is told by these headers, with 403.
fn limited(world: &World, status: StatusCode) -> Response {
    let reset = (world.now() + 900).to_string();
    let body = Json(json!({ "message": "API rate limit exceeded" }));
    match status {
        StatusCode::FORBIDDEN => {
            let headers = [("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset)];
            (status, headers, body).into_response()
        }
        _ => (status, body).into_response(),
    }
}
