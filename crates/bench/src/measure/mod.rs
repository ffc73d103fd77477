//! The benchmark: phases on one started program, each giving rows of the report.

mod arrivals;
mod connections;
mod cost;
mod deliver;
mod endpoint;
mod fanout;
mod fill;
mod flood;
mod footprint;
mod ingest;
mod latency;
mod neighbour;
mod prune;
pub mod report;
mod sockets;
mod workers;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use url::Url;

use self::report::{Report, Row};
use crate::api::Api;
use crate::github::USERS_MAX;
use crate::machine::Machine;
use crate::program::{Launch, Program};
use crate::scratch::{Engine, Home, Scratch};

/// What to measure and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The program to measure; a release build, to mean anything
    #[arg(long, default_value = "target/release/waystation")]
    pub binary: PathBuf,
    /// A PostgreSQL cluster in which databases may be created; without it only SQLite is measured
    #[arg(long)]
    pub postgres_url: Option<Url>,
    /// Which database engines to measure
    #[arg(long, value_enum, default_value_t = Engines::Both)]
    pub engine: Engines,
    /// Measure only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Part>,
    /// Store this many events first
    #[arg(long, value_name = "EVENTS", default_value_t = 0)]
    pub stored: u64,
    /// How many deliveries wait for the dead endpoint
    #[arg(long, value_name = "DELIVERIES", default_value_t = 100_000)]
    pub waiting: u64,
    /// How many old events there are to remove
    #[arg(long, value_name = "EVENTS", default_value_t = 1_000_000)]
    pub old: u64,
    /// How many events the workers drain
    #[arg(long, value_name = "EVENTS", default_value_t = 50_000)]
    pub pulled: u64,
    /// How many subscriptions want one event
    #[arg(long, value_name = "SUBSCRIPTIONS", default_value_t = 1_000)]
    pub fanout: u64,
    /// How long each phase lasts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// How many connections send
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// How many users the events are of that are taken in
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=USERS_MAX))]
    pub users: u64,
    /// Of so many rounds the median is reported
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Where temporary data goes; on a real disk, to mean anything [default: the system's temporary
    /// directory]
    #[arg(long, value_name = "DIRECTORY")]
    pub scratch: Option<PathBuf>,
    /// How many sockets are held
    #[arg(long, default_value_t = 19_000)]
    pub sockets: usize,
    /// How many users' accounts are polled
    #[arg(long, value_name = "ACCOUNTS", default_value_t = 10_000)]
    pub polled: usize,
    /// How often each of them is
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub poll_seconds: u64,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engines {
    Sqlite,
    Postgres,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Accepted events per second, beside a bare server
    Ingest,
    /// Events delivered end to end per second, and SQL statements for each
    Deliver,
    /// From accepted to received, at a steady rate
    Latency,
    /// A good sender's p99 beside a flood of forged requests, and what the flood leaves on disk
    Flood,
    /// A healthy endpoint's latency beside a dead one with many deliveries waiting
    Dead,
    /// Ingest while what is old is removed
    Prune,
    /// Workers that drain a queue together
    Workers,
    /// One event to many subscriptions
    Fanout,
    /// Live streams: held, fan-out, broadcast, resumed
    Sockets,
    /// Users' accounts on their polling schedules
    Connections,
    /// Memory, cold start, size of the binary
    Idle,
}

/// A running program and what the phases need to measure it.
#[derive(Debug)]
pub struct Site<'a> {
    options: &'a Options,
    scratch: &'a Scratch,
    engine: Engine,
    home: Home,
    launch: Launch,
    program: Program,
    api: Api,
}

