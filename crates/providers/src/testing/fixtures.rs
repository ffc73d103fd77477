//! Requests of the shape that each provider sends, from `fixtures/`, and what becomes of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use domain::Timestamp;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Issuer, secrets};
use crate::{Inbound, Known, Owner, Provider, RawRequest, Settings, Unsigned, Verified};

const NOW: i64 = 1_700_000_000;
/// RFC 8032, 7.1, test 2.
const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
const SEED_PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

/// A request that was written down. It is signed when it is replayed, unless a signature is known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    /// What it is.
    about: String,
    /// Where it comes in, below `/api/webhooks`.
    path: String,
    headers: BTreeMap<String, String>,
    /// A signature that others have made or checked.
    signed: Option<Signed>,
    expected: Expected,
    /// The body, byte for byte as it stands there.
    json: Option<Box<RawValue>>,
    /// A body that is no JSON.
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    secret: String,
    at: i64,
    headers: BTreeMap<String, String>,
}

/// One event, or a reply, or that nobody can read it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    #[serde(rename = "type")]
    event_type: Option<String>,
    id: Option<String>,
    account: Option<String>,
    user: Option<String>,
    occurred_at: Option<Timestamp>,
    /// Where it is not the body.
    data: Option<Value>,
    reply: Option<Value>,
    #[serde(default)]
    unreadable: bool,
}

impl Fixture {
    fn body(&self) -> Bytes {
        match (&self.json, &self.text) {
            (Some(json), None) => Bytes::copy_from_slice(json.get().as_bytes()),
            (None, Some(text)) => Bytes::copy_from_slice(text.as_bytes()),
            _ => panic!("{}: either json or text", self.about),
        }
    }

    fn request(&self, signature: impl IntoIterator<Item = (String, String)>) -> RawRequest {
        let headers = self.headers.clone().into_iter().chain(signature);
        let headers = headers.map(|(name, value)| {
            (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
        });
        RawRequest { headers: headers.collect(), ..RawRequest::post("", self.body()) }
    }
}

/// Those who have fixtures.
fn providers() -> Vec<&'static dyn Provider> {
    let directories = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")).unwrap();
    let provider = |name: std::ffi::OsString| crate::by_name(name.to_str().unwrap());
    let providers: Vec<_> = directories.map(|entry| provider(entry.unwrap().file_name()).unwrap()).collect();
    assert!(providers.len() >= 7);
    providers
}

fn fixtures_of(provider: &str) -> Vec<(PathBuf, Fixture)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(provider);
    let files = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let fixture = serde_json::from_str(&std::fs::read_to_string(&path).unwrap());
        let fixture = fixture.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, fixture)
    };
    files.map(read).collect()
}

/// The headers with which the provider would send this now.
fn signature(provider: &dyn Provider, fixture: &Fixture) -> Vec<(String, String)> {
    let id = fixture.headers.get("webhook-id").map(String::as_str);
    let unsigned = Unsigned { id, body: &fixture.body(), at: Timestamp::from_seconds(NOW) };
    let key = if provider.name() == "discord" { SEED } else { "a secret" };
    let Ok(headers) = provider.sign(key, &unsigned) else {
        let claims = json!({
            "iss": "https://accounts.google.com", "aud": "https://hooks.example.com",
            "email": "a secret", "email_verified": true, "iat": NOW, "exp": NOW + 60,
        });
        return vec![("authorization".to_owned(), format!("Bearer {}", Issuer::new().token("one", &claims)))];
    };
    let is_new = |name: &HeaderName| !fixture.headers.contains_key(name.as_str());
    headers
        .into_iter()
        .filter(|(name, _)| is_new(name))
        .map(|(name, value)| (name.to_string(), value))
        .collect()
}

fn settings(provider: &dyn Provider) -> Settings {
    let key = if provider.name() == "discord" { SEED_PUBLIC } else { "a secret" };
    let audience = "https://hooks.example.com".to_owned();
    let required = provider.settings().iter().filter(|setting| setting.is_required()).skip(1);
    required.fold(secrets(provider, &[key]), |settings, other| settings.with(other.key, [audience.clone()]))
}

#[test]
fn each_fixture_becomes_what_it_should() {
    for provider in providers() {
        let fixtures = fixtures_of(provider.name());
        assert!(fixtures.len() >= 3, "{}", provider.name());
        for (path, fixture) in fixtures {
            let name = path.display();
            let paths = provider.paths().iter().map(|path| path.replace("{user}", "alice"));
            assert!(paths.into_iter().any(|path| path == fixture.path), "{name}: {}", fixture.path);
            let request = fixture.request(signature(provider, &fixture));
            let (settings, keys) = (settings(provider), Issuer::new().keys());
            let known = Known { settings: &settings, keys: Some(&keys), now: Timestamp::from_seconds(NOW) };
            let verified = provider.verify(&request, &known);
            let verified = verified.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
            assert_expected(provider, &fixture, &verified, &name.to_string());
        }
    }
}

fn assert_expected(provider: &dyn Provider, fixture: &Fixture, verified: &Verified<'_>, name: &str) {
    let expected = &fixture.expected;
    let events = match provider.parse(verified, Timestamp::from_seconds(NOW)) {
        Ok(Inbound::Events(events)) => events,
        Ok(Inbound::Reply(reply)) => {
            let reply = json!({ "status": reply.status.as_u16(), "body": reply.body });
            assert_eq!(Some(&reply), expected.reply.as_ref(), "{name}");
            return;
        }
        Err(error) => return assert!(expected.unreadable, "{name}: {error}"),
    };
    let [event] = &events[..] else { panic!("{name}: {events:?}") };
    assert_eq!(Some(event.event_type.as_str()), expected.event_type.as_deref(), "{name}");
    if let Some(id) = &expected.id {
        assert_eq!(&event.dedupe_id, id, "{name}");
    }
    let owner = match (&expected.account, &expected.user) {
        (None, _) => Owner::Path,
        (Some(id), user) => {
            Owner::Account { id: id.clone(), user: user.as_ref().map(|user| user.parse().unwrap()) }
        }
    };
    assert_eq!(event.owner, owner, "{name}");
    let in_milliseconds = event.occurred_at.map(|at| at.to_string());
    assert_eq!(in_milliseconds, expected.occurred_at.map(|at| at.to_string()), "{name}");
    let data: Value = serde_json::from_str(event.data.as_str()).unwrap();
    match &expected.data {
        Some(other) => assert_eq!(&data, other, "{name}"),
        None if event.is_whole_body => assert_eq!(event.data.as_str(), fixture.json.as_ref().unwrap().get()),
        None => assert!(provider.name() == "gmail", "{name}: data is not the body and not expected"),
    }
}

#[test]
fn known_signatures_are_good_and_no_others() {
    let mut known_signatures = 0;
    for provider in providers() {
        for (path, fixture) in fixtures_of(provider.name()) {
            let Some(signed) = &fixture.signed else { continue };
            known_signatures += 1;
            let settings = secrets(provider, &[&signed.secret]);
            let now = Timestamp::from_seconds(signed.at);
            let known = Known { settings: &settings, keys: None, now };
            let mut request = fixture.request(signed.headers.clone());
            assert!(provider.verify(&request, &known).is_ok(), "{}", path.display());
            request.body = Bytes::from([&request.body[..], b" "].concat());
            assert!(provider.verify(&request, &known).is_err(), "{}", path.display());
        }
    }
    assert!(known_signatures >= 5);
}
