//! How the domain's words are read from rows, and the columns in which they lie.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use domain::attempt::{Attempt, ErrorCode};
use domain::delivery::{Claim, Delivery, Holder, State, Status, Trigger};
use domain::event::Json;
use domain::job::{self, Job, Standing};
use domain::order::OrderingKey;
use domain::subscription::{Subscription, Target};
use domain::{Connection, Event, Registration, Timestamp, UserId, connection, registration};

use crate::sql::Row;
use crate::{
    ApiKey, Claimed, KeyDigest, Logged, PastEvent, Position, Rejection, Result, StoreError, StoredConnection,
    StoredJob, StoredRegistration, StoredSource, StoredSubscription, Task,
};

pub(crate) const EVENT: &str =
    "position, id, event_type, user_id, source, provider, occurred_at, received_at, data, raw";

pub(crate) const DELIVERY: &str = "id, event_id, event_type, user_id, owner_id, subscription_id, status, \
     next_attempt_at, claimed_by, claim_deadline, attempt_count, max_attempts, lapses, cause, created_at, \
     completed_at, response_status, error, ordering_key";

/// The columns of [`DELIVERY`] and [`EVENT`] where both tables are in play.
pub(crate) const DELIVERY_OF_TABLE: &str = "deliveries.id, deliveries.event_id, deliveries.event_type, \
     deliveries.user_id, deliveries.owner_id, deliveries.subscription_id, deliveries.status, \
     deliveries.next_attempt_at, deliveries.claimed_by, deliveries.claim_deadline, deliveries.attempt_count, \
     deliveries.max_attempts, deliveries.lapses, deliveries.cause, deliveries.created_at, deliveries.completed_at, \
     deliveries.response_status, deliveries.error, deliveries.ordering_key";
pub(crate) const EVENT_OF_TABLE: &str = "events.position, events.id, events.event_type, events.user_id, \
     events.source, events.provider, events.occurred_at, events.received_at, events.data, events.raw";

/// [`EVENT`], from [`USER_EVENTS`](crate::sql::Sql::USER_EVENTS).
pub(crate) const EVENT_OF_USER: &str = "mine.position AS position, mine.id AS id, event_type, mine.user_id AS user_id, \
     source, provider, occurred_at, received_at, data, raw";

pub(crate) const ATTEMPT: &str = "delivery_id, number, at, cause, duration_us, response_status, response_headers, \
     response_body, error, error_code";

pub(crate) const SUBSCRIPTION: &str =
    "id, user_id, target, address, terms, is_active, paused, sealed_key, created_at, updated_at, revision";

pub(crate) const JOB: &str =
    "id, owner_id, work, state, total, done, failed, error, created_at, finished_at, node, cursor, revision";

pub(crate) const API_KEY: &str = "id, name, user_id, digest, created_at";

pub(crate) const REJECTION: &str = "id, at, route, source, address, reason, detail, headers, body";

pub(crate) const SOURCE: &str = "id, user_id, name, terms, is_active, sealed_keys, token, previous_token, \
     previous_until, created_at, updated_at, revision";

pub(crate) const CONNECTION: &str = "id, user_id, provider, account_id, state, state_reason, scopes, expires_at, \
     authorized_at, refresh, settings, last_sync_at, removed_at, sealed_tokens, created_at, updated_at, revision";

pub(crate) const REGISTRATION: &str = "id, user_id, provider, basis, target, url, place, events, config, external_id, \
     state, state_reason, progress, expires_at, due_at, created_at, updated_at, sealed_secrets, revision";

impl Row {
    pub(crate) fn parsed<T: FromStr<Err: std::fmt::Display>>(&mut self) -> Result<T> {
        parse(&self.text()?)
    }

