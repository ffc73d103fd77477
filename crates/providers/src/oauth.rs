//! Grants of access by OAuth 2 (RFC 6749): how a user is asked, and how a code and then a refresh token become tokens.
//!
//! The providers differ in words, not in kind, so each describes its own in a table. What they have in common is read
//! leniently: errors come with status 200, numbers as texts, and a new refresh token comes or does not.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::connection::{Granted, RefreshFailure};
use domain::{Timestamp, connection};
use http::StatusCode;
use http::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::api::{ApiAnswer, ApiCall, CallFailure, Token, code, told};
use crate::{Settings, lenient};

/// How a provider grants access.
#[derive(Debug)]
pub struct OAuth {
    /// What is asked for, unless somebody says otherwise.
    pub scopes: &'static [&'static str],
    /// What stands between scopes.
    pub(crate) scope_separator: &'static str,
    /// What else the user's browser brings along.
    pub(crate) parameters: &'static [(&'static str, &'static str)],
    /// Whether a code is bound to who has asked for it (RFC 7636, with S256).
    pub has_pkce: bool,
    /// How the application shows who it is.
    pub(crate) client_auth: ClientAuth,
    /// Its words for a grant that is dead.
    pub(crate) rejected: &'static [&'static str],
    /// Its words for an application that it does not know.
    pub(crate) application: &'static [&'static str],
}

/// How an application shows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    /// By the header `Authorization: Basic`.
    Basic,
    /// By fields of the form.
    Fields,
}

/// The operator's application at a provider.
#[derive(Debug, Clone)]
pub struct Application {
    client_id: String,
    client_secret: Token,
    authorize_url: String,
    token_url: String,
}

/// What the user is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// Where the browser goes afterwards.
    pub redirect_uri: &'q str,
    /// What it brings along then.
    pub state: &'q str,
    /// The secret that the code is bound to, where [`OAuth::has_pkce`].
    pub verifier: &'q str,
}

/// Tokens, and what they are good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Opens the API.
    pub access_token: Token,
    /// Gets the next ones; `None`: the one that was there before is still good.
    pub refresh_token: Option<Token>,
    /// What is granted, and until when.
    pub granted: Granted,
}

impl Application {
    /// What tells it from another, and from itself under another secret: a SHA-256, which gives neither away.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let Self { client_id, client_secret, token_url, .. } = self;
        Sha256::digest([client_id.as_str(), client_secret.reveal(), token_url].join("\0")).into()
    }

    /// The application that is set; `None` where none is.
    #[must_use]
    pub fn of(settings: &Settings) -> Option<Self> {
        let text = |key| settings.first(key).map(str::to_owned);
        Some(Self {
            client_id: text(CLIENT_ID)?,
            client_secret: Token::new(text(CLIENT_SECRET)?),
            authorize_url: text(AUTHORIZE_URL)?,
            token_url: text(TOKEN_URL)?,
        })
    }
}

/// The configuration keys that every application has.
pub const CLIENT_ID: &str = "client_id";
/// See [`CLIENT_ID`].
pub const CLIENT_SECRET: &str = "client_secret";
/// See [`CLIENT_ID`].
pub const AUTHORIZE_URL: &str = "authorize_url";
/// See [`CLIENT_ID`].
pub const TOKEN_URL: &str = "token_url";
/// See [`CLIENT_ID`].
pub const API_BASE: &str = "api_base";

