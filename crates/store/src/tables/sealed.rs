//! Sealed secrets, wherever they lie.

use crate::sql::{Row, Sql, Statement, Value, args};
use crate::{Result, SealedIn, SealedSecret};

/// For each kind of row: a page of its secrets, and one that is sealed anew.
macro_rules! statements {
    ($($kind:ident: $table:literal $column:literal;)*) => {
        const fn page(within: SealedIn) -> Statement {
            match within {
                $(SealedIn::$kind => Statement::new(
                    concat!("sealed_", $table),
                    concat!("SELECT id, ", $column, " FROM ", $table, " WHERE id > $1 ORDER BY id LIMIT $2"),
                ),)*
            }
        }

        const fn reseal_one(within: SealedIn) -> Statement {
            match within {
                $(SealedIn::$kind => Statement::new(
                    concat!("reseal_", $table),
                    concat!("UPDATE ", $table, " SET ", $column, " = $3 WHERE id = $1 AND ", $column, " = $2"),
                ),)*
            }
        }
    };
}

statements! {
    Subscriptions: "subscriptions" "sealed_key";
    Sources: "sources" "sealed_keys";
    Connections: "connections" "sealed_tokens";
    Registrations: "registrations" "sealed_secrets";
}

#[cfg(test)]
pub(crate) fn statements() -> impl Iterator<Item = Statement> {
    SealedIn::ALL.into_iter().flat_map(|within| [page(within), reseal_one(within)])
}

pub(crate) async fn secrets(
    sql: &impl Sql,
    within: SealedIn,
    after: [u8; 16],
    limit: u32,
) -> Result<Vec<SealedSecret>> {
    let rows = sql.read(&page(within), args![Value::id(after), i64::from(limit)]).await?;
    let secret = |mut row: Row| Ok(SealedSecret { within, id: row.id()?, sealed: row.bytes()? });
    rows.into_iter().map(secret).collect()
}

pub(crate) async fn reseal(sql: &impl Sql, secret: &SealedSecret, sealed: &[u8]) -> Result<bool> {
    let args = args![Value::id(secret.id), secret.sealed.as_slice(), sealed];
    Ok(sql.write(&reseal_one(secret.within), args).await? > 0)
}
