//! The bare server that rates are compared with: axum, one handler that reads the body and answers the same
//! JSON.
//!
//! It runs as a process of its own, started and loaded exactly as the real one is: it is the most that the
//! same libraries could do on this machine if receiving an event meant nothing.

use std::net::SocketAddr;

use anyhow::Result;
use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use serde::Serialize;

#[derive(Serialize)]
struct Answer {
    status: &'static str,
    event_id: &'static str,
}

/// Serves until the process is killed.
pub async fn serve(address: SocketAddr) -> Result<()> {
    let router = Router::new()
        .route("/api/webhooks/github/{user}", post(accept))
        .route("/health/ready", get(|| async { "ready" }));
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn accept(body: Bytes) -> Json<Answer> {
    drop(body);
    Json(Answer { status: "accepted", event_id: "evt_01997a3c5b7e7c5f9d1f2a3b4c5d6e7f" })
}
