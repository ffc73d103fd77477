//! The engines, each with a place for its data that belongs to one test.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use futures::FutureExt as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use store::model::Model;
use store::{PostgresStore, SqliteStore, Store};
use tempfile::TempDir;

/// Where data lives while nobody has it open.
pub(crate) trait Engine: Sized {
    type Store: Store;

    /// Makes a fresh place.
    async fn start() -> Self;

    /// Opens what is there, for the first time or again.
    async fn open(&self) -> Self::Store;

    /// Removes the place with all that is in it.
    async fn remove(self);
}

/// Tries `case` on a fresh, empty store.
pub(crate) async fn on_store<E: Engine>(case: impl AsyncFn(&dyn Store)) {
    on_engine(async |engine: &E| {
        let store = engine.open().await;
        case(&store).await;
        store.close().await;
    })
    .await;
}

/// Tries `case` on a fresh engine, and clears up even if it fails.
pub(crate) async fn on_engine<E: Engine>(case: impl AsyncFn(&E)) {
    let engine = E::start().await;
    let tried = AssertUnwindSafe(case(&engine)).catch_unwind().await;
    engine.remove().await;
    tried.unwrap_or_else(|panic| resume_unwind(panic));
}

pub(crate) struct InMemory;

impl Engine for InMemory {
    type Store = Model;

    async fn start() -> Self {
        Self
    }

    async fn open(&self) -> Model {
        Model::new()
    }

    async fn remove(self) {}
}

/// A directory.
pub(crate) struct Sqlite(TempDir);

impl Engine for Sqlite {
    type Store = SqliteStore;

    async fn start() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.0.path().join("waystation.db")).await.unwrap()
    }

    async fn remove(self) {
        self.0.close().unwrap();
    }
}

/// A database in the cluster that the environment names.
pub(crate) struct Postgres {
    cluster: PgConnectOptions,
    name: String,
}

impl Postgres {
    async fn run(&self, statement: String) {
        let mut connection = PgConnection::connect_with(&self.cluster).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

impl Engine for Postgres {
    type Store = PostgresStore;

    async fn start() -> Self {
        static DATABASES: AtomicU32 = AtomicU32::new(0);
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("conformance_{}_{number}", std::process::id());
        let engine = Self { cluster: cluster_url().parse().unwrap(), name };
        // Sorted as people sort, so that nothing may lean on the order of bytes without saying so.
        let sorting = "LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LC_COLLATE 'C' LC_CTYPE 'C'";
        let name = &engine.name;
        engine.run(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        engine.run(format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {sorting}")).await;
        engine
    }

    async fn open(&self) -> PostgresStore {
        let url = self.cluster.clone().database(&self.name).to_url_lossy();
        PostgresStore::open(url.as_str()).await.unwrap()
    }

    async fn remove(self) {
        self.run(format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "this is a test's only configuration")]
fn cluster_url() -> String {
    std::env::var("WAYSTATION_TEST_POSTGRES_URL").unwrap_or_else(|_| {
        panic!("these tests need PostgreSQL: run `cargo xtask test`, or set WAYSTATION_TEST_POSTGRES_URL")
    })
}
