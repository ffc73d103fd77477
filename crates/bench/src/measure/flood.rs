//! What a flood of forged requests does to a good sender, and to the disk.
//!
//! The rate limits are out of the way, so that every forged request is read and verified: a real flood would be turned
//! away sooner. It comes from a thread of its own, at a fixed rate, and from ever new addresses of this machine, so
//! that no bound on one address helps.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::report::{Row, Target};
use super::{Site, progress};
use crate::github::Pushes;
use crate::http::Connection;
use crate::load::{Load, Outcome, Schedule};
use crate::program::GITHUB_SECRET;
use crate::scratch::Engine;

const USER: &str = "flood";
const GOOD_PER_SECOND: u32 = 100;
const FORGED_PER_SECOND: u32 = 2_000;
const FLOODERS: u32 = 64;
/// Requests before a flooder goes on from another address.
const REQUESTS_PER_ADDRESS: u32 = 20;
/// Each has a body of its own, larger than what is kept of it.
const BODY_BYTES: usize = 6 * 1_024;
const WARM_UP: Duration = Duration::from_secs(1);

/// What a good sender's p99 may come to, as a multiple of its calm one.
const SLOWER_AT_MOST: f64 = 3.0;
/// Rejections that are kept, and what each may take with its headers and indexes. The good events come on top.
const REJECTIONS_KEPT_MAX: f64 = 10_000.0;
const DISK_MIB_MAX: f64 = 256.0;
const MIB: f64 = 1_024.0 * 1_024.0;

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let pushes = Arc::new(Pushes::prepare(site.launch.address, USER, GITHUB_SECRET, rand::random()));
    let good = |lasting| Load {
        address: site.launch.address,
        pushes: Arc::clone(&pushes),
        connections: 8,
        schedule: Schedule::PerSecond { rate: GOOD_PER_SECOND, lasting },
        keep_accepted: false,
    };
    good(WARM_UP).send().await?;
    let calm = good(site.options.phase()).send().await?;
    let bytes_before = bytes_on_disk(&site.home.directory)?;
    let flood = Flood::start(site.launch.address);
    let beside = good(site.options.phase()).send().await;
    let forged = flood.stop()?;
    let beside = beside?;
    let kept = site.api.rejection_count().await?;
    progress(
        site.engine,
        &format!("flood of {} forged requests from {} addresses", forged.sent, forged.addresses),
    );
    let grown = (bytes_on_disk(&site.home.directory)?.saturating_sub(bytes_before)) as f64 / MIB;
    let mut rows = rows(site, &calm, &beside, &forged, kept as f64);
    if site.engine == Engine::Sqlite {
        let name = format!("disk taken by a flood, {}", site.engine.name());
        let row = Row::new(format!("flood_disk_mib_{}", site.engine.key()), name, grown, "MiB");
        rows.push(row.target(Target::AtMost(DISK_MIB_MAX)).note("the good events included"));
    }
    Ok(rows)
}

fn rows(site: &Site<'_>, calm: &Outcome, beside: &Outcome, forged: &Forged, kept: f64) -> Vec<Row> {
    let (key, name) = (site.engine.key(), site.engine.name());
    let (calm, beside) = (calm.latency_ms(0.99), beside.latency_ms(0.99));
    let slower = Row::new(
        format!("flood_p99_ratio_{key}"),
        format!("a good sender's p99 beside a flood, {name}"),
        beside / calm,
        "× calm",
    );
    let rejections = Row::new(
        format!("flood_rejections_kept_{key}"),
        format!("rejections kept of a flood, {name}"),
        kept,
        "",
    );
    vec![
        slower.target(Target::AtMost(SLOWER_AT_MOST)).note(format!(
            "{beside:.2} ms after {calm:.2} ms, {GOOD_PER_SECOND}/s beside {:.0}/s",
            forged.per_second()
        )),
        rejections
            .target(Target::AtMost(REJECTIONS_KEPT_MAX))
            .note(format!("of {} from {} addresses", forged.sent, forged.addresses)),
    ]
}

