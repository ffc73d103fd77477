//! How often somebody may come, and with how much at once.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use dashmap::DashMap;
use domain::SourceId;
use engine::clock::Clock;
use http::{HeaderMap, HeaderName, HeaderValue};
use store::KeyDigest;

use crate::config;
use crate::problem::{Problem, Result};

/// What is enforced at the door.
#[derive(Debug)]
pub(crate) struct Limits {
    clock: Arc<dyn Clock>,
    /// How often each address may come to each door. What it has under way lies there too, so that one look finds both.
    inbound: Rates<(IpAddr, Door), Arc<UnderWay>>,
    /// What each address has under way, for the doors that it has not come to yet.
    under_way: DashMap<IpAddr, Arc<UnderWay>>,
    requests_under_way_max: u32,
    api: Rates<KeyDigest>,
    /// How much one address may have written down of what it was refused for.
    rejections: Rates<IpAddr>,
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

/// Bodies of one address that may be under way at once, where they do not come with their heads. Each holds up to a
/// whole body in memory.
const BODIES_WAITING_PER_ADDRESS_MAX: u32 = 128;

/// Seconds after which an address may come again that has too much under way: most of it has ended by then.
const ONE_ENDS_WITHIN_SECONDS: u64 = 1;

/// Rejections of one address that are kept at once, and then in a minute. Enough to see what is wrong; the list is
/// shared by all.
const REJECTIONS_AT_ONCE: NonZeroU32 = NonZeroU32::new(200).expect("it is not zero");
const REJECTIONS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(20).expect("it is not zero");

const INBOUND_WINDOW: Duration = Duration::from_secs(15 * 60);
const MINUTE: Duration = Duration::from_secs(60);

impl Limits {
    pub(crate) fn new(inbound: &config::Inbound, api: &config::Api, clock: Arc<dyn Clock>) -> Self {
        let rejections = Rate { at_once: REJECTIONS_AT_ONCE, ..Rate::per(MINUTE, REJECTIONS_PER_MINUTE) };
        Self {
            clock,
            inbound: Rates::new(Rate::per(INBOUND_WINDOW, inbound.rate_limit_per_15_minutes)),
            under_way: DashMap::new(),
            requests_under_way_max: inbound.concurrency_per_address_max.get(),
            api: Rates::new(Rate::per(MINUTE, api.rate_limit_per_minute)),
            rejections: Rates::new(rejections),
        }
    }

    /// Who has sent a request from `address` to `door`. It counts from here on.
    pub(crate) fn inbound(&self, address: IpAddr, door: Door) -> Caller {
        let of_address = || self.under_way.entry(address).or_default().clone();
        let (standing, under_way) = self.inbound.visit((address, door), self.now(), of_address);
        Caller { address, standing, under_way, requests_under_way_max: self.requests_under_way_max }
    }

    /// A request under a user's key or token.
    pub(crate) fn api(&self, bearer: &KeyDigest) -> Standing {
        self.api.visit(*bearer, self.now(), || ()).0
    }

    /// Whether one more request that `address` was refused may be kept.
    pub(crate) fn admits_rejection(&self, address: IpAddr) -> bool {
        self.rejections.visit(address, self.now(), || ()).0.admits().is_ok()
    }

    /// Forgets who has not come for so long that they may come as often as anyone.
    pub(crate) fn forget_idle(&self) {
        self.forget_whole_at(self.now());
    }

    fn forget_whole_at(&self, now: Nanos) {
        self.inbound.forget_idle(now);
        self.api.forget_idle(now);
        self.rejections.forget_idle(now);
        // Whoever is known at a door, or has something under way, holds a share of it.
        self.under_way.retain(|_, under_way| Arc::strong_count(under_way) > 1);
        self.under_way.shrink_to_fit();
    }

    fn now(&self) -> Nanos {
        nanos(self.clock.elapsed())
    }
}

/// Who has sent a request to a door.
#[derive(Debug)]
pub(crate) struct Caller {
    /// From where.
    pub(crate) address: IpAddr,
    standing: Standing,
    under_way: Arc<UnderWay>,
    requests_under_way_max: u32,
}

impl Caller {
    /// Lets the request in, if it is not one too many: of those that came to the door in the window, or of those that
    /// its address has under way at all doors. It is under way until what is answered is dropped.
    pub(crate) fn enter(&self) -> Result<Place<'_>> {
        self.standing.admits()?;
        Place::take(&self.under_way.requests, self.requests_under_way_max)
    }

