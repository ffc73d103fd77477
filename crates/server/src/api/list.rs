//! Lists: `limit` and `cursor` in, `data` and `next_cursor` out.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use axum::{Json, extract::Query};
use domain::UserId;
use engine::realtime::Cursor;
use http::HeaderName;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use store::{Page, Position};
use utoipa::{IntoParams, ToSchema};

use crate::problem::{Problem, Result};

const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 200;

/// Which part of a list of what users have.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfUser {
    /// Whose.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    pub(crate) user_id: Option<UserId>,
    /// At most so many, 1 to 200.
    pub(crate) limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
}

/// A piece of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listed<T> {
    /// The newest first.
    pub(crate) data: Vec<T>,
    /// Send it as `cursor` for what follows; `null` at the end.
    pub(crate) next_cursor: Option<String>,
}

/// One more than is shown: whether there is a next page is then known without asking again.
pub(crate) fn page<Id: std::str::FromStr>(limit: Option<u32>, cursor: Option<&str>) -> Result<Page<Id>> {
    let limit = limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad_request(format!("limit is a number from 1 to {LIMIT_MAX}")));
    }
    let before = cursor.map(str::parse).transpose();
    let before = before.map_err(|_| Problem::bad_request("cursor is not one that this list gave out"))?;
    Ok(Page { before, limit: limit + 1 })
}

impl<T> Listed<T> {
    /// Shows `found` as a page of `limit - 1`.
    pub(crate) fn new<F>(
        mut found: Vec<F>,
        limit: u32,
        id: impl Fn(&F) -> String,
        show: impl Fn(F) -> T,
    ) -> Self {
        let has_more = found.len() >= limit as usize;
        found.truncate(limit as usize - 1);
        let next_cursor = found.last().filter(|_| has_more).map(id);
        Self { data: found.into_iter().map(show).collect(), next_cursor }
    }
}

/// An answer with the cursor of the log as it was before the state was read: a stream that starts there misses nothing.
pub(crate) struct At<T>(pub(crate) Position, pub(crate) T);

const X_CURSOR: HeaderName = HeaderName::from_static("x-cursor");

impl<T: Serialize> IntoResponse for At<T> {
    fn into_response(self) -> Response {
        let cursor = Cursor(self.0).to_string();
        ([(X_CURSOR, cursor)], Json(self.1)).into_response()
    }
}

/// A query string whose errors are problem documents.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Query(params) = Query::from_request_parts(parts, state)
            .await
            .map_err(|error| Problem::bad_request(in_short(&error.body_text())))?;
        Ok(Self(params))
    }
}

/// The parameter and what is wrong with it, without what the library says before that.
fn in_short(error: &str) -> &str {
    error.strip_prefix("Failed to deserialize query string: ").unwrap_or(error)
}

/// Reads a query parameter from its text; an empty one counts as absent.
pub(crate) fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}
