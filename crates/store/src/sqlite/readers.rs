//! The connections that only read: a few, opened when they are first needed, each used by one thread at a time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::{BUSY_TIMEOUT, classify};
use crate::{Result, StoreError};

/// Connections for reading. Two cores read no faster with more, and each keeps a cache of its own.
const READERS_MAX: usize = 4;

/// Prepared statements that a connection keeps.
const STATEMENT_CACHE: usize = 64;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    free: Semaphore,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Arc::default(), free: Semaphore::new(READERS_MAX) }
    }

    /// Reads on a thread where blocking disturbs nobody.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _place = self.free.acquire().await.map_err(|_| closed())?;
        let (idle, path) = (Arc::clone(&self.idle), self.path.clone());
        let read = tokio::task::spawn_blocking(move || {
            let waiting = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = waiting.map_or_else(|| open(&path), Ok)?;
            let read = work(&connection);
            // Whatever ails a connection, a new one does not have it.
            if read.is_ok() {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            }
            read
        });
        read.await.map_err(|error| StoreError::Unavailable(format!("reading broke off: {error}")))?
    }

    /// Lets go of the connections; nothing can be read any more.
    pub(super) fn close(&self) {
        self.free.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

pub(super) fn open(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(classify)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(classify)?;
    connection.pragma_update(None, "temp_store", "memory").map_err(classify)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    Ok(connection)
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}
