//! Accounts of users at providers: how they are connected, and what they are called.

use std::fmt;
use std::time::Duration;

use domain::Timestamp;

use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::oauth::{API_BASE, OAuth};
use crate::{Setting, Settings};

/// Every provider whose accounts can be connected, in the order in which they are shown.
pub static CONNECTABLE: &[&dyn Connectable] = &[
    &crate::github::GitHub,
    &crate::slack::Slack,
    &crate::gmail::Gmail,
    &crate::composio::Composio,
    &crate::unipile::Unipile,
    &crate::discord::Discord,
    &crate::youtube::YouTube,
    &crate::spotify::Spotify,
];

/// The provider of that name, if its accounts can be connected.
#[must_use]
pub fn connectable(name: &str) -> Option<&'static dyn Connectable> {
    CONNECTABLE.iter().copied().find(|provider| provider.name() == name)
}

/// How the accounts of one provider are connected.
pub trait Connectable: Sync {
    /// Its name, as in [`crate::Profile::name`] where it also sends.
    fn name(&self) -> &'static str;

    /// What the operator sets for calling it.
    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    /// How it grants access; `None` where others hold the tokens, and an account is known by its id alone.
    fn oauth(&self) -> Option<&'static OAuth> {
        None
    }

    /// Asks whose `token` is; `None` where a token does not say.
    fn ask_identity(&self, _settings: &Settings, _token: &Token) -> Option<ApiCall> {
        None
    }

    /// Reads the answer to [`Connectable::ask_identity`]: the account's own id.
    ///
    /// # Errors
    /// Why there is none in it.
    fn read_identity(&self, _answer: &ApiAnswer, _now: Timestamp) -> Result<String, CallFailure> {
        Err(CallFailure::Unreadable("nothing was asked".to_owned()))
    }

    /// How long a user's consent lasts, however often the tokens are refreshed; `None`: until it is taken back.
    fn consent_lasts(&self) -> Option<Duration> {
        None
    }

    /// The account's id in the one spelling that counts.
    fn account_id(&self, text: &str) -> String {
        text.to_owned()
    }
}

impl fmt::Debug for dyn Connectable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The address of `path` at the API that is set.
pub(crate) fn api_url(settings: &Settings, path: &str) -> String {
    let base = settings.first(API_BASE).unwrap_or_default();
    format!("{}{path}", base.trim_end_matches('/'))
}

/// The settings of an application: its id and secret, where users are asked, where tokens are, and where the API is.
macro_rules! application_settings {
    ($upper:literal, $api:literal: $authorize_url:literal, $token_url:literal, $api_base:literal) => {
        const {
            use $crate::SettingKind::{Credential, Default, Optional};
            use $crate::{Setting, oauth};
            &[
                Setting::new(oauth::CLIENT_ID, concat!($upper, "_CLIENT_ID"), Optional),
                Setting::new(oauth::CLIENT_SECRET, concat!($upper, "_CLIENT_SECRET"), Credential),
                Setting::new(
                    oauth::AUTHORIZE_URL,
                    concat!($upper, "_AUTHORIZE_URL"),
                    Default($authorize_url),
                )
                .or(concat!($api, "_AUTHORIZE_URL")),
                Setting::new(oauth::TOKEN_URL, concat!($upper, "_TOKEN_URL"), Default($token_url)),
                Setting::new(oauth::API_BASE, concat!($api, "_API_BASE"), Default($api_base)),
            ]
        }
    };
}
pub(crate) use application_settings;
