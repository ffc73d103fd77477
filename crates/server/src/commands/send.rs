//! `waystation send`.

use anyhow::{Context as _, Result};
use domain::event::Json;
use domain::{EventType, UserId};
use serde::Serialize;
use serde_json::value::RawValue;

use super::server::ServerArgs;
use crate::config::{Config, Flags};

/// Publish an event through a running server
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  waystation send --type task.created --user alice --data '{\"title\":\"Mend the door\"}'"
)]
pub(crate) struct Args {
    /// The event's type, such as task.created
    #[arg(long = "type", value_name = "TYPE")]
    event_type: EventType,
    /// Whose event it is
    #[arg(long)]
    user: UserId,
    /// What happened
    #[arg(long, value_name = "JSON", value_parser = json)]
    data: Json,
    /// Your own id for the event: a second one with the same id is a duplicate
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

impl Args {
    pub(super) fn flags(&self) -> Flags {
        self.server.flags()
    }
}

/// What is published. The data goes as it was written, digit for digit.
#[derive(Serialize)]
struct Event<'e> {
    #[serde(rename = "type")]
    event_type: &'e EventType,
    user_id: &'e UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'e str>,
    data: &'e RawValue,
}

fn raw(data: &Json) -> Result<&RawValue> {
    serde_json::from_str(data.as_str()).context("--data is no JSON")
}

fn json(text: &str) -> Result<Json, domain::event::NotJson> {
    Json::from_text(text)
}

pub(super) async fn run(args: &Args, config: &Config) -> Result<()> {
    let event = Event {
        event_type: &args.event_type,
        user_id: &args.user,
        id: args.id.as_deref(),
        data: raw(&args.data)?,
    };
    println!("{}", args.server.connect(config)?.post("/api/events", &event).await?);
    Ok(())
}
