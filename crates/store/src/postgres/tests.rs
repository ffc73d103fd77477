//! Every statement is one that PostgreSQL can prepare, and the log is in the order of commits.

use futures::FutureExt as _;
use futures::future::BoxFuture;
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
    let own = write::STATEMENTS.iter().copied().cloned().chain([HEAD, notes::PASS]);
    for statement in crate::tables::statements::<Postgres>().into_iter().chain(own) {
        let prepared = store.0.pool.connections.prepare(statement.sql()).await;
        assert!(prepared.is_ok(), "{}: {:?}", statement.name, prepared.err());
    }
}

const NEVER: &str = "SELECT pg_sleep(60)";

fn is_given_up(answer: Result<Vec<PgRow>>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(why)) if why.contains("not answered"))
}

#[tokio::test]
async fn a_statement_that_is_never_answered_is_given_up_and_the_next_has_another_connection() {
    let store = PostgresStore::open(&fresh_database().await).await.unwrap();
    let lines = &store.0.appending;
    let process = async || {
        let rows = lines.fetch_all(sqlx::query("SELECT pg_backend_pid()")).await.unwrap();
        rows[0].get::<i32, _>(0)
    };
    let former = process().await;
    assert_eq!(process().await, former, "it stays at hand");
    tokio::time::pause();
    let silent = lines.fetch_all(sqlx::query(NEVER)).await;
    tokio::time::resume();
    assert!(is_given_up(silent));
    assert_ne!(process().await, former);
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_answered_goes_not_back_to_the_pool() {
    let store = PostgresStore::open(&fresh_database().await).await.unwrap();
    let silent = ask_in_vain(&store.0).await;
    tokio::time::pause();
    let silent = silent.await;
    tokio::time::resume();
    assert!(is_given_up(silent));
    assert!(is_emptied(&store.0.pool).await);
}

#[tokio::test]
async fn nor_does_it_where_nobody_waits_for_the_answer_any_more() {
    let store = PostgresStore::open(&fresh_database().await).await.unwrap();
    drop(ask_in_vain(&store.0).await);
    tokio::time::pause();
    tokio::time::sleep(pool::ANSWER_TIMEOUT).await;
    tokio::time::resume();
    assert!(is_emptied(&store.0.pool).await);
}

/// A statement that the server has begun with.
async fn ask_in_vain(Postgres { pool, appending, .. }: &Postgres) -> BoxFuture<'_, Result<Vec<PgRow>>> {
    const BEGUN: &str = "SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'active' AND query = 'SELECT pg_sleep(60)'";
    let mut asked = pool.fetch_all(sqlx::query(NEVER)).boxed();
    let begun = async { while appending.fetch_all(sqlx::query(BEGUN)).await.unwrap().is_empty() {} };
    tokio::select! {
        answer = &mut asked => panic!("{answer:?}"),
        () = begun => asked,
    }
}

