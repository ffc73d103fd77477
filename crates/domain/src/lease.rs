//! Leases: how a worker holds what it pulled, and how that ends.

use std::time::Duration;

use rand_core::Rng;

use subtle::ConstantTimeEq as _;

use crate::limits::LEASE_SECONDS_MAX;
use crate::{DeliveryId, Timestamp};

/// Proof that pulled deliveries are held: whoever has the token may complete, fail or extend them.
///
/// It is `lse_`, the microsecond at which it was granted and 128 random bits, in hexadecimal. One token holds whatever
/// was pulled at once, so what a worker is given for each delivery names that as well ([`LeaseToken::to_show`]).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LeaseToken(String);

const PREFIX: &str = "lse_";
const TIME_DIGITS: usize = 16;

impl LeaseToken {
    /// A fresh token, granted at `now`.
    pub fn new(now: Timestamp, rng: &mut impl Rng) -> Self {
        let mut random = [0; 16];
        rng.fill_bytes(&mut random);
        Self(format!("{PREFIX}{:0TIME_DIGITS$x}{}", now.as_micros().max(0), hex::encode(random)))
    }

    /// When it was granted; `None` for a text that was never one of ours.
    #[must_use]
    pub fn granted_at(&self) -> Option<Timestamp> {
        let digits = self.0.strip_prefix(PREFIX)?.get(..TIME_DIGITS)?;
        i64::from_str_radix(digits, 16).ok().map(Timestamp::from_micros)
    }

    /// What a worker is given for one of the deliveries that it pulled.
    #[must_use]
    pub fn to_show(&self, delivery: DeliveryId) -> String {
        let id = delivery.to_string();
        format!("{}_{}", self.0, id.strip_prefix(DeliveryId::PREFIX).unwrap_or(&id))
    }

    /// Reads what [`LeaseToken::to_show`] wrote: the token, and for which delivery; `None` if it is none.
    #[must_use]
    pub fn read_shown(shown: &str) -> Option<(Self, DeliveryId)> {
        let (token, delivery) = shown.rsplit_once('_')?;
        let id = format!("{}{delivery}", DeliveryId::PREFIX).parse().ok()?;
        Some((Self::known(token), id))
    }

    /// Whether `token` is this one; how long the answer takes says nothing about where they differ.
    #[must_use]
    pub fn is(&self, token: &Self) -> bool {
        self.0.as_bytes().ct_eq(token.0.as_bytes()).into()
    }

    /// A token that was handed out before.
    #[must_use]
    pub fn known(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The token as the worker sends it back.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for LeaseToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("lse_…")
    }
}

/// A claim on a delivery by a worker: a token and a deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it.
    pub token: LeaseToken,
    /// Until when.
    pub deadline: Timestamp,
}

/// Why a worker's word on a lease does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StaleLease {
    /// The deadline has passed; the delivery is, or soon will be, somebody else's.
    #[error("the lease ended at {0}")]
    Lapsed(Timestamp),
    /// The token is of an earlier lease, or of one under which the delivery was settled.
    #[error("the delivery is not held under this lease any more")]
    Superseded,
}

impl Lease {
    /// A lease of `seconds` from `now`, brought within 1 to [`LEASE_SECONDS_MAX`].
    pub fn grant(seconds: u32, now: Timestamp, rng: &mut impl Rng) -> Self {
        Self { token: LeaseToken::new(now, rng), deadline: deadline(seconds, now) }
    }

    /// Passes if `token` still holds the delivery at `now`.
    ///
    /// # Errors
    /// The lease has lapsed, or the token is another's.
    pub fn check(&self, token: &LeaseToken, now: Timestamp) -> Result<(), StaleLease> {
        if !self.token.is(token) {
            Err(StaleLease::Superseded)
        } else if self.deadline <= now {
            Err(StaleLease::Lapsed(self.deadline))
        } else {
            Ok(())
        }
    }

    /// The same lease, lasting `seconds` from `now`. It may end earlier than before: the worker knows best.
    ///
    /// # Errors
    /// As [`Lease::check`].
    pub fn extend(self, token: &LeaseToken, seconds: u32, now: Timestamp) -> Result<Self, StaleLease> {
        self.check(token, now)?;
        Ok(Self { deadline: deadline(seconds, now), ..self })
    }
}

fn deadline(seconds: u32, now: Timestamp) -> Timestamp {
    now.plus(Duration::from_secs(seconds.clamp(1, LEASE_SECONDS_MAX).into()))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn holds_until_its_deadline_and_can_be_extended_before_it() {
        let rng = &mut SmallRng::seed_from_u64(7);
        let lease = Lease::grant(60, at(0), rng);
        let token = lease.token.clone();
        assert_eq!(lease.check(&token, at(59)), Ok(()));
        let lease = lease.extend(&token, 60, at(59)).unwrap();
        assert_eq!(lease.check(&token, at(118)), Ok(()));
        assert_eq!(lease.check(&token, at(119)), Err(StaleLease::Lapsed(at(119))));
        assert!(lease.extend(&token, 60, at(119)).is_err(), "what lapsed is not revived");
    }

    #[test]
    fn belongs_to_one_token() {
        let rng = &mut SmallRng::seed_from_u64(7);
        let (mine, other) = (Lease::grant(60, at(0), rng), Lease::grant(60, at(0), rng));
        assert_eq!(mine.check(&other.token, at(1)), Err(StaleLease::Superseded));
        assert!(!format!("{mine:?}").contains(mine.token.as_str()));
    }

    #[test]
    fn what_a_worker_is_given_names_its_delivery_and_when_it_was_granted() {
        let rng = &mut SmallRng::seed_from_u64(7);
        let (lease, delivery) = (Lease::grant(60, at(5), rng), DeliveryId::new(at(1), rng));
        let shown = lease.token.to_show(delivery);
        assert_eq!(LeaseToken::read_shown(&shown), Some((lease.token.clone(), delivery)));
        assert_eq!(lease.token.granted_at(), Some(at(5)));
        for wrong in ["", "lse_", "nonsense", lease.token.as_str(), &format!("{shown}0")] {
            assert_eq!(LeaseToken::read_shown(wrong), None, "{wrong}");
        }
        assert_eq!(LeaseToken::known("lse_é").granted_at(), None);
    }

    #[test]
    fn is_never_longer_than_the_limit_nor_empty() {
        let rng = &mut SmallRng::seed_from_u64(7);
        assert_eq!(Lease::grant(u32::MAX, at(0), rng).deadline, at(3_600));
        assert_eq!(Lease::grant(0, at(0), rng).deadline, at(1));
    }
}