/// Measures everything that was asked for, one engine after the other.
pub async fn run(options: &Options, scratch: &Scratch) -> Result<Report> {
    let mut rows = Vec::new();
    for engine in options.engines()? {
        rows.extend(measure_engine(options, scratch, engine).await.context(engine.name())?);
    }
    if options.wants(Part::Idle) {
        rows.push(footprint::binary_size(&options.binary)?);
    }
    Ok(Report {
        machine: Machine::look()?,
        stored_events: options.stored,
        seconds_per_phase: options.seconds,
        connections: options.connections,
        users: options.users,
        rounds: options.rounds,
        rows,
    })
}

async fn measure_engine(options: &Options, scratch: &Scratch, engine: Engine) -> Result<Vec<Row>> {
    let home = scratch.home(engine).await?;
    let launch = Launch::waystation(&options.binary, &home)?;
    let program = launch.start().await?;
    let api = Api::new(launch.address);
    let mut site = Site { options, scratch, engine, home, launch, program, api };
    let mut rows = measure_site(&site).await.map_err(|error| error.context(site.program.log_tail()))?;
    site.program.stop().await?;
    if options.wants(Part::Idle) {
        rows.extend(footprint::cold_starts(&site).await?);
    }
    Ok(rows)
}

async fn measure_site(site: &Site<'_>) -> Result<Vec<Row>> {
    let wants = |part| site.options.wants(part);
    let mut rows = Vec::new();
    let mut footprint = Vec::new();
    if wants(Part::Idle) {
        footprint.push(footprint::memory_at_rest(site).await?);
    }
    if site.options.stored > 0 {
        let events = fill::Published::of_many_users();
        fill::publish(site.engine, site.launch.address, events, site.options.stored).await?;
    }
    if wants(Part::Ingest) {
        rows.extend(ingest::measure(site).await?);
    }
    if wants(Part::Deliver) {
        rows.extend(deliver::measure(site).await?);
    }
    if wants(Part::Latency) {
        rows.extend(latency::measure(site).await?);
    }
    if wants(Part::Dead) {
        rows.extend(neighbour::measure(site).await?);
    }
    if wants(Part::Workers) {
        rows.extend(workers::measure(site).await?);
    }
    if wants(Part::Fanout) {
        rows.extend(fanout::measure(site).await?);
    }
    if wants(Part::Prune) {
        rows.extend(prune::measure(site).await?);
    }
    if wants(Part::Flood) {
        rows.extend(flood::measure(site).await?);
    }
    if wants(Part::Sockets) {
        rows.extend(sockets::measure(site).await?);
    }
    if wants(Part::Connections) {
        rows.extend(connections::measure(site).await?);
    }
    if wants(Part::Idle) && !rows.is_empty() {
        footprint.push(footprint::memory_after_load(site).await?);
    }
    rows.extend(footprint);
    Ok(rows)
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn phase(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn engines(&self) -> Result<Vec<Engine>> {
        let postgres = self.postgres_url.is_some();
        match self.engine {
            Engines::Sqlite => Ok(vec![Engine::Sqlite]),
            Engines::Postgres if !postgres => anyhow::bail!("--engine postgres needs --postgres-url"),
            Engines::Postgres => Ok(vec![Engine::Postgres]),
            Engines::Both if postgres => Ok(vec![Engine::Sqlite, Engine::Postgres]),
            Engines::Both => {
                eprintln!("no --postgres-url: only SQLite is measured");
                Ok(vec![Engine::Sqlite])
            }
        }
    }
}

/// Standard output is the report's; what happens meanwhile goes to standard error.
fn progress(engine: Engine, what: &str) {
    eprintln!("{:>10}  {what}", engine.name());
}

/// Of an even number of values, the mean of the middle two; of none, not a number.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match (values.len() / 2, values.len() % 2) {
        (0, 0) => f64::NAN,
        (middle, 0) => f64::midpoint(values[middle - 1], values[middle]),
        (middle, _) => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!(median([3.0, 1.0, 2.0].into_iter()) == 2.0);
        assert!(median([4.0, 1.0, 2.0, 3.0].into_iter()) == 2.5);
        assert!(median([].into_iter()).is_nan());
    }
}
