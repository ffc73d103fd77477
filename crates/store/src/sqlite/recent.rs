//! The newest dedupe keys, which are not in the index yet.
//!
//! Keys are digests, whose places in the index are far apart. So they gather here first and move in
//! [generations](Generations), in their order.

use std::collections::{HashMap, HashSet};

use domain::event::DedupeKey;

use super::generations::Generations;
use crate::Position;

type Entry = (DedupeKey, Position);

#[derive(Debug)]
pub(super) struct RecentKeys {
    generations: Generations,
    young: HashMap<DedupeKey, Position>,
    old: HashMap<DedupeKey, Position>,
    /// The old ones as they are moved, sorted, and moved up to `moved`.
    moving: Vec<Entry>,
    moved: usize,
}

impl RecentKeys {
    /// The index may lack `unindexed`.
    pub(super) fn new(generations: Generations, unindexed: impl IntoIterator<Item = Entry>) -> Self {
        let young = unindexed.into_iter().collect();
        Self { generations, young, old: HashMap::new(), moving: Vec::new(), moved: 0 }
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
            let left = self.moving.len() - self.moved;
            self.moved = self.moving[..self.moved].iter().filter(|entry| stays(entry)).count();
            self.moving.retain(stays);
            self.generations.spare(left - (self.moving.len() - self.moved));
        }
    }

    /// The keys that are to be moved with this commit.
    pub(super) fn due(&self) -> &[Entry] {
        &self.moving[self.moved..self.moved + self.generations.due()]
    }

    /// Whether what is due is the last of its generation; then all up to the answer are indexed.
    pub(super) fn completes(&self) -> Option<Position> {
        self.generations.completes()
    }

    /// What was due is in the index, and events up to `end` are in the log, of which `new` have a key.
    pub(super) fn advance(&mut self, new: impl IntoIterator<Item = Entry>, end: Position) {
        self.moved += self.generations.due();
        self.young.extend(new);
        if self.generations.advance(end) {
            self.old = std::mem::take(&mut self.young);
            self.moving = self.old.iter().map(|(&key, &position)| (key, position)).collect();
            self.moving.sort_unstable();
            self.moved = 0;
            self.generations.age(self.moving.len());
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
        let mut keys = RecentKeys::new(Generations::new(512, Position::START, Position::START), []);
        let mut indexed = HashMap::new();
        for number in 0..3_000 {
            indexed.extend(keys.due().iter().copied());
            let position = Position(number as i64 + 1);
            keys.advance([(key(number), position)], position);
            assert!(keys.young.len() <= 512 + 2 * 128);
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
}
