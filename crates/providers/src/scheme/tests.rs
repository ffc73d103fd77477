//! Every sender's requests, signed by our side of its scheme and then altered.
//!
//! These show that signing and verifying agree and that what is signed is covered. That they agree with the sender is
//! for [`super::vectors`] to show.

use bytes::Bytes;
use domain::Timestamp;
use http::{HeaderName, HeaderValue, Method, header};
use proptest::prelude::*;
use ring::rand::SystemRandom;
use serde_json::json;

use super::digest::KeyEncoding;
use super::key::Asymmetric;
use super::proof::Proof;
use super::signature::{Place, PublicKeys, SignedBy};
use super::template::Variable;
use super::*;

pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

pub(super) const URL: &str = "https://hooks.example.com/in/abc?x=1";

pub(super) const RSA: &str = include_str!("keys/rsa.pem");

const RSA_PUBLIC: &str = include_str!("keys/rsa.pub.pem");

pub(super) const RSA_CERTIFICATE: &str = include_str!("keys/rsa.crt.pem");

const P256: &str = include_str!("keys/p256.pem");

const P256_PUBLIC: &str = include_str!("keys/p256.pub.pem");

/// RFC 8032, 7.1, test 2.
pub(super) const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";

pub(super) const SEED_PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

/// Another key pair, RFC 8032, 7.1, test 1.
const OTHER_PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/// What it takes to try out one verification.
struct Trial {
    verification: Verification,
    draft: RawRequest,
    secret: String,
    other_secret: String,
    private: String,
    public: Vec<String>,
    other_public: Vec<String>,
    fetched: Vec<Fetched>,
}

/// The sender's verification, taken apart into its alternatives.
fn trials(verification: &Verification) -> Vec<Trial> {
    let proofs = match &verification.proof {
        Proof::AnyOf(proofs) => proofs.clone(),
        proof => vec![proof.clone()],
    };
    let alone = |proof| Verification { proof, ..verification.clone() };
    // Amazon SNS has tests of its own: only Amazon can sign so.
    proofs.into_iter().filter(|proof| *proof != Proof::Sns).map(|proof| Trial::of(alone(proof))).collect()
}

impl Trial {
    fn of(verification: Verification) -> Self {
        let secrets = |encoding, prefix: &str| match encoding {
            KeyEncoding::Utf8 => (format!("{prefix}a secret"), format!("{prefix}another secret")),
            KeyEncoding::Hex => ("0a1b2c3d4e5f".to_owned(), "0a1b2c3d4e5e".to_owned()),
            KeyEncoding::Base64 => (format!("{prefix}c2VjcmV0IG9uZQ=="), format!("{prefix}c2VjcmV0IHR3bw==")),
        };
        let (secret, other_secret) = match &verification.proof {
            Proof::Signature(signature) => match &signature.by {
                SignedBy::Hmac { key_encoding, key_prefix, .. } => secrets(*key_encoding, key_prefix),
                _ => secrets(KeyEncoding::Utf8, ""),
            },
            Proof::Jwt(jwt) => secrets(jwt.key_encoding, &jwt.key_prefix),
            _ => ("user:password".to_owned(), "user:pass".to_owned()),
        };
        let mut trial = Self {
            verification,
            draft: draft(),
            secret,
            other_secret,
            private: String::new(),
            public: Vec::new(),
            other_public: Vec::new(),
            fetched: Vec::new(),
        };
        trial.prepare();
        trial
    }

