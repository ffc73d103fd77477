//! Reading subscriptions.

use std::collections::BTreeMap;
use std::time::Duration;

use const_format::formatcp;
use domain::subscription::Target;
use domain::{SubscriptionId, UserId};

use crate::rows::SUBSCRIPTION;
use crate::sql::{Select, Sql, Statement, Value, args};
use crate::{
    Page, ROUTE_CHANGES_KEPT, Result, RouteChanges, Routes, RoutesVersion, Statistics, StoreError,
    StoredSubscription,
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] =
    &[&ONE, &ROUTES, &ROUTES_SINCE, &ROUTES_VERSION, &STATISTICS, &FAILING_FOR];

const ONE: Statement =
    Statement::new("subscription", formatcp!("SELECT {SUBSCRIPTION} FROM subscriptions WHERE id = $1"));

pub(crate) async fn one(sql: &impl Sql, id: SubscriptionId) -> Result<Option<StoredSubscription>> {
    let row = sql.read_one(&ONE, args![Value::id(id)]).await?;
    row.map(|mut row| row.subscription()).transpose()
}

pub(crate) async fn list(
    sql: &impl Sql,
    user: Option<&UserId>,
    page: &Page<SubscriptionId>,
) -> Result<Vec<StoredSubscription>> {
    let (statement, args) = Select::new(formatcp!("SELECT {SUBSCRIPTION} FROM subscriptions"))
        .and("user_id =", user.map(UserId::as_str))
        .and("id <", page.before.map(Value::id))
        .newest_first("subscriptions", page.limit);
    sql.read(&statement, args).await?.into_iter().map(|mut row| row.subscription()).collect()
}

/// The engines wrap these two, since what else has to happen with them differs.
pub(crate) const INSERT: &str = formatcp!(
    "INSERT INTO subscriptions ({SUBSCRIPTION}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
);
pub(crate) const UPDATE: &str = "UPDATE subscriptions
     SET target = $2, address = $3, terms = $4, is_active = $5, paused = $6, sealed_key = $7, updated_at = $8,
         revision = revision + 1
     WHERE id = $1 AND revision = $9";

pub(crate) fn insert_args(stored: &StoredSubscription) -> Result<Vec<Value>> {
    let user = stored.subscription.user_id.as_ref().map(|user| user.as_str());
    let mut args = update_args(stored)?;
    args.insert(1, user.into());
    args.insert(8, stored.subscription.created_at.as_micros().into());
    Ok(args)
}

pub(crate) fn update_args(stored: &StoredSubscription) -> Result<Vec<Value>> {
    let StoredSubscription { subscription, sealed_key, revision } = stored;
    let (target, address) = match &subscription.target {
        Target::Push { url } => ("push", url),
        Target::Pull { queue } => ("pull", queue),
    };
    let terms =
        serde_json::to_string(&subscription.terms).map_err(|error| StoreError::Refused(error.to_string()))?;
    Ok(args![
        Value::id(subscription.id),
        target,
        address.as_str(),
        terms,
        subscription.is_active,
        subscription.paused,
        sealed_key.as_slice(),
        subscription.updated_at.as_micros(),
        *revision,
    ])
}

/// The version and the subscriptions in one statement, so that both are of one moment.
const ROUTES: Statement = Statement::new(
    "routes",
    formatcp!("SELECT log.routes_version, {SUBSCRIPTION} FROM log LEFT JOIN subscriptions ON true"),
);

pub(crate) async fn routes(sql: &impl Sql) -> Result<Routes> {
    let rows = sql.read(&ROUTES, args![]).await?;
    let mut version = None;
    let mut subscriptions = Vec::with_capacity(rows.len());
    for mut row in rows {
        version = Some(RoutesVersion(row.int()?));
        if !row.is_null() {
            subscriptions.push(row.subscription()?);
        }
    }
    let version = version.ok_or_else(headless)?;
    Ok(Routes { version, subscriptions })
}

/// The version, each change since the one that is known, and the subscription that it is about as it is now: of one
/// moment too.
const ROUTES_SINCE: Statement = Statement::new(
    "routes_since",
    formatcp!(
        "SELECT log.routes_version, route_changes.subscription_id, {SUBSCRIPTION}
         FROM log
         LEFT JOIN route_changes
             ON route_changes.version > $1 AND log.routes_version - $1 <= {ROUTE_CHANGES_KEPT}
         LEFT JOIN subscriptions ON subscriptions.id = route_changes.subscription_id"
    ),
);

