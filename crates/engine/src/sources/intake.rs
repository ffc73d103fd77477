//! How a request at a custom source becomes an event: meet, verify, read, append.

use std::sync::Arc;

use domain::event::{DedupeKey, Json, NotJson};
use domain::{Event, EventId, EventType, Timestamp};
use http::{Method, header};
use providers::scheme::{self, Answer, Fetched, Handshake, Keys, Verified};
use providers::{RawRequest, Refusal, Unreadable};
use serde_json::{Map, Value};
use store::{Kept, KeptEvent, StoredSource};
use url::form_urlencoded;

use super::{CUSTOM, Source, SourceKeys, Sources};
use crate::chance;
use crate::documents::{Document, NoDocument};
use crate::limits::{DOCUMENT_BYTES_MAX, DOCUMENT_FETCH_TIMEOUT, DOCUMENTS_PER_REQUEST_MAX, FORM_FIELDS_MAX};
use crate::log::{Draft, NotKept, Owed};

/// What a request says.
#[derive(Debug)]
pub enum Read {
    /// An event, which is yet to be kept.
    Event(Unkept),
    /// It was a handshake, and is answered like this.
    Met(Answer),
}

/// An event that a sender has sent. The request that brought it is needed no more.
#[derive(Debug)]
pub struct Unkept {
    event: Arc<Event>,
    dedupe_key: Option<DedupeKey>,
    /// What the sender wants to hear once it is kept, where that is its own.
    answer: Option<Answer>,
}

