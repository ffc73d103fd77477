//! `waystation subscriptions`.

use anyhow::Result;
use clap::Subcommand;
use domain::SubscriptionId;
use serde_json::{Value, json};

use super::server::{OfUser, Output};
use super::table::{Columns, ID, print_fields, print_list, text};
use crate::config::{Config, Flags};

/// Show who wants which events
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List subscriptions, the newest first
    List(OfUser),
    /// Show one subscription
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Show {
    /// Its id, as the list shows it
    id: SubscriptionId,
    #[command(flatten)]
    output: Output,
}

impl Args {
    pub(super) fn flags(&self) -> Flags {
        let output = match &self.action {
            Action::List(list) => &list.output,
            Action::Show(show) => &show.output,
        };
        output.server.flags()
    }
}

const COLUMNS: Columns = &[("ID", ID), ("TARGET", 32), ("TYPES", 16), ("STATE", 8), ("OK", 8), ("FAILED", 8)];

const FIELDS: &[&str] = &[
    "id",
    "user_id",
    "target",
    "url",
    "queue",
    "event_types",
    "description",
    "is_active",
    "paused",
    "filter",
    "template",
    "transform",
    "headers",
    "ordering_key",
    "batch",
    "callback_of",
    "retry_policy",
    "retry_count",
    "timeout_seconds",
    "max_concurrency",
    "rate_limit_per_minute",
    "signing",
    "public_key",
    "created_at",
    "updated_at",
];

pub(super) async fn run(args: &Args, config: &Config) -> Result<()> {
    match &args.action {
        Action::List(list) => {
            print_list(&list.list(config, "/api/webhooks").await?, list.output.json, COLUMNS, row)
        }
        Action::Show(Show { id, output }) => {
            let shown = output.server.connect(config)?.get(&format!("/api/webhooks/{id}")).await?;
            if output.json {
                println!("{shown}");
                return Ok(());
            }
            let shown: Value = serde_json::from_str(&shown)?;
            let is_there = |field: &&str| !shown[*field].is_null() && shown[*field] != json!({});
            print_fields(&shown, &FIELDS.iter().copied().filter(is_there).collect::<Vec<_>>());
            let statistics = &shown["statistics"];
            println!();
            print_fields(
                statistics,
                &["total", "successful", "failed", "last_delivery_at", "last_success_at", "last_failure_at"],
            );
            Ok(())
        }
    }
}

fn row(subscription: &Value) -> Vec<String> {
    let state = match (&subscription["is_active"], &subscription["paused"]) {
        (Value::Bool(false), _) => "inactive",
        (_, Value::Bool(true)) => "paused",
        _ => "active",
    };
    let target = match &subscription["queue"] {
        Value::Null => text(&subscription["url"]),
        queue => format!("queue {}", text(queue)),
    };
    let statistics = &subscription["statistics"];
    vec![
        text(&subscription["id"]),
        target,
        text(&subscription["event_types"]),
        state.to_owned(),
        text(&statistics["successful"]),
        text(&statistics["failed"]),
    ]
}
