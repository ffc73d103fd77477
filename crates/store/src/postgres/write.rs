//! What PostgreSQL does in its own words: every write, each as one statement over arrays.

use std::collections::{HashMap, HashSet};

use const_format::str_replace;
use domain::attempt::{Attempt, ErrorCode};
use domain::batch::Batch;
use domain::delivery::{Claim, Delivery};
use domain::job::Only;
use domain::limits::BATCH_BYTES_MAX;
use domain::{DeliveryId, EventId, SourceId, SubscriptionId, Timestamp};
use sqlx::postgres::{PgArguments, PgRow, Postgres as Pg};
use sqlx::query::Query;
use sqlx::{FromRow, PgConnection};

use super::pool::End;
use super::uuid::{Uuid, uuid};
use super::{Postgres, bind, classify, unpack};
use crate::rows::{StateColumns, ordering_key_bytes, state_columns};
use crate::sql::{Row, Sql as _, Statement, Value, args};
use crate::*;

macro_rules! statements {
    ($($name:ident = $label:literal $text:expr;)*) => {
        $(const $name: Statement = Statement::new($label, $text);)*
        #[cfg(test)]
        pub(super) const STATEMENTS: &[&Statement] = &[$(&$name),*];
    };
}

/// A change of subscriptions, which moves the version of the routes if there are rows `of` what it changes.
macro_rules! moving_routes {
    ($of:literal, $change:expr) => {
        str_replace!(
            $change,
            "{move_routes}",
            str_replace!(
                str_replace!(include_str!("../../sql/postgres/move_routes.sql"), "{of}", $of),
                "{kept}",
                const_format::formatcp!("{ROUTE_CHANGES_KEPT}")
            )
        )
    };
}

statements! {
    APPEND = "append" include_str!("../../sql/postgres/append.sql");
    TAKE_KEYS = "take_keys" include_str!("../../sql/postgres/take_keys.sql");
    REPEATED = "repeated" "SELECT dedupe_key, id, position FROM events WHERE dedupe_key = ANY($1::bytea[])";
    CLAIM = "claim" str_replace!(
        str_replace!(include_str!("../../sql/postgres/claim.sql"), "{deliveries}", rows::DELIVERY_OF_TABLE),
        "{events}",
        rows::EVENT_OF_TABLE
    );
    CLAIM_BATCH = "claim_batch" str_replace!(
        str_replace!(include_str!("../../sql/postgres/claim_batch.sql"), "{deliveries}", rows::DELIVERY_OF_TABLE),
        "{events}",
        rows::EVENT_OF_TABLE
    );
    CHANGE = "change" include_str!("../../sql/postgres/change.sql");
    CLAIM_TASKS = "claim_tasks" include_str!("../../sql/postgres/claim_tasks.sql");
    LOCK_HEAD = "lock_head" include_str!("../../sql/postgres/lock_head.sql");
    CREATE_SUBSCRIPTION = "create_subscription" str_replace!(
        moving_routes!("", include_str!("../../sql/postgres/create_subscription.sql")),
        "{insert}",
        tables::subscriptions::INSERT
    );
    CREATE_STARTED_SUBSCRIPTION = "create_started_subscription" str_replace!(
        str_replace!(
            moving_routes!("", include_str!("../../sql/postgres/create_started_subscription.sql")),
            "{insert_job}",
            JOB_BESIDE_SUBSCRIPTION
        ),
        "{insert}",
        tables::subscriptions::INSERT
    );
    CHANGE_JOB = "change_job" tables::jobs::UPDATE;
    CHANGE_SUBSCRIPTION = "change_subscription" str_replace!(
        moving_routes!("FROM changed", include_str!("../../sql/postgres/change_subscription.sql")),
        "{update}",
        tables::subscriptions::UPDATE
    );
    DELETE_SUBSCRIPTION = "delete_subscription"
        moving_routes!("FROM deleted", include_str!("../../sql/postgres/delete_subscription.sql"));
    DELETE_SOURCE = "delete_source"
        "WITH removed AS (DELETE FROM sources WHERE id = $1 RETURNING revision)
         UPDATE removed_sources SET revisions = revisions + removed.revision + 1 FROM removed";
    LOCK_ROUTES = "lock_routes" "SELECT routes_version FROM log FOR UPDATE";
    OWE = "owe" include_str!("../../sql/postgres/owe.sql");
    REMOVE_EVENTS = "remove_events" include_str!("../../sql/postgres/remove_events.sql");
    REMOVE_DELIVERIES = "remove_deliveries" include_str!("../../sql/postgres/remove_deliveries.sql");
    REMOVE_ATTEMPTS = "remove_attempts"
        "DELETE FROM attempts WHERE delivery_id = ANY($1::uuid[]) RETURNING delivery_id";
}

