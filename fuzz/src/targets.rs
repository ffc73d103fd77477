//! What each target does with its bytes.

use std::sync::LazyLock;

use domain::Timestamp;
use domain::filter::Filter;
use http::{HeaderMap, HeaderName, HeaderValue};
use providers::scheme::{self, Keys, SigningKey, Verification};
use providers::{
    Asked, Inbound, KeySet, Known, Provider, RawRequest, SettingKind, Settings, Unsigned, Wish, by_name,
};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// It is text, hexadecimal and base64 at once, so that it is a key of nearly every sender's.
const SECRET: &str = "c0ffee00c0ffee00";

/// RFC 8032, 7.1, test 2.
const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
const SEED_PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

const ACCOUNT: &str = "push@way.iam.gserviceaccount.com";
const AUDIENCE: &str = "https://hooks.example.com/gmail";

macro_rules! provider_targets {
    ($($name:ident)*) => {$(
        /// A body that the provider has signed: read, whatever it holds. Its first byte says what the headers are.
        pub fn $name(bytes: &[u8]) -> String {
            parse(by_name(stringify!($name)).unwrap(), bytes)
        }
    )*};
}

provider_targets! { github slack gmail composio unipile discord youtube }

/// Kinds of event that GitHub's header may name; the last one is nobody's.
const KINDS: [&str; 4] = ["push", "issues", "ping", "x..Y z\u{1}"];

const MEDIA_TYPES: [&str; 3] =
    ["application/json", "application/x-www-form-urlencoded; charset=utf-8", "text/plain"];

fn parse(provider: &dyn Provider, bytes: &[u8]) -> String {
    let Some((&control, body)) = bytes.split_first() else { return "nothing".to_owned() };
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    };
    set("content-type", MEDIA_TYPES[usize::from(control) % MEDIA_TYPES.len()]);
    set("x-github-event", KINDS[usize::from(control / 16) % KINDS.len()]);
    set("x-github-delivery", "1");
    let key = if provider.name() == "discord" { SEED } else { SECRET };
    match provider.sign(key, &Unsigned { id: None, body, at: NOW }) {
        Ok(signed) => {
            for (name, value) in signed {
                headers.insert(name, value.parse().unwrap());
            }
        }
        Err(_) => {
            headers.insert("authorization", GOOGLE.bearer.clone());
        }
    }
    let request = RawRequest { headers, ..RawRequest::post("", body.to_vec()) };
    let settings = settings(provider);
    let known = Known { settings: &settings, keys: Some(&GOOGLE.keys), now: NOW };
    let verified = provider.verify(&request, &known).expect("it was signed");
    match provider.parse(&verified, NOW) {
        Err(unreadable) => told(&unreadable.to_string()),
        Ok(Inbound::Reply(reply)) => format!("reply {}", reply.status),
        Ok(Inbound::Events(events)) => {
            assert!(!events.is_empty(), "events, and none of them");
            for event in &events {
                assert!(!event.dedupe_id.is_empty(), "an event without an id");
                let again: domain::EventType = event.event_type.as_str().parse().expect("a type is a type");
                assert_eq!(again, event.event_type);
                serde_json::from_str::<serde::de::IgnoredAny>(event.data.as_str()).expect("data is JSON");
            }
            format!("{} events, the first {}", events.len().min(3), told(events[0].event_type.as_str()))
        }
    }
}

fn settings(provider: &dyn Provider) -> Settings {
    let keys = match provider.name() {
        "gmail" => [ACCOUNT, AUDIENCE],
        "discord" => [SEED_PUBLIC, ""],
        _ => [SECRET, ""],
    };
    let required = provider.settings().iter().filter(|setting| setting.is_required());
    let settings = required
        .zip(keys)
        .fold(Settings::default(), |settings, (setting, key)| settings.with(setting.key, [key.to_owned()]));
    provider.settings().iter().fold(settings, |settings, setting| match setting.kind {
        SettingKind::Default(text) => settings.with(setting.key, [text.to_owned()]),
        _ => settings,
    })
}

