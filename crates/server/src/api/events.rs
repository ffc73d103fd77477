//! Events: what came in.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::{Event, EventType, Timestamp, UserId};
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{Counted, DeliveryFilter, EventCount, EventFilter, Page};
use utoipa::{IntoParams, ToSchema};

use super::deliveries::ShownDelivery;
use super::list::{At, Listed, Params, page, parsed};
use super::owned::OwnedEvent;
use crate::access::Bearer;
use crate::app::App;
use crate::problem::{Problem, Result};

/// An event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownEvent {
    #[schema(value_type = String, example = "evt_019aa6b0c7d07b3e8f3c5a1d2e4f6071")]
    id: domain::EventId,
    /// What kind of fact.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "github.push")]
    event_type: EventType,
    /// Whose it is; `null` where no user could be found.
    #[schema(value_type = Option<String>, example = "alice")]
    user_id: Option<UserId>,
    /// Where it came in.
    #[schema(example = "github")]
    source: String,
    /// The provider that spoke, where one did.
    provider: Option<String>,
    /// When it happened.
    #[schema(value_type = String, example = "2026-11-21T09:30:00.125Z")]
    occurred_at: Timestamp,
    /// When it came in.
    #[schema(value_type = String, example = "2026-11-21T09:30:00.625Z")]
    received_at: Timestamp,
    /// What happened, as the sender wrote it.
    #[schema(value_type = Object)]
    data: Option<Box<RawValue>>,
}

impl From<&Event> for ShownEvent {
    fn from(event: &Event) -> Self {
        Self {
            id: event.id,
            event_type: event.event_type.clone(),
            user_id: event.user_id.clone(),
            source: event.source.to_string(),
            provider: event.provider.as_ref().map(ToString::to_string),
            occurred_at: event.occurred_at,
            received_at: event.received_at,
            data: RawValue::from_string(event.data.as_str().to_owned()).ok(),
        }
    }
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Whose.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// Of this type.
    #[serde(default, rename = "type", deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    event_type: Option<EventType>,
    /// From this source.
    source: Option<String>,
    /// Received at or after.
    #[param(value_type = Option<String>)]
    since: Option<Timestamp>,
    /// Received before.
    #[param(value_type = Option<String>)]
    until: Option<Timestamp>,
    /// At most so many, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List events, the newest first
#[utoipa::path(get, path = "/api/events", tag = "Events", params(EventsQuery),
    responses((status = 200, body = Listed<ShownEvent>), (status = 403, body = Problem)))]
pub(crate) async fn list_events(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<EventsQuery>,
) -> Result<At<Listed<ShownEvent>>> {
    let page = page(query.limit, query.cursor.as_deref())?;
    let filter = EventFilter {
        user_id: access.narrow(query.user_id)?,
        event_type: query.event_type,
        source: query.source,
        since: query.since,
        until: query.until,
    };
    let head = app.engine.store.head().await?;
    let events = app.engine.store.events(&filter, &page).await?;
    let listed = Listed::new(
        events,
        page.limit,
        |logged| logged.event.id.to_string(),
        |logged| (&*logged.event).into(),
    );
    Ok(At(head, listed))
}

/// An event with its deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventWithDeliveries {
    #[serde(flatten)]
    event: ShownEvent,
    /// What subscriptions were owed since it came in, as far as the bearer may see them; the newest 200.
    deliveries: Vec<ShownDelivery>,
}

/// Read one event with its deliveries
#[utoipa::path(get, path = "/api/events/{id}", tag = "Events", params(("id" = String, Path)),
    responses((status = 200, body = EventWithDeliveries), (status = 404, body = Problem)))]
pub(crate) async fn read_event(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    OwnedEvent(logged): OwnedEvent,
) -> Result<At<EventWithDeliveries>> {
    let head = app.engine.store.head().await?;
    let filter = DeliveryFilter {
        event_id: Some(logged.event.id),
        owner_id: access.narrow(None)?,
        ..DeliveryFilter::default()
    };
    let deliveries = app.engine.store.deliveries(&filter, &Page::first(200)).await?;
    let event = ShownEvent::from(&*logged.event);
    Ok(At(head, EventWithDeliveries { event, deliveries: deliveries.into_iter().map(Into::into).collect() }))
}

/// Read the bytes that came in
#[utoipa::path(get, path = "/api/events/{id}/raw", tag = "Events", params(("id" = String, Path)),
    responses((status = 200, description = "The request's body, byte for byte"), (status = 404, body = Problem)))]
pub(crate) async fn read_raw_event(OwnedEvent(logged): OwnedEvent) -> Response {
    // Never as something that a browser would run.
    let (media_type, body) = match &logged.event.raw {
        Some(raw) => ("application/octet-stream", raw.clone()),
        None => ("application/json", logged.event.data.as_str().as_bytes().to_vec()),
    };
    ([(CONTENT_TYPE, media_type)], body).into_response()
}

/// What to count.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatsQuery {
    /// How long a bucket is.
    #[serde(default)]
    #[param(inline)]
    bucket: Bucket,
    /// Whose events.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// Received at or after; a day ago where it is left out.
    #[param(value_type = Option<String>)]
    since: Option<Timestamp>,
    /// Received before; now where it is left out.
    #[param(value_type = Option<String>)]
    until: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Bucket {
    Minute,
    #[default]
    Hour,
    Day,
}

impl Bucket {
    const fn seconds(self) -> u32 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }
}

/// How many events came in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stats {
    /// The oldest bucket first.
    data: Vec<ShownCount>,
}

/// A bucket's events of one source and type.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownCount {
    /// When the bucket begins.
    #[schema(value_type = String, example = "2026-11-21T09:00:00.000Z")]
    bucket: Timestamp,
    source: String,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    event_type: EventType,
    count: i64,
}

impl From<EventCount> for ShownCount {
    fn from(EventCount { bucket, source, event_type, count }: EventCount) -> Self {
        Self { bucket, source, event_type, count }
    }
}

/// Count events by time, source and type
#[utoipa::path(get, path = "/api/stats", tag = "Events", params(StatsQuery), responses((status = 200, body = Stats)))]
pub(crate) async fn read_stats(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<StatsQuery>,
) -> Result<axum::Json<Stats>> {
    let now = app.engine.clock.now();
    let until = query.until.unwrap_or_else(|| now.plus(std::time::Duration::from_millis(1)));
    let counted = Counted {
        user_id: access.narrow(query.user_id)?,
        since: query.since.unwrap_or_else(|| now.minus(std::time::Duration::from_secs(86_400))),
        until,
        bucket_seconds: query.bucket.seconds(),
    };
    let counts = app.engine.store.event_counts(&counted).await?;
    Ok(axum::Json(Stats { data: counts.into_iter().map(Into::into).collect() }))
}
