//! API keys.

use const_format::formatcp;
use domain::KeyId;

use crate::rows::API_KEY;
use crate::sql::{Select, Sql, Statement, Value, args};
use crate::{ApiKey, KeyDigest, Page, Result};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] = &[&CREATE, &BY_DIGEST, &DELETE];

const CREATE: Statement =
    Statement::new("create_key", formatcp!("INSERT INTO api_keys ({API_KEY}) VALUES ($1, $2, $3, $4, $5)"));

pub(crate) async fn create(sql: &impl Sql, key: &ApiKey) -> Result<()> {
    let user = key.user_id.as_ref().map(|user| user.as_str());
    let args =
        args![Value::id(key.id), key.name.as_str(), user, key.digest.as_slice(), key.created_at.as_micros()];
    sql.write(&CREATE, args).await.map(|_| ())
}

const BY_DIGEST: Statement =
    Statement::new("key", formatcp!("SELECT {API_KEY} FROM api_keys WHERE digest = $1"));

pub(crate) async fn by_digest(sql: &impl Sql, digest: &KeyDigest) -> Result<Option<ApiKey>> {
    let row = sql.read_one(&BY_DIGEST, args![digest.as_slice()]).await?;
    row.map(|mut row| row.api_key()).transpose()
}

pub(crate) async fn list(sql: &impl Sql, page: &Page<KeyId>) -> Result<Vec<ApiKey>> {
    let (statement, args) = Select::new(formatcp!("SELECT {API_KEY} FROM api_keys"))
        .and("id <", page.before.map(Value::id))
        .newest_first("keys", page.limit);
    sql.read(&statement, args).await?.into_iter().map(|mut row| row.api_key()).collect()
}

const DELETE: Statement = Statement::new("delete_key", "DELETE FROM api_keys WHERE id = $1");

pub(crate) async fn delete(sql: &impl Sql, id: KeyId) -> Result<bool> {
    Ok(sql.write(&DELETE, args![Value::id(id)]).await? > 0)
}
