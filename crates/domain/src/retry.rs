//! When a delivery is tried again.

use std::time::Duration;

use rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::limits::{RETRY_AFTER_SECONDS_MAX, RETRY_COUNT_MAX, RETRY_GAP_SECONDS_MAX};

/// The gaps between attempts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Spelling", into = "Spelling")]
pub enum RetryPolicy {
    /// 2 s, doubling, capped at 1 h.
    #[default]
    Exponential,
    /// 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: what the Standard Webhooks specification recommends.
    Standard,
    /// 4 s, 8 s, 10 s: for somebody who waits for an answer.
    Conversation,
    /// The user's own gaps, in seconds.
    List(Vec<u32>),
}

const STANDARD: [u32; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
const CONVERSATION: [u32; 3] = [4, 8, 10];
const EXPONENTIAL_FIRST: u32 = 2;
const EXPONENTIAL_CAP: u32 = 3_600;

/// How a policy is written in JSON: a name, or a list of seconds.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Spelling {
    Name(Name),
    List(Vec<u32>),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    Exponential,
    Standard,
    Conversation,
}

impl From<Spelling> for RetryPolicy {
    fn from(spelling: Spelling) -> Self {
        match spelling {
            Spelling::Name(Name::Exponential) => Self::Exponential,
            Spelling::Name(Name::Standard) => Self::Standard,
            Spelling::Name(Name::Conversation) => Self::Conversation,
            Spelling::List(gaps) => Self::List(gaps),
        }
    }
}

impl From<RetryPolicy> for Spelling {
    fn from(policy: RetryPolicy) -> Self {
        match policy {
            RetryPolicy::Exponential => Self::Name(Name::Exponential),
            RetryPolicy::Standard => Self::Name(Name::Standard),
            RetryPolicy::Conversation => Self::Name(Name::Conversation),
            RetryPolicy::List(gaps) => Self::List(gaps),
        }
    }
}

/// A list of gaps that makes no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRetryList {
    /// It has none, or more than an endpoint may be retried.
    #[error("a list of gaps has 1 to {RETRY_COUNT_MAX} entries, not {0}")]
    Length(usize),
    /// One of them is longer than we wait.
    #[error("a gap is at most {RETRY_GAP_SECONDS_MAX} seconds, not {0}")]
    Gap(u32),
}

impl RetryPolicy {
    /// Passes if a list is neither too long nor holds too long a gap.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self) -> Result<(), BadRetryList> {
        let Self::List(gaps) = self else { return Ok(()) };
        if gaps.is_empty() || gaps.len() > usize::from(RETRY_COUNT_MAX) {
            return Err(BadRetryList::Length(gaps.len()));
        }
        match gaps.iter().find(|&&gap| gap > RETRY_GAP_SECONDS_MAX) {
            Some(&gap) => Err(BadRetryList::Gap(gap)),
            None => Ok(()),
        }
    }

    /// How many retries the policy makes where the user names no number: all it has, or 3 where it has no end.
    #[must_use]
    pub fn natural_count(&self) -> u16 {
        match self {
            Self::Exponential => 3,
            Self::Standard => STANDARD.len() as u16,
            Self::Conversation => CONVERSATION.len() as u16,
            Self::List(gaps) => gaps.len().min(RETRY_COUNT_MAX.into()) as u16,
        }
    }

    /// Seconds between attempt `attempt` (the first is 1) and the next. Past the end of a schedule its last gap goes
    /// on.
    #[must_use]
    pub fn gap_seconds(&self, attempt: u16) -> u32 {
        let index = usize::from(attempt.saturating_sub(1));
        let listed = |gaps: &[u32]| gaps.get(index).or(gaps.last()).copied().unwrap_or(EXPONENTIAL_FIRST);
        match self {
            Self::Exponential => EXPONENTIAL_FIRST.saturating_mul(1 << index.min(16)).min(EXPONENTIAL_CAP),
            Self::Standard => listed(&STANDARD),
            Self::Conversation => listed(&CONVERSATION),
            Self::List(gaps) => listed(gaps),
        }
    }

    /// When to try again after attempt `attempt` failed at `now`.
    ///
    /// `retry_after` is what the endpoint asked for: it lengthens the gap, up to [`RETRY_AFTER_SECONDS_MAX`], and never
    /// shortens it. Jitter lengthens it too, by at most a tenth, so that what failed together does not return together.
    pub fn next_attempt(
        &self,
        attempt: u16,
        now: Timestamp,
        retry_after: Option<Duration>,
        rng: &mut impl Rng,
    ) -> Timestamp {
        let gap = Duration::from_secs(self.gap_seconds(attempt).into());
        let asked = retry_after.unwrap_or_default().min(Duration::from_secs(RETRY_AFTER_SECONDS_MAX.into()));
        let jitter = gap.mul_f64(f64::from(rng.next_u32()) / f64::from(u32::MAX) / 10.0);
        now.plus((gap + jitter).max(asked))
    }
}

