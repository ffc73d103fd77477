//! Slack: the Events API over HTTP.
//!
//! Sources: docs.slack.dev, "Verifying requests from Slack" (signature, vector, five minutes), "The Events API" (the
//! outer event, `event_id`, `app_rate_limited`, `x-slack-no-retry`), "Using HTTP request URLs" (the handshake); Slack's
//! own framework for JavaScript (`ssl_check`, which is not signed).

mod history;
pub(crate) mod messages;

use std::borrow::Cow;

use domain::event::Json;
use domain::{Event, EventType, Timestamp};
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::connect::{Connectable, api_url, application_settings};
use crate::oauth::{ClientAuth, OAuth, identity};
use crate::{
    CannotSign, Described, Inbound, InboundEvent, Known, Owner, Profile, Provider, RawRequest, Recurrence,
    Refusal, Reply, Setting, SettingKind, Settings, Unreadable, Unsigned, Verified, lenient, mac,
    refuse_list,
};

const SECRET: Setting = Setting::new("signing_secret", "SLACK_SIGNING_SECRET", SettingKind::Secret);

const SIGNATURE: &str = "x-slack-signature";
const TIMESTAMP: &str = "x-slack-request-timestamp";
const PREFIX: &str = "v0=";

/// Told beside a refusal, it keeps Slack from trying again.
const NO_RETRY: HeaderName = HeaderName::from_static("x-slack-no-retry");

/// Bytes of a probe. It has two short fields; a longer one is not worth reading unsigned.
const PROBE_BYTES_MAX: usize = 4 * 1_024;

/// Seconds that a request's timestamp may lie in the past or the future.
const TOLERANCE_SECONDS: u32 = 300;

pub(crate) struct Slack;

impl Provider for Slack {
    fn profile(&self) -> Profile {
        Profile { name: "slack", paths: &["/slack/{user}"], settings: &[SECRET] }
    }

    /// The secret is text: it looks like hexadecimal and is not decoded. The timestamp is signed as it was written.
    fn verify<'r>(&self, request: &'r RawRequest, known: &Known<'_>) -> Result<Verified<'r>, Refusal> {
        let signature = request.needed(SIGNATURE)?;
        let timestamp = request.needed(TIMESTAMP)?;
        let seconds: i64 = timestamp.parse().map_err(|_| Refusal::NoTimestamp)?;
        if known.now.as_seconds().abs_diff(seconds) > TOLERANCE_SECONDS.into() {
            return Err(Refusal::Stale(TOLERANCE_SECONDS));
        }
        mac::verify_hex(
            known.settings.macs(SECRET.key),
            &signed_parts(timestamp, &request.body),
            signature,
            PREFIX,
        )?;
        Ok(Verified(request))
    }

    fn parse(&self, request: &Verified<'_>, _now: Timestamp) -> Result<Inbound, Unreadable> {
        refuse_list(request.body())?;
        let data = Json::parse(request.body())?;
        match serde_json::from_str(data.as_str())? {
            Outer::UrlVerification { challenge } => Ok(Inbound::Reply(Reply::text(challenge))),
            Outer::EventCallback { event_id, .. } if event_id.is_empty() => {
                Err(Unreadable::Unexpected("event_id is empty".to_owned()))
            }
            Outer::EventCallback { event, event_id, event_time, team_id, authorizations } => {
                let event_type = EventType::from_words(["slack", &event.kind]);
                let team =
                    authorizations.pointer("/0/team_id").and_then(Value::as_str).or(team_id.as_deref());
                let message = team.and_then(|team| event.message(team));
                let by_its_id =
                    Recurrence { event_type: event_type.clone(), dedupe_id: event_id.into_owned() };
                Ok(Inbound::event(InboundEvent {
                    dedupe_id: message.clone().unwrap_or_else(|| by_its_id.dedupe_id.clone()),
                    recurrence: message.map(|_| by_its_id),
                    event_type,
                    owner: Owner::Path,
                    occurred_at: event_time.map(Timestamp::from_seconds),
                    data: data.clone(),
                    is_whole_body: true,
                }))
            }
            Outer::AppRateLimited { team_id, minute_rate_limited } => Ok(Inbound::event(InboundEvent {
                event_type: EventType::from_words(["slack", "app_rate_limited"]),
                // It has no id of its own, but there is one for each team and minute.
                dedupe_id: format!("app_rate_limited:{team_id}:{minute_rate_limited}"),
                recurrence: None,
                owner: Owner::Path,
                occurred_at: Some(Timestamp::from_seconds(minute_rate_limited)),
                data: data.clone(),
                is_whole_body: true,
            })),
        }
    }

