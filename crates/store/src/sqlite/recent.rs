//! The newest dedupe keys, which are not in the index yet.
//!
//! Keys are digests: written as they come, each would dirty a page of the index of its own, and those pages would be most
//! of what a commit writes. So they gather here first. A full generation is sorted and moved into the index bit by bit,
//! in the order of the keys, while the next one fills; neighbours then share pages. Nothing is lost with the memory: the
//! keys are in the log, and what the index lacks is read back when the log is opened.

use std::collections::{HashMap, HashSet};

use domain::event::DedupeKey;

use crate::Position;

/// Keys in a generation: what two of them cost in memory (4 MiB) and in reading at the start is what they save in pages.
pub(super) const GENERATION: usize = 32_768;

/// Keys that are moved together.
const PIECE: usize = 128;

type Entry = (DedupeKey, Position);

#[derive(Debug)]
pub(super) struct RecentKeys {
    generation: usize,
    young: HashMap<DedupeKey, Position>,
    /// Sorted, and moved up to `moved`.
    old: Vec<Entry>,
    moved: usize,
    /// How many were added since the last piece was moved.
    added: usize,
}

impl RecentKeys {
    pub(super) fn new(generation: usize, unindexed: impl IntoIterator<Item = Entry>) -> Self {
        let young = unindexed.into_iter().collect();
        Self { generation, young, old: Vec::new(), moved: 0, added: 0 }
    }

    /// Where the event of that key is, if it is one of the newest.
    pub(super) fn get(&self, key: &DedupeKey) -> Option<Position> {
        self.young.get(key).copied().or_else(|| {
            let found = self.old.binary_search_by_key(key, |&(old, _)| old);
            found.ok().map(|index| self.old[index].1)
        })
    }

    /// Their events have been removed, so whatever comes under them again is new.
    pub(super) fn forget(&mut self, gone: &HashSet<DedupeKey>) {
        gone.iter().for_each(|key| _ = self.young.remove(key));
        if gone.iter().any(|key| self.old.binary_search_by_key(key, |&(old, _)| old).is_ok()) {
            let stays = |(key, _): &Entry| !gone.contains(key);
            self.moved = self.old[..self.moved].iter().filter(|entry| stays(entry)).count();
            self.old.retain(stays);
        }
    }

    /// The keys that are to be moved with this commit: as many as have been added, in whole pieces.
    pub(super) fn due(&self) -> &[Entry] {
        let piece = PIECE.min(self.generation);
        let end = self.moved + self.added / piece * piece;
        &self.old[self.moved..end.min(self.old.len())]
    }

    /// Whether the piece that is due is the last of its generation; then all up to the answer are indexed.
    pub(super) fn completes(&self) -> Option<Position> {
        let is_last = !self.due().is_empty() && self.moved + self.due().len() == self.old.len();
        is_last.then(|| self.old.iter().map(|&(_, position)| position).max()).flatten()
    }

    /// The piece that was due is in the index, and `new` are in the log.
    pub(super) fn advance(&mut self, new: impl IntoIterator<Item = Entry>) {
        let moved = self.due().len();
        self.moved += moved;
        self.added -= moved;
        let before = self.young.len();
        self.young.extend(new);
        self.added += self.young.len() - before;
        if self.moved == self.old.len() && self.young.len() >= self.generation {
            self.old = self.young.drain().collect();
            self.old.sort_unstable();
            (self.moved, self.added) = (0, 0);
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
        let mut keys = RecentKeys::new(512, []);
        let mut indexed = HashMap::new();
        for number in 0..3_000 {
            indexed.extend(keys.due().iter().copied());
            keys.advance([(key(number), Position(number as i64))]);
            assert!(keys.young.len() <= 512 + 2 * PIECE);
            for known in (0..=number).step_by(7) {
                let position = keys.get(&key(known)).or_else(|| indexed.get(&key(known)).copied());
                assert_eq!(position, Some(Position(known as i64)));
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
