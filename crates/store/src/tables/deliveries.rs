//! Reading deliveries and their attempts.

use std::collections::BTreeMap;

use const_format::formatcp;
use domain::attempt::Attempt;
use domain::delivery::{Delivery, Status};
use domain::{DeliveryId, EventType, NodeId, SubscriptionId, Timestamp};

use crate::rows::{ATTEMPT, DELIVERY};
use crate::sql::{Row, Select, Sql, Statement, Value, args};
use crate::{DeliveryFilter, Page, Result, Waiting};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] =
    &[&WAITING, &OVERDUE, &LAPSED_BY_DEADLINE, &LAPSED_BY_NODE, &ONE, &ATTEMPTS];

/// The least subscription with something that waits, then the least above it, and so on. (PostgreSQL 15 has no `min` of
/// ids.)
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

/// Counts no further than the limit: of a backlog nobody needs to know more than that it is one. What stands in a line
/// has an index of its own.
const OVERDUE: Statement = Statement::new(
    "overdue",
    "SELECT event_type, count(*)
     FROM (SELECT event_type
           FROM (SELECT * FROM (SELECT event_type, next_attempt_at FROM deliveries
                                WHERE subscription_id = $1 AND status IN ('pending', 'retrying')
                                  AND ordering_key IS NULL AND next_attempt_at <= $2
                                ORDER BY next_attempt_at LIMIT $3) AS alone
                 UNION ALL
                 SELECT * FROM (SELECT event_type, next_attempt_at FROM deliveries
                                WHERE subscription_id = $1 AND status IN ('pending', 'retrying')
                                  AND ordering_key IS NOT NULL AND next_attempt_at <= $2
                                ORDER BY next_attempt_at LIMIT $3) AS in_line) AS both_kinds
           ORDER BY next_attempt_at LIMIT $3) AS due
     GROUP BY event_type ORDER BY event_type",
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
        "SELECT {DELIVERY} FROM deliveries
         WHERE status = 'processing' AND claim_deadline <= $1 ORDER BY claim_deadline, id LIMIT $2"
    ),
);

/// Of what is claimed there is an index, by deadline: it is asked for as if deadlines mattered.
const LAPSED_BY_NODE: Statement = Statement::new(
    "lapsed_by_node",
    formatcp!(
        "SELECT {DELIVERY} FROM deliveries
         WHERE status = 'processing' AND claim_deadline > 0 AND claimed_by = $1 ORDER BY claim_deadline, id LIMIT $2"
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
        .and_fixed(filter.status.map(has_status))
        .and("event_type =", filter.event_type.as_ref().map(|event_type| event_type.as_str()))
        .and("id >=", filter.since.map(first_at))
        .and("id <", filter.until.map(first_at))
        .and("id <", page.before.map(Value::id))
        .newest_first("deliveries", page.limit)
}

/// What waits is in an index for two statuses.
const fn has_status(status: Status) -> &'static str {
    match status {
        Status::Pending => "status IN ('pending', 'retrying') AND status = 'pending'",
        Status::Processing => "status = 'processing'",
        Status::Retrying => "status = 'retrying'",
        Status::Held => "status = 'held'",
        Status::Success => "status = 'success'",
        Status::Failed => "status = 'failed'",
        Status::Cancelled => "status = 'cancelled'",
    }
}

/// Filters that mean few of many: an index must serve them. (What is pending, processing or has arrived is plentiful,
/// or among the newest: such a list walks along the ids, and so does one of a type alone.)
#[cfg(test)]
pub(crate) fn narrow_filters() -> Vec<Statement> {
    let moment = Timestamp::from_seconds(0);
    let (subscription_id, event_id) =
        (Some(SubscriptionId::first_at(moment)), Some(domain::EventId::first_at(moment)));
    let owner_id = Some("u".parse().expect("a user id"));
    let none = DeliveryFilter::default();
    let whose = [
        DeliveryFilter { owner_id, ..none.clone() },
        DeliveryFilter { subscription_id, ..none.clone() },
        DeliveryFilter { event_id, ..none.clone() },
    ];
    let rare = [Status::Retrying, Status::Held, Status::Failed, Status::Cancelled];
    let in_status = |filter: &DeliveryFilter, status| DeliveryFilter { status, ..filter.clone() };
    let alone = rare.map(|status| in_status(&none, Some(status)));
    let both = whose.iter().flat_map(|whose| Status::ALL.map(|status| in_status(whose, Some(status))));
    let filters: Vec<_> = both.chain(alone).chain(whose.clone()).collect();
    filters.iter().map(|filter| select(filter, &Page::first(1)).0).collect()
}

/// The filter with everything in it, and with nothing.
#[cfg(test)]
pub(crate) fn any_filter() -> [Statement; 2] {
    let moment = Some(Timestamp::from_seconds(0));
    let full = DeliveryFilter {
        owner_id: Some("u".parse().expect("a user id")),
        subscription_id: moment.map(domain::SubscriptionId::first_at),
        event_id: moment.map(domain::EventId::first_at),
        status: Some(Status::Failed),
        event_type: Some("a.b".parse().expect("a type")),
        since: moment,
        until: moment,
    };
    let page = Page { before: moment.map(DeliveryId::first_at), limit: 1 };
    [select(&full, &page).0, select(&DeliveryFilter::default(), &Page::first(1)).0]
}
