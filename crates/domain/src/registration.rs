//! A registration: what is set up at a provider so that it pushes to us.
//!
//! Most of them stay until somebody removes them; some expire, and are renewed long before. What is decided here is
//! what follows from a provider's answers: how a registration stands, and when it is looked after next.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::connection::gap;
use crate::event::Json;
use crate::id::NotAnId;
use crate::limits::{ERROR_BYTES_MAX, RETRY_AFTER_SECONDS_MAX};
use crate::{ConnectionId, RegistrationId, SourceId, Timestamp, UserId};

/// What is set up at a provider so that it pushes to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its name.
    pub id: RegistrationId,
    /// Whose events it brings; `None`: everybody's.
    pub user_id: Option<UserId>,
    /// The provider's name.
    pub provider: String,
    /// What it comes and goes with.
    pub basis: Basis,
    /// What is watched: a repository, a mailbox, a channel, a trigger.
    pub target: String,
    /// Where the provider pushes to.
    pub url: String,
    /// What tells whether two are one thing at the provider: those of one place are, and are worked at one after the
    /// other.
    pub place: String,
    /// What is wanted, in the provider's words; what it sends by itself where this is empty.
    pub events: Vec<String>,
    /// What else the provider is told, as it is.
    pub config: Option<Json>,
    /// The provider's own name for it.
    pub external_id: Option<String>,
    /// How it stands.
    pub state: State,
    /// Why it stands so, for people.
    pub state_reason: Option<String>,
    /// How it goes.
    pub progress: Progress,
    /// When the provider ends it by itself; `None`: never, or not as far as is known.
    pub expires_at: Option<Timestamp>,
    /// When it is looked after next: made, renewed, tried again or removed. `None`: when somebody asks for it.
    pub due_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a registration comes and goes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The operator's application at the provider: it stays.
    Application,
    /// A user's connection.
    Connection(ConnectionId),
    /// A custom source.
    Source(SourceId),
}

/// How a registration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has not been set up yet, or the provider has not confirmed it.
    Pending,
    /// The provider pushes.
    Active,
    /// The provider refuses it. It is tried again at times.
    Failed,
    /// The provider has ended it before it could be renewed.
    Expired,
    /// It is to be gone, and the provider has not taken that in yet.
    Removing,
}

/// How it goes with a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Tries that have failed since the last that did not.
    pub failures: u16,
    /// When the provider was last asked for something that it confirms by asking back.
    pub asked_at: Option<Timestamp>,
    /// When it last confirmed.
    pub confirmed_at: Option<Timestamp>,
    /// Since when it is to be gone.
    pub removing_since: Option<Timestamp>,
}

/// What a provider has set up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetUp {
    /// Its own name for it, where it has one.
    pub external_id: Option<String>,
    /// When it ends it by itself.
    pub expires_at: Option<Timestamp>,
}

/// Why a provider has not done what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It may the next time.
    Passing {
        /// Why, in words.
        reason: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// It will not, as things are.
    Refused(String),
}

/// How long after setting something up that does not expire it is seen to that it is still there. People remove hooks
/// by hand, and providers switch them off.
const LOOKED_AFTER_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// What a person reads while a provider does not ask back.
const NOT_ASKED_BACK: &str = "the provider was asked, and has not asked back";

/// How long a provider has for asking back before it is asked again, which doubles each time up to sixteen times that;
/// and how long after it was asked its question is answered.
const ASKING_BACK_TAKES: Duration = Duration::from_secs(15 * 60);
const ASKED_COUNTS_FOR: Duration = Duration::from_secs(3_600);

/// How long after a refusal it is tried again: somebody has to change something first.
const REFUSAL_RESTS: Duration = Duration::from_secs(6 * 3_600);

/// For how long it is tried to remove something. After a week people have to.
const REMOVED_WITHIN: Duration = Duration::from_secs(7 * 24 * 3_600);

impl Registration {
    /// The provider has set it up.
    pub fn set_up(&mut self, set_up: SetUp, now: Timestamp, rng: &mut impl Rng) {
        self.external_id = set_up.external_id;
        self.progress = Progress { confirmed_at: Some(now), ..Progress::default() };
        self.becomes(State::Active, None, now);
        self.expires_at = set_up.expires_at;
        let renewed_in = set_up.expires_at.map(|at| at.since(now).mul_f64(RENEWED_AT));
        let rests = renewed_in.map_or(LOOKED_AFTER_EVERY, |span| span.min(LOOKED_AFTER_EVERY));
        self.due_at = Some(now.plus(early(rests, rng)));
    }

    /// The provider was asked, and will ask back whether it was us.
    pub fn asked(&mut self, now: Timestamp) {
        if self.progress.asked_at.is_some() && !self.is_confirmed() {
            self.progress.failures = self.progress.failures.saturating_add(1);
            let is_over = self.expires_at.is_some_and(|at| at <= now) && self.state == State::Active;
            let state = if is_over { State::Expired } else { self.state };
            self.becomes(state, Some(NOT_ASKED_BACK.to_owned()), now);
        }
        let patience = ASKING_BACK_TAKES * (1 << self.progress.failures.min(4));
        self.progress.asked_at = Some(now);
        (self.due_at, self.updated_at) = (Some(now.plus(patience)), now);
    }

