//! What is to be done once at a time, and what may be used once.

use domain::Timestamp;

use crate::sql::{Sql, Statement, Value, args};
use crate::{Due, KeyDigest, Result, StoreError, Task};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] = &[&MOVE, &REMOVE, &SETTLE, &NEXT_AT, &SPEND, &FORGET_SPENT];

/// A new due time takes the task away from whoever has claimed it.
const MOVE: Statement = Statement::new(
    "move_task",
    "INSERT INTO tasks (kind, subject, due_at, turn, memory) VALUES ($1, $2, $3, 0, '')
     ON CONFLICT (kind, subject) DO UPDATE SET due_at = excluded.due_at, turn = tasks.turn + 1",
);
const REMOVE: Statement = Statement::new("remove_task", "DELETE FROM tasks WHERE kind = $1 AND subject = $2");

/// What moves a task of `subject`, or removes it.
pub(crate) fn move_task(subject: &str, due: &Due) -> (Statement, Vec<Value>) {
    match due.at {
        Some(at) => (MOVE, args![due.kind.as_str(), subject, at.as_micros()]),
        None => (REMOVE, args![due.kind.as_str(), subject]),
    }
}

/// The engines claim in their own words, with these.
pub(crate) fn claim_args(kind: &str, limit: u32, now: Timestamp, deadline: Timestamp) -> Vec<Value> {
    args![kind, i64::from(limit), now.as_micros(), deadline.as_micros()]
}

const SETTLE: Statement = Statement::new(
    "settle_task",
    "UPDATE tasks SET due_at = $4, memory = $5 WHERE kind = $1 AND subject = $2 AND turn = $3",
);

pub(crate) async fn settle(sql: &impl Sql, task: &Task, due_at: Timestamp, memory: &str) -> Result<bool> {
    let args = args![task.kind.as_str(), task.subject.as_str(), task.turn, due_at.as_micros(), memory];
    Ok(sql.write(&SETTLE, args).await? > 0)
}

/// Zero where there is none: a minimum of nothing is null, which has no type of its own.
const NEXT_AT: Statement =
    Statement::new("next_task_at", "SELECT coalesce(min(due_at), 0) FROM tasks WHERE kind = $1");

pub(crate) async fn next_at(sql: &impl Sql, kind: &str) -> Result<Option<Timestamp>> {
    let row = sql.read_one(&NEXT_AT, args![kind]).await?;
    let mut row = row.ok_or_else(|| StoreError::Corrupt("a minimum without a row".to_owned()))?;
    Ok(Some(row.int()?).filter(|&micros| micros != 0).map(Timestamp::from_micros))
}

const SPEND: Statement = Statement::new(
    "spend",
    "INSERT INTO spent (digest, expires_at) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
);
const FORGET_SPENT: Statement = Statement::new("forget_spent", "DELETE FROM spent WHERE expires_at <= $1");

pub(crate) async fn spend(
    sql: &impl Sql,
    digest: &KeyDigest,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<bool> {
    let spend = (SPEND, args![digest.as_slice(), expires_at.as_micros()]);
    sql.write_together(vec![spend, (FORGET_SPENT, args![now.as_micros()])]).await
}
