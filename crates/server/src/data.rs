//! Opening what is kept: the store, and the keys that its secrets are sealed under.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use engine::vault::Vault;
use store::{PostgresStore, SqliteStore, Store};

use crate::access::Tokens;
use crate::config::{Config, DatabaseUrl, SecretKeys};

/// What is kept, open.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) secret_keys: SecretKeys,
    /// Where they lie, if the configuration does not name them.
    pub(crate) key_file: Option<PathBuf>,
    /// While it is held nobody else serves from the same file.
    _alone: Option<File>,
}

impl Data {
    pub(crate) fn vault(&self) -> Vault {
        Vault::new(self.secret_keys.newest()).with_former(self.secret_keys.former())
    }

    pub(crate) fn tokens(&self) -> Tokens {
        Tokens::new(self.secret_keys.newest(), self.secret_keys.former())
    }
}

/// Opens the data for the one program that serves from it. A PostgreSQL database may have many such programs.
pub(crate) async fn open_alone(config: &Config) -> Result<Data> {
    let alone = match &config.database_url {
        DatabaseUrl::Sqlite(path) => Some(lock(path)?),
        DatabaseUrl::Postgres(_) => None,
    };
    Ok(Data { _alone: alone, ..open(config).await? })
}

/// Passes if there is a database. For commands that make none: whoever has mistyped its address wants to hear of it.
pub(crate) fn find(config: &Config) -> Result<()> {
    if let DatabaseUrl::Sqlite(path) = &config.database_url
        && !path.exists()
    {
        bail!(
            "there is no database at {}: start the server or run `waystation migrate` first, or pass --database-url",
            path.display()
        );
    }
    Ok(())
}

/// Opens the data beside whoever serves from it.
pub(crate) async fn open(config: &Config) -> Result<Data> {
    let cannot_open = || format!("cannot open the database {}", config.database_url);
    let store: Arc<dyn Store> = match &config.database_url {
        DatabaseUrl::Sqlite(path) => {
            make_parent(path)?;
            Arc::new(SqliteStore::open(path).await.with_context(cannot_open)?)
        }
        DatabaseUrl::Postgres(url) => {
            Arc::new(PostgresStore::open(url.as_str()).await.with_context(cannot_open)?)
        }
    };
    let (secret_keys, key_file) = match (&config.secret_key, &config.database_url) {
        (Some(keys), _) => (keys.clone(), None),
        (None, DatabaseUrl::Sqlite(path)) => {
            let file = beside(path, "key");
            (keys_in(&file)?, Some(file))
        }
        (None, DatabaseUrl::Postgres(_)) => bail!("a PostgreSQL database needs WAYSTATION_SECRET_KEY"),
    };
    Ok(Data { store, secret_keys, key_file, _alone: None })
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

/// The secret keys in that file; one is made if it is not there.
fn keys_in(path: &Path) -> Result<SecretKeys> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = BASE64.encode(fresh_secret_key());
            write_new(path, &text)
                .with_context(|| format!("cannot write the secret key {}", path.display()))?;
            text
        }
        text => text.with_context(|| format!("cannot read the secret key {}", path.display()))?,
    };
    SecretKeys::from_text(&text)
        .with_context(|| format!("{} holds no key of 32 bytes in base64", path.display()))
}

/// Replaces the keys in that file, at once or not at all.
pub(crate) fn replace_keys(path: &Path, keys: &SecretKeys) -> Result<()> {
    let next = beside(path, "next");
    let replace = || {
        // One that was left behind by a replacement that broke off holds no key that anything was sealed under.
        match std::fs::remove_file(&next) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        write_new(&next, &keys.to_text())?;
        std::fs::rename(&next, path)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    };
    replace().with_context(|| format!("cannot replace the secret key {}", path.display()))
}

/// 256 random bits.
pub(crate) fn fresh_secret_key() -> [u8; 32] {
    let mut key = [0; 32];
    rand::Rng::fill_bytes(&mut engine::chance::rng(), &mut key);
    key
}

/// Writes a file that was not there, for its owner's eyes alone.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// `waystation.db` → `waystation.db.key`.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}