    /// Whether the provider was asked for something lately, so that it may ask back.
    #[must_use]
    pub fn is_asked(&self, now: Timestamp) -> bool {
        self.progress.asked_at.is_some_and(|at| now < at.plus(ASKED_COUNTS_FOR))
    }

    /// The provider has asked back, and grants it for so long. Nobody signs this, so of several such words after one
    /// question the shortest counts: renewing too early does no harm.
    pub fn confirmed(&mut self, lease: Duration, now: Timestamp, rng: &mut impl Rng) {
        let is_first = self.progress.confirmed_at < self.progress.asked_at;
        let expires_at = now.plus(lease);
        let expires_at = self.expires_at.filter(|_| !is_first).map_or(expires_at, |at| at.min(expires_at));
        self.progress = Progress { failures: 0, confirmed_at: Some(now), ..self.progress };
        self.becomes(State::Active, None, now);
        self.expires_at = Some(expires_at);
        self.due_at = Some(now.plus(early(expires_at.since(now).mul_f64(RENEWED_AT), rng)));
    }

    /// Whether it was confirmed since it was last asked for.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.progress.confirmed_at.is_some() && self.progress.confirmed_at >= self.progress.asked_at
    }

    /// The provider has not done what it was asked for.
    pub fn failed(&mut self, failure: &Failure, now: Timestamp, rng: &mut impl Rng) {
        self.progress.failures = self.progress.failures.saturating_add(1);
        let (reason, rests) = match failure {
            Failure::Passing { reason, retry_after } => {
                let asked = retry_after.unwrap_or_default();
                let asked = asked.min(Duration::from_secs(RETRY_AFTER_SECONDS_MAX.into()));
                (reason, gap(self.progress.failures, rng).max(asked))
            }
            Failure::Refused(reason) => (reason, REFUSAL_RESTS),
        };
        let state = match (self.state, failure) {
            (State::Removing, _) => State::Removing,
            _ if self.expires_at.is_some_and(|at| at <= now) => State::Expired,
            (_, Failure::Refused(_)) => State::Failed,
            (state, Failure::Passing { .. }) => state,
        };
        self.becomes(state, Some(excerpt(reason)), now);
        self.due_at = Some(now.plus(rests));
    }

    /// The provider says that it does not push, or not any longer. Nobody signs this: it is a reason to ask again soon,
    /// and none to ask later than was meant.
    pub fn denied(&mut self, reason: &str, now: Timestamp, rng: &mut impl Rng) {
        let meant = self.due_at;
        let reason = format!("the provider denies it: {reason}");
        self.failed(&Failure::Passing { reason, retry_after: None }, now, rng);
        self.due_at = self.due_at.map(|at| meant.map_or(at, |meant| meant.min(at)));
    }

    /// It is wanted at once: for the first time, again, or otherwise than before.
    pub fn wanted(&mut self, now: Timestamp) {
        if self.state == State::Removing {
            self.becomes(State::Pending, None, now);
        }
        self.progress.removing_since = None;
        (self.due_at, self.updated_at) = (Some(now), now);
    }

    /// It is to be gone.
    pub fn unwanted(&mut self, now: Timestamp) {
        if self.state != State::Removing {
            self.becomes(State::Removing, None, now);
            self.progress = Progress { removing_since: Some(now), ..Progress::default() };
            self.due_at = Some(now);
        }
    }

    /// Whether there is nothing more to be done about removing it: it has ended by itself, or it has been tried for
    /// long enough.
    #[must_use]
    pub fn is_past_removing(&self, now: Timestamp) -> bool {
        let since = self.progress.removing_since.unwrap_or(self.updated_at);
        self.expires_at.is_some_and(|at| at <= now) || now >= since.plus(REMOVED_WITHIN)
    }

    /// Whether it is to be looked after at `now`.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due_at.is_some_and(|at| at <= now)
    }

    fn becomes(&mut self, state: State, reason: Option<String>, now: Timestamp) {
        (self.state, self.state_reason, self.updated_at) = (state, reason, now);
    }
}

/// What part of its life has passed when something that expires is renewed.
const RENEWED_AT: f64 = 0.8;

/// The span, up to a tenth shorter: not all that began together is renewed together.
fn early(span: Duration, rng: &mut impl Rng) -> Duration {
    let millis = span.as_millis() as u64;
    Duration::from_millis(millis - rng.next_u64() % (millis / 10 + 1))
}

fn excerpt(reason: &str) -> String {
    reason[..reason.floor_char_boundary(ERROR_BYTES_MAX)].to_owned()
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Active, Self::Failed, Self::Expired, Self::Removing];

    /// As the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Removing => "removing",
        }
    }
}

impl Basis {
    /// The connection, if it is one.
    #[must_use]
    pub const fn connection(self) -> Option<ConnectionId> {
        match self {
            Self::Connection(id) => Some(id),
            Self::Application | Self::Source(_) => None,
        }
    }
}

/// The id; nothing for the application.
impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application => Ok(()),
            Self::Connection(id) => id.fmt(f),
            Self::Source(id) => id.fmt(f),
        }
    }
}

impl FromStr for Basis {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        match text {
            "" => Ok(Self::Application),
            text if text.starts_with(SourceId::PREFIX) => text.parse().map(Self::Source),
            text => text.parse().map(Self::Connection),
        }
    }
}

#[cfg(test)]
mod tests;
