//! Recovery: what went wrong is sent once more.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::delivery::Status;
use domain::job::{Action, Filter, Only};
use domain::{Access, JobId, Timestamp};
use engine::recover::Plan;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::deliveries::ShownDelivery;
use super::fields::{Fields, Said};
use super::owned::{OwnedEvent, OwnedSubscription};
use crate::access::Bearer;
use crate::app::App;
use crate::problem::{FieldProblem, Problem, Result};

/// Where to.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct Resending {
    /// A subscription that may have this user's events. Its event types do not matter.
    subscription_id: String,
}

/// Send an event to a subscription once more
///
/// It becomes a delivery of its own, with all its attempts; the `webhook-id` stays the event's.
#[utoipa::path(post, path = "/api/events/{id}/resend", tag = "Events", params(("id" = String, Path)),
    request_body = Resending,
    responses((status = 201, body = ShownDelivery), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn resend_event(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    OwnedEvent(logged): OwnedEvent,
    mut fields: Fields,
) -> Result<(StatusCode, Json<ShownDelivery>)> {
    let id = fields.take_parsed("subscription_id");
    let id = fields.need("subscription_id", id, "who is to get it?");
    fields.finish()?;
    let gone = || Problem::not_found("subscription");
    let id = id.ok_or_else(gone)?;
    let subscription = app.engine.store.subscription(id).await?.ok_or_else(gone)?.subscription;
    access.check(subscription.user_id.as_ref())?;
    if subscription.user_id.is_some() && subscription.user_id != logged.event.user_id {
        let message = "is another user's than the event".to_owned();
        return Err(Problem::invalid(vec![FieldProblem { field: "subscription_id".to_owned(), message }]));
    }
    let delivery = app.engine.recovery.resend(&logged.event, id).await?.ok_or_else(gone)?;
    Ok((StatusCode::CREATED, Json(delivery.into())))
}

/// Which past events.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct Replaying {
    /// Received at or after.
    #[schema(example = "2026-11-21T09:30:00Z")]
    since: String,
    /// Received before; left out: up to now.
    until: Option<String>,
    /// `all` that the subscription wants, what has `failed` and was not sent anew, or what is `missing`: never owed to
    /// it.
    #[schema(default = "all")]
    only: Option<String>,
    /// Only count them.
    #[schema(default = false)]
    dry_run: Option<bool>,
}

/// What a job is about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Begun {
    /// The job that does it; not there after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    job_id: Option<JobId>,
    /// How many events or deliveries it is about.
    count: u64,
}

/// Send past events to a subscription once more
///
/// Events that came in within the span, and that the subscription wants by its types and filter as they are now. Each
/// becomes a delivery of its own, with all its attempts, and keeps its `webhook-id`. The answer comes once they are
/// counted; a job sends them.
#[utoipa::path(post, path = "/api/webhooks/{id}/replay", tag = "Subscriptions", params(("id" = String, Path)),
    request_body = Replaying,
    responses((status = 200, description = "Counted, for `dry_run`", body = Begun),
        (status = 202, description = "Counted and begun", body = Begun),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn replay_events(
    State(app): State<Arc<App>>,
    OwnedSubscription(stored): OwnedSubscription,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Begun>)> {
    let since = take_time(&mut fields, "since");
    let since = fields.need("since", since, "from when on?");
    let until = some(take_time(&mut fields, "until"));
    if until.is_some_and(|until| since.is_some_and(|since| until <= since)) {
        fields.refuse("until", "must be later than since");
    }
    let only = fields.take("only", "\"all\", \"failed\" or \"missing\"", Ok::<Only, String>).or(Only::All);
    let dry_run = take_dry_run(&mut fields);
    fields.finish()?;
    let since = since.unwrap_or(Timestamp::from_micros(0));
    let plan = app.engine.recovery.plan_replay(stored.subscription.id, (since, until), only).await?;
    begin(&app, plan, dry_run).await
}

/// Which deliveries, and what is done to them.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct Bulk {
    /// `retry` or `cancel`.
    action: String,
    filter: Option<BulkFilter>,
    /// Only count them.
    #[schema(default = false)]
    dry_run: Option<bool>,
}

