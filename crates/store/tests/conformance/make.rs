//! Makes what the cases are about: things that are alike, each with an id of its own, the same in each run.

use std::sync::Arc;
use std::time::Duration;

use domain::attempt::{Attempt, ErrorCode};
use domain::connection::{self, Refresh};
use domain::conversation::{self, Arrival, Conversation, Message, What};
use domain::delivery::{Claim, Delivery, Holder, State, Trigger};
use domain::event::{DedupeKey, Json};
use domain::job::{Job, Work};
use domain::lease::LeaseToken;
use domain::registration::{self, Basis, Progress};
use domain::subscription::{Subscription, Target, Terms};
use domain::{
    Connection, ConnectionId, ConversationId, DeliveryId, Event, EventId, JobId, KeyId, MessageId, NodeId,
    Registration, RegistrationId, RejectionId, SourceId, SubscriptionId, Timestamp, UserId,
};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use store::{
    ApiKey, Append, Change, Fence, Idempotency, Lane, NewEvent, Rejection, StoredConnection,
    StoredConversation, StoredJob, StoredMessage, StoredRegistration, StoredSource, StoredSubscription,
};

/// Makes ids from a seed.
pub(crate) struct Make(SmallRng);

impl Make {
    pub(crate) fn new() -> Self {
        Self(SmallRng::seed_from_u64(1))
    }

    pub(crate) fn event(&mut self, received_at: Timestamp) -> Event {
        Event {
            id: EventId::new(received_at, &mut self.0),
            event_type: "task.created".parse().unwrap(),
            user_id: Some(user("alice")),
            source: "api".into(),
            provider: None,
            occurred_at: received_at,
            received_at,
            data: json("{}"),
            raw: None,
        }
    }

    pub(crate) fn subscription(&mut self, created_at: Timestamp) -> StoredSubscription {
        let subscription = Subscription {
            id: SubscriptionId::new(created_at, &mut self.0),
            user_id: Some(user("alice")),
            target: Target::Push { url: "https://example.com/".to_owned() },
            terms: Terms::default(),
            is_active: true,
            paused: false,
            created_at,
            updated_at: created_at,
        };
        StoredSubscription { subscription, sealed_key: vec![7; 48], revision: 0 }
    }

    pub(crate) fn conversation(&mut self, created_at: Timestamp) -> StoredConversation {
        let id = ConversationId::new(created_at, &mut self.0);
        let conversation = Conversation::new(id, user("alice"), "API".to_owned(), created_at);
        StoredConversation { conversation, revision: 0 }
    }

    /// A message of somebody else's that is said at `at`.
    pub(crate) fn message(&mut self, of: &mut StoredConversation, at: Timestamp) -> StoredMessage {
        let id = MessageId::new(at, &mut self.0);
        let mut message = Message::unknown(id, of.conversation.id, "API", None);
        let what = What::Arrived(Box::new(Arrival {
            content: "Hi".to_owned(),
            content_type: conversation::ContentType::Text,
            filename: None,
            kind: conversation::Kind::UserInput,
            metadata: serde_json::json!({ "n": 1 }),
            is_own: false,
            is_sending: false,
        }));
        let change = conversation::Change { what, by: "bob".to_owned(), at, kept_at: at };
        conversation::apply(&mut of.conversation, &mut message, &change);
        StoredMessage { message, revision: 0 }
    }

    /// What `to` is owed as soon as `event` came in.
    pub(crate) fn owed(&mut self, event: &Event, to: &StoredSubscription) -> Delivery {
        let now = event.received_at;
        let id = DeliveryId::new(now, &mut self.0);
        Delivery::owed(id, event, &to.subscription, Trigger::Initial, now)
    }

    pub(crate) fn node(&mut self) -> NodeId {
        NodeId::new(at(0), &mut self.0)
    }

    pub(crate) fn token(&mut self) -> LeaseToken {
        LeaseToken::new(at(0), &mut self.0)
    }

    pub(crate) fn key(&mut self, created_at: Timestamp) -> ApiKey {
        let id = KeyId::new(created_at, &mut self.0);
        let mut digest = [0; 32];
        digest[..16].copy_from_slice(key(&id.to_string()).as_bytes());
        ApiKey { id, name: "laptop".to_owned(), user_id: None, digest, created_at }
    }

    /// A job of Alice's that nobody works on yet.
    pub(crate) fn job(&mut self, created_at: Timestamp) -> StoredJob {
        let work = Work::Start {
            subscription_id: SubscriptionId::new(created_at, &mut self.0),
            after: EventId::first_at(at(0)),
            last: None,
        };
        let job = Job::new(JobId::new(created_at, &mut self.0), Some(user("alice")), work, None, created_at);
        StoredJob { job, node: None, cursor: [0; 16], revision: 1 }
    }

    pub(crate) fn source(&mut self, created_at: Timestamp) -> StoredSource {
        let id = SourceId::new(created_at, &mut self.0);
        let mut token = [0; 32];
        token[..16].copy_from_slice(key(&id.to_string()).as_bytes());
        StoredSource {
            id,
            user_id: Some(user("alice")),
            name: "shop".to_owned(),
            terms: r#"{"speaker":{"sender":"stripe"}}"#.to_owned(),
            is_active: true,
            sealed_keys: vec![7; 48],
            token,
            previous_token: None,
            created_at,
            updated_at: created_at,
            revision: 1,
        }
    }

