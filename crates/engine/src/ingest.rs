//! How a request becomes an event: verify, parse, route, append.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use domain::event::{DedupeKey, Json};
use domain::{Event, EventId, EventType, Timestamp, UserId};
use providers::{
    Inbound, InboundEvent, KeySet, Known, Owner, Provider, RawRequest, Refusal, Reply, Settings, Unreadable,
    Verified,
};
use store::{Idempotency, Kept, KeptEvent, Store, StoreError};

use crate::chance;
use crate::clock::Clock;
use crate::connections::Connections;
use crate::documents::{Document, Documents, NoDocument};
use crate::log::{Draft, Log, NotKept, Owed};
use crate::registrations::Registrations;
use crate::shared::Shared;

/// Where events come in.
#[derive(Debug)]
pub struct Intake {
    log: Log,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    documents: Arc<Documents>,
    connections: Arc<Connections>,
    registrations: Arc<Registrations>,
    /// By provider: what its requests are checked against.
    settings: HashMap<&'static str, Settings>,
}

/// What a provider's request says.
#[derive(Debug)]
pub enum Read {
    /// Events, which are yet to be kept.
    Events(Unkept),
    /// Nothing happened; the provider wants this answer.
    Reply(Reply),
    /// It is the provider's, and makes no sense; the provider wants this answer all the same.
    Ignored(Reply, Unreadable),
}

/// Events that a provider has sent. The request that brought them is needed no more.
#[derive(Debug)]
pub struct Unkept {
    provider: &'static dyn Provider,
    inbound: Vec<InboundEvent>,
    /// What is to be kept of each.
    events: Vec<Keyed>,
}

/// An event, and what tells a repeat of it.
type Keyed = (Arc<Event>, Option<DedupeKey>);

