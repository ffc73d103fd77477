//! Opening what is kept: the store, and the key that its secrets are sealed under.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use store::{PostgresStore, SqliteStore, Store};

use crate::config::{Config, DatabaseUrl, SecretKey};

/// What is kept, open.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) secret_key: SecretKey,
    /// While it is held nobody else serves from the same file.
    _alone: Option<File>,
}

/// Opens the data for the one program that serves from it. A PostgreSQL database may have many such programs.
pub(crate) async fn open_alone(config: &Config) -> Result<Data> {
    let alone = match &config.database_url {
        DatabaseUrl::Sqlite(path) => Some(lock(path)?),
        DatabaseUrl::Postgres(_) => None,
    };
    Ok(Data { _alone: alone, ..open(config).await? })
}

/// Opens the data beside whoever serves from it.
pub(crate) async fn open(config: &Config) -> Result<Data> {
    let cannot_open = || format!("cannot open the database {}", config.database_url);
    let (store, secret_key): (Arc<dyn Store>, _) = match &config.database_url {
        DatabaseUrl::Sqlite(path) => {
            make_parent(path)?;
            let store = SqliteStore::open(path).await.with_context(cannot_open)?;
            (Arc::new(store), config.secret_key.clone().map_or_else(|| key_beside(path), Ok)?)
        }
        DatabaseUrl::Postgres(url) => {
            let store = PostgresStore::open(url.as_str()).await.with_context(cannot_open)?;
            let key =
                config.secret_key.clone().context("a PostgreSQL database needs WAYSTATION_SECRET_KEY")?;
            (Arc::new(store), key)
        }
    };
    Ok(Data { store, secret_key, _alone: None })
}

fn make_parent(path: &Path) -> Result<()> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(parent)
        .with_context(|| format!("cannot make the data directory {}", parent.display()))
}

/// Holds a file beside the database, so that a second server on the same data says so instead of fighting.
fn lock(path: &Path) -> Result<File> {
    make_parent(path)?;
    let lock_path = beside(path, "lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
    let file = file.with_context(|| format!("cannot write {}", lock_path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            bail!("another waystation serves from {}: stop it, or use another --database-url", path.display())
        }
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", lock_path.display()))
        }
    }
}

/// The secret key in the file beside the database; made if it is not there.
fn key_beside(path: &Path) -> Result<SecretKey> {
    let path = beside(path, "key");
    let read = |path: &Path| std::fs::read_to_string(path);
    let text = match read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_key(&path)?,
        text => text.with_context(|| format!("cannot read the secret key {}", path.display()))?,
    };
    SecretKey::from_base64(text.trim())
        .with_context(|| format!("{} holds no key of 32 bytes in base64", path.display()))
}

fn make_key(path: &Path) -> Result<String> {
    let mut key = [0; 32];
    rand::Rng::fill_bytes(&mut engine::chance::rng(), &mut key);
    let text = BASE64.encode(key);
    let cannot_write = || format!("cannot write the secret key {}", path.display());
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(cannot_write)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(cannot_write)?;
    Ok(text)
}

/// `waystation.db` → `waystation.db.key`.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}
