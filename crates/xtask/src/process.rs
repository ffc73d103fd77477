//! Other programs: run to their end, or stopped, without leaving any behind.

use std::io::{self, IsTerminal};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::interrupt::{self, Interrupted};

/// How soon the end of a program, or a signal to us, is noticed.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long a program that was told to end may take; longer than nextest gives its tests.
const GRACE: Duration = Duration::from_secs(15);

/// A program that ran and did not succeed. Its own exit code becomes ours.
#[derive(Debug)]
pub(crate) struct Failed {
    program: String,
    status: ExitStatus,
    /// What it had to say, unless it has said so on the terminal already.
    output: String,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` ended with {}", self.program, self.status)?;
        if self.output.is_empty() { Ok(()) } else { write!(f, ":\n{}", self.output) }
    }
}

impl std::error::Error for Failed {}

/// The exit code that tells our caller what `error` was about.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        return interrupted.exit_code().into();
    }
    let code = error.downcast_ref::<Failed>().and_then(|failed| failed.status.code());
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Runs a program that speaks to the developer itself, and waits for it.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let mut child = spawn(&mut command)?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if interrupt::received().is_some() {
            break stop(&mut child)?;
        }
        pause();
    };
    if let Some(signal) = interrupt::received() {
        return Err(Interrupted { signal }.into());
    }
    succeed(&command, status, String::new())
}

/// Runs a program whose output only matters if it fails.
pub(crate) fn run_quietly(mut command: Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not start `{}`", line(&command)))?;
    let said = [output.stdout, output.stderr].concat();
    succeed(&command, output.status, String::from_utf8_lossy(&said).trim().to_owned())
}

/// What a program prints when all goes well; `None` when it is missing or fails.
pub(crate) fn ask(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(crate) fn spawn(command: &mut Command) -> Result<Child> {
    command.spawn().with_context(|| format!("could not start `{}`", line(command)))
}

/// Tells a program to end, and kills it if it does not. It is left alone at first when it has heard
/// Ctrl-C from the terminal just as we did: most programs take a second one as an order to drop
/// everything.
pub(crate) fn stop(child: &mut Child) -> Result<ExitStatus> {
    let heard_it_too = interrupt::received() == Some(Signal::INT.as_raw()) && io::stdin().is_terminal();
    if !heard_it_too {
        tell(child, Signal::TERM);
    }
    for last_resort in [Signal::TERM, Signal::KILL] {
        if let Some(status) = wait_at_most(child, GRACE)? {
            return Ok(status);
        }
        tell(child, last_resort);
    }
    Ok(child.wait()?)
}

/// Waits one poll interval: for loops that watch a process and our own interruption together.
pub(crate) fn pause() {
    std::thread::sleep(POLL_INTERVAL);
}

/// A command as the developer would type it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn succeed(command: &Command, status: ExitStatus, output: String) -> Result<()> {
    if !status.success() {
        bail!(Failed { program: line(command), status, output });
    }
    Ok(())
}

fn wait_at_most(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        pause();
    }
}

/// A program that has just ended by itself cannot be told anything, and need not be.
fn tell(child: &Child, signal: Signal) {
    if let Some(id) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _gone_already = kill_process(id, signal);
    }
}