    /// Whatever of keys and form this verification needs.
    fn prepare(&mut self) {
        let proof = self.verification.proof.clone();
        let (algorithm, origin) = match &proof {
            Proof::Signature(signature) => {
                if signature.template.uses(&Variable::FormSorted) {
                    self.draft.body = Bytes::from_static(b"b=2&a=x+y&mandrill_events=%5B%5D");
                    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
                    self.draft.headers.insert(header::CONTENT_TYPE, form);
                }
                match &signature.by {
                    SignedBy::Private { algorithm, keys } => (*algorithm, keys.clone()),
                    _ => return,
                }
            }
            Proof::Jwt(jwt) => match jwt.algorithms[0].means() {
                jwt::Means::Private(algorithm) => (algorithm, jwt.keys.clone()),
                jwt::Means::Shared(_) => return,
            },
            _ => return,
        };
        let (private, public) = match algorithm {
            Asymmetric::Ed25519 => (SEED, SEED_PUBLIC),
            Asymmetric::Ecdsa(_) => (P256, P256_PUBLIC),
            Asymmetric::Rsa(_) => (RSA, RSA_PUBLIC),
        };
        self.private = private.to_owned();
        match origin {
            PublicKeys::Configured => {
                self.public = vec![public.to_owned()];
                let other = if private == SEED { OTHER_PUBLIC } else { SEED_PUBLIC };
                self.other_public = vec![other.to_owned()];
            }
            PublicKeys::Set(url) => {
                let x = Encoding::Base64url.encode(&hex::decode(public).unwrap());
                let text = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]}).to_string();
                self.fetched = vec![Fetched { url, text }];
            }
            PublicKeys::Certificate { url_header, hosts } => {
                let url = format!("https://{}/cert.pem", hosts[0]);
                self.draft.headers.insert(url_header, url.parse().unwrap());
                self.fetched = vec![Fetched { url, text: RSA_CERTIFICATE.to_owned() }];
            }
        }
    }

    fn signed(&self) -> RawRequest {
        let key = SigningKey { secret: &self.secret, private: &self.private };
        sign(&self.verification, key, self.draft.clone(), NOW, &SystemRandom::new()).unwrap()
    }

    fn verify(&self, request: &RawRequest, now: Timestamp) -> Result<(), Refusal> {
        self.verify_under(&[self.other_secret.clone(), self.secret.clone()], &self.public, request, now)
    }

    fn verify_under(
        &self,
        secrets: &[String],
        public_keys: &[String],
        request: &RawRequest,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let keys = Keys { secrets, public_keys, fetched: &self.fetched, verify_token: None };
        verify(&self.verification, request, &keys, now).map(|_| ())
    }

    /// The header that holds the signature or token, if it is in one.
    fn proving_header(&self) -> Option<HeaderName> {
        match &self.verification.proof {
            Proof::Signature(signature) => match &signature.place {
                Place::Headers(names) => names.first().cloned(),
                Place::Body(_) => None,
            },
            Proof::Jwt(jwt) => Some(jwt.header.clone()),
            Proof::Token(token) => match &token.place {
                token::TokenPlace::Header { name, .. } => Some(name.clone()),
                token::TokenPlace::Basic => Some(header::AUTHORIZATION),
                _ => None,
            },
            Proof::Sns | Proof::AnyOf(_) => None,
        }
    }

    /// Whether every byte of the body is signed.
    fn covers_body(&self) -> bool {
        match &self.verification.proof {
            Proof::Signature(signature) => {
                signature.template.uses(&Variable::Body) || signature.template.uses(&Variable::FormSorted)
            }
            Proof::Jwt(jwt) => jwt.body_hash_claim.is_some(),
            _ => false,
        }
    }

    fn uses(&self, variable: &Variable) -> bool {
        matches!(&self.verification.proof, Proof::Signature(signature) if signature.template.uses(variable))
    }

    fn timestamp(&self) -> Option<&signature::Timestamp> {
        match &self.verification.proof {
            Proof::Signature(signature) => signature.timestamp.as_ref(),
            _ => None,
        }
    }
}

/// A body in which every sender finds what it signs.
fn draft() -> RawRequest {
    let item = json!({"pspReference": "P1", "merchantAccountCode": "M", "merchantReference": "R", "eventCode": "AUTHORISATION", "success": "true", "amount": {"value": 1130, "currency": "EUR"}, "additionalData": {}});
    let body = json!({
        "id": "e1", "type": "thing.happened", "text": "naïve ☃",
        "signature": {"token": "t1"},
        "notificationItems": [{"NotificationRequestItem": item}, {"NotificationRequestItem": item}],
        "value": [{"clientState": ""}],
    });
    RawRequest::post(URL, body.to_string())
}

fn altered(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
    bytes
}

fn with_header(request: &RawRequest, name: &HeaderName, value: &[u8]) -> RawRequest {
    let mut request = request.clone();
    request.headers.insert(name, HeaderValue::from_bytes(value).unwrap());
    request
}

