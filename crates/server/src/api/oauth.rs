//! Asking a user for a connection: out to the provider, and back.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use domain::UserId;
use domain::limits::URL_BYTES_MAX;
use engine::connections::{Answer, Asking, WhyNot};
use http::header::{ACCEPT, CACHE_CONTROL, LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use providers::Connectable;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::{IntoParams, ToSchema};

use super::connections::{ShownConnection, known, show};
use super::list::{Params, parsed};
use crate::access::Bearer;
use crate::app::App;
use crate::pages;
use crate::problem::{FieldProblem, Problem, Result};
use crate::same_browser::{self, Mark};

/// Whom to ask, and where to go then.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StartQuery {
    /// Whose connection it is to be. A user's key may leave it out.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// Where the browser goes in the end, with `connection_id` or `error` in the query.
    redirect: Option<String>,
}

/// Where a user is asked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Authorization {
    /// The provider's page.
    url: String,
}

/// Ask a user for a connection
///
/// Answers with a redirect to the provider, or with its URL for whoever accepts JSON alone.
///
/// Asked under a user's key or token, or in the dashboard's session, the answer sets a cookie, and only a browser that
/// brings it back can finish: nobody else can be sent to the provider in its place. Under the admin key, where an
/// application's own server asks, there is no such cookie: hand the URL to that user's browser alone, and see that the
/// `connection_id` which comes back is of the user who is signed in there.
#[utoipa::path(get, path = "/api/oauth/{provider}/start", tag = "Connections",
    params(("provider" = String, Path), StartQuery),
    responses((status = 200, body = Authorization), (status = 302), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub(crate) async fn start_authorization(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Path(name): Path<String>,
    Params(query): Params<StartQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let provider = provider(&name)?;
    let user = access.narrow(query.user_id)?.ok_or_else(|| wrong("user_id", "is needed: who is asked?"))?;
    let redirect = query.redirect.filter(|url| !url.is_empty()).map(check_redirect).transpose()?;
    let redirect_uri = format!("{}/api/oauth/{}/callback", app.base_url(&headers), provider.name());
    let is_bound = same_browser::is_asking(&access, &headers, &redirect_uri);
    if is_bound && same_browser::is_under_another_name(&headers, &redirect_uri) {
        return Err(other_address(&app.base_url(&headers)));
    }
    let mark = is_bound.then(Mark::new);
    let cookie = mark.as_ref().map(|mark| mark.cookie(&redirect_uri)).transpose()?;
    let browser = mark.map(|mark| mark.digest());
    let asking = Asking { user, redirect_uri, redirect, browser };
    let url = app.engine.connections.authorize(provider, asking)?;
    let mut answer = if wants_json(&headers) {
        ([(CACHE_CONTROL, "no-store")], Json(Authorization { url })).into_response()
    } else {
        go_to(&url)
    };
    answer.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    Ok(answer)
}

fn provider(name: &str) -> Result<&'static dyn Connectable> {
    known(name).map_err(|_| Problem::not_found("provider"))
}

fn wrong(field: &str, message: &str) -> Problem {
    Problem::invalid(vec![FieldProblem { field: field.to_owned(), message: message.to_owned() }])
}

/// Better said before the user is asked than after.
fn other_address(base_url: &str) -> Problem {
    Problem::conflict(
        "other_address",
        format!(
            "providers send browsers back to {base_url}, and what this one keeps here it does not bring there: open {base_url} and begin again"
        ),
    )
}

/// Only a page that a browser can show.
fn check_redirect(text: String) -> Result<String> {
    let is_page = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_good = text.len() <= URL_BYTES_MAX && Url::parse(&text).is_ok_and(|url| is_page(&url));
    is_good.then_some(text).ok_or_else(|| wrong("redirect", "must be an http or https URL"))
}

fn wants_json(headers: &HeaderMap) -> bool {
    accept(headers).contains("application/json") && !shows_pages(headers)
}

/// Whether it is a browser that shows what is answered.
fn shows_pages(headers: &HeaderMap) -> bool {
    accept(headers).contains("text/html")
}

fn accept(headers: &HeaderMap) -> &str {
    headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default()
}

/// The query is secret where it holds a state or a code, so nobody is told where the browser came from.
fn go_to(url: &str) -> Response {
    let headers = [(LOCATION, url), (CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "no-referrer")];
    (StatusCode::FOUND, headers).into_response()
}

/// What the browser brings back.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallbackQuery {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
}

/// Take a user's answer
///
/// Where the provider sends the browser back to. The state counts once, and where it belongs to one browser, only from
/// that.
#[utoipa::path(get, path = "/api/oauth/{provider}/callback", tag = "Connections",
    params(("provider" = String, Path), CallbackQuery), security(()),
    responses((status = 200, body = ShownConnection), (status = 302), (status = 400, body = Problem),
        (status = 403, body = Problem)))]
pub(crate) async fn finish_authorization(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Params(query): Params<CallbackQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let provider = provider(&name)?;
    let answer = Answer {
        state: &query.state,
        code: query.code.as_deref(),
        error: query.error.as_deref(),
        holds: same_browser::marks_of(&headers).collect(),
    };
    match app.engine.connections.complete(provider, &answer).await {
        Ok(completed) => Ok(match completed.redirect {
            Some(page) => go_to(&with(&page, "connection_id", &completed.stored.connection.id.to_string())),
            None => ([(CACHE_CONTROL, "no-store")], Json(show(&app, completed.stored))).into_response(),
        }),
        Err(not) => {
            tracing::info!(provider = provider.name(), why = %not.why, "an authorization made no connection");
            match not.redirect {
                Some(page) => Ok(go_to(&with(&page, "error", error_of(not.why)))),
                None if shows_pages(&headers) => Ok(pages::refusal(&not.why.into())),
                None => Err(not.why.into()),
            }
        }
    }
}

fn with(page: &str, name: &str, value: &str) -> String {
    Url::parse(page).map_or_else(
        |_| page.to_owned(),
        |mut url| {
            url.query_pairs_mut().append_pair(name, value);
            url.into()
        },
    )
}

fn error_of(why: WhyNot) -> &'static str {
    Problem::from(why).code()
}
