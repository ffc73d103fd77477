//! Clients that follow the log, break off at random moments, and go on from their cursors, while the program is killed and
//! stopped under them. Each sees every event once, in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::world::Options;
use crate::api::Api;
use crate::program::{ADMIN_KEY, Launch};
use crate::scratch::{Engine, Scratch};
use crate::socket::{Follow, Transport};

const USER: &str = "streams";
const FOLLOWERS: usize = 8;
/// How many frames somebody reads before they break off.
const FRAMES: std::ops::RangeInclusive<usize> = 1..=200;
/// How long a node lives before it is killed or stopped.
const ALIVE_MS: std::ops::RangeInclusive<u64> = 500..=3000;
/// Between two events of the one who publishes.
const PAUSE: Duration = Duration::from_millis(1);
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Far beyond what reading the rest takes.
const READ_WITHIN: Duration = Duration::from_secs(120);

/// What the followers and the publisher share.
struct Storm {
    nodes: Vec<SocketAddr>,
    breaks: AtomicUsize,
    breaks_wanted: usize,
    published: AtomicU64,
    has_passed: AtomicBool,
}

pub(super) async fn run(options: &Options, scratch: &Scratch, seed: u64, breaks_wanted: usize) -> Result<()> {
    let home = scratch.home(options.database).await?;
    // Only PostgreSQL has more than one node.
    let count = if options.database == Engine::Postgres { 2 } else { 1 };
    let mut nodes = Vec::new();
    for _ in 0..count {
        let launch = Launch::waystation(&options.binary, &home)?;
        let program = launch.start().await?;
        nodes.push((launch, program));
    }
    let storm = Arc::new(Storm {
        nodes: nodes.iter().map(|(launch, _)| launch.address).collect(),
        breaks: AtomicUsize::new(0),
        breaks_wanted,
        published: AtomicU64::new(0),
        has_passed: AtomicBool::new(false),
    });
    let mut rng = StdRng::seed_from_u64(seed);
    let publishing = tokio::spawn(publish(Arc::clone(&storm)));
    let mut followers = JoinSet::new();
    for number in 0..FOLLOWERS {
        let transport = if number % 2 == 0 { Transport::Socket } else { Transport::Events };
        followers.spawn(follow(Arc::clone(&storm), transport, rng.random()));
    }
    let mut ends = 0;
    while storm.breaks.load(Ordering::Relaxed) < breaks_wanted && followers.len() == FOLLOWERS {
        sleep(Duration::from_millis(rng.random_range(ALIVE_MS))).await;
        let (launch, program) = &mut nodes[ends % count];
        if rng.random() {
            program.kill().await?;
        } else {
            program.stop().await?;
        }
        *program = launch.start().await?;
        ends += 1;
        if let Some(failed) = followers.try_join_next() {
            failed??;
        }
    }
    storm.has_passed.store(true, Ordering::Release);
    let published = publishing.await??;
    let all = async {
        while let Some(followed) = followers.join_next().await {
            followed??;
        }
        anyhow::Ok(())
    };
    timeout(READ_WITHIN, all).await.context("not everybody has read everything")??;
    let breaks = storm.breaks.load(Ordering::Relaxed);
    println!(
        "{FOLLOWERS} clients saw each of {published} events once, in order: {breaks} breaks, {ends} ends of a node"
    );
    Ok(())
}

/// Publishes numbered events, each until it is accepted; how many.
async fn publish(storm: Arc<Storm>) -> Result<u64> {
    let mut number = 0;
    while !storm.has_passed.load(Ordering::Acquire) {
        let event =
            json!({ "type": "bench.tick", "user_id": USER, "data": number, "id": number.to_string() });
        let node = storm.nodes[number as usize % storm.nodes.len()];
        while Api::new(node).publish(&event).await.is_err() {
            sleep(AGAIN_AFTER).await;
        }
        number += 1;
        storm.published.store(number, Ordering::Release);
        sleep(PAUSE).await;
    }
    Ok(number)
}

/// Follows from the first event to the last, breaking off again and again until that has been done often enough.
async fn follow(storm: Arc<Storm>, transport: Transport, seed: u64) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut cursor, mut next) = ("earliest".to_owned(), 0);
    loop {
        let node = storm.nodes[rng.random_range(0..storm.nodes.len())];
        let Ok(mut stream) = Follow::open(transport, node, ADMIN_KEY, USER, &cursor).await else {
            sleep(AGAIN_AFTER).await;
            continue;
        };
        for _ in 0..rng.random_range(FRAMES) {
            let is_over = storm.has_passed.load(Ordering::Acquire);
            if is_over && next == storm.published.load(Ordering::Acquire) {
                return Ok(());
            }
            // Should the last events have been read already, nothing more comes until the storm is over.
            let Ok(read) = timeout(Duration::from_secs(1), stream.frame()).await else { continue };
            let Ok(frame) = read else { break };
            ensure!(frame["t"] != "reset", "a cursor was not honoured: {frame}");
            if frame["t"] == "event" {
                let number = &frame["event"]["data"];
                ensure!(number.as_u64() == Some(next), "{transport:?} saw {number} where {next} was due");
                next += 1;
            }
            if let Some(read_to) = frame["cursor"].as_str() {
                read_to.clone_into(&mut cursor);
            }
        }
        let breaks = storm.breaks.fetch_add(1, Ordering::Relaxed) + 1;
        if breaks.is_multiple_of(100) && breaks <= storm.breaks_wanted {
            println!("{breaks} breaks, {} events", storm.published.load(Ordering::Relaxed));
        }
    }
}
