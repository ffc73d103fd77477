//! Node and npm, asked to do their part.

use std::path::Path;
use std::process::Command;
use std::{fs, str};

/// The oldest Node that Vite runs on.
const NODE_MIN: (u32, u32) = (20, 19);

/// Lies beside the packages and says which lock they were installed from.
const STAMP: &str = "node_modules/.installed-from";

/// Says what is missing, if Node is not there or is too old.
pub(crate) fn check_node() -> Result<(), String> {
    let (major, minor) = NODE_MIN;
    let wanted = format!("it is built with Node {major}.{minor} or later and npm");
    let found = Command::new("node").arg("--version").output().ok().filter(|output| output.status.success());
    let found = found.ok_or_else(|| format!("{wanted}, and there is no `node`"))?;
    let version = str::from_utf8(&found.stdout).unwrap_or_default().trim();
    let mut numbers = version.trim_start_matches('v').split('.').map_while(|number| number.parse().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < NODE_MIN { Err(format!("{wanted}, and `node` is {version}")) } else { Ok(()) }
}

/// Installs what the build needs, if the lock has changed since the last time.
pub(crate) fn install(web: &Path) -> Result<(), String> {
    let lock = fs::read(web.join("package-lock.json")).expect("the lock is among the sources");
    if fs::read(web.join(STAMP)).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(web);
    let output = npm.output().map_err(|error| format!("`npm` could not be started: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().find(|line| line.contains("error")).unwrap_or("npm said nothing").to_owned();
        return Err(format!("`npm ci` failed: {said}"));
    }
    fs::write(web.join(STAMP), lock).map_err(|error| format!("its packages could not be kept: {error}"))
}

/// Builds the app.
///
/// # Panics
/// With what Vite says, where the sources are wrong: that is for whoever changes them, who would not see a warning.
pub(crate) fn build(web: &Path, dist: &Path) {
    let mut vite = Command::new("node");
    vite.args(["node_modules/vite/bin/vite.js", "build", "--logLevel", "warn", "--emptyOutDir", "--outDir"]);
    let output = vite.arg(dist).current_dir(web).output().expect("node was there a moment ago");
    assert!(
        output.status.success(),
        "the dashboard does not build:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
