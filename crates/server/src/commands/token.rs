//! `waystation token`.

use anyhow::{Context as _, Result, bail, ensure};
use domain::{Timestamp, UserId};
use engine::clock::{Clock as _, SystemClock};

use super::DatabaseArgs;
use crate::access::TOKEN_TTL_SECONDS_MAX;
use crate::config::{Config, DatabaseUrl, Duration, Flags};
use crate::data;

/// Print a short-lived token for one user
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whose things the token can touch
    #[arg(long)]
    user: UserId,
    /// How long it is good for, such as 15m or 24h
    #[arg(long, default_value = "15m")]
    ttl: Duration,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Args {
    pub(super) fn flags(&self) -> Flags {
        self.database.flags()
    }
}

pub(super) async fn run(args: &Args, config: &Config) -> Result<()> {
    let seconds = args.ttl.as_std().as_secs();
    ensure!((1..=TOKEN_TTL_SECONDS_MAX.into()).contains(&seconds), "--ttl is from 1s to 24h");
    find_key(config)?;
    let data = data::open(config).await?;
    let now = SystemClock::new().now();
    let expires_at = Timestamp::from_seconds(now.as_seconds() + seconds as i64);
    let token = data.tokens().issue(&args.user, None, now, expires_at);
    println!("{}", token.ok().context("the token could not be made")?);
    data.store.close().await;
    Ok(())
}

/// Refuses to make a key for data that nobody serves: what is signed under it opens nothing.
fn find_key(config: &Config) -> Result<()> {
    if let DatabaseUrl::Sqlite(path) = &config.database_url
        && config.secret_key.is_none()
        && !path.exists()
    {
        bail!("there is no database at {}: start the server first, or pass --database-url", path.display());
    }
    Ok(())
}
