//! Custom sources: addresses for senders that have no route of their own.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use domain::limits::{NAME_BYTES_MAX, URL_BYTES_MAX};
use domain::registration::Basis;
use domain::{SourceId, Timestamp, UserId};
use engine::sources::{SourceKeys, SourceTerms, Speaker};
use http::{HeaderMap, StatusCode, Uri};
use ipnet::IpNet;
use providers::scheme::{self, Verification};
use serde::{Deserialize, Serialize};
use store::StoredSource;
use utoipa::{IntoParams, ToSchema};

use super::channels::{YOUTUBE, create_channel};
use super::fields::{Fields, Said};
use super::list::{Listed, Params, page, parsed};
use super::owned::OwnedSource;
use crate::access::{Bearer, digest, fresh_source_token};
use crate::app::App;
use crate::problem::{Problem, Result};

/// Secrets of one source that count at once. While one takes over from another there are two.
const SECRETS_MAX: usize = 10;

/// Bytes of one secret, or of one public key as PEM.
const SECRET_BYTES_MAX: usize = 8 * 1_024;

/// Networks that one source may name.
const NETWORKS_MAX: usize = 100;

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

pub(super) fn show(app: &App, stored: StoredSource) -> Result<ShownSource> {
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

/// What a source is to be.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct SourceTermsBody {
    /// For people.
    name: String,
    /// Whose events come in here. A user's key may leave it out; with the admin key, left out or `null` means nobody's in
    /// particular.
    user_id: Option<String>,
    /// A sender that is known: one of `GET /api/senders`, or `youtube` for a channel. Either this or `verification`.
    #[schema(example = "stripe")]
    sender: Option<String>,
    /// The channel whose feed is to be pushed, where the sender is `youtube`. The hub is asked for it.
    channel_id: Option<String>,
    /// How any other sender signs.
    #[schema(value_type = Option<Object>)]
    verification: Option<()>,
    /// What the sender signs with; `user:password` for basic authentication.
    secret: Option<String>,
    /// Several of them, any of which may have been used.
    secrets: Option<Vec<String>>,
    /// The sender's public key: hexadecimal, base64 of the DER form, PEM or JWK.
    public_key: Option<String>,
    /// What the sender's handshake must show.
    verify_token: Option<String>,
    /// The URL that the sender knows, to the letter, where that is not the one that is answered.
    public_url: Option<String>,
    /// Networks or addresses that requests may come from.
    allow_ips: Option<Vec<String>>,
    #[schema(default = true)]
    is_active: Option<bool>,
}

/// Make a source
#[utoipa::path(post, path = "/api/sources", tag = "Sources", request_body = SourceTermsBody,
    responses((status = 201, body = NewSource), (status = 422, body = Problem)))]
pub(crate) async fn create_source(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    request: Request,
) -> Result<(StatusCode, Json<NewSource>)> {
    let (parts, body) = request.into_parts();
    let mut fields = Fields::read(&parts.headers, body).await?;
    if fields.is("sender", YOUTUBE) {
        return create_channel(&app, &access, fields).await;
    }
    let user: Said<UserId> = fields.take_parsed("user_id");
    let name = fields.take_text("name", NAME_BYTES_MAX);
    let name = fields.need("name", name, "say what the source is for");
    let speaker = take_speaker(&mut fields, None);
    let (mut keys, mut public_url, mut allow_ips, mut is_active) =
        (SourceKeys::default(), None, Vec::new(), true);
    take_keys(&mut fields, &mut keys);
    take_public_url(&mut fields, &mut public_url);
    take_networks(&mut fields, &mut allow_ips);
    take_activity(&mut fields, &mut is_active);
    let terms = speaker.map(|speaker| SourceTerms { speaker, public_url, allow_ips });
    if let Some(terms) = &terms {
        check_keys(&mut fields, terms, &keys);
    }
    fields.finish()?;
    let user_id = match user {
        Said::Value(user) => access.narrow(Some(user))?,
        Said::Nothing | Said::Null => access.narrow(None)?,
    };
    check_count(&app)?;
    let terms = terms.ok_or_else(Problem::internal)?;
    let now = app.engine.clock.now();
    let id = SourceId::new(now, &mut engine::chance::rng());
    let token = fresh_source_token();
    let stored = StoredSource {
        id,
        user_id,
        name: name.unwrap_or_default(),
        terms: write(&terms)?,
        is_active,
        sealed_keys: keys.seal(&app.engine.vault, id),
        token: digest(&token),
        previous_token: None,
        created_at: now,
        updated_at: now,
        revision: 1,
    };
    app.engine.store.create_source(&stored).await?;
    app.engine.sources.reload().await?;
    Ok((
        StatusCode::CREATED,
        Json(NewSource { url: url(&app, &parts.headers, &token), shown: show(&app, stored)? }),
    ))
}

