//! The log of events.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use domain::{Event, EventId, Timestamp, UserId};

use super::{Data, paged};
use crate::{
    Append, Appended, Counted, EventCount, EventFilter, Idempotency, Kept, KeptEvent, Logged, NewEvent, Page,
    Position, RoutesVersion,
};

impl Data {
    pub(super) fn append(&mut self, appends: &[Append], routes: RoutesVersion, now: Timestamp) -> Appended {
        if routes.0 != self.routes_version {
            return Appended::StaleRoutes;
        }
        Appended::Durable(appends.iter().map(|append| self.keep_all(append, now)).collect())
    }

    fn keep_all(&mut self, append: &Append, now: Timestamp) -> Kept {
        if append.idempotency.is_some_and(|idempotency| !self.is_free_for(&idempotency, now)) {
            return Kept::KeyTaken;
        }
        Kept::Events(append.events.iter().map(|new| self.keep(new)).collect())
    }

    /// Takes the key, or finds that it stands for the same body already. The first to take it says when it expires.
    fn is_free_for(&mut self, wanted: &Idempotency, now: Timestamp) -> bool {
        match self.idempotency.get(&wanted.key) {
            Some(known) if known.expires_at > now => known.body == wanted.body,
            _ => {
                self.idempotency.insert(wanted.key, *wanted);
                true
            }
        }
    }

    fn keep(&mut self, new: &NewEvent) -> KeptEvent {
        if let Some(&id) = new.dedupe_key.and_then(|key| self.kept_under.get(&key)) {
            return KeptEvent { id, position: self.positions[&id], is_new: false };
        }
        self.last_position += 1;
        let (id, position) = (new.event.id, self.head());
        self.log.insert(position, Arc::clone(&new.event));
        self.positions.insert(id, position);
        self.kept_under.extend(new.dedupe_key.map(|key| (key, id)));
        for delivery in &new.deliveries {
            self.add(delivery);
        }
        KeptEvent { id, position, is_new: true }
    }

    pub(super) fn head(&self) -> Position {
        Position(self.last_position)
    }

    pub(super) fn read_log(&self, after: Position, limit: u32) -> Vec<Logged> {
        let later = self.log.range((Excluded(after), Unbounded));
        later
            .take(limit as usize)
            .map(|(&position, event)| Logged { position, event: Arc::clone(event) })
            .collect()
    }

    pub(super) fn read_log_of(&self, user: &UserId, after: Position, limit: u32) -> Vec<Logged> {
        let mut later = self.read_log(after, u32::MAX);
        later.retain(|logged| logged.event.user_id.as_ref() == Some(user));
        later.truncate(limit as usize);
        later
    }

    pub(super) fn event(&self, id: EventId) -> Option<Logged> {
        let position = *self.positions.get(&id)?;
        Some(Logged { position, event: Arc::clone(&self.log[&position]) })
    }

    pub(super) fn events(&self, filter: &EventFilter, page: &Page<EventId>) -> Vec<Logged> {
        let newest_first = self.positions.keys().rev().filter_map(|&id| self.event(id));
        let wanted = newest_first.filter(|logged| is_meant(filter, &logged.event));
        paged(wanted, page, |logged| logged.event.id)
    }

    pub(super) fn event_counts(&self, counted: &Counted) -> Vec<EventCount> {
        let filter = EventFilter {
            user_id: counted.user_id.clone(),
            since: Some(counted.since),
            until: Some(counted.until),
            ..EventFilter::default()
        };
        let mut counts = BTreeMap::new();
        for event in self.log.values().filter(|event| is_meant(&filter, event)) {
            let bucket = bucket_of(event.received_at, counted.bucket_seconds);
            *counts.entry((bucket, &event.source, &event.event_type)).or_default() += 1;
        }
        let count = |((bucket, source, event_type), count): ((_, &Cow<'_, str>, &_), _)| EventCount {
            bucket,
            source: source.to_string(),
            event_type: Clone::clone(event_type),
            count,
        };
        counts.into_iter().map(count).collect()
    }

    pub(super) fn events_of(&self, ids: &[EventId]) -> Vec<Arc<Event>> {
        let ids: BTreeSet<_> = ids.iter().copied().collect();
        let without_raw = |event: Arc<Event>| Arc::new(Event { raw: None, ..Event::clone(&event) });
        ids.into_iter().filter_map(|id| self.event(id)).map(|logged| without_raw(logged.event)).collect()
    }
}

/// An id tells when its event was received, to the millisecond: that is how precisely times are compared.
fn is_meant(filter: &EventFilter, event: &Event) -> bool {
    filter.user_id.as_ref().is_none_or(|user| event.user_id.as_ref() == Some(user))
        && filter.event_type.as_ref().is_none_or(|event_type| event.event_type == *event_type)
        && filter.source.as_ref().is_none_or(|source| event.source == *source)
        && filter.since.is_none_or(|since| event.id >= EventId::first_at(since))
        && filter.until.is_none_or(|until| event.id < EventId::first_at(until))
}

fn bucket_of(moment: Timestamp, bucket_seconds: u32) -> Timestamp {
    let length = i64::from(bucket_seconds.max(1));
    Timestamp::from_seconds(moment.as_seconds().div_euclid(length) * length)
}
