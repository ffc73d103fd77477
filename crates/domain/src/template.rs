//! Templates: ready bodies for receivers that want a message to show, not an event.
//!
//! To add one: a file in `template/` that makes the body from a `Message`, its name here, and what its receiver's
//! pages say about lengths and markup as tests. Whatever comes from an event may be hostile, and as long as an event
//! may be: it passes through `text::fit` with the receiver's escapes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Event;

mod discord;
mod generic;
mod slack;
mod teams;
mod text;

/// Whose body a subscription's requests have instead of the event's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Template {
    /// A message for a Slack incoming webhook.
    Slack,
    /// A message for a Discord webhook.
    Discord,
    /// A message with an Adaptive Card, for a Microsoft Teams webhook or workflow.
    Teams,
    /// `{title, text, event}`, for what can show a text, and for programs.
    Generic,
}

impl Template {
    /// Every template.
    pub const ALL: [Self; 4] = [Self::Slack, Self::Discord, Self::Teams, Self::Generic];

    /// The template's name as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Teams => "teams",
            Self::Generic => "generic",
        }
    }

    /// The body, as JSON, that tells the receiver of `event`. It is within the receiver's limits: what is too long to
    /// be read there ends in `…`.
    #[must_use]
    pub fn body(self, event: &Event) -> String {
        let message = Message::of(event);
        match self {
            Self::Slack => slack::body(&message).to_string(),
            Self::Discord => discord::body(&message).to_string(),
            Self::Teams => teams::body(&message).to_string(),
            Self::Generic => generic::body(&message),
        }
    }
}

/// What there is to say about an event.
struct Message<'e> {
    event: &'e Event,
    /// What the event says of itself, in words.
    headline: Option<String>,
    /// What to know about it, by name.
    facts: Vec<(&'static str, &'e str)>,
}

/// Fields of an event's data that are meant to be read, the best first.
const READABLE: [&str; 6] = ["message", "text", "title", "summary", "subject", "description"];

impl<'e> Message<'e> {
    fn of(event: &'e Event) -> Self {
        let user = event.user_id.as_ref().map(|user| ("User", user.as_str()));
        Self {
            event,
            headline: headline(&event.data.to_value()),
            facts: std::iter::once(("Source", &*event.source)).chain(user).collect(),
        }
    }

    /// The event's type: letters, digits, dots, hyphens and underscores.
    fn title(&self) -> &'e str {
        self.event.event_type.as_str()
    }
}

fn headline(data: &Value) -> Option<String> {
    let texts = READABLE.iter().filter_map(|&name| data.get(name)?.as_str());
    texts.map(str::trim).find(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
