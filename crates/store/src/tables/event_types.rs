//! Event types that somebody has described.

use std::sync::Arc;

use domain::event::Json;
use domain::{EventType, UserId};

use crate::sql::{Sql, Statement, args};
use crate::{AddedType, Result};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] = &[&CREATE, &OF_OWNER, &DELETE];

const CREATE: Statement = Statement::new(
    "create_event_type",
    "INSERT INTO event_types (owner, event_type, description, example, data_schema, created_at)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
);

pub(crate) async fn create(sql: &impl Sql, added: &AddedType) -> Result<bool> {
    let args = args![
        owner(added.owner_id.as_ref()),
        added.event_type.as_str(),
        added.description.as_str(),
        added.example.as_ref().map(Json::as_str),
        added.schema.as_ref().map(Json::as_str),
        added.created_at.as_micros(),
    ];
    Ok(sql.write(&CREATE, args).await? > 0)
}

const OF_OWNER: Statement = Statement::new(
    "event_types",
    "SELECT event_type, description, example, data_schema, created_at FROM event_types WHERE owner = $1
     ORDER BY event_type",
);

pub(crate) async fn of_owner(sql: &impl Sql, owner_id: Option<&UserId>) -> Result<Vec<AddedType>> {
    let document = |text: Option<Arc<str>>| text.map(Json::trusted);
    let rows = sql.read(&OF_OWNER, args![owner(owner_id)]).await?;
    let read = rows.into_iter().map(|mut row| {
        Ok(AddedType {
            owner_id: owner_id.cloned(),
            event_type: row.parsed()?,
            description: row.text()?.to_string(),
            example: document(row.text_or_null()?),
            schema: document(row.text_or_null()?),
            created_at: row.time()?,
        })
    });
    read.collect()
}

const DELETE: Statement =
    Statement::new("delete_event_type", "DELETE FROM event_types WHERE owner = $1 AND event_type = $2");

pub(crate) async fn delete(
    sql: &impl Sql,
    owner_id: Option<&UserId>,
    event_type: &EventType,
) -> Result<bool> {
    Ok(sql.write(&DELETE, args![owner(owner_id), event_type.as_str()]).await? > 0)
}

/// No user's id is empty, and a key cannot hold NULL.
fn owner(owner_id: Option<&UserId>) -> &str {
    owner_id.map_or("", UserId::as_str)
}
