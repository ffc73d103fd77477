//! Attempts: one try of a delivery, and how it ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::delivery::Trigger;
use crate::{DeliveryId, Timestamp};

/// One try of a delivery, as it is kept for the person who looks for what went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Of which delivery.
    pub delivery_id: DeliveryId,
    /// The first is 1.
    pub number: u16,
    /// When it began.
    pub at: Timestamp,
    /// What set it going.
    pub trigger: Trigger,
    /// How long it took, from resolving the name to the last byte of the answer.
    pub duration: Duration,
    /// HTTP status of the answer.
    pub response_status: Option<u16>,
    /// The answer's headers, as a JSON object.
    pub response_headers: Option<String>,
    /// The beginning of the answer's body.
    pub response_body: Option<Vec<u8>>,
    /// What went wrong, in words.
    pub error: Option<String>,
    /// What went wrong, for programs.
    pub error_code: Option<ErrorCode>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A whole answer came in time.
    Answered {
        /// Its HTTP status.
        status: u16,
        /// What it asked for in `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// No whole answer came.
    Failed {
        /// Why, for programs.
        code: ErrorCode,
        /// Why, in words.
        message: String,
        /// HTTP status, where at least the answer's head came.
        status: Option<u16>,
    },
    /// A worker said that it is done.
    Completed,
    /// A worker said that it could not do it.
    Reported {
        /// Why, in the worker's words.
        error: String,
        /// When it wants to try again.
        retry_in: Option<Duration>,
    },
    /// No request could be made, and none ever will be.
    Unsendable {
        /// Why, for programs.
        code: ErrorCode,
        /// Why, in words.
        message: String,
    },
    /// The subscription's transform has nothing to send for this event. Nobody was called.
    Skipped,
}

/// What follows from an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The subscriber has it.
    Success,
    /// `410`: the subscriber wants no more, of this or anything.
    Gone,
    /// Try again, if attempts are left; not before the endpoint's own wish has passed.
    Retry(Option<Duration>),
    /// Try again after just this long, if attempts are left: a worker knows its own work better than any policy.
    RetryIn(Duration),
    /// It cannot get there. Trying again would change nothing.
    GiveUp,
    /// There is nothing to send.
    Skip,
}

/// Why an attempt failed. The list is closed: programs may match on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The name did not resolve.
    Dns,
    /// No connection could be made.
    Connect,
    /// The connection could not be secured.
    Tls,
    /// The answer was not whole by the deadline.
    Timeout,
    /// The address is private, loopback, link-local or otherwise not to be called.
    BlockedAddress,
    /// The answer was a redirect, which is not followed.
    Redirect,
    /// The answer was longer than we read.
    ResponseTooLarge,
    /// The answer was not HTTP, or broke off.
    Protocol,
    /// The subscription's transform failed.
    Transform,
    /// The subscription's filter could not tell whether the event is wanted.
    Filter,
    /// A worker reported that it failed.
    Worker,
    /// Whoever tried did not come back in time.
    Lapsed,
    /// It was called off.
    Cancelled,
    /// The answer's status was not a success.
    Status,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 14] = [
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::BlockedAddress,
        Self::Redirect,
        Self::ResponseTooLarge,
        Self::Protocol,
        Self::Transform,
        Self::Filter,
        Self::Worker,
        Self::Lapsed,
        Self::Cancelled,
        Self::Status,
    ];

    /// What fails here or is called off, and says nothing of the endpoint.
    pub const OURS: [Self; 4] = [Self::Transform, Self::Filter, Self::Lapsed, Self::Cancelled];

    /// Whether it is one of [`ErrorCode::OURS`].
    #[must_use]
    pub fn is_ours(self) -> bool {
        Self::OURS.contains(&self)
    }

    /// The code as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::BlockedAddress => "blocked_address",
            Self::Redirect => "redirect",
            Self::ResponseTooLarge => "response_too_large",
            Self::Protocol => "protocol",
            Self::Transform => "transform",
            Self::Filter => "filter",
            Self::Worker => "worker",
            Self::Lapsed => "lapsed",
            Self::Cancelled => "cancelled",
            Self::Status => "status",
        }
    }
}

impl Outcome {
    /// Whether it arrived.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.verdict(), Verdict::Success)
    }

    /// What follows from it: 2xx is success, 410 is the end, all else is tried again. `Retry-After` counts where it is
    /// meant for us: with 429 and 503.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match *self {
            Self::Answered { status: 200..=299, .. } | Self::Completed => Verdict::Success,
            Self::Reported { retry_in: Some(span), .. } => Verdict::RetryIn(span),
            Self::Answered { status: 410, .. } => Verdict::Gone,
            Self::Answered { status: 429 | 503, retry_after } => Verdict::Retry(retry_after),
            Self::Answered { .. } | Self::Failed { .. } | Self::Reported { .. } => Verdict::Retry(None),
            Self::Unsendable { .. } => Verdict::GiveUp,
            Self::Skipped => Verdict::Skip,
        }
    }

    /// HTTP status of the answer.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match *self {
            Self::Answered { status, .. } => Some(status),
            Self::Failed { status, .. } => status,
            Self::Completed | Self::Reported { .. } | Self::Unsendable { .. } | Self::Skipped => None,
        }
    }

    /// What went wrong, in words; `None` for a success.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        match self {
            Self::Answered { status: 200..=299, .. } | Self::Completed => None,
            Self::Reported { error, .. } => Some(error.clone()),
            Self::Answered { status: status @ 300..=399, .. } => {
                Some(format!("the endpoint answered {status}; redirects are not followed"))
            }
            Self::Answered { status, .. } => Some(format!("the endpoint answered {status}")),
            Self::Failed { message, .. } | Self::Unsendable { message, .. } => Some(message.clone()),
            Self::Skipped => Some("the transform returned null: nothing is sent".to_owned()),
        }
    }

    /// What went wrong, for programs; `None` for a success.
    #[must_use]
    pub const fn error_code(&self) -> Option<ErrorCode> {
        match *self {
            Self::Answered { status: 200..=299, .. } | Self::Completed => None,
            Self::Reported { .. } => Some(ErrorCode::Worker),
            Self::Answered { status: 300..=399, .. } => Some(ErrorCode::Redirect),
            Self::Answered { .. } => Some(ErrorCode::Status),
            Self::Failed { code, .. } | Self::Unsendable { code, .. } => Some(code),
            Self::Skipped => Some(ErrorCode::Cancelled),
        }
    }
}
