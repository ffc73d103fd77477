//! Subscriptions: who wants which events, and where they go.

mod shown;
mod terms;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use domain::SubscriptionId;
use domain::subscription::Subscription;
use engine::keys::SigningKeys;
use http::StatusCode;
use store::{Statistics, StoredSubscription};

use super::fields::Fields;
use super::list::{At, Listed, OfUser, Params, page};
use super::owned::OwnedSubscription;
use crate::access::Bearer;
use crate::app::App;
use crate::problem::{Problem, Result};

pub(super) use shown::{NewSubscription, ShownSubscription, shared_secret, show};
use terms::{New, Start, SubscriptionTerms};

/// Create a subscription
#[utoipa::path(post, path = "/api/webhooks", tag = "Subscriptions", request_body = SubscriptionTerms,
    responses((status = 201, body = NewSubscription), (status = 422, body = Problem)))]
pub(crate) async fn create_subscription(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    fields: Fields,
) -> Result<(StatusCode, Json<NewSubscription>)> {
    let New { user_id, target, start, terms, key, is_active, paused } =
        New::take(&app, &access, fields).await?;
    let now = app.engine.clock.now();
    let id = SubscriptionId::new(now, &mut engine::chance::rng());
    let generated = || SigningKeys::generate(terms.signing, &mut engine::chance::rng());
    let keys = key.map_or_else(generated, SigningKeys::only);
    let subscription =
        Subscription { id, user_id, target, terms, is_active, paused, created_at: now, updated_at: now };
    let stored =
        StoredSubscription { subscription, sealed_key: keys.seal(&app.engine.vault, id), revision: 0 };
    let job_id = match start {
        Start::Now => app.engine.store.create_subscription(&stored).await.map(|()| None)?,
        Start::Earliest => Some(app.engine.recovery.create_started(&stored, None).await?),
        Start::At(since) => Some(app.engine.recovery.create_started(&stored, Some(since)).await?),
    };
    reload(&app).await;
    let shown = show(&app, stored, Statistics::default());
    Ok((StatusCode::CREATED, Json(NewSubscription { shown, secret: shared_secret(&keys), job_id })))
}

/// Makes this node route by what was just written. It would find out by itself at its next append; this is sooner.
pub(super) async fn reload(app: &App) {
    if let Err(error) = app.engine.routes.refresh().await {
        tracing::warn!(%error, "subscriptions could not be read again yet");
    }
}

/// List subscriptions, the newest first
#[utoipa::path(get, path = "/api/webhooks", tag = "Subscriptions", params(OfUser),
    responses((status = 200, body = Listed<ShownSubscription>)))]
pub(crate) async fn list_subscriptions(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<OfUser>,
) -> Result<At<Listed<ShownSubscription>>> {
    let page = page(query.limit, query.cursor.as_deref())?;
    let user = access.narrow(query.user_id)?;
    let store = &app.engine.store;
    let head = store.head().await?;
    let mut found = Vec::new();
    for stored in store.subscriptions(user.as_ref(), &page).await? {
        let statistics = store.statistics(stored.subscription.id).await?;
        found.push((stored, statistics));
    }
    let id = |(stored, _): &(StoredSubscription, Statistics)| stored.subscription.id.to_string();
    Ok(At(head, Listed::new(found, page.limit, id, |(stored, statistics)| show(&app, stored, statistics))))
}

/// Read one subscription
#[utoipa::path(get, path = "/api/webhooks/{id}", tag = "Subscriptions", params(("id" = String, Path)),
    responses((status = 200, body = ShownSubscription), (status = 404, body = Problem)))]
pub(crate) async fn read_subscription(
    State(app): State<Arc<App>>,
    OwnedSubscription(stored): OwnedSubscription,
) -> Result<At<ShownSubscription>> {
    let head = app.engine.store.head().await?;
    let statistics = app.engine.store.statistics(stored.subscription.id).await?;
    Ok(At(head, show(&app, stored, statistics)))
}

/// Change a subscription
///
/// What is left out stays as it is; `null` goes back to the default.
#[utoipa::path(patch, path = "/api/webhooks/{id}", tag = "Subscriptions", params(("id" = String, Path)),
    request_body = SubscriptionTerms,
    responses((status = 200, body = ShownSubscription), (status = 422, body = Problem)))]
pub(crate) async fn change_subscription(
    State(app): State<Arc<App>>,
    OwnedSubscription(mut stored): OwnedSubscription,
    request: Request,
) -> Result<Json<ShownSubscription>> {
    check_is_no_callback(&stored)?;
    let (parts, body) = request.into_parts();
    let fields = Fields::read(&parts.headers, body).await?;
    let (id, store) = (stored.subscription.id, &app.engine.store);
    for _ in 0..CHANGE_TRIES {
        terms::change(&app, fields.clone(), &mut stored.subscription).await?;
        let now = app.engine.clock.now();
        stored.subscription.updated_at = now;
        if store.change_subscription(&stored, now).await? {
            reload(&app).await;
            app.engine.deliverer.note_released(id);
            let statistics = store.statistics(id).await?;
            return Ok(Json(show(&app, stored, statistics)));
        }
        // Somebody else was faster: what they changed stays, and ours goes on top.
        stored = store.subscription(id).await?.ok_or_else(|| Problem::not_found("subscription"))?;
    }
    Err(Problem::conflict("conflict", "the subscription is changing too fast; try again"))
}

/// A conversation's callback is the conversation's to change.
fn check_is_no_callback(stored: &StoredSubscription) -> Result<()> {
    match stored.subscription.terms.callback_of {
        Some(conversation) => {
            let detail =
                format!("it is the callback of {conversation}: change that one's config.callback_url");
            Err(Problem::conflict("is_callback", detail))
        }
        None => Ok(()),
    }
}

/// How often a change is made again because somebody else was faster.
pub(super) const CHANGE_TRIES: usize = 20;

/// Delete a subscription
///
/// Its open deliveries are cancelled; its history stays.
#[utoipa::path(delete, path = "/api/webhooks/{id}", tag = "Subscriptions", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn delete_subscription(
    State(app): State<Arc<App>>,
    OwnedSubscription(stored): OwnedSubscription,
) -> Result<StatusCode> {
    check_is_no_callback(&stored)?;
    let now = app.engine.clock.now();
    if !app.engine.store.delete_subscription(stored.subscription.id, now).await? {
        return Err(Problem::not_found("subscription"));
    }
    reload(&app).await;
    Ok(StatusCode::NO_CONTENT)
}
