//! `cargo xtask`: what contributors and CI run on this workspace, with nothing to set up first.
//!
//! To add a task: 1. a file with its `run`; 2. a variant of [`Task`]; 3. its line in [`perform`].
//! Work that should be timed and counted goes through [`steps::Steps`]; other programs are started
//! through [`process`], so that an interruption reaches them and cleaning up still happens.
#![expect(
    clippy::disallowed_methods,
    reason = "a tool for developers reads the environment and the clock; the rules are for the product"
)]

mod bench;
mod check;
mod ci;
mod debian;
mod dev;
mod front;
mod fuzz;
mod interrupt;
mod nextest;
mod postgres;
mod postgres_server;
mod process;
mod steps;
mod surroundings;
mod test;
mod witness;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", about = "Checks, tests, measures and runs Waystation")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Formatting and lints: the fast answer while editing
    Check(check::Options),
    /// Everything that must hold, with the servers and tools it needs prepared
    Test(test::Options),
    /// The benchmark, on release binaries and a PostgreSQL set up as in production
    Bench(bench::Options),
    /// The fuzz targets, a minute each: finds are saved in fuzz/artifacts
    Fuzz(fuzz::Options),
    /// A development server that restarts when its sources change
    Dev,
    /// What continuous integration runs: a strict check, then the tests, then a summary
    Ci,
    /// A private PostgreSQL until Ctrl-C, for running single tests by hand
    Postgres,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match interrupt::listen().and_then(|()| perform(arguments.task)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            process::exit_code(&error)
        }
    }
}

fn perform(task: Task) -> Result<()> {
    match task {
        Task::Check(options) => check::run(options),
        Task::Test(options) => test::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Dev => dev::run(),
        Task::Ci => ci::run(),
        Task::Postgres => postgres::run(),
    }
}
