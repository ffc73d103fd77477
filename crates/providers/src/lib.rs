//! What each provider speaks.
//!
//! **Promise.** Nothing here does I/O, reads a clock or remembers anything: a request goes in as a value, and what it
//! means comes out as one. Only [`Provider::verify`] can make a [`Verified`], so nobody parses bytes that nobody signed.
//!
//! To add a provider:
//! 1. write one file here that implements [`Provider`], with the provider's published vectors as its tests;
//! 2. name it in [`ALL`].
//!
//! Its route, its configuration keys, `waystation sign` and `verify`, and its event types follow from those two.

#![warn(missing_docs)]

mod github;
mod mac;
pub mod scheme;
mod slack;

use bytes::Bytes;
use domain::event::{Json, NotJson};
use domain::{EventType, Timestamp};
use http::{HeaderMap, HeaderName, StatusCode};

/// Every provider, in the order in which they are shown.
pub static ALL: &[&dyn Provider] = &[&github::GitHub, &slack::Slack];

/// The provider of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static dyn Provider> {
    ALL.iter().copied().find(|provider| provider.name() == name)
}

/// How one provider's requests are checked and read.
pub trait Provider: Sync {
    /// Its name: in routes, event types, sources and configuration.
    fn name(&self) -> &'static str;

    /// Where its requests come in.
    fn route(&self) -> Route;

    /// The configuration key, below the provider's own, of the secret that its requests are signed with.
    fn secret(&self) -> Setting;

    /// Bytes of a body that it may send; `None` for the general limit.
    fn body_bytes_max(&self) -> Option<usize> {
        None
    }

    /// Checks that the provider sent this, at about `now`. Any one of `secrets` may have signed it.
    ///
    /// # Errors
    /// Why it is not to be believed.
    fn verify<'r>(
        &self,
        request: &'r RawRequest,
        secrets: &[String],
        now: Timestamp,
    ) -> Result<Verified<'r>, Refusal>;

    /// Reads what the provider says.
    ///
    /// # Errors
    /// What about it cannot be read.
    fn parse(&self, request: &Verified<'_>) -> Result<Inbound, Unreadable>;

    /// The headers with which the provider would send `body` at `now`; for people who try out their set-up.
    fn sign(&self, secret: &str, body: &[u8], now: Timestamp) -> Vec<(HeaderName, String)>;

    /// The types that its events have, for the catalogue.
    fn event_types(&self) -> &'static [Described];
}

/// Where a provider's requests come in, below `/api/webhooks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `/{name}/{user}`: the address says whose events these are.
    PerUser,
}

/// A configuration key of a provider, and the short name that it has in the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The key in `[providers.<name>]`.
    pub key: &'static str,
    /// The environment variable that sets it too.
    pub environment: &'static str,
}

/// An event type with what a person needs to know about it.
#[derive(Debug, Clone, Copy)]
pub struct Described {
    /// The type, or a pattern such as `github.issues.*` where the provider has too many to name.
    pub event_type: &'static str,
    /// When it happens.
    pub description: &'static str,
    /// An example of `data`, as JSON.
    pub example: &'static str,
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct RawRequest {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, byte for byte.
    pub body: Bytes,
}

/// A request that its provider has sent. Only this crate can make one.
#[derive(Debug)]
pub struct Verified<'r>(&'r RawRequest);

impl Verified<'_> {
    /// The request's body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.0.body
    }

    fn header(&self, name: &'static str) -> Option<&str> {
        self.0.header(name)
    }
}

impl RawRequest {
    /// A header's text. `None` where it is absent, comes twice, or holds bytes beyond visible ASCII.
    #[must_use]
    pub fn header(&self, name: &'static str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let only = values.next().filter(|_| values.next().is_none());
        only.and_then(|value| value.to_str().ok())
    }
}

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Without a secret nothing can be checked, and what is not checked is not accepted.
    #[error("no secret is configured for this provider")]
    NoSecret,
    /// The named header is absent, or there more than once.
    #[error("the header {0} is missing")]
    MissingHeader(&'static str),
    /// The signature is not under any of our secrets.
    #[error("the signature does not fit the body")]
    BadSignature,
    /// The timestamp is no whole number of seconds.
    #[error("the timestamp is no whole number of seconds")]
    NoTimestamp,
    /// The timestamp is too far from now: a replay, or a clock that is wrong.
    #[error("the timestamp is more than {0} seconds from now")]
    Stale(u32),
}

/// What a request says.
#[derive(Debug)]
pub enum Inbound {
    /// Something happened.
    Event(InboundEvent),
    /// The provider only wants this answer: a handshake.
    Reply(Reply),
}

/// What happened, in the provider's words.
#[derive(Debug)]
pub struct InboundEvent {
    /// What kind of thing.
    pub event_type: EventType,
    /// The provider's own id for it, the same on each retry.
    pub dedupe_id: String,
    /// When it happened, where the provider says.
    pub occurred_at: Option<Timestamp>,
    /// The provider's JSON, untouched.
    pub data: Json,
    /// Whether `data` is the whole body. If not, the body is kept beside it.
    pub is_whole_body: bool,
}

/// An answer that a provider wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its media type.
    pub content_type: &'static str,
    /// Its body.
    pub body: String,
}

/// What about a genuine request cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The body is no JSON.
    #[error("the body is {0}")]
    NotJson(NotJson),
    /// The body is JSON, but not of the provider's shape.
    #[error("the body is not what this provider sends: {0}")]
    Unexpected(String),
    /// The named header is absent.
    #[error("the header {0} is missing")]
    MissingHeader(&'static str),
    /// The named field of a form is absent.
    #[error("the form field {0:?} is missing")]
    MissingField(&'static str),
}

impl From<NotJson> for Unreadable {
    fn from(error: NotJson) -> Self {
        match error {
            NotJson::OtherShape(how) => Self::Unexpected(how),
            error => Self::NotJson(error),
        }
    }
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        Self::Unexpected(error.to_string())
    }
}
