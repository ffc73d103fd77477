//! Registrations: each with a task for its place, so that none is ever forgotten.

use const_format::formatcp;
use domain::registration::Progress;
use domain::{ConnectionId, Registration, RegistrationId, Timestamp, UserId};

use super::connections::forget;
use super::tasks::{RING_INSTEAD, call_for};
use crate::contract::REGISTRATION_TASK;
use crate::rows::REGISTRATION;
use crate::sql::{Select, Sql, Statement, Value, args};
use crate::{Page, RegistrationFilter, Result, StoreError, StoredRegistration, registration_task};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] =
    &[&CREATE, &ONE, &CHANGE, &DELETE, &LOCK, &UNWANT, &CALL_FOR_ALL];

const CREATE: Statement = Statement::new(
    "create_registration",
    formatcp!(
        "INSERT INTO registrations ({REGISTRATION})
         VALUES ($1, $14, $15, $16, $17, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $18, $12, $13, $19)
         ON CONFLICT (basis, provider, place) DO NOTHING"
    ),
);

pub(crate) async fn create(sql: &impl Sql, stored: &StoredRegistration) -> Result<bool> {
    let registration = &stored.registration;
    let mut args = changing_args(stored)?;
    args.extend(args![
        registration.user_id.as_ref().map(UserId::as_str),
        registration.provider.as_str(),
        registration.basis.to_string(),
        registration.target.as_str(),
        registration.created_at.as_micros(),
        stored.revision,
    ]);
    let due_at = registration.due_at;
    sql.write_together(ringing((CREATE, args), stored, due_at)).await
}

/// `$1` to `$13`: the id, and what a change may write.
fn changing_args(stored: &StoredRegistration) -> Result<Vec<Value>> {
    let registration = &stored.registration;
    Ok(args![
        Value::id(registration.id),
        registration.url.as_str(),
        registration.place.as_str(),
        json(&registration.events)?,
        registration.config.as_ref().map(|config| config.as_str()),
        registration.external_id.as_deref(),
        registration.state.as_str(),
        registration.state_reason.as_deref(),
        json(&registration.progress)?,
        micros(registration.expires_at),
        micros(registration.due_at),
        registration.updated_at.as_micros(),
        stored.sealed_secrets.as_slice(),
    ])
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Refused(error.to_string()))
}

fn micros(time: Option<Timestamp>) -> i64 {
    time.map_or(0, Timestamp::as_micros)
}

fn ringing(
    first: (Statement, Vec<Value>),
    stored: &StoredRegistration,
    ring_at: Option<Timestamp>,
) -> Vec<(Statement, Vec<Value>)> {
    let Registration { provider, place, .. } = &stored.registration;
    let ring = ring_at.map(|at| call_for(&registration_task(provider), place, at));
    std::iter::once(first).chain(ring).collect()
}

const ONE: Statement =
    Statement::new("registration", formatcp!("SELECT {REGISTRATION} FROM registrations WHERE id = $1"));

pub(crate) async fn one(sql: &impl Sql, id: RegistrationId) -> Result<Option<StoredRegistration>> {
    let row = sql.read_one(&ONE, args![Value::id(id)]).await?;
    row.map(|mut row| row.registration()).transpose()
}

pub(crate) async fn list(
    sql: &impl Sql,
    filter: &RegistrationFilter,
    page: &Page<RegistrationId>,
) -> Result<Vec<StoredRegistration>> {
    let (statement, args) = Select::new(formatcp!("SELECT {REGISTRATION} FROM registrations"))
        .and("user_id =", filter.user_id.as_ref().map(UserId::as_str))
        .and("provider =", filter.provider.as_deref())
        .and("place =", filter.place.as_deref())
        .and("basis =", filter.basis.map(|basis| basis.to_string()))
        .and("id <", page.before.map(Value::id))
        .newest_first("registrations", page.limit);
    sql.read(&statement, args).await?.into_iter().map(|mut row| row.registration()).collect()
}

const CHANGE: Statement = Statement::new(
    "change_registration",
    "UPDATE registrations
     SET url = $2, place = $3, events = $4, config = $5, external_id = $6, state = $7, state_reason = $8, progress = $9,
         expires_at = $10, due_at = $11, updated_at = $12, sealed_secrets = $13, revision = revision + 1
     WHERE id = $1 AND revision = $14",
);

pub(crate) async fn change(
    sql: &impl Sql,
    stored: &StoredRegistration,
    ring_at: Option<Timestamp>,
) -> Result<bool> {
    let mut args = changing_args(stored)?;
    args.push(stored.revision.into());
    sql.write_together(ringing((CHANGE, args), stored, ring_at)).await
}

const DELETE: Statement =
    Statement::new("delete_registration", "DELETE FROM registrations WHERE id = $1 AND revision = $2");

/// Of two nodes that remove the last two of a connection at once each would see the other's. So they queue up here. No
/// revision is counted up: a refresh that is under way must not be overtaken by this.
const LOCK: Statement = Statement::new(
    "lock_connection",
    "UPDATE connections SET removed_at = removed_at WHERE id = $1 AND removed_at <> 0",
);

pub(crate) async fn delete(sql: &impl Sql, stored: &StoredRegistration) -> Result<bool> {
    let registration = &stored.registration;
    let mut statements = vec![(DELETE, args![Value::id(registration.id), stored.revision])];
    if let Some(connection) = registration.basis.connection() {
        statements.push((LOCK, args![Value::id(connection)]));
        statements.extend(forget(connection));
    }
    sql.write_together(statements).await
}

const UNWANT: Statement = Statement::new(
    "unwant_registrations",
    "UPDATE registrations
     SET state = 'removing', state_reason = NULL, progress = $3, due_at = $2, updated_at = $2, revision = revision + 1
     WHERE basis = $1 AND state <> 'removing'",
);
const CALL_FOR_ALL: Statement = Statement::new(
    "ring_registrations",
    formatcp!(
        "INSERT INTO tasks (kind, subject, due_at, turn, memory, is_claimed, rings)
         SELECT '{REGISTRATION_TASK}' || provider, place, $2, 0, '', 0, 1 FROM registrations WHERE basis = $1
         ON CONFLICT (kind, subject) {RING_INSTEAD}"
    ),
);

/// What makes everything that is registered for a connection be gone.
pub(super) fn unwant_all(id: ConnectionId, now: Timestamp) -> [(Statement, Vec<Value>); 2] {
    let progress = Progress { removing_since: Some(now), ..Progress::default() };
    let progress = serde_json::to_string(&progress).expect("numbers and times can be written as JSON");
    [
        (UNWANT, args![id.to_string(), now.as_micros(), progress]),
        (CALL_FOR_ALL, args![id.to_string(), now.as_micros()]),
    ]
}