fn each(check: impl Fn(&str, &Trial)) {
    for sender in senders() {
        for trial in trials(&sender.verification) {
            check(&sender.name, &trial);
        }
    }
}

#[test]
fn what_each_sender_signs_is_believed() {
    let mut count = 0;
    for sender in senders() {
        for trial in trials(&sender.verification) {
            assert_eq!(trial.verify(&trial.signed(), NOW), Ok(()), "{}", sender.name);
            count += 1;
        }
    }
    assert!(count > 90, "{count}");
}

#[test]
fn an_altered_body_is_refused() {
    each(|name, trial| {
        let signed = trial.signed();
        for at in 0..signed.body.len() {
            let mut request = signed.clone();
            request.body = altered(&signed.body, at).into();
            let verified = trial.verify(&request, NOW);
            assert!(!trial.covers_body() || verified.is_err(), "{name} byte {at}");
        }
    });
}

/// Adyen, whose signature covers eight fields, in each element.
#[test]
fn a_signed_field_in_any_element_is_covered() {
    let trial = trials(&sender("adyen").unwrap().verification).remove(0);
    let signed = trial.signed();
    let text = String::from_utf8(signed.body.to_vec()).unwrap();
    for field in ["P1", "\"M\"", "\"R\"", "AUTHORISATION", "1130", "EUR", "\"true\""] {
        for at in [text.find(field).unwrap(), text.rfind(field).unwrap()] {
            let mut request = signed.clone();
            request.body = altered(&signed.body, at + 1).into();
            assert!(trial.verify(&request, NOW).is_err(), "{field}");
        }
    }
    let mut body: serde_json::Value = serde_json::from_slice(&signed.body).unwrap();
    body["notificationItems"].as_array_mut().unwrap().push(json!({"NotificationRequestItem": {}}));
    let smuggled = RawRequest { body: body.to_string().into(), ..signed.clone() };
    assert_eq!(trial.verify(&smuggled, NOW), Err(Refusal::BadSignature));
    body["notificationItems"] = json!([]);
    let empty = RawRequest { body: body.to_string().into(), ..signed };
    assert_eq!(trial.verify(&empty, NOW), Err(Refusal::UnreadableBody));
}

#[test]
fn an_altered_signature_is_refused() {
    each(|name, trial| {
        let signed = trial.signed();
        let Some(header) = trial.proving_header() else { return };
        let value = signed.headers[&header].as_bytes();
        // Not the last ones: in base64 they may hold bits that mean nothing.
        for at in 0..value.len() - 3 {
            let request = with_header(&signed, &header, &altered(value, at));
            assert!(trial.verify(&request, NOW).is_err(), "{name} byte {at}");
        }
        assert!(trial.verify(&with_header(&signed, &header, b""), NOW).is_err(), "{name}");
        assert!(
            trial.verify(&with_header(&signed, &header, &value[..value.len() / 2]), NOW).is_err(),
            "{name}"
        );
    });
}

#[test]
fn a_signature_in_the_body_is_refused_when_altered() {
    for (name, path) in [
        ("mailgun", "/signature/signature"),
        ("adyen", "/notificationItems/1/NotificationRequestItem/additionalData/hmacSignature"),
        ("microsoft-graph", "/value/0/clientState"),
    ] {
        let trial = trials(&sender(name).unwrap().verification).remove(0);
        let signed = trial.signed();
        let mut body: serde_json::Value = serde_json::from_slice(&signed.body).unwrap();
        let good = body.pointer(path).unwrap().as_str().unwrap().to_owned();
        for bad in [
            json!(String::from_utf8(altered(good.as_bytes(), 2)).unwrap()),
            json!(""),
            json!(null),
            json!([good]),
        ] {
            *body.pointer_mut(path).unwrap() = bad;
            let request = RawRequest { body: body.to_string().into(), ..signed.clone() };
            assert!(trial.verify(&request, NOW).is_err(), "{name}");
        }
    }
}

#[test]
fn a_missing_or_repeated_proof_is_refused() {
    each(|name, trial| {
        let signed = trial.signed();
        let Some(header) = trial.proving_header() else { return };
        let mut without = signed.clone();
        let value = without.headers.remove(&header).unwrap();
        assert_eq!(trial.verify(&without, NOW), Err(Refusal::MissingHeader(header.clone())), "{name}");
        let mut twice = signed;
        twice.headers.append(&header, value);
        assert_eq!(trial.verify(&twice, NOW), Err(Refusal::RepeatedHeader(header)), "{name}");
    });
}

