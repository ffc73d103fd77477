//! Hears Ctrl-C and its relatives instead of dying of them, so that whatever was started is stopped.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// What a shell adds to a signal's number to make an exit code of it.
const EXIT_CODE_OFFSET: i32 = 128;

/// The last signal heard; 0 before any. Signals belong to the process, and so does this.
static RECEIVED: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// The error of a task that a signal has cut short.
#[derive(Debug)]
pub(crate) struct Interrupted {
    pub(crate) signal: i32,
}

impl Interrupted {
    pub(crate) fn exit_code(&self) -> u8 {
        u8::try_from(EXIT_CODE_OFFSET + self.signal).unwrap_or(1)
    }
}

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "interrupted by signal {}", self.signal)
    }
}

impl std::error::Error for Interrupted {}

/// Starts to listen. A first signal is only remembered; a second one of any kind ends the process at
/// once, for a developer who has lost patience.
pub(crate) fn listen() -> Result<()> {
    let received = RECEIVED.get_or_init(Arc::default);
    let impatient = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let remember = || {
            flag::register_conditional_shutdown(signal, EXIT_CODE_OFFSET + signal, impatient.clone())?;
            flag::register(signal, impatient.clone())?;
            flag::register_usize(signal, received.clone(), usize::try_from(signal).unwrap_or_default())
        };
        remember().with_context(|| format!("could not listen for signal {signal}"))?;
    }
    Ok(())
}

/// The signal that asked this task to end, if one has.
pub(crate) fn received() -> Option<i32> {
    let signal = RECEIVED.get()?.load(Ordering::Relaxed);
    i32::try_from(signal).ok().filter(|&signal| signal != 0)
}
