//! `cargo xtask check`: formatting and lints.

use anyhow::Result;
use clap::Args;

use crate::steps::Steps;
use crate::{process, workspace};

#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Options {
    /// Fail on warnings, as happens anyway when CI=true
    #[arg(long)]
    pub(crate) strict: bool,
}

pub(crate) fn run(options: Options) -> Result<()> {
    let mut steps = Steps::begin();
    check(&mut steps, options);
    steps.verdict()
}

/// Warnings stop nobody in the middle of a thought; they stop a merge.
pub(crate) fn check(steps: &mut Steps, options: Options) {
    steps.run("rustfmt", || process::run(workspace::cargo(["fmt", "--all", "--check"])));
    steps.run("clippy", || {
        let mut clippy = workspace::cargo(["clippy", "--workspace", "--all-targets", "--keep-going"]);
        if options.strict || workspace::in_ci() {
            clippy.args(["--", "-D", "warnings"]);
        }
        process::run(clippy)
    });
}
