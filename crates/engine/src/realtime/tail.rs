//! The newest events, in memory: what all connections that are not behind read from.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use domain::{Event, EventType, Timestamp, UserId};
use serde::Serialize;
use store::{Logged, Position};

use super::cursor::Cursor;
use super::scope::Scope;
use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, TAIL_BYTES_MAX, TAIL_EVENTS_MAX};

/// An event in its place, as every connection that shows it shares it.
#[derive(Debug)]
pub struct Entry {
    /// Where.
    pub position: Position,
    /// The event.
    pub event: Arc<Event>,
    /// The frame that shows it, once somebody has needed it, and the cursor that it names as the one before.
    frame: OnceLock<(Cursor, Bytes)>,
}

impl From<Logged> for Entry {
    fn from(logged: Logged) -> Self {
        Self { position: logged.position, event: logged.event, frame: OnceLock::new() }
    }
}

impl Entry {
    /// The frame that shows it to a connection that has read up to `previous`. Nearly all have read up to the same, and share
    /// what is written for the first of them; of the others each gets the same event in a frame of its own.
    pub(crate) fn frame(&self, previous: Cursor) -> Cow<'_, Bytes> {
        let write = |event: &[u8]| frame_of(Cursor(self.position), previous, event);
        let (after, shared) =
            self.frame.get_or_init(|| (previous, write(event_json(&self.event).as_bytes())));
        if *after == previous {
            Cow::Borrowed(shared)
        } else {
            Cow::Owned(write(&shared[HEAD_BYTES..shared.len() - 1]))
        }
    }

    fn bytes(&self) -> usize {
        // Both the data and what is written of it.
        2 * self.event.data.as_str().len() + self.event.raw.as_ref().map_or(0, Vec::len) + 512
    }
}

/// Bytes of a frame before its event. Cursors are all of one length.
const HEAD_BYTES: usize =
    r#"{"t":"event","cursor":"cur_0000000000000000","previous":"cur_0000000000000000","event":"#.len();

fn frame_of(cursor: Cursor, previous: Cursor, event: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(HEAD_BYTES + event.len() + 1);
    // Writing to a vector does not fail.
    let _ = write!(frame, r#"{{"t":"event","cursor":"{cursor}","previous":"{previous}","event":"#);
    frame.extend_from_slice(event);
    frame.push(b'}');
    frame.into()
}

/// An event as the API shows it, with its data byte for byte.
fn event_json(event: &Event) -> String {
    #[derive(Serialize)]
    struct Head<'e> {
        id: domain::EventId,
        #[serde(rename = "type")]
        event_type: &'e EventType,
        user_id: Option<&'e UserId>,
        source: &'e str,
        provider: Option<&'e str>,
        occurred_at: Timestamp,
        received_at: Timestamp,
    }
    let head = Head {
        id: event.id,
        event_type: &event.event_type,
        user_id: event.user_id.as_ref(),
        source: &event.source,
        provider: event.provider.as_deref(),
        occurred_at: event.occurred_at,
        received_at: event.received_at,
    };
    // Texts and times are always written.
    let mut json = serde_json::to_string(&head).unwrap_or_default();
    json.pop();
    json.push_str(",\"data\":");
    json.push_str(event.data.as_str());
    json.push('}');
    json
}

/// What lies ahead of a position.
#[derive(Debug)]
pub(crate) struct Ahead {
    /// What of it is shown, the oldest first.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// Up to where it was looked at.
    pub(crate) to: Position,
    /// Whether that is all there is.
    pub(crate) is_all: bool,
}

/// The newest events.
#[derive(Debug)]
pub(crate) struct Tail {
    ring: RwLock<Ring>,
}

/// What is in it: every event after `floor` up to `end`.
#[derive(Debug)]
pub(crate) struct Ring {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    floor: Position,
    end: Position,
}

impl Tail {
    /// A tail of nothing yet, which begins after `end`.
    pub(crate) fn new(end: Position) -> Self {
        Self { ring: RwLock::new(Ring { entries: VecDeque::new(), bytes: 0, floor: end, end }) }
    }

