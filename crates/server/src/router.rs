//! Every route, on one page.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::Either;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use hyper::body::Incoming;
use providers::Provider;
use tower::Service as _;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi as Document;

use crate::api::{
    catalogue, connections, conversations, deliveries, emails, events, health, jobs, keys, messages, oauth,
    preview, publish, queues, receivers, recovery, registrations, rejections, rotation, senders, sessions,
    sources, statistics, subscriptions, trial,
};
use crate::app::App;
use crate::connections::HangUp;
use crate::custom::receive_custom;
use crate::limit::tell_standing;
use crate::pages;
use crate::problem::Problem;
use crate::realtime;
use crate::receive::{Arrival, confirm, receive};
use crate::resources::{Resources, routes};

/// Answers every request.
///
/// Those of providers are the many, and are told apart by their path alone: a router would box each of them several
/// times.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    app: Arc<App>,
    others: Router,
}

impl Entrance {
    pub(crate) fn new(app: Arc<App>) -> Self {
        let others = router().with_state(Arc::clone(&app));
        Self { app, others }
    }

    /// Answers what has come from `peer`, over a connection that can be hung up.
    ///
    /// Each connection has room for this future as long as it is open. So what comes is in it once, whoever works with it
    /// borrows it, and what is rarely waited for is boxed.
    pub(crate) fn answer(
        mut self,
        peer: SocketAddr,
        hang_up: HangUp,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Response> {
        if let Some((provider, user)) = provider_at(request.uri().path()) {
            let user = user.map(str::to_owned);
            let mut arrival = Arrival::new(provider, user, peer, request);
            return Either::Left(async move { answer_provider(&self.app, &mut arrival).await });
        }
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(hang_up);
        let answer = self.others.call(request.map(Body::new));
        Either::Right(answer.map(|answer| answer.unwrap_or_else(|never| match never {})))
    }
}

async fn answer_provider(app: &App, arrival: &mut Arrival) -> Response {
    let asks_first = arrival.provider.asks_first();
    match arrival.request.method {
        Method::POST => receive(app, arrival).await,
        Method::GET if asks_first => Box::pin(confirm(app, arrival)).await,
        _ => {
            let allowed = if asks_first { "GET,POST" } else { "POST" };
            let refusal = refuse_method(&arrival.request.method, &arrival.uri);
            ([(ALLOW, allowed)], refusal).into_response()
        }
    }
}

/// The provider that sends to `path`, and the user in it, as it stands there. There are two addresses for each:
/// `/webhooks/…` is what senders were often told.
fn provider_at(path: &str) -> Option<(&'static dyn Provider, Option<&str>)> {
    let rest = path.strip_prefix("/api").unwrap_or(path).strip_prefix("/webhooks")?;
    providers::ALL.iter().find_map(|provider| {
        provider.paths().iter().find_map(|template| match template.strip_suffix("{user}") {
            Some(before) => {
                let user =
                    rest.strip_prefix(before).filter(|user| !user.is_empty() && !user.contains('/'))?;
                Some((*provider, Some(user)))
            }
            None => (rest == *template).then_some((*provider, None)),
        })
    })
}

/// What describes itself in the document.
fn resources() -> Resources {
    Resources::new()
        .merge(events())
        .merge(subscriptions())
        .merge(sources())
        .merge(deliveries())
        .merge(jobs())
        .merge(connections())
        .merge(inbox())
        .merge(queues())
        .merge(realtime())
        .merge(access())
        .merge(operation())
}

fn router() -> Router<Arc<App>> {
    resources()
        .served()
        .route_layer(middleware::from_fn(tell_standing))
        .merge(dashboard())
        .route("/in/{token}", get(receive_custom).post(receive_custom))
        .route("/docs", get(pages::reference))
        .route("/docs/{asset}", get(pages::asset))
        .route("/openapi.json", get(read_document))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
}

/// The document. It is megabytes until it is written, and few ask for it: it is made for the first of them.
async fn read_document() -> Response {
    static WRITTEN: LazyLock<Bytes> =
        LazyLock::new(|| serde_json::to_vec(&document()).expect("it is plain data").into());
    ([(CONTENT_TYPE, "application/json")], WRITTEN.clone()).into_response()
}

fn document() -> Document {
    pages::with_providers(resources().described_in(pages::Api::openapi()))
}

fn events() -> Resources {
    Resources::new()
        .routes(routes!(events::list_events, publish::publish_events))
        .routes(routes!(events::read_event))
        .routes(routes!(events::read_raw_event))
        .routes(routes!(recovery::resend_event))
        .routes(routes!(events::read_stats))
}

fn subscriptions() -> Resources {
    Resources::new()
        .routes(routes!(subscriptions::list_subscriptions, subscriptions::create_subscription))
        .routes(routes!(receivers::list_receivers))
        .routes(routes!(
            subscriptions::read_subscription,
            subscriptions::change_subscription,
            subscriptions::delete_subscription
        ))
        .routes(routes!(trial::test_subscription))
        .routes(routes!(rotation::rotate_secret))
        .routes(routes!(preview::preview_request))
        .routes(routes!(deliveries::list_subscription_deliveries))
        .routes(routes!(recovery::replay_events))
        .routes(routes!(catalogue::list_event_types, catalogue::create_event_type))
        .routes(routes!(catalogue::delete_event_type))
}

fn sources() -> Resources {
    Resources::new()
        .routes(routes!(sources::list_sources, sources::create_source))
        .routes(routes!(sources::read_source, sources::change_source, sources::delete_source))
        .routes(routes!(sources::rotate_source_url))
        .routes(routes!(senders::list_senders))
}

fn deliveries() -> Resources {
    Resources::new()
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(deliveries::read_delivery))
        .routes(routes!(deliveries::retry_delivery))
        .routes(routes!(deliveries::cancel_delivery))
        .routes(routes!(recovery::change_deliveries))
        .routes(routes!(statistics::read_statistics))
}

