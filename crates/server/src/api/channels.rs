//! Sources that are YouTube channels: the hub is asked to push a channel's feed, without anybody's connection.

use axum::Json;
use domain::limits::NAME_BYTES_MAX;
use domain::registration::Basis;
use domain::{Access, SourceId, UserId};
use engine::registrations::NewRegistration;
use engine::sources::{SourceKeys, SourceTerms, Speaker};
use http::StatusCode;
use providers::register::registrable;

use super::fields::Fields;
use super::sources::{Added, NewSource, check_count, take_key};
use crate::access::fresh_source_token;
use crate::app::App;
use crate::problem::{Problem, Result};

/// The sender of such a source.
pub(super) const YOUTUBE: &str = "youtube";

/// Makes a source of a channel, and asks the hub for it.
pub(super) async fn create_channel(
    app: &App,
    access: &Access,
    mut fields: Fields,
) -> Result<(StatusCode, Json<NewSource>)> {
    let provider = registrable(YOUTUBE).ok_or_else(Problem::internal)?;
    let sender = fields.take_text("sender", NAME_BYTES_MAX);
    let user: Option<UserId> = fields.take_parsed("user_id").value();
    let channel = fields.take("channel_id", "a text", |text: String| provider.target(&text));
    let channel = fields.need("channel_id", channel, "whose videos?");
    let name = fields.take_text("name", NAME_BYTES_MAX).value();
    let secret = take_key(&mut fields, "secret").value();
    let user_id = access.narrow(user)?;
    if user_id.is_none() && !fields.has_problems() {
        fields.refuse("user_id", "is needed: whose events are they?");
    }
    fields.finish()?;
    check_count(app)?;
    let (channel, now) = (channel.ok_or_else(Problem::internal)?, app.engine.clock.now());
    let id = SourceId::new(now, &mut engine::chance::rng());
    let registered = app.engine.registrations.want(NewRegistration {
        provider,
        basis: Basis::Source(id),
        user_id: user_id.clone(),
        account_id: String::new(),
        target: channel.clone(),
        events: Vec::new(),
        config: None,
        secret: secret.clone(),
    });
    let url = registered.await?.registration.url;
    let added = Added {
        user_id,
        name: name.or(sender.value()).unwrap_or_default(),
        terms: SourceTerms { speaker: Speaker::Channel(channel), public_url: None, allow_ips: Vec::new() },
        keys: SourceKeys { secrets: secret.into_iter().collect(), ..SourceKeys::default() },
        is_active: true,
    };
    // Nobody is told the token: what comes in comes in at the provider's address.
    let shown = added.keep(app, (id, now), &fresh_source_token()).await?;
    Ok((StatusCode::CREATED, Json(NewSource { url, shown })))
}
