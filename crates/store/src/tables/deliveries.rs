//! Reading deliveries and their attempts.

use std::collections::BTreeMap;

use const_format::formatcp;
use domain::attempt::Attempt;
use domain::delivery::Delivery;
use domain::{DeliveryId, EventType, NodeId, SubscriptionId, Timestamp};

use crate::rows::{ATTEMPT, DELIVERY};
use crate::sql::{Row, Select, Sql, Statement, Value, args};
use crate::{DeliveryFilter, Page, Result, Waiting};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] =
    &[&WAITING, &OVERDUE, &LAPSED_BY_DEADLINE, &LAPSED_BY_NODE, &ONE, &ATTEMPTS];

/// The least subscription with something that waits, then the least above it, and so on. (PostgreSQL 15 has no `min` of ids.)
macro_rules! hops {
    ($cte:literal, $which:literal) => {
        concat!(
            "SELECT (SELECT subscription_id FROM deliveries WHERE status IN ('pending', 'retrying') AND ",
            $which,
            " ORDER BY subscription_id LIMIT 1)
             UNION ALL
             SELECT (SELECT subscription_id FROM deliveries WHERE status IN ('pending', 'retrying') AND ",
            $which,
            " AND subscription_id > ",
            $cte,
            ".id ORDER BY subscription_id LIMIT 1) FROM ",
            $cte,
            " WHERE ",
            $cte,
            ".id IS NOT NULL"
        )
    };
}

/// Hops from subscription to subscription through the index of what waits, so that a hundred thousand deliveries of one
/// subscription cost as little as one. What stands in a line has an index of its own.
const WAITING: Statement = Statement::new(
    "waiting",
    formatcp!(
        "WITH RECURSIVE alone (id) AS ({ALONE}), in_line (id) AS ({IN_LINE})
         SELECT id, (SELECT min(next_attempt_at) FROM deliveries
                     WHERE status IN ('pending', 'retrying') AND ordering_key IS NULL AND subscription_id = alone.id)
         FROM alone WHERE id IS NOT NULL
         UNION ALL
         SELECT id, (SELECT min(next_attempt_at) FROM deliveries
                     WHERE status IN ('pending', 'retrying') AND ordering_key IS NOT NULL AND subscription_id = in_line.id)
         FROM in_line WHERE id IS NOT NULL"
    ),
);

const ALONE: &str = hops!("alone", "ordering_key IS NULL");
const IN_LINE: &str = hops!("in_line", "ordering_key IS NOT NULL");

pub(crate) async fn waiting(sql: &impl Sql) -> Result<Vec<Waiting>> {
    let rows = sql.read(&WAITING, args![]).await?;
    let mut first_due = BTreeMap::new();
    for mut row in rows {
        let subscription_id = row.id()?;
        // Null: claimed by somebody between the two halves of the statement.
        if let Some(due_at) = row.time_or_null()? {
            let first = first_due.entry(subscription_id).or_insert(due_at);
            *first = due_at.min(*first);
        }
    }
    Ok(first_due.into_iter().map(|(subscription_id, due_at)| Waiting { subscription_id, due_at }).collect())
}

macro_rules! due {
    ($which:literal) => {
        concat!(
            "SELECT * FROM (SELECT event_type FROM deliveries
             WHERE subscription_id = $1 AND status IN ('pending', 'retrying') AND next_attempt_at <= $2 AND ",
            $which,
            " ORDER BY next_attempt_at LIMIT $3) AS due"
        )
    };
}

/// Counts no further than the limit: of a backlog nobody needs to know more than that it is one.
const OVERDUE: Statement = Statement::new(
    "overdue",
    concat!(
        "SELECT event_type, count(*) FROM (SELECT * FROM (",
        due!("ordering_key IS NULL"),
        " UNION ALL ",
        due!("ordering_key IS NOT NULL"),
        ") AS either LIMIT $3) AS due GROUP BY event_type ORDER BY event_type"
    ),
);

pub(crate) async fn overdue(
    sql: &impl Sql,
    id: SubscriptionId,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<(EventType, u32)>> {
    let rows = sql.read(&OVERDUE, args![Value::id(id), now.as_micros(), i64::from(limit)]).await?;
    let count = |mut row: Row| Ok((row.parsed()?, u32::try_from(row.int()?).unwrap_or(limit)));
    rows.into_iter().map(count).collect()
}

const LAPSED_BY_DEADLINE: Statement = Statement::new(
    "lapsed",
    formatcp!(
        "SELECT {DELIVERY} FROM deliveries WHERE status = 'processing' AND claim_deadline <= $1 ORDER BY id LIMIT $2"
    ),
);

const LAPSED_BY_NODE: Statement = Statement::new(
    "lapsed_by_node",
    formatcp!(
        "SELECT {DELIVERY} FROM deliveries WHERE status = 'processing' AND claimed_by = $1 ORDER BY id LIMIT $2"
    ),
);

pub(crate) async fn lapsed(
    sql: &impl Sql,
    dead: Option<NodeId>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Delivery>> {
    let limit = i64::from(limit);
    let rows = match dead {
        Some(node) => sql.read(&LAPSED_BY_NODE, args![node.to_string(), limit]).await?,
        None => sql.read(&LAPSED_BY_DEADLINE, args![now.as_micros(), limit]).await?,
    };
    rows.into_iter().map(|mut row| row.delivery()).collect()
}

const ONE: Statement =
    Statement::new("delivery", formatcp!("SELECT {DELIVERY} FROM deliveries WHERE id = $1"));

pub(crate) async fn one(sql: &impl Sql, id: DeliveryId) -> Result<Option<Delivery>> {
    let row = sql.read_one(&ONE, args![Value::id(id)]).await?;
    row.map(|mut row| row.delivery()).transpose()
}

const ATTEMPTS: Statement = Statement::new(
    "attempts",
    formatcp!("SELECT {ATTEMPT} FROM attempts WHERE delivery_id = $1 ORDER BY number"),
);

pub(crate) async fn attempts(sql: &impl Sql, id: DeliveryId) -> Result<Vec<Attempt>> {
    let rows = sql.read(&ATTEMPTS, args![Value::id(id)]).await?;
    rows.into_iter().map(|mut row| row.attempt()).collect()
}

pub(crate) async fn list(
    sql: &impl Sql,
    filter: &DeliveryFilter,
    page: &Page<DeliveryId>,
) -> Result<Vec<Delivery>> {
    let (statement, args) = select(filter, page);
    sql.read(&statement, args).await?.into_iter().map(|mut row| row.delivery()).collect()
}

fn select(filter: &DeliveryFilter, page: &Page<DeliveryId>) -> (Statement, Vec<Value>) {
    let first_at = |moment: Timestamp| Value::id(DeliveryId::first_at(moment));
    Select::new(formatcp!("SELECT {DELIVERY} FROM deliveries"))
        .and("owner_id =", filter.owner_id.as_ref().map(|owner| owner.as_str()))
        .and("subscription_id =", filter.subscription_id.map(Value::id))
        .and("event_id =", filter.event_id.map(Value::id))
        .and("status =", filter.status.map(|status| status.as_str()))
        .and("event_type =", filter.event_type.as_ref().map(|event_type| event_type.as_str()))
        .and("id >=", filter.since.map(first_at))
        .and("id <", filter.until.map(first_at))
        .and("id <", page.before.map(Value::id))
        .newest_first("deliveries", page.limit)
}

/// The filter with everything in it, and with nothing.
#[cfg(test)]
pub(crate) fn any_filter() -> [Statement; 2] {
    let moment = Some(Timestamp::from_seconds(0));
    let full = DeliveryFilter {
        owner_id: Some("u".parse().expect("a user id")),
        subscription_id: moment.map(domain::SubscriptionId::first_at),
        event_id: moment.map(domain::EventId::first_at),
        status: Some(domain::delivery::Status::Failed),
        event_type: Some("a.b".parse().expect("a type")),
        since: moment,
        until: moment,
    };
    let page = Page { before: moment.map(DeliveryId::first_at), limit: 1 };
    [select(&full, &page).0, select(&DeliveryFilter::default(), &Page::first(1)).0]
}
