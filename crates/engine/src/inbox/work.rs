//! What an event does to the inbox: read what it is about, change it, and say what there is to write and to tell.

use std::collections::BTreeMap;

use domain::conversation::{
    Arrival, Change, ContentType, Conversation, Kind, Message, News, Shown, What, apply,
};
use domain::{ConversationId, EmailId, Event, MessageId, Timestamp, UserId};
use providers::inbox::{Told, sending, told};
use serde_json::{Map, Value};
use store::{Called, InboxStep, Store, StoreError, StoredConversation, StoredEmail, StoredMessage};

use super::send::SEND;
use super::{SOURCE, Telling, data_of, mail};
use crate::limits::SENDING_LOOKED_AT_MAX;
use crate::realtime;

/// What some events in a row do. Nothing of it is written yet.
#[derive(Debug)]
pub(super) struct Work<'s> {
    pub(super) store: &'s dyn Store,
    conversations: BTreeMap<ConversationId, StoredConversation>,
    messages: BTreeMap<MessageId, StoredMessage>,
    pub(super) emails: BTreeMap<EmailId, StoredEmail>,
    due: BTreeMap<ConversationId, Timestamp>,
    /// What there is to tell.
    pub(super) tellings: Vec<Telling>,
}

/// A message and where it was said.
type Place = (StoredConversation, StoredMessage);

impl<'s> Work<'s> {
    pub(super) fn new(store: &'s dyn Store) -> Self {
        let (conversations, messages) = (BTreeMap::new(), BTreeMap::new());
        let (emails, due) = (BTreeMap::new(), BTreeMap::new());
        Self { store, conversations, messages, emails, due, tellings: Vec::new() }
    }

    /// What is to be written.
    pub(super) fn step(&self) -> InboxStep {
        let call = |(id, at): (&ConversationId, &Timestamp)| Called {
            kind: SEND.to_owned(),
            subject: id.to_string(),
            at: *at,
        };
        InboxStep {
            moved: None,
            conversations: self.conversations.values().cloned().collect(),
            messages: self.messages.values().cloned().collect(),
            emails: self.emails.values().cloned().collect(),
            called: self.due.iter().map(call).collect(),
        }
    }

    /// Whether there is something to send now.
    pub(super) fn sends(&self) -> bool {
        !self.due.is_empty()
    }

    /// Does what follows from `event`. What is not about the inbox, or not to be believed, does nothing.
    pub(super) async fn take(&mut self, event: &Event) -> Result<(), StoreError> {
        let Some(user) = &event.user_id else { return Ok(()) };
        match (event.event_type.as_str(), &*event.source) {
            ("message.send", realtime::SOURCE) => self.take_sent(user, event).await,
            ("read.mark", realtime::SOURCE | SOURCE) => self.mark_read(user, event).await,
            ("message.new", SOURCE) => self.recover(event).await,
            ("message.sent" | "message.failed" | "message.processed", SOURCE) => self.settle(event).await,
            _ => match (told(event), mail::told(event)) {
                (Some(told), _) => self.take_told(user, event, told).await,
                (None, Some(told)) => self.take_email(user, &told).await,
                (None, None) => Ok(()),
            },
        }
    }

    /// What a provider tells of a message.
    async fn take_told(&mut self, user: &UserId, event: &Event, told: Told) -> Result<(), StoreError> {
        let id = told.chat.conversation_id(user);
        let conversation = match self.conversation(id).await? {
            Some(known) => known,
            None => {
                let new = Conversation::new(id, user.clone(), told.channel.clone(), event.received_at);
                let conversation = Conversation { source: Some(told.chat), ..new };
                StoredConversation { conversation, revision: 0 }
            }
        };
        let message = self.called(&conversation, &told.message_id).await?;
        if let (None, What::Arrived(arrival)) = (&message, &told.change.what)
            && arrival.is_own
            && let Some(ours) = self.sending(id, &arrival.content).await?
        {
            // What we are just sending comes back, before the answer that would name it.
            let sent = What::Sent { provider_id: Some(told.message_id) };
            let by = ours.message.created_by.clone();
            self.change((conversation, ours), &Change { what: sent, by, ..told.change }, event);
            return Ok(());
        }
        let message = message.unwrap_or_else(|| {
            let (conversation, provider_id) = (&conversation.conversation, told.message_id);
            let id = conversation.message_id(&provider_id);
            let message = Message::unknown(id, conversation.id, &conversation.channel, Some(provider_id));
            StoredMessage { message, revision: 0 }
        });
        self.change((conversation, message), &told.change, event);
        Ok(())
    }

