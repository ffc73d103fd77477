//! How often somebody may come.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use domain::SourceId;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use store::KeyDigest;

use crate::problem::{Problem, Result};

/// The rates that are enforced at the door.
#[derive(Debug)]
pub(crate) struct Limits {
    inbound: DefaultKeyedRateLimiter<(IpAddr, Door)>,
    api: DefaultKeyedRateLimiter<KeyDigest>,
    /// How much one address may have written down of what it was refused for.
    rejections: DefaultKeyedRateLimiter<IpAddr>,
}

/// Where requests come in that have a rate of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Door {
    /// The routes of a provider.
    Provider(&'static str),
    /// A custom source.
    Source(SourceId),
    /// Where a source might be, and none is.
    Unknown,
}

/// Rejections of one address that are kept at once, and then in a minute. Enough to see what is wrong; the list is shared
/// by all.
const REJECTIONS_AT_ONCE: NonZeroU32 = NonZeroU32::new(200).expect("it is not zero");
const REJECTIONS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(20).expect("it is not zero");

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
            rejections: RateLimiter::dashmap(
                Quota::per_minute(REJECTIONS_PER_MINUTE).allow_burst(REJECTIONS_AT_ONCE),
            ),
        }
    }

    /// A request from `address` at `door`.
    pub(crate) fn check_inbound(&self, address: IpAddr, door: Door) -> Result<()> {
        self.inbound.check_key(&(address, door)).map_err(|early| limited(&early))
    }

    /// A request under a user's key or token.
    pub(crate) fn check_api(&self, bearer: &KeyDigest) -> Result<()> {
        self.api.check_key(bearer).map_err(|early| limited(&early))
    }

    /// Whether one more request that `address` was refused may be kept.
    pub(crate) fn admits_rejection(&self, address: IpAddr) -> bool {
        self.rejections.check_key(&address).is_ok()
    }

    /// Forgets who has not come for so long that they may come as often as anyone.
    pub(crate) fn forget_idle(&self) {
        self.inbound.retain_recent();
        self.inbound.shrink_to_fit();
        self.api.retain_recent();
        self.api.shrink_to_fit();
        self.rejections.retain_recent();
        self.rejections.shrink_to_fit();
    }
}

fn limited(early: &governor::NotUntil<<DefaultClock as Clock>::Instant>) -> Problem {
    let wait = early.wait_time_from(DefaultClock::default().now());
    Problem::rate_limited(wait.as_secs() + 1)
}
