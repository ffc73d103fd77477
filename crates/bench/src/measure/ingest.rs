//! Ingest: how many signed events a second are accepted durably, beside what a bare server answers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::cost::{Cost, Meter};
use super::report::{Row, Target};
use super::{Site, median, progress};
use crate::github::Pushes;
use crate::load::{Load, Outcome, Schedule};
use crate::program::{GITHUB_SECRET, Launch, Program};
use crate::scratch::Engine;

/// Opens connections, fills caches and lets allocators settle before anything counts.
const WARM_UP: Duration = Duration::from_millis(500);

/// A user without a subscription: its events owe nothing to anyone.
const USER: &str = "ingest";

/// One load on one of the two servers.
struct Phase {
    outcome: Outcome,
    cost: Cost,
}

/// Alternates the two servers, so that whatever else the machine does meets both alike.
pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let bare_launch = Launch::bare(&site.home.directory)?;
    let bare_server = bare_launch.start().await?;
    let bare_pushes = Arc::new(Pushes::prepare(bare_launch.address, USER, GITHUB_SECRET, rand::random()));
    let pushes = Arc::new(Pushes::prepare(site.launch.address, USER, GITHUB_SECRET, rand::random()));
    let (mut bare, mut real) = (Vec::new(), Vec::new());
    for round in 1..=site.options.rounds {
        bare.push(phase(site, &bare_launch, &bare_server, &bare_pushes).await?);
        real.push(phase(site, &site.launch, &site.program, &pushes).await?);
        let rate = |phases: &[Phase]| phases.last().map_or(0.0, |phase| phase.outcome.per_second());
        let (bare, real) = (rate(&bare), rate(&real));
        progress(site.engine, &format!("ingest round {round}: {real:.0}/s beside {bare:.0}/s bare"));
    }
    Ok(rows(site.engine, &bare, &real))
}

async fn phase(site: &Site<'_>, launch: &Launch, server: &Program, pushes: &Arc<Pushes>) -> Result<Phase> {
    let load = |lasting: Duration| Load {
        address: launch.address,
        pushes: Arc::clone(pushes),
        connections: site.options.connections,
        schedule: Schedule::FlatOutFor(lasting),
        keep_accepted: false,
    };
    load(WARM_UP).send().await?;
    let meter = Meter::start(server.process_id()?)?;
    let outcome = load(site.options.phase()).send().await?;
    let cost = meter.cost(outcome.accepted_count)?;
    Ok(Phase { outcome, cost })
}

fn rows(engine: Engine, bare: &[Phase], real: &[Phase]) -> Vec<Row> {
    let key = engine.key();
    let name = engine.name();
    let shares =
        bare.iter().zip(real).map(|(bare, real)| real.outcome.per_second() / bare.outcome.per_second());
    let share_target = match engine {
        Engine::Sqlite => Target::AtLeast(0.50),
        Engine::Postgres => Target::AtLeast(0.28),
    };
    vec![
        rate_row(format!("bare_per_second_beside_{key}"), format!("bare axum, beside {name}"), bare),
        rate_row(format!("ingest_per_second_{key}"), format!("ingest, {name}"), real),
        Row::new(format!("ingest_share_{key}"), format!("ingest, share of bare, {name}"), median(shares), "")
            .target(share_target),
    ]
}

fn rate_row(key: String, name: String, phases: &[Phase]) -> Row {
    let milliseconds = |quantile| median(phases.iter().map(|phase| phase.outcome.latency_ms(quantile)));
    let cost = Cost {
        server_us: median(phases.iter().map(|phase| phase.cost.server_us)),
        harness_us: median(phases.iter().map(|phase| phase.cost.harness_us)),
    };
    let note = format!("p50 {:.2} ms, p99 {:.2} ms; {cost}", milliseconds(0.5), milliseconds(0.99));
    let rate = median(phases.iter().map(|phase| phase.outcome.per_second()));
    Row::new(key, name, rate, "/s").note(note)
}
