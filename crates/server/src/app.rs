//! What every handler can reach.

use crate::access::Doorkeeper;
use crate::config::Inbound;
use crate::limit::Limits;
use crate::metrics::Metrics;
use engine::Engine;

/// The running program, as handlers see it.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) doorkeeper: Doorkeeper,
    pub(crate) limits: Limits,
    pub(crate) inbound: Inbound,
    pub(crate) metrics: Metrics,
}
