//! What is written in TypeScript: the browser client and the dashboard, with npm's packages and a browser.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::steps::Steps;
use crate::surroundings::Surroundings;
use crate::{debian, process, workspace};

const CLIENT: &str = "clients/typescript";
const DASHBOARD: &str = "crates/dashboard/web";

/// Lies beside the packages and says which lock they were installed from.
const STAMP: &str = "node_modules/.tested-with";

const CHROMIUM: &str = "WAYSTATION_TEST_CHROMIUM";

/// Tests both: the client against a stand-in, the dashboard in a browser against the program.
pub(crate) fn test(steps: &mut Steps, surroundings: &Surroundings) {
    if steps.run("npm packages", packages).is_none() {
        return;
    }
    steps.run("browser client", || process::run(npm(CLIENT, &["test"])));
    steps.run("dashboard, checked", || process::run(npm(DASHBOARD, &["run", "--silent", "check"])));
    let Some(browser) = steps.run("browser", browser) else { return };
    steps.run("dashboard", || {
        let mut tests = npm(DASHBOARD, &["test"]);
        surroundings.describe_to(&mut tests);
        tests.env(CHROMIUM, &browser);
        process::run(tests)
    });
}

/// The packages of both, installed again only when a lock has changed.
fn packages() -> Result<()> {
    if process::ask("npm", &["--version"]).is_none() {
        bail!("npm not found: install Node 20.19 or later, from nodejs.org or as your system has it");
    }
    [CLIENT, DASHBOARD].into_iter().try_for_each(install)
}

fn install(directory: &str) -> Result<()> {
    let directory = workspace::root().join(directory);
    let lock = fs::read(directory.join("package-lock.json")).context("could not read the lock")?;
    let stamp = directory.join(STAMP);
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let mut install = npm(&directory, &["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
    install.env("NODE_ENV", "development");
    process::run_quietly(install)?;
    fs::write(&stamp, lock).with_context(|| format!("could not write {}", stamp.display()))
}

fn npm(directory: impl AsRef<Path>, arguments: &[&str]) -> Command {
    let mut npm = Command::new("npm");
    npm.args(arguments).current_dir(workspace::root().join(directory));
    npm
}

/// Chromium, wherever it is, or as Debian has it.
fn browser() -> Result<PathBuf> {
    if let Some(given) = env::var_os(CHROMIUM).filter(|given| !given.is_empty()) {
        return Ok(given.into());
    }
    if let Some(found) = found() {
        return Ok(found);
    }
    debian::install("chromium", "Chromium")?;
    found().context("Chromium was installed and is nowhere to be found")
}

fn found() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names.iter().find_map(|name| {
        env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.exists())
    })
}
