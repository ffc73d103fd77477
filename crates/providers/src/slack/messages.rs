//! Messages of Slack: what its events tell of them, and how one is posted.
//!
//! Sources: api.slack.com, "message event", its subtypes, "reaction_added", "Formatting text" and `chat.postMessage`. A
//! message's id is its time (`ts`), which is unique within its channel.

use std::time::Duration;

use domain::conversation::{Arrival, Chat, ContentType, Kind, Message, What};
use domain::{Event, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::connect::api_url;
use crate::inbox::{Told, change};
use crate::{Settings, lenient};

/// How long Slack is left alone where it does not say: it counts by the second for each channel.
const RATE_RESTS: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct Outer {
    #[serde(default, deserialize_with = "lenient::text")]
    team_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    api_app_id: Option<String>,
    #[serde(default)]
    authorizations: Vec<Authorization>,
    event: Inner,
}

/// For whom the application was installed.
#[derive(Deserialize)]
struct Authorization {
    #[serde(default, deserialize_with = "lenient::text")]
    user_id: Option<String>,
}

#[derive(Deserialize)]
struct Inner {
    #[serde(default, deserialize_with = "lenient::text")]
    subtype: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    channel: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    event_ts: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    deleted_ts: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    reaction: Option<String>,
    #[serde(flatten)]
    said: Said,
    /// What a message that was changed says now.
    #[serde(default, deserialize_with = "lenient::object")]
    message: Option<Said>,
    /// What was reacted to.
    #[serde(default, deserialize_with = "lenient::object")]
    item: Option<Item>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default, deserialize_with = "lenient::text")]
    ts: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    user: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    bot_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    app_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    text: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    thread_ts: Option<String>,
    #[serde(default, deserialize_with = "lenient::object")]
    edited: Option<Edited>,
    #[serde(default)]
    files: Value,
}

#[derive(Deserialize)]
struct Edited {
    #[serde(default, deserialize_with = "lenient::text")]
    ts: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default, deserialize_with = "lenient::text")]
    channel: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    ts: Option<String>,
}

pub(crate) fn told(event: &Event) -> Option<Told> {
    let outer: Outer = serde_json::from_str(event.data.as_str()).ok()?;
    let inner = &outer.event;
    let at = inner.event_ts.as_deref().and_then(time);
    let tell = |channel: &Option<String>, ts: &Option<String>, what, by: &Option<String>, at| {
        let (account_id, chat_id) = (outer.team_id.clone()?, channel.clone()?);
        Some(Told {
            chat: Chat { provider: "slack".to_owned(), account_id, chat_id },
            channel: "SLACK".to_owned(),
            message_id: ts.clone()?,
            change: change(event, what, by.clone(), at),
        })
    };
    let (channel, said) = (&inner.channel, &inner.said);
    match (event.event_type.as_str(), inner.subtype.as_deref()) {
        ("slack.message", Some("message_changed")) => {
            let changed = inner.message.as_ref()?;
            // Without this it is the same, with a link shown at length.
            let at = changed.edited.as_ref()?.ts.as_deref().and_then(time).or(at);
            let what = What::Edited { content: plain(changed.text.as_deref().unwrap_or_default()) };
            tell(channel, &changed.ts, what, &changed.user, at)
        }
        ("slack.message", Some("message_deleted")) => {
            tell(channel, &inner.deleted_ts, What::Deleted, &said.user, at)
        }
        ("slack.message", None | Some("bot_message" | "file_share" | "thread_broadcast" | "me_message")) => {
            let by = said.user.clone().or_else(|| said.bot_id.clone());
            tell(channel, &said.ts, said.arrived(&outer), &by, said.ts.as_deref().and_then(time))
        }
        ("slack.reaction_added" | "slack.reaction_removed", _) => {
            let item = inner.item.as_ref()?;
            let is_gone = event.event_type.as_str() == "slack.reaction_removed";
            let what = What::Reacted { emoji: inner.reaction.clone()?, is_gone };
            tell(&item.channel, &item.ts, what, &said.user, at)
        }
        _ => None,
    }
}

