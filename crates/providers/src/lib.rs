//! What each provider speaks.
//!
//! **Promise.** Nothing here does I/O, reads a clock or remembers anything: a request goes in as a value, and what it
//! means comes out as one. Only [`Provider::verify`] can make a [`Verified`], so nobody parses bytes that nobody signed.
//!
//! To add a provider:
//! 1. write one file here that implements [`Provider`], with the provider's published vectors as its tests;
//! 2. name it in [`ALL`].
//!
//! Its routes, its configuration keys, `waystation sign` and `verify`, and its event types follow from those two. What it
//! needs of the world it says as a value: the key document that it checks against ([`Provider::key_document`]), whose
//! an event is ([`Owner`]), what was asked of a hub ([`Asked`]).

#![warn(missing_docs)]

mod composio;
mod discord;
mod github;
mod gmail;
mod keys;
mod lenient;
mod mac;
mod settings;
mod slack;
#[cfg(test)]
mod testing;
mod unipile;
mod youtube;

use std::borrow::Cow;

use bytes::Bytes;
use domain::event::{Json, NotJson};
use domain::{EventType, Timestamp, UserId};
use http::{HeaderMap, HeaderName, StatusCode};

pub use keys::{KeySet, NotKeys};
pub use settings::{Setting, SettingKind, Settings};

/// Every provider, in the order in which they are shown.
pub static ALL: &[&dyn Provider] = &[
    &github::GitHub,
    &slack::Slack,
    &gmail::Gmail,
    &composio::Composio,
    &unipile::Unipile,
    &discord::Discord,
    &youtube::YouTube,
];

/// The provider of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static dyn Provider> {
    ALL.iter().copied().find(|provider| provider.name() == name)
}

/// How one provider's requests are checked and read.
pub trait Provider: Sync {
    /// Its name: in routes, event types, sources and configuration.
    fn name(&self) -> &'static str;

    /// Where its requests come in, below `/api/webhooks`. `{user}` stands for the user whose events these are.
    fn paths(&self) -> &'static [&'static str];

    /// What the operator sets for it. The first is what its requests are signed with, where they are.
    fn settings(&self) -> &'static [Setting];

    /// The URL of the [`KeySet`] that its tokens are checked against, where it has such tokens. Whoever fetches it
    /// remembers it, and fetches it again, at intervals, when [`Refusal::UnknownKey`] says that it has grown old.
    fn key_document<'s>(&self, _settings: &'s Settings) -> Option<&'s str> {
        None
    }

    /// Bytes of a body that it may send; `None` for the general limit.
    fn body_bytes_max(&self) -> Option<usize> {
        None
    }

    /// Checks that the provider sent this, at about `now`.
    ///
    /// # Errors
    /// Why it is not to be believed.
    fn verify<'r>(
        &self,
        request: &'r RawRequest,
        known: &Known<'_>,
        now: Timestamp,
    ) -> Result<Verified<'r>, Refusal>;

    /// Reads what the provider says at `now`.
    ///
    /// # Errors
    /// What about it cannot be read.
    fn parse(&self, request: &Verified<'_>, now: Timestamp) -> Result<Inbound, Unreadable>;

    /// What it wants to hear when its events are kept, or were already; `None` for the general answer.
    fn reply_to_kept(&self) -> Option<Reply> {
        None
    }

    /// What it wants to hear when it is believed and cannot be read; `None` for the general answer, an error. Some
    /// would send the same again for days.
    fn reply_to_unreadable(&self) -> Option<Reply> {
        None
    }

    /// Whether it asks by GET, before it sends anything, if we want it.
    fn asks_first(&self) -> bool {
        false
    }

    /// Answers such a GET with this query. `asked` is what we have asked for under the address it came to. `None`: we have
    /// not asked for this, and there is nothing here.
    fn confirm(&self, _query: &str, _asked: &[Asked]) -> Option<Confirmation> {
        None
    }

    /// The headers with which the provider would send this; for people who try out their set-up. `secret` is its secret,
    /// or the private half of its key.
    ///
    /// # Errors
    /// It cannot be signed with that.
    fn sign(&self, secret: &str, unsigned: &Unsigned<'_>) -> Result<Vec<(HeaderName, String)>, CannotSign>;

    /// The types that its events have, for the catalogue.
    fn event_types(&self) -> &'static [Described];
}

/// What a request is held against.
#[derive(Debug, Clone, Copy)]
pub struct Known<'k> {
    /// What is set for the provider. Where the user has secrets of their own, these are among them.
    pub settings: &'k Settings,
    /// What [`Provider::key_document`] holds, once it was fetched.
    pub keys: Option<&'k KeySet>,
}

/// A request that is about to be signed.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned<'u> {
    /// Its id, for who signs one; `None`: one that is made from the body.
    pub id: Option<&'u str>,
    /// Its body.
    pub body: &'u [u8],
    /// When it is sent.
    pub at: Timestamp,
}

