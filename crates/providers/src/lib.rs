//! What each provider speaks.
//!
//! **Promise.** Nothing here does I/O, reads a clock or remembers anything: a request goes in as a value, and what it
//! means comes out as one. Only [`Provider::verify`] can make a [`Verified`], so nobody parses bytes that nobody
//! signed.
//!
//! To add a provider:
//! 1. write one file here that implements [`Provider`], with the provider's published vectors as its tests;
//! 2. name it in the list of `providers!` below.
//!
//! Its routes, its configuration keys, `waystation sign` and `verify`, and its event types follow from those two. What
//! it needs of the world it says as a value: the key document that it checks against ([`Provider::key_document`]),
//! whose an event is ([`Owner`]), what was asked of a hub ([`Asked`]).
//!
//! A provider whose users' accounts can be connected also implements [`Connectable`], in the same file, and is named in
//! [`CONNECTABLE`]. What is to be asked of its API it says as an [`api::ApiCall`], and reads the [`api::ApiAnswer`].
//! One that is asked for what is new in an account implements [`Pollable`] as well, and is named in [`POLLABLE`].
//!
//! A provider where something must be set up so that it pushes implements [`register::Registrable`], in a file of its
//! own below the provider's, and is named in [`register::REGISTRABLE`].

#![warn(missing_docs)]

pub mod api;
mod connect;
mod fetched;
mod google;
mod inbound;
pub mod inbox;
mod keys;
mod lenient;
mod mac;
pub mod oauth;
mod poll;
mod refusal;
pub mod register;
mod request;
pub mod scheme;
mod settings;
mod spotify;
#[cfg(test)]
mod testing;

use std::borrow::Cow;
use std::fmt;

use domain::{Event, Timestamp};
use http::{HeaderName, HeaderValue};

pub use connect::{CONNECTABLE, Connectable, connectable};
pub use gmail::FETCH_EMAILS_URL;
pub use inbound::{Asked, Confirmation, Decision, Inbound, InboundEvent, Owner, Recurrence, Reply, Wish};
pub use keys::{KeySet, NotKeys};
pub use poll::{Next, POLLABLE, Pace, Page, Pollable, Walk, pollable};
pub use refusal::Refusal;
pub use request::{RawRequest, Unreadable, Verified};
use request::{read_object, refuse_list};
pub use settings::{Setting, SettingKind, Settings};

/// A file and what it holds, a line for each provider. (`cargo xtask check` formats these files: `cargo fmt` finds no
/// modules that a macro declares.)
macro_rules! providers {
    ($($file:ident::$Provider:ident,)*) => {
        $(mod $file;)*

        /// Every provider, in the order in which they are shown.
        pub static ALL: &[&dyn Provider] = &[$(&$file::$Provider),*];
    };
}

providers! {
    github::GitHub,
    slack::Slack,
    gmail::Gmail,
    composio::Composio,
    unipile::Unipile,
    discord::Discord,
    youtube::YouTube,
}

/// The provider of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static dyn Provider> {
    ALL.iter().copied().find(|provider| provider.name() == name)
}

/// What a provider is, before it has sent anything.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// Its name: in routes, event types, sources and configuration.
    pub name: &'static str,
    /// Where its requests come in, below `/api/webhooks`. `{user}` stands for the user whose events these are.
    pub paths: &'static [&'static str],
    /// What the operator sets for it. The first is what its requests are signed with, where they are.
    pub settings: &'static [Setting],
}

impl dyn Provider + '_ {
    /// See [`Profile::name`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.profile().name
    }

    /// See [`Profile::paths`].
    #[must_use]
    pub fn paths(&self) -> &'static [&'static str] {
        self.profile().paths
    }

    /// See [`Profile::settings`].
    #[must_use]
    pub fn settings(&self) -> &'static [Setting] {
        self.profile().settings
    }
}

/// How one provider's requests are checked and read.
pub trait Provider: Sync {
    /// What it is.
    fn profile(&self) -> Profile;

    /// The URL of the [`KeySet`] that its tokens are checked against, where it has such tokens. Whoever fetches it
    /// remembers it, and fetches it again, at intervals, when [`Refusal::UnknownKey`] says that it has grown old.
    fn key_document<'s>(&self, _settings: &'s Settings) -> Option<&'s str> {
        None
    }

    /// Bytes of a body that it may send; `None` for the general limit.
    fn body_bytes_max(&self) -> Option<usize> {
        None
    }

    /// Checks that the provider sent this.
    ///
    /// # Errors
    /// Why it is not to be believed.
    fn verify<'r>(&self, request: &'r RawRequest, known: &Known<'_>) -> Result<Verified<'r>, Refusal>;

    /// Reads what the provider says at `now`.
    ///
    /// # Errors
    /// What about it cannot be read.
    fn parse(&self, request: &Verified<'_>, now: Timestamp) -> Result<Inbound, Unreadable>;

    /// Whether what comes in is the event that is known by its id, told again, and not a further one. It is asked where
    /// that could be: see [`Recurrence`].
    fn is_repeat(&self, known: &Event, inbound: &InboundEvent) -> bool {
        Some(known.occurred_at) == inbound.occurred_at
    }

    /// What anybody may hear who asks only whether somebody is there. Nothing of the request is believed or kept.
    fn reply_to_anybody(&self, _request: &RawRequest) -> Option<Reply> {
        None
    }

    /// The header that says, beside a refusal, that the same request would always be refused; for who else sends it
    /// again.
    fn final_refusal(&self) -> Option<(HeaderName, HeaderValue)> {
        None
    }

    /// Whether its events only say that something has happened in an account: then the account is polled at once.
    fn only_hints(&self) -> bool {
        false
    }

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

    /// Answers such a GET with this query. `asked` is what we have asked for under the address it came to. `None`: we
    /// have not asked for this, and there is nothing here.
    fn confirm(&self, _query: &str, _asked: &[Asked]) -> Option<Confirmation> {
        None
    }

    /// The headers with which the provider would send this; for people who try out their set-up. `secret` is its
    /// secret, or the private half of its key.
    ///
    /// # Errors
    /// It cannot be signed with that.
    fn sign(&self, secret: &str, unsigned: &Unsigned<'_>) -> Result<Vec<(HeaderName, String)>, CannotSign>;

    /// The types that its events have, for the catalogue.
    fn event_types(&self) -> &'static [Described];
}

impl fmt::Debug for dyn Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a request is held against.
#[derive(Debug, Clone, Copy)]
pub struct Known<'k> {
    /// What is set for the provider. Where the user has secrets of their own, these are among them.
    pub settings: &'k Settings,
    /// What [`Provider::key_document`] holds, once it was fetched.
    pub keys: Option<&'k KeySet>,
    /// The time: what was signed too long before or after it is not believed.
    pub now: Timestamp,
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