/// Why a provider's request was refused. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is not known to be the provider's.
    #[error(transparent)]
    Unverified(#[from] Refusal),
    /// It is the provider's, and makes no sense.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The keys that it is checked with cannot be had now.
    #[error(transparent)]
    NoDocument(#[from] NoDocument),
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
    /// An intake into `log`, that checks against what the operator has set.
    pub(crate) fn new(
        shared: &Shared,
        log: Log,
        documents: Arc<Documents>,
        (connections, registrations): (Arc<Connections>, Arc<Registrations>),
    ) -> Self {
        let Shared { store, clock, provider_settings: settings, .. } = shared.clone();
        Self { log, store, clock, documents, connections, registrations, settings }
    }

    /// Reads what `provider` sent about `user`.
    ///
    /// # Errors
    /// Why nothing of it will be kept.
    pub async fn read(
        &self,
        provider: &'static dyn Provider,
        user: Option<&UserId>,
        request: &RawRequest,
    ) -> Result<Read, Refused> {
        if let Some(reply) = provider.reply_to_anybody(request) {
            return Ok(Read::Reply(reply));
        }
        let now = self.clock.now();
        let known = Known { settings: self.settings(provider), keys: None, now };
        let verified = match provider.verify(request, &known) {
            Err(Refusal::UnknownKey) => Box::pin(self.verify_with_keys(provider, request, known)).await?,
            Err(refusal @ (Refusal::NoKey | Refusal::BadSignature)) => {
                Box::pin(self.verify_with_secrets(provider, user, request, known)).await?.ok_or(refusal)?
            }
            verified => verified?,
        };
        let inbound = match provider.parse(&verified, now) {
            Ok(Inbound::Events(inbound)) => inbound,
            Ok(Inbound::Reply(reply)) => return Ok(Read::Reply(reply)),
            // What cannot be read is an answer too, for a provider that would send it again for days.
            Err(unreadable) => {
                let reply = provider.reply_to_unreadable().ok_or_else(|| unreadable.clone())?;
                return Ok(Read::Ignored(reply, unreadable));
            }
        };
        let mut events = Vec::with_capacity(inbound.len());
        for inbound in &inbound {
            let owner = self.owner(provider, user, &inbound.owner).await?;
            events.push(event(provider, owner, inbound, request, now));
        }
        Ok(Read::Events(Unkept { provider, inbound, events }))
    }

    /// Keeps what was read; the first of its events.
    ///
    /// # Errors
    /// It is not known to be kept.
    pub async fn keep(&self, unkept: Unkept) -> Result<KeptEvent, NotKept> {
        let Unkept { provider, inbound, events } = unkept;
        let recurring = recurring(provider, &inbound, &events);
        // The log routes what it commits, so that both happen under one set of subscriptions.
        let mut kept = events_of(self.log.append(draft(events)).await?)?;
        if !recurring.is_empty() {
            Box::pin(self.recur(provider, &inbound, recurring, &mut kept)).await?;
        }
        if provider.only_hints() {
            Box::pin(self.poll_accounts(provider, &inbound)).await;
        }
        kept.into_iter().next().ok_or(NotKept::Busy)
    }

    /// Verifies with the keys that the provider's issuer publishes, and with newer ones if these lack the key.
    async fn verify_with_keys<'r>(
        &self,
        provider: &dyn Provider,
        request: &'r RawRequest,
        known: Known<'_>,
    ) -> Result<Verified<'r>, Refused> {
        let url = provider.key_document(known.settings).ok_or(Refusal::UnknownKey)?;
        let document = self.documents.get(url).await?;
        let verify = |document: &Document| -> Result<_, Refused> {
            let keys = KeySet::parse(document.text.as_bytes()).map_err(NoDocument::from)?;
            Ok(provider.verify(request, &Known { keys: Some(&keys), ..known })?)
        };
        match verify(&document) {
            Err(
                refused @ (Refused::Unverified(Refusal::UnknownKey)
                | Refused::NoDocument(NoDocument::NotKeys(_))),
            ) => match self.documents.get_newer(url, &document).await? {
                Some(newer) => verify(&newer),
                None => Err(refused),
            },
            verified => verified,
        }
    }

    /// Verifies with the secrets of what is registered; `None` where it fits none of them.
    async fn verify_with_secrets<'r>(
        &self,
        provider: &dyn Provider,
        user: Option<&UserId>,
        request: &'r RawRequest,
        known: Known<'_>,
    ) -> Result<Option<Verified<'r>>, NotKept> {
        let settings = self.registrations.with_secrets(provider, user, known.settings).await?;
        let known = settings.as_ref().map(|settings| Known { settings, ..known });
        Ok(known.and_then(|known| provider.verify(request, &known).ok()))
    }

    /// What a hub wants to hear that asks, with this query, whether `user` wants what it would send; `None` if nobody
    /// has asked it.
    ///
    /// # Errors
    /// The store is away.
    pub async fn confirm(
        &self,
        provider: &dyn Provider,
        user: Option<&UserId>,
        query: &str,
    ) -> Result<Option<Reply>, StoreError> {
        self.registrations.confirm(provider, user, query).await
    }

    /// Whose an event is: the user in the address, else whoever has connected the account, else the one whom the
    /// provider names.
    async fn owner(
        &self,
        provider: &dyn Provider,
        in_address: Option<&UserId>,
        owner: &Owner,
    ) -> Result<Option<UserId>, NotKept> {
        match (in_address, owner) {
            (Some(user), _) => Ok(Some(user.clone())),
            (None, Owner::Path) => Ok(None),
            (None, Owner::Account { id, user }) => {
                // Of several who have connected it the first counts.
                let connected = self.store.connections_to(provider.name(), id).await?;
                Ok(connected.into_iter().next().map_or_else(|| user.clone(), |c| Some(c.connection.user_id)))
            }
        }
    }

    /// Has the accounts polled that events are about. It is a hint: the next poll by itself would find the same.
    async fn poll_accounts(&self, provider: &dyn Provider, inbound: &[InboundEvent]) {
        let accounts = inbound.iter().filter_map(|inbound| match &inbound.owner {
            Owner::Account { id, .. } => Some(id),
            Owner::Path => None,
        });
        for account in accounts {
            if let Err(error) = self.connections.poll_account(provider.name(), account).await {
                tracing::warn!(%error, provider = provider.name(), "an account is polled later than it should be");
            }
        }
    }

    /// Keeps what turns out to be a further event about something known, and no repeat.
    async fn recur(
        &self,
        provider: &dyn Provider,
        inbound: &[InboundEvent],
        recurring: Vec<(usize, Keyed)>,
        kept: &mut [KeptEvent],
    ) -> Result<(), NotKept> {
        for (place, event) in recurring {
            let (inbound, kept) = (&inbound[place], &mut kept[place]);
            if kept.is_new {
                continue;
            }
            let first = self.store.event(kept.id).await?;
            if first.is_some_and(|first| !provider.is_repeat(&first.event, inbound)) {
                *kept = events_of(self.log.append(draft(vec![event])).await?)?.remove(0);
            }
        }
        Ok(())
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

    fn settings(&self, provider: &dyn Provider) -> &Settings {
        static NOTHING: LazyLock<Settings> = LazyLock::new(Settings::default);
        self.settings.get(provider.name()).unwrap_or(&NOTHING)
    }
}

