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

/// Users without a subscription: their events owe nothing to anyone.
const USERS: &str = "ingest";

/// With few connections the machine is idle part of the time, between the steps of a commit. With so many, what an event
/// costs is most of what is measured.
const CROWDS: [usize; 2] = [512, 1_024];

/// The two servers, each with what is sent to it.
struct Servers<'s> {
    bare: (&'s Launch, &'s Program, Arc<Pushes>),
    real: (&'s Launch, &'s Program, Arc<Pushes>),
}

/// One load on one of the two servers.
struct Phase {
    outcome: Outcome,
    cost: Cost,
}

/// Alternates the two servers, so that whatever else the machine does meets both alike.
pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let bare_launch = Launch::bare(&site.home.directory)?;
    let bare_program = bare_launch.start().await?;
    let pushes = |launch: &Launch| {
        let (users, first) = (site.options.users, rand::random());
        Arc::new(Pushes::of_many_users(launch.address, USERS, users, GITHUB_SECRET, first))
    };
    let servers = Servers {
        bare: (&bare_launch, &bare_program, pushes(&bare_launch)),
        real: (&site.launch, &site.program, pushes(&site.launch)),
    };
    let mut rows = measure_with(site, &servers, site.options.connections, "").await?;
    for crowd in CROWDS {
        rows.extend(measure_with(site, &servers, crowd, &format!("_of_{crowd}")).await?);
    }
    Ok(rows)
}

/// The rows of so many connections; their keys end in `suffix`.
async fn measure_with(
    site: &Site<'_>,
    servers: &Servers<'_>,
    connections: usize,
    suffix: &str,
) -> Result<Vec<Row>> {
    let (mut bare, mut real) = (Vec::new(), Vec::new());
    for round in 1..=site.options.rounds {
        bare.push(phase(site, &servers.bare, connections).await?);
        real.push(phase(site, &servers.real, connections).await?);
        let rate = |phases: &[Phase]| phases.last().map_or(0.0, |phase| phase.outcome.per_second());
        let (bare, real) = (rate(&bare), rate(&real));
        progress(
            site.engine,
            &format!("ingest, {connections} connections, round {round}: {real:.0}/s beside {bare:.0}/s bare"),
        );
    }
    Ok(rows(site.engine, connections, suffix, &bare, &real))
}

async fn phase(
    site: &Site<'_>,
    (launch, server, pushes): &(&Launch, &Program, Arc<Pushes>),
    connections: usize,
) -> Result<Phase> {
    let load = |lasting: Duration| Load {
        address: launch.address,
        pushes: Arc::clone(pushes),
        connections,
        schedule: Schedule::FlatOutFor(lasting),
        keep_accepted: false,
    };
    load(WARM_UP).send().await?;
    let meter = Meter::start(server.process_id()?)?;
    let outcome = load(site.options.phase()).send().await?;
    let cost = meter.cost(outcome.accepted_count)?;
    Ok(Phase { outcome, cost })
}

fn rows(engine: Engine, connections: usize, suffix: &str, bare: &[Phase], real: &[Phase]) -> Vec<Row> {
    let key = engine.key();
    let name = format!("{}, {connections} connections", engine.name());
    let shares =
        bare.iter().zip(real).map(|(bare, real)| real.outcome.per_second() / bare.outcome.per_second());
    let share_target = match engine {
        Engine::Sqlite => Target::AtLeast(0.50),
        Engine::Postgres => Target::AtLeast(0.28),
    };
    vec![
        rate_row(format!("bare_per_second_beside_{key}{suffix}"), format!("bare axum, beside {name}"), bare),
        rate_row(format!("ingest_per_second_{key}{suffix}"), format!("ingest, {name}"), real),
        Row::new(
            format!("ingest_share_{key}{suffix}"),
            format!("ingest, share of bare, {name}"),
            median(shares),
            "",
        )
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
