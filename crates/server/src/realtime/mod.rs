//! Live streams over HTTP: a WebSocket or server-sent events, with the same frames. The engine's hub does the rest.

mod sse;
mod websocket;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::{Json, body};
use domain::limits::EVENT_TYPES_PER_SUBSCRIPTION_MAX;
use domain::subscription::TypePattern;
use domain::{Timestamp, UserId};
use engine::limits::FRAME_BYTES_MAX;
use engine::realtime::{self, Bye, From, Gate, Grant, Hello};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::access::Bearer;
use crate::api::list::{Params, parsed};
use crate::app::App;
use crate::problem::{Problem, Result};
use crate::session;
use websocket::{Dialect, Handshake};

/// Who asks for a stream. All else is said in `hello`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SocketQuery {
    /// A key or token, for clients that cannot send a header and would rather not say it in `hello`.
    token: Option<String>,
}

/// Which events are streamed, and from where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsQuery {
    /// A cursor, `now` or `earliest`; `lastEventId` is the same, for clients that stand in for the browser's own.
    #[serde(alias = "lastEventId")]
    cursor: Option<String>,
    /// Types of events, as in subscriptions, with commas between.
    types: Option<String>,
    /// Whom the operator wants to see.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// A key or token, for clients that cannot send a header.
    token: Option<String>,
}

/// Whose messages are streamed, and from where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessagesQuery {
    /// A cursor, `now` or `earliest`.
    cursor: Option<String>,
    /// Whom the operator wants to see.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// A key or token, for clients that cannot send a header.
    token: Option<String>,
}

/// Who sends.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendQuery {
    /// For whom the operator sends.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
}

/// Stream events over a WebSocket
///
/// Frames are JSON texts of at most 64 KiB; the first is `hello`. See `docs/realtime.md`.
#[utoipa::path(get, path = "/api/realtime/ws", tag = "Realtime", params(SocketQuery), security(()),
    responses((status = 101, description = "The stream follows"), (status = 400, body = Problem),
        (status = 426, description = "This is no request for a WebSocket", body = Problem),
        (status = 429, description = "The user has too many streams", body = Problem),
        (status = 503, description = "There are too many streams here", body = Problem)))]
pub(crate) async fn open_socket(
    State(app): State<Arc<App>>,
    Params(query): Params<SocketQuery>,
    mut request: Request,
) -> Result<Response> {
    let handshake = Handshake::of(&mut request)?;
    let grant = admit(&app, request.headers(), query.token.as_deref()).await?;
    let place = app.engine.hub.place(grant.as_ref()).map_err(Problem::too_many_streams)?;
    let door = Door(Arc::clone(&app));
    Ok(handshake.accept(&app, Dialect::Frames, async move |wire| {
        place.greet(wire, &door, grant).await;
    }))
}

/// Stream events as server-sent events
///
/// `data` is the frame that a WebSocket would send, `id` its cursor. `Last-Event-ID` counts for more than `cursor`.
#[utoipa::path(get, path = "/api/realtime/sse", tag = "Realtime", params(EventsQuery),
    responses((status = 200, description = "The stream follows", content_type = "text/event-stream"),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 429, description = "The user has too many streams", body = Problem),
        (status = 503, description = "There are too many streams here", body = Problem)))]
pub(crate) async fn open_events(
    State(app): State<Arc<App>>,
    Params(query): Params<EventsQuery>,
    request: Request,
) -> Result<Response> {
    let headers = request.headers();
    let grant = admit(&app, headers, query.token.as_deref()).await?.ok_or_else(nobody)?;
    let last_seen = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("unreadable"));
    let hello = Hello {
        token: None,
        user: query.user_id,
        types: read_types(query.types.as_deref())?,
        from: From::read(
            last_seen.filter(|id| !id.is_empty()).or(query.cursor.as_deref()).unwrap_or_default(),
        ),
    };
    // Told now, since the answer has begun when the hub finds out.
    grant.scope(hello.user.clone(), Vec::new())?;
    let place = app.engine.hub.place(Some(&grant)).map_err(Problem::too_many_streams)?;
    Ok(sse::answer(&app, request.extensions(), place, grant, hello))
}

/// Stream messages alone over a WebSocket
///
/// Each is `{"type":"message:new","data":{…}}`; later kinds name the same message.
#[utoipa::path(get, path = "/ws/messages", tag = "Realtime", params(MessagesQuery),
    responses((status = 101, description = "The stream follows"), (status = 400, body = Problem),
        (status = 401, body = Problem),
        (status = 429, description = "The user has too many streams", body = Problem),
        (status = 503, description = "There are too many streams here", body = Problem)))]
