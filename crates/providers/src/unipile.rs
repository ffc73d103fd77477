//! Unipile: messages and mails of accounts at LinkedIn, WhatsApp and others, and how the accounts fare. Version 1 of
//! its API.
//!
//! Sources: developer.unipile.com, "Webhooks", "New messages webhook", "New emails webhook", "Account lifecycle";
//! bodies that others have recorded, where these differ. Nothing is signed and nothing has an id: a header of our
//! choice holds a shared secret, and what tells a repeat is made from what an event is about.

pub(crate) mod mails;
pub(crate) mod messages;
mod register;

use domain::event::Json;
use domain::mac::Mac;
use domain::{EventType, Timestamp};
use http::HeaderName;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::api::Token;
use crate::connect::Connectable;
use crate::oauth::API_BASE;
use crate::{
    CannotSign, Described, Inbound, InboundEvent, Known, Owner, Profile, Provider, RawRequest, Refusal,
    Reply, Setting, SettingKind, Settings, Unreadable, Unsigned, Verified, lenient, read_object,
};

const SECRET: Setting = Setting::new("webhook_secret", "UNIPILE_WEBHOOK_SECRET", SettingKind::Secret);

/// The header that our registrations name.
const AUTH: &str = "unipile-auth";

/// Seconds within which the same status of the same account is one piece of news. It has no time of its own, and an
/// account may well lose its grant twice in an hour.
const STATUS_WINDOW_SECONDS: i64 = 60;

pub(crate) struct Unipile;

impl Provider for Unipile {
    fn profile(&self) -> Profile {
        Profile { name: "unipile", paths: &["/unipile/messages"], settings: &[SECRET] }
    }

    fn verify<'r>(&self, request: &'r RawRequest, known: &Known<'_>) -> Result<Verified<'r>, Refusal> {
        let sent = request.needed(AUTH)?;
        let secrets = known.settings.get(SECRET.key);
        if secrets.is_empty() {
            return Err(Refusal::NoKey);
        }
        let fits = secrets.iter().any(|secret| is_same(secret, sent));
        fits.then_some(Verified(request)).ok_or(Refusal::BadToken)
    }

    /// The media type says nothing: JSON comes as a form's unless the registration has it otherwise.
    fn parse(&self, request: &Verified<'_>, now: Timestamp) -> Result<Inbound, Unreadable> {
        let (data, body) = read_object::<Body>(request.body())?;
        let news = body.news(&data, now)?;
        Ok(Inbound::event(InboundEvent {
            event_type: EventType::from_words(["unipile", &news.kind]),
            dedupe_id: news.dedupe_id,
            recurrence: None,
            owner: news.account_id.map_or(Owner::Path, Owner::account),
            occurred_at: body.timestamp.or(body.date).and_then(|time| Timestamp::parse(&time).ok()),
            data,
            is_whole_body: true,
        }))
    }

    /// It takes nothing but 200 for an answer, and sends what it cannot get rid of again.
    fn reply_to_unreadable(&self) -> Option<Reply> {
        Some(Reply::ignored())
    }

    fn sign(&self, secret: &str, _: &Unsigned<'_>) -> Result<Vec<(HeaderName, String)>, CannotSign> {
        Ok(vec![(HeaderName::from_static(AUTH), secret.to_owned())])
    }

    fn event_types(&self) -> &'static [Described] {
        EVENT_TYPES
    }
}

/// Compares digests, which have one length: how long it takes says nothing about the secret.
fn is_same(secret: &str, sent: &str) -> bool {
    let digest = Mac::new(secret.as_bytes());
    digest.verify(&[sent.as_bytes()], &digest.sign(&[secret.as_bytes()]))
}

