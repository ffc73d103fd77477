//! Folding the write-ahead log back into the database file, beside the writing.
//!
//! Folding a long log takes tens of milliseconds, and everything that waits for a commit would wait for it. So another
//! thread does it, on a connection of its own, while writing goes on. What was written meanwhile is left over; it is
//! little, and the writer folds it itself, because only when nothing is left does the log begin again at its start.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::Connection;

use super::{BUSY_TIMEOUT, classify};
use crate::{Result, StoreError};

/// Commits between foldings: some 16 MiB of log at load.
const COMMITS: u32 = 128;

/// The writer's end.
#[derive(Debug)]
pub(super) struct Folding {
    wake: SyncSender<()>,
    is_nearly_done: Arc<AtomicBool>,
    commits: u32,
}

impl Folding {
    /// Starts the thread; it ends when this is dropped.
    pub(super) fn start(path: &Path) -> Result<Self> {
        let connection = Connection::open(path).map_err(classify)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(classify)?;
        let (wake, woken) = sync_channel(1);
        let is_nearly_done = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&is_nearly_done);
        let thread = std::thread::Builder::new().name("sqlite-fold".to_owned());
        let started = thread.spawn(move || fold_when_woken(&connection, &woken, &done));
        started
            .map_err(|error| StoreError::Unavailable(format!("no thread to fold the log with: {error}")))?;
        Ok(Self { wake, is_nearly_done, commits: 0 })
    }

    /// The writer has committed on `connection`.
    pub(super) fn committed(&mut self, connection: &Connection) {
        self.commits += 1;
        if self.commits >= COMMITS {
            self.commits = 0;
            // Full: it is folding already.
            let _busy = self.wake.try_send(());
        }
        if self.is_nearly_done.swap(false, Ordering::Relaxed) {
            fold(connection);
        }
    }
}

fn fold_when_woken(connection: &Connection, woken: &Receiver<()>, is_nearly_done: &AtomicBool) {
    while woken.recv().is_ok() {
        fold(connection);
        is_nearly_done.store(true, Ordering::Relaxed);
    }
}

/// Folds what nobody reads any more. Whatever stands in its way, the log is whole, and the next time does it.
fn fold(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::warn!(%error, "the write-ahead log was not folded back; it is tried again");
    }
}
