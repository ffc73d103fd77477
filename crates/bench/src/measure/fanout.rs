//! One event that many subscriptions of one user want.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::report::{Number, Row};
use super::{Site, median, progress};
use crate::github::Pushes;
use crate::load::{Load, Schedule};
use crate::program::GITHUB_SECRET;
use crate::receiver::{Arrival, Ledger, Receiver, Reply};
use crate::scratch::Engine;

const USER: &str = "fanout";
const DELIVERED_WITHIN: Duration = Duration::from_secs(120);
const ARRIVAL_POLL: Duration = Duration::from_micros(500);

/// Which deliveries have arrived, and when the last of them did.
#[derive(Default)]
struct Deliveries(Mutex<(HashSet<Box<str>>, Option<Instant>)>);

impl Ledger for Deliveries {
    fn arrived(&self, arrival: &Arrival<'_>) -> Reply {
        let mut seen = self.0.lock().expect("no holder panics");
        if seen.0.insert(arrival.delivery_id.into()) {
            seen.1 = Some(arrival.at);
        }
        Reply::OK
    }
}

struct Round {
    /// From the request to the last arrival.
    all_ms: f64,
    accept_ms: f64,
    appends: f64,
}

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let deliveries = Arc::new(Deliveries::default());
    let receiver = Receiver::start(Arc::clone(&deliveries)).await?;
    let subscriptions = subscribe(site, &receiver.url()).await?;
    let pushes = Arc::new(Pushes::prepare(site.launch.address, USER, GITHUB_SECRET, rand::random()));
    let mut rounds = Vec::new();
    for number in 1..=site.options.rounds {
        let round = one_round(site, &pushes, &deliveries, number as u64 * site.options.fanout).await?;
        progress(site.engine, &format!("fan-out round {number}: {:.0} ms", round.all_ms));
        rounds.push(round);
    }
    for id in &subscriptions {
        site.api.unsubscribe(id).await?;
    }
    Ok(rows(site, &rounds))
}

async fn subscribe(site: &Site<'_>, url: &str) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for _ in 0..site.options.fanout {
        ids.push(site.api.subscribe(USER, url, json!({})).await?.id);
    }
    Ok(ids)
}

/// The statement that each append runs at least once.
const fn append(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "insert_events",
        Engine::Postgres => "append",
    }
}

async fn one_round(
    site: &Site<'_>,
    pushes: &Arc<Pushes>,
    deliveries: &Deliveries,
    expected: u64,
) -> Result<Round> {
    let appends_before = site.api.statements(append(site.engine)).await?;
    let load = Load {
        address: site.launch.address,
        pushes: Arc::clone(pushes),
        connections: 1,
        schedule: Schedule::FlatOutCount(1),
        keep_accepted: true,
    };
    let outcome = load.send().await?;
    let event = outcome.accepted.first().context("one was sent")?;
    let last = timeout(DELIVERED_WITHIN, async {
        loop {
            {
                let seen = deliveries.0.lock().expect("no holder panics");
                ensure!(seen.0.len() as u64 <= expected, "more arrived than is owed");
                if let (true, Some(last)) = (seen.0.len() as u64 == expected, seen.1) {
                    return Ok(last);
                }
            }
            sleep(ARRIVAL_POLL).await;
        }
    });
    let last = last.await.with_context(|| format!("not all arrived within {DELIVERED_WITHIN:?}"))??;
    let appends = site.api.statements(append(site.engine)).await?;
    Ok(Round {
        all_ms: (last - event.sent_at).as_secs_f64() * 1000.0,
        accept_ms: (event.answered_at - event.sent_at).as_secs_f64() * 1000.0,
        appends: appends - appends_before,
    })
}

fn rows(site: &Site<'_>, rounds: &[Round]) -> Vec<Row> {
    let (key, name) = (site.engine.key(), site.engine.name());
    let subscriptions = Number(site.options.fanout as f64);
    let accept = median(rounds.iter().map(|round| round.accept_ms));
    let appends = median(rounds.iter().map(|round| round.appends));
    let note = format!("accepted in {accept:.1} ms, appends: {}", Number(appends));
    vec![
        Row::new(
            format!("fanout_ms_{key}"),
            format!("one event to {subscriptions} subscriptions, {name}"),
            median(rounds.iter().map(|round| round.all_ms)),
            "ms",
        )
        .note(note),
    ]
}
