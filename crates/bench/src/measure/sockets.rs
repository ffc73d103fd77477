//! Live streams: how many are held and what each costs, how fast one event reaches many, and how soon all are back.
//!
//! The harness reads all streams on one thread, so what it shares the cores with is its own reading too. The fan-out is
//! therefore told per second of the program's own processor time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::cost::Meter;
use super::report::{Number, Row, Target};
use super::{Site, progress};
use crate::audience::Audience;
use crate::machine::resident_mib;
use crate::program::ADMIN_KEY;
use crate::socket::Socket;

const USER: &str = "sockets";
/// Handshakes under way at once: the system queues no more than this for a server that is busy.
const OPENING_MAX: usize = 256;
const REST: Duration = Duration::from_secs(2);
/// Far beyond what is aimed for, so that a broken run is reported instead of awaited.
const ARRIVE_WITHIN: Duration = Duration::from_secs(120);
const CROWD_MAX: usize = 10_000;
const FAN_OUT_SOCKETS: usize = 1_000;
/// Events that are published together while the fan-out is measured.
const FAN_OUT_EVENTS: usize = 10;
const EVENT_BYTES: usize = 256;
const BROADCASTS: usize = 20;
const MISSED: usize = 100;
const MICROSECONDS_MAX: u64 = 600_000_000;

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let held = site.options.sockets;
    let crowd = held.min(CROWD_MAX);
    let mut rows = hold(site, held).await.context("holding sockets")?;
    rows.push(fan_out(site, held.min(FAN_OUT_SOCKETS)).await.context("fan-out")?);
    rows.push(broadcast(site, crowd).await.context("broadcast")?);
    rows.push(resume(site, crowd).await.context("resuming")?);
    Ok(rows)
}

/// Opens so many streams after `cursor`, and has each done with as `then` says.
async fn open<T: Send + 'static, F: Future<Output = Result<T>> + Send + 'static>(
    site: &Site<'_>,
    count: usize,
    cursor: &str,
    then: impl Fn(Socket) -> F + Clone + Send + 'static,
) -> Result<JoinSet<Result<T>>> {
    let opening = Arc::new(Semaphore::new(OPENING_MAX));
    let (opened, mut all_opened) = mpsc::channel(OPENING_MAX);
    let mut streams = JoinSet::new();
    for _ in 0..count {
        let turn = Arc::clone(&opening).acquire_owned().await?;
        let (address, cursor) = (site.launch.address, cursor.to_owned());
        let (opened, then) = (opened.clone(), then.clone());
        streams.spawn(async move {
            let (socket, _) = Socket::open(address, ADMIN_KEY, USER, &cursor).await?;
            drop((turn, opened));
            then(socket).await
        });
    }
    drop(opened);
    let none: Option<()> = timeout(ARRIVE_WITHIN, all_opened.recv()).await.context("not all were let in")?;
    ensure!(none.is_none(), "nobody says anything there");
    Ok(streams)
}

/// What became of each.
async fn all<T: 'static>(mut streams: JoinSet<Result<T>>) -> Result<Vec<T>> {
    let all = async {
        let mut ended = Vec::with_capacity(streams.len());
        while let Some(stream) = streams.join_next().await {
            ended.push(stream??);
        }
        anyhow::Ok(ended)
    };
    timeout(ARRIVE_WITHIN, all).await.context("not everything has arrived")?
}

async fn publish(site: &Site<'_>, count: usize) -> Result<()> {
    let event = json!({ "type": "bench.tick", "user_id": USER, "data": "x".repeat(EVENT_BYTES - 2) });
    let events: Vec<Value> = vec![event; count];
    site.api.publish(&json!({ "events": events })).await
}

