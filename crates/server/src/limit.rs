//! How often somebody may come.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use store::KeyDigest;

use crate::problem::{Problem, Result};

/// The rates that are enforced at the door.
#[derive(Debug)]
pub(crate) struct Limits {
    inbound: DefaultKeyedRateLimiter<(IpAddr, &'static str)>,
    api: DefaultKeyedRateLimiter<KeyDigest>,
}

const INBOUND_WINDOW: Duration = Duration::from_secs(15 * 60);

impl Limits {
    pub(crate) fn new(inbound_per_15_minutes: NonZeroU32, api_per_minute: NonZeroU32) -> Self {
        // One request's share of the window comes back at a time; a whole window's worth may come at once.
        let share = INBOUND_WINDOW / inbound_per_15_minutes.get();
        let inbound = Quota::with_period(share.max(Duration::from_nanos(1)));
        let inbound =
            inbound.unwrap_or(Quota::per_minute(NonZeroU32::MIN)).allow_burst(inbound_per_15_minutes);
        Self {
            inbound: RateLimiter::dashmap(inbound),
            api: RateLimiter::dashmap(Quota::per_minute(api_per_minute)),
        }
    }

    /// A request from `address` to the route of `provider`.
    pub(crate) fn check_inbound(&self, address: IpAddr, provider: &'static str) -> Result<()> {
        self.inbound.check_key(&(address, provider)).map_err(|early| limited(&early))
    }

    /// A request under a user's key or token.
    pub(crate) fn check_api(&self, bearer: &KeyDigest) -> Result<()> {
        self.api.check_key(bearer).map_err(|early| limited(&early))
    }

    /// Forgets who has not come for so long that they may come as often as anyone.
    pub(crate) fn forget_idle(&self) {
        self.inbound.retain_recent();
        self.inbound.shrink_to_fit();
        self.api.retain_recent();
        self.api.shrink_to_fit();
    }
}

fn limited(early: &governor::NotUntil<<DefaultClock as Clock>::Instant>) -> Problem {
    let wait = early.wait_time_from(DefaultClock::default().now());
    Problem::rate_limited(wait.as_secs() + 1)
}
