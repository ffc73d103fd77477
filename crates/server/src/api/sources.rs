//! Custom sources: addresses for senders that have no route of their own.

mod terms;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::registration::Basis;
use domain::{SourceId, Timestamp, UserId};
use engine::sources::{SourceKeys, SourceTerms, Speaker};
use http::{HeaderMap, StatusCode};
use ipnet::IpNet;
use providers::scheme::Verification;
use serde::Serialize;
use store::StoredSource;
use utoipa::ToSchema;

use super::channels::{YOUTUBE, create_channel};
use super::fields::Fields;
use super::list::{Listed, OfUser, Params, page};
use super::owned::OwnedSource;
use crate::access::{Bearer, digest, fresh_source_token};
use crate::app::App;
use crate::problem::{Problem, Result};

pub(super) use terms::{Added, take_key};
use terms::{
    SourceTermsBody, check_keys, take_activity, take_keys, take_name, take_networks, take_public_url,
    take_speaker,
};

/// Sources of everybody. Each node holds all of them in memory.
const SOURCES_MAX: usize = 10_000;

/// The longest time for which an old address goes on working, in hours: four weeks.
const OVERLAP_HOURS_MAX: u16 = 28 * 24;
const OVERLAP_HOURS: u16 = 24;

/// A custom source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownSource {
    #[schema(value_type = String, example = "src_019aa6b0c7d07b3e8f3c5a1d2e4f6071")]
    id: SourceId,
    name: String,
    /// Whose events come in here; `null`: nobody's in particular.
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// Who sends, for a sender that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "stripe")]
    sender: Option<String>,
    /// The channel, for YouTube.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_id: Option<String>,
    /// How requests are verified, where that is spelled out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    verification: Option<Box<Verification>>,
    /// The URL that the sender knows, where that is not ours.
    public_url: Option<String>,
    /// Where requests may come from; from anywhere where it is empty.
    #[schema(value_type = Vec<String>)]
    allow_ips: Vec<IpNet>,
    is_active: bool,
    /// How many secrets count.
    secret_count: usize,
    /// Until when the address before the current one works.
    #[schema(value_type = Option<String>)]
    previous_url_until: Option<Timestamp>,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = String)]
    updated_at: Timestamp,
}

fn show(app: &App, stored: StoredSource) -> Result<ShownSource> {
    let broken = |error: &dyn std::fmt::Display| {
        tracing::error!(source = %stored.id, %error, "a source cannot be read");
        Problem::internal()
    };
    let terms = SourceTerms::read(&stored).map_err(|error| broken(&error))?;
    let keys = SourceKeys::open(&app.engine.vault, &stored).map_err(|error| broken(&error))?;
    let (sender, channel_id, verification) = match terms.speaker {
        Speaker::Sender(name) => (Some(name), None, None),
        Speaker::Channel(channel) => (Some(YOUTUBE.to_owned()), Some(channel), None),
        Speaker::Verification(verification) => (None, None, Some(verification)),
    };
    let now = app.engine.clock.now();
    Ok(ShownSource {
        id: stored.id,
        name: stored.name,
        user_id: stored.user_id,
        sender,
        channel_id,
        verification,
        public_url: terms.public_url,
        allow_ips: terms.allow_ips,
        is_active: stored.is_active,
        secret_count: keys.secrets.len(),
        previous_url_until: stored.previous_token.map(|(_, until)| until).filter(|until| *until > now),
        created_at: stored.created_at,
        updated_at: stored.updated_at,
    })
}

/// A source with its address.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewSource {
    #[serde(flatten)]
    pub(super) shown: ShownSource,
    /// Where its sender sends to. Whoever knows it may try, so it is shown this once.
    #[schema(example = "https://example.com/in/Jr5wUvQ0wO2mPV9n1cXK3yqkq8s6l0aB")]
    pub(super) url: String,
}

