//! What must be set up at a provider so that it pushes to us: what is to be asked of its API, and what follows from
//! each answer, as values.
//!
//! A provider says it as a conversation: the first [`Step`] asks something, and the answer leads to the next, until it
//! is done. Whoever holds the conversation sends what is asked, with what opens the API. Nothing here is sent twice for
//! having been lost: each conversation begins by finding out what is there.

use std::fmt;

use domain::event::Json;
use domain::registration::SetUp;
use domain::{Timestamp, UserId};
use http::StatusCode;
use serde_json::Value;
use url::Url;

use crate::api::{ApiAnswer, ApiCall, CallFailure, Token, told};
use crate::{Setting, Settings};

/// Every provider where something can be set up by its API.
pub static REGISTRABLE: &[&dyn Registrable] = &[
    &crate::github::GitHub,
    &crate::gmail::Gmail,
    &crate::composio::Composio,
    &crate::unipile::Unipile,
    &crate::discord::Discord,
    &crate::youtube::YouTube,
];

/// The provider of that name, if something can be set up there.
#[must_use]
pub fn registrable(name: &str) -> Option<&'static dyn Registrable> {
    REGISTRABLE.iter().copied().find(|provider| provider.name() == name)
}

/// How one provider is made to push.
pub trait Registrable: Sync {
    /// Its name, as in [`crate::Profile::name`].
    fn name(&self) -> &'static str;

    /// What the operator sets for it, besides what is set for calling it.
    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    /// What has to be set before anything can be set up there, and is not: the name of a variable in the environment.
    fn missing(&self, settings: &Settings) -> Option<&'static str>;

    /// Whose key opens its API.
    fn key(&self) -> Key;

    /// The call with that key.
    fn show_key(&self, call: ApiCall, key: &Token) -> ApiCall {
        call.bearer(key)
    }

    /// Where it pushes what concerns `user` to, below our own address.
    fn path(&self, user: Option<&UserId>) -> String;

    /// What is set up once, for the operator's application: targets.
    fn of_application(&self) -> &'static [&'static str] {
        &[]
    }

    /// What is set up by itself for an account that was connected: a target.
    fn of_account(&self, _account_id: &str) -> Option<String> {
        None
    }

    /// Reads what a person wants to be watched: the target, in the one spelling that counts.
    ///
    /// # Errors
    /// What it must be.
    fn target(&self, text: &str) -> Result<String, &'static str>;

    /// What tells whether two are one thing at the provider: see [`domain::Registration::place`].
    fn place(&self, target: &str, _account_id: &str, url: &str) -> String {
        format!("{target} {url}")
    }

    /// What it calls the target when it asks back whether it was us, and whether it does. One that does is told what to
    /// sign with, a new secret each time.
    fn topic(&self, _settings: &Settings, _target: &str) -> Option<String> {
        None
    }

    /// Whether what it signs with is kept beside its registrations: what it was told, or has handed out.
    fn keeps_secrets(&self) -> bool {
        false
    }

    /// Sets it up, whatever is there already: creates, changes or renews it.
    fn register(&self, wanted: Wanted) -> Step;

    /// Sees to it that it is gone.
    fn remove(&self, wanted: Wanted) -> Step;
}

impl fmt::Debug for dyn Registrable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What opens a provider's API for setting something up there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The access token of the user's connection.
    Connection,
    /// What the operator has set under this key.
    Operator(&'static str),
    /// Anybody may ask.
    Nobodys,
}

/// What is to be set up, or to be gone.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What the operator has set for the provider.
    pub settings: Settings,
    /// The account's id at the provider; empty for the application.
    pub account_id: String,
    /// See [`domain::Registration::target`].
    pub target: String,
    /// Where it is to push to.
    pub url: String,
    /// What it is to push; empty: what is usual.
    pub events: Vec<String>,
    /// What else it is told.
    pub config: Option<Json>,
    /// Its own name for what it has set up before.
    pub external_id: Option<String>,
    /// What it is to sign with, or is known to, where [`Registrable::keeps_secrets`].
    pub secret: Option<Token>,
}

