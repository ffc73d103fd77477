//! Every route, on one page.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use http::{HeaderMap, Method, StatusCode, Uri};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::{
    catalogue, connections, conversations, deliveries, emails, events, health, jobs, keys, messages, oauth,
    preview, publish, queues, receivers, recovery, registrations, rejections, rotation, sessions, sources,
    statistics, subscriptions, trial,
};
use crate::app::App;
use crate::custom::receive_custom;
use crate::limit::tell_standing;
use crate::pages;
use crate::problem::Problem;
use crate::realtime;
use crate::receive::{confirm, receive};

/// All routes, and the document that describes them.
pub(crate) fn routes() -> (Router<Arc<App>>, Document) {
    let (api, document) = OpenApiRouter::with_openapi(pages::Api::openapi())
        // Events
        .routes(routes!(events::list_events, publish::publish_events))
        .routes(routes!(events::read_event))
        .routes(routes!(events::read_raw_event))
        .routes(routes!(recovery::resend_event))
        .routes(routes!(events::read_stats))
        // Subscriptions
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
        // Sources
        .routes(routes!(sources::list_sources, sources::create_source))
        .routes(routes!(sources::read_source, sources::change_source, sources::delete_source))
        .routes(routes!(sources::rotate_source_url))
        .routes(routes!(sources::list_senders))
        // Deliveries
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(deliveries::read_delivery))
        .routes(routes!(deliveries::retry_delivery))
        .routes(routes!(deliveries::cancel_delivery))
        .routes(routes!(recovery::change_deliveries))
        .routes(routes!(statistics::read_statistics))
        // Jobs
        .routes(routes!(jobs::list_jobs))
        .routes(routes!(jobs::read_job))
        .routes(routes!(jobs::cancel_job))
        // Connections
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
        // Inbox
        .routes(routes!(conversations::list_conversations, conversations::create_conversation))
        .routes(routes!(conversations::read_conversation, conversations::change_conversation))
        .routes(routes!(conversations::mark_conversation))
        .routes(routes!(messages::list_messages, messages::post_message))
        .routes(routes!(messages::change_message))
        .routes(routes!(emails::list_emails))
        .routes(routes!(emails::read_email))
        .routes(routes!(emails::fetch_emails))
        // Queues
        .routes(routes!(queues::pull_events))
        .routes(routes!(queues::complete_event))
        .routes(routes!(queues::fail_event))
        .routes(routes!(queues::extend_lease))
        // Realtime
        .routes(routes!(realtime::open_socket))
        .routes(routes!(realtime::open_events))
        .routes(routes!(realtime::open_messages))
        .routes(routes!(realtime::send_frame))
        // Access
        .routes(routes!(keys::list_keys, keys::create_key))
        .routes(routes!(keys::delete_key))
        .routes(routes!(keys::create_token))
        .routes(routes!(sessions::begin_session, sessions::end_session))
        // Operation
        .routes(routes!(rejections::list_rejections))
        .routes(routes!(health::read_health))
        .routes(routes!(health::read_readiness))
        .routes(routes!(health::read_liveness))
        .routes(routes!(health::read_metrics))
        .split_for_parts();
    let document = pages::with_providers(document);
    let openapi = document.clone();
    let router = api
        .route_layer(middleware::from_fn(tell_standing))
        .merge(providers())
        .merge(dashboard())
        .route("/in/{token}", get(receive_custom).post(receive_custom))
        .route("/docs", get(pages::reference))
        .route("/docs/{asset}", get(pages::asset))
        .route("/openapi.json", get(async move || Json(openapi.clone())))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method);
    (router, document)
}

/// The routes of the providers, at two addresses: `/webhooks/…` is what senders were often told.
///
/// They are written out rather than nested, and no layer lies around the router: both would rewrite or box every request
/// again, and these requests are the many.
fn providers() -> Router<Arc<App>> {
    let mut router = Router::new();
    for &provider in providers::ALL {
        let handler =
            async move |State(app): State<Arc<App>>, request: Request| receive(app, provider, request).await;
        for path in provider.paths() {
            for prefix in ["/api/webhooks", "/webhooks"] {
                let mut route = post(handler);
                if provider.asks_first() {
                    route = route.get(async move |State(app): State<Arc<App>>, request: Request| {
                        confirm(app, provider, request).await
                    });
                }
                router = router.route(&format!("{prefix}{path}"), route);
            }
        }
    }
    router
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
    let detail = format!("{method} is not for {}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).into_response()
}
