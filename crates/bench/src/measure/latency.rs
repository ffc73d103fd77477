//! How long after an event was accepted the subscriber has it, at a gentle steady rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

use super::endpoint::Endpoint;
use super::report::{Row, Target};
use super::{Site, progress};
use crate::github::Pushes;
use crate::load::{Accepted, Load, Schedule};
use crate::program::GITHUB_SECRET;

const USER: &str = "latency";
const RATE_PER_SECOND: u32 = 100;
const LASTING: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(1);
const MICROSECONDS_MAX: u64 = 60_000_000;

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let latency = of_one_endpoint(site, USER).await?;
    progress(site.engine, &format!("latency over {} events measured", latency.from_accept.len()));
    Ok(rows(site, &latency))
}

/// How long events took to an endpoint.
pub(super) struct Latency {
    from_accept: Histogram<u64>,
    from_send: Histogram<u64>,
}

impl Latency {
    pub(super) fn accepted_to_received_ms(&self, quantile: f64) -> f64 {
        milliseconds(&self.from_accept, quantile)
    }
}

fn milliseconds(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1000.0
}

/// Sends to a new endpoint of `user`'s, which is healthy, and waits until all has arrived.
pub(super) async fn of_one_endpoint(site: &Site<'_>, user: &str) -> Result<Latency> {
    let pushes = Arc::new(Pushes::prepare(site.launch.address, user, GITHUB_SECRET, rand::random()));
    let endpoint = Endpoint::open(&site.api, user, 64).await?;
    let load = |lasting: Duration| Load {
        address: site.launch.address,
        pushes: Arc::clone(&pushes),
        connections: site.options.connections,
        schedule: Schedule::PerSecond { rate: RATE_PER_SECOND, lasting },
        keep_accepted: true,
    };
    let mut accepted = load(WARM_UP).send().await?.accepted;
    let warm_up_count = accepted.len();
    accepted.extend(load(LASTING).send().await?.accepted);
    endpoint.settled(accepted.len() as u64).await?;
    endpoint.arrivals.reconcile(&accepted)?;
    let counted = &accepted[warm_up_count..];
    let arrival = |event: &Accepted| endpoint.arrivals.first_arrival(&event.event_id);
    let from_accept = spread(counted, arrival, |event| event.answered_at)?;
    let from_send = spread(counted, arrival, |event| event.sent_at)?;
    endpoint.close().await?;
    Ok(Latency { from_accept, from_send })
}

/// An event may reach the subscriber before its sender has read the answer; that counts as no time at all.
fn spread(
    events: &[Accepted],
    arrival: impl Fn(&Accepted) -> Option<Instant>,
    since: impl Fn(&Accepted) -> Instant,
) -> Result<Histogram<u64>> {
    let mut histogram = Histogram::new_with_max(MICROSECONDS_MAX, 3)?;
    for event in events {
        let arrived_at = arrival(event).context("reconciled, so it arrived")?;
        let elapsed = arrived_at.saturating_duration_since(since(event));
        histogram.saturating_record(elapsed.as_micros() as u64);
    }
    Ok(histogram)
}

fn rows(site: &Site<'_>, latency: &Latency) -> Vec<Row> {
    let (key, name) = (site.engine.key(), site.engine.name());
    let row = |percentile: &str, quantile: f64, target: f64| {
        Row::new(
            format!("accept_to_received_{percentile}_ms_{key}"),
            format!("accept to received at {RATE_PER_SECOND}/s, {percentile}, {name}"),
            latency.accepted_to_received_ms(quantile),
            "ms",
        )
        .target(Target::AtMost(target))
        .note(format!("from send {:.2} ms", milliseconds(&latency.from_send, quantile)))
    };
    vec![row("p50", 0.5, 1.5), row("p99", 0.99, 5.0)]
}
