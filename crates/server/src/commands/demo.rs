//! `waystation demo`: the server as it is, on throw-away data, among stand-ins for everybody whom it deals with.
//!
//! What happens in it happens through the API and the inbound routes, over HTTP: nobody reaches past them. In reading
//! order: this file (what is started, and what it says), `scene` (what is set up), `players` (who sends, and who
//! works).

mod players;
mod scene;

use std::io::{IsTerminal as _, Write as _};
use std::pin::pin;

use anyhow::{Context as _, Result};
use engine::clock::{Clock as _, SystemClock};
use sandbox::Sandbox;
use sandbox::receivers::Receivers;
use tempfile::TempDir;

use self::players::Players;
use self::scene::Secrets;
use super::serve::{Serving, listen, stop_signal};
use super::server::Server;
use crate::access::digest;
use crate::config::{BaseUrl, Config, Flags, environment};
use crate::sign_in::GOOD_FOR;

/// The one variable that counts: a demo takes no part in a set-up that is there.
const LISTEN: &str = "WAYSTATION_LISTEN";

/// Look at all of it: a server on throw-away data, with stand-ins for providers and receivers, and steady traffic
///
/// Of the environment it reads WAYSTATION_LISTEN alone, and of files none.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The port to serve on, of this machine alone [default: 8400]
    #[arg(long)]
    port: Option<u16>,
    /// What is sent in a second
    #[arg(long, value_name = "EVENTS", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=500))]
    rate: u32,
}

pub(super) async fn run(args: &Args) -> Result<()> {
    let stop = stop_signal()?;
    let directory = tempfile::Builder::new().prefix("waystation-demo-").tempdir();
    let directory = directory.context("cannot make a directory for throw-away data")?;
    step(&format!("data in {}, removed in the end", directory.path().display()));

    let clock = SystemClock::new();
    let providers = Sandbox::start(move || clock.now().as_seconds()).await;
    step(&format!("stand-ins for providers at {}", providers.url("")));
    let receivers = Receivers::start().await.context("cannot start the receivers")?;

    let secrets = Secrets::make();
    let mut config = config(args, &directory, &providers, &secrets)?;
    let listener = listen(&config)?;
    let address = listener.local_addr()?;
    // Where the stand-ins are told to push to. What listens to other machines goes by names that only they know.
    config.base_url = address.ip().is_loopback().then(|| BaseUrl::at(address));
    let serving = Serving::start_at(listener, config).await?;
    let url = format!("http://{}", serving.address);
    step(&format!("the server at {url}"));

    let key = serving.new_admin_key.clone().context("throw-away data have no admin key yet")?;
    let code = serving.app.doorkeeper.sign_ins.issue(digest(&key), SystemClock::new().now());
    let play = async {
        let server = Server::at(url.clone(), key.clone());
        let stripe_path = scene::set_up(&server, &providers, &receivers, &secrets).await?;
        greet(&url, &code, &key);
        let traffic = secrets.traffic(stripe_path, SystemClock::new().now());
        Players::new(&url, &key, traffic).play(args.rate, &receivers).await;
        Ok(())
    };
    // Who sends is sent home before the server closes its door.
    let play = async {
        tokio::select! {
            () = stop => Ok(()),
            ended = play => ended,
        }
    };
    let mut served = pin!(serving.run());
    tokio::select! {
        () = &mut served => {}
        played = Box::pin(play) => {
            played.map_err(|error: anyhow::Error| error.context("the demo could not be set up"))?;
            served.await;
        }
    }
    remove(directory)
}

fn config(args: &Args, directory: &TempDir, providers: &Sandbox, secrets: &Secrets) -> Result<Config> {
    let file = directory.path().join("waystation.toml");
    std::fs::write(&file, "# Whatever lies where the demo is started is none of its settings.\n")
        .context("cannot write into the directory for throw-away data")?;
    let flags = Flags {
        config: Some(file),
        listen: args.port.map(|port| format!("127.0.0.1:{port}")),
        database_url: Some(format!("sqlite:{}", directory.path().join("waystation.db").display())),
    };
    let listen = environment().filter(|(name, _)| name == LISTEN);
    let settings = listen.chain(secrets.environment()).chain(providers.environment());
    Ok(Config::load(&flags, settings)?)
}

/// Something is there.
fn step(what: &str) {
    say(&format!("  ✓ {what}\n"));
}

fn greet(url: &str, code: &str, key: &str) {
    let minutes = GOOD_FOR.as_secs() / 60;
    say(&format!(
        "\nWaystation is at {url}\n\n\
         Sign in, once and within {minutes} minutes:\n  {url}{}#{code}\n\n\
         The admin key, for curl and for later:\n  {key}\n\n\
         Ctrl-C ends it and removes its data.\n",
        dashboard::SIGN_IN,
    ));
}

/// Says it at once. Whoever does not listen any more does not stop the demo.
fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _nobody_listens = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Says how it goes, in one line that is written over and over; only where somebody looks on.
fn tell(how: &str) {
    if std::io::stdout().is_terminal() {
        say(&format!("\r  {how}\x1b[K"));
    }
}

fn remove(directory: TempDir) -> Result<()> {
    directory.close().context("cannot remove the throw-away data")?;
    say("\nThe demo has ended, and its data are gone.\n");
    Ok(())
}
