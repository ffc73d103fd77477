//! Alerts: when a subscription's attempts fail, drag on or repeat more than they should.
//!
//! Time is cut into spans of one length, which begin at the same moment everywhere. Within one everything is counted,
//! so that nothing has to be looked up; with the next the counting begins anew. An alert is raised in the moment in
//! which a bound is crossed, and is over at the end of the first span that stays below it. A span without attempts
//! tells nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The bounds. What is zero is not watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How long a span is.
    pub span: Duration,
    /// With fewer attempts in a span nothing is raised: one failure of one is no rate.
    pub attempts_min: u32,
    /// Attempts of a hundred that may fail.
    pub error_rate_percent: u32,
    /// How long attempts may take on the average.
    pub latency: Duration,
    /// How many times as many retries as usual there may be.
    pub retry_spike_factor: u32,
    /// Deliveries of one subscription that may be due and wait.
    pub backlog: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            span: Duration::from_secs(300),
            attempts_min: 20,
            error_rate_percent: 50,
            latency: Duration::from_secs(5),
            retry_spike_factor: 5,
            backlog: 1_000,
        }
    }
}

impl Rules {
    /// The number of the span that `now` is in. It is the same on every node.
    #[must_use]
    pub fn span_at(&self, now: Timestamp) -> i64 {
        let micros = i64::try_from(self.span.as_micros()).unwrap_or(i64::MAX);
        now.as_micros().div_euclid(micros.max(1))
    }
}

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The share of attempts that fail.
    ErrorRate,
    /// How long attempts take, on the average.
    Latency,
    /// How many attempts are retries.
    RetrySpike,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::ErrorRate, Self::Latency, Self::RetrySpike];

    /// The type of the events that tell of it.
    #[must_use]
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::ErrorRate => "alert.error_rate",
            Self::Latency => "alert.latency",
            Self::RetrySpike => "alert.retry_spike",
        }
    }
}

/// Whether what an alert is about has begun or is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A bound was crossed.
    Firing,
    /// A whole span stayed within it.
    Resolved,
}

impl State {
    /// The state as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// Something that somebody should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// What was measured.
    pub kind: Kind,
    /// Whether it has begun or is over.
    pub state: State,
    /// The bound: a share of 1, milliseconds, or a number of retries.
    pub threshold: f64,
    /// What was measured, in the same unit.
    pub value: f64,
    /// In which span.
    pub span: i64,
}

/// An attempt, as far as it is counted.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Whether it failed.
    pub has_failed: bool,
    /// Whether one before it had failed.
    pub is_retry: bool,
    /// How long it took; `None` where that is not the endpoint's to answer for.
    pub duration: Option<Duration>,
}

/// One subscription's attempts.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    counted: Option<Counted>,
    /// Retries in a span, on a moving average; `None` until a span is over.
    usual_retries: Option<f64>,
    raised: Vec<Kind>,
}

/// What was counted in one span.
#[derive(Debug, Clone, Copy)]
struct Counted {
    span: i64,
    attempts: u32,
    failed: u32,
    retries: u32,
    timed: u32,
    duration: Duration,
}

/// Spans without attempts after which a subscription is forgotten, with what was raised about it.
const SILENT_SPANS_MAX: i64 = 12;

/// How much the newest span weighs in what is usual.
const NEWEST_WEIGHS: f64 = 0.25;

impl Meter {
    /// Counts an attempt that ended at `now`; what there is to tell of it, and of the spans before.
    pub fn count(&mut self, sample: Sample, rules: &Rules, now: Timestamp) -> Vec<Alert> {
        let mut alerts = self.move_on(rules, now);
        let counted = self.counted.get_or_insert_with(|| Counted::none(rules.span_at(now)));
        counted.add(sample);
        let counted = *counted;
        let is_raised = |kind: &Kind| counted.attempts >= rules.attempts_min && !self.raised.contains(kind);
        for kind in Kind::ALL.into_iter().filter(is_raised).collect::<Vec<_>>() {
            if let Some((value, threshold)) = self.measure(kind, &counted, rules).filter(|(v, t)| v > t) {
                self.raised.push(kind);
                alerts.push(Alert { kind, state: State::Firing, threshold, value, span: counted.span });
            }
        }
        alerts
    }

    /// Ends the spans before `now`; what there is to tell of them.
    pub fn move_on(&mut self, rules: &Rules, now: Timestamp) -> Vec<Alert> {
        let span = rules.span_at(now);
        let Some(ended) = self.counted.filter(|counted| counted.span != span) else { return Vec::new() };
        let mut over = Vec::new();
        for kind in std::mem::take(&mut self.raised) {
            match self.measure(kind, &ended, rules) {
                Some((value, threshold)) if value <= threshold => {
                    over.push(Alert { kind, state: State::Resolved, threshold, value, span: ended.span });
                }
                _ => self.raised.push(kind),
            }
        }
        self.learn(&ended, span);
        self.counted = None;
        over
    }

