//! The witness: a Python environment with stock libraries that our signatures must satisfy.
//!
//! A test that checks our signatures with our own code would agree with our own mistakes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{debian, process, workspace};

const REQUIREMENTS: &str = include_str!("../witness-requirements.txt");
/// Lies in the environment and says which requirements it was made from.
const STAMP: &str = "made-from-requirements.txt";

/// The environment's interpreter. The environment is made once, and again when its requirements change.
pub(crate) fn interpreter() -> Result<PathBuf> {
    let environment = workspace::target_dir().join("witness");
    let python = environment.join("bin/python");
    if !is_current(&environment, &python) {
        make(&environment, &python)?;
    }
    Ok(python)
}

/// The interpreter is a link into a system that may have moved on, so it is looked at too.
fn is_current(environment: &Path, python: &Path) -> bool {
    python.exists() && fs::read_to_string(environment.join(STAMP)).is_ok_and(|made| made == REQUIREMENTS)
}

/// The stamp is written last, so that an environment that was left half made is made anew.
fn make(environment: &Path, python: &Path) -> Result<()> {
    if process::ask("python3", &["-c", "import venv, ensurepip"]).is_none() {
        debian::install("python3-venv", "Python 3 with its venv module")?;
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(environment);
    process::run_quietly(venv).context("could not make a Python environment")?;

    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    pip.arg(workspace::root().join("crates/xtask/witness-requirements.txt"));
    process::run_quietly(pip).context("could not install the witness from PyPI")?;

    let stamp = environment.join(STAMP);
    fs::write(&stamp, REQUIREMENTS).with_context(|| format!("could not write {}", stamp.display()))
}
