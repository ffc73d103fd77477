//! Users' accounts at providers. No answer holds a token.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::connection::{Granted, Settings, State as Standing};
use domain::limits::{ACCOUNT_ID_BYTES_MAX, SCOPES_MAX};
use domain::{Connection, ConnectionId, JobId, Timestamp, UserId};
use engine::connections::{NewConnection, Tokens};
use engine::limits::TOKEN_BYTES_MAX;
use http::StatusCode;
use providers::api::Token;
use providers::{CONNECTABLE, Connectable, connectable, pollable};
use serde::Serialize;
use store::StoredConnection;
use utoipa::ToSchema;

use super::fields::{Fields, Said};
use super::jobs::ShownJob;
use super::list::{Listed, OfUser, Params, page};
use super::owned::OwnedConnection;
use crate::access::Bearer;
use crate::app::App;
use crate::problem::{Problem, Result};

/// Bytes of one scope. Google's are URLs.
const SCOPE_BYTES_MAX: usize = 256;

/// The longest life of a token that is believed, in seconds: ten years.
const EXPIRES_IN_MAX: u32 = 10 * 366 * 86_400;

/// The longest time between two polls, in seconds: 30 days.
const POLL_SECONDS_MAX: u32 = 30 * 86_400;

/// A connection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownConnection {
    #[schema(value_type = String, example = "con_019aa6b0c7d07b3e8f3c5a1d2e4f6071")]
    id: ConnectionId,
    #[schema(value_type = String)]
    user_id: UserId,
    #[schema(example = "github")]
    provider: String,
    /// The account's own id at the provider.
    #[schema(example = "octocat")]
    account_id: String,
    /// `pending`, `active`, `degraded`, `needs_reauth` or `disabled`.
    #[schema(value_type = String, example = "active")]
    state: Standing,
    /// Why it stands so.
    state_reason: Option<String>,
    scopes: Vec<String>,
    /// When the access token expires.
    #[schema(value_type = Option<String>)]
    expires_at: Option<Timestamp>,
    settings: ShownSettings,
    /// When the provider was last asked for what is new.
    #[schema(value_type = Option<String>)]
    last_sync_at: Option<Timestamp>,
    /// Whether it can be asked now, at `/api/connections/{id}/sync`.
    can_sync: bool,
    #[schema(value_type = String)]
    created_at: Timestamp,
}

/// What is otherwise than usual with a connection; what is not said is as usual.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownSettings {
    /// How often the provider is asked for what is new, in seconds, in the place of `poll.<provider>_seconds`; 0: only
    /// when somebody asks for it.
    #[schema(minimum = 0, maximum = 2_592_000)]
    poll_seconds: Option<u32>,
    /// Whether what belongs to the account itself, such as the watch of a mailbox, is registered without being asked
    /// for; it usually is.
    push: Option<bool>,
}

impl From<Settings> for ShownSettings {
    fn from(Settings { poll_seconds, push }: Settings) -> Self {
        Self { poll_seconds, push }
    }
}

pub(super) fn show(app: &App, stored: StoredConnection) -> ShownConnection {
    let can_sync = app.engine.connections.can_sync(&stored);
    let connection = stored.connection;
    ShownConnection {
        id: connection.id,
        user_id: connection.user_id,
        provider: connection.provider,
        account_id: connection.account_id,
        state: connection.state,
        state_reason: connection.state_reason,
        scopes: connection.scopes,
        expires_at: connection.expires_at,
        settings: connection.settings.into(),
        last_sync_at: connection.last_sync_at,
        can_sync,
        created_at: connection.created_at,
    }
}

/// An account to connect.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct ConnectionBody {
    /// Whose. A user's key may leave it out.
    user_id: Option<String>,
    #[schema(example = "github")]
    provider: String,
    /// The account's own id at the provider; left out, the provider is asked.
    account_id: Option<String>,
    access_token: Option<String>,
    refresh_token: Option<String>,
    /// Seconds from now until the access token expires. Either this or `expires_at`.
    expires_in: Option<u32>,
    /// When the access token expires.
    expires_at: Option<String>,
    scopes: Option<Vec<String>>,
    /// What is to be otherwise than usual. Left out, what it was before stays.
    settings: Option<ShownSettings>,
}

