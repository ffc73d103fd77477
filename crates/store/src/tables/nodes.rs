//! Which nodes say that they live.

use domain::NodeId;

use crate::Result;
use crate::sql::{Sql, Statement, Value, args};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] = &[&BEAT, &ALL, &FORGET];

const BEAT: Statement = Statement::new(
    "beat",
    "INSERT INTO nodes (id, beat) VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET beat = nodes.beat + 1",
);

pub(crate) async fn beat(sql: &impl Sql, node: NodeId) -> Result<()> {
    sql.write(&BEAT, args![Value::id(node)]).await.map(|_| ())
}

const ALL: Statement = Statement::new("nodes", "SELECT id, beat FROM nodes ORDER BY id");

pub(crate) async fn all(sql: &impl Sql) -> Result<Vec<(NodeId, i64)>> {
    let rows = sql.read(&ALL, args![]).await?;
    rows.into_iter().map(|mut row| Ok((row.id()?, row.int()?))).collect()
}

const FORGET: Statement = Statement::new("forget_node", "DELETE FROM nodes WHERE id = $1 AND beat = $2");

pub(crate) async fn forget(sql: &impl Sql, node: NodeId, beat: i64) -> Result<bool> {
    Ok(sql.write(&FORGET, args![Value::id(node), beat]).await? > 0)
}
