//! What became of deliveries, hour by hour.

use const_format::formatcp;
use domain::{SubscriptionId, Timestamp, UserId};

use crate::hours::hour_of;
use crate::sql::{Sql, Statement, Value, args};
use crate::{Hour, HourFilter, Result};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] =
    &[&HOURS, &HOURS_OF_USER, &OWED, &OWED_TO_USER, &OWED_IN_HOUR, &REMOVE_HOURS];

macro_rules! sums {
    ($whose:literal) => {
        concat!(
            "SELECT hour, CAST(sum(successful) AS BIGINT), CAST(sum(failed) AS BIGINT), CAST(sum(attempts) AS BIGINT), ",
            "CAST(sum(errors) AS BIGINT), CAST(sum(answers) AS BIGINT), CAST(sum(answer_us) AS BIGINT), ",
            "max(answer_us_max), CAST(sum(owed) AS BIGINT) FROM delivery_hours WHERE hour >= $1 AND hour < $2",
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
                owed: row.int()?,
            })
        })
        .collect()
}

/// A row for each delivery that has not ended. Each part is found in an index that holds nothing else; the conditions
/// that are always true let SQLite see that.
const OPEN: &str = "SELECT subscription_id FROM deliveries
        WHERE status IN ('pending', 'retrying') AND ordering_key IS NULL AND next_attempt_at > 0
    UNION ALL
    SELECT subscription_id FROM deliveries
        WHERE status IN ('pending', 'retrying') AND ordering_key IS NOT NULL AND next_attempt_at > 0
    UNION ALL
    SELECT subscription_id FROM deliveries WHERE status = 'held'
    UNION ALL
    SELECT subscription_id FROM deliveries WHERE status = 'processing' AND claim_deadline > 0";

const OWED: Statement = Statement::new("owed", formatcp!("SELECT count(*) FROM ({OPEN}) AS open"));
const OWED_TO_USER: Statement = Statement::new(
    "owed_to_user",
    formatcp!(
        "SELECT count(*) FROM ({OPEN}) AS open
         WHERE subscription_id IN (SELECT id FROM subscriptions WHERE user_id = $1)"
    ),
);

pub(crate) async fn owed(sql: &impl Sql, user: Option<&UserId>) -> Result<i64> {
    let row = match user {
        Some(user) => sql.read_one(&OWED_TO_USER, args![user.as_str()]).await?,
        None => sql.read_one(&OWED, args![]).await?,
    };
    row.map_or(Ok(0), |mut row| row.int())
}

/// Who was owed something at an earlier look in the hour, and is owed nothing now, has a row with nothing.
const OWED_IN_HOUR: Statement = Statement::new(
    "owed_in_hour",
    formatcp!(
        "SELECT subscription_id, CAST(sum(one) AS BIGINT)
         FROM (SELECT subscription_id, 1 AS one FROM ({OPEN}) AS open
               UNION ALL
               SELECT subscription_id, 0 FROM delivery_hours WHERE hour = $1 AND owed > 0) AS looked
         GROUP BY subscription_id
         ORDER BY subscription_id"
    ),
);

/// Rows that are written in one statement.
const NOTED_AT_ONCE: usize = 256;

/// Counted by itself: on SQLite nobody writes while a statement that writes counts. Rows are locked in the order of
/// their ids, as [`change`](crate::Store::change) does.
pub(crate) async fn note_owed(sql: &impl Sql, now: Timestamp) -> Result<()> {
    let hour = hour_of(now).as_micros();
    let rows = sql.read(&OWED_IN_HOUR, args![hour]).await?;
    let owed: Result<Vec<(SubscriptionId, i64)>> =
        rows.into_iter().map(|mut row| Ok((row.id()?, row.int()?))).collect();
    for chunk in owed?.chunks(NOTED_AT_ONCE) {
        let (mut values, mut args) = (Vec::with_capacity(chunk.len()), args![hour]);
        for &(subscription, count) in chunk {
            args.extend([Value::id(subscription), count.into()]);
            values.push(format!("($1, ${}, 0, 0, 0, 0, 0, 0, 0, ${})", args.len() - 1, args.len()));
        }
        let text = NOTE_OWED.replace("{rows}", &values.join(", "));
        sql.write(&Statement::made("note_owed", text), args).await?;
    }
    Ok(())
}

const NOTE_OWED: &str = "INSERT INTO delivery_hours
        (hour, subscription_id, successful, failed, attempts, errors, answers, answer_us, answer_us_max, owed)
    VALUES {rows}
    ON CONFLICT (hour, subscription_id) DO UPDATE SET owed = excluded.owed";

const REMOVE_HOURS: Statement = Statement::new(
    "remove_hours",
    "DELETE FROM delivery_hours WHERE (hour, subscription_id) IN
        (SELECT hour, subscription_id FROM delivery_hours WHERE hour < $1 ORDER BY hour, subscription_id LIMIT $2)",
);

pub(crate) async fn remove_hours(sql: &impl Sql, before: Timestamp, limit: u32) -> Result<u64> {
    sql.write(&REMOVE_HOURS, args![before.as_micros(), i64::from(limit)]).await
}
