//! Health: whether a subscription's endpoint is worth calling.
//!
//! ```text
//!            failures in a row                    cool-down over
//!  closed ─────────────────────▶ open ────────────────────────────▶ half-open
//!    ▲                            ▲                                     │ one attempt is let through
//!    │ any success                │ failure: a longer cool-down         ▼
//!    └────────────────────────────┴─────────────────────────────── probing
//! ```
//!
//! Without it a dead endpoint is called for every delivery that is due, and each waits for its timeout. The words are
//! those of electricity: closed lets attempts through, open does not.
//!
//! **Invariant.** Whatever happened, [`Health::admit`] lets an attempt through or names the time at which it will.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::attempt::{Outcome, Verdict};
use crate::limits::{RETRY_AFTER_SECONDS_MAX, TIMEOUT_SECONDS_MAX};

/// How an endpoint has been answering since it last answered well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    trouble: Option<Trouble>,
}

/// Nothing but failure, so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Trouble {
    /// When the first of the failures came.
    since: Timestamp,
    /// How many there were.
    failures: u32,
    /// How often it was found dead: each time the cool-down is longer.
    openings: u32,
    gate: Gate,
}

/// What is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Gate {
    All,
    NoneUntil(Timestamp),
    /// One was, and should come to its end by then.
    OneUntil(Timestamp),
}

/// Where an endpoint stands, as the API shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// All attempts are let through.
    Closed,
    /// It failed too often: none are, until its cool-down is over.
    Open,
    /// Its cool-down is over: the next attempt is the probe.
    HalfOpen,
    /// The probe is under way; no other attempt is let through.
    Probing,
}

/// When to stop calling, when to try again, and when to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Failures in a row after which an endpoint is taken for dead.
    pub failures_to_open: u32,
    /// How long it is left alone at first. Each probe that fails doubles it.
    pub cool_down_first: Duration,
    /// How long it is left alone at most.
    pub cool_down_max: Duration,
}

impl Default for Rules {
    /// 10 failures; 5 s, doubling up to 5 min.
    fn default() -> Self {
        Self {
            // More than the retries of one delivery: one that the endpoint cannot digest must not stop the others.
            failures_to_open: 10,
            cool_down_first: Duration::from_secs(5),
            // Also the longest that a healed endpoint waits for us to notice.
            cool_down_max: Duration::from_secs(5 * 60),
        }
    }
}

/// Whether an attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Attempt,
    /// It may not. Ask again at this time.
    Wait(Timestamp),
}

/// What an outcome changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing that anybody need know.
    None,
    /// The endpoint is taken for dead; the next attempt will be made at this time.
    Opened(Timestamp),
    /// The endpoint was taken for dead, and answers again.
    Closed,
    /// Its subscription is to be deactivated: the endpoint said so (`410`), or has failed for too long.
    Deactivate,
}

/// A probe whose outcome has not come after this is given up: whoever made it died. No attempt lasts half as long.
const PROBE_LASTS_MAX: Duration = Duration::from_secs(2 * TIMEOUT_SECONDS_MAX as u64);

