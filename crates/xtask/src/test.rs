//! `cargo xtask test`: everything that must hold.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::steps::Steps;
use crate::surroundings::Surroundings;
use crate::{front, nextest, process, workspace};

/// Rounds on SQLite for one on PostgreSQL, where a round takes about four times as long.
const SQLITE_ROUNDS_PER_POSTGRES_ROUND: u32 = 4;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Leave out the examples in documentation comments
    #[arg(long)]
    no_doc: bool,
    /// Leave out the browser client and the dashboard
    #[arg(long)]
    no_front: bool,
    /// How often the crash harness kills the server on SQLite (a quarter of that on PostgreSQL);
    /// 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = Options::default().crash_rounds)]
    crash_rounds: u32,
    /// Arguments for `cargo nextest run`, after `--`
    #[arg(last = true)]
    nextest: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { no_doc: false, no_front: false, crash_rounds: 20, nextest: Vec::new() }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut steps = Steps::begin();
    test(&mut steps, options);
    steps.verdict()
}

/// Runs every kind of test even after one has failed: a whole picture takes one run.
pub(crate) fn test(steps: &mut Steps, options: &Options) {
    let Some(surroundings) = Surroundings::prepare(steps) else { return };
    if !options.no_doc {
        steps.run("documentation tests", || process::run(workspace::cargo(["test", "--doc", "--workspace"])));
    }
    steps.run("nextest", || {
        let mut tests = nextest::command();
        tests.args(&options.nextest);
        surroundings.describe_to(&mut tests);
        process::run(tests)
    });
    if !options.no_front {
        front::test(steps, &surroundings);
    }
    if options.crash_rounds > 0 {
        crash(steps, &surroundings, options.crash_rounds);
    }
}

/// Kills a real server again and again, and looks for events that were acknowledged and are gone.
fn crash(steps: &mut Steps, surroundings: &Surroundings, sqlite_rounds: u32) {
    steps.run("crash harness, SQLite", || process::run(crash_command(surroundings, "sqlite", sqlite_rounds)));
    steps.run("crash harness, PostgreSQL", || {
        let rounds = sqlite_rounds.div_ceil(SQLITE_ROUNDS_PER_POSTGRES_ROUND);
        let mut harness = crash_command(surroundings, "postgres", rounds);
        harness.args(["--postgres-url", surroundings.postgres_url()]);
        process::run(harness)
    });
}

/// The program that the preparation has built; `cargo run` would resolve features for it alone and
/// build its dependencies once more.
fn crash_command(surroundings: &Surroundings, database: &str, rounds: u32) -> Command {
    let mut harness = Command::new(workspace::target_dir().join("debug/crash"));
    harness.args(["--database", database, "--rounds", &rounds.to_string()]).current_dir(workspace::root());
    surroundings.describe_to(&mut harness);
    harness
}
