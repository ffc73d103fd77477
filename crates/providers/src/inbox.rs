//! What providers' events tell of messages and mails, and how a message is handed to a provider.

use domain::conversation::{Change, Chat, Message, What};
use domain::{Event, Timestamp, email};

use crate::Settings;
use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::{slack, unipile};

/// Bytes of an id that a provider gives to a chat or a message. The longest known are Gmail's and WhatsApp's, below
/// 100.
const ID_BYTES_MAX: usize = 512;

/// Bytes of an id of a mail, which may be the mail's own (RFC 5322, 2.1.1).
const MAIL_ID_BYTES_MAX: usize = 998;

/// What an event tells of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Where it was said.
    pub chat: Chat,
    /// Over what, in capitals.
    pub channel: String,
    /// The provider's own id for the message.
    pub message_id: String,
    /// What happened to it.
    pub change: Change,
}

/// What `event` tells of a message; `None` where it tells of none.
#[must_use]
pub fn told(event: &Event) -> Option<Told> {
    let told = match event.provider.as_deref()? {
        "unipile" => unipile::messages::told(event),
        "slack" => slack::messages::told(event),
        _ => None,
    }?;
    let is_id = |id: &str| (1..=ID_BYTES_MAX).contains(&id.len()) && !id.contains(char::is_control);
    let is_named = is_id(&told.chat.account_id) && is_id(&told.chat.chat_id) && is_id(&told.message_id);
    is_named.then_some(told)
}

/// What a provider's own `event` tells of a mail; `None` where it tells of none.
#[must_use]
pub fn told_mail(event: &Event) -> Option<email::Told> {
    let told = match event.provider.as_deref()? {
        "unipile" => unipile::mails::told(event),
        _ => None,
    }?;
    let is_id = |id: &str| (1..=MAIL_ID_BYTES_MAX).contains(&id.len()) && !id.contains(char::is_control);
    let is_named = is_id(&told.message_id) && told.mailbox.as_deref().is_none_or(is_id);
    let in_reply_to = told.in_reply_to.filter(|id| is_id(id));
    is_named.then_some(email::Told { in_reply_to, ..told })
}

/// How messages are handed to a provider.
#[derive(Debug, Clone, Copy)]
pub enum Sending {
    /// By the operator's key, where one is set.
    ByOperator(fn(&Chat, &Message, &Settings) -> Option<ApiCall>),
    /// By a token of the user's.
    ByUser(fn(&Chat, &Message, &Settings, &Token) -> ApiCall),
}

/// How messages are handed to the provider of that name; `None` where they cannot be.
#[must_use]
pub fn sending(provider: &str) -> Option<Sending> {
    match provider {
        "unipile" => Some(Sending::ByOperator(unipile::messages::send)),
        "slack" => Some(Sending::ByUser(slack::messages::send)),
        _ => None,
    }
}

/// Reads what the provider answers to a message: its id for it, where it has said one.
///
/// # Errors
/// Why it was not sent. [`CallFailure::Exhausted`]: it was not taken, and may be later.
pub fn read_sent(provider: &str, answer: &ApiAnswer, now: Timestamp) -> Result<Option<String>, CallFailure> {
    match provider {
        "slack" => slack::messages::read_sent(answer, now),
        _ => unipile::messages::read_sent(answer, now),
    }
}

/// A change that came in with `event`.
pub(crate) fn change(event: &Event, what: What, by: Option<String>, at: Option<Timestamp>) -> Change {
    let by = by.filter(|by| by.len() <= ID_BYTES_MAX).unwrap_or_else(|| "unknown".to_owned());
    Change { what, by, at: at.unwrap_or(event.occurred_at), kept_at: event.received_at }
}