/// Reads a `Retry-After` header: seconds, or a date (RFC 9110 §10.2.3). `None` where it is neither.
#[must_use]
pub fn parse_retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = header.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    Timestamp::parse_http_date(header).map(|date| date.since(now))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    fn any_policy() -> impl Strategy<Value = RetryPolicy> {
        prop_oneof![
            Just(RetryPolicy::Exponential),
            Just(RetryPolicy::Standard),
            Just(RetryPolicy::Conversation),
            proptest::collection::vec(0..=RETRY_GAP_SECONDS_MAX, 1..=10).prop_map(RetryPolicy::List),
        ]
    }

    proptest! {
        #[test]
        fn spacing_is_never_below_the_policy_and_at_most_a_tenth_above(
            policy in any_policy(), attempt in 1..=11_u16, seed: u64,
        ) {
            let now = Timestamp::from_seconds(1_700_000_000);
            let gap = Duration::from_secs(policy.gap_seconds(attempt).into());
            let next = policy.next_attempt(attempt, now, None, &mut SmallRng::seed_from_u64(seed));
            prop_assert!(next.since(now) >= gap && next.since(now) <= gap.mul_f64(1.1));
        }

        #[test]
        fn retry_after_lengthens_and_never_shortens(
            policy in any_policy(), attempt in 1..=11_u16, asked: u32, seed: u64,
        ) {
            let now = Timestamp::from_seconds(1_700_000_000);
            let rng = &mut SmallRng::seed_from_u64(seed);
            let next = policy.next_attempt(attempt, now, Some(Duration::from_secs(asked.into())), rng);
            prop_assert!(next.since(now) >= Duration::from_secs(policy.gap_seconds(attempt).into()));
            prop_assert!(next.since(now) >= Duration::from_secs(asked.min(RETRY_AFTER_SECONDS_MAX).into()));
        }

        #[test]
        fn a_policy_reads_as_it_is_written(policy in any_policy()) {
            let written = serde_json::to_string(&policy).unwrap();
            prop_assert_eq!(serde_json::from_str::<RetryPolicy>(&written).unwrap(), policy);
        }
    }

    fn gaps(policy: &RetryPolicy, count: u16) -> Vec<u32> {
        (1..=count).map(|attempt| policy.gap_seconds(attempt)).collect()
    }

    #[test]
    fn the_schedules_are_those_of_the_contract() {
        assert_eq!(gaps(&RetryPolicy::Exponential, 5), [2, 4, 8, 16, 32]);
        assert_eq!(RetryPolicy::Exponential.gap_seconds(u16::MAX), 3_600);
        assert_eq!(gaps(&RetryPolicy::Conversation, 4), [4, 8, 10, 10]);
        assert_eq!(gaps(&RetryPolicy::Standard, 10)[..3], [5, 300, 1_800]);
        assert_eq!(gaps(&RetryPolicy::List(vec![1, 7]), 3), [1, 7, 7]);
        assert_eq!(serde_json::to_string(&RetryPolicy::List(vec![1, 7])).unwrap(), "[1,7]");
        assert_eq!(serde_json::to_string(&RetryPolicy::Standard).unwrap(), "\"standard\"");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::parse("2015-10-21T07:27:00Z").unwrap();
        assert_eq!(parse_retry_after(" 120 ", now), Some(Duration::from_secs(120)));
        assert_eq!(parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(parse_retry_after("Wed, 21 Oct 2015 07:26:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(parse_retry_after("soon", now), None);
    }

    #[test]
    fn a_list_is_refused_rather_than_capped() {
        assert_eq!(RetryPolicy::List(vec![]).check(), Err(BadRetryList::Length(0)));
        assert_eq!(RetryPolicy::List(vec![1; 11]).check(), Err(BadRetryList::Length(11)));
        assert_eq!(RetryPolicy::List(vec![1, u32::MAX]).check(), Err(BadRetryList::Gap(u32::MAX)));
        assert_eq!(RetryPolicy::List(vec![0; 10]).check(), Ok(()));
    }
}
