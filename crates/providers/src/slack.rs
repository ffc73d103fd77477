//! Slack: the Events API over HTTP.
//!
//! Sources: docs.slack.dev, "Verifying requests from Slack" (signature, vector, five minutes), "The Events API" (the
//! outer event, `event_id`, `app_rate_limited`), "Using HTTP request URLs" (the handshake).

use std::borrow::Cow;

use domain::event::Json;
use domain::{EventType, Timestamp};
use http::{HeaderName, StatusCode};
use serde::Deserialize;

use crate::{
    Described, Inbound, InboundEvent, Provider, RawRequest, Refusal, Reply, Route, Setting, Unreadable,
    Verified, mac,
};

const SIGNATURE: &str = "x-slack-signature";
const TIMESTAMP: &str = "x-slack-request-timestamp";
const PREFIX: &str = "v0=";

/// Seconds that a request's timestamp may lie in the past or the future.
const TOLERANCE_SECONDS: u32 = 300;

pub(crate) struct Slack;

impl Provider for Slack {
    fn name(&self) -> &'static str {
        "slack"
    }

    fn route(&self) -> Route {
        Route::PerUser
    }

    fn secret(&self) -> Setting {
        Setting { key: "signing_secret", environment: "SLACK_SIGNING_SECRET" }
    }

    /// The secret is text: it looks like hexadecimal and is not decoded. The timestamp is signed as it was written.
    fn verify<'r>(
        &self,
        request: &'r RawRequest,
        secrets: &[String],
        now: Timestamp,
    ) -> Result<Verified<'r>, Refusal> {
        let signature = request.header(SIGNATURE).ok_or(Refusal::MissingHeader("X-Slack-Signature"))?;
        let timestamp =
            request.header(TIMESTAMP).ok_or(Refusal::MissingHeader("X-Slack-Request-Timestamp"))?;
        let seconds: i64 = timestamp.parse().map_err(|_| Refusal::NoTimestamp)?;
        if now.as_seconds().abs_diff(seconds) > TOLERANCE_SECONDS.into() {
            return Err(Refusal::Stale(TOLERANCE_SECONDS));
        }
        mac::verify_hex(secrets, &signed_parts(timestamp, &request.body), signature, PREFIX)?;
        Ok(Verified(request))
    }

    fn parse(&self, request: &Verified<'_>) -> Result<Inbound, Unreadable> {
        let data = Json::parse(request.body())?;
        match serde_json::from_str(data.as_str())? {
            Outer::UrlVerification { challenge } => Ok(Inbound::Reply(Reply {
                status: StatusCode::OK,
                content_type: "text/plain; charset=utf-8",
                body: challenge,
            })),
            Outer::EventCallback { event, event_id, event_time } => Ok(Inbound::Event(InboundEvent {
                event_type: EventType::from_words(["slack", &event.kind]),
                dedupe_id: event_id.clone().into_owned(),
                occurred_at: event_time.map(Timestamp::from_seconds),
                data: data.clone(),
                is_whole_body: true,
            })),
            Outer::AppRateLimited { team_id, minute_rate_limited } => Ok(Inbound::Event(InboundEvent {
                event_type: EventType::from_words(["slack", "app_rate_limited"]),
                // It has no id of its own, but there is one for each team and minute.
                dedupe_id: format!("app_rate_limited:{team_id}:{minute_rate_limited}"),
                occurred_at: Some(Timestamp::from_seconds(minute_rate_limited)),
                data: data.clone(),
                is_whole_body: true,
            })),
        }
    }

    fn sign(&self, secret: &str, body: &[u8], now: Timestamp) -> Vec<(HeaderName, String)> {
        let timestamp = now.as_seconds().to_string();
        let signature = mac::sign_hex(secret, &signed_parts(&timestamp, body), PREFIX);
        vec![(HeaderName::from_static(TIMESTAMP), timestamp), (HeaderName::from_static(SIGNATURE), signature)]
    }

    fn event_types(&self) -> &'static [Described] {
        EVENT_TYPES
    }
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
}