async fn hold(site: &Site<'_>, count: usize) -> Result<Vec<Row>> {
    let process_id = site.program.process_id()?;
    sleep(REST).await;
    let before = resident_mib(process_id)?;
    let streams = open(site, count, "now", |mut socket| async move { socket.event().await }).await?;
    sleep(REST).await;
    let each_kib = (resident_mib(process_id)? - before) * 1_024.0 / count as f64;
    progress(site.engine, &format!("{count} sockets held, {each_kib:.1} KiB each"));
    // They are held only if each of them still hears of something.
    publish(site, 1).await?;
    all(streams).await?;
    let (key, name) = (site.engine.key(), site.engine.name());
    Ok(vec![
        Row::new(format!("sockets_held_{key}"), format!("sockets held, {name}"), count as f64, "")
            .target(Target::AtLeast(19_000.0)),
        Row::new(format!("socket_memory_kib_{key}"), format!("memory of each, {name}"), each_kib, "KiB")
            .target(Target::AtMost(12.0)),
    ])
}

/// Streams that are listened to in rounds of so many events.
async fn audience(site: &Site<'_>, count: usize, every: usize) -> Result<Audience> {
    let sockets = all(open(site, count, "now", |socket| async { Ok(socket) }).await?).await?;
    Audience::of(sockets, every)
}

async fn round(audience: &mut Audience) -> Result<Vec<Instant>> {
    timeout(ARRIVE_WITHIN, audience.round()).await.context("not everything has arrived")?
}

async fn fan_out(site: &Site<'_>, count: usize) -> Result<Row> {
    let mut audience = audience(site, count, FAN_OUT_EVENTS).await?;
    let meter = Meter::start(site.program.process_id()?)?;
    let began = Instant::now();
    let mut frames = 0;
    while began.elapsed() < site.options.phase() {
        publish(site, FAN_OUT_EVENTS).await?;
        round(&mut audience).await?;
        frames += count * FAN_OUT_EVENTS;
    }
    let per_second = frames as f64 / began.elapsed().as_secs_f64();
    let cost = meter.cost(frames as u64)?;
    let per_core = 1e6 / cost.server_us;
    progress(site.engine, &format!("fan-out measured: {per_core:.0}/s per core"));
    let (key, name) = (site.engine.key(), site.engine.name());
    let name = format!("fan-out per core, {EVENT_BYTES} bytes, {count} sockets, {name}");
    let note = format!("{}/s beside the harness; {cost}", Number(per_second));
    Ok(Row::new(format!("fan_out_per_core_{key}"), name, per_core, "/s")
        .target(Target::AtLeast(100_000.0))
        .note(note))
}

async fn broadcast(site: &Site<'_>, count: usize) -> Result<Row> {
    let mut audience = audience(site, count, 1).await?;
    let mut took = Histogram::<u64>::new_with_max(MICROSECONDS_MAX, 3)?;
    let meter = Meter::start(site.program.process_id()?)?;
    for _ in 0..BROADCASTS {
        let began = Instant::now();
        publish(site, 1).await?;
        for arrived in round(&mut audience).await? {
            took.saturating_record((arrived - began).as_micros() as u64);
        }
    }
    let cost = meter.cost((count * BROADCASTS) as u64)?;
    let milliseconds = |quantile| took.value_at_quantile(quantile) as f64 / 1_000.0;
    progress(site.engine, "broadcast measured");
    let (key, name) = (site.engine.key(), site.engine.name());
    Ok(Row::new(
        format!("broadcast_p99_ms_{key}"),
        format!("one event to {count} sockets, p99, {name}"),
        milliseconds(0.99),
        "ms",
    )
    .target(Target::AtMost(100.0))
    .note(format!("p50 {:.1} ms; {cost}", milliseconds(0.5))))
}

async fn resume(site: &Site<'_>, count: usize) -> Result<Row> {
    let (_left, cursor) = Socket::open(site.launch.address, ADMIN_KEY, USER, "now").await?;
    publish(site, MISSED).await?;
    let began = Instant::now();
    let catch_up = |mut socket: Socket| async move {
        for _ in 0..MISSED {
            socket.event().await?;
        }
        Ok(())
    };
    all(open(site, count, &cursor, catch_up).await?).await?;
    let seconds = began.elapsed().as_secs_f64();
    progress(site.engine, "resuming measured");
    let (key, name) = (site.engine.key(), site.engine.name());
    let name = format!("{count} clients back with {MISSED} missed events each, {name}");
    Ok(Row::new(format!("resume_seconds_{key}"), name, seconds, "s").target(Target::AtMost(10.0)))
}