impl OAuth {
    /// Where the user is asked; `None` if the address that is set is none.
    #[must_use]
    pub fn authorize_url(&self, application: &Application, question: &Question<'_>) -> Option<String> {
        let mut url = Url::parse(&application.authorize_url).ok()?;
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", &application.client_id)
                .append_pair("redirect_uri", question.redirect_uri)
                .append_pair("state", question.state)
                .append_pair("scope", &self.scopes.join(self.scope_separator))
                .extend_pairs(self.parameters);
            if self.has_pkce {
                query
                    .append_pair("code_challenge", &challenge(question.verifier))
                    .append_pair("code_challenge_method", "S256");
            }
        }
        Some(url.into())
    }

    /// Asks for tokens in exchange for the code that the user's browser has brought.
    #[must_use]
    pub fn exchange(&self, application: &Application, code: &str, question: &Question<'_>) -> ApiCall {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", question.redirect_uri),
        ];
        if self.has_pkce {
            fields.push(("code_verifier", question.verifier));
        }
        self.ask(application, fields)
    }

    /// Asks for fresh tokens.
    #[must_use]
    pub fn refresh(&self, application: &Application, refresh_token: &Token) -> ApiCall {
        self.ask(
            application,
            vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.reveal())],
        )
    }

    fn ask<'a>(&self, application: &'a Application, mut fields: Vec<(&'a str, &'a str)>) -> ApiCall {
        let Application { client_id, client_secret, token_url, .. } = application;
        match self.client_auth {
            ClientAuth::Fields => {
                fields.extend([(CLIENT_ID, client_id.as_str()), (CLIENT_SECRET, client_secret.reveal())]);
                ApiCall::form(token_url, &fields)
            }
            ClientAuth::Basic => {
                let pair = STANDARD.encode(format!("{client_id}:{}", client_secret.reveal()));
                ApiCall::form(token_url, &fields).with(AUTHORIZATION, format!("Basic {pair}"))
            }
        }
    }

    /// Reads what the provider answers to [`OAuth::exchange`] and [`OAuth::refresh`].
    ///
    /// # Errors
    /// Why there are no tokens in it.
    pub fn read_grant(&self, answer: &ApiAnswer, now: Timestamp) -> Result<Grant, RefreshFailure> {
        let said: Option<TokenAnswer> = answer.json().ok();
        if let Some(error) = said.as_ref().and_then(|said| said.error.as_deref()) {
            return Err(self.failure(error, answer, now));
        }
        let status = answer.status;
        if !status.is_success() {
            return Err(self.failure("", answer, now));
        }
        // It has acted, and nobody knows what it gave.
        let unreadable = || RefreshFailure::Lost(format!("the answer held no token ({status})"));
        said.and_then(|said| said.grant(now)).ok_or_else(unreadable)
    }

    fn failure(&self, error: &str, answer: &ApiAnswer, now: Timestamp) -> RefreshFailure {
        let reason = code(error).map_or_else(|| told(answer.status), str::to_owned);
        if self.rejected.contains(&error) {
            RefreshFailure::Rejected(reason)
        } else if self.application.contains(&error) || answer.status == StatusCode::UNAUTHORIZED {
            RefreshFailure::Application(reason)
        } else {
            RefreshFailure::Passing { reason, retry_after: answer.retry_after(now) }
        }
    }
}

/// What a token endpoint answers, in any of the spellings.
#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default, deserialize_with = "lenient::text")]
    error: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    access_token: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    refresh_token: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    expires_in: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    scope: Option<String>,
    /// Slack's user tokens, beside or instead of those of a bot.
    #[serde(default)]
    authed_user: Option<Value>,
}

impl TokenAnswer {
    fn grant(self, now: Timestamp) -> Option<Grant> {
        let Some(access_token) = self.access_token else {
            let of_user: Self = serde_json::from_value(self.authed_user?).ok()?;
            return of_user.access_token.is_some().then(|| of_user.grant(now)).flatten();
        };
        let seconds = self.expires_in.and_then(|seconds| seconds.parse::<u32>().ok());
        let scopes = self.scope.as_deref().map(split_scopes);
        let expires_at = seconds.map(|seconds| now.plus(std::time::Duration::from_secs(seconds.into())));
        Some(Grant {
            access_token: Token(access_token),
            refresh_token: self.refresh_token.map(Token),
            granted: connection::Granted { expires_at, scopes },
        })
    }
}

/// Scopes as providers list them, with spaces or commas between.
#[must_use]
pub fn split_scopes(text: &str) -> Vec<String> {
    text.split([' ', ',']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

/// What is shown of a secret before the secret itself (RFC 7636, 4.2).
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// Reads the account's own id out of what its API says about it.
pub(crate) fn identity(answer: &ApiAnswer, pointer: &str, now: Timestamp) -> Result<String, CallFailure> {
    let said = answer.success(now)?;
    let id = said.pointer(pointer).and_then(|id| match id {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    id.ok_or_else(|| CallFailure::Unreadable(format!("there is no account at {pointer}")))
}

#[cfg(test)]
mod tests;