const EVENT_TYPES: &[Described] = &[
    Described {
        event_type: "slack.message",
        description: "A message was posted, changed or deleted in a conversation that the app can see",
        example: r#"{"type":"event_callback","team_id":"T1","event_id":"Ev1","event_time":1700000000,"event":{"type":"message","channel":"C1","user":"U1","text":"Good morning","ts":"1700000000.000100"}}"#,
    },
    Described {
        event_type: "slack.app_mention",
        description: "Somebody mentioned the app",
        example: r#"{"type":"event_callback","team_id":"T1","event_id":"Ev2","event_time":1700000000,"event":{"type":"app_mention","channel":"C1","user":"U1","text":"<@U2> hello","ts":"1700000000.000200"}}"#,
    },
    Described {
        event_type: "slack.app_rate_limited",
        description: "Slack holds events back for a minute since there were more than 30,000 in an hour",
        example: r#"{"type":"app_rate_limited","team_id":"T1","minute_rate_limited":1700000000,"api_app_id":"A1"}"#,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const AT: i64 = 1_531_420_618;
    /// Slack's own example.
    const COMMAND: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const COMMAND_SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    const HANDSHAKE: &str = r#"{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
    const HANDSHAKE_SIGNATURE: &str = "v0=f9bd80929259f3f6d5fe3a3186c453c89cd1ad4862815a15837584f31c993652";

    fn request(timestamp: &str, signature: &str, body: &str) -> RawRequest {
        let header = |text: &str| http::HeaderValue::from_str(text).unwrap();
        let headers = [(TIMESTAMP, header(timestamp)), (SIGNATURE, header(signature))];
        let headers = headers.into_iter().map(|(name, value)| (HeaderName::from_static(name), value));
        RawRequest { headers: headers.collect(), body: body.to_owned().into() }
    }

    fn verify(signature: &str, body: &str, now: i64) -> Result<(), Refusal> {
        let request = request(&AT.to_string(), signature, body);
        Slack.verify(&request, &[SECRET.to_owned()], Timestamp::from_seconds(now)).map(|_| ())
    }

    fn read(body: &str) -> Result<Inbound, Unreadable> {
        Slack.parse(&Verified(&request("0", "", body)))
    }

    #[test]
    fn the_vectors_verify_and_are_what_we_sign() {
        for (body, signature) in [(COMMAND, COMMAND_SIGNATURE), (HANDSHAKE, HANDSHAKE_SIGNATURE)] {
            assert_eq!(verify(signature, body, AT), Ok(()));
            let headers = Slack.sign(SECRET, body.as_bytes(), Timestamp::from_seconds(AT));
            assert_eq!((headers[0].1.as_str(), headers[1].1.as_str()), ("1531420618", signature));
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
        let odd = request("soon", COMMAND_SIGNATURE, COMMAND);
        assert_eq!(
            Slack.verify(&odd, &[SECRET.to_owned()], Timestamp::from_seconds(AT)).unwrap_err(),
            Refusal::NoTimestamp
        );
    }

    #[test]
    fn whatever_is_altered_is_refused() {
        assert_eq!(
            verify(COMMAND_SIGNATURE, &COMMAND.replace("text=", "text=x"), AT),
            Err(Refusal::BadSignature)
        );
        assert_eq!(verify(HANDSHAKE_SIGNATURE, COMMAND, AT), Err(Refusal::BadSignature));
        let later = request(&(AT + 1).to_string(), COMMAND_SIGNATURE, COMMAND);
        assert_eq!(
            Slack.verify(&later, &[SECRET.to_owned()], Timestamp::from_seconds(AT)).unwrap_err(),
            Refusal::BadSignature
        );
        let unsigned = RawRequest { headers: http::HeaderMap::new(), body: COMMAND.into() };
        assert!(matches!(
            Slack.verify(&unsigned, &[SECRET.to_owned()], Timestamp::from_seconds(AT)),
            Err(Refusal::MissingHeader(_))
        ));
        let signed = request(&AT.to_string(), COMMAND_SIGNATURE, COMMAND);
        assert_eq!(Slack.verify(&signed, &[], Timestamp::from_seconds(AT)).unwrap_err(), Refusal::NoSecret);
    }

    #[test]
    fn the_handshake_is_answered_with_its_challenge() {
        let Ok(Inbound::Reply(reply)) = read(HANDSHAKE) else { panic!() };
        assert_eq!(reply.body, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P");
        assert_eq!(reply.status, StatusCode::OK);
    }

    #[test]
    fn an_event_is_known_by_its_id_and_inner_type() {
        let body = r#"{"type":"event_callback","event_id":"Ev08MFMKH6","event_time":1234567890,"event":{"type":"message","text":"hi"}}"#;
        let Ok(Inbound::Event(event)) = read(body) else { panic!() };
        assert_eq!((event.event_type.as_str(), event.dedupe_id.as_str()), ("slack.message", "Ev08MFMKH6"));
        assert_eq!(event.occurred_at, Some(Timestamp::from_seconds(1_234_567_890)));
        assert_eq!(event.data.as_str(), body);
    }

    #[test]
    fn a_rate_limit_notice_is_an_event_too() {
        let Ok(Inbound::Event(event)) = read(
            r#"{"type":"app_rate_limited","team_id":"T1","minute_rate_limited":1518467820,"api_app_id":"A1"}"#,
        ) else {
            panic!()
        };
        assert_eq!(event.event_type.as_str(), "slack.app_rate_limited");
        assert_eq!(event.dedupe_id, "app_rate_limited:T1:1518467820");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert!(matches!(read("{"), Err(Unreadable::NotJson(_))));
        assert!(matches!(read("{}"), Err(Unreadable::Unexpected(_))));
        assert!(matches!(read(r#"{"type":"event_callback"}"#), Err(Unreadable::Unexpected(_))));
        assert!(matches!(read(r#"{"type":"brand_new"}"#), Err(Unreadable::Unexpected(_))));
    }
}
