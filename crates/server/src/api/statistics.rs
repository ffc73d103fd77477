//! Statistics: what became of deliveries, hour by hour.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use domain::{Timestamp, UserId};
use serde::{Deserialize, Serialize};
use store::{Hour, HourFilter};
use utoipa::{IntoParams, ToSchema};

use super::list::{Params, parsed};
use crate::access::Bearer;
use crate::app::App;
use crate::problem::Result;

const DAY: Duration = Duration::from_secs(86_400);

/// Which hours.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatisticsQuery {
    /// Whose subscriptions.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// Hours that began at or after; a day ago where it is left out.
    #[param(value_type = Option<String>)]
    since: Option<Timestamp>,
    /// Hours that began before; now where it is left out.
    #[param(value_type = Option<String>)]
    until: Option<Timestamp>,
}

/// What became of deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryStatistics {
    /// The oldest hour first; those in which nothing happened, and nothing was owed, are left out.
    data: Vec<ShownHour>,
    /// Deliveries that have not ended by now: pending, processing, retrying or held.
    owed: i64,
}

/// What became of deliveries within an hour.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownHour {
    /// When it began.
    #[schema(value_type = String, example = "2026-11-21T09:00:00.000Z")]
    hour: Timestamp,
    /// Deliveries that arrived.
    successful: i64,
    /// Deliveries that were given up.
    failed: i64,
    attempts: i64,
    /// Attempts that failed.
    errors: i64,
    /// From an attempt's beginning to the end of its answer, on the average of those that were answered.
    latency_ms_mean: Option<f64>,
    /// The same, of the slowest.
    latency_ms_max: Option<f64>,
    /// Deliveries that had not ended at the last look within the hour. There is one every 5 minutes.
    owed: i64,
}

impl From<Hour> for ShownHour {
    fn from(hour: Hour) -> Self {
        let Hour { begins_at, successful, failed, attempts, errors, answers, owed, .. } = hour;
        let milliseconds = |micros: f64| (answers > 0).then_some((micros / 10.0).round() / 100.0);
        Self {
            hour: begins_at,
            successful,
            failed,
            attempts,
            errors,
            latency_ms_mean: milliseconds(hour.answer_micros as f64 / answers as f64),
            latency_ms_max: milliseconds(hour.answer_micros_max as f64),
            owed,
        }
    }
}

/// Count what became of deliveries, by hour
///
/// Known for 92 days. A user sees what became of their own subscriptions' deliveries.
#[utoipa::path(get, path = "/api/statistics", tag = "Deliveries", params(StatisticsQuery),
    responses((status = 200, body = DeliveryStatistics)))]
pub(crate) async fn read_statistics(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<StatisticsQuery>,
) -> Result<Json<DeliveryStatistics>> {
    let now = app.engine.clock.now();
    let filter = HourFilter {
        user_id: access.narrow(query.user_id)?,
        since: query.since.unwrap_or_else(|| now.minus(DAY)),
        until: query.until.unwrap_or_else(|| now.plus(Duration::from_millis(1))),
    };
    let hours = app.engine.store.hours(&filter).await?;
    let owed = app.engine.store.owed(filter.user_id.as_ref()).await?;
    Ok(Json(DeliveryStatistics { data: hours.into_iter().map(Into::into).collect(), owed }))
}
