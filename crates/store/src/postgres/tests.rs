//! Every statement is one that PostgreSQL can prepare, and the log is in the order of commits.

use rand::TryRng as _;
use rand::rngs::SysRng;
use sqlx::Executor as _;

use super::*;

/// A database of its own in the cluster that the tests run against.
async fn fresh_database() -> String {
    #[expect(clippy::disallowed_methods, reason = "the cluster's address comes from whoever runs the tests")]
    let cluster = std::env::var("WAYSTATION_TEST_POSTGRES_URL")
        .expect("WAYSTATION_TEST_POSTGRES_URL names no cluster: run `cargo xtask test`");
    let name = format!("store_{:016x}", SysRng.try_next_u64().expect("the system has chance"));
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
    let own = write::STATEMENTS.iter().copied().cloned().chain([HEAD]);
    for statement in crate::tables::statements().into_iter().chain(own) {
        let prepared = store.0.pool.prepare(statement.sql()).await;
        assert!(prepared.is_ok(), "{}: {:?}", statement.name, prepared.err());
    }
}

/// An append that is begun first and committed last: what a reader must wait for.
async fn begin_append(store: &PostgresStore, event: &str) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut transaction = store.0.pool.begin().await.unwrap();
    let append = format!(
        "WITH head AS (UPDATE log SET position = position + 1 RETURNING position)
         INSERT INTO events (position, id, event_type, source, occurred_at, received_at, data)
         SELECT position, right('{event}', 32)::uuid, 'a.b', 'api', 0, 0, '1' FROM head"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(append)).execute(&mut *transaction).await.unwrap();
    transaction
}

async fn logged(store: &PostgresStore) -> Vec<(i64, String)> {
    let logged = store.read_log(Position::START, 10).await.unwrap();
    logged.into_iter().map(|logged| (logged.position.0, logged.event.id.to_string())).collect()
}

#[tokio::test]
async fn a_reader_never_steps_over_a_late_commit() {
    let url = fresh_database().await;
    let store = std::sync::Arc::new(PostgresStore::open(&url).await.unwrap());
    let (early, late) = (format!("evt_{:032x}", 1), format!("evt_{:032x}", 2));
    let slow = begin_append(&store, &early).await;

    // A second transaction, which would like to be first.
    let other = std::sync::Arc::clone(&store);
    let named = late.clone();
    #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
    let second = tokio::spawn(async move { begin_append(&other, &named).await.commit().await.unwrap() });
    await_waiter(&store).await;
    assert_eq!(logged(&store).await, [], "nothing may be seen before what comes first");

    slow.commit().await.unwrap();
    second.await.unwrap();
    assert_eq!(logged(&store).await, [(1, early), (2, late)]);
}

/// Waits until somebody waits for the head of the log.
async fn await_waiter(store: &PostgresStore) {
    const WAITERS: &str = "SELECT count(*) FROM pg_stat_activity
         WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while sqlx::query_scalar::<_, i64>(WAITERS).fetch_one(&store.0.pool).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
}
