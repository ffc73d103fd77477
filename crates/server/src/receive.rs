//! HTTP in: a provider's request, bounded, becomes a [`RawRequest`], and what became of it an answer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Json};
use bytes::{Bytes, BytesMut};
use domain::UserId;
use engine::ingest::{Read, Refused};
use futures::FutureExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use percent_encoding::percent_decode_str;
use providers::{Provider, RawRequest, Refusal, Reply, Unreadable};
use serde::Serialize;
use store::KeptEvent;
use utoipa::ToSchema;

use crate::app::App;
use crate::inflate::inflate;
use crate::limit::{Caller, Door};
use crate::problem::{Problem, Result, UNREADABLE};
use crate::reject::{self, Visit};

/// How long a sender may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// What a sender is told about its event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// `accepted`, or `duplicate` for one that is known.
    #[schema(example = "accepted")]
    pub(crate) status: &'static str,
    /// The event that is kept; for a duplicate, the first.
    #[schema(value_type = String, example = "evt_019aa6b0c7d07b3e8f3c5a1d2e4f6071")]
    pub(crate) event_id: domain::EventId,
}

impl From<KeptEvent> for Accepted {
    fn from(kept: KeptEvent) -> Self {
        Self { status: if kept.is_new { "accepted" } else { "duplicate" }, event_id: kept.id }
    }
}

/// What became of a provider's request that was not refused.
enum Received {
    /// Its events are durable, and all that they owe; this is the first.
    Kept(KeptEvent),
    Reply(Reply),
    Ignored(Reply, Unreadable),
}

/// A request that has come in on a provider's route.
pub(crate) struct Arrival {
    pub(crate) provider: &'static dyn Provider,
    /// The user in its path, as it stands there.
    user: Option<String>,
    peer: SocketAddr,
    pub(crate) uri: Uri,
    body: Incoming,
    pub(crate) request: RawRequest,
}

impl Arrival {
    pub(crate) fn new(
        provider: &'static dyn Provider,
        user: Option<String>,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Self {
        let (Parts { method, uri, headers, .. }, body) = request.into_parts();
        let request = RawRequest { method, headers, ..RawRequest::post(String::new(), Bytes::new()) };
        Self { provider, user, peer, uri, body, request }
    }

    /// Lets go of what lies in the connection's buffer. Where nothing is left there, the next request is read into it.
    fn let_go(&mut self) {
        self.uri = Uri::default();
        self.request = RawRequest::post(String::new(), Bytes::new());
    }
}

/// Takes in what a provider sends.
pub(crate) async fn receive(app: &App, arrival: &mut Arrival) -> Response {
    let provider = arrival.provider;
    let caller = caller(app, arrival.peer, &arrival.request.headers, Door::Provider(provider.name()));
    let received = try_receive(app, arrival, &caller).await;
    let result = match &received {
        Ok(Received::Kept(kept)) if kept.is_new => "accepted",
        Ok(Received::Kept(_)) => "duplicate",
        Ok(Received::Reply(_)) => "reply",
        Ok(Received::Ignored(..)) => "ignored",
        Err(_) => "refused",
    };
    app.metrics.count_event(provider.name(), result);
    let visit = || Visit {
        route: arrival.uri.path(),
        source: Some(provider.name()),
        kind: provider.name(),
        address: caller.address,
        headers: &arrival.request.headers,
        body: &arrival.request.body,
        secret_header: None,
    };
    let mut response = match received {
        Ok(Received::Kept(kept)) => match provider.reply_to_kept() {
            Some(reply) => answer(reply),
            None => Json(Accepted::from(kept)).into_response(),
        },
        Ok(Received::Reply(reply)) => answer(reply),
        Ok(Received::Ignored(reply, unreadable)) => {
            tracing::warn!(provider = provider.name(), %unreadable, "a genuine request was ignored");
            reject::note(app, &visit(), UNREADABLE, &unreadable.to_string());
            answer(reply)
        }
        Err(problem) => {
            if problem.is_of_sender() {
                reject::note(app, &visit(), problem.code(), problem.detail());
            }
            let final_refusal = provider.final_refusal().filter(|_| problem.is_final());
            let mut response = problem.into_response();
            response.headers_mut().extend(final_refusal);
            response
        }
    };
    caller.tell(response.headers_mut());
    response
}

/// Answers a provider that asks, before it sends anything, whether we want it.
pub(crate) async fn confirm(app: &App, arrival: &Arrival) -> Response {
    let provider = arrival.provider;
    let caller = caller(app, arrival.peer, &arrival.request.headers, Door::Provider(provider.name()));
    let asked = async {
        let _place = caller.enter()?;
        let user = user_id(arrival.user.as_deref())?;
        let query = arrival.uri.query().unwrap_or_default();
        let reply = app.engine.intake.confirm(provider, user.as_ref(), query).await?;
        reply.ok_or_else(|| Problem::not_found("request to this hub"))
    };
    asked.await.map_or_else(IntoResponse::into_response, answer)
}

async fn try_receive(app: &App, arrival: &mut Arrival, caller: &Caller) -> Result<Received> {
    let _place = caller.enter()?;
    let user = user_id(arrival.user.as_deref())?;
    match read(app, arrival, user.as_ref(), caller).await? {
        Read::Events(unkept) => {
            arrival.let_go();
            Ok(Received::Kept(app.engine.intake.keep(unkept).await?))
        }
        Read::Reply(reply) => Ok(Received::Reply(reply)),
        Read::Ignored(reply, unreadable) => Ok(Received::Ignored(reply, unreadable)),
    }
}

async fn read(app: &App, arrival: &mut Arrival, user: Option<&UserId>, caller: &Caller) -> Result<Read> {
    let Arrival { provider, body, request, .. } = arrival;
    let bytes_max = provider.body_bytes_max().unwrap_or(app.inbound.body_bytes_max);
    request.body = read_inbound(caller, &request.headers, body, bytes_max).await?;
    request.inflated = inflate(&request.headers, &request.body, bytes_max).await?;
    let intake = &app.engine.intake;
    let mut read = intake.read(*provider, user, request).await;
    if let Err(Refused::Unverified(Refusal::BadSignature)) = read
        && let Some(inflated) = request.inflated.take()
    {
        // Some sign what they say, and leave it to something on the way to compress it.
        request.body = inflated;
        read = Box::pin(intake.read(*provider, user, request)).await;
    }
    Ok(read?)
}

/// The user whom an address names.
fn user_id(named: Option<&str>) -> Result<Option<UserId>> {
    let Some(named) = named else { return Ok(None) };
    let user = percent_decode_str(named).decode_utf8().map_err(|_| Problem::not_found("route"))?;
    user.parse().map(Some).map_err(|error: domain::event::NotAUserId| Problem::bad_request(error.to_string()))
}

/// Who has come to `door`: the peer, or whom our own proxies name.
pub(crate) fn caller(app: &App, peer: SocketAddr, headers: &HeaderMap, door: Door) -> Caller {
    let address = forwarded_for(headers, app.inbound.trusted_proxy_depth).unwrap_or(peer.ip());
    app.limits.inbound(address, door)
}

/// The address that the outermost of `depth` proxies saw. Whatever stands to the left of it was written by strangers.
fn forwarded_for(headers: &HeaderMap, depth: usize) -> Option<IpAddr> {
    let named = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let named: Vec<&str> = named.flat_map(|value| value.split(',')).map(str::trim).collect();
    let index = named.len().checked_sub(depth)?;
    named.get(index).filter(|_| depth > 0)?.parse().ok()
}

/// Reads a body as [`read_body`] does. One that does not come at once takes a place of its sender's.
pub(crate) async fn read_inbound(
    caller: &Caller,
    headers: &HeaderMap,
    body: impl hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    bytes_max: usize,
) -> Result<Bytes> {
    let mut reading = std::pin::pin!(read_all(headers, body, bytes_max));
    // Most bodies come with their heads, and cost nothing here.
    if let Some(read) = reading.as_mut().now_or_never() {
        return read;
    }
    let _place = caller.wait_for_body()?;
    within(BODY_TIMEOUT, reading).await
}

/// Reads a body that may be `bytes_max` long and take [`BODY_TIMEOUT`] to come.
pub(crate) async fn read_body(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes> {
    within(BODY_TIMEOUT, read_all(headers, body, bytes_max)).await
}

async fn within(allowed: Duration, reading: impl Future<Output = Result<Bytes>>) -> Result<Bytes> {
    tokio::time::timeout(allowed, reading).await.unwrap_or_else(|_| {
        let detail = format!("the body did not come within {} s", allowed.as_secs());
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail))
    })
}

