//! Connections, and what is due for them: both in one transaction, so that none is ever forgotten.

use const_format::formatcp;
use domain::connection::Settings;
use domain::{ConnectionId, Timestamp, UserId};

use super::registrations;
use super::tasks::{move_task, settling};
use crate::rows::CONNECTION;
use crate::sql::{Select, Sql, Statement, Value, args};
use crate::{Due, Page, Result, StoreError, StoredConnection, Task};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] = &[
    &CREATE,
    &ONE,
    &TO_ACCOUNT,
    &CHANGE,
    &TREAT,
    &NOTE_SYNC,
    &DELETE,
    &DELETE_TASKS,
    &MARK,
    &DROP_TASKS,
    &FORGET,
    &FORGET_TASKS,
];

const CREATE: Statement = Statement::new(
    "create_connection",
    formatcp!(
        "INSERT INTO connections ({CONNECTION})
         VALUES ($1, $10, $11, $12, $2, $3, $4, $5, $6, $7, $17, $15, $16, $8, $13, $9, $14)
         ON CONFLICT (provider, account_id, user_id) WHERE removed_at = 0 DO NOTHING"
    ),
);

pub(crate) async fn create(sql: &impl Sql, stored: &StoredConnection, due: &[Due]) -> Result<bool> {
    let connection = &stored.connection;
    let mut args = changing_args(stored)?;
    args.extend(args![
        connection.user_id.as_str(),
        connection.provider.as_str(),
        connection.account_id.as_str(),
        connection.created_at.as_micros(),
        stored.revision,
        micros(connection.last_sync_at),
        micros(connection.removed_at),
        json(&connection.settings)?,
    ]);
    sql.write_together(with_tasks((CREATE, args), stored, due)).await
}

/// `$1` to `$9`: the id, and what a change may write.
fn changing_args(stored: &StoredConnection) -> Result<Vec<Value>> {
    let connection = &stored.connection;
    Ok(args![
        Value::id(connection.id),
        connection.state.as_str(),
        connection.state_reason.as_deref(),
        json(&connection.scopes)?,
        micros(connection.expires_at),
        connection.authorized_at.as_micros(),
        json(&connection.refresh)?,
        stored.sealed_tokens.as_slice(),
        connection.updated_at.as_micros(),
    ])
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Refused(error.to_string()))
}

fn micros(time: Option<Timestamp>) -> i64 {
    time.map_or(0, Timestamp::as_micros)
}

fn with_tasks(
    first: (Statement, Vec<Value>),
    stored: &StoredConnection,
    due: &[Due],
) -> Vec<(Statement, Vec<Value>)> {
    let subject = stored.connection.id.to_string();
    std::iter::once(first).chain(due.iter().map(|due| move_task(&subject, due))).collect()
}

const ONE: Statement =
    Statement::new("connection", formatcp!("SELECT {CONNECTION} FROM connections WHERE id = $1"));

pub(crate) async fn one(sql: &impl Sql, id: ConnectionId) -> Result<Option<StoredConnection>> {
    let row = sql.read_one(&ONE, args![Value::id(id)]).await?;
    row.map(|mut row| row.connection()).transpose()
}

const TO_ACCOUNT: Statement = Statement::new(
    "connections_to",
    formatcp!(
        "SELECT {CONNECTION} FROM connections WHERE provider = $1 AND account_id = $2 AND removed_at = 0 ORDER BY id"
    ),
);

pub(crate) async fn to_account(
    sql: &impl Sql,
    provider: &str,
    account_id: &str,
) -> Result<Vec<StoredConnection>> {
    let rows = sql.read(&TO_ACCOUNT, args![provider, account_id]).await?;
    rows.into_iter().map(|mut row| row.connection()).collect()
}

pub(crate) async fn list(
    sql: &impl Sql,
    user: Option<&UserId>,
    page: &Page<ConnectionId>,
) -> Result<Vec<StoredConnection>> {
    let (statement, args) = Select::new(formatcp!("SELECT {CONNECTION} FROM connections"))
        .and("user_id =", user.map(UserId::as_str))
        .and_fixed(Some("removed_at = 0"))
        .and("id <", page.before.map(Value::id))
        .newest_first("connections", page.limit);
    sql.read(&statement, args).await?.into_iter().map(|mut row| row.connection()).collect()
}

