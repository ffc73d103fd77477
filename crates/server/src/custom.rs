//! HTTP in at a custom source: `/in/{token}`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use engine::sources::{Read, Refused, Source};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use providers::scheme::Answer;
use providers::{RawRequest, Refusal};
use store::KeptEvent;

use crate::access::digest;
use crate::app::App;
use crate::inflate::inflate;
use crate::limit::{Caller, Door};
use crate::problem::{Problem, Result};
use crate::receive::{Accepted, caller, read_inbound};
use crate::reject::{self, Visit};

/// Bytes of a token; ours are far below. A longer one is not worth a digest.
const TOKEN_BYTES_MAX: usize = 128;

/// What became of a request.
enum Received {
    Kept(KeptEvent, Option<Answer>),
    Met(Answer),
}

/// Receive at a custom source
///
/// Checked as the source says. A handshake is answered as its sender wants it, by GET too.
#[utoipa::path(post, path = "/in/{token}", tag = "Receiving", operation_id = "receive_custom",
    params(("token" = String, Path, description = "The last part of the source's URL")),
    request_body(content = (), description = "As the sender sends it"), security(()),
    responses(
        (status = 200, description = "Kept, or known already; some senders want an answer of their own", body = Accepted),
        (status = 400, description = "Genuine, and not readable", body = Problem),
        (status = 401, description = "The signature is missing or wrong", body = Problem),
        (status = 403, description = "It comes from an address that is not on the source's list", body = Problem),
        (status = 404, description = "There is no such source", body = Problem),
        (status = 413, description = "Too large", body = Problem),
        (status = 429, description = "Too many requests", body = Problem),
        (status = 503, description = "Nothing was kept: send it again", body = Problem),
    ))]
pub(crate) async fn receive_custom(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let source = Some(&token).filter(|token| token.len() <= TOKEN_BYTES_MAX);
    let source = source.and_then(|token| app.engine.sources.at(&digest(token)));
    let mut request = RawRequest {
        method: parts.method.clone(),
        headers: std::mem::take(&mut parts.headers),
        ..RawRequest::post(String::new(), Bytes::new())
    };
    let door = source.as_ref().map_or(Door::Unknown, |source| Door::Source(source.id));
    let caller = caller(&app, peer, &request.headers, door);
    let received = match &source {
        Some(source) => try_receive(&app, source, &caller, (parts, body), &mut request).await,
        None => caller.enter().and_then(|_| Err(Problem::not_found("source"))),
    };
    let kind = source.as_ref().map_or("unknown", |source| source.sender_name());
    let (result, mut answer) = match received {
        Ok(Received::Kept(kept, answer)) => {
            let result = if kept.is_new { "accepted" } else { "duplicate" };
            (result, answer.map_or_else(|| Json(Accepted::from(kept)).into_response(), answered))
        }
        Ok(Received::Met(answer)) => ("reply", answered(answer)),
        Err(problem) => {
            if problem.is_of_sender() {
                note(&app, source.as_deref(), kind, caller.address, &request, &problem);
            }
            ("refused", problem.into_response())
        }
    };
    app.metrics.count_event(kind, result);
    caller.tell(answer.headers_mut());
    answer
}

async fn try_receive(
    app: &App,
    source: &Source,
    caller: &Caller,
    arrived: (Parts, Body),
    request: &mut RawRequest,
) -> Result<Received> {
    let _place = caller.enter()?;
    check_address(source, caller.address)?;
    match read(app, source, caller, arrived, request).await? {
        Read::Event(unkept) => {
            // It is not held while the event waits to be kept.
            *request = RawRequest::post(String::new(), Bytes::new());
            let (kept, answer) = app.engine.sources.keep(unkept).await?;
            Ok(Received::Kept(kept, answer))
        }
        Read::Met(answer) => Ok(Received::Met(answer)),
    }
}

async fn read(
    app: &App,
    source: &Source,
    caller: &Caller,
    (parts, body): (Parts, Body),
    request: &mut RawRequest,
) -> Result<Read> {
    request.url = known_url(app, source, &parts, &request.headers);
    let bytes_max = app.inbound.body_bytes_max;
    request.body = read_inbound(caller, &request.headers, body, bytes_max).await?;
    request.inflated = inflate(&request.headers, &request.body, bytes_max).await?;
    let sources = &app.engine.sources;
    let mut read = sources.read(source, request).await;
    if let Err(Refused::Unverified(Refusal::BadSignature | Refusal::OtherBody)) = read
        && let Some(inflated) = request.inflated.take()
    {
        // Some sign what they say, and leave it to something on the way to compress it.
        request.body = inflated;
        read = Box::pin(sources.read(source, request)).await;
    }
    Ok(read?)
}

fn check_address(source: &Source, address: IpAddr) -> Result<()> {
    let (allowed, address) = (&source.terms.allow_ips, address.to_canonical());
    if allowed.is_empty() || allowed.iter().any(|net| net.contains(&address)) {
        return Ok(());
    }
    let detail = format!("{address} is not among the addresses that this source takes requests from");
    Err(Problem::new(StatusCode::FORBIDDEN, "not_allowed", detail))
}

/// The URL as the sender knows it, with the query that came in: some sign it.
fn known_url(app: &App, source: &Source, parts: &Parts, headers: &HeaderMap) -> String {
    let registered = match &source.terms.public_url {
        Some(url) => url.split(['?', '#']).next().unwrap_or(url).to_owned(),
        None => format!("{}{}", app.base_url(headers), parts.uri.path()),
    };
    match parts.uri.query() {
        Some(query) => format!("{registered}?{query}"),
        None => registered,
    }
}

fn note(
    app: &App,
    source: Option<&Source>,
    kind: &'static str,
    address: IpAddr,
    request: &RawRequest,
    problem: &Problem,
) {
    let place = source.map(|source| source.id.to_string());
    let visit = Visit {
        // The token opens the source, so it is named by its id.
        route: &format!("/in/{}", place.as_deref().unwrap_or("(unknown)")),
        source: place.as_deref(),
        kind,
        address,
        headers: &request.headers,
        body: &request.body,
        secret_header: source.and_then(|source| source.terms.verification()?.secret_header()),
    };
    reject::note(app, &visit, problem.code(), problem.detail());
}

fn answered(answer: Answer) -> Response {
    let mut response = (answer.status, answer.body).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    if let Some(media_type) = answer.content_type.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(CONTENT_TYPE, media_type);
    }
    // What a sender has us echo must never be run by a browser.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    response
}
