//! Links that sign somebody in once: a random code that is exchanged for a session.
//!
//! A code is no key: it is good for one exchange, for ten minutes, at the process that has made it. So a link may stand
//! in a terminal, where it is worth nothing once it was followed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Timestamp;
use store::KeyDigest;

use crate::access::digest;

/// How long a link may lie in a terminal before it is followed.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(600);

/// Codes that may be good at once. Who makes more has forgotten the first.
const CODES_MAX: usize = 16;

/// The codes that are good.
#[derive(Debug, Default)]
pub(crate) struct SignIns(Mutex<HashMap<KeyDigest, Code>>);

#[derive(Debug, Clone, Copy)]
struct Code {
    /// Whose session it begins.
    key: KeyDigest,
    expires_at: Timestamp,
}

impl SignIns {
    /// A code for a session of `key`: 256 random bits. What is kept of it is its digest, so that how long a look-up
    /// takes says nothing about a code.
    pub(crate) fn issue(&self, key: KeyDigest, now: Timestamp) -> String {
        let mut bytes = [0; 32];
        rand::Rng::fill_bytes(&mut engine::chance::rng(), &mut bytes);
        let code = URL_SAFE_NO_PAD.encode(bytes);
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, code| now < code.expires_at);
        if codes.len() >= CODES_MAX {
            let oldest = codes.iter().min_by_key(|(_, code)| code.expires_at).map(|(digest, _)| *digest);
            oldest.map(|digest| codes.remove(&digest));
        }
        codes.insert(digest(&code), Code { key, expires_at: now.plus(GOOD_FOR) });
        code
    }

    /// Whose session `code` begins, this once.
    pub(crate) fn take(&self, code: &str, now: Timestamp) -> Option<KeyDigest> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest(code))?;
        (now < taken.expires_at).then_some(taken.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_once_and_for_a_while() {
        let (codes, now) = (SignIns::default(), Timestamp::from_seconds(1_000));
        let code = codes.issue([7; 32], now);
        assert_eq!(codes.take("another", now), None);
        assert_eq!(codes.take(&code, now), Some([7; 32]));
        assert_eq!(codes.take(&code, now), None);
        let late = codes.issue([7; 32], now);
        assert_eq!(codes.take(&late, now.plus(GOOD_FOR)), None);
    }

    #[test]
    fn there_are_never_more_than_may_be_and_the_oldest_goes() {
        let codes = SignIns::default();
        let all: Vec<_> =
            (0..20).map(|second| codes.issue([7; 32], Timestamp::from_seconds(second))).collect();
        let now = Timestamp::from_seconds(20);
        let good = all.iter().map(|code| codes.take(code, now).is_some());
        assert_eq!(good.collect::<Vec<_>>(), [vec![false; 4], vec![true; 16]].concat());
    }
}
