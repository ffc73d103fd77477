//! What people read in a terminal: tables, and things field by field.

use std::io::{self, IsTerminal as _};

use anyhow::Result;
use serde_json::Value;
use serde_json::value::RawValue;

/// The heads of a table's columns, each with the width at which its cells are cut on a terminal.
pub(super) type Columns = &'static [(&'static str, usize)];

/// Wide enough for an id, which is never cut: people copy it.
pub(super) const ID: usize = 36;

/// Prints a list: as JSON, each item as the server wrote it, or as a table.
pub(super) fn print_list(
    items: &[Box<RawValue>],
    json: bool,
    columns: Columns,
    row: impl Fn(&Value) -> Vec<String>,
) -> Result<()> {
    if json {
        let items: Vec<&str> = items.iter().map(|item| item.get()).collect();
        println!("{{\"data\":[{}]}}", items.join(","));
        return Ok(());
    }
    let values =
        items.iter().map(|item| serde_json::from_str(item.get())).collect::<Result<Vec<Value>, _>>()?;
    print!("{}", table(columns, &values.iter().map(row).collect::<Vec<_>>()));
    if values.is_empty() {
        eprintln!("there are none");
    }
    Ok(())
}

/// A table. Each column is as wide as it needs to be; on a terminal within its bound, while programs that read it get all.
pub(super) fn table(columns: Columns, rows: &[Vec<String>]) -> String {
    lay_out(columns, rows, io::stdout().is_terminal())
}

fn lay_out(columns: Columns, rows: &[Vec<String>], is_cut: bool) -> String {
    let cell = |row: &[String], index: usize| {
        let bound = if is_cut { columns[index].1 } else { usize::MAX };
        cut(row.get(index).map_or("", String::as_str), bound)
    };
    let width = |index: usize| {
        let cells = rows.iter().map(|row| cell(row, index).chars().count());
        cells.chain([columns[index].0.len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: Vec<String>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let head = line(columns.iter().map(|(name, _)| (*name).to_owned()).collect());
    let body = rows.iter().map(|row| line((0..columns.len()).map(|index| cell(row, index)).collect()));
    head + &body.collect::<String>()
}

/// Fields of `value`, a line each.
pub(super) fn print_fields(value: &Value, fields: &[&str]) {
    let width = fields.iter().map(|field| field.len()).max().unwrap_or(0);
    for field in fields {
        println!("{field:<width$}  {}", text(&value[*field]));
    }
}

/// A value as a person reads it. What would move the cursor is shown as a dot: subscribers choose what errors say.
pub(super) fn text(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) if values.iter().all(Value::is_string) => {
            values.iter().map(text).collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    };
    text.chars().map(|c| if c.is_control() { '·' } else { c }).collect()
}

/// A time to the second.
pub(super) fn time(value: &Value) -> String {
    text(value).replace('T', " ").chars().take(19).collect()
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_need_to_be_within_their_bounds() {
        let rows =
            [vec!["a".to_owned(), "one".to_owned()], vec!["longer than that".to_owned(), "é".to_owned()]];
        let columns: Columns = &[("ID", 8), ("WORD", 10)];
        assert_eq!(lay_out(columns, &rows, true), "ID        WORD\na         one\nlonger …  é\n");
        let whole = "ID                WORD\na                 one\nlonger than that  é\n";
        assert_eq!(lay_out(columns, &rows, false), whole, "a program gets all");
        assert_eq!(lay_out(&[("ID", 8)], &[], true), "ID\n");
    }

    #[test]
    fn values_read_as_people_would_write_them() {
        for (value, shown) in [
            (json!(null), "-"),
            (json!([]), "-"),
            (json!(["a.*", "b"]), "a.*,b"),
            (json!("\u{1b}[31mred\n"), "·[31mred·"),
            (json!({ "a": 1 }), "{\"a\":1}"),
        ] {
            assert_eq!(text(&value), shown);
        }
        assert_eq!(time(&json!("2026-11-22T06:56:15.125Z")), "2026-11-22 06:56:15");
    }
}