    /// Up to where it goes.
    pub(crate) fn end(&self) -> Position {
        self.read().end
    }

    /// Adds the events after its end, up to `end`.
    pub(crate) fn push(&self, entries: Vec<Arc<Entry>>, end: Position) {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.bytes += entries.iter().map(|entry| entry.bytes()).sum::<usize>();
        ring.entries.extend(entries);
        ring.end = ring.end.max(end);
        while ring.entries.len() > TAIL_EVENTS_MAX || ring.bytes > TAIL_BYTES_MAX {
            let Some(oldest) = ring.entries.pop_front() else { break };
            ring.bytes -= oldest.bytes();
            ring.floor = oldest.position;
        }
    }

    /// Forgets everything up to `end`, and goes on from there.
    pub(crate) fn skip_to(&self, end: Position) {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        *ring = Ring { entries: VecDeque::new(), bytes: 0, floor: end, end };
    }

    /// What is in it, which stays as it is meanwhile.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    /// What of the events after `position` the scope shows, as many as are sent together; `None` where some of them are not
    /// here any more.
    pub(crate) fn after(&self, position: Position, scope: &Scope) -> Option<Ahead> {
        if position < self.floor {
            return None;
        }
        let first = self.entries.partition_point(|entry| entry.position <= position);
        let mut batch = Batch::default();
        for entry in self.entries.range(first..) {
            if scope.shows(&entry.event) && !batch.take(entry) {
                return Some(Ahead { entries: batch.entries, to: batch.to.max(position), is_all: false });
            }
            batch.to = entry.position;
        }
        Some(Ahead { entries: batch.entries, to: self.end.max(position), is_all: true })
    }
}

/// Entries that are sent together.
#[derive(Debug)]
struct Batch {
    entries: Vec<Arc<Entry>>,
    bytes: usize,
    to: Position,
}

impl Default for Batch {
    fn default() -> Self {
        Self { entries: Vec::new(), bytes: 0, to: Position::START }
    }
}

impl Batch {
    /// Takes one more; false where it has enough. The first is always taken, however large it is.
    fn take(&mut self, entry: &Arc<Entry>) -> bool {
        self.bytes += entry.event.data.as_str().len();
        let has_room = self.entries.len() < BATCH_EVENTS_MAX && self.bytes <= BATCH_BYTES_MAX;
        let takes = self.entries.is_empty() || has_room;
        if takes {
            self.entries.push(Arc::clone(entry));
        }
        takes
    }
}

/// What of a page of the log, read after `position`, is shown. `end` is up to where the log is known to be in the page if
/// `is_whole`.
pub(crate) fn batch_of(
    page: Vec<Logged>,
    scope: &Scope,
    position: Position,
    end: Position,
    is_whole: bool,
) -> Ahead {
    let mut batch = Batch { to: position, ..Batch::default() };
    for logged in page {
        let at = logged.position;
        if scope.shows(&logged.event) && !batch.take(&Arc::new(Entry::from(logged))) {
            return Ahead { entries: batch.entries, to: batch.to, is_all: false };
        }
        batch.to = at;
    }
    let to = if is_whole { batch.to.max(end) } else { batch.to };
    Ahead { entries: batch.entries, to, is_all: is_whole }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::event;

    #[test]
    fn who_has_read_up_to_the_same_shares_one_frame() {
        let event = Arc::new(event("a.b", Timestamp::from_seconds(1)));
        let entry = Entry::from(Logged { position: Position(7), event });
        let (before, earlier) = (Cursor(Position(6)), Cursor(Position(3)));
        let first = entry.frame(before);
        assert_eq!(entry.frame(before).as_ptr(), first.as_ptr());
        let other = entry.frame(earlier);
        let text = |frame: &Bytes| String::from_utf8(frame.to_vec()).unwrap();
        assert_eq!(text(&other), text(&first).replace(&before.to_string(), &earlier.to_string()));
        let read: serde_json::Value = serde_json::from_slice(&first).unwrap();
        assert_eq!(read["cursor"], Cursor(Position(7)).to_string());
        assert_eq!(read["t"], "event");
        assert_eq!(read["event"]["type"], "a.b");
    }
}
