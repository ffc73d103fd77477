//! Runs a server as a user would: the real binary, its own data directory, a free port, its settings in the
//! environment. It can be killed at any moment and started again on the same data.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngExt as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::http::{Connection, request_bytes};
use crate::scratch::Home;

pub const ADMIN_KEY: &str = "admin-key-of-the-bench-0123456789abcdef";
pub const GITHUB_SECRET: &str = "github-secret-of-the-bench";

/// Far beyond any honest start, so that a broken one is reported instead of awaited.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Also the precision of a cold start's time.
const READY_POLL: Duration = Duration::from_millis(1);
const STOP_WITHIN: Duration = Duration::from_secs(60);
/// Below the range that Linux takes the ports of outgoing connections from. A port from that range could,
/// while the server is down, be given to a client that is trying to reach it, which would then be connected
/// to itself.
const PORTS: std::ops::Range<u16> = 18_000..30_000;
const PORTS_TRIED_MAX: usize = 100;
const LOG_LINES_SHOWN: usize = 40;

/// How to start a server; the same launch starts it again on the same data.
#[derive(Clone, Debug)]
pub struct Launch {
    binary: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
    directory: PathBuf,
    pub address: SocketAddr,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Program {
    child: Child,
    spawned_at: Instant,
    address: SocketAddr,
    log: PathBuf,
}

impl Launch {
    /// `waystation serve` on the data in `home`, with every rate limit out of the way.
    pub fn waystation(binary: &Path, home: &Home) -> Result<Self> {
        let address = free_address()?;
        let environment = vec![
            ("WAYSTATION_LISTEN", address.to_string()),
            ("WAYSTATION_DATABASE_URL", home.database_url.clone()),
            ("WAYSTATION_ADMIN_KEY", ADMIN_KEY.to_owned()),
            ("WAYSTATION_SECRET_KEY", STANDARD.encode([7; 32])),
            ("GITHUB_WEBHOOK_SECRET", GITHUB_SECRET.to_owned()),
            ("WAYSTATION_DELIVERY__ALLOW_HOSTS", "127.0.0.0/8".to_owned()),
            ("WAYSTATION_INBOUND__RATE_LIMIT_PER_15_MINUTES", "1000000000".to_owned()),
            ("WAYSTATION_API__RATE_LIMIT_PER_MINUTE", "1000000000".to_owned()),
            ("RUST_LOG", "warn".to_owned()),
        ];
        Self::new(binary, vec!["serve".into()], environment, &home.directory, address)
    }

    /// The bare server, which is this very binary in another mode.
    pub fn bare(directory: &Path) -> Result<Self> {
        let address = free_address()?;
        let arguments = vec!["bare".into(), "--listen".into(), address.to_string().into()];
        Self::new(&std::env::current_exe()?, arguments, Vec::new(), directory, address)
    }

    fn new(
        binary: &Path,
        arguments: Vec<OsString>,
        environment: Vec<(&'static str, String)>,
        directory: &Path,
        address: SocketAddr,
    ) -> Result<Self> {
        // Absolute, because the program runs in a directory of its own.
        let binary =
            fs::canonicalize(binary).with_context(|| format!("no binary at {}", binary.display()))?;
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self { binary, arguments, environment, directory: directory.to_owned(), address })
    }

    /// The same, with one more setting.
    pub fn with(mut self, name: String, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Starts the process and waits until it says that it is ready.
    pub async fn start(&self) -> Result<Program> {
        let mut program = self.spawn()?;
        program.ready().await?;
        Ok(program)
    }

    /// Starts the process and waits for nothing.
    pub fn spawn(&self) -> Result<Program> {
        let log = self.directory.join("log.txt");
        let output = OpenOptions::new().create(true).append(true).open(&log)?;
        let spawned_at = Instant::now();
        let child = Command::new(&self.binary)
            .args(&self.arguments)
            // Nothing of the caller's settings may reach the program, by environment or by a file where it
            // runs.
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "TMPDIR"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", self.binary.display()))?;
        Ok(Program { child, spawned_at, address: self.address, log })
    }
}

impl Program {
    /// Waits until `/health/ready` answers 200; the time since the process was spawned.
    pub async fn ready(&mut self) -> Result<Duration> {
        let request = request_bytes("GET", "/health/ready", self.address, ADMIN_KEY, None);
        while self.spawned_at.elapsed() < READY_WITHIN {
            if answers_ok(self.address, &request).await {
                return Ok(self.spawned_at.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status} instead of serving\n{}", self.log_tail());
            }
            sleep(READY_POLL).await;
        }
        bail!("the server was not ready within {READY_WITHIN:?}\n{}", self.log_tail())
    }

    pub fn process_id(&self) -> Result<u32> {
        self.child.id().context("the server has ended")
    }

    /// SIGKILL, and waits until the process is gone and its port free.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("kill the server")
    }

    /// SIGTERM, and waits for it to end by itself.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        let process_id = i32::try_from(self.process_id()?).ok().and_then(Pid::from_raw);
        kill_process(process_id.context("an odd process id")?, Signal::TERM)?;
        match timeout(STOP_WITHIN, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("the server did not stop within {STOP_WITHIN:?}\n{}", self.log_tail()),
        }
    }

    /// The last lines that the program wrote.
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let text = text.unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
        format!("--- the end of its log ---\n{}\n--------------------------", shown.join("\n"))
    }
}

async fn answers_ok(address: SocketAddr, request: &[u8]) -> bool {
    let asking = async {
        let mut connection = Connection::open(address).await.ok()?;
        connection.exchange(request).await.ok().map(|response| response.status)
    };
    matches!(timeout(Duration::from_secs(1), asking).await, Ok(Some(200)))
}

fn free_address() -> Result<SocketAddr> {
    let mut rng = rand::rng();
    for _ in 0..PORTS_TRIED_MAX {
        let address = SocketAddr::from(([127, 0, 0, 1], rng.random_range(PORTS)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port in {PORTS:?} after {PORTS_TRIED_MAX} tries")
}
