//! Statements that take many rows at once.
//!
//! One statement for sixty-four rows costs a fraction of sixty-four statements: each is a message to the connection's
//! thread and back. The texts differ only in their number of rows, so each length is written once and then kept, by
//! us as a text and by SQLite as a prepared statement.

use std::sync::{Arc, OnceLock};

use crate::sql::{Statement, Value};

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

    /// Cuts `items` into pieces of at most [`ROWS_MAX`], each with its statement and its bound values.
    pub(super) fn pieces<'i, T>(
        &'i self,
        items: &'i [T],
        bind: impl Fn(&T, &mut Vec<Value>) + 'i,
    ) -> impl Iterator<Item = (Statement, Vec<Value>)> + 'i {
        items.chunks(ROWS_MAX).map(move |chunk| {
            let mut args = Vec::with_capacity(chunk.len() * self.row.len() / 2);
            chunk.iter().for_each(|item| bind(item, &mut args));
            (self.of(chunk.len()), args)
        })
    }
}
