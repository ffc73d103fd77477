//! What is counted, for Prometheus.

use engine::lease::Queues;
use engine::realtime::Figures;
use engine::rejections::Rejections;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use store::Store;

/// The program's own counters.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    events: Family<EventLabels, Counter>,
    refused: Family<RefusedLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    source: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    source: &'static str,
    reason: &'static str,
}

impl Metrics {
    pub(crate) fn new(streams: &Figures) -> Self {
        let mut registry = Registry::with_prefix("waystation");
        let events = Family::default();
        registry.register(
            "events",
            "Requests and publications by source and what became of them",
            events.clone(),
        );
        let refused = Family::default();
        registry.register("refused", "Requests that were refused at the door, by reason", refused.clone());
        streams.register(&mut registry);
        Self { registry, events, refused }
    }

    pub(crate) fn count_event(&self, source: &'static str, result: &'static str) {
        self.events.get_or_create(&EventLabels { source, result }).inc();
    }

    pub(crate) fn count_refused(&self, source: &'static str, reason: &'static str) {
        self.refused.get_or_create(&RefusedLabels { source, reason }).inc();
    }

    /// Everything in the text format that Prometheus reads.
    pub(crate) fn render(
        &self,
        store: &dyn Store,
        rejections: &Rejections,
        queues: &Queues,
    ) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        let end = text.trim_end_matches("# EOF\n").len();
        text.truncate(end);
        text += "# HELP waystation_store_statements Statements that the store has run.\n";
        text += "# TYPE waystation_store_statements counter\n";
        for (statement, runs) in store.statements() {
            text += &format!("waystation_store_statements_total{{statement=\"{statement}\"}} {runs}\n");
        }
        text +=
            "# HELP waystation_rejections_dropped Refused requests that were not kept for the operator.\n";
        text += "# TYPE waystation_rejections_dropped counter\n";
        text += &format!("waystation_rejections_dropped_total {}\n", rejections.dropped());
        text += "# HELP waystation_workers_waiting Workers that wait for a queue, for each subscription that feeds it.\n";
        text += "# TYPE waystation_workers_waiting gauge\n";
        text += &format!("waystation_workers_waiting {}\n", queues.waiting());
        text += "# EOF\n";
        Ok(text)
    }
}