    fn reply_to_anybody(&self, request: &RawRequest) -> Option<Reply> {
        is_probe(request).then(|| Reply::text(""))
    }

    /// A poll that has found a message knows no event's id; two events of different ids are two.
    fn is_repeat(&self, known: &Event, inbound: &InboundEvent) -> bool {
        let id = |data: &Json| {
            serde_json::from_str::<Value>(data.as_str()).ok()?["event_id"].as_str().map(str::to_owned)
        };
        id(&known.data).is_none_or(|known| id(&inbound.data).is_none_or(|id| id == known))
    }

    /// Of the three retries none would be read either.
    fn final_refusal(&self) -> Option<(HeaderName, HeaderValue)> {
        Some((NO_RETRY, HeaderValue::from_static("1")))
    }

    fn sign(&self, secret: &str, unsigned: &Unsigned<'_>) -> Result<Vec<(HeaderName, String)>, CannotSign> {
        let timestamp = unsigned.at.as_seconds().to_string();
        let signature = mac::sign_hex(secret, &signed_parts(&timestamp, unsigned.body), PREFIX);
        let headers = [(TIMESTAMP, timestamp), (SIGNATURE, signature)];
        Ok(headers.map(|(name, value)| (HeaderName::from_static(name), value)).into())
    }

    fn event_types(&self) -> &'static [Described] {
        EVENT_TYPES
    }
}

/// Whether this is the form post with which Slack looks whether a certificate is good. It has other fields beside, and
/// nobody reads them.
fn is_probe(request: &RawRequest) -> bool {
    let media_type = request.header("content-type").unwrap_or_default();
    request.body.len() <= PROBE_BYTES_MAX
        && media_type.trim_start().starts_with("application/x-www-form-urlencoded")
        && url::form_urlencoded::parse(&request.body).any(|(name, value)| name == "ssl_check" && value == "1")
}

fn signed_parts<'p>(timestamp: &'p str, body: &'p [u8]) -> [&'p [u8]; 4] {
    [b"v0:", timestamp.as_bytes(), b":", body]
}

/// The envelope around what happened.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Outer<'p> {
    UrlVerification {
        challenge: String,
    },
    EventCallback {
        #[serde(borrow)]
        event: Inner<'p>,
        #[serde(borrow)]
        event_id: Cow<'p, str>,
        event_time: Option<i64>,
        #[serde(default, deserialize_with = "lenient::text")]
        team_id: Option<String>,
        /// One of those for whom the application was installed: whoever shares a channel names the others' workspace
        /// too.
        #[serde(default)]
        authorizations: Value,
    },
    AppRateLimited {
        #[serde(borrow)]
        team_id: Cow<'p, str>,
        minute_rate_limited: i64,
    },
}

#[derive(Deserialize)]
struct Inner<'p> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'p, str>,
    #[serde(default, deserialize_with = "lenient::text")]
    subtype: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    channel: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    ts: Option<String>,
}

/// Messages about another one, which is not said anew. The moment is that of the change.
const CHANGES: [&str; 3] = ["message_changed", "message_deleted", "message_replied"];

impl Inner<'_> {
    /// What a message that was posted is known by, whoever tells of it.
    fn message(&self, team: &str) -> Option<String> {
        let is_change = self.subtype.as_deref().is_some_and(|subtype| CHANGES.contains(&subtype));
        let (channel, ts) = (self.channel.as_deref()?, self.ts.as_deref()?);
        (self.kind == "message" && !is_change).then(|| message_id(team, channel, ts))
    }
}

/// A message is known by its moment, within its conversation.
fn message_id(team: &str, conversation: &str, ts: &str) -> String {
    format!("message:{team}:{conversation}:{ts}")
}

