//! `cargo xtask dev`: a server that follows the sources.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};

use crate::{interrupt, process, workspace};

/// How soon an edit is noticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Made by builds, or not sources at all; a build that changes these must not cause the next.
const NOT_SOURCES: [&str; 4] = ["target", "node_modules", "dist", ".svelte-kit"];

const LISTEN: &str = "127.0.0.1:8400";
const ADMIN_KEY: &str = "dev-admin-key";
/// A subscriber on the developer's own machine is refused by default, as it must be in production.
const ALLOW_HOSTS: &str = "127.0.0.0/8,::1/128";

pub(crate) fn run() -> Result<()> {
    let sources = workspace::root().join("crates");
    let mut seen = None;
    let mut server: Option<Server> = None;
    while interrupt::received().is_none() {
        let now = Snapshot::of(&sources)?;
        if seen.replace(now) != Some(now) && built() {
            // The old one goes first: both want the same port and the same data.
            drop(server.take());
            server = Some(Server::start()?);
        }
        if server.as_mut().is_some_and(Server::has_ended) {
            eprintln!("── the server has ended; it starts again after the next change");
            server = None;
        }
        wait_for_next_look();
    }
    Ok(())
}

/// Builds before the old server is stopped: an edit that does not compile leaves it running.
fn built() -> bool {
    eprintln!("── building");
    let result = process::run(workspace::cargo(["build", "--package", "waystation"]));
    if result.is_err() && interrupt::received().is_none() {
        eprintln!("── not restarted; waiting for the next change");
    }
    result.is_ok()
}

fn wait_for_next_look() {
    let until = Instant::now() + LOOK_INTERVAL;
    while Instant::now() < until && interrupt::received().is_none() {
        process::pause();
    }
}

/// A running development server. Dropping it stops it.
struct Server {
    child: Child,
}

impl Server {
    fn start() -> Result<Self> {
        let data = workspace::target_dir().join("dev-data");
        fs::create_dir_all(&data).with_context(|| format!("could not make {}", data.display()))?;
        let mut serve = workspace::cargo(["run", "--quiet", "--package", "waystation", "--", "serve"]);
        serve
            .env("WAYSTATION_LISTEN", LISTEN)
            .env("WAYSTATION_DATABASE_URL", format!("sqlite:{}", data.join("waystation.db").display()))
            .env("WAYSTATION_ADMIN_KEY", ADMIN_KEY)
            .env("WAYSTATION_DELIVERY__ALLOW_HOSTS", ALLOW_HOSTS);
        let child = process::spawn(&mut serve)?;
        eprintln!("── serving on http://{LISTEN}, admin key {ADMIN_KEY}");
        Ok(Self { child })
    }

    fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = process::stop(&mut self.child) {
            eprintln!("could not stop the server: {error:#}");
        }
    }
}

/// What tells one state of the sources from another: their number, for files that go, and the
/// latest change, for files that come or are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Snapshot {
    files: usize,
    latest: SystemTime,
}

impl Snapshot {
    fn of(directory: &Path) -> Result<Self> {
        let mut snapshot = Self { files: 0, latest: SystemTime::UNIX_EPOCH };
        snapshot.add(directory).with_context(|| format!("could not look through {}", directory.display()))?;
        Ok(snapshot)
    }

    fn add(&mut self, directory: &Path) -> std::io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if NOT_SOURCES.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            // An editor's temporary file may be gone by the time it is looked at.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                self.add(&entry.path())?;
            } else {
                self.files += 1;
                self.latest = self.latest.max(metadata.modified()?);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_source_is_a_change_and_a_built_file_is_none() {
        let sources = tempfile::tempdir().unwrap();
        let built = sources.path().join("dist");
        fs::create_dir(&built).unwrap();
        fs::write(sources.path().join("old.rs"), "").unwrap();
        fs::write(sources.path().join("new.rs"), "").unwrap();
        let before = Snapshot::of(sources.path()).unwrap();

        fs::write(built.join("app.js"), "").unwrap();
        assert_eq!(Snapshot::of(sources.path()).unwrap(), before);
        fs::remove_file(sources.path().join("old.rs")).unwrap();
        assert_ne!(Snapshot::of(sources.path()).unwrap(), before);
    }
}
