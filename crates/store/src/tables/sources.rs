//! Custom sources.
//!
//! The sum of all revisions tells whether any of them has changed: it goes up by one with each change. What a source
//! had that is removed goes on counting, so that the sum never goes down.

use const_format::formatcp;
use domain::{SourceId, UserId};

use crate::rows::SOURCE;
use crate::sql::{Select, Sql, Statement, Value, args};
use crate::{Page, Result, SourcesVersion, StoreError, StoredSource};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] = &[&EVERY, &VERSION, &CREATE, &ONE, &CHANGE];

const SUM: &str =
    "SELECT revisions + (SELECT coalesce(CAST(sum(revision) AS BIGINT), 0) FROM sources) AS version
     FROM removed_sources";

/// The version and the sources in one statement, so that both are of one moment.
const EVERY: Statement = Statement::new(
    "every_source",
    formatcp!("SELECT known.version, {SOURCE} FROM ({SUM}) AS known LEFT JOIN sources ON true"),
);

pub(crate) async fn every(sql: &impl Sql) -> Result<(SourcesVersion, Vec<StoredSource>)> {
    let mut version = SourcesVersion(0);
    let mut sources = Vec::new();
    for mut row in sql.read(&EVERY, args![]).await? {
        version = SourcesVersion(row.int()?);
        if !row.is_null() {
            sources.push(row.source()?);
        }
    }
    Ok((version, sources))
}

const VERSION: Statement = Statement::new("sources_version", SUM);

pub(crate) async fn version(sql: &impl Sql) -> Result<SourcesVersion> {
    let row = sql.read_one(&VERSION, args![]).await?;
    let mut row = row.ok_or_else(|| StoreError::Corrupt("a sum without a row".to_owned()))?;
    Ok(SourcesVersion(row.int()?))
}

const CREATE: Statement = Statement::new(
    "create_source",
    formatcp!("INSERT INTO sources ({SOURCE}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"),
);

pub(crate) async fn create(sql: &impl Sql, source: &StoredSource) -> Result<()> {
    let (previous, until) = previous(source);
    let args = args![
        Value::id(source.id),
        source.user_id.as_ref().map(UserId::as_str),
        source.name.as_str(),
        source.terms.as_str(),
        source.is_active,
        source.sealed_keys.as_slice(),
        source.token.as_slice(),
        previous,
        until,
        source.created_at.as_micros(),
        source.updated_at.as_micros(),
        source.revision,
    ];
    sql.write(&CREATE, args).await.map(|_| ())
}

/// No token is no bytes.
fn previous(source: &StoredSource) -> (&[u8], i64) {
    source.previous_token.as_ref().map_or((&[], 0), |(token, until)| (token.as_slice(), until.as_micros()))
}

const ONE: Statement = Statement::new("source", formatcp!("SELECT {SOURCE} FROM sources WHERE id = $1"));

pub(crate) async fn one(sql: &impl Sql, id: SourceId) -> Result<Option<StoredSource>> {
    let row = sql.read_one(&ONE, args![Value::id(id)]).await?;
    row.map(|mut row| row.source()).transpose()
}

pub(crate) async fn list(
    sql: &impl Sql,
    user: Option<&UserId>,
    page: &Page<SourceId>,
) -> Result<Vec<StoredSource>> {
    let (statement, args) = Select::new(formatcp!("SELECT {SOURCE} FROM sources"))
        .and("user_id =", user.map(UserId::as_str))
        .and("id <", page.before.map(Value::id))
        .newest_first("sources", page.limit);
    sql.read(&statement, args).await?.into_iter().map(|mut row| row.source()).collect()
}

const CHANGE: Statement = Statement::new(
    "change_source",
    "UPDATE sources
     SET name = $2, terms = $3, is_active = $4, sealed_keys = $5, token = $6, previous_token = $7,
         previous_until = $8, updated_at = $9, revision = revision + 1
     WHERE id = $1 AND revision = $10",
);

pub(crate) async fn change(sql: &impl Sql, source: &StoredSource) -> Result<bool> {
    let (previous, until) = previous(source);
    let args = args![
        Value::id(source.id),
        source.name.as_str(),
        source.terms.as_str(),
        source.is_active,
        source.sealed_keys.as_slice(),
        source.token.as_slice(),
        previous,
        until,
        source.updated_at.as_micros(),
        source.revision,
    ];
    Ok(sql.write(&CHANGE, args).await? > 0)
}