const EVENT_TYPES: &[Described] = &[
    Described::new(
        "slack.message",
        "A message was posted, changed or deleted in a conversation that the app can see",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev1","event_time":1700000000,"event":{"type":"message","channel":"C1","channel_type":"channel","user":"U1","text":"Good morning","ts":"1700000000.000100"}}"#,
    ),
    Described::new(
        "slack.app_mention",
        "Somebody mentioned the app",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev2","event_time":1700000000,"event":{"type":"app_mention","channel":"C1","user":"U1","text":"<@U2> hello","ts":"1700000000.000200"}}"#,
    ),
    Described::new(
        "slack.app_home_opened",
        "Somebody opened the app's home",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev3","event_time":1700000000,"event":{"type":"app_home_opened","user":"U1","channel":"D1","tab":"home"}}"#,
    ),
    Described::new(
        "slack.reaction_added",
        "Somebody reacted to a message or a file",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev4","event_time":1700000000,"event":{"type":"reaction_added","user":"U1","reaction":"thumbsup","item":{"type":"message","channel":"C1","ts":"1700000000.000100"}}}"#,
    ),
    Described::new(
        "slack.reaction_removed",
        "Somebody took a reaction back",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev5","event_time":1700000000,"event":{"type":"reaction_removed","user":"U1","reaction":"thumbsup","item":{"type":"message","channel":"C1","ts":"1700000000.000100"}}}"#,
    ),
    Described::new(
        "slack.member_joined_channel",
        "Somebody joined a conversation",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev6","event_time":1700000000,"event":{"type":"member_joined_channel","user":"U1","channel":"C1","team":"T1"}}"#,
    ),
    Described::new(
        "slack.member_left_channel",
        "Somebody left a conversation",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev7","event_time":1700000000,"event":{"type":"member_left_channel","user":"U1","channel":"C1","team":"T1"}}"#,
    ),
    Described::new(
        "slack.channel_created",
        "A channel was created",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev8","event_time":1700000000,"event":{"type":"channel_created","channel":{"id":"C2","name":"doors","created":1700000000,"creator":"U1"}}}"#,
    ),
    Described::new(
        "slack.channel_rename",
        "A channel was renamed",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev9","event_time":1700000000,"event":{"type":"channel_rename","channel":{"id":"C2","name":"hinges","created":1700000000}}}"#,
    ),
    Described::new(
        "slack.channel_archive",
        "A channel was archived",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev10","event_time":1700000000,"event":{"type":"channel_archive","channel":"C2","user":"U1"}}"#,
    ),
    Described::new(
        "slack.file_shared",
        "A file was shared",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev11","event_time":1700000000,"event":{"type":"file_shared","file_id":"F1","user_id":"U1","channel_id":"C1"}}"#,
    ),
    Described::new(
        "slack.link_shared",
        "A link of a domain that the app looks after was shared",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev12","event_time":1700000000,"event":{"type":"link_shared","channel":"C1","user":"U1","links":[{"domain":"example.com","url":"https://example.com/door"}]}}"#,
    ),
    Described::new(
        "slack.team_join",
        "Somebody joined the workspace",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev13","event_time":1700000000,"event":{"type":"team_join","user":{"id":"U3","name":"bob"}}}"#,
    ),
    Described::new(
        "slack.user_change",
        "Somebody's profile was changed",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev14","event_time":1700000000,"event":{"type":"user_change","user":{"id":"U3","name":"bob"}}}"#,
    ),
    Described::new(
        "slack.tokens_revoked",
        "Tokens of the app were revoked: their users must connect again",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev15","event_time":1700000000,"event":{"type":"tokens_revoked","tokens":{"oauth":["U1"],"bot":["U2"]}}}"#,
    ),
    Described::new(
        "slack.app_uninstalled",
        "The app was removed from a workspace",
        r#"{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev16","event_time":1700000000,"event":{"type":"app_uninstalled"}}"#,
    ),
    Described::new(
        "slack.app_rate_limited",
        "Slack holds events back for a minute since there were more than 30,000 in an hour",
        r#"{"type":"app_rate_limited","team_id":"T1","minute_rate_limited":1700000000,"api_app_id":"A1"}"#,
    ),
];

/// docs.slack.dev, `oauth.v2.access` and "Using token rotation". Errors come with status 200 and `ok: false`.
static OAUTH: OAuth = OAuth {
    scopes: &[
        "chat:write",
        "channels:history",
        "channels:read",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "mpim:history",
        "mpim:read",
    ],
    scope_separator: ",",
    parameters: &[],
    has_pkce: false,
    client_auth: ClientAuth::Basic,
    rejected: &["invalid_refresh_token", "invalid_code", "token_revoked", "account_inactive", "invalid_auth"],
    application: &["bad_client_secret", "invalid_client_id", "bad_redirect_uri"],
};

/// What Slack says to a call with a token that opens nothing any more.
const DEAD_TOKEN: [&str; 5] =
    ["invalid_auth", "token_revoked", "token_expired", "account_inactive", "not_authed"];

impl Connectable for Slack {
    fn name(&self) -> &'static str {
        self.profile().name
    }

    fn settings(&self) -> &'static [Setting] {
        application_settings!("SLACK", "SLACK": "https://slack.com/oauth/v2/authorize",
            "https://slack.com/api/oauth.v2.access", "https://slack.com")
    }

    fn oauth(&self) -> Option<&'static OAuth> {
        Some(&OAUTH)
    }

    fn ask_identity(&self, settings: &Settings, token: &Token) -> Option<ApiCall> {
        Some(ApiCall::form(&api_url(settings, "/api/auth.test"), &[]).bearer(token))
    }

    fn read_identity(&self, answer: &ApiAnswer, now: Timestamp) -> Result<String, CallFailure> {
        check_ok(answer, now)?;
        identity(answer, "/user_id", now)
    }
}

