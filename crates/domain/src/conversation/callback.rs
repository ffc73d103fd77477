//! What a conversation's callback is told of a message.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ContentType, Kind, Status};
use crate::{ConversationId, Event, MessageId, Timestamp};

/// The body of the request that tells a conversation's callback of a message; `None` where `event` tells of none. Its
/// fields stand in the order of the contract, and the same event is told in the same bytes each time.
#[must_use]
pub fn callback_body(event: &Event) -> Option<String> {
    let told: Told = serde_json::from_str(event.data.as_str()).ok()?;
    let body =
        Body { conversation_id: told.conversation_id, data: told.message, timestamp: event.occurred_at };
    serde_json::to_string(&body).ok()
}

/// What is read of the event.
#[derive(Deserialize)]
struct Told {
    conversation_id: ConversationId,
    message: Data,
}

#[derive(Serialize)]
struct Body {
    conversation_id: ConversationId,
    data: Data,
    timestamp: Timestamp,
}

/// Of a message, what callbacks are told.
#[derive(Serialize, Deserialize)]
struct Data {
    id: MessageId,
    content: Option<String>,
    content_type: ContentType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filename: Option<String>,
    #[serde(rename = "type")]
    kind: Kind,
    channel: String,
    status: Status,
    metadata: Value,
    created_by: String,
    updated_by: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::EventId;
    use crate::event::Json;

    #[test]
    fn a_message_is_told_exactly_so() {
        let at = Timestamp::from_seconds(1_700_000_000);
        let mut message = json!({
            "id": "msg_01000000000000000000000000000000", "content": "Hi", "content_type": "TEXT",
            "filename": null, "type": "BOT", "channel": "WHATSAPP", "status": "RECEIVED", "metadata": {"n": 1},
            "created_by": "bob", "updated_by": "bob", "created_at": at, "updated_at": at, "is_own": false,
            "reactions": [], "conversation_id": "cnv_02000000000000000000000000000000", "occurred_at": at,
        });
        let event = |message: &Value| {
            Event {
            id: EventId::first_at(at),
            event_type: "message.new".parse().unwrap(),
            user_id: None,
            source: "inbox".into(),
            provider: None,
            occurred_at: at,
            received_at: at,
            data: Json::trusted(
                json!({"chat_id": "c", "conversation_id": "cnv_02000000000000000000000000000000", "message": message})
                    .to_string(),
            ),
            raw: None,
        }
        };
        let expected = concat!(
            r#"{"conversation_id":"cnv_02000000000000000000000000000000","data":{"#,
            r#""id":"msg_01000000000000000000000000000000","content":"Hi","content_type":"TEXT","#,
            r#""type":"BOT","channel":"WHATSAPP","status":"RECEIVED","metadata":{"n":1},"#,
            r#""created_by":"bob","updated_by":"bob","created_at":"2023-11-14T22:13:20.000Z","#,
            r#""updated_at":"2023-11-14T22:13:20.000Z"},"timestamp":"2023-11-14T22:13:20.000Z"}"#
        );
        assert_eq!(callback_body(&event(&message)).as_deref(), Some(expected));
        message["filename"] = json!("a.png");
        let with_file = callback_body(&event(&message)).unwrap();
        assert!(
            with_file.contains(r#""content_type":"TEXT","filename":"a.png","type":"BOT""#),
            "{with_file}"
        );
        message["id"] = json!("evt_1");
        assert_eq!(callback_body(&event(&message)), None);
    }
}
