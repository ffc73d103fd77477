//! A message, and what may happen to it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::REACTIONS_MAX;
use crate::time::micros;
use crate::{ConversationId, MessageId, Timestamp};

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its name.
    pub id: MessageId,
    /// Where it was said.
    pub conversation_id: ConversationId,
    /// Its own id at the provider; `None` as long as it has none.
    pub provider_id: Option<String>,
    /// Whether it has come in itself, and not only news of it.
    pub is_known: bool,
    /// Whether it waits to be handed to the provider.
    pub is_sending: bool,
    /// What it says; `None` once it was taken back.
    pub content: Option<String>,
    /// What that is.
    pub content_type: ContentType,
    /// The name of what is attached.
    pub filename: Option<String>,
    /// Who speaks.
    pub kind: Kind,
    /// Over what it goes.
    pub channel: String,
    /// What has become of it.
    pub status: Status,
    /// Since when.
    #[serde(with = "micros::option")]
    pub status_at: Option<Timestamp>,
    /// What programs want to know of it: an object.
    pub metadata: Value,
    /// Who has sent it: the provider's id of them, or ours.
    pub created_by: String,
    /// Who has last changed it.
    pub updated_by: String,
    /// When it came in.
    #[serde(with = "micros")]
    pub created_at: Timestamp,
    /// When it was last changed here.
    #[serde(with = "micros")]
    pub updated_at: Timestamp,
    /// When it was said, as its provider says.
    #[serde(with = "micros")]
    pub occurred_at: Timestamp,
    /// Whether the conversation's user has said it.
    pub is_own: bool,
    /// Who has ever reacted, and how, in the order of both.
    pub reacted: Vec<Reaction>,
    /// When it was last changed by who has sent it.
    #[serde(with = "micros::option")]
    pub edited_at: Option<Timestamp>,
    /// When it was taken back.
    #[serde(with = "micros::option")]
    pub deleted_at: Option<Timestamp>,
    /// When it reached its receiver.
    #[serde(with = "micros::option")]
    pub delivered_at: Option<Timestamp>,
    /// When it was first read.
    #[serde(with = "micros::option")]
    pub read_at: Option<Timestamp>,
}

/// What a message is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ContentType {
    /// Words.
    #[default]
    Text,
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A file.
    Document,
    /// Something to listen to.
    Audio,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// A person.
    #[default]
    UserInput,
    /// The host application, about the conversation.
    System,
    /// A program that answers.
    Bot,
}

/// What has become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It is here.
    #[default]
    Received,
    /// It was sent on, or answered.
    Processed,
    /// That went wrong.
    Failed,
}

/// How somebody reacts to a message. An empty one takes back all that they have left before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// Who.
    pub by: String,
    /// How.
    pub emoji: String,
    /// When.
    #[serde(with = "micros")]
    pub at: Timestamp,
    /// Whether it was taken back.
    pub is_gone: bool,
}

/// Something that happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub what: What,
    /// Who did it.
    pub by: String,
    /// When, as its provider says.
    pub at: Timestamp,
    /// When it came in here.
    pub kept_at: Timestamp,
}

/// What may happen to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It came in.
    Arrived(Box<Arrival>),
    /// It says something else.
    Edited {
        /// What.
        content: String,
    },
    /// It was taken back.
    Deleted,
    /// Somebody reacted to it.
    Reacted {
        /// How; empty: not at all any more.
        emoji: String,
        /// Whether that was taken back.
        is_gone: bool,
    },
    /// It reached its receiver.
    Delivered,
    /// It was read.
    Read,
    /// It was handed to its provider.
    Sent {
        /// The provider's id for it, where it has said one.
        provider_id: Option<String>,
    },
    /// It could not be sent.
    Failed,
    /// Its status is this.
    Processed(Status),
}

/// A message as it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of a message")]
pub struct Arrival {
    pub content: String,
    pub content_type: ContentType,
    pub filename: Option<String>,
    pub kind: Kind,
    pub metadata: Value,
    pub is_own: bool,
    pub is_sending: bool,
}

impl Message {
    /// A message of which nothing is known yet but that there is one.
    #[must_use]
    pub fn unknown(
        id: MessageId,
        conversation_id: ConversationId,
        channel: &str,
        provider_id: Option<String>,
    ) -> Self {
        let never = Timestamp::from_micros(0);
        Self {
            id,
            conversation_id,
            provider_id,
            is_known: false,
            is_sending: false,
            content: None,
            content_type: ContentType::Text,
            filename: None,
            kind: Kind::UserInput,
            channel: channel.to_owned(),
            status: Status::Received,
            status_at: None,
            metadata: Value::Object(serde_json::Map::new()),
            created_by: String::new(),
            updated_by: String::new(),
            created_at: never,
            updated_at: never,
            occurred_at: never,
            is_own: false,
            reacted: Vec::new(),
            edited_at: None,
            deleted_at: None,
            delivered_at: None,
            read_at: None,
        }
    }

    /// Whether somebody else has said it, and nobody has read it.
    pub(super) const fn is_unread(&self) -> bool {
        self.is_known && !self.is_own && self.read_at.is_none() && self.deleted_at.is_none()
    }