/// What is looked at of any of its bodies.
#[derive(Deserialize)]
struct Body {
    #[serde(default, deserialize_with = "lenient::text")]
    event: Option<String>,
    /// What tracking has where others have `event`.
    #[serde(default, rename = "type", deserialize_with = "lenient::text")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    account_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::object")]
    account_info: Option<AccountInfo>,
    #[serde(default, deserialize_with = "lenient::text")]
    message_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    email_id: Option<String>,
    /// Tracking alone has one.
    #[serde(default, deserialize_with = "lenient::text")]
    event_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    timestamp: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    date: Option<String>,
    #[serde(default, deserialize_with = "lenient::object")]
    sender: Option<Attendee>,
    #[serde(default, deserialize_with = "lenient::truth")]
    is_sender: Option<bool>,
    #[serde(default, deserialize_with = "lenient::text")]
    reaction: Option<String>,
    #[serde(default, deserialize_with = "lenient::object")]
    reaction_sender: Option<Attendee>,
    #[serde(default, rename = "AccountStatus", deserialize_with = "lenient::object")]
    account_status: Option<AccountStatus>,
}

#[derive(Deserialize)]
struct AccountInfo {
    #[serde(default, deserialize_with = "lenient::text")]
    user_id: Option<String>,
}

#[derive(Deserialize)]
struct Attendee {
    #[serde(default, deserialize_with = "lenient::text")]
    attendee_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    attendee_provider_id: Option<String>,
}

#[derive(Deserialize)]
struct AccountStatus {
    account_id: String,
    message: String,
}

/// What is new, whose it is, and what tells a repeat of it.
struct News {
    kind: String,
    account_id: Option<String>,
    dedupe_id: String,
}

impl Body {
    fn news(&self, data: &Json, now: Timestamp) -> Result<News, Unreadable> {
        if let Some(status) = &self.account_status {
            return Ok(status.news(now));
        }
        let missing = || Unreadable::Unexpected("event is missing".to_owned());
        let event = self.event.as_ref().or(self.kind.as_ref()).ok_or_else(missing)?;
        let kind = if event == "message_received" && self.is_own() { "message_sent" } else { event };
        Ok(News {
            kind: kind.to_owned(),
            account_id: self.account_id.clone(),
            dedupe_id: self.dedupe_id(event).unwrap_or_else(|| digest(data)),
        })
    }

    /// What the account itself has sent comes as received too. Who sent it says more than `is_sender`, which other
    /// parts of the API count from another side.
    fn is_own(&self) -> bool {
        let sender = self.sender.as_ref().and_then(|sender| sender.attendee_provider_id.as_ref());
        let own = self.account_info.as_ref().and_then(|account| account.user_id.as_ref());
        match (sender, own) {
            (Some(sender), Some(own)) => sender == own,
            _ => self.is_sender == Some(true),
        }
    }

    /// What happened to what. A message comes and goes once; it is read, edited and reacted to many times.
    fn dedupe_id(&self, event: &str) -> Option<String> {
        if let Some(id) = &self.event_id {
            return Some(joined(&[event, id]));
        }
        let account = self.account_id.as_deref()?;
        match event {
            "message_received" | "message_deleted" | "message_failed" => {
                Some(joined(&[event, account, self.message_id.as_deref()?]))
            }
            "message_read" | "message_delivered" | "message_edited" | "message_reaction" => {
                let by = self.reaction_sender.as_ref().and_then(|sender| sender.attendee_id.as_deref());
                let (at, reaction) = (self.timestamp.as_deref(), self.reaction.as_deref());
                let what = [self.message_id.as_deref()?, at?, reaction.unwrap_or(""), by.unwrap_or("")];
                Some(joined(&[&[event, account], &what[..]].concat()))
            }
            "mail_received" | "mail_sent" => Some(joined(&[event, account, self.email_id.as_deref()?])),
            _ => None,
        }
    }
}

impl AccountStatus {
    fn news(&self, now: Timestamp) -> News {
        let window = now.as_seconds().div_euclid(STATUS_WINDOW_SECONDS).to_string();
        News {
            kind: "account_status".to_owned(),
            account_id: Some(self.account_id.clone()),
            dedupe_id: joined(&["account_status", &self.account_id, &self.message, &window]),
        }
    }
}

