//! The life of one stream: what it may show, where it is in the log, and when something has to be said. It is the same on
//! every transport.
//!
//! **Promise.** Nothing here waits, reads a clock, or sends. Time is an argument, and what is to be sent is returned.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use store::Position;

use super::cursor::Cursor;
use super::ephemera::{Marks, Whisper};
use super::frame::{Ack, Bye, Frame, From, Hello, Lost, Said, Send};
use super::scope::{Grant, Scope};
use super::tail::Ahead;

/// A moment, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time of day, which tokens expire by.
    pub time: Timestamp,
    /// The clock that never goes back, which silence is measured by.
    pub elapsed: Duration,
}

/// A stream that waits for its `hello`.
#[derive(Debug)]
pub(crate) struct Greeting {
    until: Duration,
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct Session {
    connection: u64,
    scope: Scope,
    expires_at: Option<Timestamp>,
    heartbeat: Duration,
    /// Up to where the log has been shown, or is known to hold nothing to show.
    position: Position,
    /// Up to where removals are known to concern nothing that is still to be shown.
    removals_seen_to: Position,
    /// The cursor of the last `ready`, `event` or `heartbeat`.
    previous: Cursor,
    /// When something was last said.
    said_at: Duration,
    /// Whether the room's bell has rung for all that lies ahead.
    has_caught_up: bool,
    /// When it is to leave, since the program stops.
    leaves_at: Option<Duration>,
}

/// What a client wants done, by whoever can.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To show another token.
    Renewal(String),
    /// To send something.
    Sending(Send),
    Nothing,
}

impl Greeting {
    pub(crate) fn new(now: Moment, within: Duration) -> Self {
        Self { until: now.elapsed + within }
    }

    pub(crate) fn due_in(&self, now: Moment) -> Duration {
        self.until.saturating_sub(now.elapsed)
    }

    /// Reads the first frame.
    pub(crate) fn hear(&self, text: &str) -> Result<Hello, Bye> {
        match Said::read(text)? {
            Said::Hello(hello) => Ok(hello),
            Said::Auth(_) | Said::Send(_) | Said::Pong => Err(Bye::BadFrame),
        }
    }
}

