//! The crier: takes what is new to all whom it concerns, many of them in one go.
//!
//! To wake a task for each of ten thousand connections costs as much as to send to them. So whoever has caught up, and whose
//! client takes what it is sent, is served by whoever goes round; the connection's own task sees to the others.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::ephemera::Marks;
use super::frame::Frame;
use super::line::Line;
use super::metrics::Figures;
use super::session::Moment;
use super::tail::Tail;
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
        for (line, marks) in rung {
            line.serve(*marks, self);
        }
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

    /// Counts frames that are events.
    pub(super) fn count_events(&self, frames: &[Frame], was_behind: bool) {
        let events = frames.len() as u64;
        self.figures.events.inc_by(events);
        if was_behind {
            self.figures.replayed.inc_by(events);
            return;
        }
        let now = self.clock.now();
        for frame in frames {
            if let Frame::Event { entry, .. } = frame {
                let took = now.since(entry.event.received_at);
                self.figures.append_to_socket.observe(took.as_secs_f64());
            }
        }
    }
}
