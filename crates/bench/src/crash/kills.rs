//! SIGKILL at random moments, again and again, on the same data.

use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::sleep;

use super::client::Clients;
use super::verdict;
use super::world::{Options, World};
use crate::scratch::Scratch;

/// How long the program lives between being ready and being killed.
const ALIVE_MS: std::ops::RangeInclusive<u64> = 50..=1500;
/// One start in so many is itself killed, before the program has had time to pick up what it left.
const STARTS_KILLED_ONE_IN: u32 = 5;
const START_MS: std::ops::RangeInclusive<u64> = 1..=40;

/// Sends, kills and restarts for so many rounds; then everything that was promised must come true.
pub(super) async fn run(options: &Options, scratch: &Scratch, seed: u64, rounds: usize) -> Result<()> {
    let mut world = World::open(options, scratch, seed).await?;
    let mut rng = StdRng::seed_from_u64(seed);
    let clients = Clients::start(options.clients, rng.random(), &world.sender);
    for round in 1..=rounds {
        one_round(&mut world, &mut rng, round).await?;
    }
    clients.finish().await?;
    verdict::judge(&mut world).await
}

async fn one_round(world: &mut World, rng: &mut StdRng, round: usize) -> Result<()> {
    let alive_ms = rng.random_range(ALIVE_MS);
    // The moment of the kill is what is random here, not something that is waited for.
    sleep(Duration::from_millis(alive_ms)).await;
    world.program.kill().await?;
    let mut remark = String::new();
    if rng.random_ratio(1, STARTS_KILLED_ONE_IN) {
        let start_ms = rng.random_range(START_MS);
        let mut program = world.launch.spawn()?;
        sleep(Duration::from_millis(start_ms)).await;
        program.kill().await?;
        remark = format!(", then {start_ms} ms into its start");
    }
    world.program = world.launch.spawn()?;
    let ready_after = world.program.ready().await?;
    let entries = world.book().entries();
    println!(
        "round {round:>3}: killed after {alive_ms:>4} ms{remark}; ready again in {} ms; {} answered, {} received",
        ready_after.as_millis(),
        entries.answered.len(),
        entries.delivered.len()
    );
    Ok(())
}
