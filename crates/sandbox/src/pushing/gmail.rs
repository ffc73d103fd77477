//! developers.google.com, the reference of `users.watch` and `users.stop`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::text;
use crate::accounts::{account, google_refusal};
use crate::world::World;

/// A watch of a mailbox.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Where its notices go.
    pub topic: String,
    /// When it ends, in seconds since the Unix epoch.
    pub until: i64,
    /// How often it was asked for.
    pub count: u32,
}

/// A watch lives for a week.
const LIVES_SECONDS: i64 = 7 * 86_400;

impl World {
    /// The watch of a mailbox, if it is still alive.
    #[must_use]
    pub fn watch_of(&self, mailbox: &str) -> Option<Watch> {
        self.pushing().data().watches.get(mailbox).filter(|watch| self.now() < watch.until).cloned()
    }

    /// Somebody else of the same project watches a mailbox.
    pub fn watch_elsewhere(&self, mailbox: &str, topic: &str) {
        let watch = Watch { topic: topic.to_owned(), until: self.now() + LIVES_SECONDS, count: 0 };
        self.pushing().data().watches.insert(mailbox.to_owned(), watch);
    }
}

fn bad_request(message: &str) -> Response {
    let error = json!({ "error": { "code": 400, "message": message, "status": "INVALID_ARGUMENT",
        "errors": [{ "message": message, "domain": "global", "reason": "invalidArgument" }] } });
    (StatusCode::BAD_REQUEST, Json(error)).into_response()
}

/// `POST /gmail/v1/users/me/watch`.
pub(crate) async fn watch(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let Some(mailbox) = account(&world, "gmail", &headers) else { return google_refusal() };
    let topic = text(&body, "topicName");
    if !topic.starts_with("projects/") || !topic.contains("/topics/") {
        return bad_request("Invalid topicName does not match projects/*/topics/*");
    }
    let current = world.watch_of(&mailbox);
    if current.as_ref().is_some_and(|watch| watch.topic != topic) {
        return bad_request(
            "Only one user push notification client allowed per developer (call /stop then try again)",
        );
    }
    let until = world.now() + LIVES_SECONDS;
    let count = current.map_or(0, |watch| watch.count) + 1;
    let watch = Watch { topic: topic.to_owned(), until, count };
    world.pushing().data().watches.insert(mailbox.clone(), watch);
    // "If the request is successful, a notification is sent immediately."
    world.tell_of_mailbox(&mailbox);
    Json(json!({ "historyId": "1000", "expiration": (until * 1_000).to_string() })).into_response()
}

/// `POST /gmail/v1/users/me/stop`.
pub(crate) async fn stop(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    let Some(mailbox) = account(&world, "gmail", &headers) else { return google_refusal() };
    world.pushing().data().watches.remove(&mailbox);
    StatusCode::NO_CONTENT.into_response()
}
