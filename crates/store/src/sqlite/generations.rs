//! When what is known in memory of the newest events moves into an index.
//!
//! Entries that come in any order would each dirty a page of an index of its own, and those pages would be most of what a
//! commit writes. So they gather in memory first, and a full generation of them moves into the index bit by bit, sorted,
//! while the next one fills; neighbours then share pages. Nothing is lost with the memory: all of it is in the log, and what
//! an index lacks is read back when the log is opened.
//!
//! A generation is so many events, whether or not they have an entry: else a log of which few have one would be read back
//! from where the last of many was, which may be its beginning.

use crate::Position;

/// Events in a generation: what the entries of two of them cost in memory (some MiB) and in reading at the start is what they
/// save in pages.
pub(super) const GENERATION: i64 = 32_768;

/// Entries that move together.
const PIECE: usize = 128;

/// How far the moving is.
#[derive(Debug)]
pub(super) struct Generations {
    length: i64,
    /// Where the young generation begins: after that position.
    young_after: Position,
    /// Entries of the old one that have not moved.
    left: usize,
    /// Whether the index does not say yet that it has all of the old one.
    is_moving: bool,
    /// How many events have come since the last piece was moved.
    added: usize,
    /// The last event's.
    end: Position,
}

impl Generations {
    /// The index has all up to `indexed_to`; what it may lack up to `end` is young.
    pub(super) fn new(length: i64, indexed_to: Position, end: Position) -> Self {
        Self { length, young_after: indexed_to, left: 0, is_moving: false, added: 0, end }
    }

    /// How many old entries are to move with this commit: as many as events have been added, in whole pieces.
    pub(super) fn due(&self) -> usize {
        let piece = PIECE.min(self.length as usize);
        // The last piece need not be whole: each generation would be a piece longer than the one before.
        if self.added >= self.left { self.left } else { self.added / piece * piece }
    }

    /// Whether what is due is the last of its generation; then all up to the answer are indexed.
    pub(super) fn completes(&self) -> Option<Position> {
        (self.is_moving && self.due() == self.left).then_some(self.young_after)
    }

    /// Entries of the old one need not move any more.
    pub(super) fn spare(&mut self, entries: usize) {
        self.left -= entries;
    }

    /// What was due is in the index, and the log now ends there. Whether the young one is full: then it [ages].
    ///
    /// [ages]: Self::age
    pub(super) fn advance(&mut self, end: Position) -> bool {
        self.is_moving &= self.completes().is_none();
        let moved = self.due();
        self.left -= moved;
        self.added = self.added - moved + (end.0 - self.end.0) as usize;
        self.end = end;
        !self.is_moving && end.0 - self.young_after.0 >= self.length
    }

    /// The young one, of so many entries, is the old one now.
    pub(super) fn age(&mut self, entries: usize) {
        (self.young_after, self.left, self.is_moving, self.added) = (self.end, entries, true, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_of_which_few_or_none_have_entries_is_indexed_to_near_its_end() {
        for every in [1, 3, 100, 5_000, i64::MAX] {
            let mut generations = Generations::new(512, Position::START, Position::START);
            let (mut indexed_to, mut young) = (0, 0);
            for position in 1..=10_000 {
                if let Some(Position(to)) = generations.completes() {
                    assert!(to > indexed_to);
                    indexed_to = to;
                }
                young += usize::from(position % every == 0);
                if generations.advance(Position(position)) {
                    generations.age(std::mem::take(&mut young));
                }
                assert!(position - indexed_to <= 3 * 512, "{every}: {indexed_to} of {position}");
            }
        }
    }
}
