//! What every handler can reach.

use crate::access::Doorkeeper;
use crate::config::Inbound;
use crate::limit::Limits;
use crate::metrics::Metrics;
use engine::Engine;
use http::header::HOST;
use http::{HeaderMap, HeaderValue};

/// The running program, as handlers see it.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) doorkeeper: Doorkeeper,
    pub(crate) limits: Limits,
    pub(crate) inbound: Inbound,
    pub(crate) metrics: Metrics,
    /// What a browser may do with a page of the portal.
    pub(crate) portal_policy: HeaderValue,
    /// Where the world reaches this server, as far as anybody has said.
    pub(crate) base_url: Option<String>,
}

impl App {
    /// Where the world reaches this server: as configured, else as whoever asks has called it.
    pub(crate) fn base_url(&self, headers: &HeaderMap) -> String {
        let host = || headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        self.base_url.clone().unwrap_or_else(|| format!("http://{}", host()))
    }
}