/// Why a request cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotSign {
    /// The key is not what this provider signs with.
    #[error("the key must be {0}")]
    NotAKey(&'static str),
    /// The key is the provider's alone.
    #[error("only {0} can sign this")]
    Only(&'static str),
}

/// An event type with what a person needs to know about it.
#[derive(Debug, Clone)]
pub struct Described {
    /// The type.
    pub event_type: Cow<'static, str>,
    /// When it happens.
    pub description: Cow<'static, str>,
    /// An example of `data`, as JSON.
    pub example: Cow<'static, str>,
}

impl Described {
    const fn new(event_type: &'static str, description: &'static str, example: &'static str) -> Self {
        Self {
            event_type: Cow::Borrowed(event_type),
            description: Cow::Borrowed(description),
            example: Cow::Borrowed(example),
        }
    }
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
    /// The configured key is no key.
    #[error("the key that is configured is not {0}")]
    BadKey(&'static str),
    /// The header does not hold the shared secret.
    #[error("the header {0} does not hold the secret")]
    WrongSecret(&'static str),
    /// The bearer is no token of the kind that the provider sends.
    #[error("the bearer is no token signed with RS256")]
    NotAToken,
    /// The token names a key that is not among those known: the document may be older than the key.
    #[error("the token's key is not among those that its issuer publishes")]
    UnknownKey,
    /// The token is not, or not yet, or no longer good.
    #[error("the token is not valid at this time")]
    Expired,
    /// The token is genuine, and for or by somebody else.
    #[error("the token's {0} is not the expected one")]
    WrongClaim(&'static str),
    /// It comes from a place that is not on the list of those allowed.
    #[error("the {0} is not among those allowed")]
    NotAllowed(&'static str),
}

/// What a request says.
#[derive(Debug)]
pub enum Inbound {
    /// Something happened: at least one event, in the provider's order.
    Events(Vec<InboundEvent>),
    /// The provider only wants this answer: a handshake.
    Reply(Reply),
}

/// What happened, in the provider's words.
#[derive(Debug, Clone)]
pub struct InboundEvent {
    /// What kind of thing.
    pub event_type: EventType,
    /// The provider's own id for it, the same on each retry; or what stands for one.
    pub dedupe_id: String,
    /// What it is instead, where an event of this `dedupe_id` is known that occurred at another time. One that occurred
    /// at the same time is a repeat.
    pub recurrence: Option<Recurrence>,
    /// Whose it is, unless the address says.
    pub owner: Owner,
    /// When it happened, where the provider says.
    pub occurred_at: Option<Timestamp>,
    /// The provider's JSON, untouched.
    pub data: Json,
    /// Whether `data` is the whole body. If not, the body is kept beside it.
    pub is_whole_body: bool,
}

/// A further event about something that is known: an update, where the first was a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurrence {
    /// What kind of thing.
    pub event_type: EventType,
    /// What tells a repeat of it.
    pub dedupe_id: String,
}

/// Whose an event is, as far as its provider knows. A user in the address comes before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Only the address says.
    Path,
    /// The user with a connection to this provider for this account.
    Account {
        /// The account's own id at the provider, as connections have it: a mailbox in lower case, a Discord user, a
        /// connected account of Composio's.
        id: String,
        /// The user that the provider itself names, who counts where no connection has the account.
        user: Option<UserId>,
    },
}

impl Owner {
    /// Whoever has a connection for this account.
    pub fn account(id: impl Into<String>) -> Self {
        Self::Account { id: id.into(), user: None }
    }
}

impl Inbound {
    fn event(event: InboundEvent) -> Self {
        Self::Events(vec![event])
    }
}

/// Something that was asked of a hub, which will ask back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// About what, as we wrote it.
    pub topic: String,
    /// What we want.
    pub wish: Wish,
}

/// What may be asked of a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To be told, from now on or for longer.
    Subscribe,
    /// To be left alone.
    Unsubscribe,
}

/// What a hub says about something that was asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The topic, as we wrote it.
    pub topic: String,
    /// What it says.
    pub decision: Decision,
    /// What it wants to hear.
    pub reply: Reply,
}

/// What a hub has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It will send, for so long from now.
    Granted {
        /// The lease, in seconds.
        lease_seconds: Option<u32>,
    },
    /// It will send no more, as we asked.
    Ended,
    /// It does not send, or not any longer. Nobody signs this: it is a reason to ask again, and proves nothing.
    Denied {
        /// Why, in the hub's words.
        reason: String,
    },
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

impl Reply {
    /// It was understood that there is nothing to keep.
    #[must_use]
    pub fn ignored() -> Self {
        Self {
            status: StatusCode::OK,
            content_type: "application/json",
            body: r#"{"status":"ignored"}"#.to_owned(),
        }
    }

    /// Good, and nothing more to say. Discord wants a media type even so.
    #[must_use]
    pub const fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, content_type: "application/json", body: String::new() }
    }

    /// Plain text.
    pub fn text(body: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, content_type: "text/plain; charset=utf-8", body: body.into() }
    }
}

/// What about a genuine request cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The body is no JSON.
    #[error("the body is {0}")]
    NotJson(NotJson),
    /// The body is no XML, or XML that nobody should read.
    #[error("the body is not XML that can be read: {0}")]
    NotXml(String),
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

/// Reads a body that is a JSON object, and of it what `T` names.
fn read_object<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<(Json, T), Unreadable> {
    refuse_list(body)?;
    Ok(Json::read(body)?)
}

/// A list is no object, though it would fill the fields of one in their order.
fn refuse_list(body: &[u8]) -> Result<(), Unreadable> {
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Unreadable::Unexpected("a list where an object belongs".to_owned()));
    }
    Ok(())
}