    fn parsed_or_null<T: FromStr<Err: std::fmt::Display>>(&mut self) -> Result<Option<T>> {
        self.text_or_null()?.map(|text| parse(&text)).transpose()
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp> {
        Ok(Timestamp::from_micros(self.int()?))
    }

    pub(crate) fn time_or_null(&mut self) -> Result<Option<Timestamp>> {
        Ok(self.int_or_null()?.map(Timestamp::from_micros))
    }

    fn count(&mut self) -> Result<u16> {
        narrow(self.int()?)
    }

    fn owned_text_or_null(&mut self) -> Result<Option<String>> {
        Ok(self.text_or_null()?.map(|text| text.to_string()))
    }

    pub(crate) fn event(&mut self) -> Result<Logged> {
        let position = Position(self.int()?);
        let event = Event {
            id: self.id()?,
            event_type: self.parsed()?,
            user_id: self.parsed_or_null()?,
            source: self.text()?.to_string().into(),
            provider: self.owned_text_or_null()?.map(Cow::Owned),
            occurred_at: self.time()?,
            received_at: self.time()?,
            data: Json::trusted(self.text()?),
            raw: self.bytes_or_null()?,
        };
        Ok(Logged { position, event: Arc::new(event) })
    }

    pub(crate) fn delivery(&mut self) -> Result<Delivery> {
        Ok(Delivery {
            id: self.id()?,
            event_id: self.id()?,
            event_type: self.parsed()?,
            user_id: self.parsed_or_null()?,
            owner_id: self.parsed_or_null()?,
            subscription_id: self.id()?,
            state: self.state()?,
            attempt_count: self.count()?,
            max_attempts: self.count()?,
            lapses: self.count()?,
            trigger: self.trigger()?,
            created_at: self.time()?,
            completed_at: self.time_or_null()?,
            response_status: self.int_or_null()?.map(narrow).transpose()?,
            error: self.owned_text_or_null()?,
            ordering_key: self.ordering_key_or_null()?,
        })
    }

    fn ordering_key_or_null(&mut self) -> Result<Option<OrderingKey>> {
        let bytes = self.bytes_or_null()?.map(<[u8; 16]>::try_from).transpose();
        let bytes = bytes.map_err(|_| StoreError::Corrupt("an ordering key has 16 bytes".to_owned()))?;
        Ok(bytes.map(OrderingKey::from_bytes))
    }

    pub(crate) fn claimed(&mut self) -> Result<Claimed> {
        Ok(Claimed { delivery: self.delivery()?, event: self.event()?.event })
    }

    fn state(&mut self) -> Result<State> {
        let status = self.text()?;
        let (due_at, holder, deadline) = (self.time_or_null()?, self.text_or_null()?, self.time_or_null()?);
        let status = Status::ALL.into_iter().find(|known| known.as_str() == &*status);
        Ok(match (status, due_at, holder, deadline) {
            (Some(Status::Pending), Some(due_at), _, _) => State::Pending { due_at },
            (Some(Status::Retrying), Some(due_at), _, _) => State::Retrying { due_at },
            (Some(Status::Processing), _, Some(holder), Some(deadline)) => {
                State::Processing(Claim { holder: Holder::from_text(&holder), deadline })
            }
            (Some(Status::Held), ..) => State::Held,
            (Some(Status::Success), ..) => State::Success,
            (Some(Status::Failed), ..) => State::Failed,
            (Some(Status::Cancelled), ..) => State::Cancelled,
            _ => {
                return Err(StoreError::Corrupt(format!(
                    "a delivery is {status:?} without what belongs to that"
                )));
            }
        })
    }

    fn trigger(&mut self) -> Result<Trigger> {
        let text = self.text()?;
        known(&text, Trigger::ALL.into_iter().find(|trigger| trigger.as_str() == &*text))
    }

    pub(crate) fn attempt(&mut self) -> Result<Attempt> {
        Ok(Attempt {
            delivery_id: self.id()?,
            number: self.count()?,
            at: self.time()?,
            trigger: self.trigger()?,
            duration: Duration::from_micros(u64::try_from(self.int()?).unwrap_or(0)),
            response_status: self.int_or_null()?.map(narrow).transpose()?,
            response_headers: self.owned_text_or_null()?,
            response_body: self.bytes_or_null()?,
            error: self.owned_text_or_null()?,
            error_code: self
                .text_or_null()?
                .map(|text| known(&text, ErrorCode::ALL.into_iter().find(|code| code.as_str() == &*text)))
                .transpose()?,
        })
    }

    pub(crate) fn subscription(&mut self) -> Result<StoredSubscription> {
        let (id, user_id) = (self.id()?, self.parsed_or_null::<UserId>()?);
        let (target, address) = (self.text()?, self.text()?.to_string());
        let target = match &*target {
            "pull" => Target::Pull { queue: address },
            _ => Target::Push { url: address },
        };
        let terms = self.text()?;
        let terms = serde_json::from_str(&terms).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let (is_active, paused) = (self.int()? != 0, self.int()? != 0);
        let sealed_key = self.bytes()?;
        let (created_at, updated_at) = (self.time()?, self.time()?);
        let subscription =
            Subscription { id, user_id, target, terms, is_active, paused, created_at, updated_at };
        Ok(StoredSubscription { subscription, sealed_key, revision: self.int()? })
    }

    pub(crate) fn job(&mut self) -> Result<StoredJob> {
        let (id, owner_id, work) = (self.id()?, self.parsed_or_null()?, self.text()?);
        let work = serde_json::from_str(&work).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let state = self.text()?;
        let state = known(&state, job::State::ALL.into_iter().find(|known| known.as_str() == &*state))?;
        let mut count = || self.int().map(|count| u64::try_from(count).ok());
        let (total, done, failed) = (count()?, count()?.unwrap_or(0), count()?.unwrap_or(0));
        let (error, created_at, finished_at) = (self.owned_text_or_null()?, self.time()?, self.time()?);
        let finished_at = (state != job::State::Running).then_some(finished_at);
        let job = Job { id, owner_id, work, state, total, done, failed, error, created_at, finished_at };
        let node = Some(self.id::<[u8; 16]>()?).filter(|node| *node != NOBODY).map(Into::into);
        Ok(StoredJob { job, node, cursor: self.id()?, revision: self.int()? })
    }

    pub(crate) fn past_event(&mut self) -> Result<PastEvent> {
        let event = self.event()?.event;
        let data_bytes = self.int()?.unsigned_abs();
        let standing = match self.int_or_null()? {
            Some(1) => Standing::Cancelled,
            Some(2) => Standing::Failed,
            Some(3) => Standing::Owed,
            _ => Standing::Unknown,
        };
        Ok(PastEvent { event, data_bytes, standing })
    }

    pub(crate) fn api_key(&mut self) -> Result<ApiKey> {
        Ok(ApiKey {
            id: self.id()?,
            name: self.text()?.to_string(),
            user_id: self.parsed_or_null()?,
            digest: self.bytes()?.try_into().map_err(|_| StoreError::Corrupt("a key's digest".to_owned()))?,
            created_at: self.time()?,
        })
    }

    pub(crate) fn source(&mut self) -> Result<StoredSource> {
        Ok(StoredSource {
            id: self.id()?,
            user_id: self.parsed_or_null()?,
            name: self.text()?.to_string(),
            terms: self.text()?.to_string(),
            is_active: self.int()? != 0,
            sealed_keys: self.bytes()?,
            token: digest(self.bytes()?)?,
            previous_token: match (self.bytes()?, self.time()?) {
                (none, _) if none.is_empty() => None,
                (token, until) => Some((digest(token)?, until)),
            },
            created_at: self.time()?,
            updated_at: self.time()?,
            revision: self.int()?,
        })
    }

    pub(crate) fn connection(&mut self) -> Result<StoredConnection> {
        let connection = Connection {
            id: self.id()?,
            user_id: self.parsed()?,
            provider: self.text()?.to_string(),
            account_id: self.text()?.to_string(),
            state: self.connection_state()?,
            state_reason: self.owned_text_or_null()?,
            scopes: from_json(&self.text()?)?,
            expires_at: self.time_or_zero()?,
            authorized_at: self.time()?,
            refresh: from_json(&self.text()?)?,
            settings: from_json(&self.text()?)?,
            last_sync_at: self.time_or_zero()?,
            removed_at: self.time_or_zero()?,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
        };
        let sealed_tokens = self.bytes()?;
        let connection = Connection { created_at: self.time()?, updated_at: self.time()?, ..connection };
        Ok(StoredConnection { connection, sealed_tokens, revision: self.int()? })
    }

    fn connection_state(&mut self) -> Result<connection::State> {
        let text = self.text()?;
        known(&text, connection::State::ALL.into_iter().find(|state| state.as_str() == &*text))
    }

    pub(crate) fn registration(&mut self) -> Result<StoredRegistration> {
        let registration = Registration {
            id: self.id()?,
            user_id: self.parsed_or_null()?,
            provider: self.text()?.to_string(),
            basis: self.parsed()?,
            target: self.text()?.to_string(),
            url: self.text()?.to_string(),
            place: self.text()?.to_string(),
            events: from_json(&self.text()?)?,
            config: self.text_or_null()?.map(Json::trusted),
            external_id: self.owned_text_or_null()?,
            state: self.registration_state()?,
            state_reason: self.owned_text_or_null()?,
            progress: from_json(&self.text()?)?,
            expires_at: self.time_or_zero()?,
            due_at: self.time_or_zero()?,
            created_at: self.time()?,
            updated_at: self.time()?,
        };
        Ok(StoredRegistration { registration, sealed_secrets: self.bytes()?, revision: self.int()? })
    }

    fn registration_state(&mut self) -> Result<registration::State> {
        let text = self.text()?;
        known(&text, registration::State::ALL.into_iter().find(|state| state.as_str() == &*text))
    }

    /// No time is zero: a null number cannot be bound in a statement that both engines share.
    fn time_or_zero(&mut self) -> Result<Option<Timestamp>> {
        Ok(Some(self.int()?).filter(|&micros| micros != 0).map(Timestamp::from_micros))
    }

    pub(crate) fn task(&mut self) -> Result<Task> {
        Ok(Task {
            kind: self.text()?.to_string(),
            subject: self.text()?.to_string(),
            turn: self.int()?,
            memory: self.text()?.to_string(),
            rings: self.int()?,
        })
    }

    pub(crate) fn rejection(&mut self) -> Result<Rejection> {
        Ok(Rejection {
            id: self.id()?,
            at: self.time()?,
            route: self.text()?.to_string(),
            source: self.owned_text_or_null()?,
            address: self.text()?.to_string(),
            reason: self.text()?.to_string(),
            detail: self.text()?.to_string(),
            headers: self.text()?.to_string(),
            body: self.bytes()?,
        })
    }
}

/// The node of a job that nobody works on.
pub(crate) const NOBODY: [u8; 16] = [0; 16];

/// A delivery's state as its four columns.
#[derive(Debug)]
pub(crate) struct StateColumns {
    pub(crate) status: &'static str,
    pub(crate) next_attempt_at: Option<i64>,
    pub(crate) claimed_by: Option<String>,
    pub(crate) claim_deadline: Option<i64>,
}

pub(crate) fn state_columns(state: &State) -> StateColumns {
    let (due_at, claim) = match state {
        State::Pending { due_at } | State::Retrying { due_at } => (Some(*due_at), None),
        State::Processing(claim) => (None, Some(claim)),
        _ => (None, None),
    };
    StateColumns {
        status: state.status().as_str(),
        next_attempt_at: due_at.map(Timestamp::as_micros),
        claimed_by: claim.map(|claim| claim.holder.to_text()),
        claim_deadline: claim.map(|claim| claim.deadline.as_micros()),
    }
}

/// An ordering key as it is kept.
pub(crate) fn ordering_key_bytes(delivery: &Delivery) -> Option<&[u8]> {
    delivery.ordering_key.as_ref().map(|key| key.as_bytes().as_slice())
}

fn digest(bytes: Vec<u8>) -> Result<KeyDigest> {
    bytes.try_into().map_err(|_| StoreError::Corrupt("a digest".to_owned()))
}

fn parse<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T> {
    text.parse().map_err(|error: T::Err| StoreError::Corrupt(format!("{text:?}: {error}")))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn narrow(value: i64) -> Result<u16> {
    u16::try_from(value).map_err(|_| StoreError::Corrupt(format!("{value} is out of range")))
}

fn known<T>(text: &str, found: Option<T>) -> Result<T> {
    found.ok_or_else(|| StoreError::Corrupt(format!("{text:?} is not known here")))
}