impl Health {
    /// Where the endpoint stands at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> State {
        match self.trouble.map(|trouble| trouble.gate) {
            None | Some(Gate::All) => State::Closed,
            Some(Gate::NoneUntil(end)) if is_ahead(end, now) => State::Open,
            Some(Gate::OneUntil(end)) if is_ahead(end, now) => State::Probing,
            Some(Gate::NoneUntil(_) | Gate::OneUntil(_)) => State::HalfOpen,
        }
    }

    /// Failures since the endpoint last answered well.
    #[must_use]
    pub fn consecutive_failures(&self) -> u32 {
        self.trouble.map_or(0, |trouble| trouble.failures)
    }

    /// When the first of them came.
    #[must_use]
    pub fn failing_since(&self) -> Option<Timestamp> {
        self.trouble.map(|trouble| trouble.since)
    }

    /// Whether an attempt may be made at `now`. The first that may after a cool-down is the probe: until its outcome
    /// is settled there is no other.
    pub fn admit(&mut self, now: Timestamp) -> Admission {
        match &mut self.trouble {
            None | Some(Trouble { gate: Gate::All, .. }) => Admission::Attempt,
            Some(Trouble { gate: Gate::NoneUntil(end) | Gate::OneUntil(end), .. }) if is_ahead(*end, now) => {
                Admission::Wait(*end)
            }
            Some(trouble) => {
                trouble.gate = Gate::OneUntil(now.plus(PROBE_LASTS_MAX));
                Admission::Attempt
            }
        }
    }

    /// Takes in how an attempt ended at `now`. Every attempt counts, also one that began before a cool-down and ends
    /// in it, or that somebody set going by hand; one that failed here, and not at the endpoint, does not.
    pub fn settle(&mut self, outcome: &Outcome, rules: &Rules, now: Timestamp) -> Change {
        match outcome.verdict() {
            _ if !tells_of_the_endpoint(outcome) => self.end_probe(now),
            Verdict::Success => self.recover(),
            Verdict::Gone => {
                self.fail(Duration::ZERO, rules, now);
                Change::Deactivate
            }
            Verdict::Retry(asked) => self.fail(asked.unwrap_or_default(), rules, now),
            Verdict::RetryIn(span) => self.fail(span, rules, now),
            Verdict::GiveUp | Verdict::Skip => self.end_probe(now),
        }
    }

    fn recover(&mut self) -> Change {
        match self.trouble.take() {
            Some(Trouble { gate: Gate::NoneUntil(_) | Gate::OneUntil(_), .. }) => Change::Closed,
            _ => Change::None,
        }
    }

    /// A probe that told nothing makes room for another.
    fn end_probe(&mut self, now: Timestamp) -> Change {
        if let Some(Trouble { gate: gate @ Gate::OneUntil(_), .. }) = &mut self.trouble {
            *gate = Gate::NoneUntil(now);
        }
        Change::None
    }

    fn fail(&mut self, asked: Duration, rules: &Rules, now: Timestamp) -> Change {
        let unharmed = Trouble { since: now, failures: 0, openings: 0, gate: Gate::All };
        let trouble = self.trouble.get_or_insert(unharmed);
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.open_if_due(asked, rules, now)
    }
}

impl Trouble {
    /// Opens at the failure that is one too many, and at that of a probe. One that ends within a cool-down began
    /// before it, and says nothing new.
    fn open_if_due(&mut self, asked: Duration, rules: &Rules, now: Timestamp) -> Change {
        let is_due = match self.gate {
            Gate::All => self.failures >= rules.failures_to_open,
            Gate::OneUntil(_) => true,
            Gate::NoneUntil(_) => false,
        };
        if !is_due {
            return Change::None;
        }
        let end = now.plus(rules.cool_down(self.openings).max(asked).min(COOL_DOWN_LIMIT));
        self.openings = self.openings.saturating_add(1);
        self.gate = Gate::NoneUntil(end);
        Change::Opened(end)
    }
}

impl Rules {
    /// How long an endpoint is left alone that was found dead `openings` times before.
    fn cool_down(&self, openings: u32) -> Duration {
        let factor = 2_u32.saturating_pow(openings);
        self.cool_down_first.saturating_mul(factor).min(self.cool_down_max)
    }
}

/// The longest cool-down, whatever the rules or the endpoint ask for.
const COOL_DOWN_LIMIT: Duration = Duration::from_secs(RETRY_AFTER_SECONDS_MAX as u64);

/// Whether `end` is still to come. One that lies farther ahead than any cool-down was set by a clock that has been
/// put back since, and would keep the endpoint closed off for as long as that.
fn is_ahead(end: Timestamp, now: Timestamp) -> bool {
    end > now && end.since(now) <= COOL_DOWN_LIMIT
}