pub(crate) async fn routes_since(sql: &impl Sql, known: RoutesVersion) -> Result<Option<RouteChanges>> {
    let rows = sql.read(&ROUTES_SINCE, args![known.0]).await?;
    let (mut version, mut changed) = (None, BTreeMap::new());
    for mut row in rows {
        version = Some(RoutesVersion(row.int()?));
        if !row.is_null() {
            let id = row.id()?;
            let is_gone = row.is_null();
            changed.insert(id, if is_gone { None } else { Some(row.subscription()?) });
        }
    }
    let version = version.ok_or_else(headless)?;
    let is_remembered = (0..=ROUTE_CHANGES_KEPT).contains(&(version.0 - known.0));
    Ok(is_remembered.then_some(RouteChanges { version, changed }))
}

const ROUTES_VERSION: Statement = Statement::new("routes_version", "SELECT routes_version FROM log");

pub(crate) async fn routes_version(sql: &impl Sql) -> Result<RoutesVersion> {
    let row = sql.read_one(&ROUTES_VERSION, args![]).await?;
    let mut row = row.ok_or_else(headless)?;
    Ok(RoutesVersion(row.int()?))
}

fn headless() -> StoreError {
    StoreError::Corrupt("the log has lost its head".to_owned())
}

/// What has ended was counted as it ended; what is open is counted now, from indexes that hold nothing else. They
/// are asked for by all their columns, or SQLite would walk through all that the subscription ever had; what is under
/// way is looked through as a whole.
const STATISTICS: Statement = Statement::new(
    "statistics",
    "SELECT (SELECT count(*) FROM deliveries
             WHERE subscription_id = $1 AND status IN ('pending', 'retrying') AND ordering_key IS NULL
               AND next_attempt_at > 0)
          + (SELECT count(*) FROM deliveries
             WHERE subscription_id = $1 AND status IN ('pending', 'retrying') AND ordering_key IS NOT NULL
               AND next_attempt_at > 0)
          + (SELECT count(*) FROM deliveries WHERE subscription_id = $1 AND status = 'held')
          + (SELECT count(CASE WHEN subscription_id = $1 THEN 1 END) FROM deliveries
             WHERE status = 'processing' AND claim_deadline > 0),
            successful, failed, cancelled, last_delivery_at, last_success_at, last_failure_at, failing_since
     FROM (SELECT 1 AS one) AS always LEFT JOIN subscription_statistics ON subscription_id = $1",
);

pub(crate) async fn statistics(sql: &impl Sql, id: SubscriptionId) -> Result<Statistics> {
    let row = sql.read_one(&STATISTICS, args![Value::id(id)]).await?;
    let mut row = row.ok_or_else(|| StoreError::Corrupt("statistics without a row".to_owned()))?;
    let open = row.int()?;
    let mut ended = || Ok(row.int_or_null()?.unwrap_or(0));
    let (successful, failed, cancelled) = (ended()?, ended()?, ended()?);
    Ok(Statistics {
        total: open + successful + failed + cancelled,
        successful,
        failed,
        last_delivery_at: row.time_or_null()?,
        last_success_at: row.time_or_null()?,
        last_failure_at: row.time_or_null()?,
        failing_since: row.time_or_null()?,
    })
}

/// An index holds those alone that fail.
const FAILING_FOR: Statement = Statement::new(
    "failing_for",
    "SELECT subscription_id
     FROM subscription_statistics JOIN subscriptions ON id = subscription_id
     WHERE failing_since IS NOT NULL AND last_failure_at - failing_since > $1
       AND is_active = 1 AND target = 'push'
     ORDER BY failing_since LIMIT $2",
);

pub(crate) async fn failing_for(sql: &impl Sql, span: Duration, limit: u32) -> Result<Vec<SubscriptionId>> {
    let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    let rows = sql.read(&FAILING_FOR, args![micros, i64::from(limit)]).await?;
    rows.into_iter().map(|mut row| row.id()).collect()
}
