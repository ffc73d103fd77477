//! Where the servers under test keep their data: fresh directories and fresh databases, gone at the end.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_postgres::NoTls;
use url::Url;

/// Dropping a large database takes a while; a cluster that is gone should not hold up the end for ever.
const STATEMENT_WITHIN: Duration = Duration::from_secs(60);

/// The database engines that the program runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// For keys in machine-readable output.
    pub fn key(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// All temporary data of one run of the harness.
#[derive(Debug)]
pub struct Scratch {
    root: TempDir,
    cluster: Option<Url>,
    /// Every database made so far: its count names the next, its names are dropped at the end.
    databases: Mutex<Vec<String>>,
}

/// One server's own directory and database.
#[derive(Clone, Debug)]
pub struct Home {
    pub directory: PathBuf,
    pub database_url: String,
}

impl Scratch {
    /// Under `parent`, or the system's directory for temporary files. A file system in memory would make
    /// every durable write free, so `parent` should be on a real disk when rates are measured.
    pub fn new(parent: Option<&Path>, cluster: Option<Url>) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("waystation-bench-");
        let root = match parent {
            Some(parent) => builder.tempdir_in(parent),
            None => builder.tempdir(),
        };
        let root = root.context("make a directory for temporary data")?;
        Ok(Self { root, cluster, databases: Mutex::default() })
    }

    /// An empty home: a new directory and, on PostgreSQL, a new database in the given cluster.
    pub async fn home(&self, engine: Engine) -> Result<Home> {
        let directory = tempfile::Builder::new().prefix(engine.key()).tempdir_in(self.root.path())?.keep();
        let database_url = match engine {
            Engine::Sqlite => format!("sqlite:{}", directory.join("waystation.db").display()),
            Engine::Postgres => self.create_database().await?,
        };
        Ok(Home { directory, database_url })
    }

    async fn create_database(&self) -> Result<String> {
        let cluster = self.cluster.as_ref().context("PostgreSQL needs --postgres-url")?;
        let name = {
            let mut databases = self.databases.lock().expect("no holder panics");
            let name = format!("waystation_bench_{}_{}", std::process::id(), databases.len());
            databases.push(name.clone());
            name
        };
        execute(cluster, &format!("CREATE DATABASE {name}")).await?;
        let mut url = cluster.clone();
        url.set_path(&name);
        Ok(url.into())
    }

    /// Has PostgreSQL do at once what it would do some time after much has been written, beside whatever is measured then.
    pub async fn settle(&self, engine: Engine, home: &Home) -> Result<()> {
        if engine == Engine::Sqlite {
            return Ok(());
        }
        let database = Url::parse(&home.database_url)?;
        execute(&database, "VACUUM ANALYZE").await?;
        execute(&database, "CHECKPOINT").await
    }

    /// Removes everything. The databases first, for they cannot be dropped without waiting.
    pub async fn clear(self) -> Result<()> {
        let databases = self.databases.into_inner().expect("no holder panics");
        for name in databases {
            let cluster = self.cluster.as_ref().context("databases without a cluster")?;
            // FORCE: a server that was killed may still have backends that have not noticed.
            execute(cluster, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        }
        self.root.close().context("remove the temporary data")
    }

    /// Leaves everything where it is, to be looked at, and says where.
    pub fn keep(self) -> String {
        let databases = self.databases.into_inner().expect("no holder panics");
        let directory = self.root.keep();
        format!("kept {} {}", directory.display(), databases.join(" "))
    }
}

async fn execute(cluster: &Url, statement: &str) -> Result<()> {
    let executing = async {
        let (client, connection) = tokio_postgres::connect(cluster.as_str(), NoTls)
            .await
            .context("connect to the PostgreSQL cluster")?;
        let running = tokio::spawn(connection);
        let done = client.batch_execute(statement).await;
        drop(client);
        running.await?.context("the connection to PostgreSQL")?;
        anyhow::Ok(done?)
    };
    let done = timeout(STATEMENT_WITHIN, executing).await;
    done.map_err(anyhow::Error::from).flatten().with_context(|| statement.to_owned())
}
