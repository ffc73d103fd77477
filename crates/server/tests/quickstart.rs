//! The quick start of the README does what the README says.
#![expect(
    clippy::disallowed_methods,
    reason = "a test is outside of the product: where the shell's tools are is for the environment to say"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

const README: &str = include_str!("../../../README.md");

/// Far beyond what it takes: about three seconds.
const BOUND_SECONDS: &str = "60";

/// What the README says, and what stands in its place here, since any port may be taken.
const PORTS: [&str; 2] = ["127.0.0.1:8400", "127.0.0.1:8401"];

/// The blocks that are marked as shell, of the section with this heading.
fn shell_of(section: &str) -> String {
    let heading = format!("\n## {section}\n");
    let (_, text) = README.split_once(heading.as_str()).unwrap();
    let text = text.split("\n## ").next().unwrap();
    let blocks = text.split("\n```sh\n").skip(1).map(|block| block.split("\n```\n").next().unwrap());
    blocks.collect::<Vec<_>>().join("\n")
}

/// Puts free ports in the place of those that the README uses.
fn on_free_ports(mut script: String) -> String {
    // All are held until the last is found, so that no two are the same.
    let held = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    for (written, free) in PORTS.iter().zip(&held) {
        script = script.replace(written, &free.local_addr().unwrap().to_string());
        let (_, port) = written.split_once(':').unwrap();
        script = script.replace(
            &format!("(\"127.0.0.1\", {port})"),
            &format!("(\"127.0.0.1\", {})", free.local_addr().unwrap().port()),
        );
    }
    script
}

/// A place with nothing in it but the script, and what the script leaves.
struct Shell {
    directory: TempDir,
}

/// Everything that a script has started. Whatever is left of it when the test ends, ends with it.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        let _gone_already = kill_process_group(self.0, Signal::KILL);
    }
}

impl Shell {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a script as one shell would in which it is pasted; the first command that fails ends it.
    fn run(&self, script: &str) -> ExitStatus {
        std::fs::write(self.path("script.sh"), script).unwrap();
        // Into files: a pipe would stay open for as long as anything that the script has started.
        let into = |name: &str| std::fs::File::create(self.path(name)).unwrap();
        let mut child = Command::new("timeout")
            .args([BOUND_SECONDS, "bash", "-euo", "pipefail", "script.sh"])
            .env_clear()
            .env("PATH", path_with_the_program())
            .env("HOME", self.directory.path())
            .env("TMPDIR", self.directory.path())
            .current_dir(self.directory.path())
            .stdout(into("stdout.txt"))
            .stderr(into("stderr.txt"))
            .process_group(0)
            .spawn()
            .unwrap();
        let _group = Group(Pid::from_child(&child));
        child.wait().unwrap()
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

/// The program that is tested comes before any other of its name.
fn path_with_the_program() -> OsString {
    let directory = Path::new(env!("CARGO_BIN_EXE_waystation")).parent().unwrap().to_owned();
    let inherited = std::env::var_os("PATH").unwrap();
    std::env::join_paths([directory].into_iter().chain(std::env::split_paths(&inherited))).unwrap()
}

#[test]
fn the_readme_can_be_followed_word_by_word() {
    let shell = Shell { directory: TempDir::new().unwrap() };
    let status = shell.run(&on_free_ports(shell_of("Quick start")));
    let (stdout, stderr) = (shell.text("stdout.txt"), shell.text("stderr.txt"));
    assert!(status.success(), "{status}\n{stdout}\n{stderr}");

    // What it promises, in its order.
    let promised = [
        r#"{"status":"ok""#,
        r#""secret":"whsec_"#,
        r#"{"status":"accepted","event_id":"evt_"#,
        r#"{"status":"duplicate","event_id":"evt_"#,
        r#""status": "success""#,
        r#""error_code": "connect""#,
        r#""trigger": "automatic""#,
        "the signature is good\n",
        r#"{"status":"accepted","event_id":"evt_"#,
        r#"{"status":"accepted","event_id":"evt_"#,
        r#""type": "task.done""#,
        r#""type": "task.created""#,
        r#""type": "github.push""#,
    ];
    let mut rest = stdout.as_str();
    for words in promised {
        let Some((_, after)) = rest.split_once(words) else {
            panic!("{words} should have come here:\n{rest}\n--- all of it ---\n{stdout}\n{stderr}");
        };
        rest = after;
    }
}
