//! The test runner.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{process, workspace};

const INSTALL: [&str; 3] = ["install", "cargo-nextest", "--locked"];

/// Installs the runner when it is missing. Cargo puts it in the developer's own directory, so that
/// this needs nobody's permission.
pub(crate) fn ensure() -> Result<()> {
    if process::ask("cargo", &["nextest", "--version"]).is_some() {
        return Ok(());
    }
    let install = workspace::cargo(INSTALL);
    eprintln!("   cargo-nextest is missing: running `{}`", process::line(&install));
    process::run(install).context("install the test runner with `cargo install cargo-nextest --locked`")
}

/// All tests of the workspace, under the profile for where we are.
///
/// CI judges a change, so its property tests try the same cases each time. Everywhere else they go on searching, and
/// what they find becomes a test by itself.
pub(crate) fn command() -> Command {
    let mut command = workspace::cargo(["nextest", "run", "--workspace"]);
    if workspace::in_ci() {
        command.args(["--profile", "ci"]).env("PROPTEST_RNG_SEED", "8400");
    }
    command
}
