//! How a user is asked for a connection, and what the browser brings back.
//!
//! What is to be remembered meanwhile travels in the `state` itself, sealed: it survives a restart, any node can read
//! it, and nobody else can make or change one. The store only remembers which have come back, so that each counts once.
//!
//! A state may belong to one browser. Without that whoever may ask for themselves could send somebody else to the
//! provider, who would grant their own account to them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::connection::RefreshFailure;
use domain::{Timestamp, UserId};
use providers::Connectable;
use providers::oauth::{Application, OAuth, Question};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use store::{StoreError, StoredConnection};

use super::{Connections, NewConnection, NotConnected, Tokens};
use crate::chance;
use crate::limits::AUTHORIZATION_TIMEOUT;

/// What a state is sealed for. No row has such an id.
const STATE: &str = "oauth state";

/// What is remembered while the user is asked.
#[derive(Serialize, Deserialize)]
struct Asked {
    provider: String,
    user_id: String,
    /// Where the browser is to come back.
    redirect_uri: String,
    /// Where it is sent in the end.
    redirect: Option<String>,
    /// What the code is bound to.
    verifier: String,
    expires_at: i64,
    /// The digest of what the browser holds that has to bring it back, in base64; `None`: any may.
    #[serde(default)]
    browser: Option<String>,
}

/// Who is asked, and what for.
#[derive(Debug)]
pub struct Asking {
    /// Whose connection it is to be.
    pub user: UserId,
    /// Where the browser comes back to.
    pub redirect_uri: String,
    /// Where it goes on to.
    pub redirect: Option<String>,
    /// The digest of what the browser holds that has to come back; `None`: any may.
    pub browser: Option<BrowserDigest>,
}

/// The SHA-256 of a secret that one browser holds.
pub type BrowserDigest = [u8; 32];

/// Why a user cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum NotAuthorized {
    /// This provider grants nothing by OAuth.
    #[error("{0} does not grant access by OAuth: bring the account with POST /api/connections")]
    NoOAuth(&'static str),
    /// The operator has set no application.
    #[error("no application is set for {0}: set its client id and client secret")]
    NoApplication(&'static str),
}

/// A connection that a user has granted.
#[derive(Debug)]
pub struct Completed {
    /// It.
    pub stored: StoredConnection,
    /// Where the browser is to go.
    pub redirect: Option<String>,
}

/// Why a user's answer made no connection.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct NotCompleted {
    /// Why.
    pub why: WhyNot,
    /// Where the browser is to go, if it is known whose it is.
    pub redirect: Option<String>,
}

