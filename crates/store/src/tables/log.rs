//! Reading the log.

use std::sync::{Arc, LazyLock};

use const_format::formatcp;
use domain::{Event, EventId, Timestamp, UserId};

use crate::rows::{EVENT, EVENT_OF_USER};
use crate::sql::{Select, Sql, Statement, Value, args};
use crate::{
    Counted, EVENTS_PER_CALL_MAX, EventCount, EventFilter, Logged, Page, Position, Result, StoreError,
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] = &[&READ, &REMOVED_TO, &ONE];

const READ: Statement = Statement::new(
    "read_log",
    formatcp!("SELECT {EVENT} FROM events WHERE position > $1 ORDER BY position LIMIT $2"),
);

pub(crate) async fn read(sql: &impl Sql, after: Position, limit: u32) -> Result<Vec<Logged>> {
    let rows = sql.read(&READ, args![after.0, i64::from(limit)]).await?;
    rows.into_iter().map(|mut row| row.event()).collect()
}

fn read_of_user<S: Sql>() -> Statement {
    let conditions = "mine.user_id = $1 AND mine.position > $2 ORDER BY mine.position LIMIT $3";
    let text = format!("SELECT {EVENT_OF_USER} FROM {} WHERE {conditions}", S::USER_EVENTS);
    Statement::made("read_log_of", text)
}

pub(crate) async fn read_of<S: Sql>(
    sql: &S,
    user: &UserId,
    after: Position,
    limit: u32,
) -> Result<Vec<Logged>> {
    sql.index_events_of(user).await?;
    let rows = sql.read(&read_of_user::<S>(), args![user.as_str(), after.0, i64::from(limit)]).await?;
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

pub(crate) async fn events<S: Sql>(
    sql: &S,
    filter: &EventFilter,
    page: &Page<EventId>,
) -> Result<Vec<Logged>> {
    if let Some(user) = &filter.user_id {
        sql.index_events_of(user).await?;
    }
    let (statement, args) = select::<S>(filter, page);
    sql.read(&statement, args).await?.into_iter().map(|mut row| row.event()).collect()
}

fn select<S: Sql>(filter: &EventFilter, page: &Page<EventId>) -> (Statement, Vec<Value>) {
    let first_at = |moment: Timestamp| Value::id(EventId::first_at(moment));
    let all_or_theirs = filter.user_id.as_ref().map_or("events AS mine", |_| S::USER_EVENTS);
    Select::new(&format!("SELECT {EVENT_OF_USER} FROM {all_or_theirs}"))
        .and("mine.user_id =", filter.user_id.as_ref().map(|user| user.as_str()))
        .and("event_type =", filter.event_type.as_ref().map(|event_type| event_type.as_str()))
        .and("source =", filter.source.as_deref())
        .and("mine.id >=", filter.since.map(first_at))
        .and("mine.id <", filter.until.map(first_at))
        .and("mine.id <", page.before.map(Value::id))
        .newest_first("events", page.limit)
}

/// What is put together for an engine: of one user, with all that may be asked, and of everyone.
#[cfg(test)]
pub(crate) fn made<S: Sql>() -> Vec<Statement> {
    let moment = Timestamp::from_seconds(0);
    let user: UserId = "u".parse().expect("a user id");
    let full = EventFilter {
        user_id: Some(user.clone()),
        event_type: Some("a.b".parse().expect("a type")),
        source: Some("api".to_owned()),
        since: Some(moment),
        until: Some(moment),
    };
    let page = Page { before: Some(EventId::first_at(moment)), limit: 1 };
    let count_of =
        |user_id| count::<S>(&Counted { user_id, since: moment, until: moment, bucket_seconds: 1 });
    vec![
        read_of_user::<S>(),
        select::<S>(&full, &page).0,
        select::<S>(&EventFilter::default(), &Page::first(1)).0,
        count_of(Some(user)),
        count_of(None),
    ]
}

fn count<S: Sql>(counted: &Counted) -> Statement {
    let (name, all_or_theirs, of_user) = match counted.user_id {
        Some(_) => ("event_counts_of_user", S::USER_EVENTS, "AND mine.user_id = $6"),
        None => ("event_counts", "events AS mine", ""),
    };
    let text = format!(
        "SELECT received_at / $1 * $1 AS bucket, source, event_type, count(*) FROM {all_or_theirs}
         WHERE mine.id >= $2 AND mine.id < $3 AND received_at >= $4 AND received_at < $5 {of_user}
         GROUP BY bucket, source, event_type ORDER BY bucket, source, event_type"
    );
    Statement::made(name, text)
}

pub(crate) async fn counts<S: Sql>(sql: &S, counted: &Counted) -> Result<Vec<EventCount>> {
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
    if let Some(user) = &counted.user_id {
        sql.index_events_of(user).await?;
        args.push(user.as_str().into());
    }
    let rows = sql.read(&count::<S>(counted), args).await?;
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
