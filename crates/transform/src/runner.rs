//! A runner: the process in which transforms run, one after the other.

use std::io::{self, BufRead, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;

use crate::limits::RUNNER_HELD_MAX;
use crate::run;
use crate::wire::{Question, write_answer};

/// How a runner ends itself that was held too long.
pub(crate) const HELD_TOO_LONG: i32 = 75;

/// Answers the questions that come in at the standard input, until it is closed.
///
/// # Errors
/// Input or output broke off.
pub fn serve_stdio() -> io::Result<()> {
    serve(&mut io::stdin().lock(), &mut io::stdout().lock())
}

/// Answers questions, until there are no more.
///
/// This ends the whole process when one of them takes longer than [`RUNNER_HELD_MAX`], so it is for a process of its
/// own.
///
/// # Errors
/// Input or output broke off.
pub fn serve(questions: &mut impl BufRead, answers: &mut impl Write) -> io::Result<()> {
    let (watched, watch) = mpsc::channel();
    thread::Builder::new().name("watch".to_owned()).spawn(move || end_when_held(&watch))?;
    // The watch looks away only when this function has returned.
    let tell = || watched.send(()).map_err(io::Error::other);
    while let Some(question) = Question::read(questions)? {
        tell()?;
        match question {
            Question::Compile { source } => write_answer(answers, &run::compile(&source)),
            Question::Run { source, event } => write_answer(answers, &run::run(&source, &event)),
        }?;
        tell()?;
    }
    Ok(())
}

/// Is told when a question begins and when it ends, and does not wait long for the second.
#[expect(
    clippy::disallowed_methods,
    reason = "the one thing that stops a built-in of QuickJS is the end of its process"
)]
fn end_when_held(watch: &Receiver<()>) {
    while watch.recv().is_ok() {
        if watch.recv_timeout(RUNNER_HELD_MAX) == Err(RecvTimeoutError::Timeout) {
            std::process::exit(HELD_TOO_LONG);
        }
    }
}
