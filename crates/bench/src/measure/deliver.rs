//! End to end: signed events in, signed deliveries out, each settled; and what that costs the store.

use std::sync::Arc;

use anyhow::{Context, Result};

use super::cost::{Cost, Meter};
use super::endpoint::Endpoint;
use super::report::{Number, Row, Target};
use super::{Site, median, progress};
use crate::github::Pushes;
use crate::load::{Load, Schedule};
use crate::program::GITHUB_SECRET;
use crate::scratch::Engine;

const USER: &str = "deliver";
/// As many attempts in flight as there are connections sending.
const MAX_CONCURRENCY: usize = 64;

struct Round {
    per_second: f64,
    events: u64,
    repeats: u64,
    statements_per_event: Option<f64>,
    cost: Cost,
}

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let pushes = Arc::new(Pushes::prepare(site.launch.address, USER, GITHUB_SECRET, rand::random()));
    let mut rounds = Vec::new();
    for number in 1..=site.options.rounds {
        let round = one_round(site, &pushes).await.context("end to end")?;
        progress(site.engine, &format!("end-to-end round {number}: {:.0} delivered/s", round.per_second));
        rounds.push(round);
    }
    Ok(rows(site.engine, &rounds))
}

/// The clock runs from the first request until the last accepted event has arrived and is settled.
async fn one_round(site: &Site<'_>, pushes: &Arc<Pushes>) -> Result<Round> {
    let endpoint = Endpoint::open(&site.api, USER, MAX_CONCURRENCY).await?;
    let statements_before = site.api.statements_total().await?;
    let meter = Meter::start(site.program.process_id()?)?;
    let load = Load {
        address: site.launch.address,
        pushes: Arc::clone(pushes),
        connections: site.options.connections,
        schedule: Schedule::FlatOutFor(site.options.phase()),
        keep_accepted: true,
    };
    let outcome = load.send().await?;
    let events = outcome.accepted_count;
    let settled_at = endpoint.settled(events).await?;
    let cost = meter.cost(events)?;
    let statements_after = site.api.statements_total().await?;
    endpoint.arrivals.reconcile(&outcome.accepted)?;
    let repeats = endpoint.arrivals.repeats();
    endpoint.close().await?;
    let statements = statements_after.zip(statements_before).map(|(after, before)| after - before);
    Ok(Round {
        per_second: events as f64 / (settled_at - outcome.first_sent_at).as_secs_f64(),
        events,
        repeats,
        statements_per_event: statements.map(|statements| statements / events as f64),
        cost,
    })
}

fn rows(engine: Engine, rounds: &[Round]) -> Vec<Row> {
    let (key, name) = (engine.key(), engine.name());
    let target = match engine {
        Engine::Sqlite => Target::AtLeast(15_000.0),
        Engine::Postgres => Target::AtLeast(8_000.0),
    };
    let cost = Cost {
        server_us: median(rounds.iter().map(|round| round.cost.server_us)),
        harness_us: median(rounds.iter().map(|round| round.cost.harness_us)),
    };
    let events: u64 = rounds.iter().map(|round| round.events).sum();
    let repeats: u64 = rounds.iter().map(|round| round.repeats).sum();
    let note = format!("{} events, none lost, {repeats} repeated; {cost}", Number(events as f64));
    let rate = median(rounds.iter().map(|round| round.per_second));
    let mut rows = vec![
        Row::new(format!("delivered_per_second_{key}"), format!("delivered end to end, {name}"), rate, "/s")
            .target(target)
            .note(note),
    ];
    let statements: Option<Vec<f64>> = rounds.iter().map(|round| round.statements_per_event).collect();
    rows.extend(statements.map(|statements| {
        Row::new(
            format!("statements_per_event_{key}"),
            format!("SQL statements per delivered event, {name}"),
            median(statements.into_iter()),
            "",
        )
        .target(Target::Below(0.2))
    }));
    rows
}
