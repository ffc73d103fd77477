//! API keys and users' tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::limits::EVENT_TYPES_PER_SUBSCRIPTION_MAX;
use domain::subscription::TypePattern;
use domain::{KeyId, Timestamp, UserId};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::ApiKey;
use utoipa::{IntoParams, ToSchema};

use super::fields::{Fields, Said};
use super::list::{Listed, Params, page};
use crate::access::{Operator, TOKEN_TTL_SECONDS_MAX, digest, fresh_key};
use crate::app::App;
use crate::problem::{Problem, Result};

/// Bytes of a key's name.
const NAME_BYTES_MAX: usize = 128;

/// An API key, without the key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownKey {
    #[schema(value_type = String, example = "key_019aa6b0c7d07b3e8f3c5a1d2e4f6071")]
    id: KeyId,
    name: String,
    /// Whose things it opens; `null`: everything.
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    #[schema(value_type = String)]
    created_at: Timestamp,
}

impl From<ApiKey> for ShownKey {
    fn from(key: ApiKey) -> Self {
        Self { id: key.id, name: key.name, user_id: key.user_id, created_at: key.created_at }
    }
}

/// A new API key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewKey {
    #[serde(flatten)]
    shown: ShownKey,
    /// The key itself. It is shown this once.
    key: String,
}

/// What a key is to be.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct KeyTerms {
    /// For people.
    name: String,
    /// Whose things it opens; everything where it is left out.
    user_id: Option<String>,
}

/// A key for `name`, and the text that it is known by.
pub(crate) fn make_key(name: String, user_id: Option<UserId>, now: Timestamp) -> (ApiKey, String) {
    let text = fresh_key();
    let id = KeyId::new(now, &mut engine::chance::rng());
    (ApiKey { id, name, user_id, digest: digest(&text), created_at: now }, text)
}

/// Make an API key
#[utoipa::path(post, path = "/api/keys", tag = "Access", request_body = KeyTerms,
    responses((status = 201, body = NewKey), (status = 422, body = Problem)))]
pub(crate) async fn create_key(
    State(app): State<Arc<App>>,
    _: Operator,
    mut fields: Fields,
) -> Result<(StatusCode, Json<NewKey>)> {
    let name = fields.take_text("name", NAME_BYTES_MAX);
    let name = fields.need("name", name, "say what the key is for");
    let user_id = fields.take_parsed("user_id");
    fields.finish()?;
    let name = name.unwrap_or_default();
    let user_id = match user_id {
        Said::Value(user) => Some(user),
        Said::Nothing | Said::Null => None,
    };
    let (key, text) = make_key(name, user_id, app.engine.clock.now());
    app.engine.store.create_key(&key).await?;
    Ok((StatusCode::CREATED, Json(NewKey { shown: key.into(), key: text })))
}

/// Which keys.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeysQuery {
    /// At most so many, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List API keys
#[utoipa::path(get, path = "/api/keys", tag = "Access", params(KeysQuery),
    responses((status = 200, body = Listed<ShownKey>)))]
pub(crate) async fn list_keys(
    State(app): State<Arc<App>>,
    _: Operator,
    Params(query): Params<KeysQuery>,
) -> Result<Json<Listed<ShownKey>>> {
    let page = page(query.limit, query.cursor.as_deref())?;
    let keys = app.engine.store.keys(&page).await?;
    Ok(Json(Listed::new(keys, page.limit, |key| key.id.to_string(), Into::into)))
}

/// Revoke an API key
#[utoipa::path(delete, path = "/api/keys/{id}", tag = "Access", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn delete_key(
    State(app): State<Arc<App>>,
    _: Operator,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    let id = id.parse().map_err(|_| Problem::not_found("key"))?;
    match app.engine.store.delete_key(id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("key")),
    }
}

/// What a token is to be.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct TokenTerms {
    /// Whose things it opens.
    user_id: String,
    /// How long it is good for, 1 to 86400.
    #[schema(default = 900)]
    ttl_seconds: Option<u32>,
    /// The types of events that it opens streams of, and nothing else then; everything of the user's where it is left
    /// out.
    types: Option<Vec<String>>,
}

/// A user's token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewToken {
    token: String,
    #[schema(value_type = String)]
    expires_at: Timestamp,
}

/// Make a short-lived token for one user
#[utoipa::path(post, path = "/api/tokens", tag = "Access", request_body = TokenTerms,
    responses((status = 201, body = NewToken), (status = 422, body = Problem)))]
pub(crate) async fn create_token(
    State(app): State<Arc<App>>,
    _: Operator,
    mut fields: Fields,
) -> Result<(StatusCode, Json<NewToken>)> {
    let user: Said<UserId> = fields.take_parsed("user_id");
    let expected = format!("a whole number from 1 to {TOKEN_TTL_SECONDS_MAX}");
    let ttl_seconds = fields.take("ttl_seconds", &expected, |seconds: i64| {
        let seconds =
            u32::try_from(seconds).ok().filter(|seconds| (1..=TOKEN_TTL_SECONDS_MAX).contains(seconds));
        seconds.ok_or_else(|| format!("must be {expected}"))
    });
    let types = fields.take("types", "a list of event types", |types: Vec<TypePattern>| {
        let is_good = (1..=EVENT_TYPES_PER_SUBSCRIPTION_MAX).contains(&types.len());
        is_good.then_some(types).ok_or(format!("must name 1 to {EVENT_TYPES_PER_SUBSCRIPTION_MAX} types"))
    });
    let user = fields.need("user_id", user, "whose token is it?");
    fields.finish()?;
    let user = user.ok_or_else(Problem::internal)?;
    let now = app.engine.clock.now();
    // Whole seconds, as the token itself counts.
    let expires_at = Timestamp::from_seconds(now.as_seconds() + i64::from(ttl_seconds.or(900)));
    let token = app.doorkeeper.tokens().issue(&user, types.map(Some).or(None), now, expires_at)?;
    Ok((StatusCode::CREATED, Json(NewToken { token, expires_at })))
}