/// Which deliveries are meant; what is left out does not matter.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct BulkFilter {
    /// For `retry`: `failed` (where it is left out) or `cancelled`. For `cancel`: one that is open; left out: all of
    /// those.
    status: Option<String>,
    subscription_id: Option<String>,
    event_type: Option<String>,
    /// Of this user's subscriptions.
    user_id: Option<String>,
    /// Made at or after.
    since: Option<String>,
    /// Made before.
    until: Option<String>,
}

/// Retry or cancel many deliveries
///
/// The answer comes once they are counted; a job does it. A retried delivery keeps its id and history and gets one more
/// attempt.
#[utoipa::path(post, path = "/api/deliveries/bulk", tag = "Deliveries", request_body = Bulk,
    responses((status = 200, description = "Counted, for `dry_run`", body = Begun),
        (status = 202, description = "Counted and begun", body = Begun),
        (status = 403, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn change_deliveries(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Begun>)> {
    let action = fields.take("action", "\"retry\" or \"cancel\"", Ok::<Action, String>);
    let action = fields.need("action", action, "\"retry\" or \"cancel\"?");
    let dry_run = take_dry_run(&mut fields);
    let meant = action.unwrap_or(Action::Retry);
    let filter = fields.take_object("filter", |fields| take_filter(fields, meant));
    fields.finish()?;
    let filter = narrow(&app, &access, filter).await?;
    let plan = app.engine.recovery.plan_bulk(meant, filter).await?;
    begin(&app, plan, dry_run).await
}

fn take_filter(fields: &mut Fields, action: Action) -> Filter {
    let status = fields.take("status", "the status of a delivery", |status: Status| {
        let possible = action.possible_for();
        let names = || possible.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(", ");
        possible.contains(&status).then_some(status).ok_or_else(|| format!("must be one of {}", names()))
    });
    let statuses = status.map(|status| vec![status]).or(action.meant_for().to_vec());
    let (since, until) = (some(take_time(fields, "since")), some(take_time(fields, "until")));
    if until.is_some() && until <= since {
        fields.refuse("until", "must be later than since");
    }
    Filter {
        owner_id: some(fields.take_parsed("user_id")),
        subscription_id: some(fields.take_parsed("subscription_id")),
        statuses,
        event_type: some(fields.take_parsed("event_type")),
        since,
        until,
    }
}

/// Leaves of what is meant what the bearer may touch.
async fn narrow(app: &App, access: &Access, filter: Filter) -> Result<Filter> {
    if let Some(id) = filter.subscription_id {
        let stored = app.engine.store.subscription(id).await?;
        let stored = stored.ok_or_else(|| Problem::not_found("subscription"))?;
        access.check(stored.subscription.user_id.as_ref())?;
    }
    Ok(Filter { owner_id: access.narrow(filter.owner_id)?, ..filter })
}

/// Only says how much there is to do, or begins it.
async fn begin(app: &App, plan: Plan, dry_run: bool) -> Result<(StatusCode, Json<Begun>)> {
    let count = plan.count;
    if dry_run {
        return Ok((StatusCode::OK, Json(Begun { job_id: None, count })));
    }
    let job_id = Some(app.engine.recovery.begin(plan).await?);
    Ok((StatusCode::ACCEPTED, Json(Begun { job_id, count })))
}

fn take_time(fields: &mut Fields, name: &str) -> Said<Timestamp> {
    fields.take(name, "a text", |text: String| Timestamp::parse(&text))
}

fn take_dry_run(fields: &mut Fields) -> bool {
    fields.take("dry_run", "true or false", Ok::<bool, String>).or(false)
}

fn some<T>(said: Said<T>) -> Option<T> {
    said.map(Some).or(None)
}
