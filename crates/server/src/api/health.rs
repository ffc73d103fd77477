//! Is it well?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::problem::{Problem, Result};

/// How the program is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or `unavailable` while the store is out of reach.
    #[schema(example = "ok")]
    status: &'static str,
    version: &'static str,
}

const fn health(status: &'static str) -> Health {
    Health { status, version: env!("CARGO_PKG_VERSION") }
}

/// Whether it can do its work: 200, or 503 while the store is out of reach
#[utoipa::path(get, path = "/health", tag = "Operation", security(()),
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(crate) async fn read_health(State(app): State<Arc<App>>) -> (StatusCode, Json<Health>) {
    match app.engine.store.head().await {
        Ok(_) => (StatusCode::OK, Json(health("ok"))),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, Json(health("unavailable"))),
    }
}

/// Whether it can do its work, for a load balancer
#[utoipa::path(get, path = "/health/ready", tag = "Operation", security(()),
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(crate) async fn read_readiness(state: State<Arc<App>>) -> (StatusCode, Json<Health>) {
    read_health(state).await
}

/// Whether the process lives
#[utoipa::path(get, path = "/health/live", tag = "Operation", security(()), responses((status = 200, body = Health)))]
pub(crate) async fn read_liveness() -> Json<Health> {
    Json(health("ok"))
}

/// What is counted, for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "Operation", security(()),
    responses((status = 200, description = "OpenMetrics text")))]
pub(crate) async fn read_metrics(State(app): State<Arc<App>>) -> Result<Response> {
    let text = app
        .metrics
        .render(app.engine.store.as_ref(), &app.engine.rejections, &app.engine.queues)
        .map_err(|_| Problem::internal())?;
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, media_type)], text).into_response())
}
