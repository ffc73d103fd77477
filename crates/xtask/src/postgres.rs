//! A private PostgreSQL: its own data, its own free port, and gone when its owner is.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::interrupt::{self, Interrupted};
use crate::postgres_server::Server;
use crate::process;
use crate::surroundings::POSTGRES_URL;

/// Long enough for a busy machine; a healthy one takes half a second.
const START_LIMIT: Duration = Duration::from_secs(60);
/// See [`PortTaken`].
const START_ATTEMPTS: u32 = 3;

/// Stands between us and the server, and outlives us by the moment it takes to clean up: the end of
/// its input, which comes however we end (`kill -9` included), stops the server and removes the
/// directory. The stop is an immediate one, since the data goes with it.
const GUARD: &str = r#"
directory=$1; shift
exec 3<&0
"$@" </dev/null >"$directory/log" 2>&1 3<&- &
server=$!
{ cat <&3 >/dev/null; kill -QUIT "$server" 2>/dev/null; } &
wait "$server"; : >"$directory/ended"
wait
cd / && rm -rf "$directory" 2>/dev/null
"#;

/// `cargo xtask postgres`.
pub(crate) fn run() -> Result<()> {
    let cluster = PostgresCluster::start(Purpose::Testing)?;
    eprintln!("PostgreSQL is ready until Ctrl-C. In another shell:");
    println!("export {POSTGRES_URL}={}", cluster.url());
    while interrupt::received().is_none() {
        if cluster.has_ended() {
            bail!("the server has ended by itself:\n{}", cluster.log());
        }
        process::pause();
    }
    Ok(())
}

/// What a cluster is for. The durability is real in both: crash tests and measurements mean nothing
/// without it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// Many test processes, each with its own pool.
    Testing,
    /// As an operator would set it up.
    Measuring,
}

impl Purpose {
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Testing => &["fsync=on", "max_connections=200"],
            Self::Measuring => &[
                "fsync=on",
                "synchronous_commit=on",
                "shared_buffers=256MB",
                "max_wal_size=2GB",
                "max_connections=200",
            ],
        }
    }
}

/// Another program was quicker to use the port that we found free.
#[derive(Debug)]
struct PortTaken;

impl PortTaken {
    const IN_LOG: &str = "Address already in use";
}

impl std::fmt::Display for PortTaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the free port found for the server was taken by another program")
    }
}

impl std::error::Error for PortTaken {}

/// A running server. Dropping it stops the server and removes its data.
#[derive(Debug)]
pub(crate) struct PostgresCluster {
    url: String,
    guard: Child,
    directory: TempDir,
}

impl PostgresCluster {
    pub(crate) fn start(purpose: Purpose) -> Result<Self> {
        let server = Server::find()?;
        let mut attempt = 1;
        loop {
            match Self::start_once(&server, purpose) {
                Err(error) if error.is::<PortTaken>() && attempt < START_ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn start_once(server: &Server, purpose: Purpose) -> Result<Self> {
        let directory = new_directory(server)?;
        let data = directory.path().join("data");
        let mut initdb = server.command("initdb", directory.path());
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        initdb.arg("--pgdata").arg(&data);
        process::run_quietly(initdb).context("could not make a cluster")?;

        let port = free_port()?;
        let guard = spawn_guard(server, directory.path(), &data, port, purpose)?;
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        let cluster = Self { url, guard, directory };
        cluster.wait_until_ready(&data)?;
        Ok(cluster)
    }

    /// Reads readiness from the server's own lock file, and not by connecting: another server may
    /// be listening on the port.
    fn wait_until_ready(&self, data: &Path) -> Result<()> {
        let lock_file = data.join("postmaster.pid");
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let lock = fs::read_to_string(&lock_file).unwrap_or_default();
            if lock.lines().last().is_some_and(|status| status.trim() == "ready") {
                return Ok(());
            }
            if let Some(signal) = interrupt::received() {
                return Err(Interrupted { signal }.into());
            }
            if self.has_ended() || Instant::now() >= deadline {
                let log = self.log();
                if log.contains(PortTaken::IN_LOG) {
                    return Err(PortTaken.into());
                }
                bail!("the server did not become ready:\n{log}");
            }
            process::pause();
        }
    }

    fn has_ended(&self) -> bool {
        self.directory.path().join("ended").exists()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_else(|error| error.to_string())
    }
}

impl Drop for PostgresCluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        if let Err(error) = self.guard.wait() {
            eprintln!("could not wait for PostgreSQL to stop: {error}");
        }
    }
}

/// Under `/var/tmp` rather than `/tmp`, which is often kept in memory, where a sync costs nothing
/// and proves nothing; and not under `target`, which may be closed to the account that the server runs
/// as.
fn new_directory(server: &Server) -> Result<TempDir> {
    let parent = std::env::var_os("TMPDIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
    let directory =
        tempfile::Builder::new().prefix("waystation-postgres-").tempdir_in(&parent).with_context(|| {
            format!("could not make a directory in {} (TMPDIR names another)", parent.display())
        })?;
    if let Some(account) = server.account() {
        chown(directory.path(), Some(account.user), Some(account.group))
            .context("could not give the directory to the user `postgres`")?;
    }
    Ok(directory)
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("could not find a free port")?;
    Ok(listener.local_addr()?.port())
}

/// In a process group of its own, so that Ctrl-C in the terminal stops the tests before their database.
fn spawn_guard(server: &Server, directory: &Path, data: &Path, port: u16, purpose: Purpose) -> Result<Child> {
    let mut guard = server.plain_command(Path::new("/bin/sh"), directory);
    guard.args(["-c", GUARD, "guard"]).arg(directory);
    guard.arg(server.program("postgres")).arg("-D").arg(data);
    guard.args(["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={port}")]);
    // No socket at all: its path would have to be short, and the URL does without.
    guard.args(["-c", "unix_socket_directories="]);
    for setting in purpose.settings() {
        guard.args(["-c", setting]);
    }
    guard.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
    process::spawn(&mut guard)
}