/// Slack's words for being asked too often: of whatever method, and of one that posts.
const RATE_LIMITED: [&str; 2] = ["ratelimited", "rate_limited"];

/// What it says when something has gone wrong at its side. It may have done all the same what it was asked for.
const PASSING: [&str; 3] = ["internal_error", "fatal_error", "service_unavailable"];

/// What Slack says. Its own errors come with status 200.
fn check_ok(answer: &ApiAnswer, now: Timestamp) -> Result<Value, CallFailure> {
    let said = answer.success(now)?;
    if said["ok"] == true {
        return Ok(said);
    }
    let error = said["error"].as_str().and_then(crate::api::code).unwrap_or("no reason given").to_owned();
    Err(match error.as_str() {
        dead if DEAD_TOKEN.contains(&dead) => CallFailure::TokenRefused(error),
        passing if RATE_LIMITED.contains(&passing) || PASSING.contains(&passing) => {
            CallFailure::Passing { reason: error, retry_after: answer.retry_after(now) }
        }
        _ => CallFailure::Refused(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, assert_nothing_may_be_altered, event_of};

    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const AT: i64 = 1_531_420_618;
    /// Slack's own example.
    const COMMAND: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const COMMAND_SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    const HANDSHAKE: &str = r#"{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
    const HANDSHAKE_SIGNATURE: &str = "v0=f9bd80929259f3f6d5fe3a3186c453c89cd1ad4862815a15837584f31c993652";

    fn request(timestamp: &str, signature: &str, body: &str) -> RawRequest {
        testing::request(&[(TIMESTAMP, timestamp), (SIGNATURE, signature)], body.to_owned())
    }

    fn verify(signature: &str, body: &str, now: i64) -> Result<(), Refusal> {
        testing::verify(&Slack, &request(&AT.to_string(), signature, body), SECRET, now)
    }

    fn read(body: &str) -> Result<Inbound, Unreadable> {
        testing::read_at(&Slack, &[], body, 0)
    }

    #[test]
    fn the_vectors_verify_and_are_what_we_sign() {
        for (body, signature) in [(COMMAND, COMMAND_SIGNATURE), (HANDSHAKE, HANDSHAKE_SIGNATURE)] {
            assert_eq!(verify(signature, body, AT), Ok(()));
            let signed = testing::signed(&Slack, SECRET, None, body.as_bytes(), AT);
            assert_eq!(signed.header(TIMESTAMP), Some("1531420618"));
            assert_eq!(signed.header(SIGNATURE), Some(signature));
            assert_nothing_may_be_altered(&Slack, &signed, SECRET, AT);
        }
    }

    #[test]
    fn the_timestamp_holds_for_five_minutes_both_ways() {
        for (now, expected) in [
            (AT + 300, Ok(())),
            (AT - 300, Ok(())),
            (AT + 301, Err(Refusal::Stale(300))),
            (AT - 301, Err(Refusal::Stale(300))),
        ] {
            assert_eq!(verify(COMMAND_SIGNATURE, COMMAND, now), expected);
        }
        for odd in ["soon", "", "1e9", "99999999999999999999", "1531420618.5"] {
            let odd = request(odd, COMMAND_SIGNATURE, COMMAND);
            assert_eq!(testing::verify(&Slack, &odd, SECRET, AT), Err(Refusal::NoTimestamp));
        }
    }

    #[test]
    fn the_timestamp_is_signed_too() {
        let later = request(&(AT + 1).to_string(), COMMAND_SIGNATURE, COMMAND);
        assert_eq!(testing::verify(&Slack, &later, SECRET, AT), Err(Refusal::BadSignature));
        assert_eq!(verify(HANDSHAKE_SIGNATURE, COMMAND, AT), Err(Refusal::BadSignature));
    }

    #[test]
    fn the_handshake_is_answered_with_its_challenge() {
        let Ok(Inbound::Reply(reply)) = read(HANDSHAKE) else { panic!() };
        assert_eq!(reply.body, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P");
        assert_eq!(reply.status, http::StatusCode::OK);
    }

    #[test]
    fn a_probe_of_the_certificate_is_answered_unsigned_and_nothing_else_is() {
        let form = "application/x-www-form-urlencoded";
        let answered = |media_type: &str, body: &str| {
            let request = testing::request(&[("content-type", media_type)], body.to_owned());
            Slack.reply_to_anybody(&request).is_some()
        };
        assert!(answered(form, "ssl_check=1&token=xyz") && answered(form, "token=xyz&ssl_check=1"));
        assert!(!answered(form, "ssl_check=0") && !answered(form, COMMAND) && !answered(form, ""));
        assert!(!answered("application/json", "ssl_check=1"));
        assert!(!answered(form, &format!("ssl_check=1&token={}", "x".repeat(PROBE_BYTES_MAX))));
    }

    #[test]
    fn an_event_is_known_by_its_id_and_inner_type() {
        let body = r#"{"type":"event_callback","event_id":"Ev08MFMKH6","event_time":1234567890,"event":{"type":"message","text":"hi"}}"#;
        let event = event_of(&Slack, &[], body).unwrap();
        assert_eq!((event.event_type.as_str(), event.dedupe_id.as_str()), ("slack.message", "Ev08MFMKH6"));
        assert_eq!(event.occurred_at, Some(Timestamp::from_seconds(1_234_567_890)));
        assert_eq!((event.data.as_str(), event.owner), (body, Owner::Path));
        // A retry says so in its headers, and is the same event.
        let retry = [("x-slack-retry-num", "1"), ("x-slack-retry-reason", "http_timeout")];
        assert_eq!(event_of(&Slack, &retry, body).unwrap().dedupe_id, "Ev08MFMKH6");
    }

    #[test]
    fn a_message_is_known_by_its_moment_so_that_a_poll_knows_it_too() {
        let event = |id: &str, more: &str| {
            let body = format!(
                r#"{{"type":"event_callback","team_id":"T2","authorizations":[{{"team_id":"T1"}}],"event_id":"{id}","event":{{"type":"message","channel":"C1","ts":"1.000001"{more}}}}}"#
            );
            event_of(&Slack, &[], &body).unwrap()
        };
        let said = event("Ev1", "");
        assert_eq!(said.dedupe_id, "message:T1:C1:1.000001");
        assert_eq!(event("Ev2", r#","subtype":"bot_message""#).dedupe_id, said.dedupe_id);
        assert_eq!(event("Ev3", r#","subtype":"message_changed""#).dedupe_id, "Ev3");
        let known = |data: Json| Event {
            id: domain::EventId::first_at(Timestamp::from_seconds(1)),
            event_type: said.event_type.clone(),
            user_id: None,
            source: "slack".into(),
            provider: None,
            occurred_at: Timestamp::from_seconds(1),
            received_at: Timestamp::from_seconds(1),
            data,
            raw: None,
        };
        let is_repeat = |inbound: &InboundEvent, data: Json| Slack.is_repeat(&known(data), inbound);
        assert!(is_repeat(&said, said.data.clone()) && is_repeat(&said, Json::from_text("{}").unwrap()));
        assert!(!is_repeat(&event("Ev2", ""), said.data.clone()), "two ids are two events");
        assert_eq!(event("Ev2", "").recurrence.unwrap().dedupe_id, "Ev2");
    }

    #[test]
    fn the_end_of_an_installation_is_an_event() {
        for (kind, event_type) in
            [("app_uninstalled", "slack.app_uninstalled"), ("tokens_revoked", "slack.tokens_revoked")]
        {
            let body = format!(
                r#"{{"type":"event_callback","event_id":"Ev1","event":{{"type":"{kind}","tokens":{{"oauth":["U1"]}}}}}}"#
            );
            assert_eq!(event_of(&Slack, &[], &body).unwrap().event_type.as_str(), event_type);
        }
    }

    #[test]
    fn a_rate_limit_notice_is_an_event_too() {
        let notice = r#"{"type":"app_rate_limited","team_id":"T1","minute_rate_limited":1518467820,"api_app_id":"A1"}"#;
        let event = event_of(&Slack, &[], notice).unwrap();
        assert_eq!(event.event_type.as_str(), "slack.app_rate_limited");
        assert_eq!(event.dedupe_id, "app_rate_limited:T1:1518467820");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert!(matches!(read("{"), Err(Unreadable::NotJson(_))));
        for other in [
            "{}",
            "[]",
            r#"["url_verification","challenge"]"#,
            r#"{"type":"event_callback"}"#,
            r#"{"type":"event_callback","event_id":7,"event":{"type":"message"}}"#,
            r#"{"type":"brand_new"}"#,
        ] {
            assert!(matches!(read(other), Err(Unreadable::Unexpected(_))), "{other}");
        }
    }
}
