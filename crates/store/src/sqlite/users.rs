//! Which of the newest events belong to which user, as far as the index does not say it yet.
//!
//! Events that come in together mostly belong to different users, whose places in the index are far apart. So they gather here
//! first and move in [generations](Generations), in the order of the users.
//!
//! Readers do not look in here: whoever asks for a user's events has those of that user moved first. They are few, or they
//! are neighbours.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{EventId, UserId};

use super::generations::Generations;
use crate::Position;

/// An event of a user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserEvent {
    pub(super) user: UserId,
    pub(super) id: EventId,
    pub(super) position: Position,
}

/// What the writer knows, and whoever reads may ask. It knows nothing until the end of the log has been read.
#[derive(Debug, Clone, Default)]
pub(super) struct RecentUsers(Arc<Mutex<Option<Recent>>>);

#[derive(Debug)]
struct Recent {
    generations: Generations,
    young: Events,
    old: Events,
}

/// Each user's, in the order of the log.
#[derive(Debug, Default)]
struct Events(BTreeMap<UserId, VecDeque<(EventId, Position)>>);

impl RecentUsers {
    /// The index may lack `unindexed`.
    pub(super) fn know(&self, generations: Generations, unindexed: impl IntoIterator<Item = UserEvent>) {
        let mut young = Events::default();
        young.extend(unindexed);
        *self.lock() = Some(Recent { generations, young, old: Events::default() });
    }

    /// Whether the index may lack events of `user` at or before `position`.
    pub(super) fn has(&self, user: &UserId, position: Position) -> bool {
        let is_before = |first: Position| first <= position;
        self.lock().as_ref().is_none_or(|recent| {
            [&recent.old, &recent.young]
                .into_iter()
                .any(|events| events.first_of(user).is_some_and(is_before))
        })
    }

    /// The oldest events of `user` that the index lacks, no more than `limit`.
    pub(super) fn of(&self, user: &UserId, limit: usize) -> Vec<UserEvent> {
        let recent = self.lock();
        let both = recent.iter().flat_map(|recent| recent.old.of(user).chain(recent.young.of(user)));
        both.take(limit).collect()
    }

    /// So many of what [`RecentUsers::of`] gives are in the index.
    pub(super) fn moved_of(&self, user: &UserId, count: usize) {
        if let Some(recent) = &mut *self.lock() {
            let of_old = recent.old.drop_first_of(user, count);
            recent.generations.spare(of_old);
            recent.young.drop_first_of(user, count - of_old);
        }
    }

    /// Those that are to be moved with this commit; and if with them all up to some position are indexed, that position.
    pub(super) fn due(&self) -> (Vec<UserEvent>, Option<Position>) {
        let due = |recent: &Recent| {
            let due = recent.old.all().take(recent.generations.due()).collect();
            (due, recent.generations.completes())
        };
        self.lock().as_ref().map(due).unwrap_or_default()
    }

    /// What was due is in the index, and events up to `end` are in the log, of which `new` belong to users.
    pub(super) fn advance(&self, new: impl IntoIterator<Item = UserEvent>, end: Position) {
        let Some(Recent { generations, young, old }) = &mut *self.lock() else { return };
        old.drop_first(generations.due());
        young.extend(new);
        if generations.advance(end) {
            *old = std::mem::take(young);
            generations.age(old.all().count());
        }
    }

