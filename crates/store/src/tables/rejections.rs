//! Requests that were refused.

use const_format::formatcp;
use domain::{RejectionId, Timestamp};

use crate::rows::REJECTION;
use crate::sql::{Select, Sql, Statement, Value, args};
use crate::{Page, REJECTIONS_PER_CALL_MAX, Rejection, Result, StoreError};

/// As they are made for one row and for the most.
#[cfg(test)]
pub(crate) fn statements() -> impl Iterator<Item = Statement> {
    [keep_statement(1), keep_statement(REJECTIONS_PER_CALL_MAX), FORGET].into_iter()
}

/// Columns of [`REJECTION`].
const COLUMNS: usize = 9;

/// One statement for all, so that it is one transaction.
fn keep_statement(rows: usize) -> Statement {
    let row = |row: usize| {
        let places: Vec<_> = (1..=COLUMNS).map(|column| format!("${}", row * COLUMNS + column)).collect();
        format!("({})", places.join(", "))
    };
    let rows: Vec<_> = (0..rows).map(row).collect();
    Statement::made(
        "keep_rejections",
        format!("INSERT INTO rejections ({REJECTION}) VALUES {}", rows.join(", ")),
    )
}

pub(crate) async fn keep(sql: &impl Sql, rejections: &[Rejection]) -> Result<()> {
    match rejections.len() {
        0 => return Ok(()),
        1..=REJECTIONS_PER_CALL_MAX => {}
        many => return Err(StoreError::Refused(format!("{many} rejections at once are too many"))),
    }
    let args = rejections.iter().flat_map(columns).collect();
    sql.write(&keep_statement(rejections.len()), args).await.map(|_| ())
}

fn columns(rejection: &Rejection) -> Vec<Value> {
    args![
        Value::id(rejection.id),
        rejection.at.as_micros(),
        rejection.route.as_str(),
        rejection.source.as_deref(),
        rejection.address.as_str(),
        rejection.reason.as_str(),
        rejection.detail.as_str(),
        rejection.headers.as_str(),
        rejection.body.as_slice(),
    ]
}

pub(crate) async fn list(sql: &impl Sql, page: &Page<RejectionId>) -> Result<Vec<Rejection>> {
    let (statement, args) = Select::new(formatcp!("SELECT {REJECTION} FROM rejections"))
        .and("id <", page.before.map(Value::id))
        .newest_first("rejections", page.limit);
    sql.read(&statement, args).await?.into_iter().map(|mut row| row.rejection()).collect()
}

/// Where there are fewer than may stay, the subquery finds none, and nothing is less than that.
const FORGET: Statement = Statement::new(
    "forget_rejections",
    "DELETE FROM rejections
     WHERE id < $1 OR id <= (SELECT id FROM rejections ORDER BY id DESC LIMIT 1 OFFSET $2)",
);

pub(crate) async fn forget(sql: &impl Sql, oldest: Timestamp, count_max: u32) -> Result<u64> {
    sql.write(&FORGET, args![Value::id(RejectionId::first_at(oldest)), i64::from(count_max)]).await
}
