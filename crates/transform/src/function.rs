//! The words of this crate: a transform, what it makes of an event, and why it may fail to.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::{BODY_BYTES_MAX, MEMORY_BYTES_MAX, RUN_MAX, SOURCE_BYTES_MAX};

/// A user's function, checked by [`Runners::compile`](crate::Runners::compile).
#[derive(Clone, PartialEq, Eq)]
pub struct Transform(Arc<str>);

impl Transform {
    /// Takes a source that was checked when it was first read, such as one that comes back from the store.
    #[must_use]
    pub fn trusted(source: impl Into<Arc<str>>) -> Self {
        Self(source.into())
    }

    /// The source as the user wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0
    }
}

/// Without the source: people write tokens into such functions.
impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transform({} bytes)", self.0.len())
    }
}

/// What a transform makes of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transformed {
    /// It returned `null`: this event is not sent.
    Skip,
    /// What is sent instead of the usual body.
    Request {
        /// The body: a text as the function returned it, or JSON.
        body: String,
        /// Headers beside the usual ones, in the function's order. No name comes twice, whatever its case.
        headers: Vec<(String, String)>,
    },
}

/// Why a source is no transform. The text is meant for whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum NotATransform {
    /// The source is too long.
    #[error("a transform has at most {SOURCE_BYTES_MAX} bytes, this one has {0}")]
    TooLarge(usize),
    /// It is not JavaScript.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// What is wrong, in the engine's words.
        message: String,
        /// The line, from 1.
        line: u32,
        /// The column, from 1.
        column: u32,
    },
    /// It is JavaScript, but not a function. Holds what it is instead.
    #[error(
        "the source must be a function, such as (event) => ({{ text: event.type }}), or end with one; this one ends with {0}"
    )]
    NotAFunction(String),
    /// It fails already when it is read, before there is an event, or it could not be read.
    #[error(transparent)]
    Failed(#[from] Failed),
}

/// Why there is no request. The text continues a sentence about the transform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Failed {
    /// The function threw.
    #[error("threw{}: {message}", in_line(*line))]
    Threw {
        /// What it threw, as text. At most [`ERROR_BYTES_MAX`](domain::limits::ERROR_BYTES_MAX).
        message: String,
        /// The line of the source, from 1, where that is known.
        line: Option<u32>,
    },
    /// It ran too long. On a machine that has much else to do this may pass.
    #[error("ran for longer than {} ms", RUN_MAX.as_millis())]
    TooSlow,
    /// The event and what the function makes of it do not fit into the memory it has.
    #[error("needed more than {} MiB of memory", MEMORY_BYTES_MAX / 1_024 / 1_024)]
    TooMuchMemory,
    /// The body is too large.
    #[error("made a body of more than {} KiB", BODY_BYTES_MAX / 1_024)]
    TooLarge,
    /// It returned what cannot be sent. Holds what, and why.
    #[error("returned what cannot be sent: {0}")]
    NotRepresentable(String),
    /// It set a header that cannot be sent, or that is not its to set.
    #[error("set the header {name:?}: {problem}")]
    BadHeader {
        /// The header's name as the function wrote it, cut to what a person can read.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It was given something other than a JSON document, which is a mistake of ours.
    #[error("was given an event that is not JSON: {0}")]
    NotAnEvent(String),
    /// The process that ran it ended in a way that it should not.
    #[error("ended the process that ran it")]
    Crashed,
    /// No process could be started to run it. This passes.
    #[error("could not be started: {0}")]
    Unavailable(String),
}

impl Failed {
    /// Whether the same function may succeed on the same event another time.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::TooSlow | Self::Crashed | Self::Unavailable(_))
    }
}

fn in_line(line: Option<u32>) -> String {
    line.map(|line| format!(" in line {line}")).unwrap_or_default()
}
