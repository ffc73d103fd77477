//! The parts of the index of dedupe keys, and in memory which of them may have a key.
//!
//! The index is in runs: each has the keys of so many positions. What is added goes to the newest run, so its pages are few
//! however long the log is, and those of a run whose events are gone are free at once. But a key may be in any of them, and
//! nearly every key that is asked for is in none. So there is a filter in memory for each (a Bloom filter), which says of
//! nearly every key that its run does not have it; only what passes is looked up.
//!
//! Filters are read from the index beside the writing, the newest run's first. Until a run's is there, it may have any key.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use domain::event::DedupeKey;
use rusqlite::Connection;

use super::{classify, readers};
use crate::sql::Statement;
use crate::{Position, Result, StoreError};

/// Positions in a run: what its filter costs in memory (two bytes each) is what it saves in reading. Shorter runs have fewer
/// pages, but each event asks more filters.
pub(super) const RUN: i64 = 1 << 19;

/// Lines of a filter: sixteen bits for each key of a full run. Then one key in a thousand passes that the run has not.
const LINES: usize = (RUN as usize * 16) / 512;

/// Bits of a line that stand for a key: what is left of half a digest, nine bits for each, once one has been chosen.
const BITS_PER_KEY: usize = 7;

/// From which event to which the index has keys.
pub(super) const INDEXED: Statement = Statement::new(
    "indexed",
    "SELECT coalesce((SELECT min(position) FROM events), position + 1), keys_indexed_to FROM log",
);
pub(super) const KEYS_OF_RUN: Statement =
    Statement::new("keys_of_run", "SELECT key FROM dedupe_keys WHERE run = $1");

#[derive(Debug)]
pub(super) struct Runs {
    /// Positions in each.
    pub(super) length: i64,
    runs: BTreeMap<i64, Run>,
    /// Filters as they are read.
    filters: Receiver<(i64, Filter)>,
}

/// What is known of one run.
#[derive(Debug, Default)]
struct Run {
    filter: Filter,
    /// Whether keys may be in the index that the filter has not been told of.
    is_unread: bool,
}

/// A Bloom filter that keeps each key's bits in one line of the processor's cache. Empty, it has no lines.
#[derive(Debug, Default)]
struct Filter {
    lines: Vec<[u64; 8]>,
}

impl Runs {
    /// What is known when the database is opened: nothing, until a thread of its own has read it.
    pub(super) fn open(database: &Connection, length: i64) -> Result<Self> {
        let bounds = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let (oldest, indexed_to) = database.query_row(INDEXED.text(), [], bounds).map_err(classify)?;
        let unread = if oldest <= indexed_to { oldest / length..indexed_to / length + 1 } else { 0..0 };
        let (read, filters) = channel();
        if let (false, Some(path)) = (unread.is_empty(), database.path()) {
            let (path, unread) = (path.to_owned(), unread.clone());
            let thread = std::thread::Builder::new().name("sqlite-keys".to_owned());
            thread
                .spawn(move || told(read_filters(path.as_ref(), unread, &read)))
                .map_err(|error| StoreError::Unavailable(format!("no thread to read keys with: {error}")))?;
        }
        let runs = unread.map(|number| (number, Run { is_unread: true, ..Run::default() })).collect();
        Ok(Self { length, runs, filters })
    }

    /// What has not been read stays unknown.
    pub(super) fn stop_reading(&mut self) {
        self.filters = channel().1;
    }

    /// The run that has the keys of the events there.
    fn of(&self, position: Position) -> i64 {
        position.0 / self.length
    }

    /// Takes over what has been read meanwhile.
    pub(super) fn take_read(&mut self) {
        for (number, filter) in self.filters.try_iter() {
            // It is not there any more if its events have been removed.
            if let Some(run) = self.runs.get_mut(&number) {
                run.filter.merge(filter);
                run.is_unread = false;
            }
        }
    }

    /// The runs that may have `key`, most often none.
    pub(super) fn that_may_have(&self, key: DedupeKey) -> impl Iterator<Item = i64> {
        let may_have = move |(_, run): &(&i64, &Run)| run.is_unread || run.filter.may_have(key);
        self.runs.iter().filter(may_have).map(|(&number, _)| number)
    }

    /// The run to which the key of the event at `position` is now added. Should it not come to that, nothing is lost.
    pub(super) fn add(&mut self, key: DedupeKey, position: Position) -> i64 {
        let number = self.of(position);
        self.runs.entry(number).or_default().filter.add(key);
        number
    }

    /// No event is left before `oldest`.
    pub(super) fn forget_before(&mut self, oldest: Position) {
        self.runs = self.runs.split_off(&self.of(oldest));
    }
}

