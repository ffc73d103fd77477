//! Clients that follow the log and break off at random moments, while senders publish and nodes are killed and stopped
//! under them. Each goes on from its cursor, on either transport and at any node, and writes down what it sees. In the
//! end all ledgers are the same: each event once, in order, and no more and no fewer than were accepted and are stored.
//!
//! In reading order: this file has the storm and the verdict, [`publish`] the senders, [`follow`] the clients.

mod follow;
mod publish;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::follow::{Follower, Ledger};
use self::publish::Publisher;
use super::world::Options;
use crate::api::Api;
use crate::program::{Launch, Program};
use crate::scratch::{Engine, Scratch};
use crate::socket::Transport;

/// Whose events are followed. Each of them comes with one of somebody else's, which nobody here may see.
const USER: &str = "streams";
const EVENT_TYPE: &str = "crash.tick";
const FOLLOWERS: usize = 8;
/// How long a node lives before it is killed or stopped.
const ALIVE_MS: std::ops::RangeInclusive<u64> = 500..=3000;
/// Of each node at least so many: a kill and a stop.
const ENDS_PER_NODE_MIN: usize = 2;
/// Far beyond what reading the rest takes.
const READ_WITHIN: Duration = Duration::from_secs(180);

/// What followers and senders share.
#[derive(Debug)]
struct Storm {
    nodes: Vec<SocketAddr>,
    has_passed: AtomicBool,
    /// Events of [`USER`] that were accepted so far.
    accepted: AtomicUsize,
    /// How many there are, once no more come.
    total: OnceLock<usize>,
    /// Up to where each follower has read.
    read_to: [AtomicUsize; FOLLOWERS],
    tally: Tally,
}

/// What has happened so far.
#[derive(Debug, Default)]
struct Tally {
    socket_breaks: AtomicUsize,
    events_breaks: AtomicUsize,
    /// Resumed at another node than the one before.
    moves: AtomicUsize,
}

/// A node, and how to start it again.
struct Node {
    launch: Launch,
    program: Program,
}

pub(super) async fn run(options: &Options, scratch: &Scratch, seed: u64, breaks_wanted: usize) -> Result<()> {
    let mut nodes = start_nodes(options, scratch).await?;
    let weathered = weather(options, &mut nodes, seed, breaks_wanted).await;
    let logs = || nodes.iter().map(|node| node.program.log_tail()).collect::<Vec<_>>().join("\n");
    weathered.map_err(|error| error.context(logs()))?;
    for node in &mut nodes {
        node.program.stop().await?;
    }
    Ok(())
}

async fn start_nodes(options: &Options, scratch: &Scratch) -> Result<Vec<Node>> {
    let home = scratch.home(options.database).await?;
    // Only PostgreSQL has more than one node.
    let count = if options.database == Engine::Postgres { 2 } else { 1 };
    let mut nodes = Vec::new();
    for _ in 0..count {
        let launch = Launch::waystation(&options.binary, &home)?;
        let program = launch.start().await?;
        nodes.push(Node { launch, program });
    }
    Ok(nodes)
}