const CHANGE: Statement = Statement::new(
    "change_connection",
    "UPDATE connections
     SET state = $2, state_reason = $3, scopes = $4, expires_at = $5, authorized_at = $6, refresh = $7,
         sealed_tokens = $8, updated_at = $9, revision = revision + 1
     WHERE id = $1 AND revision = $10",
);

pub(crate) async fn change(sql: &impl Sql, stored: &StoredConnection, due: &[Due]) -> Result<bool> {
    let mut args = changing_args(stored)?;
    args.push(stored.revision.into());
    sql.write_together(with_tasks((CHANGE, args), stored, due)).await
}

/// Like [`NOTE_SYNC`] it counts no revision up.
const TREAT: Statement = Statement::new(
    "treat_connection",
    "UPDATE connections SET settings = $2, updated_at = $3 WHERE id = $1 AND removed_at = 0",
);

pub(crate) async fn treat(
    sql: &impl Sql,
    id: ConnectionId,
    (settings, at): (&Settings, Timestamp),
    due: &[Due],
) -> Result<bool> {
    let subject = id.to_string();
    let treat = (TREAT, args![Value::id(id), json(settings)?, at.as_micros()]);
    sql.write_together(std::iter::once(treat).chain(due.iter().map(|due| move_task(&subject, due))).collect())
        .await
}

/// It counts no revision up: whoever has read the connection meanwhile, to refresh it, must not be overtaken by this.
const NOTE_SYNC: Statement = Statement::new(
    "note_sync",
    "UPDATE connections SET last_sync_at = CASE WHEN last_sync_at < $2 THEN $2 ELSE last_sync_at END WHERE id = $1",
);

pub(crate) async fn finish_sync(
    sql: &impl Sql,
    (task, due_at, memory): (&Task, Timestamp, &str),
    (id, at): (ConnectionId, Timestamp),
) -> Result<bool> {
    let note = (NOTE_SYNC, args![Value::id(id), at.as_micros()]);
    // The connection first and then its task, as whoever authorises it again: in two orders they would wait for each
    // other.
    sql.write_fenced(2, vec![note, settling(task, due_at, memory)]).await
}

const DELETE: Statement = Statement::new("delete_connection", "DELETE FROM connections WHERE id = $1");
const DELETE_TASKS: Statement = Statement::new("delete_tasks", "DELETE FROM tasks WHERE subject = $1");

pub(crate) async fn delete(sql: &impl Sql, id: ConnectionId) -> Result<bool> {
    sql.write_together(vec![(DELETE, args![Value::id(id)]), (DELETE_TASKS, args![id.to_string()])]).await
}

/// Like [`NOTE_SYNC`] it overtakes nobody.
const MARK: Statement = Statement::new(
    "mark_connection",
    "UPDATE connections SET removed_at = $2, updated_at = $2 WHERE id = $1 AND removed_at = 0",
);
const DROP_TASKS: Statement =
    Statement::new("drop_tasks", "DELETE FROM tasks WHERE subject = $1 AND kind <> $2");

/// What forgets a connection that was removed and for which nothing is registered any more.
const FORGET: Statement = Statement::new(
    "forget_connection",
    "DELETE FROM connections
     WHERE id = $1 AND removed_at <> 0 AND NOT EXISTS (SELECT 1 FROM registrations WHERE basis = $2)",
);
const FORGET_TASKS: Statement = Statement::new(
    "forget_tasks",
    "DELETE FROM tasks WHERE subject = $2 AND NOT EXISTS (SELECT 1 FROM connections WHERE id = $1)",
);

pub(crate) async fn remove(sql: &impl Sql, id: ConnectionId, kept: &str, now: Timestamp) -> Result<bool> {
    let mark = (MARK, args![Value::id(id), now.as_micros()]);
    let drop_tasks = (DROP_TASKS, args![id.to_string(), kept]);
    let statements =
        [mark, drop_tasks].into_iter().chain(registrations::unwant_all(id, now)).chain(forget(id));
    sql.write_together(statements.collect()).await
}

/// What forgets a connection, if it was removed and nothing is registered for it any more.
pub(super) fn forget(id: ConnectionId) -> [(Statement, Vec<Value>); 2] {
    [FORGET, FORGET_TASKS].map(|statement| (statement, args![Value::id(id), id.to_string()]))
}