#[test]
fn another_key_is_refused_and_so_is_none() {
    each(|name, trial| {
        let signed = trial.signed();
        let others = [trial.other_secret.clone()];
        if trial.fetched.is_empty() {
            assert!(trial.verify_under(&others, &trial.other_public, &signed, NOW).is_err(), "{name}");
            for nothing in [&[][..], &[String::new()]] {
                assert_eq!(trial.verify_under(nothing, nothing, &signed, NOW), Err(Refusal::NoKey), "{name}");
            }
            // What is public is never a secret, nor the other way round.
            let swapped =
                trial.verify_under(&trial.public, std::slice::from_ref(&trial.secret), &signed, NOW);
            assert!(swapped.is_err(), "{name}");
        }
    });
}

#[test]
fn a_timestamp_holds_both_ways_and_cannot_be_moved() {
    let mut count = 0;
    for sender in senders() {
        for trial in trials(&sender.verification) {
            let Some(timestamp) = trial.timestamp() else { continue };
            let signed = trial.signed();
            if let signature::TimestampPlace::Headers(names) = &timestamp.place {
                let moved = timestamp.format.write(Timestamp::from_seconds(1_700_000_001));
                let request = with_header(&signed, &names[0], moved.as_bytes());
                assert_eq!(trial.verify(&request, NOW), Err(Refusal::BadSignature), "{}", sender.name);
                let request = with_header(&signed, &names[0], b"soon");
                assert_eq!(trial.verify(&request, NOW), Err(Refusal::NoTimestamp), "{}", sender.name);
                let mut without = signed.clone();
                without.headers.remove(&names[0]);
                assert_eq!(trial.verify(&without, NOW), Err(Refusal::MissingHeader(names[0].clone())));
            }
            let Some(seconds) = timestamp.tolerance_seconds else { continue };
            count += 1;
            let tolerance = i64::from(seconds);
            for (offset, expected) in [
                (tolerance, Ok(())),
                (-tolerance, Ok(())),
                (tolerance + 1, Err(Refusal::Stale(seconds))),
                (-tolerance - 1, Err(Refusal::Stale(seconds))),
            ] {
                let now = Timestamp::from_seconds(NOW.as_seconds() + offset);
                assert_eq!(trial.verify(&signed, now), expected, "{} {offset}", sender.name);
            }
        }
    }
    assert!(count > 15, "{count}");
}

#[test]
fn where_url_and_method_are_signed_they_are_covered() {
    let mut names = Vec::new();
    for sender in senders() {
        for trial in trials(&sender.verification) {
            let signed = trial.signed();
            assert_eq!(trial.verification.signs_url(), trial.uses(&Variable::Url));
            if trial.uses(&Variable::Url) {
                names.push(&*sender.name);
                let elsewhere = RawRequest { url: URL.replace("abc", "abd"), ..signed.clone() };
                assert!(trial.verify(&elsewhere, NOW).is_err(), "{}", sender.name);
            }
            if trial.uses(&Variable::Method) {
                let put = RawRequest { method: Method::PUT, ..signed };
                assert!(trial.verify(&put, NOW).is_err(), "{}", sender.name);
            }
        }
    }
    assert_eq!(names, ["twilio", "hubspot-v2", "hubspot-v3", "square", "trello", "mandrill"]);
}