/// Each node looks through all of them.
pub(super) fn check_count(app: &App) -> Result<()> {
    if app.engine.sources.count() >= SOURCES_MAX {
        let detail = format!("there are {SOURCES_MAX} sources already");
        return Err(Problem::conflict("too_many_sources", detail));
    }
    Ok(())
}

/// Which sources.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SourcesQuery {
    /// Whose.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// At most so many, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List sources
#[utoipa::path(get, path = "/api/sources", tag = "Sources", params(SourcesQuery),
    responses((status = 200, body = Listed<ShownSource>)))]
pub(crate) async fn list_sources(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<SourcesQuery>,
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
/// What is left out stays, and `null` clears a field. `secret` or `secrets` replace all secrets. `sender` and `verification`
/// take each other's place; what they are checked against must fit them.
#[utoipa::path(patch, path = "/api/sources/{id}", tag = "Sources", params(("id" = String, Path)),
    request_body = SourceTermsBody,
    responses((status = 200, body = ShownSource), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn change_source(
    State(app): State<Arc<App>>,
    OwnedSource(mut stored): OwnedSource,
    request: Request,
) -> Result<Json<ShownSource>> {
    let (parts, body) = request.into_parts();
    let mut fields = Fields::read(&parts.headers, body).await?;
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
    request: Request,
) -> Result<Json<NewSource>> {
    let (parts, body) = request.into_parts();
    let mut fields = Fields::read(&parts.headers, body).await?;
    let overlap_hours = fields.take_number("overlap_hours", 0, OVERLAP_HOURS_MAX).or(OVERLAP_HOURS);
    fields.finish()?;
    refuse_channel(&SourceTerms::read(&stored).map_err(|_| Problem::internal())?)?;
    let token = fresh_source_token();
    let overlap = std::time::Duration::from_secs(u64::from(overlap_hours) * 3_600);
    stored.previous_token = Some((stored.token, app.engine.clock.now().plus(overlap)));
    stored.token = digest(&token);
    let stored = save(&app, stored).await?;
    Ok(Json(NewSource { url: url(&app, &parts.headers, &token), shown: show(&app, stored)? }))
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

pub(super) fn write(terms: &SourceTerms) -> Result<String> {
    serde_json::to_string(terms).map_err(|error| {
        tracing::error!(%error, "a source cannot be written");
        Problem::internal()
    })
}

/// It may be changed, and not be taken away: people find a source by it.
fn take_name(fields: &mut Fields, current: &mut String) {
    match fields.take_text("name", NAME_BYTES_MAX) {
        Said::Value(name) => *current = name,
        Said::Null => fields.refuse("name", "is needed: say what the source is for"),
        Said::Nothing => {}
    }
}

/// Who speaks: what is said, else `current`. One of the two takes the other's place, and `null` in the place of what is
/// current leaves nobody.
fn take_speaker(fields: &mut Fields, current: Option<&Speaker>) -> Option<Speaker> {
    let sender = fields.take("sender", "a text", |name: String| {
        let known = scheme::sender(&name);
        known
            .map(|sender| sender.name.clone())
            .ok_or("is not a sender that is known: GET /api/senders lists them")
    });
    let verification = fields.take("verification", "an object", |value: serde_json::Value| {
        serde_json::from_value::<Verification>(value).map_err(|error| error.to_string())
    });
    match (sender, verification, current) {
        (Said::Value(_), Said::Value(_), _) => {
            fields.refuse("verification", "is for senders that are not known: leave out one of the two");
            None
        }
        (Said::Value(name), ..) => Some(Speaker::Sender(name)),
        (_, Said::Value(verification), _) => Some(Speaker::Verification(Box::new(verification))),
        (Said::Null, _, Some(Speaker::Sender(_)))
        | (_, Said::Null, Some(Speaker::Verification(_)))
        | (.., None) => {
            if !fields.has_problems() {
                fields.refuse("sender", "is needed, or a verification: who sends?");
            }
            None
        }
        (.., Some(current)) => Some(current.clone()),
    }
}

fn take_keys(fields: &mut Fields, keys: &mut SourceKeys) {
    let secret = take_key(fields, "secret");
    let secrets = fields.take("secrets", "a list of texts", |secrets: Vec<String>| {
        if secrets.len() > SECRETS_MAX {
            return Err(format!("must be at most {SECRETS_MAX}"));
        }
        secrets.iter().try_for_each(|secret| check_key(secret)).map(|()| secrets)
    });
    match (secret, secrets) {
        (Said::Value(_), Said::Value(_)) => {
            fields.refuse("secret", "goes into secrets: leave out one of the two");
        }
        (Said::Value(secret), _) => keys.secrets = vec![secret],
        (_, Said::Value(secrets)) => keys.secrets = secrets,
        (Said::Null, _) | (_, Said::Null) => keys.secrets = Vec::new(),
        (Said::Nothing, Said::Nothing) => {}
    }
    take_key(fields, "public_key").map(|key| vec![key]).change(&mut keys.public_keys, Vec::new());
    take_key(fields, "verify_token").map(Some).change(&mut keys.verify_token, None);
}

pub(super) fn take_key(fields: &mut Fields, name: &str) -> Said<String> {
    fields.take(name, "a text", |key: String| check_key(&key).map(|()| key))
}

fn check_key(key: &str) -> Result<(), String> {
    if key.is_empty() || key.len() > SECRET_BYTES_MAX {
        Err(format!("must have 1 to {SECRET_BYTES_MAX} bytes"))
    } else {
        Ok(())
    }
}

/// A source that could not believe anybody is refused at once, and not when its first event comes.
fn check_keys(fields: &mut Fields, terms: &SourceTerms, keys: &SourceKeys) {
    // Keys that are wrong in themselves have been told of.
    let Some(verification) = terms.verification().filter(|_| !fields.has_problems()) else { return };
    let hands_out =
        terms.sender().and_then(|sender| sender.challenge.as_ref()).is_some_and(|c| c.hands_out_secret());
    if hands_out && keys.secrets.is_empty() {
        return;
    }
    if let Err(refusal) = verification.check_keys(&keys.with(&[])) {
        fields.refuse("secret", format!("{refusal}; a public key goes into public_key"));
    }
}

fn take_public_url(fields: &mut Fields, current: &mut Option<String>) {
    let said = fields.take("public_url", "a text", |url: String| {
        let is_url = url.len() <= URL_BYTES_MAX
            && url.parse::<Uri>().is_ok_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some()
            });
        if is_url { Ok(Some(url)) } else { Err("must be a whole URL, as the sender knows it") }
    });
    said.change(current, None);
}

fn take_networks(fields: &mut Fields, current: &mut Vec<IpNet>) {
    let said = fields.take("allow_ips", "a list of networks or addresses", |texts: Vec<String>| {
        if texts.len() > NETWORKS_MAX {
            return Err(format!("must be at most {NETWORKS_MAX}"));
        }
        let network = |text: &String| {
            let network =
                text.parse().or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into()));
            network.map_err(|_| format!("{text:?} is no network such as 203.0.113.0/24, and no address"))
        };
        texts.iter().map(network).collect()
    });
    said.change(current, Vec::new());
}

