//! Conversations, messages and e-mails.

use domain::conversation::{Conversation, Message};
use domain::email::Email;
use domain::{ConversationId, EmailId, EventType, MessageId, Timestamp};

use super::{Position, Result};

/// Whether the inbox may be about events of this type: those of messages and mails, ours and the providers'.
#[must_use]
pub fn is_for_inbox(event_type: &EventType) -> bool {
    const BEGINNINGS: [&str; 5] = ["unipile.m", "slack.message", "slack.reaction_", "message.", "email."];
    let text = event_type.as_str();
    text == "read.mark" || BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
}

/// A conversation, with how often it has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConversation {
    /// What everyone may see, and a little more.
    pub conversation: Conversation,
    /// How often it has been written; 0: it is new.
    pub revision: i64,
}

/// A message, with how often it has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// What everyone may see, and a little more.
    pub message: Message,
    /// How often it has been written; 0: it is new.
    pub revision: i64,
}

/// An e-mail, with how often it has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEmail {
    /// What everyone may see, and a little more.
    pub email: Email,
    /// How often it has been written; 0: it is new.
    pub revision: i64,
}

/// What one step of the inbox writes. Nothing is named twice.
#[derive(Debug, Clone, Default)]
pub struct InboxStep {
    /// How far the log had been followed, and how far it has been now; `None`: it is not about the log.
    pub moved: Option<(Position, Position)>,
    /// Conversations as they are to be.
    pub conversations: Vec<StoredConversation>,
    /// Messages as they are to be.
    pub messages: Vec<StoredMessage>,
    /// E-mails as they are to be.
    pub emails: Vec<StoredEmail>,
    /// The tasks that are called for.
    pub called: Vec<Called>,
}

/// A task that is called for: it is added where it is missing. Where it is there it is rung for, so that whoever has
/// claimed it keeps it to its end, and then it is due once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// What is to be done.
    pub kind: String,
    /// To what.
    pub subject: String,
    /// When.
    pub at: Timestamp,
}

/// A place in a list that runs from the latest to the earliest. It is written as one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Latest<Id> {
    /// When what is there happened; for what has no time, 0.
    pub at: Timestamp,
    /// Which of those that happened at once.
    pub id: Id,
}

/// A text that names no place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this names no place in a list")]
pub struct NotAPlace;

impl<Id: std::fmt::Display> std::fmt::Display for Latest<Id> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.at.as_micros(), self.id)
    }
}

impl<Id: std::str::FromStr> std::str::FromStr for Latest<Id> {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let (micros, id) = text.rsplit_once('-').ok_or(NotAPlace)?;
        let at = Timestamp::from_micros(micros.parse().map_err(|_| NotAPlace)?);
        Ok(Self { at, id: id.parse().map_err(|_| NotAPlace)? })
    }
}

impl StoredConversation {
    /// Where it is in lists.
    #[must_use]
    pub fn place(&self) -> Latest<ConversationId> {
        let at = self.conversation.last_message_at.unwrap_or(Timestamp::from_micros(0));
        Latest { at, id: self.conversation.id }
    }
}

impl StoredMessage {
    /// Where it is in lists.
    #[must_use]
    pub fn place(&self) -> Latest<MessageId> {
        Latest { at: self.message.occurred_at, id: self.message.id }
    }
}

impl StoredEmail {
    /// Where it is in lists.
    #[must_use]
    pub fn place(&self) -> Latest<EmailId> {
        Latest { at: self.email.date, id: self.email.id }
    }
}
