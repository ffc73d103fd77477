//! Conversations and their messages, as they follow from what is told of them.
//!
//! Providers tell things late, twice and in any order. So a [`Change`] says what happened and when, and [`apply`] makes
//! of any order of the same changes the same messages: what can be told again counts once, of two edits the later
//! counts, and a message that is edited, read or deleted before it has arrived is remembered until it does.

mod callback;
mod message;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::event::DedupeKey;
use crate::time::micros;
use crate::{ConversationId, MessageId, SubscriptionId, Timestamp, UserId};

pub use callback::callback_body;
pub use message::{
    Arrival, Change, ContentType, Kind, Message, Reaction, Shown, ShownReaction, Status, What,
};

/// Messages that a user exchanges with others, in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its name.
    pub id: ConversationId,
    /// Whose it is.
    pub user_id: UserId,
    /// Over what it goes, in capitals: `API`, `WHATSAPP`, `SLACK`, …
    pub channel: String,
    /// What for, in the host application's words.
    pub usecase: Option<String>,
    /// What its owner has set.
    pub config: Config,
    /// Where it goes on at a provider; `None`: it is kept here alone.
    pub source: Option<Chat>,
    /// Messages of others that have not been seen.
    pub unread_count: u32,
    /// All that occurred up to this time has been seen.
    #[serde(with = "micros::option")]
    pub read_to: Option<Timestamp>,
    /// When the newest of its messages occurred.
    #[serde(with = "micros::option")]
    pub last_message_at: Option<Timestamp>,
    /// When it was made here.
    #[serde(with = "micros")]
    pub created_at: Timestamp,
    /// When it last changed here.
    #[serde(with = "micros")]
    pub updated_at: Timestamp,
}

/// What the owner of a conversation sets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Config {
    /// The host application's workflow that answers.
    pub workflow_id: Option<String>,
    /// Who is told of each message that is made or processed.
    pub callback_url: Option<String>,
}

/// A chat at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// The provider's name.
    pub provider: String,
    /// The account there that takes part in it.
    pub account_id: String,
    /// The chat's own id there.
    pub chat_id: String,
}

impl Chat {
    /// The conversation that `user` has in this chat. It is the same whoever finds it out first.
    #[must_use]
    pub fn conversation_id(&self, user: &UserId) -> ConversationId {
        let place = json!([self.provider, self.account_id, self.chat_id]).to_string();
        (*DedupeKey::new("conversation", Some(user), &place).as_bytes()).into()
    }
}

impl Conversation {
    /// One in which nothing has been said.
    #[must_use]
    pub const fn new(id: ConversationId, user_id: UserId, channel: String, now: Timestamp) -> Self {
        Self {
            id,
            user_id,
            channel,
            usecase: None,
            config: Config { workflow_id: None, callback_url: None },
            source: None,
            unread_count: 0,
            read_to: None,
            last_message_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// The message that its provider calls `provider_id`. It is the same whoever finds it out first.
    #[must_use]
    pub fn message_id(&self, provider_id: &str) -> MessageId {
        (*DedupeKey::new("message", None, &json!([self.id, provider_id]).to_string()).as_bytes()).into()
    }

    /// The subscription that calls its `callback_url`: it has the conversation's digits, so that neither has to name
    /// the other.
    #[must_use]
    pub fn callback_id(&self) -> SubscriptionId {
        <[u8; 16]>::from(self.id).into()
    }

    /// Its user has seen all that is there now. False where that was so before.
    pub fn mark_read(&mut self, now: Timestamp) -> bool {
        let changes = self.unread_count > 0 || self.read_to < self.last_message_at;
        if changes {
            (self.read_to, self.unread_count) = (self.read_to.max(self.last_message_at), 0);
            self.updated_at = self.updated_at.max(now);
        }
        changes
    }

    fn counts(&self, message: &Message) -> bool {
        message.is_unread() && Some(message.occurred_at) > self.read_to
    }
}

/// What somebody may want to hear of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// There is a message.
    New,
    /// It was read.
    Read,
    /// A reaction to it came or went.
    Reaction,
    /// Its content is another.
    Edited,
    /// It was taken back.
    Deleted,
    /// It has reached its receiver.
    Delivered,
    /// It was handed to its provider.
    Sent,
    /// It could not be sent.
    Failed,
    /// Its status is another.
    Processed,
}

impl News {
    /// The type of events that tell of it.
    #[must_use]
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::New => "message.new",
            Self::Read => "message.read",
            Self::Reaction => "message.reaction",
            Self::Edited => "message.edited",
            Self::Deleted => "message.deleted",
            Self::Delivered => "message.delivered",
            Self::Sent => "message.sent",
            Self::Failed => "message.failed",
            Self::Processed => "message.processed",
        }
    }
}

/// Makes `change` to a message and its conversation; what there is to tell of it. Of a message that has not arrived
/// there is nothing to tell, nor of one that was taken back before.
pub fn apply(conversation: &mut Conversation, message: &mut Message, change: &Change) -> Vec<News> {
    let before = message.clone();
    message.apply(change);
    conversation.unread_count -= u32::from(conversation.counts(&before)).min(conversation.unread_count);
    conversation.unread_count += u32::from(conversation.counts(message));
    if message.is_known {
        conversation.last_message_at = conversation.last_message_at.max(Some(message.occurred_at));
    }
    conversation.updated_at = conversation.updated_at.max(change.kept_at);
    news(&before, message, change)
}

fn news(before: &Message, after: &Message, change: &Change) -> Vec<News> {
    if !after.is_known || (after.deleted_at.is_some() && (before.deleted_at.is_some() || !before.is_known)) {
        return Vec::new();
    }
    if !before.is_known {
        return vec![News::New];
    }
    let is_new =
        |is_there_now: Option<Timestamp>, was: Option<Timestamp>| is_there_now.is_some() && was.is_none();
    let told = match &change.what {
        What::Arrived(_) => None,
        What::Edited { .. } => (before.edited_at < after.edited_at).then_some(News::Edited),
        What::Deleted => is_new(after.deleted_at, before.deleted_at).then_some(News::Deleted),
        What::Reacted { .. } => (before.reactions() != after.reactions()).then_some(News::Reaction),
        What::Delivered => is_new(after.delivered_at, before.delivered_at).then_some(News::Delivered),
        What::Read => is_new(after.read_at, before.read_at).then_some(News::Read),
        What::Sent { .. } => before.is_sending.then_some(News::Sent),
        What::Failed => (before.status != after.status || before.is_sending).then_some(News::Failed),
        What::Processed(_) => None,
    };
    let processed = (before.status != after.status).then_some(News::Processed);
    told.into_iter().chain(processed).collect()
}

/// What events about a message hold.
#[must_use]
pub fn data(conversation: &Conversation, message: &Message) -> Value {
    let chat_id = conversation.source.as_ref().map(|chat| chat.chat_id.as_str());
    json!({ "chat_id": chat_id, "conversation_id": conversation.id, "message": message.shown() })
}

#[cfg(test)]
mod tests;
