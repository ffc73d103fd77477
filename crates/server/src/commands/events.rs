//! `waystation events`.

use anyhow::Result;
use clap::Subcommand;
use domain::{EventId, EventType, SubscriptionId, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::deliveries;
use super::server::{Moment, Output, Query};
use super::table::{Columns, ID, print_fields, print_list, text, time};
use crate::config::{Config, Flags};

/// Show what came in, and send it once more
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List events, the newest first
    List(List),
    /// Show one event with its data and deliveries
    Show(Show),
    /// Send an event to one subscription once more
    Resend(Resend),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Whose [default: all that the key may see]
    #[arg(long)]
    user: Option<UserId>,
    /// Of this type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<EventType>,
    /// From this source, such as github or api
    #[arg(long)]
    source: Option<String>,
    /// Received at or after: a time, a day, or how long ago, such as 2h
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Received before
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// Its id, as the list shows it
    id: EventId,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct Resend {
    /// Its id, as the list shows it
    id: EventId,
    /// To whom
    #[arg(long, value_name = "ID")]
    subscription: SubscriptionId,
    #[command(flatten)]
    output: Output,
}

impl Args {
    pub(super) fn flags(&self) -> Flags {
        let output = match &self.action {
            Action::List(list) => &list.output,
            Action::Show(show) => &show.output,
            Action::Resend(resend) => &resend.output,
        };
        output.server.flags()
    }
}

const COLUMNS: Columns = &[("ID", ID), ("TYPE", 24), ("USER", 14), ("SOURCE", 12), ("RECEIVED", 19)];

pub(super) async fn run(args: &Args, config: &Config) -> Result<()> {
    match &args.action {
        Action::List(list) => list_events(list, config).await,
        Action::Show(show) => show_event(show, config).await,
        Action::Resend(Resend { id, subscription, output }) => {
            let body = json!({ "subscription_id": subscription });
            let server = output.server.connect(config)?;
            let made = server.post(&format!("/api/events/{id}/resend"), &body).await?;
            deliveries::print_changed(&made, output.json)
        }
    }
}

async fn list_events(list: &List, config: &Config) -> Result<()> {
    let query = Query::default()
        .and("user_id", list.user.as_ref())
        .and("type", list.event_type.as_ref().map(EventType::as_str))
        .and("source", list.source.as_ref())
        .and("since", list.since)
        .and("until", list.until);
    let listed = list.output.server.connect(config)?.list("/api/events", &query, list.limit).await?;
    print_list(&listed, list.output.json, COLUMNS, |event| {
        let cell = |field: &str| text(&event[field]);
        vec![cell("id"), cell("type"), cell("user_id"), cell("source"), time(&event["received_at"])]
    })
}

/// An event whose data stays as it was written.
#[derive(Deserialize)]
struct Shown<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    deliveries: Vec<Box<RawValue>>,
}

async fn show_event(show: &Show, config: &Config) -> Result<()> {
    let event = show.output.server.connect(config)?.get(&format!("/api/events/{}", show.id)).await?;
    if show.output.json {
        println!("{event}");
        return Ok(());
    }
    let fields: Value = serde_json::from_str(&event)?;
    print_fields(&fields, &["id", "type", "user_id", "source", "occurred_at", "received_at"]);
    let shown: Shown<'_> = serde_json::from_str(&event)?;
    println!("\n{}\n", text(&Value::from(shown.data.get())));
    deliveries::print_of_event(&shown.deliveries)
}
