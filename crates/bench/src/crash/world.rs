//! The program, its subscriber and its book, standing in one place.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use serde_json::json;
use url::Url;

use super::book::Book;
use super::client::Sender;
use crate::api::{Api, Subscription};
use crate::github::Pushes;
use crate::program::{GITHUB_SECRET, Launch, Program};
use crate::receiver::Receiver;
use crate::scratch::{Engine, Scratch};
use crate::signature::Verifier;

/// Everything sent here belongs to this user, whose every GitHub event is owed to the receiver.
pub(super) const USER: &str = "crash";

/// Quick at first, since kills come every second; patient later, since the program may be down again and
/// again.
const RETRY_SECONDS: [u32; 10] = [1, 1, 1, 2, 2, 2, 5, 5, 5, 5];
const MAX_CONCURRENCY: usize = 64;

/// How to run either mode.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The program to try
    #[arg(long, global = true, default_value = "target/debug/waystation")]
    pub binary: PathBuf,
    /// The database it keeps its data in
    #[arg(long, global = true, value_enum, default_value_t = Engine::Sqlite)]
    pub database: Engine,
    /// A PostgreSQL cluster in which databases may be created
    #[arg(long, global = true)]
    pub postgres_url: Option<Url>,
    /// Decides the moments of the kills, the failures and the delays [default: drawn, and printed]
    #[arg(long, global = true)]
    pub seed: Option<u64>,
    /// How many clients send at once
    #[arg(long, global = true, default_value_t = 32)]
    pub clients: usize,
    /// Where temporary data goes [default: the system's temporary directory]
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub scratch: Option<PathBuf>,
}

pub(super) struct World {
    pub(super) launch: Launch,
    pub(super) program: Program,
    pub(super) api: Api,
    pub(super) subscription: Subscription,
    pub(super) sender: Sender,
    _receiver: Receiver,
}

impl World {
    /// Starts the program on empty data, with one subscription.
    pub(super) async fn open(options: &Options, scratch: &Scratch, seed: u64) -> Result<Self> {
        let home = scratch.home(options.database).await?;
        let launch = Launch::waystation(&options.binary, &home)?;
        let program = launch.start().await?;
        let api = Api::new(launch.address);
        let pushes = Arc::new(Pushes::prepare(launch.address, USER, GITHUB_SECRET, seed));
        let book = Arc::new(Book::new(seed, USER, Arc::clone(&pushes)));
        let receiver = Receiver::start(Arc::clone(&book)).await?;
        let subscription = api
            .subscribe(
                USER,
                &receiver.url(),
                json!({
                    "max_concurrency": MAX_CONCURRENCY,
                    "retry_policy": RETRY_SECONDS,
                    "retry_count": RETRY_SECONDS.len(),
                }),
            )
            .await?;
        book.verify_with(Verifier::new(&subscription.secret)?);
        let sender = Sender { address: launch.address, pushes, book };
        Ok(Self { launch, program, api, subscription, sender, _receiver: receiver })
    }

    pub(super) fn book(&self) -> &Book {
        &self.sender.book
    }
}
