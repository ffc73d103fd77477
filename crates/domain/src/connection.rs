//! A connection: a user's account at a provider, whose tokens must stay fresh.
//!
//! The provider decides how long a grant lives. What is decided here is what follows from its answers: whether the
//! grant is taken for good, tried again, or given up.

use std::time::Duration;

use rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::limits::{REFRESH_GAP_SECONDS_MAX, RETRY_AFTER_SECONDS_MAX};
use crate::{ConnectionId, Timestamp, UserId};

/// A user's account at a provider, without its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its name.
    pub id: ConnectionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The provider's name.
    pub provider: String,
    /// The account's own id at the provider.
    pub account_id: String,
    /// How it stands.
    pub state: State,
    /// Why it stands so, for people.
    pub state_reason: Option<String>,
    /// What the user has granted, as far as the provider has said.
    pub scopes: Vec<String>,
    /// When the access token expires; `None`: it does not, or nobody knows.
    pub expires_at: Option<Timestamp>,
    /// When the user last agreed.
    pub authorized_at: Timestamp,
    /// How the refreshing goes.
    pub refresh: Refresh,
    /// What is otherwise than usual with it.
    pub settings: Settings,
    /// When it was last asked for what is new.
    pub last_sync_at: Option<Timestamp>,
    /// When it was removed. It is nobody's any more, and stays until what was registered for it is gone.
    pub removed_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What is otherwise than usual with a connection. What is `None` is as usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// How often its provider is asked for what is new, in seconds; 0: only when somebody asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_seconds: Option<u32>,
    /// Whether what belongs to the account itself, such as the watch of a mailbox, is registered without being asked
    /// for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<bool>,
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is being made.
    Pending,
    /// All is well.
    Active,
    /// Something fails that may pass.
    Degraded,
    /// The grant is dead. Only the user can give another.
    NeedsReauth,
    /// It is switched off.
    Disabled,
}

/// How the refreshing of a connection's tokens goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Refresh {
    /// Tries that have failed since the last that did not.
    pub failures: u16,
    /// When a try began whose answer has not been written down. Where it is still here at the next try, that answer is
    /// lost: the provider may have acted on it.
    pub begun_at: Option<Timestamp>,
}

/// What a provider has granted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Granted {
    /// When the access token expires.
    pub expires_at: Option<Timestamp>,
    /// For what; `None`: it does not say, and what was granted before holds.
    pub scopes: Option<Vec<String>>,
}

/// Why a refresh brought no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefreshFailure {
    /// The provider takes the refresh token no longer, in its words.
    #[error("{0}")]
    Rejected(String),
    /// The provider does not take the application for its own. That says nothing about the grant.
    #[error("{0}")]
    Application(String),
    /// The provider has not acted, and may the next time.
    #[error("{reason}")]
    Passing {
        /// Why, in words.
        reason: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Nobody knows whether the provider has acted.
    #[error("{0}")]
    Lost(String),
}

/// What follows a refresh that brought no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another try, at this time.
    TryAt(Timestamp),
    /// Nothing: the user has to authorise it again.
    GiveUp,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Active, Self::Degraded, Self::NeedsReauth, Self::Disabled];

    /// As the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Degraded => "degraded",
            Self::NeedsReauth => "needs_reauth",
            Self::Disabled => "disabled",
        }
    }

    /// Whether the provider is called for it at all.
    #[must_use]
    pub const fn is_in_use(self) -> bool {
        matches!(self, Self::Pending | Self::Active | Self::Degraded)
    }
}

/// What a person reads when a token was lost between the provider and us.
const ANSWER_LOST: &str =
    "the answer to a refresh was lost, and the provider takes the old refresh token no longer";

/// What a person reads when a token has run out and there is no way to another.
const NO_REFRESH_TOKEN: &str = "the access token has expired, and there is no refresh token";

impl Connection {
    /// The user has agreed, for the first time or again. Whatever was wrong before is forgotten.
    pub fn authorized(&mut self, granted: Granted, now: Timestamp) {
        self.authorized_at = now;
        self.take(granted, now);
    }

    /// The provider has given fresh tokens.
    pub fn refreshed(&mut self, granted: Granted, now: Timestamp) {
        self.take(granted, now);
    }

