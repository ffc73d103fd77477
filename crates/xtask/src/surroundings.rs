//! What the tests find around them: a PostgreSQL, a stock witness, and the program itself.
//!
//! Tests learn of each through an environment variable. One that is set already is believed, and
//! nothing is prepared for it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::postgres::{PostgresCluster, Purpose};
use crate::steps::Steps;
use crate::{nextest, process, witness, workspace};

pub(crate) const POSTGRES_URL: &str = "WAYSTATION_TEST_POSTGRES_URL";
const PYTHON: &str = "WAYSTATION_TEST_PYTHON";
const BINARY: &str = "WAYSTATION_TEST_BINARY";

#[derive(Debug)]
pub(crate) struct Surroundings {
    postgres_url: String,
    python: OsString,
    binary: PathBuf,
    /// Held for its end: dropping it stops the server.
    _cluster: Option<PostgresCluster>,
}

impl Surroundings {
    /// `None` when something could not be prepared; the steps have said what.
    pub(crate) fn prepare(steps: &mut Steps) -> Option<Self> {
        steps.run("test runner", nextest::ensure)?;
        let python = steps.run("witness", python)?;
        // All programs at once, so that the tests' own build finds the same features resolved.
        steps.run("build", || process::run(workspace::cargo(["build", "--workspace", "--bins"])))?;
        let binary = workspace::target_dir().join("debug/waystation");
        let (postgres_url, cluster) = steps.run("PostgreSQL", postgres)?;
        Some(Self { postgres_url, python, binary, _cluster: cluster })
    }

    pub(crate) fn postgres_url(&self) -> &str {
        &self.postgres_url
    }

    /// Tells a program that runs tests where everything is.
    pub(crate) fn describe_to(&self, command: &mut Command) {
        command.env(POSTGRES_URL, &self.postgres_url).env(PYTHON, &self.python).env(BINARY, &self.binary);
    }
}

fn postgres() -> Result<(String, Option<PostgresCluster>)> {
    if let Some(given) = given(POSTGRES_URL) {
        let url = given.into_string().ok().with_context(|| format!("{POSTGRES_URL} is not a URL"))?;
        return Ok((url, None));
    }
    let cluster = PostgresCluster::start(Purpose::Testing)?;
    Ok((cluster.url().to_owned(), Some(cluster)))
}

fn python() -> Result<OsString> {
    match given(PYTHON) {
        Some(given) => Ok(given),
        None => witness::interpreter().map(PathBuf::into_os_string),
    }
}

fn given(variable: &str) -> Option<OsString> {
    std::env::var_os(variable).filter(|value| !value.is_empty())
}
