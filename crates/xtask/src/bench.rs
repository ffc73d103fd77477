//! `cargo xtask bench`: the benchmark, as users would run the program.

use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::postgres::{PostgresCluster, Purpose};
use crate::{process, workspace};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Arguments for the benchmark itself, such as --json or --stored N
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    process::run(workspace::cargo(["build", "--release", "--package", "waystation", "--package", "bench"]))?;
    let cluster = PostgresCluster::start(Purpose::Measuring).context("could not start PostgreSQL")?;
    let release = workspace::target_dir().join("release");
    let mut bench = Command::new(release.join("bench"));
    bench.arg("--binary").arg(release.join("waystation"));
    bench.args(["--postgres-url", cluster.url()]).args(&options.arguments);
    process::run(bench)
}
