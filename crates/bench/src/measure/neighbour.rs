//! A healthy endpoint alone, and beside one that answers nothing and has many deliveries waiting.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::fill::{Published, publish};
use super::latency::{self, Latency};
use super::report::{Number, Row, Target};
use super::{Site, progress};
use crate::receiver::{Arrival, Ledger, Receiver, Reply};

const HEALTHY: &str = "neighbour";
const DEAD: &str = "dead";

/// Takes requests and never answers.
struct Silence;

impl Ledger for Silence {
    fn arrived(&self, _: &Arrival<'_>) -> Reply {
        Reply { status: 200, delay: Duration::from_secs(24 * 3600) }
    }
}

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let alone = latency::of_one_endpoint(site, HEALTHY).await?;
    let receiver = Receiver::start(Arc::new(Silence)).await?;
    let options = json!({ "timeout_seconds": 1, "retry_count": 10 });
    let dead = site.api.subscribe(DEAD, &receiver.url(), options).await?;
    let waiting = site.options.waiting;
    publish(site.engine, site.launch.address, Published::of_one_user("github.push", DEAD), waiting).await?;
    let beside = latency::of_one_endpoint(site, HEALTHY).await?;
    let open = site.api.statistics(&dead.id).await?;
    site.api.unsubscribe(&dead.id).await?;
    progress(site.engine, "a healthy endpoint alone and beside a dead one measured");
    Ok(rows(site, &alone, &beside, open.total - open.successful - open.failed))
}

fn rows(site: &Site<'_>, alone: &Latency, beside: &Latency, still_open: u64) -> Vec<Row> {
    let (key, name) = (site.engine.key(), site.engine.name());
    let p99 = |latency: &Latency| latency.accepted_to_received_ms(0.99);
    let row = |key: String, name: String, latency: &Latency| {
        Row::new(key, name, p99(latency), "ms")
            .note(format!("p50 {:.2} ms", latency.accepted_to_received_ms(0.5)))
    };
    vec![
        row(format!("neighbour_alone_p99_ms_{key}"), format!("a healthy endpoint alone, p99, {name}"), alone),
        row(format!("neighbour_beside_dead_p99_ms_{key}"), format!("beside a dead one, p99, {name}"), beside),
        Row::new(
            format!("neighbour_beside_dead_ratio_{key}"),
            format!("beside a dead one, times as long, {name}"),
            p99(beside) / p99(alone),
            "",
        )
        .target(Target::AtMost(2.0))
        .note(format!("{} of the dead one's deliveries open in the end", Number(still_open as f64))),
    ]
}
