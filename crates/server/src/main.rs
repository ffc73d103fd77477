//! `waystation`: reads the command line and runs one command.
//!
//! Exit codes: 0, it is done; 1, it failed; 2, the command line or the configuration is wrong.

mod access;
mod api;
mod app;
mod commands;
mod config;
mod connections;
mod custom;
mod data;
mod inflate;
mod limit;
mod metrics;
mod pages;
mod problem;
mod receive;
mod reject;
mod router;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use commands::Cli;
use config::ConfigErrors;

/// Small allocations from many threads are what this program does all day.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

/// Writes the log to stderr, since stdout belongs to the commands' answers.
fn start_log() {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    if io::stderr().is_terminal() { log.init() } else { log.with_ansi(false).init() }
}

fn report(error: &anyhow::Error) -> ExitCode {
    let Some(ConfigErrors(problems)) = error.downcast_ref() else {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    };
    for problem in problems {
        eprintln!("error: {problem}");
    }
    ExitCode::from(2)
}
