//! The schema's versions: applied in order when a store is opened, each in a transaction of its own.

use crate::{Result, StoreError};

/// A step from one version of the schema to the next. Once released, a step is never changed.
#[derive(Debug)]
pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) script: &'static str,
}

macro_rules! migrations {
    ($engine:literal: $($version:literal $name:literal),* $(,)?) => {
        &[$($crate::migrate::Migration {
            version: $version,
            script: include_str!(concat!("../../migrations/", $engine, "/", $name, ".sql")),
        }),*]
    };
}
pub(crate) use migrations;

/// What is still to be done to a database at version `found`.
///
/// # Errors
/// A later program has been here: its data may mean what this one does not know.
pub(crate) fn pending(all: &'static [Migration], found: i64) -> Result<&'static [Migration]> {
    let known = all.last().map_or(0, |migration| migration.version);
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    let done = all.iter().take_while(|migration| migration.version <= found).count();
    Ok(&all[done..])
}