    /// Makes one change, in whatever order changes come.
    pub(super) fn apply(&mut self, change: &Change) {
        let at = change.at;
        match &change.what {
            What::Arrived(arrival) if !self.is_known => self.arrive(arrival, change),
            What::Arrived(_) => {}
            What::Edited { content } => self.edit(content, at),
            What::Deleted => {
                self.deleted_at = earliest(self.deleted_at, at);
                (self.content, self.filename) = (None, None);
                self.metadata = Value::Object(serde_json::Map::new());
            }
            What::Reacted { emoji, is_gone } => {
                self.react(Reaction { by: change.by.clone(), emoji: emoji.clone(), at, is_gone: *is_gone });
            }
            What::Delivered => self.delivered_at = earliest(self.delivered_at, at),
            What::Read => self.read_at = earliest(self.read_at, at),
            What::Sent { provider_id } => {
                self.is_sending = false;
                self.provider_id = self.provider_id.take().or_else(|| provider_id.clone());
                self.set_status(Status::Processed, change.kept_at);
            }
            What::Failed => {
                self.is_sending = false;
                self.set_status(Status::Failed, change.kept_at);
            }
            What::Processed(status) => self.set_status(*status, change.kept_at),
        }
        if (self.updated_at, &self.updated_by) < (change.kept_at, &change.by) {
            (self.updated_at, self.updated_by) = (change.kept_at, change.by.clone());
        }
    }

    fn arrive(&mut self, arrival: &Arrival, change: &Change) {
        self.is_known = true;
        self.is_sending = arrival.is_sending && self.status_at.is_none();
        self.content_type = arrival.content_type;
        self.kind = arrival.kind;
        self.is_own = arrival.is_own;
        (self.created_by, self.created_at) = (change.by.clone(), change.kept_at);
        self.occurred_at = change.at;
        if self.deleted_at.is_none() {
            self.filename.clone_from(&arrival.filename);
            self.metadata = arrival.metadata.clone();
            // It may have been edited already.
            self.content.get_or_insert_with(|| arrival.content.clone());
        }
    }

    fn edit(&mut self, content: &str, at: Timestamp) {
        let is_later = (self.edited_at, self.content.as_deref()) < (Some(at), Some(content));
        if is_later {
            self.edited_at = Some(at);
            self.content = self.deleted_at.is_none().then(|| content.to_owned());
        }
    }

    fn react(&mut self, reaction: Reaction) {
        fn place(reaction: &Reaction) -> (&str, &str) {
            (&reaction.by, &reaction.emoji)
        }
        match self.reacted.binary_search_by(|known| place(known).cmp(&place(&reaction))) {
            Ok(known) => {
                let known = &mut self.reacted[known];
                if (known.at, known.is_gone) < (reaction.at, reaction.is_gone) {
                    *known = reaction;
                }
            }
            Err(place) if self.reacted.len() < REACTIONS_MAX => self.reacted.insert(place, reaction),
            Err(_) => {}
        }
    }

    fn set_status(&mut self, status: Status, at: Timestamp) {
        if self.status_at.is_none_or(|since| (since, self.status) < (at, status)) {
            (self.status, self.status_at) = (status, Some(at));
        }
    }

    /// Who reacts to it, and how.
    #[must_use]
    pub fn reactions(&self) -> Vec<ShownReaction> {
        let is_there = |reaction: &&Reaction| {
            let taken_back =
                self.reacted.iter().find(|other| other.by == reaction.by && other.emoji.is_empty());
            !reaction.is_gone
                && !reaction.emoji.is_empty()
                && taken_back.is_none_or(|taken_back| taken_back.at < reaction.at)
        };
        let shown =
            |reaction: &Reaction| ShownReaction { emoji: reaction.emoji.clone(), by: reaction.by.clone() };
        self.reacted.iter().filter(is_there).map(shown).collect()
    }

    /// As everyone is shown it.
    #[must_use]
    pub fn shown(&self) -> Shown {
        Shown {
            id: self.id,
            content: self.content.clone(),
            content_type: self.content_type,
            filename: self.filename.clone(),
            kind: self.kind,
            channel: self.channel.clone(),
            status: self.status,
            metadata: self.metadata.clone(),
            created_by: self.created_by.clone(),
            updated_by: self.updated_by.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            conversation_id: self.conversation_id,
            occurred_at: self.occurred_at,
            is_own: self.is_own,
            reactions: self.reactions(),
            edited_at: self.edited_at,
            deleted_at: self.deleted_at,
            delivered_at: self.delivered_at,
            read_at: self.read_at,
        }
    }
}

fn earliest(known: Option<Timestamp>, at: Timestamp) -> Option<Timestamp> {
    Some(known.map_or(at, |known| known.min(at)))
}

/// A message as everyone is shown it: in the API, in events and in streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of a message")]
pub struct Shown {
    pub id: MessageId,
    pub content: Option<String>,
    pub content_type: ContentType,
    pub filename: Option<String>,
    #[serde(rename = "type")]
    pub kind: Kind,
    pub channel: String,
    pub status: Status,
    pub metadata: Value,
    pub created_by: String,
    pub updated_by: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub conversation_id: ConversationId,
    pub occurred_at: Timestamp,
    pub is_own: bool,
    pub reactions: Vec<ShownReaction>,
    pub edited_at: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
    pub delivered_at: Option<Timestamp>,
    pub read_at: Option<Timestamp>,
}

/// A reaction as everyone is shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownReaction {
    /// How somebody reacts.
    pub emoji: String,
    /// Who.
    pub by: String,
}
