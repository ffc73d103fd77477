//! What Google's APIs have in common: how they say no.
//!
//! Sources: developers.google.com, "Resolve errors" of the Gmail API and of the YouTube Data API, "Quota and compliance
//! audits" (units are counted by the day, Pacific time).

use std::time::Duration;

use domain::Timestamp;
use http::StatusCode;
use serde_json::Value;

use crate::api::{ApiAnswer, CallFailure, code, told};

/// How long a rate is left alone where Google does not say.
const RATE_RESTS: Duration = Duration::from_secs(60);

/// The JSON of an answer that is a success; else why it is none. A rate is told by its reason, not by the status.
pub(crate) fn success(answer: &ApiAnswer, now: Timestamp) -> Result<Value, CallFailure> {
    if !matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
        return answer.success(now);
    }
    let said: Value = answer.json().unwrap_or_default();
    let reason = said.pointer("/error/errors/0/reason").and_then(Value::as_str).and_then(code);
    let retry_after = answer.retry_after(now);
    let words = reason.map_or_else(|| told(answer.status), str::to_owned);
    Err(match reason {
        Some("quotaExceeded" | "dailyLimitExceeded") => {
            CallFailure::Exhausted { reason: words, retry_after: until_pacific_midnight(now) }
        }
        Some("rateLimitExceeded") => {
            CallFailure::Exhausted { reason: words, retry_after: retry_after.unwrap_or(RATE_RESTS) }
        }
        Some("userRateLimitExceeded") => {
            CallFailure::Passing { reason: words, retry_after: retry_after.or(Some(RATE_RESTS)) }
        }
        _ if answer.status == StatusCode::TOO_MANY_REQUESTS => {
            CallFailure::Passing { reason: words, retry_after: retry_after.or(Some(RATE_RESTS)) }
        }
        _ => CallFailure::Refused(words),
    })
}

/// The time until midnight in California, as it is in winter. In summer that is an hour late, and never early.
fn until_pacific_midnight(now: Timestamp) -> Duration {
    const DAY: i64 = 86_400;
    const MIDNIGHT: i64 = 8 * 3_600;
    let since = (now.as_seconds() - MIDNIGHT).rem_euclid(DAY);
    Duration::from_secs((DAY - since).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::answer;

    fn failure(status: u16, reason: &str) -> CallFailure {
        let body =
            json!({ "error": { "code": status, "errors": [{ "domain": "global", "reason": reason }] } });
        // 2026-11-21T09:30:00Z.
        success(&answer(status, &[], &body), Timestamp::from_seconds(1_795_253_400)).unwrap_err()
    }

    #[test]
    fn a_quota_comes_back_at_midnight_in_california() {
        let failure = failure(403, "quotaExceeded");
        let CallFailure::Exhausted { reason, retry_after } = failure else { panic!("{failure:?}") };
        assert_eq!((reason.as_str(), retry_after.as_secs()), ("quotaExceeded", 22 * 3_600 + 1_800));
    }

    #[test]
    fn each_reason_means_something_else() {
        assert!(matches!(failure(403, "userRateLimitExceeded"), CallFailure::Passing { .. }));
        assert!(matches!(failure(403, "rateLimitExceeded"), CallFailure::Exhausted { .. }));
        assert!(matches!(failure(403, "insufficientPermissions"), CallFailure::Refused(_)));
        assert!(matches!(failure(429, "whatever it is"), CallFailure::Passing { .. }));
        assert!(matches!(failure(401, "authError"), CallFailure::TokenRefused(_)));
    }
}
