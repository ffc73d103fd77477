//! Removing what has been kept for long enough.

use std::collections::HashSet;

use domain::{DeliveryId, EventId};

use super::write::{dedupe_key, json_array};
use super::writer::Desk;
use crate::sql::{Row, Statement};
use crate::{Position, Result};

macro_rules! statements {
    ($($name:ident = $label:literal $text:expr;)*) => {
        $(const $name: Statement = Statement::new($label, $text);)*
        #[cfg(test)]
        pub(super) const STATEMENTS: &[&Statement] = &[$(&$name),*];
    };
}

statements! {
    // The head of the log is its newest event, or this: it must not fall when that event goes.
    KEEP_HEAD = "keep_head"
        "UPDATE log SET position = max(position, (SELECT coalesce(max(position), 0) FROM events))";
    NOTE_REMOVED = "note_removed"
        "UPDATE log_removed SET position = max(position,
             (SELECT coalesce(max(position), 0) FROM events WHERE id IN (SELECT unhex(value) FROM json_each($1))))";
    REMOVABLE = "removable"
        "SELECT id, position, dedupe_key FROM events
         WHERE id IN (SELECT unhex(value) FROM json_each($1))
           AND NOT EXISTS (SELECT 1 FROM deliveries
                           WHERE event_id = events.id AND status IN ('pending', 'processing', 'retrying', 'held'))";
    REMOVE_TRIED = "remove_tried"
        "DELETE FROM attempts WHERE delivery_id IN
             (SELECT id FROM deliveries WHERE event_id IN (SELECT unhex(value) FROM json_each($1)))";
    REMOVE_OWED = "remove_owed" "DELETE FROM deliveries WHERE event_id IN (SELECT unhex(value) FROM json_each($1))";
    REMOVE_KEYS = "remove_keys"
        "DELETE FROM dedupe_keys WHERE (run, key) IN
             (SELECT position / $2, dedupe_key FROM events WHERE id IN (SELECT unhex(value) FROM json_each($1)))";
    REMOVE_USERS = "remove_users"
        "DELETE FROM user_events WHERE (user_id, id) IN
             (SELECT user_id, id FROM events WHERE id IN (SELECT unhex(value) FROM json_each($1)))";
    REMOVE_EVENTS = "remove_events" "DELETE FROM events WHERE id IN (SELECT unhex(value) FROM json_each($1))";
    OLDEST = "oldest" "SELECT coalesce(min(position), (SELECT position + 1 FROM log)) FROM events";
    ENDED = "ended"
        "SELECT id FROM deliveries
         WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND status IN ('success', 'failed', 'cancelled')";
    REMOVE_DELIVERIES = "remove_deliveries" "DELETE FROM deliveries WHERE id IN (SELECT unhex(value) FROM json_each($1))";
    REMOVE_ATTEMPTS = "remove_attempts" "DELETE FROM attempts WHERE delivery_id IN (SELECT unhex(value) FROM json_each($1))";
}

pub(super) fn events(desk: &mut Desk, ids: &[EventId]) -> Result<u64> {
    // Should anything fail, the end stays out of its place and is read anew.
    let mut end = desk.log.take();
    let transaction = desk.begin()?;
    let (mut gone, mut positions, mut keys) = (Vec::new(), HashSet::new(), HashSet::new());
    for mut row in transaction.desk.fetch(&REMOVABLE, [json_array(ids.iter().copied())])? {
        gone.push(row.id::<EventId>()?);
        positions.insert(Position(row.int()?));
        if !row.is_null() {
            keys.insert(dedupe_key(&mut row)?);
        }
    }
    transaction.desk.run(&KEEP_HEAD, [])?;
    let removed = json_array(gone.iter().copied());
    transaction.desk.run(&REMOVE_KEYS, [removed.clone(), transaction.desk.runs.length.into()])?;
    for statement in [&NOTE_REMOVED, &REMOVE_TRIED, &REMOVE_OWED, &REMOVE_USERS, &REMOVE_EVENTS] {
        transaction.desk.run(statement, [removed.clone()])?;
    }
    let oldest = transaction.desk.fetch(&OLDEST, [])?.into_iter().next();
    transaction.commit()?;
    desk.users.forget(&positions);
    if let Some(mut oldest) = oldest {
        desk.runs.forget_before(Position(oldest.int()?));
    }
    if let Some(end) = &mut end {
        end.keys.forget(&keys);
    }
    desk.log = end;
    Ok(gone.len() as u64)
}

pub(super) fn deliveries(desk: &mut Desk, ids: &[DeliveryId]) -> Result<u64> {
    let transaction = desk.begin()?;
    let ended = transaction.desk.fetch(&ENDED, [json_array(ids.iter().copied())])?;
    let ended = ended.into_iter().map(|mut row: Row| row.id()).collect::<Result<Vec<DeliveryId>>>()?;
    let ended = json_array(ended);
    transaction.desk.run(&REMOVE_ATTEMPTS, [ended.clone()])?;
    let removed = transaction.desk.run(&REMOVE_DELIVERIES, [ended])?;
    transaction.commit()?;
    Ok(removed)
}

/// One statement is a transaction.
pub(super) fn attempts(desk: &Desk, of: &[DeliveryId]) -> Result<u64> {
    desk.run(&REMOVE_ATTEMPTS, [json_array(of.iter().copied())])
}