/// What comes next in a conversation.
#[derive(Debug)]
pub enum Step {
    /// This is to be asked.
    Ask(Ask),
    /// That was all.
    Done(Done),
}

/// A question, and what follows from its answer.
pub struct Ask {
    /// What is to be sent, without the key.
    pub call: ApiCall,
    then: Then,
}

type Then = Box<dyn FnOnce(&ApiAnswer, Timestamp) -> Result<Step, CallFailure> + Send>;

/// How a conversation ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The provider pushes. It may have handed out a secret that it signs with.
    SetUp(SetUp, Option<Token>),
    /// It will ask back whether it was us.
    Asked,
    /// There is nothing any more.
    Removed,
}

impl Ask {
    /// What follows from the answer.
    ///
    /// # Errors
    /// The provider has not done what it was asked for.
    pub fn answered(self, answer: &ApiAnswer, now: Timestamp) -> Result<Step, CallFailure> {
        (self.then)(answer, now)
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.fmt(f)
    }
}

/// Asks, and goes on as `then` says.
pub(crate) fn ask(
    call: ApiCall,
    then: impl FnOnce(&ApiAnswer, Timestamp) -> Result<Step, CallFailure> + Send + 'static,
) -> Step {
    Step::Ask(Ask { call, then: Box::new(then) })
}

/// The provider pushes what it calls `external_id`, until it is told otherwise.
pub(crate) fn set_up(external_id: impl Into<String>) -> Step {
    let set_up = SetUp { external_id: Some(external_id.into()), expires_at: None };
    Step::Done(Done::SetUp(set_up, None))
}

/// Where `path` of [`crate::Profile::paths`] is, for `user`. Bytes that would end a part of it are written out.
pub(crate) fn below(path: &str, user: Option<&UserId>) -> String {
    let user = user.map(UserId::as_str).unwrap_or_default();
    let mut url = Url::parse("http://way.test/api/webhooks").expect("it is one");
    if let Ok(mut parts) = url.path_segments_mut() {
        parts.extend(path.split('/').skip(1).map(|part| if part == "{user}" { user } else { part }));
    }
    url.path().to_owned()
}

/// Removes by `call`. What is not there need not be removed.
pub(crate) fn removed_by(call: ApiCall) -> Step {
    ask(call, |answer, now| {
        if !matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            answer.done(now)?;
        }
        Ok(Step::Done(Done::Removed))
    })
}

/// The text or number at `pointer`.
pub(crate) fn text_at(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The same where it is needed.
pub(crate) fn need_at(value: &Value, pointer: &str) -> Result<String, CallFailure> {
    text_at(value, pointer).ok_or_else(|| CallFailure::Unreadable(format!("there is nothing at {pointer}")))
}

/// Bytes of a provider's own words that are shown.
const WORDS_BYTES_MAX: usize = 256;

/// A refusal in the provider's own words, which are at one of `pointers`.
pub(crate) fn refusal(answer: &ApiAnswer, pointers: &[&str]) -> CallFailure {
    let said = answer.json::<Value>().unwrap_or_default();
    let words = pointers.iter().find_map(|pointer| said.pointer(pointer)?.as_str());
    let words = words.map(|words| &words[..words.floor_char_boundary(WORDS_BYTES_MAX)]);
    let status = told(answer.status);
    CallFailure::Refused(words.map_or_else(|| status.clone(), |words| format!("{status}: {words}")))
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_provider_pushes_to_is_where_it_comes_in() {
        let alice: UserId = "alice/of the shop?".parse().unwrap();
        for (provider, path) in [
            ("github", "/api/webhooks/github/alice%2Fof%20the%20shop%3F"),
            ("gmail", "/api/webhooks/gmail"),
            ("composio", "/api/webhooks/composio"),
            ("unipile", "/api/webhooks/unipile/messages"),
            ("discord", "/api/webhooks/discord"),
            ("youtube", "/api/webhooks/youtube/alice%2Fof%20the%20shop%3F"),
        ] {
            assert_eq!(registrable(provider).unwrap().path(Some(&alice)), path);
            assert!(crate::by_name(provider).is_some());
        }
        assert!(REGISTRABLE.len() == 6 && registrable("spotify").is_none());
    }
}
