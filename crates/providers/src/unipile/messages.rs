//! Messages of Unipile: what its events tell of them, and how one is sent.
//!
//! Sources: developer.unipile.com, "New messages webhook" and "Send messages"; bodies that others have recorded. Of
//! what comes with a message that is read, edited, deleted or delivered nothing is documented but that it is like the
//! message's own.

use domain::conversation::{Arrival, Chat, ContentType, Kind, Message, What};
use domain::{Event, Timestamp};
use http::HeaderName;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::{ApiAnswer, ApiCall, CallFailure};
use crate::inbox::{Told, change};
use crate::{Settings, lenient};

const KEY: HeaderName = HeaderName::from_static("x-api-key");

#[derive(Deserialize)]
struct Body {
    #[serde(default, deserialize_with = "lenient::text")]
    account_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    account_type: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    chat_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    message_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    message: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    subject: Option<String>,
    #[serde(default, deserialize_with = "lenient::object")]
    sender: Option<Attendee>,
    #[serde(default, deserialize_with = "lenient::text")]
    reaction: Option<String>,
    #[serde(default, deserialize_with = "lenient::object")]
    reaction_sender: Option<Attendee>,
    #[serde(default, deserialize_with = "lenient::truth")]
    is_event: Option<bool>,
    #[serde(default)]
    attachments: Value,
}

#[derive(Deserialize)]
struct Attendee {
    #[serde(default, deserialize_with = "lenient::text")]
    attendee_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    attendee_provider_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    attendee_name: Option<String>,
}

impl Attendee {
    fn id(&self) -> Option<String> {
        self.attendee_provider_id.clone().or_else(|| self.attendee_id.clone())
    }
}

pub(crate) fn told(event: &Event) -> Option<Told> {
    let body: Body = serde_json::from_str(event.data.as_str()).ok()?;
    let by = body.sender.as_ref().and_then(Attendee::id);
    let (what, by) = match event.event_type.as_str() {
        "unipile.message_received" => (body.arrived(false), by),
        "unipile.message_sent" => (body.arrived(true), by),
        "unipile.message_edited" => (What::Edited { content: body.message.clone()? }, by),
        "unipile.message_deleted" => (What::Deleted, by),
        "unipile.message_read" => (What::Read, by),
        "unipile.message_delivered" => (What::Delivered, by),
        "unipile.message_failed" => (What::Failed, by),
        "unipile.message_reaction" => {
            // Without a reaction, whatever they had left is gone.
            let emoji = body.reaction.clone().unwrap_or_default();
            (
                What::Reacted { emoji, is_gone: false },
                body.reaction_sender.as_ref().and_then(Attendee::id).or(by),
            )
        }
        _ => return None,
    };
    let chat = Chat { provider: "unipile".to_owned(), account_id: body.account_id?, chat_id: body.chat_id? };
    let channel = body.account_type.filter(|kind| kind.len() <= 64).unwrap_or_else(|| "UNIPILE".to_owned());
    let channel = channel.to_uppercase();
    Some(Told { chat, channel, message_id: body.message_id?, change: change(event, what, by, None) })
}

impl Body {
    fn arrived(&self, is_own: bool) -> What {
        // An object in the documentation's example, a list in what comes.
        let attachments: &[Value] = match &self.attachments {
            Value::Array(attachments) => attachments,
            Value::Object(_) => std::slice::from_ref(&self.attachments),
            _ => &[],
        };
        let attachment = attachments.first();
        What::Arrived(Box::new(Arrival {
            content: self.message.clone().unwrap_or_default(),
            content_type: attachment.map_or(ContentType::Text, content_type),
            filename: attachment.and_then(filename),
            kind: if self.is_event == Some(true) { Kind::System } else { Kind::UserInput },
            metadata: self.metadata(attachments),
            is_own,
            is_sending: false,
        }))
    }

    fn metadata(&self, attachments: &[Value]) -> Value {
        let name = self.sender.as_ref().and_then(|sender| sender.attendee_name.clone());
        let mut metadata = Map::new();
        metadata.extend(name.map(|name| ("sender_name".to_owned(), name.into())));
        metadata.extend(self.subject.clone().map(|subject| ("subject".to_owned(), subject.into())));
        if !attachments.is_empty() {
            metadata.insert("attachments".to_owned(), attachments.into());
        }
        Value::Object(metadata)
    }
}

fn content_type(attachment: &Value) -> ContentType {
    let media_type = attachment["mimetype"].as_str().unwrap_or_default();
    let kind = attachment["type"].as_str().unwrap_or_default();
    match (kind, media_type.split('/').next()) {
        ("img", _) | (_, Some("image")) => ContentType::Image,
        ("video", _) | (_, Some("video")) => ContentType::Video,
        ("audio", _) | (_, Some("audio")) => ContentType::Audio,
        _ => ContentType::Document,
    }
}

fn filename(attachment: &Value) -> Option<String> {
    let name = attachment["file_name"].as_str().or(attachment["name"].as_str())?;
    Some(name.to_owned()).filter(|name| (1..=256).contains(&name.len()))
}

pub(crate) fn send(chat: &Chat, message: &Message, settings: &Settings) -> Option<ApiCall> {
    let chat = url::form_urlencoded::byte_serialize(chat.chat_id.as_bytes()).collect::<String>();
    let (url, key) = super::api(settings, &format!("/chats/{}/messages", chat.replace('+', "%20")))?;
    let text = message.content.as_deref().unwrap_or_default();
    Some(ApiCall::parts(&url, &[("text", text)]).with(KEY, key.reveal()))
}

