//! Notes: what nodes tell each other in passing. Nothing of them is kept, and nothing rests on their arrival.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::{Result, StoreError};

/// Bytes of a note. PostgreSQL takes fewer than 8,000.
pub const NOTE_BYTES_MAX: usize = 7_000;

/// Notes that wait for who listens slowly, before they miss the oldest.
const NOTES_WAITING_MAX: usize = 256;

/// Somebody who listens to notes.
#[async_trait]
pub trait Notes: Send {
    /// The next note.
    ///
    /// # Errors
    /// The store is out of reach, and notes may have been missed. Whoever wants more of them listens anew.
    async fn next(&mut self) -> Result<String>;
}

/// The notes of a store that has but one node.
#[derive(Debug)]
pub(crate) struct Board(broadcast::Sender<Arc<str>>);

impl Default for Board {
    fn default() -> Self {
        Self(broadcast::Sender::new(NOTES_WAITING_MAX))
    }
}

impl Board {
    pub(crate) fn pass(&self, note: &str) -> Result<()> {
        check(note)?;
        // Without anybody who listens it is gone.
        let _nobody = self.0.send(note.into());
        Ok(())
    }

    pub(crate) fn listen(&self) -> Box<dyn Notes> {
        Box::new(Reader(self.0.subscribe()))
    }
}

/// Refuses a note that is too long.
pub(crate) fn check(note: &str) -> Result<()> {
    let is_short = note.len() <= NOTE_BYTES_MAX;
    is_short.then_some(()).ok_or_else(|| StoreError::Refused("the note is too long".to_owned()))
}

struct Reader(broadcast::Receiver<Arc<str>>);

#[async_trait]
impl Notes for Reader {
    async fn next(&mut self) -> Result<String> {
        loop {
            match self.0.recv().await {
                Ok(note) => return Ok(note.as_ref().to_owned()),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => {
                    return Err(StoreError::Unavailable("the store is closed".to_owned()));
                }
            }
        }
    }
}
