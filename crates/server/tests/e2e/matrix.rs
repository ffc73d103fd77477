//! Each provider against each thing that a request may be: good, sent again, forged, stale, cut short, of the wrong
//! media type, empty, too large. The requests are those of the providers' fixtures; the signatures are made here, with
//! other code than the program's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use crate::gmail::Issuer;
use crate::support::client::{Answer, Client, Request};
use crate::support::database::Engine;
use crate::support::sender::{hmac, hmac_hex, now_seconds};
use crate::support::world::World;
use crate::support::{on_each_database, until};

on_each_database! {
    each_provider_is_answered_as_it_should_be
}

const SECRET: &str = "a secret of the matrix";
/// RFC 8032, 7.1, test 2.
const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
const PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

/// Seconds before now that no window covers.
const LONG_AGO: i64 = 4_000;

/// A provider, and what is particular about its answers.
struct Subject {
    name: &'static str,
    fixture: &'static str,
    /// Whether what it signs says when.
    has_time: bool,
    /// Whether it signs its bodies.
    signs_body: bool,
    /// What it is told about a genuine request that nobody can read.
    unreadable: u16,
    /// What it is told about an empty one.
    empty: u16,
}

const SUBJECTS: [Subject; 7] = [
    Subject {
        name: "github",
        fixture: "push",
        has_time: false,
        signs_body: true,
        unreadable: 400,
        empty: 400,
    },
    Subject {
        name: "slack",
        fixture: "message",
        has_time: true,
        signs_body: true,
        unreadable: 400,
        empty: 400,
    },
    Subject {
        name: "gmail",
        fixture: "notice",
        has_time: true,
        signs_body: false,
        unreadable: 200,
        empty: 200,
    },
    Subject {
        name: "composio",
        fixture: "trigger_v2",
        has_time: true,
        signs_body: true,
        unreadable: 400,
        empty: 400,
    },
    Subject {
        name: "unipile",
        fixture: "message_received",
        has_time: false,
        signs_body: false,
        unreadable: 200,
        empty: 200,
    },
    Subject {
        name: "discord",
        fixture: "application_authorized",
        has_time: false,
        signs_body: true,
        unreadable: 400,
        empty: 400,
    },
    Subject {
        name: "youtube",
        fixture: "video",
        has_time: false,
        signs_body: true,
        unreadable: 400,
        empty: 200,
    },
];

/// A fixture, as far as it is needed here.
struct Fixture {
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    expected: Value,
}

impl Subject {
    fn fixture(&self) -> Fixture {
        #[derive(serde::Deserialize)]
        struct Written {
            path: String,
            headers: std::collections::BTreeMap<String, String>,
            expected: Value,
            json: Option<Box<serde_json::value::RawValue>>,
            text: Option<String>,
        }
        let file = format!(
            "{}/../providers/fixtures/{}/{}.json",
            env!("CARGO_MANIFEST_DIR"),
            self.name,
            self.fixture
        );
        let written: Written = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let body = written.json.map(|json| json.get().to_owned()).or(written.text).unwrap();
        Fixture {
            path: format!("/api/webhooks{}", written.path),
            headers: written.headers.into_iter().collect(),
            body: body.into_bytes(),
            expected: written.expected,
        }
    }

