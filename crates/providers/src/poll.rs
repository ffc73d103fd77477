//! Asking for what is new in an account: of providers that do not tell, and of the others as a safety net.
//!
//! A poll is a walk from page to page. Its cursor is all that is remembered between two calls: where the account was
//! left, and on the way how far the walk has come. So a walk that breaks off goes on where its cursor was last written
//! down, on whatever node; what was told since is told again, and is known by its id.

use std::fmt;
use std::time::Duration;

use domain::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::form_urlencoded;

use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::connect::connectable;
use crate::{Described, InboundEvent, Settings};

/// Every provider that is asked, in the order in which they are shown.
pub static POLLABLE: &[&dyn Pollable] = &[
    &crate::github::GitHub,
    &crate::slack::Slack,
    &crate::gmail::Gmail,
    &crate::composio::Composio,
    &crate::discord::Discord,
    &crate::youtube::YouTube,
    &crate::spotify::Spotify,
];

/// How the provider of that name is asked, if it is.
#[must_use]
pub fn pollable(name: &str) -> Option<&'static dyn Pollable> {
    POLLABLE.iter().copied().find(|provider| provider.name() == name)
}

/// How a provider is asked for what is new in an account.
pub trait Pollable: Sync {
    /// Its name, as in [`crate::Connectable::name`].
    fn name(&self) -> &'static str;

    /// How often, unless the operator says otherwise; zero: only when somebody asks for it.
    fn every(&self) -> Duration;

    /// Whether the operator has set what it takes to ask.
    fn is_ready(&self, _settings: &Settings) -> bool {
        true
    }

    /// Who is asked in its place, as the operator has set it.
    fn instead(&self, _settings: &Settings) -> Option<&'static dyn Pollable> {
        None
    }

    /// Whether it is asked with the user's token, and so not without one.
    fn needs_token(&self) -> bool {
        connectable(self.name()).is_some_and(|provider| provider.oauth().is_some())
    }

    /// How often the next call of a walk may be made, by all who share its rate; `None` where nobody says so
    /// beforehand.
    fn pace(&self, _walk: &Walk<'_>) -> Option<Pace> {
        None
    }

    /// The next call of a walk.
    fn ask(&self, settings: &Settings, token: &Token, walk: &Walk<'_>) -> ApiCall;

    /// Reads the answer to [`Pollable::ask`] of the same walk.
    ///
    /// # Errors
    /// Why there is nothing to be read. The walk then stays where it is.
    fn read(&self, walk: &Walk<'_>, answer: &ApiAnswer, now: Timestamp) -> Result<Page, CallFailure>;

    /// The types that only its polls have events of, for the catalogue.
    fn event_types(&self) -> &'static [Described] {
        &[]
    }
}

impl fmt::Debug for dyn Pollable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a walk stands.
#[derive(Debug, Clone, Copy)]
pub struct Walk<'w> {
    /// Whose account it is, here.
    pub user_id: &'w str,
    /// The account's own id at the provider.
    pub account_id: &'w str,
    /// When it was connected: what was there before is no news.
    pub connected_at: Timestamp,
    /// What the last page said; null before the first.
    pub cursor: &'w Value,
}

/// How often something may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// By whom together: such as a workspace, whoever's token is shown.
    pub shared_by: String,
    /// From one call to the next.
    pub every: Duration,
}

/// What one answer says.
#[derive(Debug)]
pub struct Page {
    /// What has happened, the first first.
    pub events: Vec<InboundEvent>,
    /// From where to go on, once these are kept.
    pub cursor: Value,
    /// Whether the walk goes on.
    pub next: Next,
    /// How long the provider wants to be left alone before the next call, of this walk or the next.
    pub wait: Option<Duration>,
}

/// Whether a walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// There is more to ask for, from the cursor on.
    More,
    /// All is told, until the next poll.
    Done,
}

impl Page {
    /// The last page of a walk.
    pub(crate) fn done(events: Vec<InboundEvent>, cursor: &impl Serialize) -> Self {
        Self { events, cursor: written(cursor), next: Next::Done, wait: None }
    }
}

/// A text as one segment of a path.
pub(crate) fn path_segment(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A cursor as it is remembered.
pub(crate) fn written(cursor: &impl Serialize) -> Value {
    serde_json::to_value(cursor).expect("a cursor is made of texts and numbers")
}

impl Walk<'_> {
    /// The cursor as its provider writes it; that of a first walk where there is none, or one of an earlier version.
    pub(crate) fn cursor<C: DeserializeOwned + Default>(&self) -> C {
        C::deserialize(self.cursor).unwrap_or_default()
    }
}
