//! Reading the log.

use std::sync::{Arc, LazyLock};

use const_format::formatcp;
use domain::{Event, EventId, Timestamp, UserId};

use crate::rows::EVENT;
use crate::sql::{Select, Sql, Statement, Value, args};
use crate::{
    Counted, EVENTS_PER_CALL_MAX, EventCount, EventFilter, Logged, Page, Position, Result, StoreError,
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] =
    &[&READ, &READ_OF, &REMOVED_TO, &ONE, &COUNT_ALL, &COUNT_OF_USER];

const READ: Statement = Statement::new(
    "read_log",
    formatcp!("SELECT {EVENT} FROM events WHERE position > $1 ORDER BY position LIMIT $2"),
);

pub(crate) async fn read(sql: &impl Sql, after: Position, limit: u32) -> Result<Vec<Logged>> {
    let rows = sql.read(&READ, args![after.0, i64::from(limit)]).await?;
    rows.into_iter().map(|mut row| row.event()).collect()
}

const READ_OF: Statement = Statement::new(
    "read_log_of",
    formatcp!("SELECT {EVENT} FROM events WHERE user_id = $1 AND position > $2 ORDER BY position LIMIT $3"),
);

pub(crate) async fn read_of(
    sql: &impl Sql,
    user: &UserId,
    after: Position,
    limit: u32,
) -> Result<Vec<Logged>> {
    let rows = sql.read(&READ_OF, args![user.as_str(), after.0, i64::from(limit)]).await?;
    rows.into_iter().map(|mut row| row.event()).collect()
}

const REMOVED_TO: Statement = Statement::new("removed_to", "SELECT position FROM log_removed");

pub(crate) async fn removed_to(sql: &impl Sql) -> Result<Position> {
    let row = sql.read_one(&REMOVED_TO, args![]).await?;
    Ok(Position(row.map_or(Ok(0), |mut row| row.int())?))
}

const ONE: Statement = Statement::new("event", formatcp!("SELECT {EVENT} FROM events WHERE id = $1"));

pub(crate) async fn event(sql: &impl Sql, id: EventId) -> Result<Option<Logged>> {
    let row = sql.read_one(&ONE, args![Value::id(id)]).await?;
    row.map(|mut row| row.event()).transpose()
}

/// Read by as many ids each time, so that it is one statement, prepared once; fewer are filled up with the last.
static SOME: LazyLock<Statement> = LazyLock::new(|| {
    let numbers: Vec<_> = (1..=EVENTS_PER_CALL_MAX).map(|number| format!("${number}")).collect();
    let columns = EVENT.replace(", raw", ", NULL AS raw");
    let numbers = numbers.join(", ");
    Statement::made("events_of", format!("SELECT {columns} FROM events WHERE id IN ({numbers}) ORDER BY id"))
});

pub(crate) async fn events_of(sql: &impl Sql, ids: &[EventId]) -> Result<Vec<Arc<Event>>> {
    let Some(last) = ids.last() else { return Ok(Vec::new()) };
    if ids.len() > EVENTS_PER_CALL_MAX {
        return Err(StoreError::Refused(format!("{} events in one call", ids.len())));
    }
    let ids = ids.iter().chain(std::iter::repeat(last)).take(EVENTS_PER_CALL_MAX);
    let rows = sql.read(&SOME, ids.map(|id| Value::id(*id)).collect()).await?;
    rows.into_iter().map(|mut row| Ok(row.event()?.event)).collect()
}

/// What [`events_of`] runs.
#[cfg(test)]
pub(crate) fn some() -> Statement {
    SOME.clone()
}

pub(crate) async fn events(
    sql: &impl Sql,
    filter: &EventFilter,
    page: &Page<EventId>,
) -> Result<Vec<Logged>> {
    let (statement, args) = select(filter, page);
    sql.read(&statement, args).await?.into_iter().map(|mut row| row.event()).collect()
}

fn select(filter: &EventFilter, page: &Page<EventId>) -> (Statement, Vec<Value>) {
    let first_at = |moment: Timestamp| Value::id(EventId::first_at(moment));
    Select::new(formatcp!("SELECT {EVENT} FROM events"))
        .and("user_id =", filter.user_id.as_ref().map(|user| user.as_str()))
        .and("event_type =", filter.event_type.as_ref().map(|event_type| event_type.as_str()))
        .and("source =", filter.source.as_deref())
        .and("id >=", filter.since.map(first_at))
        .and("id <", filter.until.map(first_at))
        .and("id <", page.before.map(Value::id))
        .newest_first("events", page.limit)
}

/// The filter with everything in it, and with nothing.
#[cfg(test)]
pub(crate) fn any_filter() -> [Statement; 2] {
    let moment = Some(Timestamp::from_seconds(0));
    let full = EventFilter {
        user_id: Some("u".parse().expect("a user id")),
        event_type: Some("a.b".parse().expect("a type")),
        source: Some("api".to_owned()),
        since: moment,
        until: moment,
    };
    let page = Page { before: moment.map(EventId::first_at), limit: 1 };
    [select(&full, &page).0, select(&EventFilter::default(), &Page::first(1)).0]
}

macro_rules! count {
    ($user:literal) => {
        concat!(
            "SELECT received_at / $1 * $1 AS bucket, source, event_type, count(*) FROM events ",
            "WHERE id >= $2 AND id < $3 AND received_at >= $4 AND received_at < $5",
            $user,
            " GROUP BY bucket, source, event_type ORDER BY bucket, source, event_type",
        )
    };
}

const COUNT_ALL: Statement = Statement::new("event_counts", count!(""));
const COUNT_OF_USER: Statement = Statement::new("event_counts_of_user", count!(" AND user_id = $6"));

pub(crate) async fn counts(sql: &impl Sql, counted: &Counted) -> Result<Vec<EventCount>> {
    let bucket_micros = i64::from(counted.bucket_seconds.max(1)) * 1_000_000;
    // The ids narrow the span down by the millisecond, the times cut it exactly.
    let past = Timestamp::from_micros(counted.until.as_micros().saturating_add(1_000));
    let mut args = args![
        bucket_micros,
        Value::id(EventId::first_at(counted.since)),
        Value::id(EventId::first_at(past)),
        counted.since.as_micros(),
        counted.until.as_micros(),
    ];
    let statement = match &counted.user_id {
        Some(user) => {
            args.push(user.as_str().into());
            &COUNT_OF_USER
        }
        None => &COUNT_ALL,
    };
    let rows = sql.read(statement, args).await?;
    rows.into_iter()
        .map(|mut row| {
            Ok(EventCount {
                bucket: row.time()?,
                source: row.text()?.to_string(),
                event_type: row.parsed()?,
                count: row.int()?,
            })
        })
        .collect()
}