/// Connect an account
///
/// With tokens that are there already, or an account that Composio or Unipile holds. One that its user has connected
/// before is authorised again and keeps its id.
#[utoipa::path(post, path = "/api/connections", tag = "Connections", request_body = ConnectionBody,
    responses((status = 201, body = ShownConnection), (status = 422, body = Problem), (status = 502, body = Problem)))]
pub(crate) async fn create_connection(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    mut fields: Fields,
) -> Result<(StatusCode, Json<ShownConnection>)> {
    let user: Said<UserId> = fields.take_parsed("user_id");
    let user = access.narrow(user.value())?;
    let provider = fields.take("provider", "a text", |name: String| known(&name));
    let provider = fields.need("provider", provider, "whose account is it?");
    let account_id = fields.take("account_id", "a text", check_account);
    let tokens = Tokens {
        access_token: take_token(&mut fields, "access_token"),
        refresh_token: take_token(&mut fields, "refresh_token"),
    };
    let granted = take_granted(&mut fields, app.engine.clock.now());
    let settings = take_settings(&mut fields, provider.map(Connectable::name), Settings::default());
    let settings = Some(settings).filter(|settings| *settings != Settings::default());
    if user.is_none() && !fields.has_problems() {
        fields.refuse("user_id", "is needed: whose connection is it?");
    }
    fields.finish()?;
    let (user_id, provider) = user.zip(provider).ok_or_else(Problem::internal)?;
    let new = NewConnection { user_id, provider, account_id: account_id.value(), tokens, granted, settings };
    let stored = app.engine.connections.connect(new).await?;
    Ok((StatusCode::CREATED, Json(show(&app, stored))))
}

/// The provider of that name.
pub(super) fn known(name: &str) -> Result<&'static dyn Connectable, String> {
    connectable(name).ok_or_else(|| {
        let names: Vec<_> = CONNECTABLE.iter().map(|provider| provider.name()).collect();
        format!("must be one of {}", names.join(", "))
    })
}

fn check_account(id: String) -> Result<String, String> {
    let is_good = (1..=ACCOUNT_ID_BYTES_MAX).contains(&id.len()) && !id.contains(char::is_control);
    is_good.then_some(id).ok_or_else(|| format!("must be 1 to {ACCOUNT_ID_BYTES_MAX} bytes of plain text"))
}

/// A token is characters that a header can carry.
fn take_token(fields: &mut Fields, name: &str) -> Option<Token> {
    let token = fields.take(name, "a text", |text: String| {
        let is_good =
            (1..=TOKEN_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        is_good.then(|| Token::new(text)).ok_or("must be a token: ASCII without spaces, at most 16 KiB")
    });
    token.value()
}

fn take_granted(fields: &mut Fields, now: Timestamp) -> Granted {
    let expires_in = fields.take("expires_in", "a whole number of seconds", |seconds: u32| {
        let is_good = seconds <= EXPIRES_IN_MAX;
        is_good.then_some(seconds).ok_or(format!("must be at most {EXPIRES_IN_MAX} seconds"))
    });
    let expires_at = fields
        .take("expires_at", "a time", |text: String| Timestamp::parse(&text).map_err(|e| e.to_string()));
    let scopes = fields.take("scopes", "a list of texts", |scopes: Vec<String>| {
        let is_good = scopes.len() <= SCOPES_MAX && scopes.iter().all(|scope| scope.len() <= SCOPE_BYTES_MAX);
        is_good.then_some(scopes).ok_or(format!("must be at most {SCOPES_MAX}"))
    });
    if matches!((&expires_in, &expires_at), (Said::Value(_), Said::Value(_))) {
        fields.refuse("expires_in", "says the same as expires_at: leave out one of the two");
    }
    let expires_in = expires_in.map(|seconds| now.plus(std::time::Duration::from_secs(seconds.into())));
    let expires_at = expires_at.value().or(expires_in.value());
    Granted { expires_at, scopes: scopes.value() }
}

/// What a body makes of the settings of an account at `provider`, if that is known.
fn take_settings(fields: &mut Fields, provider: Option<&str>, mut settings: Settings) -> Settings {
    fields.take_object("settings", |fields| {
        let poll_seconds = fields.take("poll_seconds", "a whole number of seconds", |seconds: u32| {
            if provider.is_some_and(|provider| pollable(provider).is_none()) {
                return Err("is of no use: this provider is not asked for what is new".to_owned());
            }
            let is_good = seconds <= POLL_SECONDS_MAX;
            is_good.then_some(Some(seconds)).ok_or(format!("must be at most {POLL_SECONDS_MAX}"))
        });
        poll_seconds.change(&mut settings.poll_seconds, None);
        fields
            .take("push", "true or false", |push: bool| Ok::<_, String>(Some(push)))
            .change(&mut settings.push, None);
    });
    settings
}

/// List connections
#[utoipa::path(get, path = "/api/connections", tag = "Connections", params(OfUser),
    responses((status = 200, body = Listed<ShownConnection>)))]
