//! What is to be done once at a time, and what may be used once.

use const_format::formatcp;
use domain::Timestamp;

use crate::sql::{Sql, Statement, Value, args};
use crate::{Due, KeyDigest, REST_LONGER_BY, Result, StoreError, Task};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] =
    &[&MOVE, &REMOVE, &SETTLE, &KEEP, &DROP, &RING, &CALL_FOR, &NEXT_AT, &REST, &WAKE, &SPEND, &FORGET_SPENT];

/// A new due time takes the task away from whoever has claimed it.
const MOVE: Statement = Statement::new(
    "move_task",
    "INSERT INTO tasks (kind, subject, due_at, turn, memory, is_claimed, rings) VALUES ($1, $2, $3, 0, '', 0, 0)
     ON CONFLICT (kind, subject) DO UPDATE SET due_at = excluded.due_at, turn = tasks.turn + 1, is_claimed = 0",
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
    // Whoever has rung meanwhile meant what the claimant may not have seen any more: it is due at once.
    "UPDATE tasks
     SET due_at = CASE WHEN rings > $6 THEN 1 ELSE $4 END, memory = $5, is_claimed = 0, rings = rings - $6
     WHERE kind = $1 AND subject = $2 AND turn = $3",
);

pub(crate) async fn settle(sql: &impl Sql, task: &Task, due_at: Timestamp, memory: &str) -> Result<bool> {
    let (statement, args) = settling(task, due_at, memory);
    Ok(sql.write(&statement, args).await? > 0)
}

/// What settles a task.
pub(super) fn settling(task: &Task, due_at: Timestamp, memory: &str) -> (Statement, Vec<Value>) {
    let mut args = keeping_args(task, due_at, memory);
    args.push(task.rings.into());
    (SETTLE, args)
}

fn keeping_args(task: &Task, due_at: Timestamp, memory: &str) -> Vec<Value> {
    args![task.kind.as_str(), task.subject.as_str(), task.turn, due_at.as_micros(), memory]
}

const KEEP: Statement = Statement::new(
    "keep_task",
    "UPDATE tasks SET due_at = $4, memory = $5 WHERE kind = $1 AND subject = $2 AND turn = $3",
);

pub(crate) async fn keep(sql: &impl Sql, task: &Task, deadline: Timestamp, memory: &str) -> Result<bool> {
    Ok(sql.write(&KEEP, keeping_args(task, deadline, memory)).await? > 0)
}

const DROP: Statement = Statement::new(
    "drop_task",
    "DELETE FROM tasks WHERE kind = $1 AND subject = $2 AND turn = $3 AND rings = $4",
);

pub(crate) async fn drop(sql: &impl Sql, task: &Task) -> Result<bool> {
    let args = args![task.kind.as_str(), task.subject.as_str(), task.turn, task.rings];
    Ok(sql.write(&DROP, args).await? > 0)
}

const RING: Statement = Statement::new(
    "ring_task",
    "UPDATE tasks
     SET rings = rings + 1, due_at = CASE WHEN is_claimed = 1 OR due_at < $3 THEN due_at ELSE $3 END
     WHERE kind = $1 AND subject = $2",
);

pub(crate) async fn ring(sql: &impl Sql, kind: &str, subject: &str, now: Timestamp) -> Result<bool> {
    Ok(sql.write(&RING, args![kind, subject, now.as_micros()]).await? > 0)
}

/// Where a task that is to be added is there already, it is rung for.
pub(super) const RING_INSTEAD: &str = "DO UPDATE SET rings = tasks.rings + 1, due_at = CASE \
     WHEN tasks.is_claimed = 1 OR tasks.due_at < excluded.due_at THEN tasks.due_at ELSE excluded.due_at END";

const CALL_FOR: Statement = Statement::new(
    "call_for_task",
    formatcp!(
        "INSERT INTO tasks (kind, subject, due_at, turn, memory, is_claimed, rings) VALUES ($1, $2, $3, 0, '', 0, 1)
         ON CONFLICT (kind, subject) {RING_INSTEAD}"
    ),
);

/// What adds a task, or rings for the one that is there.
pub(super) fn call_for(kind: &str, subject: &str, at: Timestamp) -> (Statement, Vec<Value>) {
    (CALL_FOR, args![kind, subject, at.as_micros()])
}

/// Zero where there is none: a minimum of nothing is null, which has no type of its own.
const NEXT_AT: Statement = Statement::new(
    "next_task_at",
    "SELECT coalesce(min(due_at), 0), (SELECT coalesce(max(until), 0) FROM rests WHERE kind = $1)
     FROM tasks WHERE kind = $1",
);

pub(crate) async fn next_at(sql: &impl Sql, kind: &str) -> Result<Option<Timestamp>> {
    let row = sql.read_one(&NEXT_AT, args![kind]).await?;
    let mut row = row.ok_or_else(|| StoreError::Corrupt("a minimum without a row".to_owned()))?;
    let (due_at, rests_until) = (row.int()?, row.int()?);
    Ok(Some(due_at)
        .filter(|&micros| micros != 0)
        .map(|due_at| Timestamp::from_micros(due_at.max(rests_until))))
}

/// Many find the reason at once; but for the first they have nothing to add.
const REST: Statement = Statement::new(
    "rest_tasks",
    formatcp!(
        "INSERT INTO rests (kind, until, cause) VALUES ($1, $2, $3)
         ON CONFLICT (kind) DO UPDATE SET until = excluded.until, cause = excluded.cause
         WHERE rests.until + {LONGER_MICROS} <= excluded.until"
    ),
);
const LONGER_MICROS: i64 = REST_LONGER_BY.as_micros() as i64;

pub(crate) async fn rest(sql: &impl Sql, kind: &str, until: Timestamp, cause: &str) -> Result<bool> {
    Ok(sql.write(&REST, args![kind, until.as_micros(), cause]).await? > 0)
}

const WAKE: Statement =
    Statement::new("wake_tasks", "DELETE FROM rests WHERE kind = $1 AND cause <> $2 AND cause <> ''");

pub(crate) async fn wake(sql: &impl Sql, kind: &str, cause: &str) -> Result<bool> {
    Ok(sql.write(&WAKE, args![kind, cause]).await? > 0)
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