/// The subscription's own eleven values come first.
const JOB_BESIDE_SUBSCRIPTION: &str = const_format::formatcp!(
    "INSERT INTO jobs ({}) VALUES ($12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)",
    rows::JOB
);

/// Gathers a column of an array of rows.
macro_rules! column {
    ($rows:expr, $row:ident => $value:expr) => {
        $rows.iter().map(|$row| $value).collect::<Vec<_>>()
    };
}

type Bound = Query<'static, Pg, PgArguments>;

async fn fetch(
    postgres: &Postgres,
    name: &'static str,
    fetching: impl Future<Output = Result<Vec<PgRow>>>,
) -> Result<Vec<Row>> {
    postgres.counters.count(name);
    fetching.await?.iter().map(unpack).collect()
}

pub(super) async fn append(
    postgres: &Postgres,
    appends: &[Append],
    routes: RoutesVersion,
    now: Timestamp,
) -> Result<Appended> {
    let Some(taken) = taken_keys(postgres, appends, routes, now).await? else {
        return Ok(Appended::StaleRoutes);
    };
    let wanted = appends.iter().zip(&taken).filter(|&(_, &is_taken)| !is_taken).map(|(append, _)| append);
    let events: Vec<&NewEvent> = wanted.flat_map(|append| &append.events).collect();
    let Some(new) = insert(postgres, &events, routes).await? else { return Ok(Appended::StaleRoutes) };
    let mut kept = tell_repeats(postgres, &events, &new).await?.into_iter();
    let answer = |(append, is_taken): (&Append, bool)| match is_taken {
        true => Kept::KeyTaken,
        false => Kept::Events(kept.by_ref().take(append.events.len()).collect()),
    };
    Ok(Appended::Durable(appends.iter().zip(taken).map(answer).collect()))
}

/// Which appends come with a key that stands for another body. `None`: the routes are stale.
///
/// The keys are taken before the events are written. Should nothing follow, a key only stands for a body that the same
/// caller may send again.
async fn taken_keys(
    postgres: &Postgres,
    appends: &[Append],
    routes: RoutesVersion,
    now: Timestamp,
) -> Result<Option<Vec<bool>>> {
    let mut first: HashMap<&[u8], &Idempotency> = HashMap::new();
    for idempotency in appends.iter().filter_map(|append| append.idempotency.as_ref()) {
        first.entry(idempotency.key.as_bytes()).or_insert(idempotency);
    }
    if first.is_empty() {
        return Ok(Some(vec![false; appends.len()]));
    }
    let keys: Vec<_> = first.into_values().collect();
    let query = sqlx::query(TAKE_KEYS.sql())
        .bind(column!(keys, key => key.key.as_bytes().as_slice()))
        .bind(column!(keys, key => key.body.as_slice()))
        .bind(column!(keys, key => key.expires_at.as_micros()))
        .bind(now.as_micros())
        .bind(routes.0);
    let mut stands_for = HashMap::new();
    for mut row in fetch(postgres, TAKE_KEYS.name, postgres.appending.fetch_all(query)).await? {
        stands_for.insert(row.bytes()?, row.bytes()?);
    }
    if stands_for.is_empty() {
        return Ok(None);
    }
    let is_taken = |append: &Append| {
        append.idempotency.as_ref().is_some_and(|Idempotency { key, body, .. }| {
            stands_for.get(key.as_bytes().as_slice()).map(Vec::as_slice) != Some(body.as_slice())
        })
    };
    Ok(Some(appends.iter().map(is_taken).collect()))
}