    pub(crate) fn connection(&mut self, created_at: Timestamp) -> StoredConnection {
        let id = ConnectionId::new(created_at, &mut self.0);
        let connection = Connection {
            id,
            user_id: user("alice"),
            provider: "github".to_owned(),
            account_id: format!("octo-{id}"),
            state: connection::State::Active,
            state_reason: None,
            scopes: Vec::new(),
            expires_at: None,
            authorized_at: created_at,
            refresh: Refresh::default(),
            settings: connection::Settings::default(),
            last_sync_at: None,
            removed_at: None,
            created_at,
            updated_at: created_at,
        };
        StoredConnection { connection, sealed_tokens: vec![7; 48], revision: 1 }
    }

    /// A registration for `basis` of what is at `place`, due at once.
    pub(crate) fn registration(
        &mut self,
        basis: Basis,
        place: &str,
        created_at: Timestamp,
    ) -> StoredRegistration {
        let registration = Registration {
            id: RegistrationId::new(created_at, &mut self.0),
            user_id: Some(user("alice")),
            provider: "github".to_owned(),
            basis,
            target: "acme/shop".to_owned(),
            url: "https://way.test/api/webhooks/github/alice".to_owned(),
            place: place.to_owned(),
            events: Vec::new(),
            config: None,
            external_id: None,
            state: registration::State::Pending,
            state_reason: None,
            progress: Progress::default(),
            expires_at: None,
            due_at: Some(created_at),
            created_at,
            updated_at: created_at,
        };
        StoredRegistration { registration, sealed_secrets: Vec::new(), revision: 1 }
    }

    pub(crate) fn rejection(&mut self, at: Timestamp) -> Rejection {
        Rejection {
            id: RejectionId::new(at, &mut self.0),
            at,
            route: "/api/webhooks/github/alice".to_owned(),
            source: Some("github".to_owned()),
            address: "203.0.113.7".to_owned(),
            reason: "invalid_signature".to_owned(),
            detail: "the signature does not fit the body".to_owned(),
            headers: r#"{"x-github-event":"push"}"#.to_owned(),
            body: b"{}".to_vec(),
        }
    }
}

/// The moment `seconds` after the beginning of every case.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + seconds)
}

pub(crate) fn user(text: &str) -> UserId {
    text.parse().unwrap()
}

pub(crate) fn json(text: &str) -> Json {
    Json::from_text(text).unwrap()
}

pub(crate) fn key(text: &str) -> DedupeKey {
    DedupeKey::new("api", None, text)
}

/// The word of a caller that whatever it sends under `name` until `expires_at` has this body.
pub(crate) fn idempotency(name: &str, body: u8, expires_at: Timestamp) -> Idempotency {
    Idempotency { key: key(name), body: [body; 16], expires_at }
}

/// An event that can be no repeat and is owed to nobody.
pub(crate) fn plain(event: Event) -> NewEvent {
    owing(event, Vec::new())
}

pub(crate) fn owing(event: Event, deliveries: Vec<Delivery>) -> NewEvent {
    NewEvent { event: Arc::new(event), dedupe_key: None, deliveries }
}

pub(crate) fn keyed(name: &str, event: Event, deliveries: Vec<Delivery>) -> NewEvent {
    NewEvent { dedupe_key: Some(key(name)), ..owing(event, deliveries) }
}

pub(crate) fn append_of(events: Vec<NewEvent>) -> Append {
    Append { events, idempotency: None }
}

pub(crate) fn lane(subscription: &StoredSubscription, room: u32) -> Lane {
    Lane { subscription_id: subscription.subscription.id, room }
}

pub(crate) fn by_node(node: NodeId, deadline: Timestamp) -> Claim {
    Claim { holder: Holder::Node(node), deadline }
}

pub(crate) fn by_worker(token: LeaseToken, deadline: Timestamp) -> Claim {
    Claim { holder: Holder::Worker(token), deadline }
}

/// `delivery` as it is to be in `state`; it has ended if `completed_at` says when.
pub(crate) fn becomes(delivery: &Delivery, state: State, completed_at: Option<Timestamp>) -> Delivery {
    Delivery { state, completed_at, ..delivery.clone() }
}

/// The decision that `from` becomes `to`, without an attempt.
pub(crate) fn change(from: &Delivery, to: Delivery) -> Change {
    Change { from: Fence::of(from), to, attempt: None }
}

/// Attempt `number` of `delivery`, which took a quarter of a second from `at`, and succeeded.
pub(crate) fn attempt(delivery: &Delivery, number: u16, at: Timestamp) -> Attempt {
    Attempt {
        delivery_id: delivery.id,
        number,
        at,
        trigger: Trigger::Initial,
        duration: Duration::from_millis(250),
        response_status: Some(204),
        response_headers: None,
        response_body: None,
        error: None,
        error_code: None,
    }
}

/// The same, but in vain.
pub(crate) fn failed_attempt(delivery: &Delivery, number: u16, at: Timestamp) -> Attempt {
    Attempt {
        response_status: None,
        error: Some("nobody answered".to_owned()),
        error_code: Some(ErrorCode::Timeout),
        ..attempt(delivery, number, at)
    }
}
