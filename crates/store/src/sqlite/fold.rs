//! Folding the write-ahead log back into the database file, beside the writing.
//!
//! Folding a long log takes tens of milliseconds, and everything that waits for a commit would wait for it. So another
//! thread does it, on a connection of its own, while writing goes on. What was written meanwhile is left over, and it folds
//! that too, until little is. The writer folds the rest itself, because only when nothing is left does the log begin again
//! at its start. That waits for the disk twice, so it is not done often: not before the log is long.
//!
//! SQLite flushes the file only with whoever folds the last page. That is the writer, which would wait for all that the other
//! thread has folded. So that thread flushes it as well.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::Connection;

use super::{BUSY_TIMEOUT, classify};
use crate::{Result, StoreError};

/// Commits between two looks at how long the log is.
const COMMITS: u32 = 128;

/// Pages of a log that is folded, 4 KiB each: 64 MiB. The longer it is, the more often a page is in it that is written to the
/// file once; but after a crash all of it is read, and it lies beside the data.
const PAGES: i64 = 16_384;

/// Pages that the writer may be left with: some milliseconds' worth of writing, and of a disk's time.
const PAGES_LEFT: i64 = 128;

/// Where writing is so quick that it never gets as short as that, the writer folds what there is.
const ROUNDS_MAX: usize = 8;

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
        let folder = Folder::open(path)?;
        let (wake, woken) = sync_channel(1);
        let is_nearly_done = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&is_nearly_done);
        let thread = std::thread::Builder::new().name("sqlite-fold".to_owned());
        let started = thread.spawn(move || folder.fold_when_woken(&woken, &done));
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
            told(fold(connection));
        }
    }
}

/// What the folding thread works with.
#[derive(Debug)]
struct Folder {
    connection: Connection,
    /// The database, to be flushed. It is never closed: with any descriptor of the file all of SQLite's locks on it would go.
    file: ManuallyDrop<File>,
}

impl Folder {
    fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path).map_err(classify)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(classify)?;
        let file = File::open(path).map_err(|error| unflushed(&error))?;
        Ok(Self { connection, file: ManuallyDrop::new(file) })
    }

    fn fold_when_woken(&self, woken: &Receiver<()>, is_nearly_done: &AtomicBool) {
        while woken.recv().is_ok() {
            if told(length(&self.connection)).is_some_and(|pages| pages >= PAGES) {
                told(self.fold_nearly_all());
                is_nearly_done.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Folds what there is, what has come meanwhile, and so on until that is little.
    fn fold_nearly_all(&self) -> Result<()> {
        let mut folded = 0;
        for _ in 0..ROUNDS_MAX {
            let now = fold(&self.connection)?;
            self.file.sync_data().map_err(|error| unflushed(&error))?;
            if now - folded <= PAGES_LEFT {
                break;
            }
            folded = now;
        }
        Ok(())
    }
}

/// Folds what nobody reads any more; how many pages of the log are in the file now.
fn fold(connection: &Connection) -> Result<i64> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2)).map_err(classify)
}

/// How many pages the log has.
fn length(connection: &Connection) -> Result<i64> {
    connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1)).map_err(classify)
}

fn unflushed(error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("the database file cannot be flushed: {error}"))
}

/// Whatever stands in its way, the log is whole, and the next time does it.
fn told<T>(done: Result<T>) -> Option<T> {
    done.inspect_err(
        |error| tracing::warn!(%error, "the write-ahead log was not folded back; it is tried again"),
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer whose log is `pages` long or more; the directory stays as long as it does.
    fn writer(pages: i64) -> (tempfile::TempDir, Connection) {
        let directory = tempfile::tempdir().unwrap();
        let connection = super::super::connect(&directory.path().join("waystation.db")).unwrap();
        connection.execute_batch("CREATE TABLE filler (bytes BLOB)").unwrap();
        while length(&connection).unwrap() < pages {
            connection.execute("INSERT INTO filler VALUES (zeroblob(1000000))", []).unwrap();
        }
        (directory, connection)
    }

    fn path(directory: &tempfile::TempDir) -> std::path::PathBuf {
        directory.path().join("waystation.db")
    }

    #[test]
    fn a_long_log_begins_again_once_the_writer_has_folded_what_was_left() {
        let (directory, connection) = writer(PAGES);
        let mut folding = Folding::start(&path(&directory)).unwrap();
        let add = || connection.execute("INSERT INTO filler VALUES (x'00')", []).unwrap();
        // What the other thread has folded is finished by the first commit after it, and the next begins the log anew.
        while length(&connection).unwrap() >= PAGES {
            add();
            folding.committed(&connection);
        }
        assert!(length(&connection).unwrap() < PAGES_LEFT * 2);
    }

    #[test]
    fn a_short_log_is_left_alone() {
        let (directory, connection) = writer(300);
        let nearly_done = AtomicBool::new(false);
        let (wake, woken) = sync_channel(1);
        wake.send(()).unwrap();
        drop(wake);
        Folder::open(&path(&directory)).unwrap().fold_when_woken(&woken, &nearly_done);
        assert!(!nearly_done.load(Ordering::Relaxed));
        let folded: i64 = connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(2)).unwrap();
        assert_eq!(folded, 0);
    }
}