    /// A place to keep us waiting for the request's body, if its address has one left.
    pub(crate) fn wait_for_body(&self) -> Result<Place<'_>> {
        Place::take(&self.under_way.bodies, BODIES_WAITING_PER_ADDRESS_MAX)
    }

    /// Tells the caller where they stand.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        self.standing.tell(headers);
    }
}

/// What one address has under way, at all doors.
#[derive(Debug, Default)]
struct UnderWay {
    /// Requests that have not been answered.
    requests: AtomicU32,
    /// Of them, those whose bodies are waited for.
    bodies: AtomicU32,
}

/// One of the places that an address has, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'c>(&'c AtomicU32);

impl<'c> Place<'c> {
    fn take(taken: &'c AtomicU32, max: u32) -> Result<Self> {
        let before = taken.fetch_add(1, Ordering::Relaxed);
        // It is given back again with this, if it was one too many.
        let place = Self(taken);
        if before < max { Ok(place) } else { Err(Problem::too_many_under_way(ONE_ENDS_WITHIN_SECONDS)) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A rate for each of many, who are told where they stand, with something that is kept for them for as long.
#[derive(Debug)]
struct Rates<K: Eq + Hash, T = ()> {
    rate: Rate,
    known: DashMap<K, Known<T>>,
}

#[derive(Debug)]
struct Known<T> {
    whole_at: WholeAt,
    kept: T,
}

impl<K: Eq + Hash, T: Clone> Rates<K, T> {
    fn new(rate: Rate) -> Self {
        Self { rate, known: DashMap::new() }
    }

    /// Counts one more of `key`, for whom `make` makes what is kept, if there is nothing yet.
    fn visit(&self, key: K, now: Nanos, make: impl FnOnce() -> T) -> (Standing, T) {
        let visited = |known: &Known<T>| (self.rate.visit(&known.whole_at, now), known.kept.clone());
        if let Some(known) = self.known.get(&key) {
            return visited(&known);
        }
        let new = Known { whole_at: WholeAt::default(), kept: make() };
        visited(&self.known.entry(key).or_insert(new))
    }

    /// Forgets who stands as somebody does who has never come.
    fn forget_idle(&self, now: Nanos) {
        self.known.retain(|_, known| *known.whole_at.get_mut() > now);
        self.known.shrink_to_fit();
    }
}

/// Nanoseconds since the clock began.
type Nanos = u64;

/// When somebody will have back all that they have used up of their rate. Zero for who has never come.
type WholeAt = AtomicU64;

/// So many at once, and each of them again after its share of a window (the generic cell rate algorithm).
#[derive(Debug, Clone, Copy)]
struct Rate {
    at_once: NonZeroU32,
    share: Nanos,
}

impl Rate {
    fn per(window: Duration, at_once: NonZeroU32) -> Self {
        Self { at_once, share: nanos(window / at_once.get()).max(1) }
    }

    /// Counts one more at `now`, unless it is too many.
    fn visit(self, whole_at: &WholeAt, now: Nanos) -> Standing {
        let window = self.share * Nanos::from(self.at_once.get());
        let one_more = |at: Nanos| at.max(now) + self.share;
        let counted = whole_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| {
            Some(one_more(at)).filter(|at| at - now <= window)
        });
        let (whole_in, retry_after) = match counted {
            Ok(before) => (one_more(before) - now, None),
            Err(at) => (at - now, Some(one_more(at) - now - window)),
        };
        let remaining = window.saturating_sub(whole_in) / self.share;
        Standing {
            limit: self.at_once.get(),
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            reset_seconds: whole_in.div_ceil(NANOS_PER_SECOND),
            retry_after_seconds: retry_after.map(|wait| wait / NANOS_PER_SECOND + 1),
        }
    }
}

const NANOS_PER_SECOND: Nanos = 1_000_000_000;

fn nanos(span: Duration) -> Nanos {
    Nanos::try_from(span.as_nanos()).unwrap_or(Nanos::MAX)
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

#[cfg(test)]
mod tests {
    use engine::clock::SystemClock;

    use super::*;

    const SECOND: Nanos = NANOS_PER_SECOND;

    fn limits(per_15_minutes: u32, concurrency_per_address_max: u32) -> Limits {
        let inbound = config::Inbound {
            rate_limit_per_15_minutes: NonZeroU32::new(per_15_minutes).unwrap(),
            concurrency_per_address_max: NonZeroU32::new(concurrency_per_address_max).unwrap(),
            body_bytes_max: 1,
            trusted_proxy_depth: 0,
        };
        let api = config::Api { rate_limit_per_minute: NonZeroU32::new(60).unwrap() };
        Limits::new(&inbound, &api, Arc::new(SystemClock::new()))
    }

    fn address(last: u8) -> IpAddr {
        [203, 0, 113, last].into()
    }

    #[test]
    fn each_may_come_again_after_its_share_of_the_window() {
        let rate = Rate::per(MINUTE, NonZeroU32::new(3).unwrap());
        let whole_at = WholeAt::default();
        let mut told = |seconds: u64| {
            let standing = rate.visit(&whole_at, seconds * SECOND);
            (standing.remaining, standing.reset_seconds, standing.retry_after_seconds)
        };
        assert_eq!([100, 100, 101].map(&mut told), [(2, 20, None), (1, 40, None), (0, 59, None)]);
        // Those that are refused put nothing off.
        assert_eq!([101, 119].map(&mut told), [(0, 59, Some(20)), (0, 41, Some(2))]);
        assert_eq!([120, 120].map(&mut told), [(0, 60, None), (0, 60, Some(21))]);
        assert_eq!(told(10_000), (2, 20, None));
    }

    #[test]
    fn a_rate_may_let_more_in_at_once_than_in_a_minute() {
        let limits = limits(1, 1);
        let admitted = |now| {
            let at_once = (0..300).map(|_| limits.rejections.visit(address(7), now, || ()).0);
            at_once.filter(|standing| standing.admits().is_ok()).count()
        };
        assert_eq!([0, 60, 90].map(|seconds| admitted(seconds * SECOND)), [200, 20, 10]);
        assert!(limits.admits_rejection(address(8)));
        assert_eq!(limits.api(&[0; 32]).remaining, 59);
    }

    #[test]
    fn each_door_has_a_rate_of_its_own() {
        let limits = limits(1, 9);
        for door in [Door::Unknown, Door::Provider("github"), Door::Provider("slack")] {
            assert!(limits.inbound(address(7), door).enter().is_ok());
            assert_eq!(limits.inbound(address(7), door).enter().unwrap_err().code(), "rate_limited");
            assert!(limits.inbound(address(8), door).enter().is_ok());
        }
    }

    #[test]
    fn what_an_address_has_under_way_counts_at_all_doors() {
        let limits = limits(1_000, 2);
        let [one, other] =
            [Door::Unknown, Door::Provider("github")].map(|door| limits.inbound(address(7), door));
        let places = [one.enter().unwrap(), other.enter().unwrap()];
        let third = limits.inbound(address(7), Door::Provider("slack"));
        assert_eq!(third.enter().unwrap_err().code(), "rate_limited");
        assert!(limits.inbound(address(8), Door::Unknown).enter().is_ok());
        // Whom a door has forgotten meanwhile has no more places for it.
        limits.inbound.known.clear();
        limits.forget_idle();
        assert!(limits.inbound(address(7), Door::Unknown).enter().is_err());
        drop(places);
        assert!(third.enter().is_ok());
    }

    #[test]
    fn places_are_given_back_and_the_idle_forgotten() {
        let limits = limits(u32::MAX, u32::MAX);
        let caller = limits.inbound(address(7), Door::Unknown);
        let mut places: Vec<_> =
            (0..BODIES_WAITING_PER_ADDRESS_MAX).map(|_| caller.wait_for_body().unwrap()).collect();
        assert!(caller.wait_for_body().is_err());
        assert!(limits.inbound(address(8), Door::Unknown).wait_for_body().is_ok());
        places.pop();
        assert!(caller.wait_for_body().is_ok());
        drop(places);
        assert_eq!(caller.under_way.bodies.load(Ordering::Relaxed), 0);
        drop(caller);
        limits.forget_whole_at(0);
        assert!(!limits.under_way.is_empty(), "who has just come is known");
        limits.forget_whole_at(Nanos::MAX);
        assert!(limits.inbound.known.is_empty() && limits.under_way.is_empty());
    }
}