    /// Those events have been removed.
    pub(super) fn forget(&self, gone: &HashSet<Position>) {
        if let Some(recent) = &mut *self.lock() {
            let of_old = recent.old.forget(gone);
            recent.generations.spare(of_old);
            recent.young.forget(gone);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Recent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events {
    fn extend(&mut self, events: impl IntoIterator<Item = UserEvent>) {
        for UserEvent { user, id, position } in events {
            self.0.entry(user).or_default().push_back((id, position));
        }
    }

    fn first_of(&self, user: &UserId) -> Option<Position> {
        self.0.get(user)?.front().map(|&(_, position)| position)
    }

    fn of(&self, user: &UserId) -> impl Iterator<Item = UserEvent> {
        self.0.get_key_value(user).into_iter().flat_map(each)
    }

    /// In the order of the users.
    fn all(&self) -> impl Iterator<Item = UserEvent> {
        self.0.iter().flat_map(each)
    }

    /// How many there were to drop.
    fn drop_first_of(&mut self, user: &UserId, count: usize) -> usize {
        let Some(theirs) = self.0.get_mut(user) else { return 0 };
        let dropped = theirs.drain(..count.min(theirs.len())).count();
        if theirs.is_empty() {
            self.0.remove(user);
        }
        dropped
    }

    /// In the order of the users.
    fn drop_first(&mut self, mut count: usize) {
        while count > 0
            && let Some(first) = self.0.keys().next().cloned()
        {
            count -= self.drop_first_of(&first, count);
        }
    }

    /// How many have been forgotten.
    fn forget(&mut self, gone: &HashSet<Position>) -> usize {
        let mut forgotten = 0;
        self.0.retain(|_, theirs| {
            let before = theirs.len();
            theirs.retain(|(_, position)| !gone.contains(position));
            forgotten += before - theirs.len();
            !theirs.is_empty()
        });
        forgotten
    }
}

fn each<'e>(
    (user, events): (&'e UserId, &'e VecDeque<(EventId, Position)>),
) -> impl Iterator<Item = UserEvent> + use<'e> {
    events.iter().map(|&(id, position)| UserEvent { user: user.clone(), id, position })
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use rand::rngs::SmallRng;

    use super::*;

    const LENGTH: i64 = 512;

    fn empty() -> RecentUsers {
        let users = RecentUsers::default();
        users.know(Generations::new(LENGTH, Position::START, Position::START), []);
        users
    }

    /// Seven users in turn.
    fn event(position: i64) -> UserEvent {
        let id = EventId::new(Timestamp::from_seconds(0), &mut rand::make_rng::<SmallRng>());
        UserEvent { user: user(position % 7), id, position: Position(position) }
    }

    fn user(number: i64) -> UserId {
        format!("user-{number}").parse().unwrap()
    }

    fn positions(events: &[UserEvent]) -> impl Iterator<Item = i64> {
        events.iter().map(|event| event.position.0)
    }

    #[test]
    fn every_event_is_here_or_moved_once_and_all_move() {
        let users = empty();
        let mut indexed = HashSet::new();
        for position in 1..=5_000 {
            let (due, completes) = users.due();
            assert!(positions(&due).all(|position| indexed.insert(position)));
            if let Some(Position(to)) = completes {
                assert!((1..=to).all(|position| indexed.contains(&position)));
            }
            users.advance([event(position)], Position(position));
            if position % 90 == 0 {
                // Somebody asks for the events of one.
                let theirs = user(position % 7);
                while users.has(&theirs, Position(position)) {
                    let some = users.of(&theirs, 50);
                    assert!(positions(&some).is_sorted() && some.len() <= 50);
                    assert!(positions(&some).all(|position| indexed.insert(position)));
                    users.moved_of(&theirs, some.len());
                }
                assert!(
                    (1..=position)
                        .filter(|each| each % 7 == position % 7)
                        .all(|each| indexed.contains(&each))
                );
            }
        }
        assert!((1..=5_000 - 3 * LENGTH).all(|position| indexed.contains(&position)));
    }

    #[test]
    fn of_what_nobody_has_read_there_may_be_anything() {
        assert!(RecentUsers::default().has(&user(1), Position::START));
        assert!(!empty().has(&user(1), Position(1_000)));
    }

    #[test]
    fn a_reader_waits_for_nothing_that_came_after_it() {
        let users = empty();
        users.advance([event(8)], Position(8));
        assert!(users.has(&user(1), Position(8)) && !users.has(&user(1), Position(7)));
        assert!(!users.has(&user(2), Position(8)));
    }

    #[test]
    fn what_is_removed_does_not_move_any_more() {
        let users = empty();
        users.advance((1..=LENGTH).map(event), Position(LENGTH));
        users.advance((LENGTH + 1..=LENGTH + 200).map(event), Position(LENGTH + 200));
        let gone = (1..=LENGTH + 200).filter(|position| position % 3 > 0).map(Position).collect();
        users.forget(&gone);
        let mut moved = Vec::new();
        for position in LENGTH + 201..=3 * LENGTH {
            moved.extend(positions(&users.due().0));
            users.advance([], Position(position));
        }
        moved.sort_unstable();
        assert!(
            moved
                .iter()
                .eq((1..=LENGTH + 200).filter(|position| position % 3 == 0).collect::<Vec<_>>().iter())
        );
    }
}
