//! What users do in the inbox: each an event first, and then done at once.

use std::sync::Arc;

use domain::conversation::{Arrival, Change, ContentType, Kind, Message, News, Status, What, apply};
use domain::event::{DedupeKey, Json};
use domain::{ConversationId, Event, EventId, EventType, MessageId};
use serde_json::{Value, json};

use store::{StoreError, StoredConversation, StoredMessage};

use super::work::{Work, goes_on};
use super::{Inbox, SOURCE, Telling};
use crate::chance;
use crate::limits::INBOX_TRIES;
use crate::log::NotKept;

/// A message that is to be said.
#[derive(Debug)]
pub struct Post {
    /// What it says.
    pub content: String,
    /// What that is.
    pub content_type: ContentType,
    /// The name of what is attached.
    pub filename: Option<String>,
    /// Who speaks.
    pub kind: Kind,
    /// What programs want to know of it: an object.
    pub metadata: Value,
    /// What tells it from another; the same again is the first.
    pub key: Option<String>,
}

/// Why a message was not posted.
#[derive(Debug, thiserror::Error)]
pub enum NotPosted {
    /// Messages cannot be handed to this provider.
    #[error("messages cannot be sent through {0} from here")]
    CannotSend(String),
    /// Its key was used for another message.
    #[error("this key was used for another message of this conversation")]
    KeyTaken,
    /// It is not known to be kept.
    #[error(transparent)]
    NotKept(#[from] NotKept),
    /// It is not known to be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Inbox {
    /// Says something in a conversation: kept once this answers, and sent after that where the conversation goes on at
    /// a provider.
    ///
    /// # Errors
    /// Why it was not.
    pub async fn post(
        &self,
        stored: &StoredConversation,
        post: Post,
        by: String,
    ) -> Result<Message, NotPosted> {
        let (conversation, now) = (&stored.conversation, self.now());
        if let Some(chat) = conversation.source.as_ref().filter(|_| !goes_on(conversation)) {
            return Err(NotPosted::CannotSend(chat.provider.clone()));
        }
        let id = match &post.key {
            Some(key) => keyed(conversation.id, key),
            None => MessageId::new(now, &mut chance::rng()),
        };
        if post.key.is_some()
            && let Some(first) = self.store.message(id).await?
        {
            return is_same(&first.message, &post).then_some(first.message).ok_or(NotPosted::KeyTaken);
        }
        let arrival = Arrival {
            content: post.content,
            content_type: post.content_type,
            filename: post.filename,
            kind: post.kind,
            metadata: post.metadata,
            is_own: conversation.source.is_some() || post.kind == Kind::UserInput,
            is_sending: goes_on(conversation),
        };
        let change = Change { what: What::Arrived(Box::new(arrival)), by, at: now, kept_at: now };
        let mut message = Message::unknown(id, conversation.id, &conversation.channel, None);
        apply(&mut conversation.clone(), &mut message, &change);
        let event = Telling::of(News::New, conversation, &message, "", now).event(now);
        self.keep_and_take(event).await?;
        Ok(self.store.message(id).await?.map_or(message, |stored| stored.message))
    }

    /// Says what has become of a message; the message as it is then. What it is already is no news.
    ///
    /// # Errors
    /// It is not known to be kept.
    pub async fn set_status(
        &self,
        to: &StoredConversation,
        stored: &StoredMessage,
        status: Status,
        by: String,
    ) -> Result<Message, NotPosted> {
        let mut message = stored.message.clone();
        if message.status == status {
            return Ok(message);
        }
        // Two changes within a millisecond are two, in the order in which they were made.
        let after = message.status_at.map(|since| since.plus(std::time::Duration::from_millis(1)));
        let now = after.map_or(self.now(), |after| after.max(self.now()));
        let change = Change { what: What::Processed(status), by, at: now, kept_at: now };
        apply(&mut to.conversation.clone(), &mut message, &change);
        let cause = now.as_millis().to_string();
        let event = Telling::of(News::Processed, &to.conversation, &message, &cause, now).event(now);
        self.keep_and_take(event).await?;
        let id = message.id;
        Ok(self.store.message(id).await?.map_or(message, |stored| stored.message))
    }

    /// Its user has seen all of a conversation that is there. Where they had, nothing happens.
    ///
    /// # Errors
    /// It is not known to be kept.
    pub async fn mark_read(&self, stored: &StoredConversation) -> Result<(), NotPosted> {
        let (conversation, now) = (&stored.conversation, self.now());
        if !conversation.clone().mark_read(now) {
            return Ok(());
        }
        let event = Event {
            id: EventId::new(now, &mut chance::rng()),
            event_type: EventType::from_words(["read.mark"]),
            user_id: Some(conversation.user_id.clone()),
            source: SOURCE.into(),
            provider: None,
            occurred_at: now,
            received_at: now,
            data: Json::trusted(json!({ "conversation_id": conversation.id }).to_string()),
            raw: None,
        };
        self.keep_and_take((Arc::new(event), None)).await
    }

    /// Keeps an event, and does what follows from it.
    pub(super) async fn keep_and_take(
        &self,
        (event, key): (Arc<Event>, Option<DedupeKey>),
    ) -> Result<(), NotPosted> {
        self.keep_events(vec![(Arc::clone(&event), key)]).await?;
        self.take_now(&event).await?;
        Ok(())
    }

    /// Does what follows from an event that is in the log, without waiting until the log is followed that far. Where
    /// others write the same all the time it is left to that.
    pub(super) async fn take_now(&self, event: &Event) -> Result<(), StoreError> {
        for _ in 0..INBOX_TRIES {
            let mut work = Work::new(self.store.as_ref());
            work.take(event).await?;
            if self.store.keep_inbox(&work.step()).await? {
                if work.sends() {
                    self.to_send.notify_one();
                }
                return Ok(());
            }
        }
        Ok(())
    }
}

fn keyed(conversation: ConversationId, key: &str) -> MessageId {
    (*DedupeKey::new("message key", None, &json!([conversation, key]).to_string()).as_bytes()).into()
}

fn is_same(first: &Message, post: &Post) -> bool {
    first.content.as_deref() == Some(&post.content)
        && first.content_type == post.content_type
        && first.filename == post.filename
        && first.kind == post.kind
}
