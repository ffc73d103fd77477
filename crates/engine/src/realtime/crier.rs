//! The crier: takes what is new to all whom it concerns, many of them in one go.
//!
//! To wake a task for each of ten thousand connections costs as much as to send to them. So whoever has caught up, and whose
//! client takes what it is sent, is served by whoever goes round; the connection's own task sees to the others.

use std::sync::{Arc, RwLockReadGuard};

use domain::Timestamp;
use tokio::task::JoinSet;

use super::ephemera::Marks;
use super::frame::Frame;
use super::line::Line;
use super::metrics::Figures;
use super::session::Moment;
use super::tail::{Ring, Tail};
use crate::clock::Clock;
use crate::limits::LINES_PER_SLICE;

/// What is to be cried, and who counts it.
#[derive(Debug)]
pub(super) struct Crier {
    pub(super) tail: Tail,
    clock: Arc<dyn Clock>,
    figures: Arc<Figures>,
}

/// A connection that there is something new for, and where its room stands.
pub(super) type Rung = (Arc<Line>, Marks);

impl Crier {
    pub(super) fn new(tail: Tail, clock: Arc<dyn Clock>, figures: Arc<Figures>) -> Self {
        Self { tail, clock, figures }
    }

    /// Serves them all, on as many threads as there are.
    pub(super) async fn go_round(self: &Arc<Self>, mut rung: Vec<Rung>) {
        let mut slices = JoinSet::new();
        while rung.len() > LINES_PER_SLICE {
            let slice = rung.split_off(rung.len() - LINES_PER_SLICE);
            let crier = Arc::clone(self);
            slices.spawn(async move { crier.serve(&slice) });
        }
        self.serve(&rung);
        while let Some(ended) = slices.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "some streams were left out; they hear of the next event, and of this one then");
            }
        }
    }

    fn serve(&self, rung: &[Rung]) {
        let mut turn = self.turn();
        for (line, marks) in rung {
            line.serve(*marks, &mut turn);
        }
        self.count_events(turn.tally);
    }

    pub(super) fn turn(&self) -> Turn<'_> {
        Turn { now: self.moment(), news: self.tail.read(), tally: Tally::default() }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment { time: self.clock.now(), elapsed: self.clock.elapsed() }
    }

    /// Counts frames that are no events.
    pub(super) fn count(&self, frames: &[Frame]) {
        for frame in frames {
            self.figures.count_frame(frame.name());
        }
    }

    /// Counts frames that are events, and how long they have taken until now.
    pub(super) fn count_events(&self, tally: Tally) {
        let live = tally.received_at.len() as u64;
        self.figures.events.inc_by(live + tally.replayed);
        self.figures.replayed.inc_by(tally.replayed);
        let now = self.clock.now();
        for received_at in tally.received_at {
            self.figures.append_to_socket.observe(now.since(received_at).as_secs_f64());
        }
    }
}

/// What those who are served in one go have in common. What all threads share is asked for once, since each time it has to come
/// over from another core; and a turn is too short for the time to matter that passes meanwhile.
#[derive(Debug)]
pub(super) struct Turn<'c> {
    pub(super) now: Moment,
    pub(super) news: RwLockReadGuard<'c, Ring>,
    pub(super) tally: Tally,
}

/// Events that were shown and have yet to be counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Shown to who had been behind.
    replayed: u64,
    /// When the others came in.
    received_at: Vec<Timestamp>,
}

impl Tally {
    /// Adds what was shown in `frames`.
    pub(super) fn add(&mut self, frames: &[Frame], was_behind: bool) {
        if was_behind {
            self.replayed += frames.len() as u64;
            return;
        }
        let received_at = |frame: &Frame| match frame {
            Frame::Event { entry, .. } => Some(entry.event.received_at),
            _ => None,
        };
        self.received_at.extend(frames.iter().filter_map(received_at));
    }
}
