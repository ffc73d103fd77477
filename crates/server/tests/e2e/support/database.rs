//! A database of each test's own.

use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::{prepared, within};

/// Which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// A directory, and an empty database in it or beside it. Both are gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) directory: TempDir,
    postgres: Option<PostgresDatabase>,
}

impl Home {
    pub(crate) async fn make(engine: Engine) -> Self {
        let postgres = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(PostgresDatabase::create().await),
        };
        Self { directory: TempDir::new().unwrap(), postgres }
    }

    pub(crate) fn database_url(&self) -> String {
        match &self.postgres {
            Some(database) => database.url.clone(),
            None => format!("sqlite:{}", self.directory.path().join("waystation.db").display()),
        }
    }
}

/// Runs statements on a PostgreSQL server.
pub(crate) async fn execute(url: &str, statements: &str) {
    let client = connect(url).await;
    within(statements, client.batch_execute(statements)).await.unwrap();
}

/// Every row of every table, as text; bytes are in hexadecimal.
pub(crate) async fn read_all(url: &str) -> Vec<u8> {
    let client = connect(url).await;
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    let mut all = Vec::new();
    for table in within(tables, client.query(tables, &[])).await.unwrap() {
        let table: String = table.get(0);
        let rows = format!("SELECT t::text FROM \"{table}\" t");
        for row in within(&rows, client.query(&rows, &[])).await.unwrap() {
            all.extend_from_slice(row.get::<_, String>(0).as_bytes());
        }
    }
    all
}

async fn connect(url: &str) -> Client {
    let (client, connection) = within("PostgreSQL", tokio_postgres::connect(url, NoTls)).await.unwrap();
    tokio::spawn(connection);
    client
}

#[derive(Debug)]
struct PostgresDatabase {
    cluster: String,
    name: String,
    url: String,
}

impl PostgresDatabase {
    async fn create() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let cluster = prepared("WAYSTATION_TEST_POSTGRES_URL");
        let name = format!("e2e_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let mut url = url::Url::parse(&cluster).unwrap();
        url.set_path(&name);
        let database = Self { cluster, name, url: url.into() };
        execute(&database.cluster, &database.dropping()).await;
        execute(&database.cluster, &format!("CREATE DATABASE {}", database.name)).await;
        database
    }

    /// FORCE, since a program that was killed may have left connections that have not noticed.
    fn dropping(&self) -> String {
        format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)
    }
}

impl Drop for PostgresDatabase {
    /// On a thread of its own, since a runtime cannot wait for itself.
    fn drop(&mut self) {
        let (cluster, dropping) = (self.cluster.clone(), self.dropping());
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(execute(&cluster, &dropping));
        });
        // A database that is left behind goes with the cluster.
        let _left_behind = dropped.join();
    }
}
