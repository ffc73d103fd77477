//! Pages for people: the dashboard, and the API reference made from the OpenAPI document.

use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use dashboard::Asset;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use providers::Provider;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi as Document, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::app::App;
use crate::problem::Problem;
use crate::receive::Accepted;

/// The frame of the OpenAPI document; the handlers fill it.
#[derive(OpenApi)]
#[openapi(
    info(title = "Waystation", description = "Receives webhooks, keeps every event, and passes each one on."),
    // Its answers have no part in what the API tells of rates, so it is not among the routes that describe themselves.
    paths(crate::custom::receive_custom),
    components(schemas(Accepted, Problem)),
    modifiers(&Bearers),
    security(("bearer" = [])),
    tags(
        (name = "Receiving", description = "Where providers send to. Signatures take the place of a bearer."),
        (name = "Events", description = "What came in."),
        (name = "Sources", description = "Addresses for senders that have no route of their own."),
        (name = "Subscriptions", description = "Who wants which events, and where they go."),
        (name = "Deliveries", description = "What is owed, and how it went."),
        (name = "Jobs", description = "Work on many deliveries that goes on for a while."),
        (name = "Connections", description = "Users' accounts at providers."),
        (name = "Inbox", description = "Conversations and their messages, and e-mails."),
        (name = "Queues", description = "What workers pull."),
        (name = "Realtime", description = "Live streams of events, and what clients send."),
        (name = "Access", description = "Keys and tokens. For the admin key alone."),
        (name = "Operation", description = "Looking after it."),
    )
)]
pub(crate) struct Api;

struct Bearers;

impl Modify for Bearers {
    fn modify(&self, document: &mut Document) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("bearer", scheme);
    }
}

/// Adds each provider's route, which no handler of its own describes.
pub(crate) fn with_providers(mut document: Document) -> Document {
    for provider in providers::ALL {
        for path in provider.paths() {
            document.paths.paths.insert(format!("/api/webhooks{path}"), described(*provider, path));
        }
    }
    document
}

fn described(provider: &dyn Provider, path: &str) -> PathItem {
    let answer = |description: &str, schema: &str| {
        let content = Content::new(Some(Ref::from_schema_name(schema)));
        ResponseBuilder::new().description(description).content("application/json", content).build()
    };
    let names_user = path.ends_with("/{user}");
    let user = ParameterBuilder::new()
        .name("user")
        .parameter_in(ParameterIn::Path)
        .required(utoipa::openapi::Required::True);
    // Of a provider with two addresses each has an operation of its own.
    let operation_id = match (names_user, provider.paths()) {
        (false, [_, _, ..]) => format!("receive_{}_without_user", provider.name()),
        _ => format!("receive_{}", provider.name()),
    };
    let operation = OperationBuilder::new()
        .tag("Receiving")
        .operation_id(Some(operation_id))
        .summary(Some(format!("Receive from {}", provider.name())))
        .description(Some(format!("Checked with what is set in {}.", provider.settings()[0].environment)))
        .parameters(names_user.then(|| vec![user.build()]))
        .request_body(Some(RequestBodyBuilder::new().description(Some("As the provider sends it")).build()))
        .response("200", answer("Kept, or known already", "Accepted"))
        .response("400", answer("Genuine, and not readable", "Problem"))
        .response("401", answer("The signature is missing or wrong", "Problem"))
        .response("413", answer("Too large", "Problem"))
        .response("429", answer("Too many requests", "Problem"))
        .response("503", answer("Nothing was kept: send it again", "Problem"))
        .security(utoipa::openapi::SecurityRequirement::default())
        .build();
    PathItem::new(HttpMethod::Post, operation)
}

/// Nothing from elsewhere, and no script but our own.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

fn page(html: &'static str) -> Response {
    ([(CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response()
}

/// What a person reads, in a browser that has come from elsewhere, where there is nothing to go on to.
pub(crate) fn refusal(problem: &Problem) -> Response {
    let (status, title) = problem.status();
    let [title, detail] = [title, problem.detail()].map(plain);
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><h1>{title}</h1><p>{detail}</p></html>"
    );
    let headers =
        [(CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "no-referrer"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, [(CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response()
}

/// A text that is no markup, whatever it holds: some of it comes from providers.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A page of the dashboard.
pub(crate) async fn dashboard(headers: HeaderMap) -> Response {
    embedded(dashboard::page(), &headers)
}

/// A page of the portal, which others may hold in a frame.
pub(crate) async fn portal(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let mut response = embedded(dashboard::page(), &headers);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, app.portal_policy.clone());
    response
}

/// What a browser may do with a page of the portal.
pub(crate) fn portal_policy(allowed_origins: &[String]) -> anyhow::Result<HeaderValue> {
    dashboard::portal_policy(allowed_origins)
        .try_into()
        .context("portal.allowed_origins is too long for a header")
}

/// A file of the dashboard, in a form that whoever asks accepts.
pub(crate) fn embedded(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let asked =
        |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    // What is named by its content never changes; the rest is asked for again each time, which costs a tag.
    let caching = if asset.is_immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let common: [(HeaderName, &'static str); 6] = [
        (CACHE_CONTROL, caching),
        (ETAG, asset.etag),
        (VARY, "accept-encoding"),
        (CONTENT_SECURITY_POLICY, dashboard::POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    if asked(IF_NONE_MATCH).split(',').any(|tag| tag.trim().trim_start_matches("W/") == asset.etag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let (encoding, bytes) = asset.encoded(asked(ACCEPT_ENCODING));
    let encoding = encoding.map(|name| [(CONTENT_ENCODING, name)]);
    (common, [(CONTENT_TYPE, asset.media_type)], encoding, bytes).into_response()
}

/// The API reference.
pub(crate) async fn reference() -> Response {
    page(include_str!("pages/reference.html"))
}

/// What the pages are made of.
pub(crate) async fn asset(Path(name): Path<String>) -> Response {
    let (media_type, text) = match name.as_str() {
        "style.css" => ("text/css; charset=utf-8", include_str!("pages/style.css")),
        "reference.js" => ("text/javascript; charset=utf-8", include_str!("pages/reference.js")),
        _ => return Problem::not_found("page").into_response(),
    };
    ([(CONTENT_TYPE, media_type)], text).into_response()
}
