//! Every statement is one that SQLite can prepare.

use sqlx::Executor as _;

use super::*;

#[tokio::test]
async fn every_statement_prepares() {
    let store = SqliteStore::open(Path::new(":memory:")).await.unwrap();
    let mut writer = store.0.writer.lock().await;
    let multi_row = write::MULTI_ROW.iter().flat_map(|multi| [multi.of(1), multi.of(multirow::ROWS_MAX)]);
    let own = write::STATEMENTS.iter().copied().cloned().chain([HEAD]);
    for statement in crate::tables::statements().into_iter().chain(own).chain(multi_row) {
        let prepared = (&mut writer.connection).prepare(statement.sql()).await;
        assert!(prepared.is_ok(), "{}: {:?}", statement.name, prepared.err());
    }
}
