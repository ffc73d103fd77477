//! What has been kept for long enough goes, a little at a time.
//!
//! A sweep walks along the ids, which begin with the time, and removes what is old in small transactions. How large they
//! are follows from how long the last one took, so that nobody who writes beside it waits for long. While events come in,
//! there is a pause after each that is longer than it took, unless more comes in than goes; while none do, nobody is in the
//! way of anybody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::subscription::TypePattern;
use domain::{DeliveryId, EventType, Timestamp};
use store::{Position, Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::limits::{
    HOURS_KEPT_FOR, REMOVAL_ALONE_AFTER, REMOVAL_HURRIES_AFTER, REMOVAL_PAUSE_MAX, REMOVAL_PAUSES,
    REMOVAL_TAKES, REMOVAL_TAKES_ALONE, REMOVAL_TAKES_SHARED, REMOVED_AT_ONCE_MAX, REMOVED_AT_ONCE_MIN,
    SWEEP_EVERY_AT_LEAST, SWEEP_EVERY_AT_MOST,
};
use crate::shared::Shared;

/// How long things are kept.
#[derive(Debug, Clone)]
pub struct Ages {
    /// Events that no pattern names, from when they came in. What they owed goes with them.
    pub events: Duration,
    /// Events of these types; the first pattern that matches counts.
    pub by_type: Vec<(TypePattern, Duration)>,
    /// Deliveries that have ended, from when they were made.
    pub deliveries: Duration,
    /// Attempts, from when their delivery was made.
    pub attempts: Duration,
}

impl Ages {
    fn of(&self, event_type: &EventType) -> Duration {
        let named = self.by_type.iter().find(|(pattern, _)| pattern.matches(event_type));
        named.map_or(self.events, |&(_, age)| age)
    }

    fn shortest_of_events(&self) -> Duration {
        self.by_type.iter().map(|&(_, age)| age).fold(self.events, Duration::min)
    }

    /// How often to sweep: often enough that nothing is kept for much longer than it should.
    pub(crate) fn sweep_every(&self) -> Duration {
        let shortest = self.shortest_of_events().min(self.deliveries).min(self.attempts);
        (shortest / 10).clamp(SWEEP_EVERY_AT_LEAST, SWEEP_EVERY_AT_MOST)
    }
}

/// Removes what is old.
#[derive(Debug)]
pub(crate) struct Sweeper {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ages: Ages,
    pace: Mutex<Pace>,
    stopping: CancellationToken,
}

impl Sweeper {
    pub(crate) fn new(shared: &Shared, ages: Ages) -> Self {
        let Shared { store, clock, supervisor, .. } = shared.clone();
        let takes = if store.is_shared() { REMOVAL_TAKES_SHARED } else { REMOVAL_TAKES };
        Self { store, clock, ages, pace: Mutex::new(Pace::new(takes)), stopping: supervisor.stopping() }
    }

    /// [`Ages::sweep_every`].
    pub(crate) fn sweep_every(&self) -> Duration {
        self.ages.sweep_every()
    }

    /// Removes all that is old by now.
    pub(crate) async fn sweep(&self) {
        self.pace().sweeping_since = self.clock.elapsed();
        if let Err(error) = self.try_sweep(self.clock.now()).await {
            tracing::warn!(%error, "cannot remove what is old; it is tried again");
        }
    }

    async fn try_sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        let attempts = self.sweep_attempts(now.minus(self.ages.attempts)).await?;
        let deliveries = self.sweep_deliveries(now.minus(self.ages.deliveries)).await?;
        let events = self.sweep_events(now).await?;
        let keys = self.sweep_keys(now).await?;
        self.sweep_jobs(now.minus(self.ages.deliveries)).await?;
        self.sweep_hours(now.minus(HOURS_KEPT_FOR)).await?;
        if attempts + deliveries + events + keys > 0 {
            tracing::info!(events, deliveries, attempts, idempotency_keys = keys, "removed what was old");
        }
        Ok(())
    }

    async fn sweep_attempts(&self, before: Timestamp) -> Result<u64, StoreError> {
        let (mut removed, mut after): (u64, Option<DeliveryId>) = (0, None);
        while !self.stopping.is_cancelled() {
            let old = self.store.oldest_tried(after, before, self.size()).await?;
            let Some(&last) = old.last() else { break };
            removed += self.paced(self.store.remove_attempts(&old)).await?;
            after = Some(last);
        }
        Ok(removed)
    }

    async fn sweep_deliveries(&self, before: Timestamp) -> Result<u64, StoreError> {
        let (mut removed, mut after): (u64, Option<DeliveryId>) = (0, None);
        while !self.stopping.is_cancelled() {
            let old = self.store.oldest_ended(after, before, self.size()).await?;
            let Some(&last) = old.last() else { break };
            removed += self.paced(self.store.remove_deliveries(&old)).await?;
            after = Some(last);
        }
        Ok(removed)
    }

    async fn sweep_events(&self, now: Timestamp) -> Result<u64, StoreError> {
        let before = now.minus(self.ages.shortest_of_events());
        let (mut removed, mut after) = (0, None);
        while !self.stopping.is_cancelled() {
            let old = self.store.oldest_events(after, before, self.size()).await?;
            let Some(&(last, _)) = old.last() else { break };
            let is_due = |id, event_type: &EventType| {
                id < domain::EventId::first_at(now.minus(self.ages.of(event_type)))
            };
            let due: Vec<_> = old.iter().filter(|(id, kind)| is_due(*id, kind)).map(|&(id, _)| id).collect();
            if !due.is_empty() {
                removed += self.paced(self.store.remove_events(&due)).await?;
            }
            after = Some(last);
        }
        Ok(removed)
    }

    /// Jobs are few, and each is small: they are kept as long as what they were about.
    async fn sweep_jobs(&self, before: Timestamp) -> Result<(), StoreError> {
        while !self.stopping.is_cancelled()
            && self.paced(self.store.remove_ended_jobs(before, self.size())).await? > 0
        {}
        Ok(())
    }

    async fn sweep_hours(&self, before: Timestamp) -> Result<(), StoreError> {
        while !self.stopping.is_cancelled()
            && self.paced(self.store.remove_hours(before, self.size())).await? > 0
        {}
        Ok(())
    }

    async fn sweep_keys(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        while !self.stopping.is_cancelled() {
            let gone = self.paced(self.store.remove_expired_keys(now, self.size())).await?;
            removed += gone;
            if gone == 0 {
                break;
            }
        }
        Ok(removed)
    }

    fn size(&self) -> u32 {
        self.pace().size
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes a batch, learns from how long it took, and leaves the store to others for longer, if there are any.
    async fn paced(
        &self,
        removing: impl Future<Output = Result<u64, StoreError>>,
    ) -> Result<u64, StoreError> {
        let began = self.clock.elapsed();
        let removed = removing.await?;
        let ended = self.clock.elapsed();
        let head = self.store.head().await?;
        let pause = self.pace().learn(ended, ended.saturating_sub(began), head);
        self.clock.sleep(pause).await;
        Ok(removed)
    }
}

/// How much is removed at once, and how often.
#[derive(Debug)]
struct Pace {
    /// How long a batch should take beside others who write.
    takes: Duration,
    size: u32,
    /// The end of the log after the last batch, and since when.
    head: Position,
    head_since: Duration,
    sweeping_since: Duration,
}

impl Pace {
    const fn new(takes: Duration) -> Self {
        let (head, never) = (Position::START, Duration::ZERO);
        Self { takes, size: REMOVED_AT_ONCE_MIN, head, head_since: never, sweeping_since: never }
    }

    /// How long to pause after a batch that `ended` and `took` so long, when the log went up to `head`. The next is smaller,
    /// where this one took too long, waiting for its turn included; larger, where it was done in no time.
    fn learn(&mut self, ended: Duration, took: Duration, head: Position) -> Duration {
        if head != self.head {
            (self.head, self.head_since) = (head, ended);
        }
        let is_alone = ended.saturating_sub(self.head_since) >= REMOVAL_ALONE_AFTER;
        let takes = if is_alone { self.takes.max(REMOVAL_TAKES_ALONE) } else { self.takes };
        if took > takes {
            self.size = (self.size / 2).max(REMOVED_AT_ONCE_MIN);
        } else if took < takes / 2 {
            self.size = (self.size * 2).min(REMOVED_AT_ONCE_MAX);
        }
        let is_behind = ended.saturating_sub(self.sweeping_since) > REMOVAL_HURRIES_AFTER;
        match (is_alone, is_behind) {
            (true, _) => Duration::ZERO,
            (false, true) => took,
            (false, false) => (took * REMOVAL_PAUSES).min(REMOVAL_PAUSE_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_matches_says_how_long() {
        let (day, hour) = (Duration::from_secs(86_400), Duration::from_secs(3_600));
        let named = |pattern: &str, age| (pattern.parse::<TypePattern>().unwrap(), age);
        let by_type = vec![named("github.push", day * 90), named("github.*", hour)];
        let ages = Ages { events: day * 30, by_type, deliveries: day, attempts: day };
        let of = |event_type: &str| ages.of(&event_type.parse().unwrap());
        assert_eq!([of("github.push"), of("github.star"), of("a.b")], [day * 90, hour, day * 30]);
        assert_eq!(ages.shortest_of_events(), hour);
        assert_eq!(ages.sweep_every(), SWEEP_EVERY_AT_MOST);
        let short = Ages { attempts: Duration::from_secs(6), ..ages };
        assert_eq!(short.sweep_every(), SWEEP_EVERY_AT_LEAST);
    }

    #[test]
    fn a_batch_shrinks_when_it_takes_long_and_grows_when_it_does_not() {
        let mut pace = Pace::new(REMOVAL_TAKES);
        // Beside others: events come in all the time.
        let mut heads = (1..).map(Position);
        let mut learn = |pace: &mut Pace, took| pace.learn(took, took, heads.next().unwrap());
        (0..20).for_each(|_| _ = learn(&mut pace, REMOVAL_TAKES * 2));
        assert_eq!(pace.size, REMOVED_AT_ONCE_MIN);
        learn(&mut pace, REMOVAL_TAKES * 3 / 4);
        assert_eq!(pace.size, REMOVED_AT_ONCE_MIN, "that is as long as it should take");
        (0..20).for_each(|_| _ = learn(&mut pace, Duration::ZERO));
        assert_eq!(pace.size, REMOVED_AT_ONCE_MAX);
    }

    #[test]
    fn there_is_a_pause_while_events_come_in_and_none_while_none_do() {
        let mut pace = Pace::new(REMOVAL_TAKES);
        let took = REMOVAL_TAKES;
        let mut learn = |ended, took, head| pace.learn(ended, took, Position(head));
        assert_eq!(learn(took, took, 1), took * REMOVAL_PAUSES);
        assert_eq!(learn(took * 2, took, 1), took * REMOVAL_PAUSES, "the next may come at any moment");
        let later = took + REMOVAL_ALONE_AFTER;
        assert_eq!(learn(later, took, 1), Duration::ZERO);
        assert_eq!(learn(later + took, Duration::from_secs(9), 2), REMOVAL_PAUSE_MAX);
        assert!(pace.size == REMOVED_AT_ONCE_MIN, "it grew while nobody waited, and shrank again");
    }

    #[test]
    fn who_cannot_keep_up_pauses_for_no_longer_than_they_work() {
        let mut pace = Pace { sweeping_since: Duration::from_secs(5), ..Pace::new(REMOVAL_TAKES) };
        let late = pace.sweeping_since + REMOVAL_HURRIES_AFTER;
        assert_eq!(pace.learn(late, REMOVAL_TAKES, Position(1)), REMOVAL_TAKES * REMOVAL_PAUSES);
        assert_eq!(pace.learn(late + REMOVAL_TAKES, REMOVAL_TAKES, Position(2)), REMOVAL_TAKES);
    }
}
