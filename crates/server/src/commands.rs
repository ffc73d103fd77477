//! The command line. To add a command: 1. a file with its `Args` and `run`; 2. a variant of [`Command`]; 3. its line in
//! [`perform`].

mod check;
mod connections;
mod deliveries;
mod demo;
mod doctor;
mod events;
mod jobs;
mod keys;
mod listen;
mod migrate;
mod replay;
mod rotate_key;
mod send;
mod sender;
mod serve;
mod server;
mod sign;
mod subscriptions;
mod table;
mod token;
mod verify;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

use crate::config::{Config, ConfigErrors, Flags, environment};

/// Receives webhooks, keeps every event, and passes each one on
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Args,
}

impl Cli {
    /// What is logged where nobody has said: the demo's receivers fail all the time, and are meant to.
    pub(crate) fn log_level(&self) -> LevelFilter {
        if matches!(self.command, Some(Command::Demo(_))) { LevelFilter::ERROR } else { LevelFilter::INFO }
    }
}

const AFTER_HELP: &str = "\
Without a command it serves. Settings come from flags, else the environment, else waystation.toml, else the defaults;
`waystation check` shows each one and where it came from.

Examples:
  waystation                                             serve on 127.0.0.1:8400, with the data in ./waystation-data
  waystation demo                                        look at all of it, on throw-away data
  waystation check --config production.toml              what would it run with?
  waystation doctor                                      is the running server well, and what needs somebody?
  waystation keys create --name worker --user alice      a key that can touch nothing but Alice's things
  waystation deliveries list --status failed             the dead letters
  waystation replay sub_… --since 2h --only missing      send what a subscriber never got
  waystation listen --forward http://127.0.0.1:3000      every event of a running server, to a program on this machine
  waystation sign github --secret S --body push.json     the headers that GitHub would send with this body";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Demo(demo::Args),
    Check(check::Args),
    Doctor(doctor::Args),
    Migrate(migrate::Args),
    Keys(keys::Args),
    RotateKey(rotate_key::Args),
    Token(token::Args),
    Send(send::Args),
    Listen(Box<listen::Args>),
    Subscriptions(subscriptions::Args),
    Connections(connections::Args),
    Deliveries(deliveries::Args),
    Events(events::Args),
    Replay(replay::Args),
    Jobs(jobs::Args),
    Sign(sign::Args),
    Verify(verify::Args),
}

/// For commands that read the configuration.
#[derive(Debug, Args)]
struct ConfigArgs {
    /// The configuration file [default: waystation.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// For commands that work on the database.
#[derive(Debug, Args)]
struct DatabaseArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The database: sqlite:PATH or postgres://…
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

impl ConfigArgs {
    fn flags(&self) -> Flags {
        Flags { config: self.config.clone(), ..Flags::default() }
    }
}

impl DatabaseArgs {
    fn flags(&self) -> Flags {
        Flags { database_url: self.database_url.clone(), ..self.config.flags() }
    }
}

/// Runs the command to its end.
///
/// # Errors
/// [`ConfigErrors`] where the configuration is at fault, else why the command failed.
pub(crate) fn run(cli: Cli) -> Result<()> {
    let command = cli.command.unwrap_or(Command::Serve(cli.serve));
    let runtime = tokio::runtime::Runtime::new().context("start the async runtime")?;
    runtime.block_on(perform(command))
}

async fn perform(command: Command) -> Result<()> {
    match command {
        Command::Serve(args) => serve::run(load(&args.flags())?).await,
        Command::Demo(args) => demo::run(&args).await,
        Command::Check(args) => check::run(&args, &load(&args.flags())?),
        Command::Doctor(args) => doctor::run(&args, &load(&args.flags())?).await,
        Command::Migrate(args) => migrate::run(&args, &load(&args.flags())?).await,
        Command::Keys(args) => keys::run(&args, &load(&args.flags())?).await,
        Command::RotateKey(args) => rotate_key::run(&args, &load(&args.flags())?).await,
        Command::Token(args) => token::run(&args, &load(&args.flags())?).await,
        Command::Send(args) => send::run(&args, &load(&args.flags())?).await,
        Command::Listen(args) => listen::run(&args, &load(&args.flags())?).await,
        Command::Subscriptions(args) => subscriptions::run(&args, &load(&args.flags())?).await,
        Command::Connections(args) => connections::run(&args, &load(&args.flags())?).await,
        Command::Deliveries(args) => deliveries::run(&args, &load(&args.flags())?).await,
        Command::Events(args) => events::run(&args, &load(&args.flags())?).await,
        Command::Replay(args) => replay::run(&args, &load(&args.flags())?).await,
        Command::Jobs(args) => jobs::run(&args, &load(&args.flags())?).await,
        Command::Sign(args) => sign::run(&args),
        Command::Verify(args) => verify::run(&args),
    }
}

fn load(flags: &Flags) -> Result<Config, ConfigErrors> {
    Config::load(flags, environment())
}