impl Said {
    fn arrived(&self, outer: &Outer) -> What {
        let own = outer.authorizations.first().and_then(|authorization| authorization.user_id.as_ref());
        let is_our_bot = self.app_id.is_some() && self.app_id == outer.api_app_id;
        let file = self.files.get(0);
        let mut metadata = Map::new();
        metadata.extend(self.thread_ts.clone().map(|ts| ("thread_ts".to_owned(), ts.into())));
        if file.is_some() {
            metadata.insert("attachments".to_owned(), self.files.clone());
        }
        What::Arrived(Box::new(Arrival {
            content: plain(self.text.as_deref().unwrap_or_default()),
            content_type: file.map_or(ContentType::Text, content_type),
            filename: file.and_then(|file| file["name"].as_str().map(str::to_owned)),
            kind: if self.bot_id.is_some() { Kind::Bot } else { Kind::UserInput },
            metadata: Value::Object(metadata),
            is_own: is_our_bot || (own.is_some() && own == self.user.as_ref()),
            is_sending: false,
        }))
    }
}

/// What was written, without Slack's marks: addresses stand in angle brackets, with what is shown for them, and three
/// characters are spelled out. What names somebody, or everybody (`<@U1>`, `<!here>`), stays.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, marked)) = rest.split_once('<') {
        plain += before;
        let Some((inside, after)) = marked.split_once('>') else {
            plain.push('<');
            rest = marked;
            continue;
        };
        if inside.starts_with(['@', '#', '!']) {
            plain += &format!("<{inside}>");
        } else {
            let (address, shown) = inside.split_once('|').unwrap_or((inside, inside));
            // What somebody has typed is shown; under a label of another's choice the address counts.
            plain += if address.ends_with(shown) { shown } else { address };
        }
        rest = after;
    }
    plain += rest;
    plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// Posts it as it was written: what looks like one of Slack's marks is none, so that nobody calls a whole channel by
/// accident.
pub(crate) fn send(chat: &Chat, message: &Message, settings: &Settings, token: &Token) -> ApiCall {
    let text = message.content.as_deref().unwrap_or_default();
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let url = api_url(settings, "/api/chat.postMessage");
    let body = json!({ "channel": chat.chat_id, "text": text });
    ApiCall::of(http::Method::POST, url).with_json(&body).bearer(token)
}

pub(crate) fn read_sent(answer: &ApiAnswer, now: Timestamp) -> Result<Option<String>, CallFailure> {
    match super::check_ok(answer, now) {
        // Under whatever status: then it was not posted.
        Err(CallFailure::Passing { reason, retry_after })
            if super::RATE_LIMITED.contains(&reason.as_str()) =>
        {
            Err(CallFailure::Exhausted { reason, retry_after: retry_after.unwrap_or(RATE_RESTS) })
        }
        Err(failure) => Err(failure),
        Ok(said) => Ok(said["ts"].as_str().map(str::to_owned)),
    }
}

fn content_type(file: &Value) -> ContentType {
    match file["mimetype"].as_str().unwrap_or_default().split('/').next() {
        Some("image") => ContentType::Image,
        Some("video") => ContentType::Video,
        Some("audio") => ContentType::Audio,
        _ => ContentType::Document,
    }
}