/// Whether it was the endpoint that made the outcome, rather than one of ours.
fn tells_of_the_endpoint(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed { code, .. } => !code.is_ours(),
        Outcome::Unsendable { .. } | Outcome::Skipped => false,
        Outcome::Answered { .. } | Outcome::Completed | Outcome::Reported { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::attempt::ErrorCode;

    const RULES: Rules = Rules {
        failures_to_open: 3,
        cool_down_first: Duration::from_secs(5),
        cool_down_max: Duration::from_secs(60),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000 + seconds)
    }

    fn answer(status: u16) -> Outcome {
        Outcome::Answered { status, retry_after: None }
    }

    fn failed(code: ErrorCode) -> Outcome {
        Outcome::Failed { code, message: "no".to_owned(), status: None }
    }

    /// An endpoint that was taken for dead at 0.
    fn dead() -> Health {
        let mut health = Health::default();
        for _ in 0..RULES.failures_to_open {
            health.settle(&answer(500), &RULES, at(0));
        }
        health
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_probe_through_after_each_cool_down() {
        let mut health = Health::default();
        assert_eq!(health.settle(&answer(500), &RULES, at(0)), Change::None);
        assert_eq!(health.settle(&failed(ErrorCode::Timeout), &RULES, at(0)), Change::None);
        assert_eq!((health.state(at(0)), health.admit(at(0))), (State::Closed, Admission::Attempt));
        assert_eq!(health.settle(&answer(500), &RULES, at(0)), Change::Opened(at(5)));
        assert_eq!((health.state(at(4)), health.admit(at(4))), (State::Open, Admission::Wait(at(5))));
        assert_eq!((health.state(at(5)), health.admit(at(5))), (State::HalfOpen, Admission::Attempt));
        assert_eq!((health.state(at(6)), health.admit(at(6))), (State::Probing, Admission::Wait(at(125))));
        assert_eq!(health.settle(&answer(500), &RULES, at(7)), Change::Opened(at(17)), "twice as long");
        assert_eq!(health.state(at(17)), State::HalfOpen);
        assert_eq!(health.settle(&answer(200), &RULES, at(18)), Change::Closed);
        assert_eq!(health, Health::default());
    }

    #[test]
    fn a_success_in_between_starts_the_count_again() {
        let mut health = Health::default();
        for second in 0..100 {
            let status = if second % 3 == 2 { 204 } else { 500 };
            assert_eq!(health.settle(&answer(status), &RULES, at(second)), Change::None);
        }
    }

    #[test]
    fn cool_downs_double_up_to_the_longest() {
        let (mut health, mut now, mut waits) = (dead(), at(0), Vec::new());
        for _ in 0..6 {
            let Admission::Wait(end) = health.admit(now) else { panic!("it is open at {now}") };
            waits.push(end.since(now).as_secs());
            assert_eq!(health.admit(end), Admission::Attempt);
            health.settle(&answer(500), &RULES, end);
            now = end;
        }
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        assert_eq!(RULES.cool_down(u32::MAX), RULES.cool_down_max);
    }

    #[test]
    fn what_began_before_the_cool_down_does_not_lengthen_it_but_may_end_it() {
        let mut health = dead();
        assert_eq!(health.settle(&answer(500), &RULES, at(3)), Change::None);
        assert_eq!(health.admit(at(4)), Admission::Wait(at(5)));
        assert_eq!(health.settle(&answer(200), &RULES, at(4)), Change::Closed);
    }

    #[test]
    fn an_endpoint_may_ask_for_a_longer_cool_down() {
        let asks =
            |seconds| Outcome::Answered { status: 503, retry_after: Some(Duration::from_secs(seconds)) };
        let mut health = dead();
        health.admit(at(5));
        assert_eq!(health.settle(&asks(900), &RULES, at(5)), Change::Opened(at(905)));
        health.admit(at(905));
        assert_eq!(health.settle(&asks(u64::MAX), &RULES, at(905)), Change::Opened(at(905 + 86_400)));
        assert_eq!(health.admit(at(906)), Admission::Wait(at(905 + 86_400)));
    }

    #[test]
    fn what_failed_on_our_side_counts_against_nobody() {
        let mut health = dead();
        health.admit(at(5));
        assert_eq!(health.settle(&failed(ErrorCode::Transform), &RULES, at(6)), Change::None);
        assert_eq!(health.state(at(6)), State::HalfOpen, "another probe may follow");
        assert_eq!(health.consecutive_failures(), 3);
    }

    #[test]
    fn a_probe_that_never_comes_back_is_followed_by_another() {
        let mut health = dead();
        assert_eq!(health.admit(at(5)), Admission::Attempt);
        assert_eq!(health.admit(at(124)), Admission::Wait(at(125)));
        assert_eq!(health.admit(at(125)), Admission::Attempt);
    }

    #[test]
    fn a_410_deactivates_at_once() {
        assert_eq!(Health::default().settle(&answer(410), &RULES, at(0)), Change::Deactivate);
        assert_eq!(Health::default().settle(&answer(404), &RULES, at(0)), Change::None);
    }

    #[test]
    fn it_is_kept_as_json() {
        let mut health = dead();
        health.admit(at(5));
        for health in [Health::default(), dead(), health] {
            let written = serde_json::to_string(&health).unwrap();
            assert_eq!(serde_json::from_str::<Health>(&written).unwrap(), health);
        }
        assert_eq!(serde_json::to_string(&State::HalfOpen).unwrap(), "\"half-open\"");
    }

    /// Something that happens to an endpoint.
    #[derive(Debug, Clone)]
    enum Step {
        Wait(u32),
        /// Somebody puts the clock back, by as much as two years.
        PutBack(u32),
        Admit,
        Settle(Outcome),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let retry_after = proptest::option::of((0..200_000_u64).prop_map(Duration::from_secs));
        let answered = (prop_oneof![Just(200_u16), Just(410), Just(429), Just(503), Just(500)], retry_after)
            .prop_map(|(status, retry_after)| Outcome::Answered { status, retry_after });
        let code = prop_oneof![Just(ErrorCode::Timeout), Just(ErrorCode::Transform)];
        prop_oneof![
            4 => (0..400_u32).prop_map(Step::Wait),
            1 => (0..63_000_000_u32).prop_map(Step::PutBack),
            5 => Just(Step::Admit),
            2 => Just(Step::Settle(answer(200))),
            8 => answered.prop_map(Step::Settle),
            3 => code.prop_map(failed).prop_map(Step::Settle),
        ]
    }

    fn any_rules() -> impl Strategy<Value = Rules> {
        let span = |range: std::ops::Range<u64>| range.prop_map(Duration::from_secs);
        (0..6_u32, span(0..30), span(0..1_000_000)).prop_map(
            |(failures_to_open, cool_down_first, cool_down_max)| Rules {
                failures_to_open,
                cool_down_first,
                cool_down_max,
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_happens_there_is_a_next_attempt_and_success_closes_and_410_deactivates(
            rules in any_rules(), steps in proptest::collection::vec(any_step(), 1..80),
        ) {
            let (mut health, mut now) = (Health::default(), at(0));
            let (mut failures, mut since) = (0, None);
            for step in steps {
                match step {
                    Step::Wait(seconds) => now = now.plus(Duration::from_secs(seconds.into())),
                    Step::PutBack(seconds) => now = now.minus(Duration::from_secs(seconds.into())),
                    Step::Admit => { health.admit(now); }
                    Step::Settle(outcome) => {
                        let change = health.settle(&outcome, &rules, now);
                        let is_ours = outcome.error_code() == Some(ErrorCode::Transform);
                        if outcome.error_code().is_none() {
                            (failures, since) = (0, None);
                            prop_assert_eq!(health.state(now), State::Closed);
                            prop_assert_eq!(health.admit(now), Admission::Attempt);
                        } else if !is_ours {
                            failures += 1;
                            since.get_or_insert(now);
                            prop_assert_eq!(change == Change::Deactivate, outcome.status() == Some(410));
                        }
                        prop_assert!(!is_ours || change == Change::None);
                    }
                }
                prop_assert_eq!((health.consecutive_failures(), health.failing_since()), (failures, since));
                if let Admission::Wait(end) = { health }.admit(now) {
                    prop_assert!(failures >= rules.failures_to_open);
                    prop_assert!(now < end && end.since(now) <= COOL_DOWN_LIMIT);
                    prop_assert!(matches!(health.state(now), State::Open | State::Probing));
                    prop_assert_eq!(health.state(end), State::HalfOpen);
                    prop_assert_eq!({ health }.admit(end), Admission::Attempt);
                }
            }
        }

        #[test]
        fn there_is_never_more_than_one_probe(waits in proptest::collection::vec(0..119_u32, 1..20)) {
            let (mut health, mut now) = (dead(), at(5));
            prop_assert_eq!(health.admit(now), Admission::Attempt);
            let begun = now;
            for wait in waits {
                now = now.plus(Duration::from_secs(wait.into()));
                if now.since(begun) < PROBE_LASTS_MAX {
                    prop_assert!(matches!(health.admit(now), Admission::Wait(_)));
                }
            }
        }
    }
}