/// Writes the events that are new with what they owe; where each of them is, if it is new. `None`: the routes are
/// stale.
async fn insert(
    postgres: &Postgres,
    events: &[&NewEvent],
    routes: RoutesVersion,
) -> Result<Option<Vec<Option<Position>>>> {
    let query = sqlx::query(APPEND.sql()).bind(events.len() as i64).bind(routes.0);
    let owed: Vec<&Delivery> = events.iter().flat_map(|new| &new.deliveries).collect();
    let query = bind_deliveries(bind_events(query, events), &owed);
    postgres.counters.count(APPEND.name);
    let head = postgres.appending.fetch_all(query).await?;
    let Some(head) = head.first() else { return Ok(None) };
    let (base, positions): (i64, Vec<i64>) = FromRow::from_row(head).map_err(classify)?;
    let mut new = vec![None; events.len()];
    for position in positions {
        new[(position - base - 1) as usize] = Some(Position(position));
    }
    Ok(Some(new))
}

fn bind_events(query: Bound, events: &[&NewEvent]) -> Bound {
    query
        .bind((1..=events.len() as i64).collect::<Vec<_>>())
        .bind(column!(events, new => uuid(new.event.id)))
        .bind(column!(events, new => new.event.event_type.as_str()))
        .bind(column!(events, new => new.event.user_id.as_ref().map(|user| user.as_str())))
        .bind(column!(events, new => &*new.event.source))
        .bind(column!(events, new => new.event.provider.as_deref()))
        .bind(column!(events, new => new.event.occurred_at.as_micros()))
        .bind(column!(events, new => new.event.received_at.as_micros()))
        .bind(column!(events, new => new.dedupe_key.as_ref().map(|key| key.as_bytes().as_slice())))
        .bind(column!(events, new => new.event.data.as_str()))
        .bind(column!(events, new => new.event.raw.as_deref()))
}

fn bind_deliveries(query: Bound, owed: &[&Delivery]) -> Bound {
    let states = column!(owed, delivery => state_columns(&delivery.state));
    query
        .bind(column!(owed, delivery => uuid(delivery.id)))
        .bind(column!(owed, delivery => uuid(delivery.event_id)))
        .bind(column!(owed, delivery => delivery.event_type.as_str()))
        .bind(column!(owed, delivery => delivery.user_id.as_ref().map(|user| user.as_str())))
        .bind(column!(owed, delivery => delivery.owner_id.as_ref().map(|owner| owner.as_str())))
        .bind(column!(owed, delivery => uuid(delivery.subscription_id)))
        .bind(column!(states, state => state.status))
        .bind(column!(states, state => state.next_attempt_at))
        .bind(column!(states, state => state.claimed_by.as_deref()))
        .bind(column!(states, state => state.claim_deadline))
        .bind(column!(owed, delivery => i64::from(delivery.max_attempts)))
        .bind(column!(owed, delivery => delivery.trigger.as_str()))
        .bind(column!(owed, delivery => delivery.created_at.as_micros()))
        .bind(column!(owed, delivery => ordering_key_bytes(delivery)))
}

/// Says of each event where it is: where it was just put, or where it has been before.
async fn tell_repeats(
    postgres: &Postgres,
    events: &[&NewEvent],
    new: &[Option<Position>],
) -> Result<Vec<KeptEvent>> {
    let repeats = events.iter().zip(new).filter(|(_, new)| new.is_none());
    let keys: Vec<_> = repeats.filter_map(|(event, _)| event.dedupe_key.as_ref()).collect();
    let mut first: HashMap<Vec<u8>, (EventId, Position)> = HashMap::new();
    if !keys.is_empty() {
        let query = sqlx::query(REPEATED.sql()).bind(column!(keys, key => key.as_bytes().as_slice()));
        for mut row in fetch(postgres, REPEATED.name, postgres.appending.fetch_all(query)).await? {
            first.insert(row.bytes()?, (row.id()?, Position(row.int()?)));
        }
    }
    let place = |(event, new): (&&NewEvent, &Option<Position>)| {
        if let Some(position) = *new {
            return Ok(KeptEvent { id: event.event.id, position, is_new: true });
        }
        let known = event.dedupe_key.as_ref().and_then(|key| first.get(key.as_bytes().as_slice()));
        let &(id, position) = known.ok_or_else(|| {
            StoreError::Unavailable("a repeat's first event has just been removed".to_owned())
        })?;
        Ok(KeptEvent { id, position, is_new: false })
    };
    events.iter().zip(new).map(place).collect()
}

