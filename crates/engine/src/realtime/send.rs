//! What clients do: send a message, mark a conversation as read, say that they type.
//!
//! What is to last becomes an event, which the inbox carries out; the rest is passed on and not kept.

use std::sync::Arc;

use async_trait::async_trait;
use domain::event::{DedupeKey, Json};
use domain::{Event, EventId, EventType, UserId};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use store::{Idempotency, Kept, StoreError};

use super::cursor::Cursor;
use super::ephemera::{Rooms, TYPING, Whisper};
use super::frame::{Ack, Refusal, Send};
use crate::chance;
use crate::clock::Clock;
use crate::limits::{CLIENT_ID_BYTES_MAX, CLIENT_KEY_LASTS};
use crate::log::{Draft, Log, Owed};

/// The source of events that clients of streams make.
pub const SOURCE: &str = "realtime";

/// The code of what could not be kept, which may well be later.
pub const UNAVAILABLE: &str = "unavailable";

/// Knows which conversations there are. It is the inbox's to say.
#[async_trait]
pub trait Conversations: std::marker::Send + Sync + std::fmt::Debug + 'static {
    /// Whether `user` has a conversation of that id.
    async fn has(&self, user: &UserId, conversation: &str) -> Result<bool, StoreError>;
}

/// Carries out what clients send.
#[derive(Debug)]
pub struct Desk {
    log: Log,
    clock: Arc<dyn Clock>,
    rooms: Arc<Rooms>,
    conversations: Arc<dyn Conversations>,
}

impl Desk {
    pub(crate) fn new(
        log: Log,
        clock: Arc<dyn Clock>,
        rooms: Arc<Rooms>,
        conversations: Arc<dyn Conversations>,
    ) -> Self {
        Self { log, clock, rooms, conversations }
    }

    /// Does what `user` sends, from `connection` if it comes over one. What is to last is durable once it is answered.
    pub async fn take(&self, user: Option<&UserId>, connection: Option<u64>, send: Send) -> Ack {
        let id = send.id.clone();
        let outcome = match user {
            Some(user) => self.carry_out(user, connection, &send).await,
            None => Err(refusal("no_user", "the operator sends nothing for nobody: name a user")),
        };
        Ack { id, outcome }
    }

    async fn carry_out(
        &self,
        user: &UserId,
        connection: Option<u64>,
        send: &Send,
    ) -> Result<Option<Cursor>, Refusal> {
        let kept = |data: Map<String, Value>| self.keep(user, send, data);
        match send.kind.as_str() {
            "typing" => {
                let (conversation, data) = typing(&send.data)?;
                let whisper = Whisper { kind: TYPING, from: user.clone(), data, by: connection };
                self.rooms.type_in(&conversation, whisper, self.clock.elapsed());
                Ok(None)
            }
            "message.send" => kept(message(&send.data)?).await.map(Some),
            "read.mark" => kept(Map::from_iter([conversation(&send.data)?])).await.map(Some),
            _ => Err(refusal("unknown_type", "a client sends message.send, read.mark or typing")),
        }
    }

    /// Keeps it as an event; its place in the log. The same again within a day is answered with the first.
    async fn keep(
        &self,
        user: &UserId,
        send: &Send,
        mut data: Map<String, Value>,
    ) -> Result<Cursor, Refusal> {
        let known = data["conversation_id"].as_str().unwrap_or_default();
        if !self.conversations.has(user, known).await.map_err(|_| unavailable())? {
            return Err(refusal("unknown_conversation", "there is no such conversation"));
        }
        let now = self.clock.now();
        let mut idempotency = None;
        if let Some(key) = &send.key {
            if key.is_empty() || key.len() > CLIENT_ID_BYTES_MAX {
                return Err(invalid("key", "a text of 1 to 256 bytes"));
            }
            let digest = Sha256::digest(json!([send.kind, data]).to_string());
            let mut body = [0; 16];
            body.copy_from_slice(&digest[..16]);
            idempotency = Some(Idempotency {
                key: DedupeKey::new("realtime key", Some(user), key),
                body,
                expires_at: now.plus(CLIENT_KEY_LASTS),
            });
            data.insert("key".to_owned(), key.as_str().into());
        }
        let dedupe_key = idempotency.map(|Idempotency { key, body, .. }| {
            DedupeKey::new("realtime send", Some(user), &format!("{key:?}{body:?}"))
        });
        let event = Event {
            id: EventId::new(now, &mut chance::rng()),
            event_type: EventType::from_words([send.kind.as_str()]),
            user_id: Some(user.clone()),
            source: SOURCE.into(),
            provider: None,
            occurred_at: now,
            received_at: now,
            data: Json::trusted(Value::Object(data).to_string()),
            raw: None,
        };
        let events = vec![(Arc::new(event), dedupe_key)];
        let kept = self.log.append(Draft { events, idempotency, owed: Owed::ToWhoWantsThem }).await;
        match kept.map_err(|_| unavailable())? {
            Kept::Events(events) => {
                events.first().map(|event| Cursor(event.position)).ok_or_else(unavailable)
            }
            Kept::KeyTaken => Err(refusal("key_reused", "this key was used for something else within a day")),
        }
    }
}

fn typing(data: &Value) -> Result<(String, Value), Refusal> {
    let (name, id) = conversation(data)?;
    let state = match &data["state"] {
        Value::Null => "started",
        Value::String(state) if (1..=32).contains(&state.len()) => state,
        _ => return Err(invalid("state", "a text of 1 to 32 bytes")),
    };
    let conversation = id.as_str().unwrap_or_default().to_owned();
    Ok((conversation, Value::Object(Map::from_iter([(name, id), ("state".to_owned(), state.into())]))))
}

fn message(data: &Value) -> Result<Map<String, Value>, Refusal> {
    const KINDS: [&str; 5] = ["TEXT", "IMAGE", "VIDEO", "DOCUMENT", "AUDIO"];
    let content = data["content"].as_str().filter(|content| !content.is_empty());
    let content = content.ok_or_else(|| invalid("content", "a text that is not empty"))?;
    let kind = match &data["content_type"] {
        Value::Null => "TEXT",
        kind => kind
            .as_str()
            .filter(|kind| KINDS.contains(kind))
            .ok_or_else(|| invalid("content_type", "TEXT, IMAGE, VIDEO, DOCUMENT or AUDIO"))?,
    };
    let mut message = Map::from_iter([
        conversation(data)?,
        ("content".to_owned(), content.into()),
        ("content_type".to_owned(), kind.into()),
    ]);
    match &data["filename"] {
        Value::Null => {}
        Value::String(name) if name.len() <= CLIENT_ID_BYTES_MAX => {
            message.insert("filename".to_owned(), name.as_str().into());
        }
        _ => return Err(invalid("filename", "a text of at most 256 bytes")),
    }
    Ok(message)
}

fn conversation(data: &Value) -> Result<(String, Value), Refusal> {
    let id = data["conversation_id"].as_str();
    let id = id.filter(|id| (1..=CLIENT_ID_BYTES_MAX).contains(&id.len()));
    let id = id.ok_or_else(|| invalid("conversation_id", "a text of 1 to 256 bytes"))?;
    Ok(("conversation_id".to_owned(), id.into()))
}

fn invalid(field: &str, expected: &str) -> Refusal {
    refusal("invalid", format!("{field} must be {expected}"))
}

fn unavailable() -> Refusal {
    refusal(UNAVAILABLE, "it could not be kept: send it again")
}

fn refusal(code: &'static str, detail: impl Into<String>) -> Refusal {
    Refusal { code, detail: detail.into() }
}
