//! Jobs, and what they walk along.

use const_format::formatcp;
use domain::delivery::{Delivery, Status};
use domain::job;
use domain::{DeliveryId, JobId, Timestamp, UserId};

use crate::rows::{DELIVERY, JOB, NOBODY};
use crate::sql::{Select, Sql, Statement, Value, args};
use crate::{Page, Past, PastEvent, Result, StoreError, StoredJob};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] = &[&CREATE, &ONE, &RUNNING, &REMOVE_ENDED];

/// PostgreSQL writes one together with the subscription that it is for.
pub(crate) const INSERT: &str =
    formatcp!("INSERT INTO jobs ({JOB}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)");

const CREATE: Statement = Statement::new("create_job", INSERT);

pub(crate) async fn create(sql: &impl Sql, job: &StoredJob) -> Result<()> {
    sql.write(&CREATE, insert_args(job)?).await.map(|_| ())
}

pub(crate) fn insert_args(stored: &StoredJob) -> Result<Vec<Value>> {
    let job = &stored.job;
    Ok(args![
        Value::id(job.id),
        job.owner_id.as_ref().map(UserId::as_str),
        work(stored)?,
        job.state.as_str(),
        total(stored),
        job.done as i64,
        job.failed as i64,
        job.error.as_deref(),
        job.created_at.as_micros(),
        finished_at(stored),
        node(stored),
        Value::id(stored.cursor),
        stored.revision,
    ])
}

/// The engines run it within larger transactions.
pub(crate) const UPDATE: &str = "UPDATE jobs
     SET work = $2, state = $3, total = $4, done = $5, failed = $6, error = $7, finished_at = $8, node = $9,
         cursor = $10, revision = revision + 1
     WHERE id = $1 AND revision = $11";

pub(crate) fn update_args(stored: &StoredJob) -> Result<Vec<Value>> {
    let job = &stored.job;
    Ok(args![
        Value::id(job.id),
        work(stored)?,
        job.state.as_str(),
        total(stored),
        job.done as i64,
        job.failed as i64,
        job.error.as_deref(),
        finished_at(stored),
        node(stored),
        Value::id(stored.cursor),
        stored.revision,
    ])
}

fn work(stored: &StoredJob) -> Result<String> {
    serde_json::to_string(&stored.job.work).map_err(|error| StoreError::Refused(error.to_string()))
}

fn total(stored: &StoredJob) -> i64 {
    stored.job.total.map_or(-1, |total| total as i64)
}

fn finished_at(stored: &StoredJob) -> i64 {
    stored.job.finished_at.map_or(0, Timestamp::as_micros)
}

fn node(stored: &StoredJob) -> Value {
    stored.node.map_or(Value::Id(NOBODY), Value::id)
}

const ONE: Statement = Statement::new("job", formatcp!("SELECT {JOB} FROM jobs WHERE id = $1"));

pub(crate) async fn one(sql: &impl Sql, id: JobId) -> Result<Option<StoredJob>> {
    let row = sql.read_one(&ONE, args![Value::id(id)]).await?;
    row.map(|mut row| row.job()).transpose()
}

pub(crate) async fn list(
    sql: &impl Sql,
    owner: Option<&UserId>,
    page: &Page<JobId>,
) -> Result<Vec<StoredJob>> {
    let (statement, args) = Select::new(formatcp!("SELECT {JOB} FROM jobs"))
        .and("owner_id =", owner.map(UserId::as_str))
        .and("id <", page.before.map(Value::id))
        .newest_first("jobs", page.limit);
    sql.read(&statement, args).await?.into_iter().map(|mut row| row.job()).collect()
}

const RUNNING: Statement = Statement::new(
    "running_jobs",
    formatcp!("SELECT {JOB} FROM jobs WHERE state = 'running' ORDER BY id LIMIT $1"),
);

pub(crate) async fn running(sql: &impl Sql, limit: u32) -> Result<Vec<StoredJob>> {
    let rows = sql.read(&RUNNING, args![i64::from(limit)]).await?;
    rows.into_iter().map(|mut row| row.job()).collect()
}

const REMOVE_ENDED: Statement = Statement::new(
    "remove_ended_jobs",
    "DELETE FROM jobs
     WHERE id IN (SELECT id FROM jobs WHERE id < $1 AND state <> 'running' ORDER BY id LIMIT $2)",
);

pub(crate) async fn remove_ended(sql: &impl Sql, before: Timestamp, limit: u32) -> Result<u64> {
    sql.write(&REMOVE_ENDED, args![Value::id(JobId::first_at(before)), i64::from(limit)]).await
}

/// How an event stands with subscription `$3`, as [`domain::job::Standing`] says. It reads all deliveries of the event,
/// which are few, and never those of the subscription, which may be many.
const STANDING: &str =
    "(SELECT CAST(max(CASE WHEN subscription_id <> $3 THEN 0 WHEN status = 'cancelled' THEN 1
                                              WHEN status = 'failed' THEN 2 ELSE 3 END) AS BIGINT)
                         FROM deliveries WHERE event_id = mine.id)";