    /// Whether forgetting it loses nothing that is still of use.
    #[must_use]
    pub fn is_silent(&self, last: i64, rules: &Rules, now: Timestamp) -> bool {
        self.counted.is_none() && rules.span_at(now).saturating_sub(last) > SILENT_SPANS_MAX
    }

    /// What was measured and what it should not exceed; `None` where it is not watched, or nothing can be said.
    fn measure(&self, kind: Kind, counted: &Counted, rules: &Rules) -> Option<(f64, f64)> {
        match kind {
            Kind::ErrorRate => (rules.error_rate_percent > 0 && counted.attempts > 0).then(|| {
                let rate = f64::from(counted.failed) / f64::from(counted.attempts);
                (rate, f64::from(rules.error_rate_percent) / 100.0)
            }),
            Kind::Latency => (!rules.latency.is_zero() && counted.timed > 0).then(|| {
                let mean = counted.duration.as_secs_f64() / f64::from(counted.timed);
                (mean * 1_000.0, rules.latency.as_secs_f64() * 1_000.0)
            }),
            // Fewer than would be looked at at all are no spike, however few are usual.
            Kind::RetrySpike => self.usual_retries.filter(|_| rules.retry_spike_factor > 0).map(|usual| {
                let most = usual * f64::from(rules.retry_spike_factor);
                (f64::from(counted.retries), most.max(f64::from(rules.attempts_min)))
            }),
        }
    }

    /// What has just been counted changes what is usual; so do the spans up to `now` in which nothing was.
    fn learn(&mut self, ended: &Counted, now: i64) {
        let retries = f64::from(ended.retries);
        let usual = self.usual_retries.map_or(retries, |usual| usual + (retries - usual) * NEWEST_WEIGHS);
        let silent = i32::try_from(now.saturating_sub(ended.span).saturating_sub(1)).unwrap_or(i32::MAX);
        self.usual_retries = Some(usual * (1.0 - NEWEST_WEIGHS).powi(silent.max(0)));
    }
}

impl Counted {
    const fn none(span: i64) -> Self {
        Self { span, attempts: 0, failed: 0, retries: 0, timed: 0, duration: Duration::ZERO }
    }

