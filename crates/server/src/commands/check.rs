//! `waystation check`: judges the configuration alone, with no database and no network.

use std::io::{self, Write as _};

use anyhow::Result;
use serde_json::{Value as Json, json};

use super::serve;
use crate::config::{Config, Flags, Setting};

/// Validate the configuration and print it, secrets hidden
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    serve: serve::Args,
}

impl Args {
    pub(super) fn flags(&self) -> Flags {
        self.serve.flags()
    }
}

pub(super) fn run(args: &Args, config: &Config) -> Result<()> {
    let text = if args.json { as_json(config.settings())? } else { as_table(config.settings()) };
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// `{"listen": {"value": "127.0.0.1:8400", "from": "default"}, …}`
fn as_json(settings: &[Setting]) -> Result<String> {
    let entries = settings
        .iter()
        .map(|setting| (setting.key.clone(), json!({ "value": setting.value, "from": setting.origin })));
    let object = Json::Object(entries.collect());
    Ok(format!("{}\n", serde_json::to_string_pretty(&object)?))
}

/// A line for each: key, value, origin.
fn as_table(settings: &[Setting]) -> String {
    let rows: Vec<_> =
        settings.iter().map(|setting| (&setting.key, as_text(&setting.value), &setting.origin)).collect();
    let key_width = rows.iter().map(|(key, ..)| key.chars().count()).max().unwrap_or(0);
    let value_width = rows.iter().map(|(_, value, _)| value.chars().count()).max().unwrap_or(0);
    rows.iter()
        .map(|(key, value, origin)| format!("{key:key_width$}  {value:value_width$}  {origin}\n"))
        .collect()
}

fn as_text(value: &Json) -> String {
    match value {
        Json::Null => "(not set)".to_owned(),
        Json::String(text) if text.is_empty() => "(none)".to_owned(),
        Json::String(text) => text.clone(),
        Json::Array(values) if values.is_empty() => "(none)".to_owned(),
        Json::Array(values) => values.iter().map(as_text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
