//! Every statement is one that PostgreSQL can prepare, and the log is in the order of commits.

use sqlx::Executor as _;

use super::*;

/// A database of its own in the cluster that the tests run against.
async fn fresh_database() -> String {
    #[expect(clippy::disallowed_methods, reason = "the cluster's address comes from whoever runs the tests")]
    let cluster = std::env::var("WAYSTATION_TEST_POSTGRES_URL")
        .expect("WAYSTATION_TEST_POSTGRES_URL names no cluster: run `cargo xtask test`");
    let name = format!("store_{:016x}", rand::random::<u64>());
    let mut connection = PgConnection::connect(&cluster).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut connection)
        .await
        .unwrap();
    let (server, _) = cluster.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

#[tokio::test]
async fn every_statement_prepares() {
    let url = fresh_database().await;
    let store = PostgresStore::open(&url).await.unwrap();
    let own = write::STATEMENTS.iter().map(|&statement| statement.clone());
    for statement in crate::tables::statements().into_iter().chain(own) {
        let prepared = store.0.pool.prepare(statement.sql()).await;
        assert!(prepared.is_ok(), "{}: {:?}", statement.name, prepared.err());
    }
}