/// Seconds since the Unix epoch, with six places.
pub(super) fn time(ts: &str) -> Option<Timestamp> {
    let (seconds, micros) = ts.split_once('.')?;
    let (seconds, micros): (i64, i64) = (seconds.parse().ok()?, format!("{micros:0<6}").parse().ok()?);
    let is_one = (0..1_000_000).contains(&micros) && (0..100_000_000_000).contains(&seconds);
    is_one.then(|| Timestamp::from_micros(seconds * 1_000_000 + micros))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oauth::API_BASE;
    use crate::testing::kept;

    fn read(kind: &str, inner: &Value) -> Option<Told> {
        let data = json!({
            "team_id": "T1", "api_app_id": "A1", "authorizations": [{"user_id": "U1"}], "event": inner,
        });
        crate::inbox::told(&kept("slack", kind, (1_700_000_100, 1_700_000_100), &data))
    }

    #[test]
    fn a_message_is_told_and_whose_it_is() {
        let said = |user: &str, more: Value| {
            let mut inner = json!({"channel": "C1", "ts": "1700000000.000100", "user": user, "text": "Hi"});
            inner.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            read("slack.message", &inner).unwrap()
        };
        let told = said("U2", json!({}));
        assert_eq!((told.chat.account_id.as_str(), told.chat.chat_id.as_str()), ("T1", "C1"));
        assert_eq!((told.message_id.as_str(), told.change.by.as_str()), ("1700000000.000100", "U2"));
        assert_eq!(told.change.at.as_micros(), 1_700_000_000_000_100);
        let is_own = |told: Told| match told.change.what {
            What::Arrived(arrival) => arrival.is_own,
            other => panic!("{other:?}"),
        };
        assert!(!is_own(told) && is_own(said("U1", json!({}))));
        assert!(is_own(said("U9", json!({"subtype": "bot_message", "bot_id": "B1", "app_id": "A1"}))));
    }

    #[test]
    fn what_was_written_comes_without_marks_and_goes_without_any() {
        for (told, written) in [
            ("a &lt; b &amp;&amp; c", "a < b && c"),
            ("see <https://a.test/?x=1&amp;y=2>", "see https://a.test/?x=1&y=2"),
            ("<http://a.test|a.test> and <https://b.test|here>", "a.test and https://b.test"),
            ("<mailto:bob@a.test|bob@a.test>", "bob@a.test"),
            ("<@U1> <!here> <#C1|doors>", "<@U1> <!here> <#C1|doors>"),
            ("&amp;lt; &lt;3 <unfinished", "&lt; <3 <unfinished"),
        ] {
            assert_eq!(plain(told), written);
        }
        let id = |n: u8| [n; 16];
        let mut message = Message::unknown(id(1).into(), id(2).into(), "SLACK", None);
        message.content = Some("<!channel> a & b".to_owned());
        let chat =
            Chat { provider: "slack".to_owned(), account_id: "T1".to_owned(), chat_id: "C1".to_owned() };
        let settings = Settings::default().with(API_BASE, ["https://slack.com".to_owned()]);
        let call = send(&chat, &message, &settings, &Token::new("xoxb-1"));
        assert_eq!(call.url, "https://slack.com/api/chat.postMessage");
        assert_eq!(call.headers["authorization"], "Bearer xoxb-1");
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!(body, json!({ "channel": "C1", "text": "&lt;!channel&gt; a &amp; b" }));
    }

    #[test]
    fn what_slack_answers_says_whether_it_was_posted() {
        let read = |status: u16, body: Value| {
            let status = http::StatusCode::from_u16(status).unwrap();
            let answer = ApiAnswer { status, headers: http::HeaderMap::new(), body: body.to_string().into() };
            read_sent(&answer, Timestamp::from_seconds(0))
        };
        let error = |error: &str| read(200, json!({ "ok": false, "error": error })).unwrap_err();
        let posted = read(200, json!({ "ok": true, "channel": "C1", "ts": "1700000000.000100" }));
        assert_eq!(posted, Ok(Some("1700000000.000100".to_owned())));
        for word in ["ratelimited", "rate_limited"] {
            assert!(
                matches!(error(word), CallFailure::Exhausted { retry_after, .. } if retry_after == RATE_RESTS)
            );
        }
        for word in ["channel_not_found", "not_in_channel", "is_archived", "msg_too_long", "no_text"] {
            assert!(matches!(error(word), CallFailure::Refused(_)));
        }
        assert!(matches!(error("token_revoked"), CallFailure::TokenRefused(_)));
        assert!(matches!(error("fatal_error"), CallFailure::Passing { .. }));
    }

    #[test]
    fn changes_deletions_and_reactions_name_the_message_they_are_about() {
        let changed = json!({"subtype": "message_changed", "channel": "C1", "event_ts": "1700000005.000000",
            "message": {"ts": "1700000000.000100", "user": "U2", "text": "Ho", "edited": {"ts": "1700000004.000000"}}});
        let told = read("slack.message", &changed).unwrap();
        assert_eq!(
            (told.message_id.as_str(), told.change.at.as_seconds()),
            ("1700000000.000100", 1_700_000_004)
        );
        assert_eq!(told.change.what, What::Edited { content: "Ho".to_owned() });
        let mut unfurled = changed;
        unfurled["message"]["edited"] = json!(null);
        assert_eq!(read("slack.message", &unfurled), None);
        let deleted =
            json!({"subtype": "message_deleted", "channel": "C1", "deleted_ts": "1700000000.000100"});
        assert_eq!(read("slack.message", &deleted).unwrap().change.what, What::Deleted);
        let reaction = json!({"user": "U2", "reaction": "thumbsup", "event_ts": "1700000006.000000",
            "item": {"type": "message", "channel": "C1", "ts": "1700000000.000100"}});
        let told = read("slack.reaction_removed", &reaction).unwrap();
        let gone = What::Reacted { emoji: "thumbsup".to_owned(), is_gone: true };
        assert_eq!((told.change.what, told.change.by.as_str()), (gone, "U2"));
        assert_eq!(
            read("slack.message", &json!({"subtype": "channel_join", "channel": "C1", "ts": "1.0"})),
            None
        );
    }
}