/// Google's side: a token, and the keys that it is checked with.
struct Google {
    keys: KeySet,
    bearer: HeaderValue,
}

static GOOGLE: LazyLock<Google> = LazyLock::new(|| {
    let pair = include_bytes!("../../crates/providers/src/testing/issuer.pk8");
    let pair = RsaKeyPair::from_pkcs8(pair).unwrap();
    let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
    let [n, e] = [&public.n, &public.e].map(|number| base64url(number));
    let key = json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "n": n, "e": e });
    let claims = json!({
        "iss": "https://accounts.google.com", "aud": AUDIENCE, "email": ACCOUNT, "email_verified": true,
        "iat": NOW.as_seconds(), "exp": NOW.as_seconds() + 3_600,
    });
    let header = json!({ "alg": "RS256", "kid": "one" });
    let [header, claims] = [header, claims].map(|part| base64url(part.to_string().as_bytes()));
    let signed = format!("{header}.{claims}");
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    let bearer = format!("Bearer {signed}.{}", base64url(&signature));
    let keys = KeySet::parse(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
    Google { keys, bearer: bearer.parse().unwrap() }
});

/// RFC 4648, 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        let letters = (0..=three.len()).map(|place| LETTERS[(number >> (18 - 6 * place) & 63) as usize]);
        text.extend(letters.map(char::from));
    }
    text
}

/// Any request, before each provider: headers a line each, an empty line, the body. Nobody has signed it.
pub fn verify(bytes: &[u8]) -> String {
    let (headers, body) = head_and_body(bytes);
    let request = RawRequest { headers, ..RawRequest::post("", body.to_vec()) };
    let mut outcomes = Vec::new();
    for provider in providers::ALL {
        let settings = settings(*provider);
        let known = Known { settings: &settings, keys: Some(&GOOGLE.keys), now: NOW };
        outcomes.push(match provider.verify(&request, &known) {
            Ok(_) => "believed".to_owned(),
            Err(refusal) => told(&refusal.to_string()),
        });
        let _probe = provider.reply_to_anybody(&request);
    }
    outcomes.join(", ")
}

fn head_and_body(bytes: &[u8]) -> (HeaderMap, &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((bytes, &[][..]), |end| (&bytes[..end], &bytes[end + 2..]));
    let lines = head.split(|byte| *byte == b'\n').take(32);
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(header) {
        headers.append(name, value);
    }
    (headers, body)
}

/// What a hub might ask.
pub fn hub_query(bytes: &[u8]) -> String {
    let query = String::from_utf8_lossy(bytes);
    let topic = "https://www.youtube.com/xml/feeds/videos.xml?channel_id=UC1".to_owned();
    let asked = [Wish::Subscribe, Wish::Unsubscribe].map(|wish| Asked { topic: topic.clone(), wish });
    let mut outcomes = Vec::new();
    for provider in providers::ALL.iter().filter(|provider| provider.asks_first()) {
        assert_eq!(provider.confirm(&query, &[]), None, "nobody has asked");
        let confirmed = provider.confirm(&query, &asked).map(|confirmation| confirmation.decision);
        outcomes.push(told(&format!("{confirmed:?}")));
    }
    outcomes.join(", ")
}

/// A document of keys, an empty line, and a token.
pub fn key_set(bytes: &[u8]) -> String {
    let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap_or(bytes.len());
    let token = String::from_utf8_lossy(bytes.get(end + 2..).unwrap_or_default());
    let of = |keys: &KeySet| {
        keys.claims_of(&token).map_or_else(|error| error.to_string(), |_| "signed".to_owned())
    };
    match KeySet::parse(&bytes[..end]) {
        Ok(keys) => told(&format!("keys, and {}, {}", of(&keys), of(&GOOGLE.keys))),
        Err(error) => told(&format!("{error}, {}", of(&GOOGLE.keys))),
    }
}

