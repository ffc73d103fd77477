//! `cargo xtask check`: formatting and lints.

use std::path::PathBuf;

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

/// Files that `cargo fmt` does not find by itself.
fn declared_by_a_macro() -> Result<Vec<PathBuf>> {
    let files = std::fs::read_dir(workspace::root().join("crates/providers/src"))?;
    let paths = files.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect())
}

/// Warnings stop nobody in the middle of a thought; they stop a merge.
pub(crate) fn check(steps: &mut Steps, options: Options) {
    steps.run("rustfmt", || {
        let mut format = workspace::cargo(["fmt", "--all", "--check", "--"]);
        format.args(declared_by_a_macro()?);
        process::run(format)
    });
    steps.run("clippy", || {
        let mut clippy = workspace::cargo(["clippy", "--workspace", "--all-targets", "--keep-going"]);
        if options.strict || workspace::in_ci() {
            clippy.args(["--", "-D", "warnings"]);
        }
        process::run(clippy)
    });
}
