//! Waiting for the disk, beside the writing.
//!
//! SQLite commits to its write-ahead log without waiting (`synchronous = NORMAL`), and the log is flushed here before
//! anybody is told. The next transaction is written while the last one is flushed, and one flush serves all that are
//! waiting. A frame that never reached the disk is no part of the log after a crash, and neither is what follows it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use crate::{Result, StoreError, one_core};

/// The way to the thread that flushes. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct Disk {
    waiters: mpsc::Sender<Waiter>,
    has_failed: Arc<AtomicBool>,
}

/// Is told whether all that had been written when it came is on the disk.
type Waiter = Box<dyn FnOnce(Result<()>) + Send>;

impl Disk {
    /// Starts the thread, which flushes with `flush`.
    pub(super) fn start(flush: impl Fn() -> io::Result<()> + Send + 'static) -> Result<Self> {
        let (waiters, inbox) = mpsc::channel::<Waiter>();
        let has_failed = Arc::new(AtomicBool::new(false));
        let failed = Arc::clone(&has_failed);
        let thread = std::thread::Builder::new().name("sqlite-disk".to_owned());
        let started = thread.spawn(move || {
            one_core::stay();
            while let Ok(first) = inbox.recv() {
                let waiting: Vec<Waiter> = std::iter::once(first).chain(inbox.try_iter()).collect();
                let flushed = flush().map_err(|error| {
                    failed.store(true, Ordering::Release);
                    StoreError::Unavailable(format!("the write-ahead log did not reach the disk: {error}"))
                });
                waiting.into_iter().for_each(|waiter| waiter(flushed.clone()));
            }
        });
        started.map_err(|error| StoreError::Unavailable(format!("no thread to flush with: {error}")))?;
        Ok(Self { waiters, has_failed })
    }

    /// Tells `waiter` once all that has been written so far is on the disk.
    pub(super) fn when_flushed(&self, waiter: impl FnOnce(Result<()>) + Send + 'static) {
        if let Err(mpsc::SendError(waiter)) = self.waiters.send(Box::new(waiter)) {
            waiter(Err(StoreError::Unavailable("flushing broke off".to_owned())));
        }
    }

    /// Whether a flush has failed since this was last asked. What it should have flushed may be lost, and a second flush
    /// would not say so.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.swap(false, Ordering::AcqRel)
    }

    /// As if a flush had failed: whoever tried to make good for one could not.
    pub(super) fn still_fails(&self) {
        self.has_failed.store(true, Ordering::Release);
    }
}