pub(crate) fn read_sent(answer: &ApiAnswer, now: Timestamp) -> Result<Option<String>, CallFailure> {
    let sent = answer.success(now)?;
    Ok(sent["message_id"].as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use domain::{ConversationId, MessageId};
    use serde_json::json;

    use super::*;
    use crate::testing::kept;

    fn event(kind: &str, data: &Value) -> Event {
        kept("unipile", kind, (1_700_000_000, 1_700_000_009), data)
    }

    fn read(kind: &str, change: &dyn Fn(&mut Value)) -> Option<Told> {
        let mut body = json!({
            "account_id": "acc_1", "account_type": "whatsapp", "chat_id": "chat_1", "message_id": "m1",
            "message": "Good morning", "sender": {"attendee_id": "att_1", "attendee_provider_id": "bob",
            "attendee_name": "Bob"}, "attachments": [],
        });
        change(&mut body);
        crate::inbox::told(&event(kind, &body))
    }

    fn arrived(told: Told) -> Arrival {
        match told.change.what {
            What::Arrived(arrival) => *arrival,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_is_told_with_where_it_was_said() {
        let told = read("unipile.message_received", &|_| {}).unwrap();
        assert_eq!((told.chat.account_id.as_str(), told.chat.chat_id.as_str()), ("acc_1", "chat_1"));
        assert_eq!((told.channel.as_str(), told.message_id.as_str()), ("WHATSAPP", "m1"));
        assert_eq!((told.change.by.as_str(), told.change.at.as_seconds()), ("bob", 1_700_000_000));
        let arrival = arrived(told);
        assert_eq!((arrival.content.as_str(), arrival.is_own), ("Good morning", false));
        assert_eq!(arrival.metadata, json!({ "sender_name": "Bob" }));
        assert!(arrived(read("unipile.message_sent", &|_| {}).unwrap()).is_own);
    }

    #[test]
    fn what_is_attached_says_what_it_is() {
        for (attachment, content_type, filename) in [
            (json!({"type": "img", "file_name": "a.png"}), ContentType::Image, Some("a.png")),
            (json!({"mimetype": "video/mp4"}), ContentType::Video, None),
            (json!({"type": "audio", "name": "a.ogg"}), ContentType::Audio, Some("a.ogg")),
            (json!({"type": "file", "mimetype": "application/pdf"}), ContentType::Document, None),
        ] {
            for attachments in [json!([attachment]), attachment] {
                let told =
                    read("unipile.message_received", &|body| body["attachments"] = attachments.clone());
                let arrival = arrived(told.unwrap());
                assert_eq!((arrival.content_type, arrival.filename.as_deref()), (content_type, filename));
            }
        }
    }

    #[test]
    fn what_happens_to_it_later_is_told_too() {
        let what = |kind| read(kind, &|body| body["reaction"] = json!("👍")).unwrap().change.what;
        assert_eq!(what("unipile.message_edited"), What::Edited { content: "Good morning".to_owned() });
        assert_eq!(what("unipile.message_deleted"), What::Deleted);
        assert_eq!(what("unipile.message_read"), What::Read);
        assert_eq!(what("unipile.message_delivered"), What::Delivered);
        assert_eq!(what("unipile.message_failed"), What::Failed);
        let like = What::Reacted { emoji: "👍".to_owned(), is_gone: false };
        assert_eq!(what("unipile.message_reaction"), like);
        let by = read("unipile.message_reaction", &|body| {
            body["reaction_sender"] = json!({ "attendee_id": "att_2" });
        });
        assert_eq!(by.unwrap().change.by, "att_2");
    }

    #[test]
    fn what_names_no_message_tells_of_none() {
        for field in ["account_id", "chat_id", "message_id"] {
            for wrong in [json!(null), json!(""), json!("a\u{7}"), json!("x".repeat(600))] {
                assert_eq!(read("unipile.message_received", &|body| body[field] = wrong.clone()), None);
            }
        }
        assert_eq!(read("unipile.message_edited", &|body| body["message"] = json!(null)), None);
        assert_eq!(read("unipile.new_relation", &|_| {}), None);
    }

    #[test]
    fn a_message_is_sent_as_it_is_documented() {
        let id = |n| [n; 16];
        let mut message =
            Message::unknown(MessageId::from(id(1)), ConversationId::from(id(2)), "WHATSAPP", None);
        message.content = Some("Good\r\n--evening".to_owned());
        let settings = Settings::default().with("api_key", ["key".to_owned()]);
        let chat = |chat_id: &str| Chat {
            provider: "unipile".to_owned(),
            account_id: "acc_1".to_owned(),
            chat_id: chat_id.to_owned(),
        };
        assert!(send(&chat("chat"), &message, &settings).is_none(), "nobody has said where");
        for (set, value) in
            [("dsn", "api1.unipile.com:13111"), (super::super::API_BASE, "https://api1.unipile.com:13111/")]
        {
            let call =
                send(&chat("a/b c"), &message, &settings.clone().with(set, [value.to_owned()])).unwrap();
            assert_eq!(call.url, "https://api1.unipile.com:13111/api/v1/chats/a%2Fb%20c/messages");
            assert_eq!(call.headers["x-api-key"], "key");
            let kind = call.headers["content-type"].to_str().unwrap();
            let line = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
            let expected = format!(
                "--{line}\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nGood\r\n--evening\r\n--{line}--\r\n"
            );
            assert_eq!(call.body, expected);
        }
    }
}