/// Why a request was refused. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is not known to be the sender's.
    #[error(transparent)]
    Unverified(#[from] Refusal),
    /// Events come by POST, and this is no handshake.
    #[error("this is no handshake, and events come by POST")]
    NoHandshake,
    /// It is the sender's, and makes no sense.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// What it is checked against cannot be had now.
    #[error(transparent)]
    NoDocument(#[from] NoDocument),
    /// It could not be kept, or what it has changed.
    #[error(transparent)]
    NotKept(#[from] NotKept),
}

impl Sources {
    /// Reads a request at `source`.
    ///
    /// # Errors
    /// Why nothing of it will be kept.
    pub async fn read(&self, source: &Source, request: &RawRequest) -> Result<Read, Refused> {
        let now = self.clock.now();
        if let Some(sender) = source.sender.filter(|sender| sender.challenge.is_some()) {
            let meet = |keys: &Keys<'_>| sender.meet(request, keys, now);
            if let Some(handshake) = self.with_keys(source, meet).await? {
                return self.agree(source, handshake).await;
            }
        }
        if request.method != Method::POST {
            return Err(Refused::NoHandshake);
        }
        let read = |keys: &Keys<'_>| {
            let verified = match source.sender {
                Some(sender) => sender.verify(request, keys, now)?,
                None => scheme::verify(source.verification()?, request, keys, now)?,
            };
            Ok(Said::by(source, &verified))
        };
        let said = self.with_keys(source, read).await?;
        Ok(Read::Event(said.event(source, request, now)?))
    }

    /// Keeps what was read. The sender may want an answer of its own.
    ///
    /// # Errors
    /// It is not known to be kept.
    pub async fn keep(&self, unkept: Unkept) -> Result<(KeptEvent, Option<Answer>), NotKept> {
        let Unkept { event, dedupe_key, answer } = unkept;
        let draft =
            Draft { events: vec![(event, dedupe_key)], idempotency: None, owed: Owed::ToWhoWantsThem };
        let Kept::Events(kept) = self.log.append(draft).await? else { return Err(NotKept::Busy) };
        Ok((kept.into_iter().next().ok_or(NotKept::Busy)?, answer))
    }

    /// Does `check` with the source's keys, and with whatever it asks to be fetched.
    async fn with_keys<T>(
        &self,
        source: &Source,
        check: impl Fn(&Keys<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refused> {
        let (mut fetched, mut documents) = (Vec::<Fetched>::new(), Vec::<Arc<Document>>::new());
        for _ in 0..DOCUMENTS_PER_REQUEST_MAX {
            match check(&source.keys.with(&fetched)) {
                Err(Refusal::KeyNeeded(fetch)) => {
                    let document = self.documents.get(&fetch.url).await?;
                    fetched.push(Fetched { url: fetch.url, text: document.text.clone() });
                    documents.push(document);
                }
                Err(Refusal::UnknownKey) => {
                    if !self.renew(&mut fetched, &mut documents).await? {
                        return Err(Refusal::UnknownKey.into());
                    }
                }
                done => return Ok(done?),
            }
        }
        Ok(check(&source.keys.with(&fetched))?)
    }

    /// Replaces documents by newer ones; whether there was any.
    async fn renew(
        &self,
        fetched: &mut [Fetched],
        documents: &mut [Arc<Document>],
    ) -> Result<bool, NoDocument> {
        let mut has_newer = false;
        for (fetched, document) in fetched.iter_mut().zip(documents) {
            if let Some(newer) = self.documents.get_newer(&fetched.url, document).await? {
                fetched.text.clone_from(&newer.text);
                *document = newer;
                has_newer = true;
            }
        }
        Ok(has_newer)
    }

    /// Does what follows from a handshake, before it is answered.
    async fn agree(&self, source: &Source, handshake: Handshake) -> Result<Read, Refused> {
        if let Some(secret) = handshake.secret {
            self.take_secret(source, secret).await?;
        }
        if let Some(url) = handshake.visit {
            let visited = self.client.fetch(&url, DOCUMENT_BYTES_MAX, DOCUMENT_FETCH_TIMEOUT).await;
            visited.map_err(NoDocument::from)?;
        }
        Ok(Read::Met(handshake.answer))
    }

    /// Keeps the secret that a sender has handed out. Of two that come at once one is refused.
    async fn take_secret(&self, source: &Source, secret: String) -> Result<(), NotKept> {
        let keys = SourceKeys { secrets: vec![secret], ..source.keys.clone() };
        let changed = StoredSource {
            sealed_keys: keys.seal(&self.vault, source.id),
            updated_at: self.clock.now(),
            ..source.stored.clone()
        };
        let is_changed = self.store.change_source(&changed).await?;
        self.reload().await?;
        is_changed.then_some(()).ok_or(NotKept::Busy)
    }
}

impl Source {
    fn verification(&self) -> Result<&scheme::Verification, Refusal> {
        self.terms.verification().ok_or(Refusal::NoKey)
    }
}

/// What a verified request says about itself.
#[derive(Debug)]
struct Said {
    event_type: EventType,
    delivery_id: Option<String>,
    signed_at: Option<Timestamp>,
    answer: Option<Answer>,
}

impl Said {
    fn by(source: &Source, verified: &Verified<'_>) -> Self {
        let event_type = match source.sender {
            Some(sender) => sender.event_type(verified),
            None => EventType::from_words([CUSTOM, &verified.event_type()]),
        };
        let answer = source.sender.and_then(|sender| sender.answer(verified));
        Self { event_type, delivery_id: verified.delivery_id(), signed_at: verified.signed_at(), answer }
    }

    fn event(self, source: &Source, request: &RawRequest, now: Timestamp) -> Result<Unkept, Unreadable> {
        let Self { event_type, delivery_id, signed_at, answer } = self;
        let (data, is_whole_body) = json_of(request)?;
        let place = source.id.to_string();
        let user = source.user_id.as_ref();
        let dedupe_key = delivery_id.map(|id| DedupeKey::new(&place, user, &id));
        let event = Event {
            id: EventId::new(now, &mut chance::rng()),
            event_type,
            user_id: user.cloned(),
            source: place.into(),
            provider: source.sender.map(|sender| sender.name.clone().into()),
            occurred_at: signed_at.unwrap_or(now),
            received_at: now,
            data,
            raw: (!is_whole_body).then(|| request.content().to_vec()),
        };
        Ok(Unkept { event: Arc::new(event), dedupe_key, answer })
    }
}

/// The body as JSON, and whether that is all of it. A form becomes an object of its fields, and other text an object
/// with the field `text`; who says nothing in the body has said it in the headers.
fn json_of(request: &RawRequest) -> Result<(Json, bool), Unreadable> {
    let media_type = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    let is_text = essence.starts_with("text/") || essence.ends_with("xml");
    let value = match essence.as_str() {
        _ if request.content().is_empty() => Value::Object(Map::new()),
        "application/x-www-form-urlencoded" => form(request.content())?,
        // Some who send JSON say that it is text.
        _ => match Json::parse(request.content()) {
            Ok(json) => return Ok((json, true)),
            Err(_) if is_text => text(request.content())?,
            Err(error) => return Err(error.into()),
        },
    };
    Ok((Json::parse(value.to_string().as_bytes())?, false))
}

/// The fields of a form. Of those that come several times all values are kept.
fn form(body: &[u8]) -> Result<Value, Unreadable> {
    let mut fields = Map::new();
    for (count, (name, value)) in form_urlencoded::parse(body).enumerate() {
        if count >= FORM_FIELDS_MAX {
            return Err(Unreadable::Unexpected(format!("a form of more than {FORM_FIELDS_MAX} fields")));
        }
        let value = Value::String(value.into_owned());
        match fields.get_mut(name.as_ref()) {
            None => {
                fields.insert(name.into_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Ok(Value::Object(fields))
}

fn text(body: &[u8]) -> Result<Value, Unreadable> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Unreadable::NotJson(NotJson::NotUtf8(error.valid_up_to())))?;
    Ok(Value::Object(Map::from_iter([("text".to_owned(), text.into())])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(media_type: &str, body: &[u8]) -> Result<(String, bool), Unreadable> {
        let mut request = RawRequest::post("https://example.com/in/a", body.to_vec());
        request.headers.insert(header::CONTENT_TYPE, media_type.parse().unwrap());
        json_of(&request).map(|(json, is_whole)| (json.as_str().to_owned(), is_whole))
    }

    #[test]
    fn what_is_sent_becomes_json() {
        let json = br#" {"b":1, "a":[2]}"#;
        for media_type in ["application/json; charset=utf-8", "application/cloudevents+json", "text/plain"] {
            let (data, is_whole) = read_as(media_type, json).unwrap();
            assert!(data.contains(r#"{"b":1, "a":[2]}"#) && is_whole, "{media_type}: {data}");
        }
        let form = read_as("application/x-www-form-urlencoded", b"a=1&b=x+y&a=2&a=%22").unwrap();
        assert_eq!(form, (r#"{"a":["1","2","\""],"b":"x y"}"#.to_owned(), false));
        assert_eq!(read_as("text/xml", b"<a/>").unwrap(), (r#"{"text":"<a/>"}"#.to_owned(), false));
        assert_eq!(read_as("application/json", b"").unwrap(), ("{}".to_owned(), false));
    }

    #[test]
    fn what_is_neither_is_unreadable() {
        assert!(read_as("application/json", b"{").is_err());
        assert!(read_as("application/octet-stream", b"\x1f\x8b").is_err());
        assert!(read_as("text/plain", b"\xff").is_err());
        assert!(read_as("application/json", &[b'['; 100_000]).is_err());
        assert!(
            read_as("application/x-www-form-urlencoded", "a=1&".repeat(FORM_FIELDS_MAX + 1).as_bytes())
                .is_err()
        );
    }
}
