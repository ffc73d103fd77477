//! What can be set up at the providers so that they push, and what a test sees of it.

pub(crate) mod composio;
pub(crate) mod discord;
pub(crate) mod github;
pub(crate) mod gmail;
pub(crate) mod hub;
pub(crate) mod outbox;
pub(crate) mod signing;
pub(crate) mod unipile;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde_json::Value;

use crate::world::World;
pub use hub::Question;

/// The operator's key at Unipile and Composio, and the token of the bot at Discord.
pub const OPERATOR_KEY: &str = "sandbox-operator-key";

/// What is set up.
#[derive(Debug, Default)]
pub struct Pushing {
    data: Mutex<Data>,
}

#[derive(Debug, Default)]
pub(crate) struct Data {
    /// By repository, in lower case.
    pub(crate) hooks: HashMap<String, Vec<github::Hook>>,
    /// Repositories of which nobody here is an administrator.
    pub(crate) forbidden: Vec<String>,
    /// By mailbox.
    pub(crate) watches: HashMap<String, gmail::Watch>,
    pub(crate) hub: hub::Hub,
    pub(crate) webhooks: Vec<Value>,
    pub(crate) subscriptions: Vec<Value>,
    /// By id.
    pub(crate) triggers: HashMap<String, Value>,
    pub(crate) application: Value,
    /// Where what the world knows by an address really is.
    pub(crate) reached_at: Option<(String, SocketAddr)>,
    /// What is sent next, and what nobody was to be told of.
    outbox: outbox::Outbox,
    calls: Vec<String>,
    faults: HashMap<&'static str, VecDeque<u16>>,
    numbers: u64,
}

impl Pushing {
    pub(crate) fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls that set something up or looked at it, such as `POST /github/repos/acme/shop/hooks`, the first first.
    #[must_use]
    pub fn calls(&self, beginning: &str) -> Vec<String> {
        self.data().calls.iter().filter(|call| call.starts_with(beginning)).cloned().collect()
    }

    /// The next such call at `vendor` is not acted on, and answered with this status; for 429 with a `Retry-After` of
    /// an hour.
    pub fn fail_next(&self, vendor: &'static str, status: u16) {
        self.data().faults.entry(vendor).or_default().push_back(status);
    }

    /// No more of that.
    pub fn recover(&self, vendor: &str) {
        self.data().faults.remove(vendor);
    }

    /// From now on what is at `base` for the world is called at `address`.
    pub fn reach(&self, base: &str, address: SocketAddr) {
        self.data().reached_at = Some((base.to_owned(), address));
    }
}

impl Data {
    pub(crate) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

/// The routes, below each provider's path.
pub(crate) fn routes(world: &Arc<World>) -> Router<Arc<World>> {
    Router::new()
        .route("/github/repos/{owner}/{repo}/hooks", get(github::list_hooks).post(github::create_hook))
        .route(
            "/github/repos/{owner}/{repo}/hooks/{id}",
            patch(github::change_hook).delete(github::delete_hook),
        )
        .route("/gmail/gmail/v1/users/me/watch", post(gmail::watch))
        .route("/gmail/gmail/v1/users/me/stop", post(gmail::stop))
        .route("/backend/actions/fetch_emails", post(composio::fetch_for_host))
        .route("/google/certs", get(signing::google_keys))
        .route("/hub/subscribe", post(hub::subscribe))
        .route("/discord/api/v10/applications/@me", get(discord::read).patch(discord::change))
        .merge(opened_by_key(unipile_routes(), unipile::refusal))
        .merge(opened_by_key(composio_routes(), composio::refusal))
        .route_layer(from_fn_with_state(Arc::clone(world), count_and_fail))
}

fn unipile_routes() -> Router<Arc<World>> {
    Router::new()
        .route("/unipile/api/v1/webhooks", get(unipile::list_webhooks).post(unipile::create_webhook))
        .route("/unipile/api/v1/webhooks/{id}", delete(unipile::delete_webhook))
}

fn composio_routes() -> Router<Arc<World>> {
    let subscriptions = "/composio/api/v3.1/webhook_subscriptions";
    Router::new()
        .route(subscriptions, get(composio::list_subscriptions).post(composio::create_subscription))
        .route(
            &format!("{subscriptions}/{{id}}"),
            patch(composio::change_subscription).delete(composio::delete_subscription),
        )
        .route(&format!("{subscriptions}/{{id}}/rotate_secret"), post(composio::rotate_secret))
        .route("/composio/api/v3.1/trigger_instances/{slug}/upsert", post(composio::upsert_trigger))
        .route("/composio/api/v3.1/trigger_instances/manage/{id}", delete(composio::delete_trigger))
        .route("/composio/api/v3.1/tools/execute/GMAIL_FETCH_EMAILS", post(composio::fetch_emails))
}

/// Lets nobody in who does not show the operator's key.
fn opened_by_key(routes: Router<Arc<World>>, refusal: fn() -> Response) -> Router<Arc<World>> {
    routes.route_layer(from_fn(move |request: Request, next: Next| async move {
        let is_shown = request.headers().get("x-api-key").is_some_and(|key| key == OPERATOR_KEY);
        if is_shown { next.run(request).await } else { refusal() }
    }))
}

/// Notes the call, and answers it where it is to fail.
async fn count_and_fail(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let vendor = path.split('/').nth(1).unwrap_or_default();
    let fault = {
        let mut data = world.pushing().data();
        data.calls.push(format!("{} {path}", request.method()));
        data.faults.get_mut(vendor).and_then(VecDeque::pop_front)
    };
    match fault.map(|status| StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)) {
        Some(StatusCode::TOO_MANY_REQUESTS) => {
            (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "3600")]).into_response()
        }
        Some(status) => status.into_response(),
        None => next.run(request).await,
    }
}

/// A text field of an object.
pub(crate) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}