pub(super) async fn claim(
    postgres: &Postgres,
    lanes: &[Lane],
    claim: &Claim,
    now: Timestamp,
) -> Result<Vec<Claimed>> {
    let query = sqlx::query(CLAIM.sql())
        .bind(column!(lanes, lane => uuid(lane.subscription_id)))
        .bind(column!(lanes, lane => i64::from(lane.room)))
        .bind(claim.holder.to_text())
        .bind(claim.deadline.as_micros())
        .bind(now.as_micros());
    let rows = fetch(postgres, CLAIM.name, postgres.pool.fetch_all(query)).await?;
    rows.into_iter().map(|mut row| row.claimed()).collect()
}

pub(super) async fn claim_batch(
    postgres: &Postgres,
    of: SubscriptionId,
    terms: Batch,
    claim: &Claim,
    now: Timestamp,
) -> Result<Vec<Claimed>> {
    let query = sqlx::query(CLAIM_BATCH.sql())
        .bind(uuid(of))
        .bind(i64::from(terms.max_events))
        .bind(BATCH_BYTES_MAX as i64)
        .bind(claim.holder.to_text())
        .bind(claim.deadline.as_micros())
        .bind(now.as_micros());
    let rows = fetch(postgres, CLAIM_BATCH.name, postgres.pool.fetch_all(query)).await?;
    rows.into_iter().map(|mut row| row.claimed()).collect()
}

pub(super) async fn change(postgres: &Postgres, changes: &[Change]) -> Result<Vec<bool>> {
    // Locked in one order by everyone; where the server chooses another, one of two gives way and comes again.
    let mut changes_in_order: Vec<&Change> = changes.iter().collect();
    changes_in_order.sort_unstable_by_key(|change| change.to.id);
    let mut written = write_changes(postgres, &changes_in_order).await;
    for _ in 0..DEADLOCK_RETRIES {
        match &written {
            Err(error) if is_deadlock(error) => written = write_changes(postgres, &changes_in_order).await,
            _ => break,
        }
    }
    let written = written?;
    Ok(changes.iter().map(|change| written.contains(&change.to.id)).collect())
}

/// How often a statement that met another half-way is run again.
const DEADLOCK_RETRIES: usize = 5;

fn is_deadlock(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(why) if why.contains("deadlock detected"))
}

async fn write_changes(postgres: &Postgres, changes: &[&Change]) -> Result<HashSet<DeliveryId>> {
    let changing = postgres.relaxed.fetch_all(change_query(changes));
    let rows = fetch(postgres, CHANGE.name, changing).await?;
    rows.into_iter().map(|mut row| row.id()).collect()
}

/// Answers with the ids of those that it has changed.
fn change_query(changes: &[&Change]) -> Bound {
    let attempts: Vec<&Attempt> = changes.iter().filter_map(|change| change.attempt.as_ref()).collect();
    bind_attempts(bind_changes(sqlx::query(CHANGE.sql()), changes), &attempts)
}

fn bind_changes(query: Bound, changes: &[&Change]) -> Bound {
    let states: Vec<StateColumns> = column!(changes, change => state_columns(&change.to.state));
    query
        .bind(column!(changes, change => uuid(change.to.id)))
        .bind(column!(changes, change => change.from.status.as_str()))
        .bind(column!(changes, change => change.from.holder.as_deref()))
        .bind(column!(states, state => state.status))
        .bind(column!(states, state => state.next_attempt_at))
        .bind(column!(states, state => state.claimed_by.as_deref()))
        .bind(column!(states, state => state.claim_deadline))
        .bind(column!(changes, change => i64::from(change.to.attempt_count)))
        .bind(column!(changes, change => i64::from(change.to.max_attempts)))
        .bind(column!(changes, change => i64::from(change.to.lapses)))
        .bind(column!(changes, change => change.to.trigger.as_str()))
        .bind(column!(changes, change => change.to.completed_at.map(Timestamp::as_micros)))
        .bind(column!(changes, change => change.to.response_status.map(i64::from)))
        .bind(column!(changes, change => change.to.error.as_deref()))
        .bind(column!(changes, change => ordering_key_bytes(&change.to)))
        .bind(column!(changes, change => change.from.deadline.map(Timestamp::as_micros)))
}

