//! What is counted of streams, for Prometheus. No user is ever a label.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The figures of all streams.
#[derive(Debug)]
pub struct Figures {
    pub(super) connections: Gauge,
    frames: Family<FrameLabels, Counter>,
    /// Of the labels that nearly all frames have.
    pub(super) events: Counter,
    pub(super) replayed: Counter,
    pub(super) append_to_socket: Histogram,
    pub(super) lag: Gauge,
    resumes: Family<ResumeLabels, Counter>,
    disconnects: Family<DisconnectLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FrameLabels {
    t: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResumeLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DisconnectLabels {
    code: &'static str,
}

impl Default for Figures {
    fn default() -> Self {
        let frames: Family<FrameLabels, Counter> = Family::default();
        let events = frames.get_or_create(&FrameLabels { t: "event" }).clone();
        Self {
            connections: Gauge::default(),
            frames,
            events,
            replayed: Counter::default(),
            // From a quarter of a millisecond to eight seconds.
            append_to_socket: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            lag: Gauge::default(),
            resumes: Family::default(),
            disconnects: Family::default(),
        }
    }
}

impl Figures {
    /// Adds them to what is shown.
    pub fn register(&self, registry: &mut Registry) {
        let realtime = registry.sub_registry_with_prefix("realtime");
        realtime.register("connections", "Open streams", self.connections.clone());
        realtime.register("frames", "Frames sent, by kind", self.frames.clone());
        realtime.register("replayed", "Events sent to streams that were behind", self.replayed.clone());
        realtime.register(
            "append_to_socket_seconds",
            "From when an event came in until it was sent to a stream that was not behind",
            self.append_to_socket.clone(),
        );
        realtime.register("lag", "Events that the node has yet to read for its streams", self.lag.clone());
        realtime.register("resumes", "Streams opened, by what became of their cursor", self.resumes.clone());
        realtime.register("disconnects", "Streams ended, by code", self.disconnects.clone());
    }

    pub(super) fn count_frame(&self, t: &'static str) {
        self.frames.get_or_create(&FrameLabels { t }).inc();
    }

    pub(super) fn count_resume(&self, result: &'static str) {
        self.resumes.get_or_create(&ResumeLabels { result }).inc();
    }

    pub(super) fn count_disconnect(&self, code: &'static str) {
        self.disconnects.get_or_create(&DisconnectLabels { code }).inc();
    }
}
