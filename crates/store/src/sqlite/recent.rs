//! The newest dedupe keys, which are not in the index yet.
//!
//! Keys are digests: written as they come, each would dirty a page of the index of its own, and those pages would be most
//! of what a commit writes. So they gather here first. A full generation is sorted and moved into the index bit by bit,
//! in the order of the keys, while the next one fills; neighbours then share pages. Nothing is lost with the memory: the
//! keys are in the log, and what the index lacks is read back when the log is opened.
//!
//! A generation is so many events, whether or not they have keys: else a log of which few have one would be read back from
//! where the last of many was, which may be its beginning.

use std::collections::{HashMap, HashSet};

use domain::event::DedupeKey;

use crate::Position;

/// Events in a generation: what the keys of two of them cost in memory (5 MiB) and in reading at the start is what they save in
/// pages.
pub(super) const GENERATION: i64 = 32_768;

/// Keys that are moved together.
const PIECE: usize = 128;

type Entry = (DedupeKey, Position);

#[derive(Debug)]
pub(super) struct RecentKeys {
    generation: i64,
    young: HashMap<DedupeKey, Position>,
    /// Where the young generation begins: after that position.
    young_after: Position,
    old: HashMap<DedupeKey, Position>,
    /// The old ones as they are moved, sorted, and moved up to `moved`.
    moving: Vec<Entry>,
    moved: usize,
    /// Whether the index does not say yet that it has all of the old generation.
    is_moving: bool,
    /// How many events have come since the last piece was moved.
    added: usize,
    /// The last event's.
    end: Position,
}

impl RecentKeys {
    /// The index has all keys up to `indexed_to`, and of those up to `end` it may lack `unindexed`.
    pub(super) fn new(
        generation: i64,
        indexed_to: Position,
        end: Position,
        unindexed: impl IntoIterator<Item = Entry>,
    ) -> Self {
        let young = unindexed.into_iter().collect();
        let (old, moving) = (HashMap::new(), Vec::new());
        Self {
            generation,
            young,
            young_after: indexed_to,
            old,
            moving,
            moved: 0,
            is_moving: false,
            added: 0,
            end,
        }
    }

    /// Where the event of that key is, if it is one of the newest.
    pub(super) fn get(&self, key: &DedupeKey) -> Option<Position> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    /// Their events have been removed, so whatever comes under them again is new.
    pub(super) fn forget(&mut self, gone: &HashSet<DedupeKey>) {
        gone.iter().for_each(|key| _ = self.young.remove(key));
        if gone.iter().filter(|key| self.old.remove(key).is_some()).count() > 0 {
            let stays = |(key, _): &Entry| !gone.contains(key);
            self.moved = self.moving[..self.moved].iter().filter(|entry| stays(entry)).count();
            self.moving.retain(stays);
        }
    }

    /// The keys that are to be moved with this commit: as many as events have been added, in whole pieces.
    pub(super) fn due(&self) -> &[Entry] {
        let piece = PIECE.min(self.generation as usize);
        let left = self.moving.len() - self.moved;
        // The last piece need not be whole: each generation would be a piece longer than the one before.
        let due = if self.added >= left { left } else { self.added / piece * piece };
        &self.moving[self.moved..self.moved + due]
    }

    /// Whether what is due is the last of its generation; then all up to the answer are indexed.
    pub(super) fn completes(&self) -> Option<Position> {
        let is_last = self.is_moving && self.moved + self.due().len() == self.moving.len();
        is_last.then_some(self.young_after)
    }

    /// What was due is in the index, and events up to `end` are in the log, of which `new` have a key.
    pub(super) fn advance(&mut self, new: impl IntoIterator<Item = Entry>, end: Position) {
        self.is_moving &= self.completes().is_none();
        let moved = self.due().len();
        self.moved += moved;
        self.added = self.added - moved + (end.0 - self.end.0) as usize;
        self.young.extend(new);
        self.end = end;
        if !self.is_moving && end.0 - self.young_after.0 >= self.generation {
            self.old = std::mem::take(&mut self.young);
            self.moving = self.old.iter().map(|(&key, &position)| (key, position)).collect();
            self.moving.sort_unstable();
            (self.young_after, self.moved, self.is_moving, self.added) = (end, 0, true, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> DedupeKey {
        DedupeKey::new("test", None, &number.to_string())
    }

    #[test]
    fn every_key_is_here_or_moved_and_a_generation_ends_before_the_next_is_full() {
        let mut keys = RecentKeys::new(512, Position::START, Position::START, []);
        let mut indexed = HashMap::new();
        for number in 0..3_000 {
            indexed.extend(keys.due().iter().copied());
            let position = Position(number as i64 + 1);
            keys.advance([(key(number), position)], position);
            assert!(keys.young.len() <= 512 + 2 * PIECE);
            for known in (0..=number).step_by(7) {
                let position = keys.get(&key(known)).or_else(|| indexed.get(&key(known)).copied());
                assert_eq!(position, Some(Position(known as i64 + 1)));
            }
        }
        assert!(indexed.len() > 2_000);
        let gone: HashSet<_> = (0..3_000).step_by(2).map(key).collect();
        keys.forget(&gone);
        assert!(gone.iter().all(|gone| keys.get(gone).is_none()));
        let in_memory = |number| keys.get(&key(number)).is_some();
        assert!((1..3_000).step_by(2).all(|number| in_memory(number) || indexed.contains_key(&key(number))));
        assert_eq!(keys.get(&key(3_000)), None);
    }

    #[test]
    fn a_log_of_which_few_or_none_have_keys_is_indexed_to_near_its_end() {
        for every in [1, 3, 100, 5_000, i64::MAX] {
            let mut keys = RecentKeys::new(512, Position::START, Position::START, []);
            let mut indexed_to = 0;
            for position in 1..=10_000 {
                if let Some(Position(to)) = keys.completes() {
                    assert!(to > indexed_to);
                    indexed_to = to;
                }
                let keyed = (position % every == 0).then(|| (key(position as u64), Position(position)));
                keys.advance(keyed, Position(position));
                assert!(position - indexed_to <= 3 * 512, "{every}: {indexed_to} of {position}");
            }
        }
    }
}
