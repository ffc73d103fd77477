//! What has been kept for long enough.
//!
//! Ids begin with the time at which they were made, so what is oldest is found by walking along them. The walk only
//! reads, and goes on where it ended: what stays for longer is not looked at again and again.

use domain::{DeliveryId, EventId, EventType, Timestamp};

use crate::Result;
use crate::sql::{Sql, Statement, Value, args};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] =
    &[&OLDEST_EVENTS, &OLDEST_ENDED, &OLDEST_TRIED, &REMOVE_EXPIRED_KEYS];

/// Less than any id.
const BEFORE_ALL: Value = Value::Id([0; 16]);

const OLDEST_EVENTS: Statement = Statement::new(
    "oldest_events",
    "SELECT id, event_type FROM events WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3",
);

pub(crate) async fn oldest_events(
    sql: &impl Sql,
    after: Option<EventId>,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<(EventId, EventType)>> {
    let after = after.map_or(BEFORE_ALL, Value::id);
    let args = args![after, Value::id(EventId::first_at(before)), i64::from(limit)];
    let rows = sql.read(&OLDEST_EVENTS, args).await?;
    rows.into_iter().map(|mut row| Ok((row.id()?, row.parsed()?))).collect()
}

const OLDEST_ENDED: Statement = Statement::new(
    "oldest_ended",
    "SELECT id FROM deliveries
     WHERE id > $1 AND id < $2 AND status IN ('success', 'failed', 'cancelled')
     ORDER BY id LIMIT $3",
);

pub(crate) async fn oldest_ended(
    sql: &impl Sql,
    after: Option<DeliveryId>,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<DeliveryId>> {
    deliveries(sql, &OLDEST_ENDED, after, before, limit).await
}

const OLDEST_TRIED: Statement = Statement::new(
    "oldest_tried",
    "SELECT DISTINCT delivery_id FROM attempts
     WHERE delivery_id > $1 AND delivery_id < $2
     ORDER BY delivery_id LIMIT $3",
);

pub(crate) async fn oldest_tried(
    sql: &impl Sql,
    after: Option<DeliveryId>,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<DeliveryId>> {
    deliveries(sql, &OLDEST_TRIED, after, before, limit).await
}

async fn deliveries(
    sql: &impl Sql,
    statement: &Statement,
    after: Option<DeliveryId>,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<DeliveryId>> {
    let after = after.map_or(BEFORE_ALL, Value::id);
    let args = args![after, Value::id(DeliveryId::first_at(before)), i64::from(limit)];
    let rows = sql.read(statement, args).await?;
    rows.into_iter().map(|mut row| row.id()).collect()
}

const REMOVE_EXPIRED_KEYS: Statement = Statement::new(
    "remove_expired_keys",
    "DELETE FROM idempotency
     WHERE key IN (SELECT key FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
);

pub(crate) async fn remove_expired_keys(sql: &impl Sql, now: Timestamp, limit: u32) -> Result<u64> {
    sql.write(&REMOVE_EXPIRED_KEYS, args![now.as_micros(), i64::from(limit)]).await
}