/// Forged requests, on a thread of their own, until they are stopped.
struct Flood {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<Forged>>,
}

/// What was sent, all of it refused.
#[derive(Debug, Clone, Copy)]
struct Forged {
    sent: u64,
    addresses: u32,
    lasting: Duration,
}

impl Forged {
    fn per_second(&self) -> f64 {
        self.sent as f64 / self.lasting.as_secs_f64()
    }
}

/// What the flooders share.
#[derive(Debug)]
struct Source {
    server: SocketAddr,
    began: Instant,
    stop: Arc<AtomicBool>,
    sent: AtomicU64,
    addresses: AtomicU32,
}

impl Flood {
    fn start(server: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let source = Source {
            server,
            began: Instant::now(),
            stop: Arc::clone(&stop),
            sent: AtomicU64::new(0),
            addresses: AtomicU32::new(0),
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(Arc::new(source).flow())
        });
        Self { stop, thread }
    }

    fn stop(self) -> Result<Forged> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the flood panicked"))?
    }
}

impl Source {
    async fn flow(self: Arc<Self>) -> Result<Forged> {
        let mut flooders = JoinSet::new();
        for number in 0..FLOODERS {
            flooders.spawn(Arc::clone(&self).flood(number));
        }
        while let Some(flooder) = flooders.join_next().await {
            flooder??;
        }
        let (sent, addresses) = (self.sent.load(Ordering::Relaxed), self.addresses.load(Ordering::Relaxed));
        ensure!(sent > 0, "the flood never began");
        Ok(Forged { sent, addresses, lasting: self.began.elapsed() })
    }

    /// One flooder's share: a few requests from an address, then a few from the next.
    async fn flood(self: Arc<Self>, number: u32) -> Result<()> {
        let mut turn = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let address = self.next_address();
            let mut connection = Connection::open_from(address, self.server).await?;
            for _ in 0..REQUESTS_PER_ADDRESS {
                if self.stop.load(Ordering::Relaxed) {
                    break;
                }
                let slot = number + turn * FLOODERS;
                let due = Duration::from_secs_f64(f64::from(slot) / f64::from(FORGED_PER_SECOND));
                sleep_until((self.began + due).into()).await;
                let response = connection.exchange(&forged(self.server, slot)).await?;
                ensure!(response.status == 401, "a forged request was answered with {}", response.status);
                self.sent.fetch_add(1, Ordering::Relaxed);
                turn += 1;
            }
        }
        Ok(())
    }

    /// Beyond 127.0.0.x, where good senders are.
    fn next_address(&self) -> IpAddr {
        let number = self.addresses.fetch_add(1, Ordering::Relaxed);
        let [_, a, b, c] = (number % 0x007f_0000 + 0x0001_0001).to_be_bytes();
        Ipv4Addr::new(127, a, b, c.max(1)).into()
    }
}

/// A push that is signed by somebody else.
fn forged(server: SocketAddr, number: u32) -> Vec<u8> {
    let body = format!("{{\"number\":{number},\"filler\":\"{}\"}}", "x".repeat(BODY_BYTES));
    format!(
        "POST /api/webhooks/github/{USER} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\n\
         X-GitHub-Event: push\r\nX-GitHub-Delivery: forged-{number}\r\nX-Hub-Signature-256: sha256={number:064x}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// All that the files of a directory take. One that goes away meanwhile takes nothing.
fn bytes_on_disk(directory: &Path) -> Result<u64> {
    let entries =
        std::fs::read_dir(directory).with_context(|| format!("look into {}", directory.display()))?;
    let sizes = entries.map(|entry| Ok(entry?.metadata().map(|metadata| metadata.len()).unwrap_or_default()));
    sizes.sum::<std::io::Result<u64>>().context("look at files")
}
