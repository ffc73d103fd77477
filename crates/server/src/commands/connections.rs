//! `waystation connections`.

use anyhow::Result;
use clap::Subcommand;
use domain::ConnectionId;
use serde_json::{Value, json};

use super::jobs::see_through;
use super::server::{OfUser, Output, Query, Server};
use super::table::{Columns, ID, print_fields, print_list, table, text, time};
use crate::config::{Config, Flags};

/// Show users' accounts at providers, ask them for what is new, and remove them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List connections, the newest first
    List(OfUser),
    /// Show one connection, with what is registered for it
    Show(One),
    /// Ask its provider for what is new, now
    Sync(Sync),
    /// Remove a connection, its tokens and what is registered for it; its events stay
    Remove(One),
}

#[derive(Debug, clap::Args)]
struct One {
    /// Its id, as the list shows it
    id: ConnectionId,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct Sync {
    /// Its id, as the list shows it
    id: ConnectionId,
    /// Do not wait until it is done
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    output: Output,
}

impl Args {
    pub(super) fn flags(&self) -> Flags {
        let output = match &self.action {
            Action::List(list) => &list.output,
            Action::Show(one) | Action::Remove(one) => &one.output,
            Action::Sync(sync) => &sync.output,
        };
        output.server.flags()
    }
}

const COLUMNS: Columns =
    &[("ID", ID), ("PROVIDER", 10), ("USER", 14), ("ACCOUNT", 20), ("STATE", 12), ("LAST SYNC", 19)];

const REGISTRATIONS: Columns =
    &[("REGISTRATION", ID), ("TARGET", 24), ("STATE", 8), ("EXPIRES", 19), ("WHY", 24)];

/// As many of its user's as are looked through for what is registered for one connection.
const REGISTRATIONS_MAX: usize = 1_000;

pub(super) async fn run(args: &Args, config: &Config) -> Result<()> {
    match &args.action {
        Action::List(list) => {
            print_list(&list.list(config, "/api/connections").await?, list.output.json, COLUMNS, row)
        }
        Action::Show(One { id, output }) => show(*id, &output.server.connect(config)?, output.json).await,
        Action::Sync(Sync { id, no_wait, output }) => {
            let server = output.server.connect(config)?;
            let begun = server.post(&format!("/api/connections/{id}/sync"), &json!({})).await?;
            let said = |job: &Value| match job["done"].as_u64() {
                Some(1) => "1 new event".to_owned(),
                _ => format!("{} new events", text(&job["done"])),
            };
            see_through(&server, &begun, *no_wait, output.json, said).await
        }
        Action::Remove(One { id, output }) => {
            output.server.connect(config)?.delete(&format!("/api/connections/{id}")).await?;
            match output.json {
                true => println!("{}", json!({ "id": id, "removed": true })),
                false => println!("{id} is removed"),
            }
            Ok(())
        }
    }
}

async fn show(id: ConnectionId, server: &Server, json: bool) -> Result<()> {
    let shown = server.get(&format!("/api/connections/{id}")).await?;
    if json {
        println!("{shown}");
        return Ok(());
    }
    let shown: Value = serde_json::from_str(&shown)?;
    print_fields(
        &shown,
        &[
            "id",
            "provider",
            "user_id",
            "account_id",
            "state",
            "state_reason",
            "scopes",
            "expires_at",
            "last_sync_at",
            "can_sync",
            "settings",
            "created_at",
        ],
    );
    let query = Query::default().and("user_id", shown["user_id"].as_str());
    let query = query.and("provider", shown["provider"].as_str());
    let registered = server.values("/api/webhooks/list", &query, REGISTRATIONS_MAX).await?;
    let rows = registered.iter().filter(|item| item["connection_id"] == shown["id"]).map(|registration| {
        let cell = |field: &str| text(&registration[field]);
        let expires_at = time(&registration["expires_at"]);
        vec![cell("id"), cell("target"), cell("state"), expires_at, cell("state_reason")]
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        print!("\n{}", table(REGISTRATIONS, &rows));
    }
    Ok(())
}

fn row(connection: &Value) -> Vec<String> {
    let cell = |field: &str| text(&connection[field]);
    let last_sync_at = time(&connection["last_sync_at"]);
    vec![cell("id"), cell("provider"), cell("user_id"), cell("account_id"), cell("state"), last_sync_at]
}