/// Twilio signs a body that is no form through its digest in the URL.
#[test]
fn a_digest_in_the_url_covers_the_body() {
    let mut trial = trials(&sender("twilio").unwrap().verification).remove(0);
    trial.draft = RawRequest::post(URL, r#"{"a":1}"#);
    let signed = trial.signed();
    assert!(signed.url.contains("bodySHA256="), "{}", signed.url);
    assert_eq!(trial.verify(&signed, NOW), Ok(()));
    for body in ["", "a=1", r#"{"a":2}"#] {
        let mut request = signed.clone();
        request.headers.insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
        request.body = Bytes::from_static(body.as_bytes());
        assert_eq!(trial.verify(&request, NOW), Err(Refusal::OtherBody), "{body}");
    }
}

#[test]
fn a_key_that_has_to_be_fetched_is_asked_for() {
    let paypal = trials(&sender("paypal").unwrap().verification).remove(0);
    let signed = paypal.signed();
    let asked = |request: &RawRequest| {
        let keys = Keys::secrets_only(std::slice::from_ref(&paypal.secret));
        verify(&paypal.verification, request, &keys, NOW).unwrap_err()
    };
    let url = "https://api.paypal.com/cert.pem".to_owned();
    assert_eq!(asked(&signed), Refusal::KeyNeeded(Fetch { url, kind: FetchKind::Certificate }));
    for foreign in [
        "https://api.paypal.com.evil.example/cert.pem",
        "http://api.paypal.com/cert.pem",
        "https://api.paypal.com:8443/cert.pem",
        "https://api.paypal.com@evil.example/cert.pem",
        "https://evil.example/?api.paypal.com",
        "api.paypal.com",
    ] {
        let request = with_header(&signed, &HeaderName::from_static("paypal-cert-url"), foreign.as_bytes());
        assert_eq!(asked(&request), Refusal::ForeignCertificate, "{foreign}");
    }
    let fal = trials(&sender("fal-ai").unwrap().verification).remove(0);
    let url = "https://rest.fal.ai/.well-known/jwks.json".to_owned();
    let needed = verify(&fal.verification, &fal.signed(), &Keys::default(), NOW).unwrap_err();
    assert_eq!(needed, Refusal::KeyNeeded(Fetch { url, kind: FetchKind::KeySet }));
}

#[test]
fn a_webhooks_id_takes_the_place_of_a_secret_at_paypal() {
    let trial = trials(&sender("paypal").unwrap().verification).remove(0);
    let signed = trial.signed();
    let other = [trial.other_secret.clone()];
    assert_eq!(trial.verify_under(&other, &[], &signed, NOW), Err(Refusal::BadSignature));
}

#[test]
fn type_and_id_are_found_where_the_sender_puts_them() {
    let secrets = ["secret".to_owned()];
    let read = |name: &str, headers: &[(&'static str, &'static str)], body: &str| {
        let sender = sender(name).unwrap();
        let mut draft = RawRequest::post(URL, body.to_owned());
        for (name, value) in headers {
            draft.headers.insert(*name, value.parse().unwrap());
        }
        let request =
            sign(&sender.verification, SigningKey::new("secret"), draft, NOW, &SystemRandom::new()).unwrap();
        let verified = sender.verify(&request, &Keys::secrets_only(&secrets), NOW).unwrap();
        (sender.event_type(&verified).as_str().to_owned(), verified.delivery_id())
    };
    let github = [("x-github-event", "issues"), ("x-github-delivery", "72d3162e")];
    assert_eq!(
        read("github", &github, r#"{"action":"opened"}"#),
        ("github.issues.opened".into(), Some("72d3162e".into()))
    );
    assert_eq!(
        read("stripe", &[], r#"{"id":"evt_1","type":"invoice.paid"}"#),
        ("stripe.invoice.paid".into(), Some("evt_1".into()))
    );
    assert_eq!(read("cal-com", &[], "{}").0, "cal-com");
    let digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(read("cal-com", &[], "{}").1.as_deref(), Some(digest));
    let long = format!(r#"{{"id":"{}","type":"t"}}"#, "x".repeat(257));
    assert!(read("stripe", &[], &long).1.unwrap().starts_with("sha256:"));
    assert_eq!(read("dropbox", &[], "{}").1, None);
}

#[test]
fn adyen_and_discord_hear_what_they_want() {
    let trial = trials(&sender("adyen").unwrap().verification).remove(0);
    let signed = trial.signed();
    let secrets = [trial.secret];
    let adyen = sender("adyen").unwrap();
    let verified = adyen.verify(&signed, &Keys::secrets_only(&secrets), NOW).unwrap();
    assert_eq!(adyen.answer(&verified).unwrap().body, "[accepted]");
    assert_eq!(adyen.event_type(&verified).as_str(), "adyen.authorisation.thing.happened");
    assert_eq!(verified.delivery_id().unwrap(), "AUTHORISATION:P1:true");
}

#[test]
fn an_alternative_that_holds_is_enough_and_a_public_key_is_no_secret() {
    let verification = &sender("standard-webhooks").unwrap().verification;
    let [symmetric, asymmetric] = &*trials(verification) else { panic!() };
    let verify_under = |request: &RawRequest, secrets: &[String], public_keys: &[String]| {
        let keys = Keys { secrets, public_keys, ..Keys::default() };
        verify(verification, request, &keys, NOW).map(|_| ())
    };
    let secret = [symmetric.secret.clone()];
    assert_eq!(verify_under(&symmetric.signed(), &secret, &[]), Ok(()));
    assert_eq!(verify_under(&asymmetric.signed(), &[], &asymmetric.public), Ok(()));
    assert_eq!(verify_under(&asymmetric.signed(), &secret, &[]), Err(Refusal::BadSignature));
    // Somebody who signs v1 with the public key, which everybody knows.
    let public = Encoding::Base64.encode(&hex::decode(SEED_PUBLIC).unwrap());
    let forged = Trial { secret: public.clone(), ..trials(verification).remove(0) }.signed();
    assert_eq!(verify_under(&forged, &[], &[public]), Err(Refusal::BadSignature));
}

#[test]
fn keys_are_judged_before_they_are_needed() {
    let github = &sender("github").unwrap().verification;
    assert_eq!(github.check_keys(&Keys::default()), Err(Refusal::NoKey));
    assert_eq!(github.check_keys(&Keys::secrets_only(&["x".to_owned()])), Ok(()));
    let svix = &sender("svix").unwrap().verification;
    assert_eq!(svix.check_keys(&Keys::secrets_only(&["whsec_!".to_owned()])), Err(UNUSABLE_KEY));
    let discord = &sender("discord").unwrap().verification;
    assert_eq!(discord.check_keys(&Keys::secrets_only(&["x".to_owned()])), Err(Refusal::NoKey));
    let with = |key: &str| discord.check_keys(&Keys { public_keys: &[key.to_owned()], ..Keys::default() });
    assert_eq!((with(SEED_PUBLIC), with("12")), (Ok(()), Err(UNUSABLE_KEY)));
    assert_eq!(sender("fal-ai").unwrap().verification.check_keys(&Keys::default()), Ok(()));
    let standard = &sender("standard-webhooks").unwrap().verification;
    assert_eq!(standard.check_keys(&Keys::default()), Err(Refusal::NoKey));
    assert_eq!(
        standard.check_keys(&Keys { public_keys: &[SEED_PUBLIC.to_owned()], ..Keys::default() }),
        Ok(())
    );
}

#[test]
fn no_secret_shows_in_debug_output() {
    let secrets = ["hunter2".to_owned()];
    let request = RawRequest::post(URL, "{}");
    let signed = sign(
        &sender("github").unwrap().verification,
        SigningKey::new("hunter2"),
        request,
        NOW,
        &SystemRandom::new(),
    )
    .unwrap();
    let keys = Keys::secrets_only(&secrets);
    let verified = sender("github").unwrap().verify(&signed, &keys, NOW).unwrap();
    assert!(!format!("{keys:?} {verified:?} {:?}", SigningKey::new("hunter2")).contains("hunter2"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes in, it is refused, and nothing panics.
    #[test]
    fn nothing_unsigned_is_believed(
        value in r"[ -~]{0,80}|([tvh][s01]?=[0-9a-f]{0,12}[,; ]){0,9}|v1a?,[A-Za-z0-9+/=]{0,50}|([A-Za-z0-9_-]{0,9}[.]){2}[a-z]{0,9}",
        body in r#"\PC{0,60}|\{"[a-z]{1,4}":[0-9]{1,3}\}|\{"signature":\{"signature":"[0-9a-f]{0,9}","timestamp":"[0-9]{0,9}"\}\}"#,
    ) {
        for sender in senders() {
            for trial in trials(&sender.verification) {
                let mut request = trial.draft.clone();
                request.body = body.clone().into();
                let names = trial.signed().headers;
                for name in names.keys().filter(|name| **name != header::CONTENT_TYPE) {
                    request.headers.insert(name, HeaderValue::from_str(&value).unwrap());
                }
                prop_assert!(trial.verify(&request, NOW).is_err(), "{}", sender.name);
            }
        }
    }
}