    /// What a user sends over a stream.
    async fn take_sent(&mut self, user: &UserId, event: &Event) -> Result<(), StoreError> {
        let data = data_of(event);
        let Some(conversation) = self.own_conversation(user, &data).await? else { return Ok(()) };
        // The event's digits: whoever has sent it knows them.
        let id = MessageId::from(<[u8; 16]>::from(event.id));
        let text = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
        let content_type = data.get("content_type").cloned().unwrap_or_default();
        let mut metadata = Map::new();
        metadata.extend(text("key").map(|key| ("key".to_owned(), key.into())));
        let arrival = Arrival {
            content: text("content").unwrap_or_default(),
            content_type: serde_json::from_value(content_type).unwrap_or(ContentType::Text),
            filename: text("filename"),
            kind: Kind::UserInput,
            metadata: Value::Object(metadata),
            is_own: true,
            is_sending: goes_on(&conversation.conversation),
        };
        let what = What::Arrived(Box::new(arrival));
        let change = Change { what, by: user.to_string(), at: event.occurred_at, kept_at: event.received_at };
        let arrived = self.arrive(conversation, id, &change).await?;
        let Some((conversation, message)) = arrived else { return Ok(()) };
        self.tell(News::New, &conversation, &message, event);
        if goes_on(&conversation.conversation) {
            return Ok(());
        }
        let cannot = conversation.conversation.source.is_some();
        if cannot {
            let failed = Change { what: What::Failed, ..change };
            self.change((conversation, message), &failed, event);
        } else {
            // It is where it was meant for.
            self.tell(News::Sent, &conversation, &message, event);
        }
        Ok(())
    }

    /// A user has seen all that is there.
    async fn mark_read(&mut self, user: &UserId, event: &Event) -> Result<(), StoreError> {
        let data = data_of(event);
        let Some(mut conversation) = self.own_conversation(user, &data).await? else { return Ok(()) };
        if conversation.conversation.mark_read(event.received_at) {
            self.conversations.insert(conversation.conversation.id, conversation);
        }
        Ok(())
    }

    /// A message that we have told of. Where it is not here, the program ended before it was written.
    async fn recover(&mut self, event: &Event) -> Result<(), StoreError> {
        let Some(shown) = shown(event) else { return Ok(()) };
        let Some(conversation) = self.conversation(shown.conversation_id).await? else { return Ok(()) };
        let arrival = Arrival {
            content: shown.content.unwrap_or_default(),
            content_type: shown.content_type,
            filename: shown.filename,
            kind: shown.kind,
            metadata: shown.metadata,
            is_own: shown.is_own,
            is_sending: goes_on(&conversation.conversation),
        };
        let what = What::Arrived(Box::new(arrival));
        let change = Change { what, by: shown.created_by, at: shown.occurred_at, kept_at: shown.created_at };
        self.arrive(conversation, shown.id, &change).await.map(drop)
    }

    /// What has become of a message, as we have told it.
    async fn settle(&mut self, event: &Event) -> Result<(), StoreError> {
        let Some(shown) = shown(event) else { return Ok(()) };
        let conversation = self.conversation(shown.conversation_id).await?;
        let (Some(mut conversation), Some(mut message)) = (conversation, self.message(shown.id).await?)
        else {
            return Ok(());
        };
        let what = match event.event_type.as_str() {
            "message.sent" => {
                let provider_id =
                    data_of(event).get("provider_message_id").and_then(Value::as_str).map(str::to_owned);
                What::Sent { provider_id: self.free(&conversation, provider_id).await? }
            }
            "message.failed" => What::Failed,
            _ => What::Processed(shown.status),
        };
        if matches!(what, What::Sent { .. } | What::Failed) && goes_on(&conversation.conversation) {
            // The next one in the conversation may go.
            self.due.insert(shown.conversation_id, event.received_at);
        }
        let change = Change { what, by: shown.updated_by, at: shown.occurred_at, kept_at: shown.updated_at };
        apply(&mut conversation.conversation, &mut message.message, &change);
        self.put(conversation, message);
        Ok(())
    }