/// Make a source
#[utoipa::path(post, path = "/api/sources", tag = "Sources", request_body = SourceTermsBody,
    responses((status = 201, body = NewSource), (status = 422, body = Problem)))]
pub(crate) async fn create_source(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    headers: HeaderMap,
    fields: Fields,
) -> Result<(StatusCode, Json<NewSource>)> {
    if fields.is("sender", YOUTUBE) {
        return create_channel(&app, &access, fields).await;
    }
    let added = Added::take(&access, fields)?;
    check_count(&app)?;
    let now = app.engine.clock.now();
    let id = SourceId::new(now, &mut engine::chance::rng());
    let token = fresh_source_token();
    let shown = added.keep(&app, (id, now), &token).await?;
    Ok((StatusCode::CREATED, Json(NewSource { url: url(&app, &headers, &token), shown })))
}

impl Added {
    /// Keeps it under an id that was made at a time, at the address with this token.
    pub(super) async fn keep(
        self,
        app: &App,
        (id, now): (SourceId, Timestamp),
        token: &str,
    ) -> Result<ShownSource> {
        let stored = StoredSource {
            id,
            user_id: self.user_id,
            name: self.name,
            terms: write(&self.terms)?,
            is_active: self.is_active,
            sealed_keys: self.keys.seal(&app.engine.vault, id),
            token: digest(token),
            previous_token: None,
            created_at: now,
            updated_at: now,
            revision: 1,
        };
        app.engine.store.create_source(&stored).await?;
        app.engine.sources.reload().await?;
        show(app, stored)
    }
}

/// Each node looks through all of them.
pub(super) fn check_count(app: &App) -> Result<()> {
    if app.engine.sources.count() >= SOURCES_MAX {
        let detail = format!("there are {SOURCES_MAX} sources already");
        return Err(Problem::conflict("too_many_sources", detail));
    }
    Ok(())
}

/// List sources
#[utoipa::path(get, path = "/api/sources", tag = "Sources", params(OfUser),
    responses((status = 200, body = Listed<ShownSource>)))]
pub(crate) async fn list_sources(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<OfUser>,
) -> Result<Json<Listed<ShownSource>>> {
    let user = access.narrow(query.user_id)?;
    let page = page(query.limit, query.cursor.as_deref())?;
    let found = app.engine.store.sources(user.as_ref(), &page).await?;
    let listed = Listed::new(found, page.limit, |source| source.id.to_string(), |source| show(&app, source));
    let data = listed.data.into_iter().collect::<Result<_>>()?;
    Ok(Json(Listed { data, next_cursor: listed.next_cursor }))
}

/// Read a source
#[utoipa::path(get, path = "/api/sources/{id}", tag = "Sources", params(("id" = String, Path)),
    responses((status = 200, body = ShownSource), (status = 404, body = Problem)))]
pub(crate) async fn read_source(
    State(app): State<Arc<App>>,
    OwnedSource(stored): OwnedSource,
) -> Result<Json<ShownSource>> {
    show(&app, stored).map(Json)
}