fn take_activity(fields: &mut Fields, current: &mut bool) {
    fields.take("is_active", "true or false", Ok::<bool, String>).change(current, true);
}

/// Somebody who sends webhooks, and how.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownSender {
    #[schema(example = "stripe")]
    name: &'static str,
    title: &'static str,
    aliases: &'static [String],
    /// Whether a vector of its own is a witness to this. If not, it rests on what was read about it.
    confirmed: bool,
    /// What a person who sets it up has to know.
    note: Option<&'static str>,
    /// How its requests are verified.
    #[schema(value_type = Object)]
    verification: &'static Verification,
    /// Whether it signs the URL too, so that `public_url` has to be right.
    signs_url: bool,
    /// Whether it asks first if an address wants its events.
    has_handshake: bool,
}

/// Every sender that is known.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Senders {
    data: Vec<ShownSender>,
}

/// List the senders that are known
#[utoipa::path(get, path = "/api/senders", tag = "Sources", responses((status = 200, body = Senders)))]
pub(crate) async fn list_senders(_: Bearer) -> Json<Senders> {
    let shown = |sender: &'static scheme::Sender| ShownSender {
        name: &sender.name,
        title: &sender.title,
        aliases: &sender.aliases,
        confirmed: sender.confirmed,
        note: sender.note.as_deref(),
        verification: &sender.verification,
        signs_url: sender.verification.signs_url(),
        has_handshake: sender.challenge.is_some(),
    };
    Json(Senders { data: scheme::senders().iter().map(shown).collect() })
}