    /// A provider's id that no other message has.
    async fn free(
        &self,
        conversation: &StoredConversation,
        provider_id: Option<String>,
    ) -> Result<Option<String>, StoreError> {
        let Some(id) = provider_id else { return Ok(None) };
        Ok(self.called(conversation, &id).await?.is_none().then_some(id))
    }

    /// Puts a message that is made here into its conversation; `None` where it is there already.
    async fn arrive(
        &mut self,
        mut conversation: StoredConversation,
        id: MessageId,
        change: &Change,
    ) -> Result<Option<Place>, StoreError> {
        if self.message(id).await?.is_some() {
            return Ok(None);
        }
        let within = &mut conversation.conversation;
        let mut message = Message::unknown(id, within.id, &within.channel, None);
        apply(within, &mut message, change);
        if message.is_sending {
            self.due.insert(within.id, change.kept_at);
        }
        let message = StoredMessage { message, revision: 0 };
        self.put(conversation.clone(), message.clone());
        Ok(Some((conversation, message)))
    }

    /// Makes a change, and notes what there is to tell of it.
    fn change(&mut self, (mut conversation, mut message): Place, change: &Change, event: &Event) {
        let news = apply(&mut conversation.conversation, &mut message.message, change);
        for news in news {
            self.tell(news, &conversation, &message, event);
        }
        self.put(conversation, message);
    }

    fn tell(&mut self, news: News, to: &StoredConversation, message: &StoredMessage, event: &Event) {
        let cause = event.id.to_string();
        let telling = Telling::of(news, &to.conversation, &message.message, &cause, event.occurred_at);
        self.tellings.push(telling);
    }

    fn put(&mut self, conversation: StoredConversation, message: StoredMessage) {
        self.conversations.insert(conversation.conversation.id, conversation);
        self.messages.insert(message.message.id, message);
    }

    async fn own_conversation(
        &self,
        user: &UserId,
        data: &Map<String, Value>,
    ) -> Result<Option<StoredConversation>, StoreError> {
        let id = data.get("conversation_id").and_then(Value::as_str).and_then(|id| id.parse().ok());
        let Some(id) = id else { return Ok(None) };
        Ok(self.conversation(id).await?.filter(|stored| stored.conversation.user_id == *user))
    }

    async fn conversation(&self, id: ConversationId) -> Result<Option<StoredConversation>, StoreError> {
        match self.conversations.get(&id) {
            Some(known) => Ok(Some(known.clone())),
            None => self.store.conversation(id).await,
        }
    }

    async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>, StoreError> {
        match self.messages.get(&id) {
            Some(known) => Ok(Some(known.clone())),
            None => self.store.message(id).await,
        }
    }

    /// The message that its provider calls so.
    async fn called(
        &self,
        conversation: &StoredConversation,
        provider_id: &str,
    ) -> Result<Option<StoredMessage>, StoreError> {
        let id = conversation.conversation.id;
        let is_it = |stored: &&StoredMessage| {
            stored.message.conversation_id == id && stored.message.provider_id.as_deref() == Some(provider_id)
        };
        match self.messages.values().find(is_it) {
            Some(known) => Ok(Some(known.clone())),
            None => self.store.message_called(id, provider_id).await,
        }
    }

    /// A message that is being sent, says this, and has no name there yet. Providers may take off what is blank around
    /// it.
    async fn sending(&self, id: ConversationId, content: &str) -> Result<Option<StoredMessage>, StoreError> {
        let stored = self.store.sending_messages(id, SENDING_LOOKED_AT_MAX).await?;
        let newer = |stored: StoredMessage| self.messages.get(&stored.message.id).cloned().unwrap_or(stored);
        let is_it = |stored: &StoredMessage| {
            let message = &stored.message;
            let says_this = message.content.as_deref().map(str::trim) == Some(content.trim());
            message.is_sending && message.provider_id.is_none() && says_this
        };
        let found = stored.into_iter().map(newer).filter(is_it);
        Ok(found.min_by_key(|stored| (stored.message.created_at, stored.message.id)))
    }
}

/// Whether what is said in a conversation is handed to a provider.
pub(super) fn goes_on(conversation: &Conversation) -> bool {
    conversation.source.as_ref().is_some_and(|chat| sending(&chat.provider).is_some())
}

/// The message that an event of ours tells of.
fn shown(event: &Event) -> Option<Shown> {
    serde_json::from_value(data_of(event).remove("message")?).ok()
}