fn joined(parts: &[&str]) -> String {
    parts.join("|")
}

/// Of what has no id that could be used, the same bytes are the same event.
fn digest(data: &Json) -> String {
    hex::encode(Sha256::digest(data.as_str()))
}

const EVENT_TYPES: &[Described] = &[
    Described::new(
        "unipile.message_received",
        "A message came in for a connected account",
        r#"{"event":"message_received","account_id":"acc_1","account_type":"LINKEDIN","account_info":{"user_id":"own"},"chat_id":"chat_1","message_id":"msg_1","message":"Good morning","timestamp":"2026-11-21T09:30:00.125Z","sender":{"attendee_provider_id":"bob","attendee_name":"Bob"}}"#,
    ),
    Described::new(
        "unipile.message_sent",
        "The connected account sent a message, here or elsewhere",
        r#"{"event":"message_received","account_id":"acc_1","account_type":"LINKEDIN","account_info":{"user_id":"own"},"chat_id":"chat_1","message_id":"msg_2","message":"Good evening","timestamp":"2026-11-21T19:30:00.125Z","sender":{"attendee_provider_id":"own"}}"#,
    ),
    Described::new(
        "unipile.message_read",
        "A message was read",
        r#"{"event":"message_read","account_id":"acc_1","chat_id":"chat_1","message_id":"msg_2","timestamp":"2026-11-21T19:31:00.000Z"}"#,
    ),
    Described::new(
        "unipile.message_delivered",
        "A message reached its receiver",
        r#"{"event":"message_delivered","account_id":"acc_1","chat_id":"chat_1","message_id":"msg_2","timestamp":"2026-11-21T19:30:01.000Z"}"#,
    ),
    Described::new(
        "unipile.message_failed",
        "A message could not be sent",
        r#"{"event":"message_failed","account_id":"acc_1","chat_id":"chat_1","message_id":"msg_2","timestamp":"2026-11-21T19:30:01.000Z"}"#,
    ),
    Described::new(
        "unipile.message_reaction",
        "Somebody reacted to a message",
        r#"{"event":"message_reaction","account_id":"acc_1","chat_id":"chat_1","message_id":"msg_2","reaction":"👍","reaction_sender":{"attendee_id":"att_1"},"timestamp":"2026-11-21T19:32:00.000Z"}"#,
    ),
    Described::new(
        "unipile.message_edited",
        "A message was changed",
        r#"{"event":"message_edited","account_id":"acc_1","chat_id":"chat_1","message_id":"msg_1","message":"Good morning!","timestamp":"2026-11-21T09:31:00.000Z"}"#,
    ),
    Described::new(
        "unipile.message_deleted",
        "A message was taken back",
        r#"{"event":"message_deleted","account_id":"acc_1","chat_id":"chat_1","message_id":"msg_1","timestamp":"2026-11-21T09:32:00.000Z"}"#,
    ),
    Described::new(
        "unipile.mail_received",
        "A mail came in for a connected account",
        r#"{"event":"mail_received","account_id":"acc_2","email_id":"eml_1","date":"2026-11-21T09:30:00.000Z","from_attendee":{"display_name":"Bob","identifier":"bob@example.com","identifier_type":"EMAIL_ADDRESS"},"subject":"The door","body_plain":"It squeaks.","folders":["INBOX"],"role":"inbox"}"#,
    ),
    Described::new(
        "unipile.mail_sent",
        "The connected account sent a mail, here or elsewhere",
        r#"{"event":"mail_sent","account_id":"acc_2","email_id":"eml_2","date":"2026-11-21T09:40:00.000Z","subject":"Re: The door","origin":"external"}"#,
    ),
    Described::new(
        "unipile.mail_moved",
        "A mail changed its folder",
        r#"{"event":"mail_moved","account_id":"acc_2","email_id":"eml_1","date":"2026-11-21T09:30:00.000Z","folders":["Archive"]}"#,
    ),
    Described::new(
        "unipile.mail_opened",
        "A tracked mail was opened",
        r#"{"event":"mail_opened","event_id":"trk_1","tracking_id":"t1","account_id":"acc_2","email_id":"eml_2","date":"2026-11-21T10:00:00.000Z"}"#,
    ),
    Described::new(
        "unipile.mail_link_clicked",
        "A link in a tracked mail was followed",
        r#"{"event":"mail_link_clicked","event_id":"trk_2","tracking_id":"t1","account_id":"acc_2","email_id":"eml_2","url":"https://example.com/door","date":"2026-11-21T10:01:00.000Z"}"#,
    ),
    Described::new(
        "unipile.new_relation",
        "Somebody accepted an invitation, up to eight hours ago",
        r#"{"event":"new_relation","account_id":"acc_1","user_provider_id":"bob","user_full_name":"Bob"}"#,
    ),
    Described::new(
        "unipile.account_status",
        "A connected account changed its state; CREDENTIALS means that its user must connect it again",
        r#"{"AccountStatus":{"account_id":"acc_1","account_type":"LINKEDIN","message":"CREDENTIALS"}}"#,
    ),
];