fn bind_attempts(query: Bound, attempts: &[&Attempt]) -> Bound {
    query
        .bind(column!(attempts, attempt => uuid(attempt.delivery_id)))
        .bind(column!(attempts, attempt => i64::from(attempt.number)))
        .bind(column!(attempts, attempt => attempt.at.as_micros()))
        .bind(column!(attempts, attempt => attempt.trigger.as_str()))
        .bind(column!(attempts, attempt => attempt.duration.as_micros() as i64))
        .bind(column!(attempts, attempt => attempt.response_status.map(i64::from)))
        .bind(column!(attempts, attempt => attempt.response_headers.as_deref()))
        .bind(column!(attempts, attempt => attempt.response_body.as_deref()))
        .bind(column!(attempts, attempt => attempt.error.as_deref()))
        .bind(column!(attempts, attempt => attempt.error_code.map(|code| code.as_str())))
        .bind(ErrorCode::OURS.map(ErrorCode::as_str).to_vec())
}

pub(super) async fn create_subscription(
    postgres: &Postgres,
    subscription: &StoredSubscription,
) -> Result<()> {
    let args = tables::subscriptions::insert_args(subscription)?;
    postgres.write(&CREATE_SUBSCRIPTION, args).await.map(|_| ())
}

pub(super) async fn create_started_subscription(
    postgres: &Postgres,
    subscription: &StoredSubscription,
    job: &StoredJob,
) -> Result<()> {
    let mut args = tables::subscriptions::insert_args(subscription)?;
    args.extend(tables::jobs::insert_args(job)?);
    postgres.write(&CREATE_STARTED_SUBSCRIPTION, args).await.map(|_| ())
}

pub(super) async fn change_subscription(
    postgres: &Postgres,
    stored: &StoredSubscription,
    now: Timestamp,
) -> Result<bool> {
    let mut args = tables::subscriptions::update_args(stored)?;
    args.extend(args![stored.subscription.holds(), now.as_micros()]);
    postgres.write_under_head(&CHANGE_SUBSCRIPTION, args).await
}

pub(super) async fn delete_subscription(
    postgres: &Postgres,
    id: SubscriptionId,
    now: Timestamp,
) -> Result<bool> {
    postgres.write_under_head(&DELETE_SUBSCRIPTION, args![Value::id(id), now.as_micros()]).await
}

pub(super) async fn delete_source(postgres: &Postgres, id: SourceId) -> Result<bool> {
    Ok(postgres.write(&DELETE_SOURCE, args![Value::id(id)]).await? > 0)
}

pub(super) async fn owe(
    postgres: &Postgres,
    deliveries: &[Delivery],
    only: Only,
    routes: RoutesVersion,
    job: Option<&StoredJob>,
) -> Result<Owed> {
    let names = [LOCK_ROUTES.name, OWE.name].into_iter().chain(job.map(|_| CHANGE_JOB.name));
    names.for_each(|name| postgres.counters.count(name));
    let job = job.map(change_job).transpose()?;
    let deliveries: Vec<&Delivery> = deliveries.iter().collect();
    let owe = bind_deliveries(sqlx::query(OWE.sql()), &deliveries).bind(only.as_str());
    let owing = postgres.pool.transact(move |connection| {
        Box::pin(async move {
            let current = sqlx::query_scalar::<_, i64>(LOCK_ROUTES.sql()).fetch_one(&mut *connection);
            if current.await.map_err(classify)? != routes.0 {
                return Ok(End::RollBack(Owed::StaleRoutes));
            }
            if let Some(job) = job
                && write(connection, job).await? == 0
            {
                return Ok(End::RollBack(Owed::Overtaken));
            }
            let rows = owe.fetch_all(connection).await.map_err(classify)?;
            let ids = rows.iter().map(|row| unpack(row)?.id()).collect::<Result<_>>()?;
            Ok(End::Commit(Owed::Done(ids)))
        })
    });
    owing.await
}