fn draft(events: Vec<Keyed>) -> Draft {
    Draft { events, idempotency: None, owed: Owed::ToWhoWantsThem }
}

fn event(
    provider: &dyn Provider,
    owner: Option<UserId>,
    inbound: &InboundEvent,
    request: &RawRequest,
    now: Timestamp,
) -> Keyed {
    let dedupe_key = DedupeKey::new(provider.name(), owner.as_ref(), &inbound.dedupe_id);
    let event = Event {
        id: EventId::new(now, &mut chance::rng()),
        event_type: inbound.event_type.clone(),
        user_id: owner,
        source: provider.name().into(),
        provider: Some(provider.name().into()),
        occurred_at: inbound.occurred_at.unwrap_or(now),
        received_at: now,
        data: inbound.data.clone(),
        raw: (!inbound.is_whole_body).then(|| request.content().to_vec()),
    };
    (Arc::new(event), Some(dedupe_key))
}

/// What is kept instead of those that turn out to be about something known and no repeats of it, each with its place.
fn recurring(provider: &dyn Provider, inbound: &[InboundEvent], events: &[Keyed]) -> Vec<(usize, Keyed)> {
    let again = |(place, (inbound, (event, _))): (usize, (&InboundEvent, &Keyed))| {
        let recurrence = inbound.recurrence.as_ref()?;
        let id = EventId::new(event.received_at, &mut chance::rng());
        let event = Event { id, event_type: recurrence.event_type.clone(), ..(**event).clone() };
        let dedupe_key = DedupeKey::new(provider.name(), event.user_id.as_ref(), &recurrence.dedupe_id);
        Some((place, (Arc::new(event), Some(dedupe_key))))
    };
    inbound.iter().zip(events).enumerate().filter_map(again).collect()
}

/// The source of what the host application publishes.
pub const API: &str = "api";

fn published(
    publication: Publication,
    index: usize,
    idempotency: Option<&Idempotency>,
    now: Timestamp,
) -> Keyed {
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
        source: API.into(),
        provider: None,
        occurred_at: publication.occurred_at.unwrap_or(now),
        received_at: now,
        data: publication.data,
        raw: None,
    };
    (Arc::new(event), dedupe_key)
}

fn events_of(kept: Kept) -> Result<Vec<KeptEvent>, NotKept> {
    match kept {
        Kept::Events(events) if !events.is_empty() => Ok(events),
        Kept::Events(_) | Kept::KeyTaken => Err(NotKept::Busy),
    }
}
