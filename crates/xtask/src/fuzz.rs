//! `cargo xtask fuzz`: the fuzz targets, on a stable compiler.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::steps::Steps;
use crate::{process, workspace};

/// Long enough in CI to meet what a change has broken at once; who looks for more takes longer.
const CI_SECONDS: u64 = 3;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Which targets [default: all]
    targets: Vec<String>,
    /// How long each
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Repeats a run's choices [default: a new one, which is printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Run one target on one file instead
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut fuzz = workspace::cargo(["run", "--quiet", "--package", "fuzz", "--bin", "fuzz", "--"]);
    fuzz.args(&options.targets).args(["--seconds", &options.seconds.to_string()]);
    if let Some(seed) = options.seed {
        fuzz.args(["--seed", &seed.to_string()]);
    }
    if let Some(input) = &options.input {
        fuzz.arg("--input").arg(input);
    }
    process::run(fuzz)
}

/// A moment of each. CI judges a change, so it makes the same choices each time.
pub(crate) fn fuzz(steps: &mut Steps) {
    let seed = workspace::in_ci().then_some(8_400);
    let options = Options { targets: Vec::new(), seconds: CI_SECONDS, seed, input: None };
    steps.run("fuzz targets", || run(&options));
}
