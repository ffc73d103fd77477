//! How often somebody may come.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use domain::SourceId;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::state::keyed::DashMapStateStore;
use governor::{DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter};
use http::{HeaderMap, HeaderName, HeaderValue};
use store::KeyDigest;

use crate::problem::{Problem, Result};

/// The rates that are enforced at the door.
#[derive(Debug)]
pub(crate) struct Limits {
    inbound: Told<(IpAddr, Door)>,
    api: Told<KeyDigest>,
    /// How much one address may have written down of what it was refused for.
    rejections: DefaultKeyedRateLimiter<IpAddr>,
    /// How many bodies each address keeps us waiting for.
    waiting: Mutex<HashMap<IpAddr, u32>>,
}

/// A rate whose callers are told where they stand.
type Told<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>;

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

/// Bodies of one address that may be under way at once, where they do not come with their heads. Each holds up to a whole
/// body in memory.
const BODIES_WAITING_PER_ADDRESS_MAX: u32 = 128;

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
            inbound: RateLimiter::dashmap(inbound).with_middleware(),
            api: RateLimiter::dashmap(Quota::per_minute(api_per_minute)).with_middleware(),
            rejections: RateLimiter::dashmap(
                Quota::per_minute(REJECTIONS_PER_MINUTE).allow_burst(REJECTIONS_AT_ONCE),
            ),
            waiting: Mutex::default(),
        }
    }

    /// A request from `address` at `door`.
    pub(crate) fn inbound(&self, address: IpAddr, door: Door) -> Standing {
        Standing::of(self.inbound.check_key(&(address, door)))
    }

    /// A request under a user's key or token.
    pub(crate) fn api(&self, bearer: &KeyDigest) -> Standing {
        Standing::of(self.api.check_key(bearer))
    }

    /// A place for `address` to keep us waiting for a body, if it has one left.
    pub(crate) fn wait_for(&self, address: IpAddr) -> Result<WaitingPlace<'_>> {
        let mut waiting = lock(&self.waiting);
        let count = waiting.entry(address).or_default();
        if *count >= BODIES_WAITING_PER_ADDRESS_MAX {
            return Err(Problem::rate_limited(1));
        }
        *count += 1;
        Ok(WaitingPlace { limits: self, address })
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

/// Where somebody stands with their rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    /// Requests that may come at once.
    limit: u32,
    /// Those that still may.
    remaining: u32,
    /// Seconds until all may again.
    reset_seconds: u64,
    /// Where this one was too many: seconds until the next may come.
    retry_after_seconds: Option<u64>,
}

impl Standing {
    fn of(checked: Result<StateSnapshot, NotUntil<<DefaultClock as Clock>::Instant>>) -> Self {
        let (quota, remaining, retry_after_seconds) = match checked {
            Ok(state) => (state.quota(), state.remaining_burst_capacity(), None),
            Err(early) => {
                let wait = early.wait_time_from(DefaultClock::default().now());
                (early.quota(), 0, Some(wait.as_secs() + 1))
            }
        };
        let limit = quota.burst_size().get();
        let missing = quota.replenish_interval() * limit.saturating_sub(remaining);
        let reset_seconds = missing.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX);
        Self { limit, remaining, reset_seconds, retry_after_seconds }
    }

    /// Passes if this request was not too many.
    pub(crate) fn admits(&self) -> Result<()> {
        self.retry_after_seconds.map_or(Ok(()), |seconds| Err(Problem::rate_limited(seconds)))
    }

    /// Tells whoever asked.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        headers.insert(RATELIMIT_LIMIT, HeaderValue::from(self.limit));
        headers.insert(RATELIMIT_REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RATELIMIT_RESET, HeaderValue::from(self.reset_seconds));
    }
}

const RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RATELIMIT_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Where whoever checks a bearer leaves its standing, for the answer to tell it.
#[derive(Debug, Clone, Default)]
pub(crate) struct StandingOfBearer(pub(crate) Arc<OnceLock<Standing>>);

/// Lets each answer of the API tell its bearer's standing.
pub(crate) async fn tell_standing(mut request: Request, next: Next) -> Response {
    let standing = StandingOfBearer::default();
    request.extensions_mut().insert(standing.clone());
    let mut response = next.run(request).await;
    if let Some(standing) = standing.0.get() {
        standing.tell(response.headers_mut());
    }
    response
}

/// A body that is being waited for.
#[derive(Debug)]
pub(crate) struct WaitingPlace<'l> {
    limits: &'l Limits,
    address: IpAddr,
}

impl Drop for WaitingPlace<'_> {
    fn drop(&mut self) {
        let mut waiting = lock(&self.limits.waiting);
        if let Some(count) = waiting.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.address);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_told_where_they_stand() {
        let limits = Limits::new(NonZeroU32::new(3).unwrap(), NonZeroU32::new(60).unwrap());
        let address = IpAddr::from([203, 0, 113, 7]);
        let stands: Vec<_> = (0..4).map(|_| limits.inbound(address, Door::Unknown)).collect();
        let told: Vec<_> =
            stands.iter().map(|one| (one.limit, one.remaining, one.admits().is_ok())).collect();
        assert_eq!(told, [(3, 2, true), (3, 1, true), (3, 0, true), (3, 0, false)]);
        assert!((250..=300).contains(&stands[0].reset_seconds), "{}", stands[0].reset_seconds);
        assert_eq!(limits.api(&[0; 32]).remaining, 59);
    }

    #[test]
    fn places_are_given_back() {
        let limits = Limits::new(NonZeroU32::MIN, NonZeroU32::MIN);
        let (one, other) = (IpAddr::from([203, 0, 113, 7]), IpAddr::from([203, 0, 113, 8]));
        let mut places: Vec<_> =
            (0..BODIES_WAITING_PER_ADDRESS_MAX).map(|_| limits.wait_for(one).unwrap()).collect();
        assert!(limits.wait_for(one).is_err());
        assert!(limits.wait_for(other).is_ok());
        places.pop();
        assert!(limits.wait_for(one).is_ok());
        places.clear();
        assert!(lock(&limits.waiting).is_empty());
    }
}
