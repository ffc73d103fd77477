//! The inbox: conversations with their messages, and e-mails, kept from what comes into the log.
//!
//! The log is what counts, and the inbox follows from it. What a provider's event does to a message is worked out, told
//! as events of our own (`message.new`, …), and then written together with how far the log was followed. Should the
//! program end between the two, it is worked out once more and comes to the same: ids follow from what they name, and
//! each thing that is told has a key that is the same each time. So every event counts once, on however many nodes it
//! is worked out.
//!
//! What users do goes the same way. It becomes an event first; then the step is made at once for whoever reads next,
//! and again, to no effect, when the log is followed that far.
//!
//! Read in this order: this file, [`work`] (what an event does), [`mail`] (the same for e-mails), [`follow`] (along the
//! log), [`post`] (what users do), [`send`] (how a message is handed to its provider), [`callbacks`].

mod callbacks;
mod follow;
mod mail;
mod post;
mod send;
mod work;

use std::sync::Arc;

use async_trait::async_trait;
use domain::conversation::{Conversation, Message, News};
use domain::event::{DedupeKey, Json};
use domain::{ConversationId, Event, EventId, EventType, Timestamp, UserId};
use providers::Settings;
use serde_json::{Map, Value};
use store::{InboxStep, Position, Store, StoreError, StoredConversation};
use tokio::sync::Notify;

use crate::chance;
use crate::clock::Clock;
use crate::connections::Connections;
use crate::deliver::Client;
use crate::log::{Draft, Log, NotKept, Owed};
use crate::realtime::{Advance, Conversations};
use crate::routes::RouteTable;
use crate::shared::Shared;
use crate::supervise::Supervisor;
use crate::vault::Vault;

pub use post::{NotPosted, Post};

/// The source of events that tell of the inbox.
pub const SOURCE: &str = "inbox";

/// The conversations, and what keeps them.
#[derive(Debug)]
pub struct Inbox {
    store: Arc<dyn Store>,
    log: Log,
    clock: Arc<dyn Clock>,
    client: Client,
    routes: Arc<RouteTable>,
    vault: Vault,
    connections: Arc<Connections>,
    /// What the operator has set for calling Unipile.
    settings: Settings,
    advance: Advance,
    /// Rung when there is something to send.
    to_send: Notify,
}

impl Inbox {
    pub(crate) fn new(shared: &Shared, connections: Arc<Connections>, log: Log) -> Self {
        let Shared { store, clock, client, routes, vault, advance, provider_settings, .. } = shared.clone();
        let settings = provider_settings.get("unipile").cloned().unwrap_or_default();
        let to_send = Notify::new();
        Self { store, log, clock, client, routes, vault, connections, settings, advance, to_send }
    }

    /// Follows the log and sends messages, for as long as `supervisor` lets it.
    pub(crate) fn keep(self: &Arc<Self>, supervisor: &Supervisor) {
        let follow = (Arc::clone(self), supervisor.stopping());
        supervisor.keep_with("follow the inbox", follow, |(inbox, stopping)| async move {
            inbox.follow(&stopping).await;
        });
        let send = (Arc::clone(self), supervisor.stopping());
        supervisor.keep_with("send messages", send, |(inbox, stopping)| async move {
            inbox.keep_sending(&stopping).await;
        });
    }

    /// Writes what is to be told into the log, as one.
    async fn tell(&self, tellings: Vec<Telling>) -> Result<(), NotKept> {
        let now = self.clock.now();
        self.keep_events(tellings.into_iter().map(|telling| telling.event(now)).collect()).await
    }

    async fn keep_events(&self, events: Vec<(Arc<Event>, Option<DedupeKey>)>) -> Result<(), NotKept> {
        if events.is_empty() {
            return Ok(());
        }
        self.log.append(Draft { events, idempotency: None, owed: Owed::ToWhoWantsThem }).await.map(drop)
    }

    /// A place in the log up to which all has been taken: whoever reads the inbox after asking for it, and streams from
    /// there, misses nothing.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn cursor(&self) -> Result<Position, StoreError> {
        let head = self.store.head().await?;
        let taken = self.store.inbox_position().await?;
        let is_behind = !self.store.read_inbox_log(taken, 1).await?.is_empty();
        Ok(if is_behind { taken.min(head) } else { head })
    }

    /// Writes a conversation that somebody has made or changed; false where somebody else was quicker.
    ///
    /// # Errors
    /// It is not known to be kept.
    pub async fn write(&self, stored: StoredConversation) -> Result<bool, StoreError> {
        self.store.keep_inbox(&InboxStep { conversations: vec![stored], ..InboxStep::default() }).await
    }

    /// The time to the millisecond, as it is shown: what is read from an event is then what was written.
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.clock.now().as_millis() * 1_000)
    }
}

/// Something to be told of the inbox.
#[derive(Debug)]
struct Telling {
    event_type: &'static str,
    user: UserId,
    /// What tells a repeat of it, within its type.
    id: String,
    occurred_at: Timestamp,
    data: Value,
}

impl Telling {
    /// What there is new of a message. `cause` is what it follows from: a message comes, is sent or fails but once, and
    /// all else once for each cause.
    fn of(
        news: News,
        conversation: &Conversation,
        message: &Message,
        cause: &str,
        occurred_at: Timestamp,
    ) -> Self {
        let id = match news {
            News::New | News::Sent | News::Failed => message.id.to_string(),
            _ => format!("{} {cause}", message.id),
        };
        Self {
            event_type: news.event_type(),
            user: conversation.user_id.clone(),
            id,
            occurred_at,
            data: domain::conversation::data(conversation, message),
        }
    }

    /// The same with one more thing to say.
    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        if let Value::Object(data) = &mut self.data {
            data.insert(name.to_owned(), value.into());
        }
        self
    }

    fn event(self, now: Timestamp) -> (Arc<Event>, Option<DedupeKey>) {
        let key = format!("{} {}", self.event_type, self.id);
        let event = Event {
            id: EventId::new(now, &mut chance::rng()),
            event_type: EventType::from_words([self.event_type]),
            user_id: Some(self.user),
            source: SOURCE.into(),
            provider: None,
            occurred_at: self.occurred_at,
            received_at: now,
            data: Json::trusted(self.data.to_string()),
            raw: None,
        };
        let dedupe_key = DedupeKey::new(SOURCE, event.user_id.as_ref(), &key);
        (Arc::new(event), Some(dedupe_key))
    }
}

/// The data of an event, as an object.
fn data_of(event: &Event) -> Map<String, Value> {
    serde_json::from_str(event.data.as_str()).unwrap_or_default()
}

#[async_trait]
impl Conversations for Inbox {
    async fn has(&self, user: &UserId, conversation: &str) -> Result<bool, StoreError> {
        let Ok(id) = conversation.parse::<ConversationId>() else { return Ok(false) };
        let found = self.store.conversation(id).await?;
        Ok(found.is_some_and(|stored| stored.conversation.user_id == *user))
    }
}

#[cfg(test)]
mod tests;
