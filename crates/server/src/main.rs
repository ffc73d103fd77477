//! `waystation`: reads the command line and runs one command.
//!
//! There is one more thing it can be: a process in which another one of it runs transforms ([`RUN_TRANSFORMS`]).
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
mod realtime;
mod receive;
mod reject;
mod resources;
mod router;
mod same_browser;
mod session;
mod sign_in;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use commands::Cli;
use config::ConfigErrors;

/// Small allocations from many threads are what this program does all day. It is built without huge pages (`no_thp`),
/// which cost an idle server 12 MiB and a busy one the zeroing of what it never touches.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The first argument of a process that runs transforms for the server that started it.
pub(crate) const RUN_TRANSFORMS: &str = "run-transforms";

fn main() -> ExitCode {
    // Before anything else is set up: it needs nothing of it, and must reach nothing of it.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == RUN_TRANSFORMS) {
        return run_transforms();
    }
    let cli = Cli::parse();
    start_log(cli.log_level());
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

/// Answers the server's questions until it is gone.
fn run_transforms() -> ExitCode {
    match transform::serve_stdio() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Writes the log to stderr, since stdout belongs to the commands' answers.
fn start_log(level: LevelFilter) {
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
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
