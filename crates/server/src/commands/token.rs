//! `waystation token`.

use anyhow::{Context as _, Result, ensure};
use domain::{Timestamp, UserId};
use engine::clock::{Clock as _, SystemClock};

use super::DatabaseArgs;
use crate::access::{TOKEN_TTL_SECONDS_MAX, Tokens};
use crate::config::{Config, Duration, Flags};
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
    let now = SystemClock::new().now();
    let expires_at = Timestamp::from_seconds(now.as_seconds() + seconds as i64);
    let token = tokens(config).await?.issue(&args.user, None, now, expires_at);
    println!("{}", token.ok().context("the token could not be made")?);
    Ok(())
}

/// Tokens as the server signs them. Where the configuration names its keys, nothing is opened for that.
async fn tokens(config: &Config) -> Result<Tokens> {
    if let Some(keys) = &config.secret_key {
        return Ok(Tokens::new(keys.newest(), keys.former()));
    }
    // A key of our own making would open nothing.
    data::find(config)?;
    let data = data::open(config).await?;
    data.store.close().await;
    Ok(data.tokens())
}
