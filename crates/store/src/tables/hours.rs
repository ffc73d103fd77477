//! What became of deliveries, hour by hour.

use domain::Timestamp;

use crate::sql::{Sql, Statement, args};
use crate::{Hour, HourFilter, Result};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] = &[&HOURS, &HOURS_OF_USER, &REMOVE_HOURS];

macro_rules! sums {
    ($whose:literal) => {
        concat!(
            "SELECT hour, CAST(sum(successful) AS BIGINT), CAST(sum(failed) AS BIGINT), CAST(sum(attempts) AS BIGINT), ",
            "CAST(sum(errors) AS BIGINT), CAST(sum(answers) AS BIGINT), CAST(sum(answer_us) AS BIGINT), ",
            "max(answer_us_max) FROM delivery_hours WHERE hour >= $1 AND hour < $2",
            $whose,
            " GROUP BY hour ORDER BY hour",
        )
    };
}

const HOURS: Statement = Statement::new("hours", sums!(""));
const HOURS_OF_USER: Statement = Statement::new(
    "hours_of_user",
    sums!(" AND subscription_id IN (SELECT id FROM subscriptions WHERE user_id = $3)"),
);

pub(crate) async fn hours(sql: &impl Sql, filter: &HourFilter) -> Result<Vec<Hour>> {
    let mut args = args![filter.since.as_micros(), filter.until.as_micros()];
    let statement = match &filter.user_id {
        Some(user) => {
            args.push(user.as_str().into());
            &HOURS_OF_USER
        }
        None => &HOURS,
    };
    let rows = sql.read(statement, args).await?;
    rows.into_iter()
        .map(|mut row| {
            Ok(Hour {
                begins_at: row.time()?,
                successful: row.int()?,
                failed: row.int()?,
                attempts: row.int()?,
                errors: row.int()?,
                answers: row.int()?,
                answer_micros: row.int()?,
                answer_micros_max: row.int()?,
            })
        })
        .collect()
}

const REMOVE_HOURS: Statement = Statement::new(
    "remove_hours",
    "DELETE FROM delivery_hours WHERE (hour, subscription_id) IN
        (SELECT hour, subscription_id FROM delivery_hours WHERE hour < $1 ORDER BY hour, subscription_id LIMIT $2)",
);

pub(crate) async fn remove_hours(sql: &impl Sql, before: Timestamp, limit: u32) -> Result<u64> {
    sql.write(&REMOVE_HOURS, args![before.as_micros(), i64::from(limit)]).await
}