impl Filter {
    fn add(&mut self, key: DedupeKey) {
        if self.lines.is_empty() {
            self.lines = vec![[0; 8]; LINES];
        }
        let (line, bits) = place(key);
        bits.for_each(|(word, bit)| self.lines[line][word] |= bit);
    }

    fn may_have(&self, key: DedupeKey) -> bool {
        let (line, mut bits) = place(key);
        self.lines.get(line).is_some_and(|line| bits.all(|(word, bit)| line[word] & bit != 0))
    }

    fn merge(&mut self, other: Self) {
        if self.lines.is_empty() {
            *self = other;
            return;
        }
        for (word, others) in self.lines.as_flattened_mut().iter_mut().zip(other.lines.as_flattened()) {
            *word |= others;
        }
    }
}

/// Which line and which bits in it stand for a key. Keys are digests, so their bytes are as good as random.
fn place(key: DedupeKey) -> (usize, impl Iterator<Item = (usize, u64)>) {
    let digest = u128::from_le_bytes(*key.as_bytes());
    let (line, bits) = (digest as usize % LINES, (digest >> 64) as usize);
    let bit = move |index| bits >> (9 * index) & 511;
    (line, (0..BITS_PER_KEY).map(bit).map(|bit| (bit / 64, 1 << (bit % 64))))
}

/// Reads the filters of `runs`, unless nobody waits for them any more.
fn read_filters(path: &Path, runs: Range<i64>, read: &Sender<(i64, Filter)>) -> Result<()> {
    let connection = readers::open(path)?;
    for run in runs.rev() {
        let filter = read_filter(&connection, run).map_err(classify)?;
        if read.send((run, filter)).is_err() {
            break;
        }
    }
    Ok(())
}

fn read_filter(connection: &Connection, run: i64) -> rusqlite::Result<Filter> {
    let mut filter = Filter::default();
    let mut statement = connection.prepare(KEYS_OF_RUN.text())?;
    let mut rows = statement.query([run])?;
    while let Some(row) = rows.next()? {
        filter.add(DedupeKey::from_bytes(row.get(0)?));
    }
    Ok(filter)
}

fn told(read: Result<()>) {
    if let Err(error) = read {
        tracing::warn!(%error, "the dedupe keys could not be read into memory; each is looked up in the index instead");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(numbers: std::ops::Range<i64>) -> impl Iterator<Item = (DedupeKey, Position)> {
        numbers.map(|number| (DedupeKey::new("test", None, &number.to_string()), Position(number)))
    }

    fn empty() -> Runs {
        Runs { length: RUN, runs: BTreeMap::new(), filters: channel().1 }
    }

    #[test]
    fn a_full_run_lets_all_its_keys_pass_and_hardly_any_other() {
        let mut runs = empty();
        keys(0..RUN).for_each(|(key, position)| assert_eq!(runs.add(key, position), 0));
        assert!(keys(0..RUN).all(|(key, _)| runs.that_may_have(key).eq([0])));
        let others = 100_000;
        let passed =
            keys(RUN..RUN + others).filter(|&(key, _)| runs.that_may_have(key).next().is_some()).count();
        assert!((1..300).contains(&passed), "{passed} of {others}");
    }

    #[test]
    fn a_run_may_have_any_key_until_it_is_read_and_then_what_was_added_meanwhile_too() {
        let (read, filters) = channel();
        let mut runs = Runs { filters, ..empty() };
        runs.runs.extend([0, 1].map(|number| (number, Run { is_unread: true, ..Run::default() })));
        let [(old, _), (new, _), (none, _)] = keys(0..3).collect::<Vec<_>>().try_into().unwrap();
        runs.add(new, Position(1));
        assert!(runs.that_may_have(none).eq([0, 1]));

        let mut filter = Filter::default();
        filter.add(old);
        read.send((0, filter)).unwrap();
        runs.take_read();
        assert!(runs.that_may_have(none).eq([1]));
        read.send((1, Filter::default())).unwrap();
        runs.take_read();
        assert!(runs.that_may_have(none).next().is_none());
        assert!(runs.that_may_have(old).eq([0]) && runs.that_may_have(new).eq([0]));
    }

    #[test]
    fn runs_whose_events_are_gone_are_forgotten_and_not_read_back() {
        let (read, filters) = channel();
        let mut runs = Runs { filters, ..empty() };
        runs.runs.extend([(0, Run { is_unread: true, ..Run::default() })]);
        let (key, position) = keys(RUN..RUN + 1).next().unwrap();
        runs.add(key, position);
        runs.forget_before(Position(RUN - 1));
        assert!(runs.that_may_have(key).eq([0, 1]));
        runs.forget_before(position);
        read.send((0, Filter::default())).unwrap();
        runs.take_read();
        assert!(runs.that_may_have(key).eq([1]));
    }
}
