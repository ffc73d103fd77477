//! `waystation keys`.

use anyhow::{Result, bail};
use clap::Subcommand;
use domain::{KeyId, UserId};
use engine::clock::{Clock as _, SystemClock};
use serde_json::json;
use store::{ApiKey, Page, Store};

use super::DatabaseArgs;
use super::table::{Columns, ID, table, text, time};
use crate::api::keys::make_key;
use crate::config::{Config, Flags};
use crate::data;

/// Make, list and revoke API keys
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key and print it, this once
    Create(Create),
    /// Show the id and name of each key
    List(List),
    /// Make a key worthless
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
struct Create {
    /// What the key is for
    #[arg(long)]
    name: String,
    /// The one user whose things the key can touch [default: everyone's]
    #[arg(long)]
    user: Option<UserId>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct Revoke {
    /// The key's id, as the list shows it
    id: KeyId,
    #[command(flatten)]
    output: Output,
}

/// What all of them take.
#[derive(Debug, clap::Args)]
struct Output {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Args {
    pub(super) fn flags(&self) -> Flags {
        let output = match &self.action {
            Action::Create(create) => &create.output,
            Action::List(list) => &list.output,
            Action::Revoke(revoke) => &revoke.output,
        };
        output.database.flags()
    }
}

pub(super) async fn run(args: &Args, config: &Config) -> Result<()> {
    data::find(config)?;
    let data = data::open(config).await?;
    let done = match &args.action {
        Action::Create(create) => create_key(create, data.store.as_ref()).await,
        Action::List(list) => list_keys(list, data.store.as_ref()).await,
        Action::Revoke(revoke) => revoke_key(revoke, data.store.as_ref()).await,
    };
    data.store.close().await;
    done
}

async fn create_key(create: &Create, store: &dyn Store) -> Result<()> {
    let (key, text) = make_key(create.name.clone(), create.user.clone(), SystemClock::new().now());
    store.create_key(&key).await?;
    if create.output.json {
        let mut shown = shown(&key);
        shown["key"] = text.into();
        println!("{shown}");
    } else {
        eprintln!("{} for {}; the key is shown this once:", key.id, whose(&key));
        println!("{text}");
    }
    Ok(())
}

async fn list_keys(list: &List, store: &dyn Store) -> Result<()> {
    let mut keys = Vec::new();
    let mut page = Page::first(PAGE);
    loop {
        let found = store.keys(&page).await?;
        page.before = found.last().map(|key| key.id);
        let is_last = found.len() < PAGE as usize;
        keys.extend(found);
        if is_last {
            break;
        }
    }
    if list.output.json {
        println!("{}", json!({ "data": keys.iter().map(shown).collect::<Vec<_>>() }));
        return Ok(());
    }
    let row = |key: &ApiKey| {
        vec![key.id.to_string(), text(&json!(key.name)), whose(key), time(&json!(key.created_at))]
    };
    print!("{}", table(COLUMNS, &keys.iter().map(row).collect::<Vec<_>>()));
    Ok(())
}

const COLUMNS: Columns = &[("ID", ID), ("NAME", 32), ("OPENS", 32), ("CREATED", 19)];

/// Keys read at once.
const PAGE: u32 = 200;

async fn revoke_key(revoke: &Revoke, store: &dyn Store) -> Result<()> {
    if !store.delete_key(revoke.id).await? {
        bail!("there is no key {}; `waystation keys list` shows them", revoke.id);
    }
    if revoke.output.json {
        println!("{}", json!({ "id": revoke.id, "revoked": true }));
    } else {
        println!("{} is revoked; running servers turn it away within 5 seconds", revoke.id);
    }
    Ok(())
}

fn shown(key: &ApiKey) -> serde_json::Value {
    json!({ "id": key.id, "name": key.name, "user_id": key.user_id, "created_at": key.created_at })
}

fn whose(key: &ApiKey) -> String {
    key.user_id.as_ref().map_or_else(|| "everything".to_owned(), ToString::to_string)
}
