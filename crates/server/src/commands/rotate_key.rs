//! `waystation rotate-key`.

use std::path::Path;

use anyhow::{Result, ensure};
use engine::reseal::{Resealed, reseal};
use serde_json::{Map, json};
use store::SealedIn;

use super::DatabaseArgs;
use crate::config::{Config, Flags, SecretKeys};
use crate::data::{self, Data};

/// Seal every stored secret under a new key
///
/// Where the key lies in a file beside the database, a new one is made and takes its place; the server must not run
/// meanwhile. Where secret_key is set, add the new key behind the old one on every server, then put it in front
/// ("NEW,OLD"), then run this, beside them or not; afterwards the old one can go. When the old key goes, users' tokens
/// and dashboard sessions that it has signed end.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Args {
    pub(super) fn flags(&self) -> Flags {
        self.database.flags()
    }
}

pub(super) async fn run(args: &Args, config: &Config) -> Result<()> {
    data::find(config)?;
    let is_configured = config.secret_key.is_some();
    let mut data = if is_configured { data::open(config).await? } else { data::open_alone(config).await? };
    match data.key_file.clone() {
        Some(file) => put_in_front(&mut data, &file)?,
        None => ensure!(
            !data.secret_keys.former().is_empty(),
            "secret_key holds one key: put a new one in front of it, with a comma between, on every server, and run this again"
        ),
    }
    let resealed = reseal_all(&data).await?;
    if let Some(file) = &data.key_file {
        data::replace_keys(file, &data.secret_keys.clone().without_former())?;
    }
    data.store.close().await;
    tell(args, &resealed, data.key_file.as_deref());
    Ok(())
}

/// Both keys are in the file before anything is sealed under the new one. Where an earlier rotation broke off they are
/// there already, and it is brought to its end.
fn put_in_front(data: &mut Data, file: &Path) -> Result<()> {
    if data.secret_keys.former().is_empty() {
        let keys: SecretKeys = data.secret_keys.clone().led_by(data::fresh_secret_key());
        data::replace_keys(file, &keys)?;
        data.secret_keys = keys;
    }
    Ok(())
}

async fn reseal_all(data: &Data) -> Result<Vec<(SealedIn, Resealed)>> {
    let vault = data.vault();
    let mut all = Vec::new();
    for within in SealedIn::ALL {
        all.push((within, reseal(data.store.as_ref(), &vault, within).await?));
    }
    Ok(all)
}

fn tell(args: &Args, resealed: &[(SealedIn, Resealed)], file: Option<&Path>) {
    if args.json {
        let counts = resealed
            .iter()
            .map(|(within, of)| (within.name().to_owned(), json!({ "total": of.all, "resealed": of.anew })));
        println!("{}", serde_json::Value::Object(counts.collect::<Map<_, _>>()));
        return;
    }
    for (within, of) in resealed {
        println!("{:<14} {} sealed anew, of {}", within.name(), of.anew, of.all);
    }
    match file {
        Some(file) => println!("\n{} holds the new key alone. Backups need a copy of it.", file.display()),
        None => {
            println!("\nEverything is under the first key of secret_key; the others can be taken out of it.");
        }
    }
}
