//! Clients that leave: in the middle of a request, or after its last byte without waiting for the answer.
//!
//! Whatever they leave behind is a whole event or none, and whoever sends the same GUID again learns which.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

use super::book::Before;
use super::client::{Client, Clients, Sender};
use super::verdict;
use super::world::{Options, World};
use crate::github::{Guid, Pushes};
use crate::http::Connection;
use crate::load::{Load, Schedule};
use crate::program::GITHUB_SECRET;
use crate::scratch::Scratch;

/// A user to whom nothing is owed, for the questions asked when the storm is over.
const CALM_USER: &str = "calm";
const CALM_REQUESTS: u64 = 1000;
const CALM_CONNECTIONS: usize = 64;

/// An event whose sender left.
struct Left {
    guid: Guid,
    push: usize,
    before: Before,
    /// Whether it has been sent again already.
    answered: bool,
}

pub(super) async fn run(options: &Options, scratch: &Scratch, seed: u64, count: usize) -> Result<()> {
    let mut world = World::open(options, scratch, seed).await?;
    let mut rng = StdRng::seed_from_u64(seed);
    let load = Clients::start(options.clients, rng.random(), &world.sender);
    let left = leave_all(&world.sender, rng.random(), options.clients, count).await?;
    load.finish().await?;
    let mut client = Client::new(world.sender.clone(), rng.random());
    for left in &left {
        if !left.answered {
            client.until_answered(left.guid, left.push, left.before).await?;
        }
    }
    let whole = left.iter().filter(|left| left.before == Before::Perhaps).count();
    let stored = world.book().entries().tally.stored_unanswered;
    println!("{} clients left, {whole} of them after the last byte", left.len());
    println!("each event was sent again and answered; {stored} had been stored");
    ask_calmly(&world).await?;
    verdict::judge(&mut world).await
}

/// Half of the events are sent again at once, which may meet the first write still under way.
async fn leave_all(sender: &Sender, seed: u64, workers: usize, count: usize) -> Result<Vec<Left>> {
    let begun = Arc::new(AtomicUsize::new(0));
    let mut leavers = JoinSet::new();
    for worker in 0..workers {
        let (sender, begun) = (sender.clone(), Arc::clone(&begun));
        let mut rng = StdRng::seed_from_u64(seed.wrapping_add(worker as u64));
        leavers.spawn(async move {
            let mut client = Client::new(sender.clone(), rng.random());
            let mut all = Vec::new();
            while begun.fetch_add(1, Ordering::Relaxed) < count {
                let mut left = leave(&sender, &mut rng).await?;
                if rng.random() {
                    client.until_answered(left.guid, left.push, left.before).await?;
                    left.answered = true;
                }
                all.push(left);
            }
            anyhow::Ok(all)
        });
    }
    let mut all = Vec::new();
    while let Some(leaver) = leavers.join_next().await {
        all.extend(leaver??);
    }
    Ok(all)
}

/// Sends some of a request, or all of it, and leaves: politely, or with a reset that throws away what is
/// under way.
async fn leave(sender: &Sender, rng: &mut StdRng) -> Result<Left> {
    let (guid, push) = sender.pushes.next();
    let mut request = Vec::new();
    sender.pushes.get(push).write(&guid, &mut request);
    let sent_bytes = if rng.random() { request.len() } else { rng.random_range(0..request.len()) };
    let mut stream = Connection::open(sender.address).await?.into_stream();
    stream.write_all(&request[..sent_bytes]).await.context("send before leaving")?;
    if rng.random() {
        stream.set_zero_linger()?;
    }
    if rng.random() {
        // A random moment for leaving: with no pause, the server would seldom have begun on the request.
        tokio::time::sleep(Duration::from_millis(rng.random_range(1..5))).await;
    }
    let before = if sent_bytes == request.len() { Before::Perhaps } else { Before::Unknown };
    Ok(Left { guid, push, before, answered: false })
}

/// After the storm everything works as before: no pooled connection was left broken.
async fn ask_calmly(world: &World) -> Result<()> {
    let pushes = Arc::new(Pushes::prepare(world.launch.address, CALM_USER, GITHUB_SECRET, rand::random()));
    let load = Load {
        address: world.launch.address,
        pushes,
        connections: CALM_CONNECTIONS,
        schedule: Schedule::FlatOutCount(CALM_REQUESTS),
        keep_accepted: false,
    };
    let outcome = load.send().await.context("after the disconnects")?;
    let (p50, p99) = (outcome.latency_ms(0.5), outcome.latency_ms(0.99));
    println!("afterwards {CALM_REQUESTS} requests were all accepted, p50 {p50:.1} ms, p99 {p99:.1} ms");
    Ok(())
}
