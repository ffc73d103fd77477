//! Tries to make the program lose an event, and compares ledgers to see whether it did.
//!
//! In reading order: [`kills`] and [`disconnects`] are the two ways, [`client`] sends and [`book`] writes down,
//! [`verdict`] compares. [`streams`] is about those who follow, and has ledgers of its own.

mod book;
mod client;
mod disconnects;
mod kills;
mod streams;
mod verdict;
mod world;

use anyhow::Result;

pub use self::world::Options;
use crate::interrupt::{Interrupted, until_interrupted};
use crate::scratch::Scratch;

/// What is done to the program.
#[derive(Clone, Copy, Debug)]
pub enum Trial {
    Kills { rounds: usize },
    Disconnects { count: usize },
    Streams { breaks: usize },
}

/// Runs the trial; an error is a violation or a trial that could not be carried through, and then the data
/// stays to be looked at, unless it was interrupted.
pub async fn run(options: &Options, trial: Trial) -> Result<()> {
    let seed = options.seed.unwrap_or_else(rand::random);
    println!("{trial:?} on {} from {} clients, --seed {seed}", options.database.name(), options.clients);
    let scratch = Scratch::new(options.scratch.as_deref(), options.postgres_url.clone())?;
    let tried = until_interrupted(async {
        match trial {
            Trial::Kills { rounds } => Box::pin(kills::run(options, &scratch, seed, rounds)).await,
            Trial::Streams { breaks } => Box::pin(streams::run(options, &scratch, seed, breaks)).await,
            Trial::Disconnects { count } => Box::pin(disconnects::run(options, &scratch, seed, count)).await,
        }
    })
    .await;
    match tried {
        Ok(()) => {
            println!("PASSED: nothing lost, nothing stuck, nothing twice under another name");
            scratch.clear().await
        }
        Err(error) if error.is::<Interrupted>() => {
            scratch.clear().await?;
            Err(error)
        }
        Err(error) => {
            eprintln!("FAILED with --seed {seed}; {}", scratch.keep());
            Err(error)
        }
    }
}
