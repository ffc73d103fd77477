//! `waystation replay`.

use anyhow::Result;
use clap::ValueEnum;
use domain::SubscriptionId;
use serde_json::json;

use super::jobs::{Begin, begin};
use super::server::{Moment, Output};
use crate::config::{Config, Flags};

/// Send past events to a subscription once more: counted first, then done by a job
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  waystation replay sub_019aa6b0c7d07b3e8f3c5a1d2e4f6071 --since 2h --only missing --dry-run"
)]
pub(crate) struct Args {
    /// Whose, as `waystation subscriptions list` shows it
    subscription: SubscriptionId,
    /// Events received at or after: a time, a day, or how long ago, such as 2h
    #[arg(long, value_name = "TIME")]
    since: Moment,
    /// Events received before [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Which of those that it wants
    #[arg(long, default_value = "all")]
    only: Only,
    #[command(flatten)]
    begin: Begin,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Only {
    /// All of them
    All,
    /// Those that were given up, and not sent anew since
    Failed,
    /// Those that it was never owed
    Missing,
}

impl Args {
    pub(super) fn flags(&self) -> Flags {
        self.output.server.flags()
    }
}

pub(super) async fn run(args: &Args, config: &Config) -> Result<()> {
    let only = match args.only {
        Only::All => "all",
        Only::Failed => "failed",
        Only::Missing => "missing",
    };
    let mut what = json!({ "since": args.since.to_string(), "only": only });
    if let Some(until) = args.until {
        what["until"] = until.to_string().into();
    }
    let path = format!("/api/webhooks/{}/replay", args.subscription);
    begin(&args.begin, &args.output, config, &path, what, ("events", "replayed")).await
}
