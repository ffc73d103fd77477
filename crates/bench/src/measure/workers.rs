//! Workers that drain a queue together, one of which dies with what it holds.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::fill::{Published, publish};
use super::report::{Number, Row};
use super::{Site, progress};
use crate::http::{Connection, request_bytes};
use crate::program::ADMIN_KEY;

const USER: &str = "workers";
const QUEUE: &str = "bench";
const WORKERS: usize = 8;
const PULLED_AT_ONCE: u32 = 100;
const LEASE: Duration = Duration::from_secs(30);
/// How long the one that dies has asked for: so long its events are away.
const LAST_LEASE: Duration = Duration::from_secs(2);
const DRAINED_WITHIN: Duration = Duration::from_secs(600);
/// What is away for longer than any lease is lost.
const EMPTY_FOR: Duration = Duration::from_secs(60);

/// Who holds what, and until when at the least: counted from before the request was sent.
#[derive(Debug, Default)]
struct Ledger {
    held_until: HashMap<String, Instant>,
    completed: u64,
    taken_over: u64,
    last_completed: Option<Instant>,
}

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let subscription = site.api.subscribe_pull(USER, QUEUE).await?;
    let count = site.options.pulled;
    publish(site.engine, site.launch.address, Published::of_one_user("github.push", USER), count).await?;
    let count = count.div_ceil(super::fill::BATCH_EVENTS) * super::fill::BATCH_EVENTS;
    let began = Instant::now();
    let ledger = drain(site, count).await?;
    let took = ledger.last_completed.context("something was completed")? - began;
    ensure!(ledger.completed == count, "{} of {count} were completed", ledger.completed);
    let statistics = site.api.statistics(&subscription).await?;
    ensure!(statistics.successful == count, "the program says {statistics:?} of {count}");
    site.api.unsubscribe(&subscription).await?;
    let (key, name) = (site.engine.key(), site.engine.name());
    let note = format!(
        "{} events, none lost, none held twice, {} taken over from a worker that died",
        Number(count as f64),
        ledger.taken_over
    );
    progress(site.engine, &format!("a queue of {count} drained"));
    Ok(vec![
        Row::new(
            format!("pulled_per_second_{key}"),
            format!("drained by {WORKERS} workers, {name}"),
            count as f64 / took.as_secs_f64(),
            "/s",
        )
        .note(note),
    ])
}

async fn drain(site: &Site<'_>, count: u64) -> Result<Ledger> {
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        let worker = Worker::start(site.launch.address, number == 0).await?;
        workers.spawn(worker.work(Arc::clone(&ledger), count));
    }
    let all = async {
        while let Some(worker) = workers.join_next().await {
            worker??;
        }
        anyhow::Ok(())
    };
    timeout(DRAINED_WITHIN, all).await.context("the queue was not drained in time")??;
    drop(workers);
    Ok(Arc::into_inner(ledger).context("a worker outlived the queue")?.into_inner()?)
}

struct Worker {
    connection: Connection,
    address: SocketAddr,
    /// Dies half-way, with all that it holds.
    is_mortal: bool,
}

impl Worker {
    async fn start(address: SocketAddr, is_mortal: bool) -> Result<Self> {
        Ok(Self { connection: Connection::open(address).await?, address, is_mortal })
    }

    /// Leases and completes until there is nothing left.
    async fn work(mut self, ledger: Arc<Mutex<Ledger>>, count: u64) -> Result<()> {
        let mut empty_since: Option<Instant> = None;
        loop {
            let is_last = self.is_mortal && completed(&ledger) >= count / 2;
            let leased = self.lease(&ledger, if is_last { LAST_LEASE } else { LEASE }).await?;
            // It dies, or has come too late to hold anything.
            if is_last {
                return Ok(());
            }
            if leased.is_empty() {
                if completed(&ledger) >= count {
                    return Ok(());
                }
                let since = *empty_since.get_or_insert_with(Instant::now);
                let lost = count - completed(&ledger);
                ensure!(since.elapsed() < EMPTY_FOR, "{lost} of {count} are lost");
                continue;
            }
            empty_since = None;
            for event in &leased {
                self.complete(event, &ledger).await?;
            }
        }
    }

    async fn lease(&mut self, ledger: &Mutex<Ledger>, lease: Duration) -> Result<Vec<Value>> {
        let path = format!(
            "/api/webhooks/events/pending?queue={QUEUE}&limit={PULLED_AT_ONCE}&lease_seconds={}&wait_seconds=1",
            lease.as_secs()
        );
        let asked_at = Instant::now();
        let answer = self.call("GET", &path, None).await?;
        let events = answer["events"].as_array().context("no events in the answer")?.clone();
        let mut ledger = ledger.lock().expect("no holder panics");
        for event in &events {
            let delivery = text(event, "delivery_id")?;
            if let Some(until) = ledger.held_until.insert(delivery.to_owned(), asked_at + lease) {
                ensure!(Instant::now() >= until, "{delivery} was handed out while somebody held it");
                ledger.taken_over += 1;
            }
        }
        Ok(events)
    }

    async fn complete(&mut self, event: &Value, ledger: &Mutex<Ledger>) -> Result<()> {
        let path = format!("/api/webhooks/events/{}/complete", text(event, "event_id")?);
        let body = json!({ "lease_token": text(event, "lease_token")? });
        self.call("POST", &path, Some(&body)).await?;
        let mut ledger = ledger.lock().expect("no holder panics");
        ledger.completed += 1;
        ledger.last_completed = Some(Instant::now());
        Ok(())
    }

    async fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(|body| body.to_string().into_bytes());
        let request = request_bytes(method, path, self.address, ADMIN_KEY, body.as_deref());
        let response = self.connection.exchange(&request).await?;
        let shown = String::from_utf8_lossy(response.body);
        ensure!(response.status == 200, "{method} {path} answered {}: {shown}", response.status);
        serde_json::from_slice(response.body).with_context(|| format!("{method} {path} answered {shown}"))
    }
}

fn completed(ledger: &Mutex<Ledger>) -> u64 {
    ledger.lock().expect("no holder panics").completed
}

fn text<'v>(event: &'v Value, name: &str) -> Result<&'v str> {
    event[name].as_str().with_context(|| format!("no {name} in {event}"))
}
