//! Notes, by `NOTIFY`. They reach all nodes that listen; who does not, or whose connection is lost, has missed them.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::time::timeout;

use super::pool::ANSWER_TIMEOUT;
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

/// After how long without a note the server is asked whether it is still there. One that vanishes without a word would never
/// be missed by who only listens.
const SILENCE: Duration = Duration::from_secs(60);

#[async_trait]
impl Notes for Listening {
    async fn next(&mut self) -> Result<String> {
        let lost = || StoreError::Unavailable("the connection that notes come over is lost".to_owned());
        loop {
            if let Ok(heard) = timeout(SILENCE, self.0.try_recv()).await {
                return heard.map_err(classify)?.map(|note| note.payload().to_owned()).ok_or_else(lost);
            }
            let asked = timeout(ANSWER_TIMEOUT, sqlx::query("SELECT 1").execute(&mut self.0)).await;
            asked.map_err(|_| lost())?.map_err(classify)?;
        }
    }
}