/// Why a user's answer made no connection.
#[derive(Debug, thiserror::Error)]
pub enum WhyNot {
    /// Another browser than the one that was to has brought the state back.
    #[error(
        "this is not the browser in which the authorization was begun, or it was begun there at another address: begin again in this one, and at this address"
    )]
    OtherBrowser,
    /// The state is not one of ours, has expired, or has come back before.
    #[error("the state is unknown, has expired or was used before: begin again")]
    BadState,
    /// The user, or the provider, said no; its word for it.
    #[error("access was not granted: {0}")]
    Denied(String),
    /// The provider gave no tokens for the code.
    #[error("the provider gave no tokens: {0}")]
    NoTokens(RefreshFailure),
    /// The user cannot be asked any more.
    #[error(transparent)]
    NotAuthorized(#[from] NotAuthorized),
    /// It is granted, and could not be kept.
    #[error(transparent)]
    NotConnected(#[from] NotConnected),
    /// The store is away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the browser brings back.
#[derive(Debug, Default)]
pub struct Answer<'a> {
    /// What we have sent along.
    pub state: &'a str,
    /// What tokens are given for.
    pub code: Option<&'a str>,
    /// The provider's word for a refusal.
    pub error: Option<&'a str>,
    /// The digests of what it holds of ours.
    pub holds: Vec<BrowserDigest>,
}

impl Connections {
    /// Where a user is asked to grant access.
    ///
    /// # Errors
    /// The user cannot be asked.
    pub fn authorize(
        &self,
        provider: &'static dyn Connectable,
        asking: Asking,
    ) -> Result<String, NotAuthorized> {
        let (oauth, application) = self.authorizing(provider)?;
        let asked = Asked {
            provider: provider.name().to_owned(),
            user_id: asking.user.as_str().to_owned(),
            redirect_uri: asking.redirect_uri,
            redirect: asking.redirect,
            verifier: verifier(),
            expires_at: self.clock.now().plus(AUTHORIZATION_TIMEOUT).as_micros(),
            browser: asking.browser.map(|digest| URL_SAFE_NO_PAD.encode(digest)),
        };
        let state = self.seal(&asked);
        let Asked { redirect_uri, verifier, .. } = &asked;
        let question = Question { redirect_uri, state: &state, verifier };
        oauth.authorize_url(&application, &question).ok_or(NotAuthorized::NoApplication(provider.name()))
    }

    /// Makes the connection that a user has granted.
    ///
    /// # Errors
    /// Why there is none. The state is used up all the same.
    pub async fn complete(
        &self,
        provider: &'static dyn Connectable,
        answer: &Answer<'_>,
    ) -> Result<Completed, NotCompleted> {
        let asked = self.spend(answer.state).await.map_err(|why| NotCompleted { why, redirect: None })?;
        if !asked.is_brought_back_by(&answer.holds) {
            // Where to go on was said by whoever has begun, who may be the one to be kept out.
            return Err(NotCompleted { why: WhyNot::OtherBrowser, redirect: None });
        }
        let redirect = asked.redirect.clone();
        match self.exchange(provider, &asked, answer).await {
            Ok(stored) => Ok(Completed { stored, redirect }),
            Err(why) => Err(NotCompleted { why, redirect }),
        }
    }

    async fn exchange(
        &self,
        provider: &'static dyn Connectable,
        asked: &Asked,
        answer: &Answer<'_>,
    ) -> Result<StoredConnection, WhyNot> {
        let user_id: UserId = asked.user_id.parse().map_err(|_| WhyNot::BadState)?;
        if asked.provider != provider.name() {
            return Err(WhyNot::BadState);
        }
        let code = match (answer.code, answer.error) {
            (Some(code), None) => code,
            (_, error) => return Err(WhyNot::Denied(denial(error))),
        };
        let (oauth, application) = self.authorizing(provider)?;
        let question =
            Question { redirect_uri: &asked.redirect_uri, state: answer.state, verifier: &asked.verifier };
        let answered = self.call(oauth.exchange(&application, code, &question)).await;
        let answered = answered.map_err(|none| WhyNot::NoTokens(none.into()))?;
        let grant = oauth.read_grant(&answered, self.clock.now()).map_err(WhyNot::NoTokens)?;
        let new = NewConnection {
            user_id,
            provider,
            account_id: None,
            tokens: Tokens { access_token: Some(grant.access_token), refresh_token: grant.refresh_token },
            granted: grant.granted,
            settings: None,
        };
        Ok(self.connect(new).await?)
    }

    fn authorizing(
        &self,
        provider: &'static dyn Connectable,
    ) -> Result<(&'static OAuth, Application), NotAuthorized> {
        let oauth = provider.oauth().ok_or(NotAuthorized::NoOAuth(provider.name()))?;
        let application = self.application(provider.name());
        Ok((oauth, application.ok_or(NotAuthorized::NoApplication(provider.name()))?))
    }

    fn seal(&self, asked: &Asked) -> String {
        let text = serde_json::to_vec(asked).expect("texts and a number can be written as JSON");
        URL_SAFE_NO_PAD.encode(self.vault.seal(STATE, &text))
    }

    /// Reads a state that has come back, for the first and only time.
    async fn spend(&self, state: &str) -> Result<Asked, WhyNot> {
        let sealed = URL_SAFE_NO_PAD.decode(state).map_err(|_| WhyNot::BadState)?;
        let opened = self.vault.open(STATE, &sealed).map_err(|_| WhyNot::BadState)?;
        let asked: Asked = serde_json::from_slice(&opened).map_err(|_| WhyNot::BadState)?;
        let (now, expires_at) = (self.clock.now(), Timestamp::from_micros(asked.expires_at));
        let is_good =
            now < expires_at && self.store.spend(&Sha256::digest(&sealed).into(), expires_at, now).await?;
        is_good.then_some(asked).ok_or(WhyNot::BadState)
    }
}

impl Asked {
    /// Whether it may come back from a browser that holds these.
    fn is_brought_back_by(&self, holds: &[BrowserDigest]) -> bool {
        self.browser
            .as_ref()
            .is_none_or(|browser| holds.iter().any(|held| URL_SAFE_NO_PAD.encode(held) == *browser))
    }
}

/// 256 random bits, as RFC 7636 (4.1) recommends.
fn verifier() -> String {
    let mut bytes = [0; 32];
    rand::Rng::fill_bytes(&mut chance::rng(), &mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A provider's word for a refusal, if it is a word.
fn denial(error: Option<&str>) -> String {
    let is_word =
        |word: &&str| word.len() <= 64 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    error.filter(is_word).unwrap_or("no code came back").to_owned()
}
