//! What is set up at providers so that they push.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use domain::event;
use domain::limits::{EVENT_TYPE_BYTES_MAX, EVENT_TYPES_PER_SUBSCRIPTION_MAX, NAME_BYTES_MAX};
use domain::registration::{Basis, State as Standing};
use domain::{ConnectionId, RegistrationId, Timestamp, UserId};
use engine::registrations::NewRegistration;
use http::StatusCode;
use providers::register::registrable;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{RegistrationFilter, StoredRegistration};
use utoipa::{IntoParams, ToSchema};

use super::fields::Fields;
use super::list::{Listed, Params, page, parsed};
use super::owned::{OwnedConnection, OwnedRegistration};
use crate::access::Bearer;
use crate::app::App;
use crate::problem::{Problem, Result};

/// Bytes of a configuration. Triggers take a few numbers and words.
const CONFIG_BYTES_MAX: usize = 4 * 1_024;

/// What is set up at a provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownRegistration {
    #[schema(value_type = String, example = "reg_019aa6b0c7d07b3e8f3c5a1d2e4f6071")]
    id: RegistrationId,
    /// The connection that it comes and goes with; `null`: it is the application's.
    #[schema(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    /// Whose events it brings; `null`: everybody's.
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    #[schema(example = "github")]
    provider: String,
    /// What is watched: a repository, a mailbox, a channel, a trigger.
    #[schema(example = "acme/shop")]
    target: String,
    /// Where the provider pushes to.
    url: String,
    /// What is wanted, in the provider's words; what is usual where it is empty.
    events: Vec<String>,
    /// The provider's own name for it.
    external_id: Option<String>,
    /// `pending`, `active`, `failed`, `expired` or `removing`.
    #[schema(value_type = String, example = "active")]
    state: Standing,
    /// Why it stands so.
    state_reason: Option<String>,
    /// When the provider ends it by itself. It is renewed before that.
    #[schema(value_type = Option<String>)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = String)]
    created_at: Timestamp,
}

fn show(stored: StoredRegistration) -> ShownRegistration {
    let registration = stored.registration;
    ShownRegistration {
        id: registration.id,
        connection_id: registration.basis.connection(),
        user_id: registration.user_id,
        provider: registration.provider,
        target: registration.target,
        url: registration.url,
        events: registration.events,
        external_id: registration.external_id,
        state: registration.state,
        state_reason: registration.state_reason,
        expires_at: registration.expires_at,
        created_at: registration.created_at,
    }
}

/// Which registrations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RegistrationsQuery {
    /// Whose.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// Where.
    provider: Option<String>,
    /// At most so many, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List registrations
///
/// What is set up at providers so that they push, with how it stands and when it expires.
#[utoipa::path(get, path = "/api/webhooks/list", tag = "Connections", params(RegistrationsQuery),
    responses((status = 200, body = Listed<ShownRegistration>)))]
pub(crate) async fn list_registrations(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<RegistrationsQuery>,
) -> Result<Json<Listed<ShownRegistration>>> {
    let filter = RegistrationFilter {
        user_id: access.narrow(query.user_id)?,
        provider: query.provider.filter(|provider| !provider.is_empty()),
        ..RegistrationFilter::default()
    };
    let page = page(query.limit, query.cursor.as_deref())?;
    let found = app.engine.store.registrations(&filter, &page).await?;
    Ok(Json(Listed::new(found, page.limit, |stored| stored.registration.id.to_string(), show)))
}

/// What is to be registered.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct RegistrationBody {
    /// What is to be watched: `owner/repo` for GitHub, a channel's id for YouTube, a trigger for Composio.
    #[schema(example = "acme/shop")]
    target: String,
    /// What is wanted, in the provider's words; left out, what is usual.
    events: Option<Vec<String>>,
    /// What else the provider is told; the configuration of a trigger.
    #[schema(value_type = Option<Object>)]
    config: Option<()>,
}

/// Register something
///
/// Where it is registered already it is changed. The answer tells how it stands after the first try; what did not go
/// well is tried again.
#[utoipa::path(post, path = "/api/connections/{id}/registrations", tag = "Connections",
    params(("id" = String, Path)), request_body = RegistrationBody,
    responses((status = 201, body = ShownRegistration), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn create_registration(
    State(app): State<Arc<App>>,
    OwnedConnection(stored): OwnedConnection,
    request: Request,
) -> Result<(StatusCode, Json<ShownRegistration>)> {
    let (parts, body) = request.into_parts();
    let connection = stored.connection;
    let provider = registrable(&connection.provider).ok_or_else(|| {
        let detail = format!("{} has nothing that could be registered", connection.provider);
        Problem::conflict("nothing_to_register", detail)
    })?;
    let mut fields = Fields::read(&parts.headers, body).await?;
    let target = fields.take("target", "a text", |text: String| match text.len() {
        0..=NAME_BYTES_MAX => provider.target(&text),
        _ => Err("is too long"),
    });
    let target = fields.need("target", target, "what is to be watched?");
    let events = fields.take("events", "a list of texts", check_events).or(Vec::new());
    let config = fields.take("config", "an object", check_config).value();
    fields.finish()?;
    let new = NewRegistration {
        provider,
        basis: Basis::Connection(connection.id),
        user_id: Some(connection.user_id),
        account_id: connection.account_id,
        target: target.ok_or_else(Problem::internal)?,
        events,
        config,
        secret: None,
    };
    let wanted = app.engine.registrations.want(new).await?;
    let settled = app.engine.registrations.settled(wanted).await?;
    Ok((StatusCode::CREATED, Json(show(settled))))
}

/// Remove a registration
///
/// It is removed at the provider, if need be later; until then it is listed as `removing`. What belongs to the account
/// itself, such as the watch of a mailbox, is not set up again unless `settings.push` of the connection says `true`.
#[utoipa::path(delete, path = "/api/connections/{id}/registrations/{registration}", tag = "Connections",
    params(("id" = String, Path), ("registration" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn delete_registration(
    State(app): State<Arc<App>>,
    OwnedRegistration(mut connection, stored): OwnedRegistration,
) -> Result<StatusCode> {
    app.engine.registrations.unwant(&mut connection, stored).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn check_events(events: Vec<String>) -> Result<Vec<String>, String> {
    let is_good = |event: &String| (1..=EVENT_TYPE_BYTES_MAX).contains(&event.len());
    if events.len() > EVENT_TYPES_PER_SUBSCRIPTION_MAX || !events.iter().all(is_good) {
        return Err(format!(
            "must be at most {EVENT_TYPES_PER_SUBSCRIPTION_MAX} texts of 1 to {EVENT_TYPE_BYTES_MAX} bytes"
        ));
    }
    Ok(events)
}

fn check_config(config: Map<String, Value>) -> Result<event::Json, String> {
    let text = Value::Object(config).to_string();
    if text.len() > CONFIG_BYTES_MAX {
        return Err(format!("must be at most {CONFIG_BYTES_MAX} bytes"));
    }
    event::Json::parse(text.as_bytes()).map_err(|error| error.to_string())
}