    fn add(&mut self, sample: Sample) {
        self.attempts = self.attempts.saturating_add(1);
        self.failed = self.failed.saturating_add(sample.has_failed.into());
        self.retries = self.retries.saturating_add(sample.is_retry.into());
        if let Some(duration) = sample.duration {
            self.timed = self.timed.saturating_add(1);
            self.duration = self.duration.saturating_add(duration);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules {
        span: Duration::from_secs(100),
        attempts_min: 4,
        error_rate_percent: 50,
        latency: Duration::from_millis(500),
        retry_spike_factor: 3,
        backlog: 10,
    };

    /// In the span of that number, `seconds` after its beginning.
    fn at(span: i64, seconds: i64) -> Timestamp {
        Timestamp::from_seconds(span * 100 + seconds)
    }

    fn sample(has_failed: bool, is_retry: bool, millis: u64) -> Sample {
        Sample { has_failed, is_retry, duration: Some(Duration::from_millis(millis)) }
    }

    fn count(meter: &mut Meter, times: u32, sample: Sample, now: Timestamp) -> Vec<(Kind, State)> {
        (0..times).flat_map(|_| meter.count(sample, &RULES, now)).map(|a| (a.kind, a.state)).collect()
    }

    #[test]
    fn a_rate_is_told_when_it_is_crossed_and_when_a_span_has_stayed_below_it() {
        let mut meter = Meter::default();
        let (good, bad) = (sample(false, false, 1), sample(true, false, 1));
        assert_eq!(count(&mut meter, 3, bad, at(1, 0)), [], "too few to tell");
        let told = meter.count(bad, &RULES, at(1, 50));
        let expected =
            Alert { kind: Kind::ErrorRate, state: State::Firing, threshold: 0.5, value: 1.0, span: 1 };
        assert_eq!(told, [expected]);
        assert_eq!(count(&mut meter, 50, bad, at(1, 99)), [], "once is enough");
        assert_eq!(count(&mut meter, 1, bad, at(2, 0)), [], "the last span was no better");
        assert_eq!(meter.move_on(&RULES, at(5, 0)), [], "nor was this one");
        assert_eq!(meter.move_on(&RULES, at(6, 0)), [], "and one without attempts tells nothing");
        assert_eq!(count(&mut meter, 2, good, at(7, 0)), []);
        let over = meter.move_on(&RULES, at(8, 0));
        assert_eq!((over[0].kind, over[0].state, over[0].value), (Kind::ErrorRate, State::Resolved, 0.0));
        assert_eq!(count(&mut meter, 4, bad, at(9, 0)), [(Kind::ErrorRate, State::Firing)], "once more");
    }

    #[test]
    fn half_of_them_is_not_more_than_half() {
        let mut meter = Meter::default();
        for _ in 0..10 {
            assert_eq!(count(&mut meter, 1, sample(false, false, 1), at(1, 0)), []);
            assert_eq!(count(&mut meter, 1, sample(true, false, 1), at(1, 0)), []);
        }
    }

    #[test]
    fn attempts_that_drag_on_are_told_of_where_they_are_timed() {
        let mut meter = Meter::default();
        let untimed = Sample { has_failed: false, is_retry: false, duration: None };
        assert_eq!(count(&mut meter, 9, untimed, at(1, 0)), []);
        assert_eq!(
            count(&mut meter, 1, sample(false, false, 501), at(1, 0)),
            [(Kind::Latency, State::Firing)]
        );
        assert_eq!(count(&mut meter, 9, untimed, at(2, 0)), []);
        assert_eq!(meter.move_on(&RULES, at(3, 0)), [], "nothing was timed, so nothing can be said");
        count(&mut meter, 1, sample(false, false, 500), at(4, 0));
        assert_eq!(meter.move_on(&RULES, at(5, 0)).len(), 1);
    }

    #[test]
    fn a_spike_is_many_times_what_is_usual() {
        let mut meter = Meter::default();
        let retry = sample(false, true, 1);
        assert_eq!(count(&mut meter, 50, retry, at(1, 0)), [], "nobody knows yet what is usual");
        assert_eq!(count(&mut meter, 150, retry, at(2, 0)), [], "three times as many");
        let mut quiet = Meter::default();
        count(&mut quiet, 1, sample(false, false, 1), at(1, 0));
        assert_eq!(count(&mut quiet, 4, retry, at(2, 0)), [], "few are no spike, though none are usual");
        assert_eq!(count(&mut quiet, 1, retry, at(2, 0)), [(Kind::RetrySpike, State::Firing)]);
        count(&mut quiet, 1, retry, at(3, 0));
        assert_eq!(quiet.move_on(&RULES, at(4, 0))[0].state, State::Resolved);
    }

    #[test]
    fn a_bound_of_zero_is_none() {
        let rules = Rules { error_rate_percent: 0, latency: Duration::ZERO, retry_spike_factor: 0, ..RULES };
        let mut meter = Meter::default();
        for span in 1..4 {
            for _ in 0..50 * span {
                assert_eq!(meter.count(sample(true, true, 9_000), &rules, at(span, 0)), []);
            }
        }
    }

    #[test]
    fn what_is_silent_for_long_may_be_forgotten() {
        let mut meter = Meter::default();
        count(&mut meter, 9, sample(true, false, 1), at(1, 0));
        assert!(!meter.is_silent(1, &RULES, at(100, 0)), "its span has not been ended yet");
        meter.move_on(&RULES, at(2, 0));
        assert!(!meter.is_silent(1, &RULES, at(13, 0)));
        assert!(meter.is_silent(1, &RULES, at(14, 0)));
    }

    proptest! {
        #[test]
        fn each_kind_is_raised_and_over_by_turns_and_at_most_once_in_a_span(
            steps in proptest::collection::vec((0..250_i64, any::<bool>(), any::<bool>(), 0..1_000_u64), 1..300),
        ) {
            let (mut meter, mut now) = (Meter::default(), at(1, 0));
            let mut told: Vec<Alert> = Vec::new();
            for (pause, has_failed, is_retry, millis) in steps {
                // Most come close together.
                now = now.plus(Duration::from_secs(if pause > 200 { pause as u64 } else { 1 }));
                told.extend(meter.count(sample(has_failed, is_retry, millis), &RULES, now));
            }
            for kind in Kind::ALL {
                let of_kind: Vec<_> = told.iter().filter(|alert| alert.kind == kind).collect();
                for (index, alert) in of_kind.iter().enumerate() {
                    let expected = if index % 2 == 0 { State::Firing } else { State::Resolved };
                    prop_assert_eq!(alert.state, expected);
                    prop_assert_eq!(alert.value > alert.threshold, expected == State::Firing);
                }
                prop_assert!(of_kind.windows(2).all(|two| two[0].span <= two[1].span));
                let mut keys: Vec<_> = of_kind.iter().map(|alert| (alert.span, alert.state.as_str())).collect();
                keys.dedup();
                prop_assert_eq!(keys.len(), of_kind.len());
            }
        }
    }
}
