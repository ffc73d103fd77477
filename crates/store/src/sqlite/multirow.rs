//! Statements that take many rows at once.
//!
//! One statement for sixty-four rows costs a fraction of sixty-four statements. The texts differ only in their number of
//! rows, so each length is written once and then kept, by us as a text and by the connection as a prepared statement.

use std::sync::{Arc, OnceLock};

use super::writer::{Binder, Transaction};
use crate::Result;
use crate::sql::Statement;

/// Rows in one statement. More gain nothing measurable.
pub(super) const ROWS_MAX: usize = 128;

/// Up to here there is a statement for every number of rows. Each is prepared by itself, so beyond it there is only the longest.
const ANY_ROWS_MAX: usize = 64;

/// A statement in whose text `{rows}` stands for any number of `row`.
#[derive(Debug)]
pub(super) struct MultiRow {
    name: &'static str,
    template: &'static str,
    row: &'static str,
    texts: [OnceLock<Arc<str>>; ROWS_MAX],
}

impl MultiRow {
    pub(super) const fn new(name: &'static str, template: &'static str, row: &'static str) -> Self {
        Self { name, template, row, texts: [const { OnceLock::new() }; ROWS_MAX] }
    }

    /// The statement for `rows` rows, 1 to [`ANY_ROWS_MAX`] or [`ROWS_MAX`].
    pub(super) fn of(&self, rows: usize) -> Statement {
        let text = self.texts[rows - 1].get_or_init(|| {
            let rows = vec![self.row; rows].join(", ");
            self.template.replace("{rows}", &rows).into()
        });
        Statement::made(self.name, Arc::clone(text))
    }

    /// Runs it for `items`, piece by piece; how many rows were written.
    pub(super) fn run<T>(
        &self,
        transaction: &Transaction<'_>,
        items: &[T],
        bind: impl Fn(&T, &mut Binder<'_, '_>),
    ) -> Result<u64> {
        let mut written = 0;
        for piece in pieces(items) {
            let mut prepared = transaction.desk.prepare(&self.of(piece.len()))?;
            let mut row = Binder::new(&mut prepared);
            piece.iter().for_each(|item| bind(item, &mut row));
            row.done()?;
            written += prepared.raw_execute().map_err(super::classify)? as u64;
        }
        Ok(written)
    }
}

fn pieces<T>(items: &[T]) -> impl Iterator<Item = &[T]> {
    let (long, rest) = items.split_at(items.len() / ROWS_MAX * ROWS_MAX);
    long.chunks(ROWS_MAX).chain(rest.chunks(ANY_ROWS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_statements_take_what_they_can_and_any_number_is_taken_whole() {
        let lengths = |items: usize| pieces(&vec![(); items]).map(<[()]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(0), [0; 0]);
        assert_eq!(lengths(64), [64]);
        assert_eq!(lengths(127), [64, 63]);
        assert_eq!(lengths(300), [128, 128, 44]);
    }
}