/// Long before the server gives the statement up.
async fn is_emptied(pool: &Pool) -> bool {
    for _ in 0..500 {
        if pool.connections.size() == 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn a_caller_who_stops_to_wait_for_another_keeps_no_connection_from_it() {
    let store = PostgresStore::open(&fresh_database().await).await.unwrap();
    let ask = || store.0.pool.fetch_all(sqlx::query("SELECT 1"));
    // Each has its place in the line, where connections are given out as they come free, and does not look again.
    let mut stopped: Vec<_> = (0..3 * CONNECTIONS_MAX).map(|_| ask().boxed()).collect();
    assert!(stopped.iter_mut().all(|asking| asking.now_or_never().is_none()));
    assert_eq!(ask().await.unwrap().len(), 1);
    drop(stopped);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_begun() {
    let store = PostgresStore::open(&fresh_database().await).await.unwrap();
    let pool = &store.0.pool;
    pool.fetch_all(sqlx::query("CREATE TABLE begun (n INT)")).await.unwrap();
    let mut busy = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        busy.push(pool.connections.acquire().await.unwrap());
    }
    let mut asking = pool.fetch_all(sqlx::query("INSERT INTO begun VALUES (1)")).boxed();
    assert!(asking.as_mut().now_or_never().is_none());
    drop((asking, busy));
    for _ in 0..20 {
        assert!(pool.fetch_all(sqlx::query("SELECT n FROM begun")).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_vanishes_is_missed_by_who_only_listens() {
    let store = PostgresStore::open(&fresh_database().await).await.unwrap();
    let mut notes = store.0.notes().await.unwrap();
    // No note comes, and with time that flies neither does an answer.
    tokio::time::pause();
    let error = notes.next().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
}

/// Enough that an index is worth its while: hardly any delivery is in one of the rarer statuses.
const MANY: &str = "
    INSERT INTO events (position, id, event_type, source, occurred_at, received_at, data)
    SELECT n, md5(n::text)::uuid, 'a.b' || n % 50, 'api', n, n, '1' FROM generate_series(1, 10000) AS n;
    INSERT INTO deliveries (id, event_id, event_type, owner_id, subscription_id, status, attempt_count, max_attempts,
                            lapses, cause, created_at, next_attempt_at, claim_deadline, claimed_by)
    SELECT md5('d' || n)::uuid, md5(n::text)::uuid, 'a.b', 'u' || n % 50, md5('s' || n % 50)::uuid, status, 1, 4, 0,
           'initial', n, CASE WHEN status IN ('pending', 'retrying') THEN n END,
           CASE WHEN status = 'processing' THEN n END, CASE WHEN status = 'processing' THEN 'x' || n END
    FROM (SELECT n, CASE WHEN n % 100 > 5 THEN 'success' ELSE
                    ('{pending,retrying,held,failed,cancelled,processing}'::text[])[n % 100 + 1] END AS status
          FROM generate_series(1, 10000) AS n) AS many;
    INSERT INTO attempts (delivery_id, number, at, cause, duration_us)
    SELECT id, 1, 1, 'initial', 1 FROM deliveries;
    ANALYZE events; ANALYZE deliveries; ANALYZE attempts";

#[tokio::test]
async fn no_statement_walks_through_all_events_deliveries_or_attempts() {
    let url = fresh_database().await;
    let store = PostgresStore::open(&url).await.unwrap();
    let mut connection = store.0.pool.connections.acquire().await.unwrap();
    sqlx::raw_sql("SET plan_cache_mode = force_generic_plan").execute(&mut *connection).await.unwrap();
    // What runs for every event meets a store that is still empty, and keeps the plan that was made for it.
    let for_every_event = write::STATEMENTS.iter().filter(|it| ["append", "change"].contains(&it.name));
    walk_nowhere(&mut connection, for_every_event.copied()).await;
    sqlx::raw_sql(MANY).execute(&mut *connection).await.unwrap();
    let shared = crate::tables::served_by_indexes::<Postgres>();
    let shared = shared.iter().filter(|(_, may_walk)| !may_walk).map(|(statement, _)| statement);
    let others = [HEAD, notes::PASS];
    let own = write::STATEMENTS.iter().copied().chain(&others);
    walk_nowhere(&mut connection, shared.chain(own)).await;
}

/// Panics if one of the statements reads a large table from end to end, or along an index without a condition on it.
async fn walk_nowhere(connection: &mut PgConnection, statements: impl Iterator<Item = &Statement>) {
    let partial = "SELECT indexname::text FROM pg_indexes WHERE indexdef LIKE '% WHERE %'";
    let partial: Vec<String> = sqlx::query_scalar(partial).fetch_all(&mut *connection).await.unwrap();
    for statement in statements {
        let plan = plan(connection, statement.text()).await;
        let mut walks = Vec::new();
        look_for_walks(&plan[0]["Plan"], &partial, &mut walks);
        assert!(walks.is_empty(), "{} {walks:?}\n{}\n{plan:#}", statement.name, statement.text());
    }
}

/// How the server would run a statement whose parameters it does not know.
async fn plan(connection: &mut PgConnection, statement: &str) -> serde_json::Value {
    async fn run(connection: &mut PgConnection, text: String) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(connection).await.unwrap();
    }
    run(connection, format!("PREPARE explained AS {statement}")).await;
    let count = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'explained'";
    let count: i32 = sqlx::query_scalar(count).fetch_one(&mut *connection).await.unwrap();
    let nulls = vec!["NULL"; count as usize].join(", ");
    let arguments = if count == 0 { String::new() } else { format!("({nulls})") };
    let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE explained{arguments}");
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(explain)).fetch_one(&mut *connection).await.unwrap();
    run(connection, "DEALLOCATE explained".to_owned()).await;
    let text: &str = sqlx::Row::try_get_raw(&row, 0).unwrap().as_str().unwrap();
    serde_json::from_str(text).unwrap()
}

/// The steps that do.
fn look_for_walks(step: &serde_json::Value, partial: &[String], walks: &mut Vec<String>) {
    let text = |name: &str| step[name].as_str().unwrap_or_default();
    let is_large = ["events", "deliveries", "attempts"].contains(&text("Relation Name"));
    let is_narrow = partial.iter().any(|index| index == text("Index Name"));
    let is_along_an_index =
        text("Node Type").starts_with("Index") && step["Index Cond"].is_null() && !is_narrow;
    if is_large && (text("Node Type") == "Seq Scan" || is_along_an_index) {
        walks.push(format!("{} of {} {}", text("Node Type"), text("Relation Name"), text("Index Name")));
    }
    for step in step["Plans"].as_array().into_iter().flatten() {
        look_for_walks(step, partial, walks);
    }
}

/// An append that is begun first and committed last: what a reader must wait for.
async fn begin_append(store: &PostgresStore, event: &str) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut transaction = store.0.pool.connections.begin().await.unwrap();
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
    while sqlx::query_scalar::<_, i64>(WAITERS).fetch_one(&store.0.pool.connections).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
}