pub(crate) async fn open_messages(
    State(app): State<Arc<App>>,
    Params(query): Params<MessagesQuery>,
    mut request: Request,
) -> Result<Response> {
    let grant = admit(&app, request.headers(), query.token.as_deref()).await?.ok_or_else(nobody)?;
    grant.scope(query.user_id.clone(), Vec::new())?;
    let handshake = Handshake::of(&mut request)?;
    let types = websocket::MESSAGES.iter().filter_map(|(event_type, _)| event_type.parse().ok()).collect();
    let from = From::read(query.cursor.as_deref().unwrap_or_default());
    let hello = Hello { token: None, user: query.user_id, types, from };
    let place = app.engine.hub.place(Some(&grant)).map_err(Problem::too_many_streams)?;
    let door = Door(Arc::clone(&app));
    Ok(handshake.accept(&app, Dialect::Messages, async move |wire| {
        place.serve(wire, &door, grant, hello).await;
    }))
}

/// A frame by which a client does something.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows")]
pub(crate) struct SentFrame {
    /// The client's own number for it.
    id: Option<u64>,
    /// What tells it from another. The same again within a day does nothing more.
    key: Option<String>,
    /// `message.send`, `read.mark` or `typing`.
    r#type: String,
    #[schema(value_type = Object)]
    data: Value,
}

/// What became of a frame.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownAck {
    /// Always `ack`.
    t: &'static str,
    /// The client's own number for it.
    id: Option<u64>,
    ok: bool,
    /// Where it is in the log.
    cursor: Option<String>,
    /// Where it is not `ok`: `{code, detail}`.
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
}

/// Send a message, mark a conversation as read, or say that somebody types
///
/// The frame that a WebSocket would carry; the answer is its `ack`.
#[utoipa::path(post, path = "/api/realtime/send", tag = "Realtime", request_body = SentFrame,
    params(SendQuery),
    responses((status = 200, body = ShownAck), (status = 400, body = Problem),
        (status = 503, description = "Nothing was kept: send it again", body = Problem)))]
pub(crate) async fn send_frame(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<SendQuery>,
    request: Request,
) -> Result<Json<Value>> {
    let user = access.narrow(query.user_id)?;
    let frame = body::to_bytes(request.into_body(), FRAME_BYTES_MAX).await;
    let frame = frame.map_err(|_| Problem::too_large(FRAME_BYTES_MAX))?;
    let send: realtime::Send = serde_json::from_slice(&frame)
        .map_err(|error| Problem::bad_request(format!("the body is no frame to send: {error}")))?;
    let ack = app.engine.hub.desk.take(user.as_ref(), None, send).await;
    match &ack.outcome {
        Err(refusal) if refusal.code == realtime::UNAVAILABLE => Err(Problem::unavailable()),
        _ => Ok(Json(ack.to_value())),
    }
}

/// What a request for a stream has shown: a bearer, a token in its address, or a browser's session from one of our
/// pages.
async fn admit(app: &App, headers: &HeaderMap, token: Option<&str>) -> Result<Option<Grant>> {
    let now = app.engine.clock.now();
    if let Some(token) = token.filter(|_| !headers.contains_key(http::header::AUTHORIZATION)) {
        return Ok(Some(app.doorkeeper.admit(token, now).await?.grant));
    }
    let has_bearer = headers.contains_key(http::header::AUTHORIZATION);
    if !has_bearer && session::check_origin(headers, app.base_url.as_deref()).is_err() {
        // Somebody else's page, which shows a token of its own or nothing.
        return Ok(None);
    }
    match app.doorkeeper.admit_headers(headers, now).await {
        Some(Ok(admitted)) => Ok(Some(admitted.grant)),
        // A session that has ended is no worse than none.
        Some(Err(problem)) if !has_bearer && problem.is_of_sender() => Ok(None),
        Some(Err(problem)) => Err(problem),
        None => Ok(None),
    }
}

fn nobody() -> Problem {
    Problem::unauthorized("send `Authorization: Bearer <key or token>`, or `?token=`")
}

fn read_types(types: Option<&str>) -> Result<Vec<TypePattern>> {
    let types = types.unwrap_or_default().split(',').map(str::trim).filter(|types| !types.is_empty());
    let types: Vec<TypePattern> = types
        .map(|types| types.parse().map_err(|error| Problem::bad_request(format!("types: {error}"))))
        .collect::<Result<_>>()?;
    if types.len() > EVENT_TYPES_PER_SUBSCRIPTION_MAX {
        let detail = format!("types: at most {EVENT_TYPES_PER_SUBSCRIPTION_MAX} of them");
        return Err(Problem::bad_request(detail));
    }
    Ok(types)
}

/// Tells the hub who shows a token.
struct Door(Arc<App>);

impl Gate for Door {
    async fn admit(&self, token: &str) -> Result<Grant, Bye> {
        let now: Timestamp = self.0.engine.clock.now();
        match self.0.doorkeeper.admit(token, now).await {
            Ok(admitted) => Ok(admitted.grant),
            Err(problem) if problem.is_of_sender() => Err(Bye::Unauthorized),
            // The client may come again, and ask another node.
            Err(_) => Err(Bye::Shutdown),
        }
    }
}
