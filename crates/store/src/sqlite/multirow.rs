//! Statements that take many rows at once.
//!
//! One statement for sixty-four rows costs a fraction of sixty-four statements. The texts differ only in their number of
//! rows, so each length is written once and then kept, by us as a text and by the connection as a prepared statement.

use std::sync::{Arc, OnceLock};

use super::writer::{Binder, Transaction};
use crate::Result;
use crate::sql::Statement;

/// Rows in one statement. More gain nothing measurable, and every length costs a prepared statement of that size.
pub(super) const ROWS_MAX: usize = 64;

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

    /// The statement for `rows` rows, 1 to [`ROWS_MAX`].
    pub(super) fn of(&self, rows: usize) -> Statement {
        let text = self.texts[rows - 1].get_or_init(|| {
            let rows = vec![self.row; rows].join(", ");
            self.template.replace("{rows}", &rows).into()
        });
        Statement::made(self.name, Arc::clone(text))
    }

    /// Runs it for `items`, at most [`ROWS_MAX`] at a time; how many rows were written.
    pub(super) fn run<T>(
        &self,
        transaction: &Transaction<'_>,
        items: &[T],
        bind: impl Fn(&T, &mut Binder<'_, '_>),
    ) -> Result<u64> {
        let mut written = 0;
        for piece in items.chunks(ROWS_MAX) {
            let mut prepared = transaction.desk.prepare(&self.of(piece.len()))?;
            let mut row = Binder::new(&mut prepared);
            piece.iter().for_each(|item| bind(item, &mut row));
            row.done()?;
            written += prepared.raw_execute().map_err(super::classify)? as u64;
        }
        Ok(written)
    }
}
