//! Users' accounts that are asked for what is new, each on its schedule, while nothing happens in them: what is left to
//! do day and night.
//!
//! The program runs on data of its own, pointed at a stand-in, which counts how often it is asked. The schedule is
//! shortened: ten thousand accounts at their usual half hour are five polls a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use sandbox::{Pair, Sandbox};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::report::{Number, Row, Target};
use super::{Options, Site, progress};
use crate::api::Api;
use crate::http::{Connection, request_bytes};
use crate::machine::{cpu_time, resident_mib};
use crate::program::{ADMIN_KEY, Launch, Program};
use crate::scratch::Engine;

/// It is asked with one call, and its accounts with nothing else.
const PROVIDER: &str = "spotify";
/// Clients that connect accounts side by side.
const CONNECTING: usize = 16;
/// Far beyond any honest pace, so that a program that does not poll is reported instead of awaited.
const FIRST_POLLS_WITHIN: Duration = Duration::from_secs(600);
const LOOKED_AT_EVERY: Duration = Duration::from_millis(100);

/// From one reading to the next are so many parts of the time that is observed.
const SPANS: u32 = 4;
/// Memory may move by as much and is steady still: the allocator keeps pages that come and go.
const STEADY_MIB: f64 = 8.0;
/// What can be missing of the polls that are due, since each span is up to a tenth longer and the window ends in
/// between.
const PACE: f64 = 0.85;

/// What the program and its provider have done so far.
struct Reading {
    at: Instant,
    polls: u32,
    statements: Option<f64>,
    cpu: Duration,
    resident_mib: f64,
}

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let Options { polled, poll_seconds, .. } = *site.options;
    let sandbox = Sandbox::start(seconds_now).await;
    let launch = pointed_at(&sandbox, site, poll_seconds).await?;
    let mut program = launch.start().await?;
    let measured = async {
        connect(&sandbox, &launch, polled, Duration::from_secs(poll_seconds)).await?;
        polled_once(&sandbox, polled).await?;
        progress(site.engine, &format!("{polled} connections made, each polled once"));
        // By then what making them has stirred up has settled.
        sleep(Duration::from_secs(poll_seconds)).await;
        observe(site, &sandbox, &launch, &program).await
    };
    let readings = measured.await.map_err(|error: anyhow::Error| error.context(program.log_tail()))?;
    program.stop().await?;
    rows(site, &readings)
}

fn seconds_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

async fn pointed_at(sandbox: &Sandbox, site: &Site<'_>, poll_seconds: u64) -> Result<Launch> {
    let home = site.scratch.home(site.engine).await?;
    let launch = Launch::waystation(&site.options.binary, &home)?;
    let launch =
        sandbox.environment().into_iter().fold(launch, |launch, (name, value)| launch.with(name, &value));
    let schedule = format!("WAYSTATION_POLL__{}_SECONDS", PROVIDER.to_uppercase());
    Ok(launch.with(schedule, &poll_seconds.to_string()))
}

/// Connects accounts as an application does that has their tokens: over the API. They come evenly within `span`, so that
/// their polls do too: in one heap they would all fall due within a few seconds of a round, and how many of them a window
/// shows would be up to where it begins.
async fn connect(sandbox: &Sandbox, launch: &Launch, count: usize, span: Duration) -> Result<()> {
    let pairs: Vec<_> = (0..count).map(|number| sandbox.world().grant(PROVIDER, &account(number))).collect();
    let (pairs, next) = (Arc::new(pairs), Arc::new(AtomicUsize::new(0)));
    let (began, each) = (tokio::time::Instant::now(), span.div_f64(count.max(1) as f64));
    let comes_at = move |number: usize| began + each.mul_f64(number as f64);
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTING {
        let connection = Connection::open(launch.address).await?;
        let (pairs, next) = (Arc::clone(&pairs), Arc::clone(&next));
        clients.spawn(connect_each(connection, launch.clone(), pairs, next, comes_at));
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}

fn account(number: usize) -> String {
    format!("listener-{number}")
}

async fn connect_each(
    mut connection: Connection,
    launch: Launch,
    pairs: Arc<Vec<Pair>>,
    next: Arc<AtomicUsize>,
    comes_at: impl Fn(usize) -> tokio::time::Instant,
) -> Result<()> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(pair) = pairs.get(number) else { return Ok(()) };
        sleep_until(comes_at(number)).await;
        let body = json!({
            "user_id": format!("user-{number}"), "provider": PROVIDER, "account_id": account(number),
            "access_token": pair.access, "refresh_token": pair.refresh, "expires_in": 3_600,
        });
        let body = body.to_string();
        let request =
            request_bytes("POST", "/api/connections", launch.address, ADMIN_KEY, Some(body.as_bytes()));
        let answer = connection.exchange(&request).await?;
        let shown = String::from_utf8_lossy(answer.body);
        ensure!(answer.status == 201, "POST /api/connections answered {}: {shown}", answer.status);
    }
}

