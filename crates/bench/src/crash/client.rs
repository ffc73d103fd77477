//! A sender that keeps its promise: each event is sent, under the same GUID, until it is answered 200.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::book::{Before, Book};
use crate::github::{Guid, Pushes};
use crate::http::Connection;
use crate::load::Answer;

/// Across any restart: a program that takes longer is not coming back.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
const ONE_ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Between tries while the program is down.
const RETRY_PAUSE_MS: std::ops::Range<u64> = 2..20;
/// One in so many events is sent once more after its answer.
const RESENT_ONE_IN: u32 = 16;
/// Senders pause while so many events are owed, so that the end does not have to wait for an unbounded
/// backlog.
const OWED_MAX: usize = 10_000;
const OWED_PAUSE: Duration = Duration::from_millis(10);

/// Senders that run until they are told to stop.
#[derive(Debug)]
pub(super) struct Clients {
    senders: JoinSet<Result<()>>,
    stop: Arc<AtomicBool>,
}

impl Clients {
    pub(super) fn start(count: usize, seed: u64, site: &Sender) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut senders = JoinSet::new();
        for number in 0..count {
            let client = Client::new(site.clone(), seed.wrapping_add(number as u64));
            senders.spawn(client.run(Arc::clone(&stop)));
        }
        Self { senders, stop }
    }

    /// Each finishes the event it is at: afterwards no GUID is left without an answer.
    pub(super) async fn finish(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(sender) = self.senders.join_next().await {
            sender??;
        }
        Ok(())
    }
}

/// What every sender shares.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) address: SocketAddr,
    pub(super) pushes: Arc<Pushes>,
    pub(super) book: Arc<Book>,
}

/// One sender with its connection.
pub(super) struct Client {
    sender: Sender,
    rng: StdRng,
    connection: Option<Connection>,
    request: Vec<u8>,
}

/// How one try ended.
enum Try {
    Answered,
    /// The whole request may have arrived.
    Lost,
    /// It cannot have: no connection was made.
    Unsent,
    /// The program said that it cannot store it now.
    Unavailable,
}

impl Client {
    pub(super) fn new(sender: Sender, seed: u64) -> Self {
        Self { sender, rng: StdRng::seed_from_u64(seed), connection: None, request: Vec::with_capacity(2048) }
    }

    async fn run(mut self, stop: Arc<AtomicBool>) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            if self.sender.book.owed() > OWED_MAX {
                sleep(OWED_PAUSE).await;
                continue;
            }
            let (guid, push) = self.sender.pushes.next();
            self.until_answered(guid, push, Before::Unknown).await?;
            if self.rng.random_ratio(1, RESENT_ONE_IN) {
                self.until_answered(guid, push, Before::Stored).await?;
            }
        }
        Ok(())
    }

    /// Sends one event until it is answered 200, and enters the answer in the book.
    pub(super) async fn until_answered(&mut self, guid: Guid, push: usize, mut before: Before) -> Result<()> {
        let give_up_at = Instant::now() + ANSWERED_WITHIN;
        while Instant::now() < give_up_at {
            match self.try_once(guid, push, before).await? {
                Try::Answered => return Ok(()),
                Try::Unsent => {}
                Try::Lost | Try::Unavailable if before == Before::Stored => {}
                Try::Lost | Try::Unavailable => before = Before::Perhaps,
            }
            sleep(Duration::from_millis(self.rng.random_range(RETRY_PAUSE_MS))).await;
        }
        bail!("{guid} had no answer 200 within {ANSWERED_WITHIN:?}")
    }

    async fn try_once(&mut self, guid: Guid, push: usize, before: Before) -> Result<Try> {
        let Self { sender, connection, request, .. } = self;
        sender.pushes.get(push).write(&guid, request);
        if connection.is_none() {
            *connection = Connection::open(sender.address).await.ok();
        }
        let Some(open) = connection else { return Ok(Try::Unsent) };
        let exchange = timeout(ONE_ANSWER_WITHIN, open.exchange(request)).await;
        let Ok(Ok(response)) = exchange else {
            *connection = None;
            sender.book.entries().tally.answers_lost += 1;
            return Ok(Try::Lost);
        };
        match (response.status, serde_json::from_slice::<Answer<'_>>(response.body)) {
            (200, Ok(answer)) => {
                sender.book.answered(guid, push, before, answer.status, answer.event_id);
                Ok(Try::Answered)
            }
            (503, _) => {
                sender.book.entries().tally.unavailable += 1;
                Ok(Try::Unavailable)
            }
            (status, _) => bail!("{guid} was answered {status}: {}", String::from_utf8_lossy(response.body)),
        }
    }
}
