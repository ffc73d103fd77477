//! `waystation send`.

use anyhow::{Context as _, Result, bail};
use domain::event::Json;
use domain::{EventType, UserId};
use http::Uri;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use super::ConfigArgs;
use crate::config::{Config, Flags, Secret};

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
    /// The server [default: the one that this configuration describes]
    #[arg(long, env = "WAYSTATION_URL")]
    url: Option<Url>,
    /// An API key [default: the admin key of this configuration]
    #[arg(long, env = "WAYSTATION_KEY", hide_env_values = true)]
    key: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Args {
    pub(super) fn flags(&self) -> Flags {
        self.config.flags()
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
    let url = args.url.as_ref().map_or_else(|| format!("http://{}", config.listen), ToString::to_string);
    let url: Uri =
        format!("{}/api/events", url.trim_end_matches('/')).parse().context("--url makes no address")?;
    let key = args.key.as_deref().or(config.admin_key.as_ref().map(Secret::reveal));
    let key = key.context("which key? set WAYSTATION_KEY, or pass --key")?;
    let event = Event {
        event_type: &args.event_type,
        user_id: &args.user,
        id: args.id.as_deref(),
        data: raw(&args.data)?,
    };
    let (status, body) = engine::remote::post(&url, key, serde_json::to_string(&event)?).await?;
    let answer = String::from_utf8_lossy(&body);
    if !status.is_success() {
        let problem: Value = serde_json::from_str(&answer).unwrap_or_default();
        bail!("{url} answered {status}: {}", problem["detail"].as_str().unwrap_or(&answer));
    }
    println!("{answer}");
    Ok(())
}