async fn polled_once(sandbox: &Sandbox, count: usize) -> Result<()> {
    let all = async {
        while (sandbox.world().api_calls(PROVIDER) as usize) < count {
            sleep(LOOKED_AT_EVERY).await;
        }
    };
    tokio::time::timeout(FIRST_POLLS_WITHIN, all).await.context("not every connection was polled")
}

/// How it stands at moments evenly spread over a few rounds of the schedule, the first at their beginning and the last
/// at their end.
async fn observe(
    site: &Site<'_>,
    sandbox: &Sandbox,
    launch: &Launch,
    program: &Program,
) -> Result<Vec<Reading>> {
    let Options { seconds, poll_seconds, .. } = *site.options;
    // Whole rounds: within one the polls need not be spread evenly.
    let rounds = seconds.div_ceil(poll_seconds).max(2);
    let span = Duration::from_secs(rounds * poll_seconds) / SPANS;
    let mut readings = vec![Reading::take(sandbox, launch, program).await?];
    for _ in 0..SPANS {
        sleep(span).await;
        readings.push(Reading::take(sandbox, launch, program).await?);
    }
    Ok(readings)
}

impl Reading {
    async fn take(sandbox: &Sandbox, launch: &Launch, program: &Program) -> Result<Self> {
        let process_id = program.process_id()?;
        Ok(Self {
            at: Instant::now(),
            polls: sandbox.world().api_calls(PROVIDER),
            statements: Api::new(launch.address).statements_total().await?,
            cpu: cpu_time(process_id)?,
            resident_mib: resident_mib(process_id)?,
        })
    }
}

fn rows(site: &Site<'_>, readings: &[Reading]) -> Result<Vec<Row>> {
    let Options { polled, poll_seconds, .. } = *site.options;
    let [from, .., to] = readings else { anyhow::bail!("nothing was read") };
    let span = (to.at - from.at).as_secs_f64();
    let polls = f64::from(to.polls - from.polls);
    ensure!(polls > 0.0, "nobody was polled in {span:.0} s");
    let statements = to.statements.zip(from.statements).context("the program counts no statements")?;
    let due = polled as f64 / poll_seconds as f64;
    let cpu = (to.cpu - from.cpu).as_secs_f64();
    let row = |what: &str, told: &str, value, unit| row(site.engine, what, told, value, unit);
    let mut rows = vec![
        row("polls", "connections polled", polls, "")
            .target(Target::AtLeast(due * span * PACE))
            .note(format!("of {} due in {span:.0} s, up to a tenth later each", Number(due * span))),
        row("polls_per_second", "connections polled a second", polls / span, "/s")
            .note(format!("{} connections, one poll each in {poll_seconds} s", Number(polled as f64))),
        row("statements_per_poll", "SQL statements per poll", (statements.0 - statements.1) / polls, "")
            .target(Target::AtMost(statements_max(site.engine))),
        row("cpu_us_per_poll", "processor time per poll", cpu * 1e6 / polls, "µs"),
        row("cpu_percent", "processor time while they are polled", cpu / span * 100.0, "% of a core")
            .note(format!("from moment to moment: {}", shares(readings))),
    ];
    rows.extend(memory_rows(site.engine, readings));
    Ok(rows)
}

fn row(engine: Engine, what: &str, told: &str, value: f64, unit: &'static str) -> Row {
    Row::new(
        format!("connections_{what}_{}", engine.key()),
        format!("{told}, {}", engine.name()),
        value,
        unit,
    )
}

/// How much of a core each part of the time has taken, in percent.
fn shares(readings: &[Reading]) -> String {
    let share = |pair: &[Reading]| {
        let (cpu, span) = (pair[1].cpu - pair[0].cpu, pair[1].at - pair[0].at);
        Number(cpu.as_secs_f64() / span.as_secs_f64() * 100.0).to_string()
    };
    readings.windows(2).map(share).collect::<Vec<_>>().join(", ")
}

fn memory_rows(engine: Engine, readings: &[Reading]) -> [Row; 3] {
    let at = |index: usize| readings[index].resident_mib;
    let row = |what: &str, when: &str, value| {
        row(engine, &format!("memory_{what}_mib"), &format!("memory {when}"), value, "MiB")
    };
    let (first, last) = (at(0), at(readings.len() - 1));
    let all: Vec<_> = readings.iter().map(|reading| Number(reading.resident_mib).to_string()).collect();
    let told = format!("{:+.1} MiB; from moment to moment: {}", last - first, all.join(", "));
    [
        row("start", "at the beginning", first),
        row("middle", "in the middle", at(readings.len() / 2)),
        row("end", "at the end", last).target(Target::AtMost(first + STEADY_MIB)).note(told),
    ]
}

/// A poll without news reads its account, and writes two rows at its end; a claim is shared by several. SQLite counts
/// where a transaction begins and ends as well. The rest is what the program does anyway.
fn statements_max(engine: Engine) -> f64 {
    match engine {
        Engine::Sqlite => 6.0,
        Engine::Postgres => 4.0,
    }
}
