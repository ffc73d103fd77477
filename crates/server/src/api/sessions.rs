//! Browsers' sessions, for the dashboard.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use domain::{Access, Timestamp, UserId};
use http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields::{Fields, Said};
use super::list::Params;
use crate::app::App;
use crate::pages;
use crate::problem::{Problem, Result};
use crate::session;

/// Bytes of a key or a token. Tokens that name many types are the longest.
const KEY_BYTES_MAX: usize = 16 * 1_024;

/// What is shown to begin a session: either of the two.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct SessionTerms {
    /// A key, or a user's token.
    key: Option<String>,
    /// The code of a link that `waystation demo` has printed. It is good once.
    code: Option<String>,
}

/// A session that has begun.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownSession {
    /// Whose things it opens; `null`: everything.
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// When it ends.
    #[schema(value_type = Option<String>)]
    expires_at: Option<Timestamp>,
}

/// Begin a browser's session
///
/// The answer sets a cookie that scripts cannot read. It opens what the key opens, from this server's own pages.
#[utoipa::path(post, path = "/api/session", tag = "Access", request_body = SessionTerms, security(()),
    responses((status = 200, body = ShownSession), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn begin_session(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<([(HeaderName, HeaderValue); 1], Json<ShownSession>)> {
    let (parts, body) = request.into_parts();
    session::check_origin(&parts.headers, app.base_url.as_deref())?;
    let mut fields = Fields::read(&parts.headers, body).await?;
    let code = fields.take_text("code", KEY_BYTES_MAX);
    let key = fields.take_text("key", KEY_BYTES_MAX);
    let now = app.engine.clock.now();
    let (cookie, grant) = if let (Said::Value(code), Said::Nothing) = (&code, &key) {
        fields.finish()?;
        app.doorkeeper.begin_session_by_code(code, now).await?
    } else {
        let key = fields.need("key", key, "it is what the session opens");
        if code != Said::Nothing {
            fields.refuse("code", "says the same as key: leave out one of the two");
        }
        fields.finish()?;
        app.doorkeeper.begin_session(&key.unwrap_or_default(), now).await?
    };
    let cookie = session::set_cookie(&cookie, session::LASTS.as_secs(), app.base_url.as_deref())?;
    let user_id = match grant.access {
        Access::Admin => None,
        Access::User(user) => Some(user),
    };
    Ok(([(SET_COOKIE, cookie)], Json(ShownSession { user_id, expires_at: grant.expires_at })))
}

/// What a link to the sign-in page holds.
#[derive(Debug, Deserialize)]
pub(crate) struct SignInQuery {
    code: Option<String>,
}

/// The sign-in page. A link with a code in its query signs in at once; where the code is no longer good the page says
/// so.
///
/// Only `GET` spends a code: what looks at links before people do asks with `HEAD`.
pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    Params(query): Params<SignInQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response> {
    let code = query.code.filter(|_| method == Method::GET);
    let Some(code) = code else { return Ok(pages::dashboard(headers).await) };
    let unseen = [(CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "no-referrer")];
    match app.doorkeeper.begin_session_by_code(&code, app.engine.clock.now()).await {
        Ok((cookie, _)) => {
            let cookie = session::set_cookie(&cookie, session::LASTS.as_secs(), app.base_url.as_deref())?;
            Ok((StatusCode::SEE_OTHER, unseen, [(LOCATION, "/")], [(SET_COOKIE, cookie)]).into_response())
        }
        Err(_) => Ok((StatusCode::GONE, unseen, pages::dashboard(headers).await).into_response()),
    }
}

/// End a browser's session
#[utoipa::path(delete, path = "/api/session", tag = "Access", security(()),
    responses((status = 204), (status = 403, body = Problem)))]
pub(crate) async fn end_session(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1])> {
    session::check_origin(&headers, app.base_url.as_deref())?;
    let cookie = session::set_cookie("", 0, app.base_url.as_deref())?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]))
}
