//! What was refused at the door.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{RejectionId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::Rejection;
use utoipa::{IntoParams, ToSchema};

use super::list::{Listed, Params, page};
use crate::access::Operator;
use crate::app::App;
use crate::problem::Result;

/// A request that was refused.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownRejection {
    #[schema(value_type = String, example = "rej_019aa6b0c7d07b3e8f3c5a1d2e4f6071")]
    id: RejectionId,
    /// When it came in.
    #[schema(value_type = String)]
    time: Timestamp,
    /// Where it came in, without a source's token.
    route: String,
    /// The source that it was for; `null` where there is none.
    source: Option<String>,
    /// The network address that it came from.
    address: String,
    /// Why it was refused, for programs: the `code` of the answer.
    #[schema(example = "invalid_signature")]
    reason: String,
    /// Why, in words.
    detail: String,
    /// Its headers by name, without secrets.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    headers: Option<Box<RawValue>>,
    /// The first 4 KiB of its body. What is not UTF-8 in it is replaced.
    body: String,
}

impl From<Rejection> for ShownRejection {
    fn from(rejection: Rejection) -> Self {
        Self {
            id: rejection.id,
            time: rejection.at,
            route: rejection.route,
            source: rejection.source,
            address: rejection.address,
            reason: rejection.reason,
            detail: rejection.detail,
            headers: RawValue::from_string(rejection.headers).ok(),
            body: String::from_utf8_lossy(&rejection.body).into_owned(),
        }
    }
}

/// Which rejections.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RejectionsQuery {
    /// At most so many, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List requests that were refused
///
/// They are written within a second. Of a flood only some are kept; `/metrics` counts all.
#[utoipa::path(get, path = "/api/rejections", tag = "Operation", params(RejectionsQuery),
    responses((status = 200, body = Listed<ShownRejection>)))]
pub(crate) async fn list_rejections(
    State(app): State<Arc<App>>,
    _: Operator,
    Params(query): Params<RejectionsQuery>,
) -> Result<Json<Listed<ShownRejection>>> {
    let page = page(query.limit, query.cursor.as_deref())?;
    let found = app.engine.store.rejections(&page).await?;
    Ok(Json(Listed::new(found, page.limit, |rejection| rejection.id.to_string(), Into::into)))
}
