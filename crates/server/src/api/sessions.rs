//! Browsers' sessions, for the dashboard.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use domain::{Access, Timestamp, UserId};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::fields::Fields;
use crate::app::App;
use crate::problem::{Problem, Result};
use crate::session;

/// Bytes of a key or a token. Tokens that name many types are the longest.
const KEY_BYTES_MAX: usize = 16 * 1_024;

/// What is shown to begin a session.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct SessionTerms {
    /// A key, or a user's token.
    key: String,
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
    let key = fields.take_text("key", KEY_BYTES_MAX);
    let key = fields.need("key", key, "it is what the session opens");
    fields.finish()?;
    let (cookie, grant) =
        app.doorkeeper.begin_session(&key.unwrap_or_default(), app.engine.clock.now()).await?;
    let cookie = session::set_cookie(&cookie, session::LASTS.as_secs(), app.base_url.as_deref())?;
    let user_id = match grant.access {
        Access::Admin => None,
        Access::User(user) => Some(user),
    };
    Ok(([(SET_COOKIE, cookie)], Json(ShownSession { user_id, expires_at: grant.expires_at })))
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
