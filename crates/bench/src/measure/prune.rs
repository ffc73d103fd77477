//! Ingest while nothing is removed, and while what is old is: on a program and data of their own, since all that is there
//! goes. Both are measured right after a start on the same data.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::time::sleep;

use super::fill::{Published, publish};
use super::report::{Number, Row, Target};
use super::{Site, progress};
use crate::api::Api;
use crate::github::Pushes;
use crate::load::{Load, Outcome, Schedule};
use crate::program::{GITHUB_SECRET, Launch};

const USER: &str = "prune";
/// Gentle enough for any machine: what is asked is what the removal adds.
const RATE_PER_SECOND: u32 = 500;
const WARM_UP: Duration = Duration::from_secs(1);
/// So old is whatever was stored before the second start.
const AGE: &str = "1s";
const REMOVAL: &str = "remove_events";
/// Far beyond what any removal should take.
const GONE_WITHIN: Duration = Duration::from_secs(600);
const GONE_POLL: Duration = Duration::from_millis(100);

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let home = site.scratch.home(site.engine).await?;
    let launch = Launch::waystation(&site.options.binary, &home)?;
    let mut program = launch.start().await?;
    let old = Published::of_many_users();
    publish(site.engine, launch.address, old, site.options.old).await?;
    program.stop().await?;
    site.scratch.settle(site.engine, &home).await?;
    let mut program = launch.start().await?;
    let without = ingest(site, &launch).await?;
    program.stop().await?;

    let ages = ["EVENTS", "DELIVERIES", "ATTEMPTS"].map(|what| format!("WAYSTATION_RETENTION__{what}"));
    let launch = ages.into_iter().fold(launch, |launch, name| launch.with(name, AGE));
    let mut program = launch.start().await?;
    let (api, began) = (Api::new(launch.address), Instant::now());
    let before = api.statements(REMOVAL).await?;
    let with = ingest(site, &launch).await?;
    let batches = api.statements(REMOVAL).await? - before;
    ensure!(batches > 0.0, "nothing was removed while it was measured");
    progress(site.engine, "ingest with and without removal measured");
    while api.has_events(old.event_type()).await? {
        ensure!(began.elapsed() < GONE_WITHIN, "what is old was not gone within {GONE_WITHIN:?}");
        sleep(GONE_POLL).await;
    }
    let removed_per_second = site.options.old as f64 / began.elapsed().as_secs_f64();
    program.stop().await?;
    let mut rows = rows(site, &without, &with, batches);
    let (key, name) = (site.engine.key(), site.engine.name());
    let row = Row::new(
        format!("pruned_per_second_{key}"),
        format!("old events removed, ingest at first, {name}"),
        removed_per_second,
        "/s",
    );
    rows.push(row);
    Ok(rows)
}

async fn ingest(site: &Site<'_>, launch: &Launch) -> Result<Outcome> {
    let pushes = Arc::new(Pushes::prepare(launch.address, USER, GITHUB_SECRET, rand::random()));
    let load = |lasting| Load {
        address: launch.address,
        pushes: Arc::clone(&pushes),
        connections: site.options.connections,
        schedule: Schedule::PerSecond { rate: RATE_PER_SECOND, lasting },
        keep_accepted: false,
    };
    load(WARM_UP).send().await?;
    load(site.options.phase()).send().await
}

fn rows(site: &Site<'_>, without: &Outcome, with: &Outcome, batches: f64) -> Vec<Row> {
    let (key, name) = (site.engine.key(), site.engine.name());
    let row = |key: String, what: &str, outcome: &Outcome| {
        let name = format!("ingest at {RATE_PER_SECOND}/s {what}, p99, {name}");
        Row::new(key, name, outcome.latency_ms(0.99), "ms").note(format!(
            "p50 {:.2} ms, at most {:.1} ms",
            outcome.latency_ms(0.5),
            outcome.latency_ms(1.0)
        ))
    };
    vec![
        row(format!("ingest_without_pruning_p99_ms_{key}"), "without removal", without),
        row(format!("ingest_with_pruning_p99_ms_{key}"), "while what is old is removed", with),
        Row::new(
            format!("ingest_pruning_ratio_{key}"),
            format!("ingest while what is old is removed, times as long, {name}"),
            with.latency_ms(0.99) / without.latency_ms(0.99),
            "",
        )
        .target(Target::AtMost(2.0))
        .note(format!(
            "{} batches of {} old events",
            Number(batches),
            Number(site.options.old as f64)
        )),
    ]
}