/// The columns of an event, without what is large.
const PAST: &str = formatcp!(
    "SELECT mine.position, mine.id, event_type, mine.user_id, source, provider, occurred_at, received_at,
            'null' AS data, NULL AS raw, CAST(octet_length(data) AS BIGINT) AS data_bytes, {STANDING} AS standing"
);

fn past<S: Sql>(of_user: bool) -> Statement {
    let (name, all_or_theirs, condition) = match of_user {
        true => ("past_events_of_user", S::USER_EVENTS, "AND mine.user_id = $5"),
        false => ("past_events", "events AS mine", ""),
    };
    let text = format!(
        "{PAST} FROM {all_or_theirs} WHERE mine.id > $1 AND mine.id <= $2 {condition} ORDER BY mine.id LIMIT $4"
    );
    Statement::made(name, text)
}

/// What is put together for an engine.
#[cfg(test)]
pub(crate) fn made<S: Sql>() -> [Statement; 2] {
    [past::<S>(true), past::<S>(false)]
}

pub(crate) async fn past_events<S: Sql>(sql: &S, meant: &Past, limit: u32) -> Result<Vec<PastEvent>> {
    let mut args = args![
        Value::id(meant.after),
        Value::id(meant.last),
        Value::id(meant.subscription_id),
        i64::from(limit),
    ];
    if let Some(user) = &meant.user_id {
        sql.index_events_of(user).await?;
        args.push(user.as_str().into());
    }
    let rows = sql.read(&past::<S>(meant.user_id.is_some()), args).await?;
    rows.into_iter().map(|mut row| row.past_event()).collect()
}

pub(crate) async fn past_deliveries(
    sql: &impl Sql,
    filter: &job::Filter,
    after: DeliveryId,
    last: DeliveryId,
    limit: u32,
) -> Result<Vec<Delivery>> {
    let select =
        Select::new(formatcp!("SELECT {DELIVERY} FROM deliveries")).and("id >", Some(Value::id(after)));
    let (statement, args) = meant(select, filter, last).oldest_first("past_deliveries", limit);
    sql.read(&statement, args).await?.into_iter().map(|mut row| row.delivery()).collect()
}

pub(crate) async fn count_deliveries(sql: &impl Sql, filter: &job::Filter, last: DeliveryId) -> Result<u64> {
    let select = Select::new("SELECT count(*) FROM deliveries");
    let (statement, args) = meant(select, filter, last).unordered("count_deliveries");
    let row = sql.read_one(&statement, args).await?;
    let mut row = row.ok_or_else(|| StoreError::Corrupt("a count without a row".to_owned()))?;
    Ok(row.int()?.unsigned_abs())
}

fn meant(select: Select, filter: &job::Filter, last: DeliveryId) -> Select {
    let first_at = |moment: Timestamp| Value::id(DeliveryId::first_at(moment));
    select
        .and("id <=", Some(Value::id(last)))
        .and("owner_id =", filter.owner_id.as_ref().map(|owner| owner.as_str()))
        .and("subscription_id =", filter.subscription_id.map(Value::id))
        .and("event_type =", filter.event_type.as_ref().map(|event_type| event_type.as_str()))
        .and("id >=", filter.since.map(first_at))
        .and("id <", filter.until.map(first_at))
        .and_fixed(Some(format!("status IN ({})", one_of(&filter.statuses))))
}

/// A list of statuses, written out: an index of some of them serves only a statement that names them.
fn one_of(statuses: &[Status]) -> String {
    let quoted: Vec<String> = statuses.iter().map(|status| format!("'{status}'")).collect();
    // None is met by none.
    if quoted.is_empty() { "''".to_owned() } else { quoted.join(", ") }
}

/// The filter with everything in it, and with nothing.
#[cfg(test)]
pub(crate) fn any_filter() -> [Statement; 2] {
    let moment = Timestamp::from_seconds(0);
    let (last, statuses) = (DeliveryId::first_at(moment), Status::ALL.to_vec());
    let full = job::Filter {
        owner_id: Some("u".parse().expect("a user id")),
        subscription_id: Some(domain::SubscriptionId::first_at(moment)),
        statuses,
        event_type: Some("a.b".parse().expect("a type")),
        since: Some(moment),
        until: Some(moment),
    };
    let walk = Select::new(formatcp!("SELECT {DELIVERY} FROM deliveries")).and("id >", Some(Value::id(last)));
    let count = Select::new("SELECT count(*) FROM deliveries");
    [
        meant(walk, &full, last).oldest_first("past_deliveries", 1).0,
        meant(count, &job::Filter::default(), last).unordered("count_deliveries").0,
    ]
}
