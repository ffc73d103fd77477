//! What a phase cost the two processes in processor time.

use std::time::Duration;

use anyhow::Result;

use crate::machine::cpu_time;

/// A stopwatch on a server's processor time and the harness's own.
#[derive(Debug)]
pub(super) struct Meter {
    server_process_id: u32,
    server: Duration,
    harness: Duration,
}

/// Processor time per event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    pub(super) server_us: f64,
    pub(super) harness_us: f64,
}

impl Meter {
    pub(super) fn start(server_process_id: u32) -> Result<Self> {
        let (server, harness) = (cpu_time(server_process_id)?, cpu_time(std::process::id())?);
        Ok(Self { server_process_id, server, harness })
    }

    pub(super) fn cost(&self, events: u64) -> Result<Cost> {
        let each = |now: Duration, then: Duration| (now - then).as_secs_f64() * 1e6 / events as f64;
        Ok(Cost {
            server_us: each(cpu_time(self.server_process_id)?, self.server),
            harness_us: each(cpu_time(std::process::id())?, self.harness),
        })
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "server cpu {:.1} µs/event, harness {:.1}", self.server_us, self.harness_us)
    }
}