fn jobs() -> Resources {
    Resources::new()
        .routes(routes!(jobs::list_jobs))
        .routes(routes!(jobs::read_job))
        .routes(routes!(jobs::cancel_job))
}

fn connections() -> Resources {
    Resources::new()
        .routes(routes!(connections::list_connections, connections::create_connection))
        .routes(routes!(
            connections::read_connection,
            connections::change_connection,
            connections::delete_connection
        ))
        .routes(routes!(registrations::create_registration))
        .routes(routes!(registrations::delete_registration))
        .routes(routes!(registrations::list_registrations))
        .routes(routes!(connections::sync_connection))
        .routes(routes!(oauth::start_authorization))
        .routes(routes!(oauth::finish_authorization))
}

fn inbox() -> Resources {
    Resources::new()
        .routes(routes!(conversations::list_conversations, conversations::create_conversation))
        .routes(routes!(conversations::read_conversation, conversations::change_conversation))
        .routes(routes!(conversations::mark_conversation))
        .routes(routes!(messages::list_messages, messages::post_message))
        .routes(routes!(messages::change_message))
        .routes(routes!(emails::list_emails))
        .routes(routes!(emails::read_email))
        .routes(routes!(emails::fetch_emails))
}

fn queues() -> Resources {
    Resources::new()
        .routes(routes!(queues::pull_events))
        .routes(routes!(queues::complete_event))
        .routes(routes!(queues::fail_event))
        .routes(routes!(queues::extend_lease))
}

fn realtime() -> Resources {
    Resources::new()
        .routes(routes!(realtime::open_socket))
        .routes(routes!(realtime::open_events))
        .routes(routes!(realtime::open_messages))
        .routes(routes!(realtime::send_frame))
}

fn access() -> Resources {
    Resources::new()
        .routes(routes!(keys::list_keys, keys::create_key))
        .routes(routes!(keys::delete_key))
        .routes(routes!(keys::create_token))
        .routes(routes!(sessions::begin_session, sessions::end_session))
}

fn operation() -> Resources {
    Resources::new()
        .routes(routes!(rejections::list_rejections))
        .routes(routes!(health::read_health))
        .routes(routes!(health::read_readiness))
        .routes(routes!(health::read_liveness))
        .routes(routes!(health::read_metrics))
}

/// The pages of the dashboard, which are all one document, and what they are made of.
fn dashboard() -> Router<Arc<App>> {
    let pages = dashboard::ROUTES.iter();
    let router = pages.fold(Router::new(), |router, path| router.route(path, get(pages::dashboard)));
    let portal = dashboard::PORTAL_ROUTES.iter();
    let router = portal.fold(router, |router, path| router.route(path, get(pages::portal)));
    let router = router.route(dashboard::SIGN_IN, get(sessions::sign_in));
    let assets = dashboard::assets().filter(|asset| asset.path != dashboard::page().path);
    assets.fold(router, |router, asset| {
        let handler = async move |headers: HeaderMap| pages::embedded(asset, &headers);
        router.route(&format!("/{}", asset.path), get(handler))
    })
}

async fn no_route(uri: Uri) -> Response {
    Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is nothing at {}", uri.path()))
        .into_response()
}

async fn no_method(method: Method, uri: Uri) -> Response {
    refuse_method(&method, &uri)
}

fn refuse_method(method: &Method, uri: &Uri) -> Response {
    let detail = format!("{method} is not for {}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_keeps_little_room_for_the_request_that_it_answers() {
        fn room<F>(_: impl FnOnce(Entrance, SocketAddr, HangUp, Request<Incoming>) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = room(Entrance::answer);
        assert!(bytes <= 2_048, "it is {bytes} bytes: what is rarely waited for belongs in a box");
    }
}