/// A request before a sender of `senders.toml`, which the first byte names: as it is, and signed.
pub fn scheme(bytes: &[u8]) -> String {
    let Some((&which, rest)) = bytes.split_first() else { return "nothing".to_owned() };
    let senders = scheme::senders();
    let sender = &senders[usize::from(which) % senders.len()];
    let (headers, body) = head_and_body(rest);
    let request =
        RawRequest { headers, ..RawRequest::post("https://hooks.example.com/in/abc?x=1", body.to_vec()) };
    let secrets = [SECRET.to_owned()];
    let public_keys = [SEED_PUBLIC.to_owned()];
    let keys =
        Keys { secrets: &secrets, public_keys: &public_keys, verify_token: Some("token"), fetched: &[] };
    let unsigned = match sender.verify(&request, &keys, NOW) {
        Ok(verified) => format!("believed, {:?}", verified.delivery_id().is_some()),
        Err(refusal) => refusal.to_string(),
    };
    let met = sender.meet(&request, &keys, NOW).map(|met| met.is_some());
    let random = SystemRandom::new();
    let signed = match scheme::sign(&sender.verification, SigningKey::new(SECRET), request, NOW, &random) {
        Err(error) => error.to_string(),
        Ok(signed) => match sender.verify(&signed, &keys, NOW) {
            Ok(verified) => {
                let event_type = sender.event_type(&verified);
                event_type.as_str().parse::<domain::EventType>().expect("a type is a type");
                let _answer = sender.answer(&verified);
                "signed and believed".to_owned()
            }
            Err(refusal) => format!("signed and not believed: {refusal}"),
        },
    };
    told(&format!("{}: {unsigned}, {met:?}, {signed}", sender.name))
}

/// A verification that somebody has spelled out, held against a request.
pub fn spelled(bytes: &[u8]) -> String {
    let verification: Verification = match serde_json::from_slice(bytes) {
        Ok(verification) => verification,
        Err(error) => return told(&error.to_string()),
    };
    let shown = serde_json::to_vec(&verification).expect("what was read can be written");
    let again: Verification = serde_json::from_slice(&shown).expect("and read again");
    assert!(again == verification, "and is the same");
    let body = &br#"{"signature":"00","timestamp":1700000000,"id":"1","items":[{"signature":"00"}]}"#[..];
    let mut request = RawRequest::post("https://hooks.example.com/in/abc?x=1", body);
    request.headers.insert("x-signature", HeaderValue::from_static("t=1700000000,v1=00"));
    request.headers.insert("x-timestamp", HeaderValue::from_static("1700000000"));
    let secrets = [SECRET.to_owned()];
    let refusal = scheme::verify(&verification, &request, &Keys::secrets_only(&secrets), NOW);
    let outcome = refusal.map_or_else(|refusal| refusal.to_string(), |_| "believed".to_owned());
    let random = SystemRandom::new();
    let signed = scheme::sign(&verification, SigningKey::new(SECRET), request, NOW, &random);
    told(&format!("{outcome}, {:?}", signed.err()))
}

/// A filter, an empty line, and a document that it looks into.
pub fn filter(bytes: &[u8]) -> String {
    let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap_or(bytes.len());
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let Some(written) = read(&bytes[..end]) else { return "no JSON".to_owned() };
    let document = read(bytes.get(end + 2..).unwrap_or_default()).unwrap_or(Value::Null);
    match Filter::parse(&written) {
        Ok(filter) => format!("matches: {}", filter.matches(&document)),
        Err(error) => told(&error.to_string()),
    }
}

/// What was said, without what stands in quotation marks and without numbers: kinds of outcome, not outcomes.
fn told(text: &str) -> String {
    let mut is_quoted = false;
    let kept = text.chars().filter(|c| {
        if matches!(c, '"' | '`') {
            is_quoted = !is_quoted;
        }
        !is_quoted && !c.is_ascii_digit()
    });
    kept.take(160).collect()
}