/// Change a source
///
/// What is left out stays, and `null` clears a field. `secret` or `secrets` replace all secrets. `sender` and
/// `verification` take each other's place; what they are checked against must fit them.
#[utoipa::path(patch, path = "/api/sources/{id}", tag = "Sources", params(("id" = String, Path)),
    request_body = SourceTermsBody,
    responses((status = 200, body = ShownSource), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn change_source(
    State(app): State<Arc<App>>,
    OwnedSource(mut stored): OwnedSource,
    mut fields: Fields,
) -> Result<Json<ShownSource>> {
    let mut terms = SourceTerms::read(&stored).map_err(|_| Problem::internal())?;
    refuse_channel(&terms)?;
    let mut keys = SourceKeys::open(&app.engine.vault, &stored).map_err(|_| Problem::internal())?;
    take_name(&mut fields, &mut stored.name);
    let had = (terms.speaker.clone(), keys.clone());
    terms.speaker = take_speaker(&mut fields, Some(&had.0)).unwrap_or(terms.speaker);
    take_keys(&mut fields, &mut keys);
    take_public_url(&mut fields, &mut terms.public_url);
    take_networks(&mut fields, &mut terms.allow_ips);
    take_activity(&mut fields, &mut stored.is_active);
    if had.0 != terms.speaker || had.1 != keys {
        check_keys(&mut fields, &terms, &keys);
    }
    fields.finish()?;
    stored.terms = write(&terms)?;
    stored.sealed_keys = keys.seal(&app.engine.vault, stored.id);
    let stored = save(&app, stored).await?;
    show(&app, stored).map(Json)
}

/// Remove a source
///
/// Its address answers 404 from then on; for a channel the hub is told. Its events stay.
#[utoipa::path(delete, path = "/api/sources/{id}", tag = "Sources", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn delete_source(
    State(app): State<Arc<App>>,
    OwnedSource(stored): OwnedSource,
) -> Result<StatusCode> {
    app.engine.registrations.unwant_of(Basis::Source(stored.id)).await?;
    let is_deleted = app.engine.store.delete_source(stored.id).await?;
    app.engine.sources.reload().await?;
    is_deleted.then_some(StatusCode::NO_CONTENT).ok_or_else(|| Problem::not_found("source"))
}

/// How an address is replaced.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct UrlRotation {
    /// For how long the old address goes on working, 0 to 672.
    #[schema(default = 24)]
    overlap_hours: Option<u16>,
}

/// Give a source a new address
#[utoipa::path(post, path = "/api/sources/{id}/rotate-url", tag = "Sources", params(("id" = String, Path)),
    request_body = UrlRotation, responses((status = 200, body = NewSource), (status = 404, body = Problem)))]
pub(crate) async fn rotate_source_url(
    State(app): State<Arc<App>>,
    OwnedSource(mut stored): OwnedSource,
    headers: HeaderMap,
    mut fields: Fields,
) -> Result<Json<NewSource>> {
    let overlap_hours = fields.take_number("overlap_hours", 0, OVERLAP_HOURS_MAX).or(OVERLAP_HOURS);
    fields.finish()?;
    refuse_channel(&SourceTerms::read(&stored).map_err(|_| Problem::internal())?)?;
    let token = fresh_source_token();
    let overlap = std::time::Duration::from_secs(u64::from(overlap_hours) * 3_600);
    stored.previous_token = Some((stored.token, app.engine.clock.now().plus(overlap)));
    stored.token = digest(&token);
    let stored = save(&app, stored).await?;
    Ok(Json(NewSource { url: url(&app, &headers, &token), shown: show(&app, stored)? }))
}

/// Writes a changed source, unless somebody else has changed it meanwhile.
async fn save(app: &App, mut stored: StoredSource) -> Result<StoredSource> {
    stored.updated_at = app.engine.clock.now();
    let is_saved = app.engine.store.change_source(&stored).await?;
    app.engine.sources.reload().await?;
    if is_saved {
        Ok(stored)
    } else {
        Err(Problem::conflict("changed_meanwhile", "somebody else has changed the source; read it again"))
    }
}

fn url(app: &App, headers: &HeaderMap, token: &str) -> String {
    format!("{}/in/{token}", app.base_url(headers))
}

/// What the hub was told of a channel cannot be changed without asking it anew.
fn refuse_channel(terms: &SourceTerms) -> Result<()> {
    if matches!(terms.speaker, Speaker::Channel(_)) {
        return Err(Problem::conflict(
            "is_channel",
            "a channel's source stays as it is: remove it, and make another",
        ));
    }
    Ok(())
}

fn write(terms: &SourceTerms) -> Result<String> {
    serde_json::to_string(terms).map_err(|error| {
        tracing::error!(%error, "a source cannot be written");
        Problem::internal()
    })
}