    /// What shows that the provider has sent `body` at `at`.
    fn signature(&self, issuer: &Issuer, secret: &str, body: &[u8], at: i64) -> Vec<(&'static str, String)> {
        let timestamp = at.to_string();
        match self.name {
            "github" => vec![("x-hub-signature-256", format!("sha256={}", hmac_hex(secret, body)))],
            "youtube" => vec![("x-hub-signature", format!("sha256={}", hmac_hex(secret, body)))],
            "unipile" => vec![("unipile-auth", secret.to_owned())],
            "slack" => {
                let signed = [b"v0:", timestamp.as_bytes(), b":", body].concat();
                let signature = format!("v0={}", hmac_hex(secret, &signed));
                vec![("x-slack-request-timestamp", timestamp), ("x-slack-signature", signature)]
            }
            "composio" => {
                let signed = [b"msg_v2.", timestamp.as_bytes(), b".", body].concat();
                let signature = format!("v1,{}", BASE64.encode(hmac(secret.as_bytes(), &signed)));
                vec![("webhook-timestamp", timestamp), ("webhook-signature", signature)]
            }
            "discord" => {
                let mut seed: [u8; 32] = hex::decode(SEED).unwrap().try_into().unwrap();
                seed[0] ^= u8::from(secret != SECRET);
                let signature = SigningKey::from_bytes(&seed).sign(&[timestamp.as_bytes(), body].concat());
                vec![
                    ("x-signature-timestamp", timestamp),
                    ("x-signature-ed25519", hex::encode(signature.to_bytes())),
                ]
            }
            "gmail" => {
                let account = (secret != SECRET).then(|| ("email", json!("mallory@example.com")));
                let times = [("iat", json!(at - 60)), ("exp", json!(at + 3_540))];
                let claims: Vec<_> = times.into_iter().chain(account).collect();
                vec![("authorization", issuer.bearer("one", &claims))]
            }
            other => panic!("{other}"),
        }
    }
}

/// One provider's trials.
struct Trial<'w> {
    subject: &'w Subject,
    issuer: &'w Issuer,
    client: Client,
    fixture: Fixture,
}