async fn read_all(
    headers: &HeaderMap,
    body: impl hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    bytes_max: usize,
) -> Result<Bytes> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|length| length.parse().ok()).is_some_and(|length: u64| length > bytes_max as u64) {
        return Err(Problem::too_large(bytes_max));
    }
    let mut body = Limited::new(body, bytes_max);
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
            true => Problem::too_large(bytes_max),
            false => Problem::bad_request(format!("the body broke off: {error}")),
        })?;
        let Ok(data) = frame.into_data() else { continue };
        // Most come in one piece, and stay where they are.
        if read.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

fn answer(reply: Reply) -> Response {
    (reply.status, [(CONTENT_TYPE, reply.content_type)], reply.body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
        let never = || Body::from_stream(futures::stream::pending::<std::io::Result<Bytes>>());
        let read = within(Duration::ZERO, read_all(&HeaderMap::new(), never(), 10)).await;
        assert_eq!(read.unwrap_err().code(), "body_timeout");
        let long: HeaderMap = [(CONTENT_LENGTH, "11".parse().unwrap())].into_iter().collect();
        let read = within(Duration::ZERO, read_all(&long, never(), 10)).await;
        assert_eq!(read.unwrap_err().code(), "payload_too_large", "nobody waits for what is too much");
        assert_eq!(read_body(&HeaderMap::new(), Body::from("0123456789"), 10).await.unwrap().len(), 10);
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_read_whole_and_no_further_than_it_may_be_long() {
        let pieces = || ["012", "", "345", "6789"].map(|piece| std::io::Result::Ok(Bytes::from(piece)));
        let body = || Body::from_stream(futures::stream::iter(pieces()));
        let read = read_body(&HeaderMap::new(), body(), 10).await;
        assert_eq!(read.unwrap(), "0123456789");
        let read = read_body(&HeaderMap::new(), body(), 9).await;
        assert_eq!(read.unwrap_err().code(), "payload_too_large");
    }

    #[test]
    fn forwarding_headers_count_from_the_right_and_only_when_trusted() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "6.6.6.6, 203.0.113.7".parse().unwrap());
        headers.append("x-forwarded-for", "10.0.0.2".parse().unwrap());
        assert_eq!(forwarded_for(&headers, 0), None);
        assert_eq!(forwarded_for(&headers, 1), Some([10, 0, 0, 2].into()));
        assert_eq!(forwarded_for(&headers, 2), Some([203, 0, 113, 7].into()));
        assert_eq!(forwarded_for(&headers, 9), None);
    }
}
