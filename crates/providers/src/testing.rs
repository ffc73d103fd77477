//! What the tests of all providers share, and what must hold for each of them.

mod acme;
mod fixtures;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use domain::event::Json;
use domain::{Event, EventId, Timestamp};
use http::{HeaderName, HeaderValue};

use crate::api::ApiAnswer;
use crate::{
    Inbound, InboundEvent, KeySet, Known, Provider, RawRequest, Refusal, Settings, Unreadable, Unsigned,
    Verified,
};

/// A header that comes twice here comes twice.
pub(crate) fn request(headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> RawRequest {
    let header = |&(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    RawRequest { headers: headers.iter().map(header).collect(), ..RawRequest::post("", body) }
}

/// What an API answers.
pub(crate) fn answer(status: u16, headers: &[(&'static str, &str)], body: &serde_json::Value) -> ApiAnswer {
    let headers = request(headers, "").headers;
    ApiAnswer { status: status.try_into().unwrap(), headers, body: body.to_string().into() }
}

/// Alice's event of a provider, as it lies in the log: when it happened and when it came, in seconds since the Unix
/// epoch.
pub(crate) fn kept(provider: &str, kind: &str, (at, came): (i64, i64), data: &serde_json::Value) -> Event {
    Event {
        id: EventId::first_at(Timestamp::from_seconds(at)),
        event_type: kind.parse().unwrap(),
        user_id: Some("alice".parse().unwrap()),
        source: provider.to_owned().into(),
        provider: Some(provider.to_owned().into()),
        occurred_at: Timestamp::from_seconds(at),
        received_at: Timestamp::from_seconds(came),
        data: Json::from_text(&data.to_string()).unwrap(),
        raw: None,
    }
}

/// What is said where the header of that name is absent.
pub(crate) fn missing(header: &'static str) -> Refusal {
    Refusal::MissingHeader(HeaderName::from_static(header))
}

/// Settings with nothing but these secrets.
pub(crate) fn secrets(provider: &dyn Provider, secrets: &[&str]) -> Settings {
    Settings::default().with(provider.settings()[0].key, secrets.iter().map(|&secret| secret.to_owned()))
}

pub(crate) fn verify(
    provider: &dyn Provider,
    request: &RawRequest,
    secret: &str,
    now: i64,
) -> Result<(), Refusal> {
    let settings = secrets(provider, &[secret]);
    let known = Known { settings: &settings, keys: None, now: Timestamp::from_seconds(now) };
    provider.verify(request, &known).map(|_| ())
}

pub(crate) fn read_at(
    provider: &dyn Provider,
    headers: &[(&'static str, &str)],
    body: &str,
    now: i64,
) -> Result<Inbound, Unreadable> {
    let request = request(headers, body.to_owned());
    provider.parse(&Verified(&request), Timestamp::from_seconds(now))
}

/// The one event of a body.
pub(crate) fn event_of(
    provider: &dyn Provider,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Result<InboundEvent, Unreadable> {
    match read_at(provider, headers, body, 0)? {
        Inbound::Events(mut events) if events.len() == 1 => Ok(events.remove(0)),
        other => panic!("{other:?}"),
    }
}

/// Signs `body` as the provider would at `at`, and answers with the request.
pub(crate) fn signed(
    provider: &dyn Provider,
    key: &str,
    id: Option<&str>,
    body: &[u8],
    at: i64,
) -> RawRequest {
    let unsigned = Unsigned { id, body, at: Timestamp::from_seconds(at) };
    let headers = provider.sign(key, &unsigned).unwrap();
    let headers = headers.into_iter().map(|(name, value)| (name, HeaderValue::from_str(&value).unwrap()));
    RawRequest { headers: headers.collect(), ..RawRequest::post("", body.to_vec()) }
}

/// Whatever is altered about `genuine` is refused: a byte of its body or of a header, a header that is missing or there
/// twice, the secret. No secret at all is told apart.
pub(crate) fn assert_nothing_may_be_altered(
    provider: &dyn Provider,
    genuine: &RawRequest,
    secret: &str,
    now: i64,
) {
    assert_eq!(verify(provider, genuine, secret, now), Ok(()));
    let check = |altered: &RawRequest, what: &str| {
        let verified = verify(provider, altered, secret, now);
        assert!(verified.is_err(), "{} was believed with another {what}", provider.name());
    };
    for at in 0..genuine.body.len() {
        let mut body = genuine.body.to_vec();
        body[at] ^= 1;
        check(&RawRequest { headers: genuine.headers.clone(), ..RawRequest::post("", body) }, "body");
    }
    for (name, value) in &genuine.headers {
        let with = |value: Option<Vec<u8>>| {
            let mut headers = genuine.headers.clone();
            headers.remove(name);
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_bytes(&value).unwrap());
            }
            RawRequest { headers, ..RawRequest::post("", genuine.body.clone()) }
        };
        check(&with(None), name.as_str());
        check(&with(Some(Vec::new())), name.as_str());
        for at in 0..value.len() {
            let mut altered = value.as_bytes().to_vec();
            // Letter case means nothing in hexadecimal, so another bit than that is flipped.
            altered[at] ^= 2;
            check(&with(Some(altered)), name.as_str());
        }
        let mut twice = genuine.clone();
        twice.headers.append(name, value.clone());
        check(&twice, name.as_str());
    }
    let mut other = secret.to_owned();
    other.replace_range(..1, if secret.starts_with('0') { "1" } else { "0" });
    assert!(verify(provider, genuine, &other, now).is_err());
    let now = Timestamp::from_seconds(now);
    let unset = Known { settings: &Settings::default(), keys: None, now };
    assert_eq!(provider.verify(genuine, &unset).unwrap_err(), Refusal::NoKey);
    let settings = secrets(provider, &["0123456789abcdef", secret]);
    // A key that is no key is named before the next is looked at; a wrong one is not.
    let both = provider.verify(genuine, &Known { settings: &settings, ..unset });
    assert!(matches!(both, Ok(_) | Err(Refusal::BadKey(_))));
}

/// Somebody who signs tokens with a key made for these tests.
pub(crate) struct Issuer(ring::signature::RsaKeyPair);

impl Issuer {
    pub(crate) fn new() -> Self {
        Self(ring::signature::RsaKeyPair::from_pkcs8(include_bytes!("testing/issuer.pk8")).unwrap())
    }

    /// What it publishes: its key, by the name `one`.
    pub(crate) fn keys(&self) -> KeySet {
        let ring::rsa::PublicKeyComponents { n, e } =
            ring::rsa::PublicKeyComponents::<Vec<u8>>::from(self.0.public());
        let [n, e] = [n, e].map(|number| URL_SAFE_NO_PAD.encode(number));
        let key = serde_json::json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "n": n, "e": e,
        });
        KeySet::parse(serde_json::json!({ "keys": [key] }).to_string().as_bytes()).unwrap()
    }

    /// A token that says that it is signed with the key of that name.
    pub(crate) fn token(&self, key: &str, claims: &serde_json::Value) -> String {
        let header = serde_json::json!({ "alg": "RS256", "kid": key, "typ": "JWT" });
        let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let mut signature = vec![0; self.0.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        let scheme = &ring::signature::RSA_PKCS1_SHA256;
        self.0.sign(scheme, &random, signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

mod laws {
    use proptest::prelude::*;

    use super::acme::Acme;
    use super::*;

    /// Every provider, and the one of the recipe: what must hold for them holds for whoever follows it.
    fn all() -> impl Iterator<Item = &'static dyn Provider> {
        crate::ALL.iter().copied().chain([&Acme as &dyn Provider])
    }

    /// Header names that any provider looks at, and a few values that get far.
    const NAMES: &[&str] = &[
        "authorization",
        "content-type",
        "unipile-auth",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "x-github-delivery",
        "x-github-event",
        "x-hub-signature",
        "x-hub-signature-256",
        "x-signature-ed25519",
        "x-signature-timestamp",
        "x-slack-request-timestamp",
        "x-slack-signature",
    ];

    fn header_value() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            Just(b"application/x-www-form-urlencoded".to_vec()),
            Just(b"1700000000".to_vec()),
            Just(b"sha1=00".to_vec()),
            Just(b"v1,AAAA v1,".to_vec()),
            Just(b"Bearer e30.e30.e30".to_vec()),
            "[ -~]{0,80}".prop_map(String::into_bytes),
            proptest::collection::vec(32_u8..127, 0..20),
        ]
    }

    fn body() -> impl Strategy<Value = Vec<u8>> {
        let word = prop_oneof![
            Just("type"),
            Just("event"),
            Just("data"),
            Just("message"),
            Just("id"),
            Just("metadata"),
            Just("AccountStatus"),
            Just("account_id"),
            Just("challenge"),
            Just("url_verification"),
            Just("event_callback"),
            Just("composio.trigger.message"),
            Just("timestamp"),
            Just("user"),
        ];
        let leaf = prop_oneof![
            word.clone().prop_map(|text| serde_json::Value::from(text.to_owned())),
            any::<i64>().prop_map(serde_json::Value::from),
            Just(serde_json::Value::Null),
            ".{0,10}".prop_map(serde_json::Value::from),
        ];
        let json = leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec((word.clone().prop_map(str::to_owned), inner.clone()), 0..6)
                    .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
                proptest::collection::vec(inner, 0..4).prop_map(serde_json::Value::Array),
            ]
        });
        let xml = "(<feed xmlns=\"http://www.w3.org/2005/Atom\">|<entry>|</entry>|</feed>|<a b='|&lt;|&x;|<!--|]]>|<!\\[CDATA\\[|<\\?x|<!DOCTYPE|[a-z<>/&\"' ]){0,20}";
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            json.prop_map(|json| json.to_string().into_bytes()),
            xml.prop_map(String::into_bytes),
            "payload=.{0,40}".prop_map(String::into_bytes),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn no_request_makes_a_provider_panic(
            headers in proptest::collection::vec((proptest::sample::select(NAMES), header_value()), 0..12),
            body in body(),
            now in any::<i64>(),
        ) {
            let headers = headers.into_iter().filter_map(|(name, value)| {
                Some((HeaderName::from_static(name), HeaderValue::from_bytes(&value).ok()?))
            });
            let request = RawRequest { headers: headers.collect(), ..RawRequest::post("", body) };
            for provider in all() {
                let settings = secrets(provider, &["3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"]);
                let now = Timestamp::from_micros(now);
                let known = Known { settings: &settings, keys: None, now };
                prop_assert!(provider.verify(&request, &known).is_err());
                if let Ok(Inbound::Events(events)) = provider.parse(&Verified(&request), now) {
                    prop_assert!(!events.is_empty());
                    prop_assert!(events.iter().all(|event| !event.dedupe_id.is_empty()));
                }
            }
        }

        #[test]
        fn no_query_makes_a_provider_panic(query in ".{0,200}") {
            let asked = [crate::Asked { topic: query.clone(), wish: crate::Wish::Subscribe }];
            for provider in all() {
                let _ = provider.confirm(&query, &asked);
            }
        }
    }

    #[test]
    fn each_path_and_setting_is_there_once() {
        let mut seen = std::collections::HashSet::new();
        for provider in all() {
            assert!(provider.paths().iter().all(|path| seen.insert(*path) && path.starts_with('/')));
            assert!(provider.settings().iter().all(|setting| seen.insert(setting.environment)));
            assert!(
                provider.settings().iter().any(crate::Setting::is_required),
                "else all would be believed"
            );
        }
    }

    /// All events with an empty id would be repeats of the first.
    #[test]
    fn an_empty_id_is_no_id() {
        let empty = [("x-github-event", "push"), ("x-github-delivery", ""), ("webhook-id", "")];
        let slack = r#"{"type":"event_callback","event_id":"","event":{"type":"message"}}"#;
        let gmail =
            r#"{"message":{"data":"eyJlbWFpbEFkZHJlc3MiOiJhQGIuYyIsImhpc3RvcnlJZCI6MX0=","messageId":""}}"#;
        let composio = r#"{"type":"composio.trigger.message","metadata":{},"data":{}}"#;
        let bodies: [(&dyn Provider, &str); 4] = [
            (&crate::github::GitHub, "{}"),
            (&crate::slack::Slack, slack),
            (&crate::gmail::Gmail, gmail),
            (&crate::composio::Composio, composio),
        ];
        for (provider, body) in bodies {
            let refused = event_of(provider, &empty, body).map(|event| event.dedupe_id).unwrap_err();
            let text = refused.to_string();
            assert!(text.contains("missing") || text.contains("empty"), "{}: {text}", provider.name());
        }
    }

    #[test]
    fn the_recipe_for_a_provider_is_what_these_tests_have_compiled() {
        let recipe = include_str!("../../../CONTRIBUTING.md");
        let file = recipe.split("```rust\n//! Acme").nth(1).and_then(|rest| rest.split("```").next());
        let file = format!("//! Acme{}", file.expect("the recipe shows a file"));
        assert_eq!(file, include_str!("testing/acme.rs"));
        let line = recipe.split("providers! {\n").nth(1).and_then(|rest| rest.split('}').next());
        let line = line.expect("the recipe shows a line");
        assert!(line.contains("    acme::Acme,\n"));
        // All other lines that it shows are there already.
        let lib = include_str!("lib.rs");
        assert!(line.lines().filter(|line| !line.contains("acme")).all(|line| lib.contains(line)), "{line}");
    }

    /// What YouTube sends is no JSON, so its examples are of what becomes of it.
    #[test]
    fn every_example_is_read_as_its_type() {
        for provider in all().filter(|provider| provider.name() != "youtube") {
            for known in provider.event_types() {
                let word = known.event_type.split('.').nth(1).unwrap();
                let headers = [("x-github-event", word), ("x-github-delivery", "1"), ("webhook-id", "1")];
                let event = event_of(provider, &headers, &known.example).unwrap();
                assert_eq!(event.event_type.as_str(), known.event_type);
            }
        }
    }

    #[test]
    fn every_example_is_an_object_and_every_type_a_type_of_its_provider() {
        for provider in all() {
            let mut seen = std::collections::HashSet::new();
            for known in provider.event_types() {
                let event_type: domain::EventType = known.event_type.parse().unwrap();
                assert!(event_type.as_str().starts_with(&format!("{}.", provider.name())));
                assert!(seen.insert(event_type), "{} is there twice", known.event_type);
                assert!(known.description.len() > 10 && !known.description.ends_with('.'));
                let example: serde_json::Value = serde_json::from_str(&known.example).unwrap();
                assert!(example.is_object(), "{}", known.event_type);
            }
            assert!(!seen.is_empty());
        }
    }
}