impl Trial<'_> {
    fn request(&self, secret: &str, body: &[u8], at: i64) -> Request {
        let signature = self.subject.signature(self.issuer, secret, body, at);
        self.with(&signature, body, None)
    }

    /// The fixture with other headers and another body.
    fn with(&self, more: &[(&'static str, String)], body: &[u8], media_type: Option<&str>) -> Request {
        let mut request = Request::post(&self.fixture.path).body(body);
        for (name, value) in &self.fixture.headers {
            let value = media_type.filter(|_| name == "content-type").unwrap_or(value);
            request = request.header(name, value);
        }
        more.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    async fn send(&self, request: Request) -> Answer {
        self.client.send(request).await
    }

    /// Passes if it is the provider's own good answer; the event's id, where that is told.
    fn assert_kept(&self, answer: &Answer, status: &str) -> Option<Value> {
        if self.subject.name == "discord" {
            assert_eq!((answer.status, answer.body.len()), (204, 0));
            return None;
        }
        let told = answer.ok();
        assert_eq!((answer.status, &told["status"]), (200, &json!(status)), "{}", self.subject.name);
        Some(told["event_id"].clone())
    }

    fn assert_unreadable(&self, answer: &Answer, status: u16) {
        if status == 200 {
            assert_eq!(answer.ok(), json!({ "status": "ignored" }), "{}", self.subject.name);
        } else {
            answer.problem(status, "unreadable");
        }
    }

    /// Everything in turn. One event is kept, and these refusals.
    async fn run(&self) -> Vec<&'static str> {
        let (subject, body) = (self.subject, &self.fixture.body[..]);
        let (now, mut refused) = (now_seconds(), Vec::new());
        let good = self.request(SECRET, body, now);
        let first = self.assert_kept(&self.send(good.clone()).await, "accepted");
        // The same bytes, and the same event signed anew, are known.
        for again in [good, self.request(SECRET, body, now_seconds())] {
            assert_eq!(self.assert_kept(&self.send(again).await, "duplicate"), first, "{}", subject.name);
        }
        let as_binary = self.subject.signature(self.issuer, SECRET, body, now);
        let as_binary = self.with(&as_binary, body, Some("application/octet-stream"));
        assert_eq!(
            self.assert_kept(&self.send(as_binary).await, "duplicate"),
            first,
            "whatever its media type"
        );

        let forged = self.send(self.request("another secret", body, now)).await;
        let code = if subject.name == "gmail" { "invalid_token" } else { "invalid_signature" };
        forged.problem(401, code);
        refused.push(code);
        let stale = self.send(self.request(SECRET, body, now - LONG_AGO)).await;
        if subject.has_time {
            stale.problem(401, "invalid_timestamp");
            refused.push("invalid_timestamp");
        } else if subject.name == "discord" {
            self.assert_kept(&stale, "duplicate");
        } else {
            assert_eq!(self.assert_kept(&stale, "duplicate"), first, "only its id tells a replay");
        }

        // Cut on the way, under the signature of the whole; and cut before it was signed.
        let cut = &body[..body.len() / 2];
        let whole = subject.signature(self.issuer, SECRET, body, now);
        let answer = self.send(self.with(&whole, cut, None)).await;
        if subject.signs_body {
            answer.problem(401, "invalid_signature");
            refused.push("invalid_signature");
        } else {
            self.assert_unreadable(&answer, subject.unreadable);
            refused.push("unreadable");
        }
        self.assert_unreadable(&self.send(self.request(SECRET, cut, now)).await, subject.unreadable);
        refused.push("unreadable");
        let empty = self.send(self.request(SECRET, b"", now)).await;
        self.assert_unreadable(&empty, subject.empty);
        // An empty feed is one, and says nothing.
        if subject.name != "youtube" {
            refused.push("unreadable");
        }
        let large = vec![b' '; 26 * 1_024 * 1_024];
        self.send(self.with(&whole, &large, None)).await.problem(413, "payload_too_large");
        refused.push("payload_too_large");
        refused
    }
}

async fn each_provider_is_answered_as_it_should_be(engine: Engine) {
    let issuer = Issuer::start().await;
    issuer.publish("one");
    let world = World::start_with(engine, |launch| {
        let names = ["GITHUB_WEBHOOK_SECRET", "SLACK_SIGNING_SECRET", "COMPOSIO_WEBHOOK_SECRET"];
        let more = ["UNIPILE_WEBHOOK_SECRET", "YOUTUBE_WEBHOOK_SECRET"];
        let launch = names.iter().chain(&more).fold(launch, |launch, name| launch.env(name, SECRET));
        issuer.known_to(launch).env("DISCORD_PUBLIC_KEY", PUBLIC)
    })
    .await;
    let mut refused = Vec::new();
    for subject in &SUBJECTS {
        let trial =
            Trial { subject, issuer: &issuer, client: world.program.anyone(), fixture: subject.fixture() };
        let codes = trial.run().await;
        refused.extend(codes.into_iter().map(|code| (subject.name.to_owned(), code.to_owned())));
        let events = world.admin().list(&format!("/api/events?source={}", subject.name)).await;
        let [event] = &events[..] else { panic!("{}: {events:?}", subject.name) };
        assert_event(event, &trial.fixture);
    }
    refused.sort();
    let kept = until("the rejections", || async {
        let kept = world.admin().list("/api/rejections").await;
        (kept.len() >= refused.len()).then_some(kept)
    });
    let text = |rejection: &Value, field: &str| rejection[field].as_str().unwrap().to_owned();
    let mut kept: Vec<_> =
        kept.await.iter().map(|rejection| (text(rejection, "source"), text(rejection, "reason"))).collect();
    kept.sort();
    assert_eq!(kept, refused);
}

/// Passes if it is what the fixture expects.
fn assert_event(event: &Value, fixture: &Fixture) {
    let expected = &fixture.expected;
    assert_eq!(event["type"], expected["type"]);
    let path_user = fixture.path.ends_with("/alice").then(|| json!("alice"));
    let named = &expected["user"];
    assert_eq!(event["user_id"], path_user.unwrap_or_else(|| named.clone()), "{event}");
    if !expected["occurred_at"].is_null() {
        assert_eq!(event["occurred_at"], expected["occurred_at"], "{event}");
    }
    let body: Option<Value> = serde_json::from_slice(&fixture.body).ok();
    let data = &event["data"];
    match (&expected["data"], body) {
        (Value::Null, Some(Value::Object(body))) => {
            assert!(body.iter().all(|(name, value)| data[name] == *value), "untouched: {event}");
        }
        (other, _) => assert_eq!(data, other),
    }
}
