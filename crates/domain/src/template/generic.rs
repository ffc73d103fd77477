//! Everybody else: a title and a text for what shows texts, and the event for what reads it.

use serde::Serialize;
use serde_json::value::RawValue;

use super::Message;
use super::text::{fit, plain};
use crate::{EventId, EventType, Timestamp, UserId};

/// Chat programs that take `{"text": …}` cut or refuse much more.
const TEXT_UNITS_MAX: usize = 4_000;

#[derive(Serialize)]
struct Body<'e> {
    title: &'e str,
    text: String,
    event: Document<'e>,
}

/// The event as the API shows it, with its data byte for byte.
#[derive(Serialize)]
struct Document<'e> {
    id: EventId,
    #[serde(rename = "type")]
    event_type: &'e EventType,
    user_id: Option<&'e UserId>,
    source: &'e str,
    provider: Option<&'e str>,
    occurred_at: Timestamp,
    received_at: Timestamp,
    data: Option<&'e RawValue>,
}

pub(super) fn body(message: &Message<'_>) -> String {
    let (event, title) = (message.event, message.title());
    let text =
        message.headline.as_ref().map_or_else(|| title.to_owned(), |headline| format!("{title}: {headline}"));
    let body = Body {
        title,
        text: fit(&text, TEXT_UNITS_MAX, plain),
        event: Document {
            id: event.id,
            event_type: &event.event_type,
            user_id: event.user_id.as_ref(),
            source: &event.source,
            provider: event.provider.as_deref(),
            occurred_at: event.occurred_at,
            received_at: event.received_at,
            data: serde_json::from_str(event.data.as_str()).ok(),
        },
    };
    serde_json::to_string(&body).expect("it has only texts for keys, and nothing in it can fail")
}