async fn weather(options: &Options, nodes: &mut [Node], seed: u64, breaks_wanted: usize) -> Result<()> {
    let began = Instant::now();
    let storm = Arc::new(Storm::over(nodes));
    let mut rng = StdRng::seed_from_u64(seed);
    let mut senders = JoinSet::new();
    for number in 0..options.clients {
        senders.spawn(Publisher::new(Arc::clone(&storm), number).run());
    }
    let mut followers = JoinSet::new();
    for number in 0..FOLLOWERS {
        followers.spawn(Follower::new(Arc::clone(&storm), number, options.clients, rng.random()).run());
    }
    let ends_min = ENDS_PER_NODE_MIN * nodes.len();
    let mut ends = 0;
    while storm.tally.breaks() < breaks_wanted || ends < ends_min {
        sleep(Duration::from_millis(rng.random_range(ALIVE_MS))).await;
        end(nodes, ends).await?;
        ends += 1;
        println!("{} breaks, {} events, {ends} ends of a node", storm.tally.breaks(), storm.accepted());
        if let Some(failed) = followers.try_join_next() {
            failed??;
        }
    }
    storm.has_passed.store(true, Ordering::Release);
    while let Some(sent) = senders.join_next().await {
        sent??;
    }
    let total = *storm.total.get_or_init(|| storm.accepted());
    let ledgers = gather(followers).await?;
    judge(&storm, &ledgers).await?;
    println!(
        "{FOLLOWERS} clients saw each of {total} events of {} senders once, in order: {}; {ends} nodes were killed or \
         stopped and started again; {:.0} s",
        options.clients,
        storm.tally,
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Ends the node whose turn it is, each of them killed and stopped by turns, and starts it again.
async fn end(nodes: &mut [Node], ends: usize) -> Result<()> {
    let count = nodes.len();
    let Node { launch, program } = &mut nodes[ends % count];
    if (ends / count).is_multiple_of(2) {
        program.kill().await?;
    } else {
        program.stop().await?;
    }
    *program = launch.start().await?;
    Ok(())
}

async fn gather(mut followers: JoinSet<Result<Ledger>>) -> Result<Vec<Ledger>> {
    let all = async {
        let mut ledgers = Vec::new();
        while let Some(followed) = followers.join_next().await {
            ledgers.push(followed??);
        }
        anyhow::Ok(ledgers)
    };
    timeout(READ_WITHIN, all).await.context("not everybody has read everything")?
}

/// Every ledger against the first, and that against what is stored.
async fn judge(storm: &Storm, ledgers: &[Ledger]) -> Result<()> {
    let (first, others) = ledgers.split_first().context("nobody has followed")?;
    for other in others {
        let same = first.ids.iter().zip(&other.ids).take_while(|(one, other)| one == other).count();
        let is_same = first.ids.len() == other.ids.len() && same == first.ids.len();
        ensure!(is_same, "two ledgers agree on {same} of {} and {}", first.ids.len(), other.ids.len());
    }
    let seen: HashSet<&str> = first.ids.iter().map(|id| &**id).collect();
    ensure!(seen.len() == first.ids.len(), "of {} events seen {} are distinct", first.ids.len(), seen.len());
    let listed = Api::new(storm.nodes[0]).event_ids(USER, EVENT_TYPE).await?;
    let stored: HashSet<&str> = listed.iter().map(String::as_str).collect();
    if seen != stored {
        let (lost, invented) = (stored.difference(&seen).count(), seen.difference(&stored).count());
        bail!("{lost} events are stored and were not seen, {invented} were seen and are not stored");
    }
    storm.tally.covers(storm.nodes.len())
}

impl Storm {
    fn over(nodes: &[Node]) -> Self {
        Self {
            nodes: nodes.iter().map(|node| node.launch.address).collect(),
            has_passed: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
            total: OnceLock::new(),
            read_to: Default::default(),
            tally: Tally::default(),
        }
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Acquire)
    }

    /// How many events the slowest follower has still to read.
    fn behind(&self) -> usize {
        let slowest = self.read_to.iter().map(|read_to| read_to.load(Ordering::Relaxed)).min();
        self.accepted().saturating_sub(slowest.unwrap_or_default())
    }
}

impl Tally {
    fn broke_off(&self, transport: Transport) {
        let breaks = match transport {
            Transport::Socket => &self.socket_breaks,
            Transport::Events => &self.events_breaks,
        };
        breaks.fetch_add(1, Ordering::Relaxed);
    }

    fn breaks(&self) -> usize {
        self.socket_breaks.load(Ordering::Relaxed) + self.events_breaks.load(Ordering::Relaxed)
    }

    /// A storm that spared a transport, or a second node, has shown nothing of it.
    fn covers(&self, nodes: usize) -> Result<()> {
        ensure!(self.socket_breaks.load(Ordering::Relaxed) > 0, "no WebSocket broke off");
        ensure!(self.events_breaks.load(Ordering::Relaxed) > 0, "no stream of server-sent events broke off");
        ensure!(nodes == 1 || self.moves.load(Ordering::Relaxed) > 0, "nobody went on at another node");
        Ok(())
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} breaks on WebSockets, {} on server-sent events, {} times on at another node",
            self.socket_breaks.load(Ordering::Relaxed),
            self.events_breaks.load(Ordering::Relaxed),
            self.moves.load(Ordering::Relaxed)
        )
    }
}
