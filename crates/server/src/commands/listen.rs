//! `waystation listen`: a running server's events, passed on to a URL of whoever listens.
//!
//! Read in this order: `follow` (how the server's log is followed), `forward` (one event, signed and sent), `plain` (a
//! line for each) and `screen` (a table with keys, where there is a terminal).

mod follow;
mod forward;
mod plain;
mod screen;
mod table;

use std::io::{self, IsTerminal as _};

use anyhow::{Context as _, Result};
use domain::UserId;
use domain::signing::Secret as SigningSecret;
use domain::subscription::TypePattern;
use http::Uri;
use url::Url;

use self::follow::{Follower, Wanted};
use self::forward::Forwarder;
use super::{ConfigArgs, serve};
use crate::config::{Config, Flags, Secret};

/// Pass a running server's events on to a URL, signed as subscribers get them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Events that come in from now on are sent one after another, in the order in which they came in. While the server is away it
is asked again and again, and nothing is lost. What the URL answers is shown, and what it refuses is not repeated by itself.

On a terminal: arrows or j and k choose an event, r sends it again, enter shows what was sent and answered, q ends.

Example:
  waystation listen --forward http://127.0.0.1:3000/hooks --user alice --types 'github.*,slack.message'")]
pub(crate) struct Args {
    /// Where the events go
    #[arg(long, value_name = "URL", value_parser = whole_url)]
    forward: Uri,
    /// Whose events [default: everybody's that the key may see]
    #[arg(long)]
    user: Option<UserId>,
    /// Which types, as a subscription names them, joined by commas [default: *]
    #[arg(long, value_delimiter = ',', value_name = "TYPES")]
    types: Vec<TypePattern>,
    /// What to sign with, whsec_… [default: a new one, which is printed]
    #[arg(long, value_parser = signing_secret)]
    secret: Option<SigningSecret>,
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

    fn wanted(&self) -> Wanted {
        let types = if self.types.is_empty() { vec![TypePattern::All] } else { self.types.clone() };
        Wanted { user: self.user.clone(), types }
    }
}

fn whole_url(text: &str) -> Result<Uri, String> {
    let url: Option<Uri> = text.parse().ok();
    let is_whole =
        |url: &Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.authority().is_some();
    url.filter(is_whole).ok_or_else(|| "it must be a whole URL, such as http://127.0.0.1:3000".to_owned())
}

fn signing_secret(text: &str) -> Result<SigningSecret, domain::signing::BadKey> {
    SigningSecret::brought(text)
}

pub(super) async fn run(args: &Args, config: &Config) -> Result<()> {
    let url = args.url.as_ref().map_or_else(|| format!("http://{}", config.listen), ToString::to_string);
    let url = url.trim_end_matches('/');
    let key = args.key.as_deref().or(config.admin_key.as_ref().map(Secret::reveal));
    let key = key.context("which key? set WAYSTATION_KEY, or pass --key")?;
    let secret = args.secret.clone();
    let secret = secret.unwrap_or_else(|| SigningSecret::generate(&mut engine::chance::rng()));
    // Before anybody is told that it listens: from then on it ends in order.
    let stop = serve::stop_signal()?;
    let follower = Follower::open(url, key, args.wanted()).await?;
    println!("Signing with {}", secret.reveal());
    println!("Listening at {url}, forwarding to {}", args.forward);
    let forwarder = Forwarder::new(args.forward.clone(), secret);
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        screen::run(follower, &forwarder, stop).await
    } else {
        plain::run(follower, &forwarder, stop).await
    }
}