impl Session {
    /// Opens a stream on a log that goes up to `head`, and of which some up to `removed_to` has been removed.
    pub(crate) fn open(
        (connection, heartbeat): (u64, Duration),
        grant: &Grant,
        scope: Scope,
        from: From,
        (head, removed_to): (Position, Position),
        now: Moment,
    ) -> (Self, Vec<Frame>) {
        let (position, lost) = begin(from, head, removed_to);
        let cursor = Cursor(position);
        let session = Self {
            connection,
            scope,
            expires_at: grant.expires_at,
            heartbeat,
            position,
            removals_seen_to: removed_to,
            previous: cursor,
            said_at: now.elapsed,
            has_caught_up: false,
            leaves_at: None,
        };
        let ready = Frame::Ready { connection, cursor, heartbeat };
        (session, std::iter::once(ready).chain(lost.map(|lost| Frame::Reset(lost, cursor))).collect())
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(crate) fn position(&self) -> Position {
        self.position
    }

    pub(crate) fn has_caught_up(&self) -> bool {
        self.has_caught_up
    }

    /// Reads a frame.
    pub(crate) fn hear(&self, text: &str) -> Result<Asked, Bye> {
        match Said::read(text)? {
            Said::Auth(token) => Ok(Asked::Renewal(token)),
            Said::Send(send) => Ok(Asked::Sending(send)),
            Said::Pong => Ok(Asked::Nothing),
            Said::Hello(_) => Err(Bye::BadFrame),
        }
    }

    /// Goes on under another grant of the same user.
    pub(crate) fn renew(&mut self, grant: &Grant) -> Result<(), Bye> {
        self.scope = self.scope.renewed(grant).map_err(|_| Bye::Unauthorized)?;
        self.expires_at = grant.expires_at;
        Ok(())
    }

    /// Shows nothing more of itself: it counts as behind, and nobody catches up for it.
    pub(crate) fn withdraw(&mut self) {
        self.has_caught_up = false;
    }

    /// Whether something may lie ahead, as the room's bell tells.
    pub(crate) fn is_behind(&mut self, marks: Marks) -> bool {
        // Of this room there is nothing between the ring before and where the last one began.
        if self.has_caught_up && self.position >= marks.before {
            self.position = self.position.max(marks.from.min(marks.latest));
        }
        !self.has_caught_up || marks.latest > self.position
    }

    /// Shows what lies ahead. What has been shown already, or may not be, is left out, whoever read it.
    pub(crate) fn show(&mut self, ahead: Ahead, now: Moment) -> Vec<Frame> {
        let mut frames = Vec::with_capacity(ahead.entries.len());
        for entry in ahead.entries {
            if entry.position <= self.position || !self.scope.shows(&entry.event) {
                continue;
            }
            self.position = entry.position;
            let cursor = Cursor(entry.position);
            frames.push(Frame::Event { cursor, previous: self.previous, entry });
            self.previous = cursor;
        }
        self.position = self.position.max(ahead.to);
        self.has_caught_up = ahead.is_all;
        if !frames.is_empty() {
            self.said_at = now.elapsed;
        }
        frames
    }

    /// Takes note, after reading the store, of what has been removed: had it been there still, it might have been read. Goes
    /// on from `head` if so.
    pub(crate) fn note_removals(&mut self, removed_to: Position, head: Position) -> Option<[Frame; 2]> {
        let has_lost = removed_to > self.position && removed_to > self.removals_seen_to;
        self.removals_seen_to = self.removals_seen_to.max(removed_to);
        has_lost.then(|| {
            self.position = self.position.max(head);
            self.previous = Cursor(self.position);
            // The heartbeat is what the next frame's `previous` names.
            [Frame::Reset(Lost::Expired, self.previous), Frame::Heartbeat(self.previous)]
        })
    }

    /// Passes on what this connection may hear of `whispers`.
    pub(crate) fn overhear(&self, whispers: Vec<Arc<Whisper>>) -> Vec<Frame> {
        let heard = whispers.into_iter().filter(|whisper| whisper.reaches(&self.scope, self.connection));
        heard.map(Frame::Ephemeral).collect()
    }

    /// Says what became of a client's frame.
    pub(crate) fn answer(&self, ack: Ack) -> Frame {
        Frame::Ack(ack)
    }

    /// Leaves at this time by the clock that never goes back.
    pub(crate) fn leave_at(&mut self, elapsed: Duration) {
        self.leaves_at.get_or_insert(elapsed);
    }

    /// Does what is due: ends, or breaks a silence. `quiet_to` is up to where the room is known to hold no more than has
    /// been shown.
    pub(crate) fn pass_time(
        &mut self,
        now: Moment,
        quiet_to: Option<Position>,
    ) -> Result<Option<Frame>, Bye> {
        if self.has_expired(now) {
            return Err(Bye::Expired);
        }
        if self.leaves_at.is_some_and(|leaves_at| now.elapsed >= leaves_at) {
            return Err(Bye::Shutdown);
        }
        if now.elapsed < self.said_at + self.heartbeat {
            return Ok(None);
        }
        if let Some(quiet_to) = quiet_to {
            self.position = self.position.max(quiet_to);
        }
        self.said_at = now.elapsed;
        self.previous = Cursor(self.position);
        Ok(Some(Frame::Heartbeat(self.previous)))
    }

    /// How long until [`Session::pass_time`] has something to do.
    pub(crate) fn due_in(&self, now: Moment) -> Duration {
        let silence_ends = (self.said_at + self.heartbeat).saturating_sub(now.elapsed);
        let leaves = self.leaves_at.map(|leaves_at| leaves_at.saturating_sub(now.elapsed));
        let due = leaves.map_or(silence_ends, |leaves| leaves.min(silence_ends));
        self.expires_in(now).map_or(due, |expires| expires.min(due))
    }

    /// Whether the grant has ended.
    pub(crate) fn has_expired(&self, now: Moment) -> bool {
        self.expires_at.is_some_and(|expires_at| now.time >= expires_at)
    }

    /// How long until the grant ends.
    pub(crate) fn expires_in(&self, now: Moment) -> Option<Duration> {
        self.expires_at.map(|expires_at| expires_at.since(now.time))
    }
}

/// Where a stream begins, and what is lost of what was asked for.
fn begin(from: From, head: Position, removed_to: Position) -> (Position, Option<Lost>) {
    match from {
        From::Now => (head, None),
        From::Earliest => (Position::START, None),
        From::Nowhere => (head, Some(Lost::Unknown)),
        From::After(Cursor(position)) if position > head => (head, Some(Lost::Unknown)),
        From::After(Cursor(position)) if position < removed_to => (head, Some(Lost::Expired)),
        From::After(Cursor(position)) => (position, None),
    }
}

#[cfg(test)]
mod tests;