    fn take(&mut self, granted: Granted, now: Timestamp) {
        self.expires_at = granted.expires_at;
        if let Some(scopes) = granted.scopes {
            self.scopes = scopes;
        }
        self.refresh = Refresh::default();
        (self.state, self.state_reason, self.updated_at) = (State::Active, None, now);
    }

    /// The provider takes the access token no longer, before its time or because nobody knows its time: it counts as
    /// expired.
    pub fn token_refused(&mut self, now: Timestamp) {
        self.expires_at = Some(self.expires_at.map_or(now, |at| at.min(now)));
        self.updated_at = now;
    }

    /// When the tokens are to be refreshed, `ahead` of their expiry; `None`: never. Without a refresh token there is
    /// nothing to do before they have expired.
    #[must_use]
    pub fn refresh_due_at(&self, ahead: Duration, has_refresh_token: bool) -> Option<Timestamp> {
        let expires_at = self.expires_at.filter(|_| self.state.is_in_use())?;
        Some(if has_refresh_token { expires_at.minus(ahead) } else { expires_at })
    }

    /// A refresh is about to be asked for. Whether the answer to an earlier one was lost.
    pub fn begin_refresh(&mut self, now: Timestamp) -> bool {
        self.refresh.begun_at.replace(now).is_some()
    }

    /// A refresh brought no token; `was_lost` says that the answer to an earlier one was lost.
    pub fn refresh_failed(
        &mut self,
        failure: &RefreshFailure,
        was_lost: bool,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Next {
        let begun_at =
            self.refresh.begun_at.filter(|_| was_lost || matches!(failure, RefreshFailure::Lost(_)));
        self.refresh = Refresh { failures: self.refresh.failures.saturating_add(1), begun_at };
        self.updated_at = now;
        let retry_after = match failure {
            RefreshFailure::Rejected(why) if was_lost => {
                return self.give_up(format!("{ANSWER_LOST} ({why})"), now);
            }
            RefreshFailure::Rejected(why) => return self.give_up(why.clone(), now),
            RefreshFailure::Passing { retry_after, .. } => *retry_after,
            RefreshFailure::Application(_) | RefreshFailure::Lost(_) => None,
        };
        self.degrade(failure.to_string(), now);
        let asked = retry_after.unwrap_or_default().min(Duration::from_secs(RETRY_AFTER_SECONDS_MAX.into()));
        Next::TryAt(now.plus(gap(self.refresh.failures, rng).max(asked)))
    }

    /// The tokens have run out, and there are no means to get others.
    pub fn ran_out(&mut self, now: Timestamp) -> Next {
        self.give_up(NO_REFRESH_TOKEN.to_owned(), now)
    }

    /// The provider says that the grant is dead.
    pub fn give_up(&mut self, reason: String, now: Timestamp) -> Next {
        self.refresh.begun_at = None;
        (self.state, self.state_reason, self.updated_at) = (State::NeedsReauth, Some(reason), now);
        Next::GiveUp
    }

    /// The provider has answered a poll: what a poll had hurt is well again, and what a refresh has hurt is not.
    /// Whether anything has changed.
    pub fn polled(&mut self, now: Timestamp) -> bool {
        let is_healed = self.state == State::Degraded && self.refresh == Refresh::default();
        if is_healed {
            (self.state, self.state_reason, self.updated_at) = (State::Active, None, now);
        }
        is_healed
    }

    /// Something fails that may pass.
    pub fn degrade(&mut self, reason: String, now: Timestamp) {
        if self.state.is_in_use() {
            (self.state, self.state_reason, self.updated_at) = (State::Degraded, Some(reason), now);
        }
    }
}

const FIRST_GAP_SECONDS: u32 = 30;

/// The time between two tries: 30 s, doubling up to an hour, and up to a tenth longer.
pub(crate) fn gap(failures: u16, rng: &mut impl Rng) -> Duration {
    let doublings = u32::from(failures.saturating_sub(1)).min(16);
    let seconds = FIRST_GAP_SECONDS.saturating_mul(1 << doublings).min(REFRESH_GAP_SECONDS_MAX);
    let millis = u64::from(seconds) * 1_000;
    Duration::from_millis(millis + rng.next_u64() % (millis / 10 + 1))
}

#[cfg(test)]
mod tests;
