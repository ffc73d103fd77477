//! How a request becomes an event: verify, parse, route, append.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::event::{DedupeKey, Json};
use domain::{Event, EventId, EventType, Timestamp, UserId};
use providers::{Inbound, InboundEvent, Provider, RawRequest, Refusal, Reply, Unreadable};
use store::{Idempotency, Kept, KeptEvent};

use crate::chance;
use crate::clock::Clock;
use crate::log::{Draft, Log, NotKept, Owed};

/// Where events come in.
#[derive(Debug)]
pub struct Intake {
    log: Log,
    clock: Arc<dyn Clock>,
    /// By provider: what its requests may be signed with.
    secrets: HashMap<&'static str, Vec<String>>,
}

/// What became of a provider's request.
#[derive(Debug)]
pub enum Ingested {
    /// The event is durable, and all that it owes.
    Kept(KeptEvent),
    /// Nothing happened; the provider wants this answer.
    Reply(Reply),
}

/// Why a provider's request was refused. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is not known to be the provider's.
    #[error(transparent)]
    Unverified(#[from] Refusal),
    /// It is the provider's, and makes no sense.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It could not be kept.
    #[error(transparent)]
    NotKept(#[from] NotKept),
}

/// An event that the host application publishes.
#[derive(Debug)]
pub struct Publication {
    /// What kind of fact.
    pub event_type: EventType,
    /// Whose.
    pub user_id: Option<UserId>,
    /// What happened.
    pub data: Json,
    /// When; `None`: now.
    pub occurred_at: Option<Timestamp>,
    /// The application's own id for it; a second event with it is a repeat.
    pub id: Option<String>,
}

impl Intake {
    /// An intake that checks with `secrets`.
    #[must_use]
    pub fn new(log: Log, clock: Arc<dyn Clock>, secrets: HashMap<&'static str, Vec<String>>) -> Self {
        Self { log, clock, secrets }
    }

    /// Takes in what `provider` sent about `user`.
    ///
    /// # Errors
    /// Why nothing was kept.
    pub async fn ingest(
        &self,
        provider: &'static dyn Provider,
        user: Option<UserId>,
        request: &RawRequest,
    ) -> Result<Ingested, Refused> {
        let now = self.clock.now();
        let verified = provider.verify(request, self.secrets(provider), now)?;
        let inbound = match provider.parse(&verified)? {
            Inbound::Event(inbound) => inbound,
            Inbound::Reply(reply) => return Ok(Ingested::Reply(reply)),
        };
        // The log routes what it commits, so that both happen under one set of subscriptions.
        let kept = self.log.append(draft(provider, user, inbound, request, now)).await?;
        Ok(Ingested::Kept(only(kept)?))
    }

    /// Takes in what the host application publishes, all of it or nothing. `idempotency` is the caller's key, scoped to
    /// them, and the digest of the body it came with.
    ///
    /// # Errors
    /// Nothing was kept, or nobody can tell.
    pub async fn publish(
        &self,
        publications: Vec<Publication>,
        idempotency: Option<Idempotency>,
    ) -> Result<Kept, NotKept> {
        let now = self.clock.now();
        let event = |(index, publication)| published(publication, index, idempotency.as_ref(), now);
        let events = publications.into_iter().enumerate().map(event).collect();
        self.log.append(Draft { events, idempotency, owed: Owed::ToWhoWantsThem }).await
    }

    fn secrets(&self, provider: &dyn Provider) -> &[String] {
        self.secrets.get(provider.name()).map_or(&[], Vec::as_slice)
    }
}

fn draft(
    provider: &dyn Provider,
    user: Option<UserId>,
    inbound: InboundEvent,
    request: &RawRequest,
    now: Timestamp,
) -> Draft {
    let dedupe_key = DedupeKey::new(provider.name(), user.as_ref(), &inbound.dedupe_id);
    let event = Event {
        id: EventId::new(now, &mut chance::rng()),
        event_type: inbound.event_type,
        user_id: user,
        source: provider.name().to_owned(),
        provider: Some(provider.name().to_owned()),
        occurred_at: inbound.occurred_at.unwrap_or(now),
        received_at: now,
        data: inbound.data,
        raw: (!inbound.is_whole_body).then(|| request.body.to_vec()),
    };
    Draft { events: vec![(Arc::new(event), Some(dedupe_key))], idempotency: None, owed: Owed::ToWhoWantsThem }
}

/// The source of what the host application publishes.
pub const API: &str = "api";

fn published(
    publication: Publication,
    index: usize,
    idempotency: Option<&Idempotency>,
    now: Timestamp,
) -> (Arc<Event>, Option<DedupeKey>) {
    let user = publication.user_id.as_ref();
    let dedupe_key = match (&publication.id, idempotency) {
        (Some(id), _) => Some(DedupeKey::new(API, user, id)),
        // A repeat of the request then finds its own events. The body is part of it: once the key has expired, another
        // body under it is another event.
        (None, Some(Idempotency { key, body, .. })) => {
            Some(DedupeKey::new("idempotency", user, &format!("{key:?}{body:?}{index}")))
        }
        (None, None) => None,
    };
    let event = Event {
        // A microsecond apart, so that a batch is listed and delivered in its order.
        id: EventId::new(now.plus(Duration::from_micros(index as u64)), &mut chance::rng()),
        event_type: publication.event_type,
        user_id: publication.user_id,
        source: API.to_owned(),
        provider: None,
        occurred_at: publication.occurred_at.unwrap_or(now),
        received_at: now,
        data: publication.data,
        raw: None,
    };
    (Arc::new(event), dedupe_key)
}

fn only(kept: Kept) -> Result<KeptEvent, NotKept> {
    match kept {
        Kept::Events(events) => events.into_iter().next().ok_or(NotKept::Busy),
        Kept::KeyTaken => Err(NotKept::Busy),
    }
}