/// Our key for its API.
const API_KEY: Setting = Setting::new("api_key", "UNIPILE_API_KEY", SettingKind::Credential);
/// The host and port that it has given us, such as `api8.unipile.com:13851`.
const DSN: Setting = Setting::new("dsn", "UNIPILE_DSN", SettingKind::Optional);
/// Stands before `/api/v1`, instead of the host and port.
const BASE: Setting = Setting::new(API_BASE, "UNIPILE_API_BASE", SettingKind::Optional);

/// Unipile keeps the sessions itself: an account is its own id for it.
impl Connectable for Unipile {
    fn name(&self) -> &'static str {
        self.profile().name
    }

    fn settings(&self) -> &'static [Setting] {
        &[API_KEY, DSN, BASE]
    }
}

/// The address of `path` in version 1 of its API, and our key for it; `None` as long as they are not set.
fn api(settings: &Settings, path: &str) -> Option<(String, Token)> {
    let key = settings.first(API_KEY.key)?;
    Some((format!("{}/api/v1{path}", base(settings)?), Token::new(key)))
}

/// Where its API is, without a final slash; `None` as long as that is not set.
fn base(settings: &Settings) -> Option<String> {
    let base = match (settings.first(BASE.key), settings.first(DSN.key)) {
        (Some(base), _) => base.to_owned(),
        (None, Some(dsn)) if dsn.contains("://") => dsn.to_owned(),
        (None, dsn) => format!("https://{}", dsn?),
    };
    Some(base.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{self, assert_nothing_may_be_altered, read_at, request};

    const SECRET: &str = "correct horse battery staple";

    fn read_later(body: &Value, now: i64) -> InboundEvent {
        // What it really sends, as others have recorded.
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        match read_at(&Unipile, &headers, &body.to_string(), now).unwrap() {
            Inbound::Events(mut events) if events.len() == 1 => events.remove(0),
            other => panic!("{other:?}"),
        }
    }

    fn read(body: &Value) -> InboundEvent {
        read_later(body, 0)
    }

    /// Two bodies, the second with `field` changed.
    fn tells_apart(body: &Value, field: &str) -> bool {
        let mut other = body.clone();
        other[field] = json!("something else");
        read(body).dedupe_id != read(&other).dedupe_id
    }

    fn message(event: &str) -> Value {
        json!({
            "event": event, "account_id": "acc_1", "account_type": "LINKEDIN",
            "account_info": {"type": "LINKEDIN", "feature": "classic", "user_id": "own"},
            "chat_id": "chat_1", "message_id": "msg_1", "message": "Good morning",
            "timestamp": "2026-05-18T09:30:00.125Z", "webhook_name": "w", "is_sender": false,
            "sender": {"attendee_id": "att_1", "attendee_provider_id": "bob"}, "attachments": [],
        })
    }

    #[test]
    fn the_header_must_hold_the_secret() {
        let genuine = testing::signed(&Unipile, SECRET, None, b"{}", 0);
        let unsigned_body = RawRequest { body: Vec::new().into(), ..genuine };
        assert_nothing_may_be_altered(&Unipile, &unsigned_body, SECRET, 0);
        for wrong in ["", "correct horse", "correct horse battery staple ", "CORRECT HORSE BATTERY STAPLE"] {
            let refused = testing::verify(&Unipile, &request(&[(AUTH, wrong)], "{}"), SECRET, 0);
            assert_eq!(refused, Err(Refusal::BadToken));
        }
        let bearer = request(&[("authorization", SECRET)], "{}");
        assert_eq!(testing::verify(&Unipile, &bearer, SECRET, 0), Err(testing::missing("unipile-auth")));
    }

    #[test]
    fn a_message_is_read_whatever_its_media_type_says() {
        let body = message("message_received");
        let event = read(&body);
        assert_eq!(event.event_type.as_str(), "unipile.message_received");
        assert_eq!(event.dedupe_id, "message_received|acc_1|msg_1");
        assert_eq!(event.owner, Owner::account("acc_1"));
        assert_eq!(event.occurred_at.unwrap().to_string(), "2026-05-18T09:30:00.125Z");
        assert_eq!((event.data.as_str(), event.is_whole_body), (body.to_string().as_str(), true));
    }

    #[test]
    fn the_accounts_own_messages_are_told_apart() {
        let is_own = |change: &dyn Fn(&mut Value)| {
            let mut body = message("message_received");
            change(&mut body);
            let event_type = read(&body).event_type;
            assert!(["unipile.message_sent", "unipile.message_received"].contains(&event_type.as_str()));
            event_type.as_str() == "unipile.message_sent"
        };
        assert!(is_own(&|body| body["sender"]["attendee_provider_id"] = json!("own")));
        assert!(!is_own(&|body| body["is_sender"] = json!(true)), "who sent it says more");
        for (is_sender, own) in
            [(json!(1), true), (json!(true), true), (json!(0), false), (json!(null), false)]
        {
            let without_info = |body: &mut Value| {
                body["account_info"] = json!(null);
                body["is_sender"] = is_sender.clone();
            };
            assert_eq!(is_own(&without_info), own, "{is_sender}");
        }
        let mut read_by_me = message("message_read");
        read_by_me["sender"]["attendee_provider_id"] = json!("own");
        assert_eq!(read(&read_by_me).event_type.as_str(), "unipile.message_read");
    }

    #[test]
    fn a_repeat_is_told_by_what_the_event_is_about() {
        for event in ["message_received", "message_deleted", "message_failed"] {
            let body = message(event);
            assert!(tells_apart(&body, "message_id") && tells_apart(&body, "account_id"), "{event}");
            assert!(!tells_apart(&body, "timestamp") && !tells_apart(&body, "webhook_name"), "{event}");
        }
        for event in ["message_read", "message_edited", "message_delivered", "message_reaction"] {
            let mut body = message(event);
            body["reaction_sender"] = json!({"attendee_id": "att_1"});
            for field in ["message_id", "account_id", "timestamp", "reaction"] {
                assert!(tells_apart(&body, field), "{event} {field}");
            }
            let mut by_another = body.clone();
            by_another["reaction_sender"]["attendee_id"] = json!("att_2");
            assert_ne!(read(&body).dedupe_id, read(&by_another).dedupe_id);
            assert!(!tells_apart(&body, "webhook_name"), "{event}");
        }
        assert_ne!(read(&message("message_read")).dedupe_id, read(&message("message_edited")).dedupe_id);
    }

    #[test]
    fn mails_and_their_tracking_are_read() {
        let mail = json!({
            "event": "mail_received", "account_id": "acc_2", "email_id": "eml_1", "message_id": "<a@b>",
            "date": "2026-05-18T09:30:00.000Z", "from_attendee": {"identifier": "bob@example.com"}, "subject": "Hi",
        });
        let event = read(&mail);
        assert_eq!(event.event_type.as_str(), "unipile.mail_received");
        assert_eq!(event.dedupe_id, "mail_received|acc_2|eml_1");
        assert_eq!(event.occurred_at.unwrap().to_string(), "2026-05-18T09:30:00.000Z");
        let opened = json!({
            "event": "mail_opened", "event_id": "trk_1", "tracking_id": "t", "account_id": "acc_2",
            "email_id": "eml_1", "date": "2026-05-18T10:00:00.000Z", "ip": "203.0.113.7",
        });
        let event = read(&opened);
        assert_eq!(event.event_type.as_str(), "unipile.mail_opened");
        assert_eq!((event.dedupe_id.as_str(), event.owner), ("mail_opened|trk_1", Owner::account("acc_2")));
        let clicked = json!({"type": "mail_link_clicked", "event_id": "trk_2", "account_id": "acc_2"});
        assert_eq!(read(&clicked).event_type.as_str(), "unipile.mail_link_clicked");
    }

    #[test]
    fn an_accounts_status_is_news_once_a_minute() {
        let status = |message: &str| json!({"AccountStatus": {"account_id": "acc_1", "account_type": "LINKEDIN", "message": message}});
        let event = read_later(&status("CREDENTIALS"), 120);
        assert_eq!(event.event_type.as_str(), "unipile.account_status");
        assert_eq!((event.owner, event.occurred_at), (Owner::account("acc_1"), None));
        let id = |message: &str, now| read_later(&status(message), now).dedupe_id;
        assert_eq!(id("CREDENTIALS", 120), id("CREDENTIALS", 179));
        assert_ne!(id("CREDENTIALS", 120), id("CREDENTIALS", 180));
        assert_ne!(id("CREDENTIALS", 120), id("OK", 120));
    }

    #[test]
    fn what_is_not_known_is_an_event_by_its_bytes() {
        let relation = json!({"event": "new_relation", "account_id": "acc_1", "user_provider_id": "bob"});
        assert_eq!(read(&relation).event_type.as_str(), "unipile.new_relation");
        assert_eq!(read(&relation).dedupe_id, read(&relation).dedupe_id);
        assert!(tells_apart(&relation, "user_provider_id"));
        let without_account = json!({"event": "message_received", "message_id": "msg_1"});
        assert_eq!(read(&without_account).owner, Owner::Path);
        assert!(tells_apart(&without_account, "timestamp"));
        let of_other_shapes = json!({
            "event": "message_received", "account_id": "acc_1", "message_id": "msg_1", "sender": "bob",
            "account_info": [], "attachments": {"id": "x"}, "timestamp": {"seconds": 1}, "is_sender": "no",
        });
        assert_eq!(read(&of_other_shapes).dedupe_id, "message_received|acc_1|msg_1");
    }

    #[test]
    fn what_cannot_be_read_is_answered_with_200() {
        for body in
            ["", "{", "{}", "[]", "event=message_received&account_id=acc_1", r#"{"AccountStatus":{}}"#]
        {
            assert!(read_at(&Unipile, &[], body, 0).is_err(), "{body}");
        }
        let reply = Unipile.reply_to_unreadable().unwrap();
        assert_eq!((reply.status.as_u16(), reply.body.as_str()), (200, r#"{"status":"ignored"}"#));
        assert_eq!(Unipile.reply_to_kept(), None, "the general answer is 200 too");
    }
}
