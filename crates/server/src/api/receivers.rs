//! How the endpoints fare that subscriptions name.

use std::sync::Arc;

use axum::{Json, extract};
use domain::health::{Admission, State};
use domain::subscription::Target;
use domain::{SubscriptionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use store::{Statistics, StoredSubscription};
use utoipa::{IntoParams, ToSchema};

use super::list::{Listed, Params, page, parsed};
use crate::access::Bearer;
use crate::app::App;
use crate::problem::Result;

/// A subscription's endpoint, and how it has been answering.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceiverHealth {
    #[schema(value_type = String)]
    subscription_id: SubscriptionId,
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    url: String,
    is_active: bool,
    paused: bool,
    /// As the node that answers has found it. `closed`: it is called. `open`: it failed ten times in a row and is left
    /// alone. `half-open`: the next attempt tries it. `probing`: that attempt is under way.
    #[schema(value_type = String, example = "closed")]
    state: State,
    /// Failures in a row, as that node has counted them.
    consecutive_failures: u32,
    /// While it is `open`: when it is tried again.
    #[schema(value_type = Option<String>)]
    opens_at: Option<Timestamp>,
    /// When the first attempt failed since one last succeeded, at whichever node.
    #[schema(value_type = Option<String>)]
    failing_since: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    last_success_at: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    last_failure_at: Option<Timestamp>,
}

/// Whose endpoints.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReceiversQuery {
    /// Of this user's subscriptions.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// At most so many subscriptions, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List how subscribers' endpoints fare, the newest subscription first
///
/// Queues have no endpoint and are left out.
#[utoipa::path(get, path = "/api/webhooks/health", tag = "Subscriptions", params(ReceiversQuery),
    responses((status = 200, body = Listed<ReceiverHealth>)))]
pub(crate) async fn list_receivers(
    extract::State(app): extract::State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<ReceiversQuery>,
) -> Result<Json<Listed<ReceiverHealth>>> {
    let page = page(query.limit, query.cursor.as_deref())?;
    let user = access.narrow(query.user_id)?;
    let found = app.engine.store.subscriptions(user.as_ref(), &page).await?;
    let id = |stored: &StoredSubscription| stored.subscription.id.to_string();
    let listed = Listed::new(found, page.limit, id, |stored| stored);
    let mut data = Vec::new();
    for stored in listed.data {
        if let Target::Push { url } = &stored.subscription.target {
            let statistics = app.engine.store.statistics(stored.subscription.id).await?;
            data.push(show(&app, &stored, url.clone(), &statistics));
        }
    }
    Ok(Json(Listed { data, next_cursor: listed.next_cursor }))
}

fn show(app: &App, stored: &StoredSubscription, url: String, statistics: &Statistics) -> ReceiverHealth {
    let (subscription, now) = (&stored.subscription, app.engine.clock.now());
    let health = app.engine.deliverer.health(subscription.id);
    let state = health.state(now);
    // Of a copy: asking must not use up the probe.
    let opens_at = match { health }.admit(now) {
        Admission::Wait(until) if state == State::Open => Some(until),
        _ => None,
    };
    ReceiverHealth {
        subscription_id: subscription.id,
        user_id: subscription.user_id.clone(),
        url,
        is_active: subscription.is_active,
        paused: subscription.paused,
        state,
        consecutive_failures: health.consecutive_failures(),
        opens_at,
        failing_since: statistics.failing_since,
        last_success_at: statistics.last_success_at,
        last_failure_at: statistics.last_failure_at,
    }
}