pub(crate) async fn list_connections(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<OfUser>,
) -> Result<Json<Listed<ShownConnection>>> {
    let user = access.narrow(query.user_id)?;
    let page = page(query.limit, query.cursor.as_deref())?;
    let found = app.engine.store.connections(user.as_ref(), &page).await?;
    Ok(Json(Listed::new(
        found,
        page.limit,
        |stored| stored.connection.id.to_string(),
        |stored| show(&app, stored),
    )))
}

/// Read a connection
#[utoipa::path(get, path = "/api/connections/{id}", tag = "Connections", params(("id" = String, Path)),
    responses((status = 200, body = ShownConnection), (status = 404, body = Problem)))]
pub(crate) async fn read_connection(
    State(app): State<Arc<App>>,
    OwnedConnection(stored): OwnedConnection,
) -> Json<ShownConnection> {
    Json(show(&app, stored))
}

/// What is to change about a connection.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct ConnectionChange {
    /// What is said here changes; `null` is as usual.
    settings: Option<ShownSettings>,
}

/// Change a connection
///
/// A connection that is asked on another schedule from now on is asked now.
#[utoipa::path(patch, path = "/api/connections/{id}", tag = "Connections", params(("id" = String, Path)),
    request_body = ConnectionChange,
    responses((status = 200, body = ShownConnection), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn change_connection(
    State(app): State<Arc<App>>,
    OwnedConnection(mut stored): OwnedConnection,
    mut fields: Fields,
) -> Result<Json<ShownConnection>> {
    let Connection { provider, settings, .. } = &stored.connection;
    let settings = take_settings(&mut fields, Some(provider), *settings);
    fields.finish()?;
    let is_there = app.engine.connections.treat(&mut stored, settings).await?;
    is_there.then(|| Json(show(&app, stored))).ok_or_else(|| Problem::not_found("connection"))
}

/// A poll that somebody wants now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BegunSync {
    /// The job that does it.
    #[schema(value_type = String)]
    job_id: JobId,
    #[serde(flatten)]
    job: ShownJob,
}

/// Ask a connection's provider for what is new, now
///
/// The answer is a job, which ends with the poll; `done` counts the events that are new. Where one is under way it is
/// that one. A provider that wants to be left alone for a while is asked after that.
#[utoipa::path(post, path = "/api/connections/{id}/sync", tag = "Connections", params(("id" = String, Path)),
    responses((status = 202, body = BegunSync), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn sync_connection(
    State(app): State<Arc<App>>,
    OwnedConnection(stored): OwnedConnection,
) -> Result<(StatusCode, Json<BegunSync>)> {
    let job_id = app.engine.connections.sync(&stored).await?;
    let begun = app.engine.store.job(job_id).await?.ok_or_else(|| Problem::not_found("job"))?;
    Ok((StatusCode::ACCEPTED, Json(BegunSync { job_id, job: begun.job.into() })))
}

/// Remove a connection
///
/// What was registered for it is removed at the provider, if need be later; then its tokens are gone. Its events stay.
#[utoipa::path(delete, path = "/api/connections/{id}", tag = "Connections", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn delete_connection(
    State(app): State<Arc<App>>,
    OwnedConnection(stored): OwnedConnection,
) -> Result<StatusCode> {
    let is_deleted = app.engine.connections.disconnect(&stored).await?;
    is_deleted.then_some(StatusCode::NO_CONTENT).ok_or_else(|| Problem::not_found("connection"))
}
