//! The real program, as a process.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::client::Client;
use super::database::Home;
use super::within;

pub(crate) const ADMIN_KEY: &str = "admin-key-of-the-tests";
pub(crate) const GITHUB_SECRET: &str = "It's a Secret to Everybody";
pub(crate) const SLACK_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// How to start it. What it keeps is in the home that it was made for.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    directory: PathBuf,
    environment: BTreeMap<String, String>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<String>>,
    log: PathBuf,
}

impl Launch {
    /// On the data in `home`, on a free port, with all that providers and receivers of these tests need.
    pub(crate) fn on(home: &Home) -> Self {
        let launch = Self { directory: home.directory.path().to_owned(), environment: BTreeMap::new() };
        launch
            .env("WAYSTATION_LISTEN", "127.0.0.1:0")
            .env("WAYSTATION_DATABASE_URL", &home.database_url())
            .env("WAYSTATION_ADMIN_KEY", ADMIN_KEY)
            .env("WAYSTATION_SECRET_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
            .env("WAYSTATION_DELIVERY__ALLOW_HOSTS", "127.0.0.0/8")
            .env("GITHUB_WEBHOOK_SECRET", GITHUB_SECRET)
            .env("SLACK_SIGNING_SECRET", SLACK_SECRET)
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waystation"));
        // Nothing of the caller's settings may reach it, by environment or by a file where it runs.
        command.args(arguments).env_clear().envs(&self.environment).current_dir(&self.directory);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        let output = within(&arguments.join(" "), self.command(arguments).output()).await.unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts a command that goes on until it is told to stop, and is killed when it is dropped.
    pub(crate) fn begin(&self, arguments: &[&str], stdin: Stdio, stdout: Stdio, stderr: Stdio) -> Child {
        self.command(arguments).stdin(stdin).stdout(stdout).stderr(stderr).spawn().unwrap()
    }

    /// Starts the server and waits until it says where it is.
    pub(crate) async fn start(&self) -> Program {
        let log = self.directory.join("log.txt");
        let errors = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut child = self.command(&["serve"]).stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        within("the server's first line", lines.read_line(&mut first)).await.unwrap();
        let address = first.trim().rsplit("http://").next().and_then(|address| address.parse().ok());
        let Some(address) = address else { panic!("the server said {first:?}\n{}", tail(&log)) };
        let said = Arc::new(Mutex::new(first));
        tokio::spawn(listen(lines, Arc::clone(&said)));
        let program = Program { child, address, said, log };
        // Answering is what it does last of all when it starts.
        program.anyone().get("/health").await.ok();
        program
    }
}

async fn listen(mut lines: BufReader<ChildStdout>, said: Arc<Mutex<String>>) {
    let mut line = String::new();
    while matches!(lines.read_line(&mut line).await, Ok(bytes) if bytes > 0) {
        said.lock().unwrap().push_str(&std::mem::take(&mut line));
    }
}

impl Program {
    /// A client without a bearer.
    pub(crate) fn anyone(&self) -> Client {
        Client::new(self.address, None)
    }

    pub(crate) fn bearer(&self, key: &str) -> Client {
        Client::new(self.address, Some(key))
    }

    pub(crate) fn admin(&self) -> Client {
        self.bearer(ADMIN_KEY)
    }

    /// What it has written to stdout so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// What all servers on this home have logged so far.
    pub(crate) fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The most memory that it has ever had, in MiB.
    pub(crate) fn memory_peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process_id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(&self.child, signal);
    }

    /// SIGTERM.
    pub(crate) fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        within("the server's end", self.child.wait()).await.unwrap()
    }

    /// SIGTERM, and it must end well.
    pub(crate) async fn stop(mut self) {
        self.ask_to_stop();
        assert!(self.ended().await.success(), "{}", tail(&self.log));
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended = self.child.start_kill();
        // Its files must not be taken away under it.
        for _ in 0..1_000 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if std::thread::panicking() {
            eprintln!("{}", tail(&self.log));
        }
    }
}

pub(crate) fn send(child: &Child, signal: Signal) {
    let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    kill_process(id.unwrap(), signal).unwrap();
}

fn tail(log: &Path) -> String {
    let text = File::open(log).and_then(std::io::read_to_string).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    format!("--- the end of its log ---\n{}", lines[lines.len().saturating_sub(40)..].join("\n"))
}
