//! Writing down how attempts ended, many at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use store::{Change, Store, StoreError};
use tokio::sync::{Mutex, Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::lanes::Lanes;
use crate::clock::Clock;
use crate::limits::{SETTLE_LINGERS, SETTLED_PER_WRITE_MAX, SETTLED_WAITING_MAX, STORE_RETRY_AFTER};
use crate::maintain::Observer;

/// The task that writes what was settled.
#[derive(Debug)]
pub(crate) struct Settler {
    settled: Mutex<mpsc::Receiver<Change>>,
    stopping: CancellationToken,
    book: Arc<Book>,
}

impl Settler {
    pub(super) fn new(book: Arc<Book>, stopping: CancellationToken) -> (mpsc::Sender<Change>, Self) {
        let (sender, settled) = mpsc::channel(SETTLED_WAITING_MAX);
        (sender, Self { settled: Mutex::new(settled), stopping, book })
    }

    /// Writes until it is told to stop and all that was settled is written.
    pub(crate) async fn run(&self) {
        let mut changes = Vec::with_capacity(SETTLED_PER_WRITE_MAX);
        loop {
            self.gather(&mut changes).await;
            if changes.is_empty() {
                return;
            }
            self.book.write(&changes).await;
            changes.clear();
        }
    }

    /// Whatever has been settled, and what follows within a moment; nothing only when no more will come.
    async fn gather(&self, changes: &mut Vec<Change>) {
        let mut settled = self.settled.lock().await;
        tokio::select! {
            biased;
            _ = settled.recv_many(changes, SETTLED_PER_WRITE_MAX) => {
                let is_waited_for = changes.iter().any(|change| change.to.lets_next_go());
                if changes.len() < SETTLED_PER_WRITE_MAX && !is_waited_for {
                    self.book.clock.sleep(SETTLE_LINGERS).await;
                }
            }
            () = self.stopping.cancelled() => settled.close(),
        }
        while changes.len() < SETTLED_PER_WRITE_MAX
            && let Ok(change) = settled.try_recv()
        {
            changes.push(change);
        }
    }
}

/// Where ends are written, and who is told of them.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) store: Arc<dyn Store>,
    pub(super) observer: Observer,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lanes: Arc<Lanes>,
    /// Rung when something that waited for another may go.
    pub(super) refill: Arc<Notify>,
}

impl Book {
    /// Writes until it is written. A store that is away holds up the next attempts, not what they found out.
    pub(super) async fn write(&self, changes: &[Change]) {
        loop {
            match self.store.change(changes).await {
                Ok(written) => {
                    let made = changes.iter().zip(&written).filter(|&(_, &written)| written);
                    made.for_each(|(change, _)| self.observer.note(change));
                    let passed_over = written.iter().filter(|&&written| !written).count();
                    if passed_over > 0 {
                        tracing::info!(
                            passed_over,
                            "attempts ended whose deliveries had gone to somebody else"
                        );
                    }
                    self.let_next_go(changes);
                    return;
                }
                Err(StoreError::Refused(error)) if changes.len() > 1 => {
                    tracing::error!(%error, "a batch of ends was refused; each is tried by itself");
                    for change in changes {
                        Box::pin(self.write(std::slice::from_ref(change))).await;
                    }
                    return;
                }
                Err(StoreError::Refused(error)) => {
                    // Its claim will lapse, and it will be delivered once more.
                    tracing::error!(%error, delivery = %changes[0].to.id, "the end of an attempt was refused");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, changes = changes.len(), "cannot write how attempts ended; trying again");
                    self.clock.sleep(STORE_RETRY_AFTER).await;
                }
            }
        }
    }

    /// What stood in line behind those that have ended can be claimed from now on.
    fn let_next_go(&self, changes: &[Change]) {
        let ended = changes.iter().map(|change| &change.to).filter(|delivery| delivery.lets_next_go());
        let freed: BTreeSet<_> = ended.map(|delivery| delivery.subscription_id).collect();
        if !freed.is_empty() {
            freed.into_iter().for_each(|id| self.lanes.note_behind(id));
            self.refill.notify_one();
        }
    }
}
