//! `waystation migrate`.

use anyhow::Result;

use super::DatabaseArgs;
use crate::config::{Config, Flags};
use crate::data;

/// Bring the database's schema up to date
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Args {
    pub(super) fn flags(&self) -> Flags {
        self.database.flags()
    }
}

pub(super) async fn run(_args: &Args, config: &Config) -> Result<()> {
    // Opening it is what brings it up to date.
    data::open(config).await?.store.close().await;
    println!("{} is up to date", config.database_url);
    Ok(())
}
