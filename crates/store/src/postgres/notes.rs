//! Notes, by `NOTIFY`. They reach all nodes that listen; who does not, or whose connection is lost, has missed them.

use async_trait::async_trait;
use sqlx::PgPool;
use sqlx::postgres::PgListener;

use super::{Postgres, classify};
use crate::sql::{Sql as _, Statement};
use crate::{Notes, Result, StoreError, notes};

const CHANNEL: &str = "waystation_notes";

/// A statement of its own, outside of every transaction that writes: a notice takes a lock of the whole database's as
/// it is committed.
pub(super) const PASS: Statement = Statement::new("pass_note", "SELECT pg_notify('waystation_notes', $1)");

pub(super) async fn pass(postgres: &Postgres, note: &str) -> Result<()> {
    notes::check(note)?;
    postgres.write(&PASS, vec![note.into()]).await.map(drop)
}

pub(super) async fn listen(pool: &PgPool) -> Result<Box<dyn Notes>> {
    let mut listener = PgListener::connect_with(pool).await.map_err(classify)?;
    listener.listen(CHANNEL).await.map_err(classify)?;
    Ok(Box::new(Listening(listener)))
}

struct Listening(PgListener);

#[async_trait]
impl Notes for Listening {
    async fn next(&mut self) -> Result<String> {
        match self.0.try_recv().await.map_err(classify)? {
            Some(note) => Ok(note.payload().to_owned()),
            None => Err(StoreError::Unavailable("the connection that notes come over is lost".to_owned())),
        }
    }
}
