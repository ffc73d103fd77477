//! What a provider says: events and whose they are, and what it wants to hear.

use domain::event::Json;
use domain::{EventType, Timestamp, UserId};
use http::StatusCode;

/// What a request says.
#[derive(Debug)]
pub enum Inbound {
    /// Something happened: at least one event, in the provider's order.
    Events(Vec<InboundEvent>),
    /// The provider only wants this answer: a handshake.
    Reply(Reply),
}

/// What happened, in the provider's words.
#[derive(Debug, Clone)]
pub struct InboundEvent {
    /// What kind of thing.
    pub event_type: EventType,
    /// The provider's own id for it, the same on each retry; or what stands for one.
    pub dedupe_id: String,
    /// What it is instead, where an event of this `dedupe_id` is known and this is no repeat of it:
    /// [`Provider::is_repeat`](crate::Provider::is_repeat).
    pub recurrence: Option<Recurrence>,
    /// Whose it is, unless the address says.
    pub owner: Owner,
    /// When it happened, where the provider says.
    pub occurred_at: Option<Timestamp>,
    /// The provider's JSON, untouched.
    pub data: Json,
    /// Whether `data` is the whole body. If not, the body is kept beside it.
    pub is_whole_body: bool,
}

/// A further event about something that is known: an update, where the first was a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurrence {
    /// What kind of thing.
    pub event_type: EventType,
    /// What tells a repeat of it.
    pub dedupe_id: String,
}

/// Whose an event is, as far as its provider knows. A user in the address comes before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Only the address says.
    Path,
    /// The user with a connection to this provider for this account.
    Account {
        /// The account's own id at the provider, as connections have it: a mailbox in lower case, a Discord user, a
        /// connected account of Composio's.
        id: String,
        /// The user that the provider itself names, who counts where no connection has the account.
        user: Option<UserId>,
    },
}

impl Owner {
    /// Whoever has a connection for this account.
    pub fn account(id: impl Into<String>) -> Self {
        Self::Account { id: id.into(), user: None }
    }
}

impl Inbound {
    pub(crate) fn event(event: InboundEvent) -> Self {
        Self::Events(vec![event])
    }
}

/// Something that was asked of a hub, which will ask back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// About what, as we wrote it.
    pub topic: String,
    /// What we want.
    pub wish: Wish,
}

/// What may be asked of a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To be told, from now on or for longer.
    Subscribe,
    /// To be left alone.
    Unsubscribe,
}

/// What a hub says about something that was asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The topic, as we wrote it.
    pub topic: String,
    /// What it says.
    pub decision: Decision,
    /// What it wants to hear.
    pub reply: Reply,
}

/// What a hub has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It will send, for so long from now.
    Granted {
        /// The lease, in seconds.
        lease_seconds: Option<u32>,
    },
    /// It will send no more, as we asked.
    Ended,
    /// It does not send, or not any longer. Nobody signs this: it is a reason to ask again, and proves nothing.
    Denied {
        /// Why, in the hub's words.
        reason: String,
    },
}

/// An answer that a provider wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its media type.
    pub content_type: &'static str,
    /// Its body.
    pub body: String,
}

impl Reply {
    /// It was understood that there is nothing to keep.
    #[must_use]
    pub fn ignored() -> Self {
        Self {
            status: StatusCode::OK,
            content_type: "application/json",
            body: r#"{"status":"ignored"}"#.to_owned(),
        }
    }

    /// Good, and nothing more to say. Discord wants a media type even so.
    #[must_use]
    pub const fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, content_type: "application/json", body: String::new() }
    }

    /// Plain text.
    pub fn text(body: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, content_type: "text/plain; charset=utf-8", body: body.into() }
    }
}