/// Unlike other changes these are waited for on the disk: the job would not make them again.
pub(super) async fn step_job(postgres: &Postgres, job: &StoredJob, changes: &[Change]) -> Result<Stepped> {
    postgres.counters.count(CHANGE_JOB.name);
    let mut changes: Vec<&Change> = changes.iter().collect();
    changes.sort_unstable_by_key(|change| change.to.id);
    let (job, count) = (change_job(job)?, changes.len());
    let change = (count > 0).then(|| change_query(&changes));
    let stepping = postgres.pool.transact(move |connection| {
        Box::pin(async move {
            if write(connection, job).await? == 0 {
                return Ok(End::RollBack(Stepped::Overtaken));
            }
            if let Some(change) = change
                && change.fetch_all(connection).await.map_err(classify)?.len() < count
            {
                return Ok(End::RollBack(Stepped::Conflict));
            }
            Ok(End::Commit(Stepped::Done))
        })
    });
    stepping.await
}

/// Finds no row where somebody else has written the job since.
fn change_job(job: &StoredJob) -> Result<Bound> {
    Ok(sqlx::query_with(CHANGE_JOB.sql(), bind(tables::jobs::update_args(job)?)?))
}

/// How many rows `query` has written.
async fn write(connection: &mut PgConnection, query: Bound) -> Result<u64> {
    Ok(query.execute(connection).await.map_err(classify)?.rows_affected())
}

pub(super) async fn claim_tasks(postgres: &Postgres, args: Vec<Value>) -> Result<Vec<Task>> {
    // It writes, and answers with rows as what only reads does.
    postgres.read(&CLAIM_TASKS, args).await?.into_iter().map(|mut row| row.task()).collect()
}

pub(super) async fn together(
    postgres: &Postgres,
    fences: usize,
    statements: Vec<(Statement, Vec<Value>)>,
) -> Result<bool> {
    let queries = statements.into_iter().map(|(statement, args)| {
        postgres.counters.count(statement.name);
        Ok(sqlx::query_with(statement.sql(), bind(args)?))
    });
    let queries = queries.collect::<Result<Vec<_>>>()?;
    let writing = postgres.pool.transact(move |connection| {
        Box::pin(async move {
            for (index, query) in queries.into_iter().enumerate() {
                if write(connection, query).await? == 0 && index < fences {
                    return Ok(End::RollBack(false));
                }
            }
            Ok(End::Commit(true))
        })
    });
    writing.await
}

pub(super) async fn remove_events(postgres: &Postgres, ids: &[EventId]) -> Result<u64> {
    remove(postgres, &REMOVE_EVENTS, column!(ids, id => uuid(*id))).await
}

pub(super) async fn remove_deliveries(postgres: &Postgres, ids: &[DeliveryId]) -> Result<u64> {
    remove(postgres, &REMOVE_DELIVERIES, column!(ids, id => uuid(*id))).await
}

pub(super) async fn remove_attempts(postgres: &Postgres, of: &[DeliveryId]) -> Result<u64> {
    remove(postgres, &REMOVE_ATTEMPTS, column!(of, id => uuid(*id))).await
}

/// What is removed and comes back after a crash of the server is removed again.
async fn remove(postgres: &Postgres, statement: &Statement, ids: Vec<Uuid>) -> Result<u64> {
    let query = sqlx::query(statement.sql()).bind(ids);
    Ok(fetch(postgres, statement.name, postgres.relaxed.fetch_all(query)).await?.len() as u64)
}

impl Postgres {
    /// Locks the head of the log, then runs `statement`; whether it found what it was to change.
    async fn write_under_head(&self, statement: &Statement, args: Vec<Value>) -> Result<bool> {
        self.counters.count(LOCK_HEAD.name);
        self.counters.count(statement.name);
        let query = sqlx::query_with(statement.sql(), bind(args)?);
        let writing = self.pool.transact(|connection| {
            Box::pin(async move {
                write(connection, sqlx::query(LOCK_HEAD.sql())).await?;
                let found = query.fetch_optional(connection).await.map_err(classify)?;
                Ok(End::Commit(found.is_some()))
            })
        });
        writing.await
    }
}
