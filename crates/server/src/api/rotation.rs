//! A new signing key for a subscription, while the old one goes on for a while.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use domain::Timestamp;
use engine::keys::SigningKeys;
use serde::Serialize;
use utoipa::ToSchema;

use super::fields::Fields;
use super::owned::OwnedSubscription;
use super::subscriptions::{CHANGE_TRIES, NewSubscription, reload, shared_secret, show};
use crate::app::App;
use crate::problem::{Problem, Result};

/// Hours that the old key signs too, unless it is said otherwise.
const OVERLAP_HOURS: f64 = 24.0;

/// Hours that an old key may sign at most: a month. Who has not changed it by then will not.
const OVERLAP_HOURS_MAX: f64 = 720.0;

/// How a key is replaced.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct SecretRotation {
    /// How long the old key signs too, 0 to 720.
    #[schema(default = 24)]
    overlap_hours: Option<f64>,
}

/// The subscription with its new secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RotatedSubscription {
    #[serde(flatten)]
    subscription: NewSubscription,
    /// Until when the old key signs too.
    #[schema(value_type = String)]
    overlap_ends_at: Timestamp,
}

/// Replace a subscription's signing key
///
/// Until the overlap ends `webhook-signature` holds a signature under the new key and one under the old, in this order;
/// `X-Webhook-Signature` is made with the new secret at once.
#[utoipa::path(post, path = "/api/webhooks/{id}/rotate-secret", tag = "Subscriptions",
    params(("id" = String, Path)), request_body = SecretRotation,
    responses((status = 200, body = RotatedSubscription), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn rotate_secret(
    State(app): State<Arc<App>>,
    OwnedSubscription(mut stored): OwnedSubscription,
    mut fields: Fields,
) -> Result<Json<RotatedSubscription>> {
    let overlap = fields.take("overlap_hours", "a number from 0 to 720", |hours: f64| {
        let is_possible = (0.0..=OVERLAP_HOURS_MAX).contains(&hours);
        if is_possible { Ok(hours) } else { Err("must be a number from 0 to 720") }
    });
    fields.finish()?;
    let overlap = Duration::from_secs_f64(overlap.or(OVERLAP_HOURS) * 3_600.0);
    let (id, store) = (stored.subscription.id, &app.engine.store);
    for _ in 0..CHANGE_TRIES {
        let now = app.engine.clock.now();
        let (keys, overlap_ends_at) = rotated(&app, &stored, now, overlap)?;
        stored.sealed_key = keys.seal(&app.engine.vault, id);
        stored.subscription.updated_at = now;
        if store.change_subscription(&stored, now).await? {
            reload(&app).await;
            let shown = show(&app, stored, store.statistics(id).await?);
            let subscription = NewSubscription { shown, secret: shared_secret(&keys), job_id: None };
            return Ok(Json(RotatedSubscription { subscription, overlap_ends_at }));
        }
        stored = store.subscription(id).await?.ok_or_else(|| Problem::not_found("subscription"))?;
    }
    Err(Problem::conflict("conflict", "the subscription is changing too fast; try again"))
}

/// The keys of `stored` with a new one in front, and when the others end.
fn rotated(
    app: &App,
    stored: &store::StoredSubscription,
    now: Timestamp,
    overlap: Duration,
) -> Result<(SigningKeys, Timestamp)> {
    let mut keys = SigningKeys::open(&app.engine.vault, stored).map_err(|error| {
        tracing::error!(subscription = %stored.subscription.id, %error, "its key cannot be replaced");
        Problem::internal()
    })?;
    let until = now.plus(overlap);
    keys.rotate(stored.subscription.terms.signing, now, until, &mut engine::chance::rng());
    Ok((keys, until))
}
