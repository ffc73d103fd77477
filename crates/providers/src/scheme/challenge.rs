//! Handshakes: requests by which a sender finds out whether an address wants its events.

use std::collections::BTreeMap;

use domain::Timestamp;
use http::{HeaderName, Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::digest::is_same;
use super::request::Scope;
use super::template::Template;
use super::{Keys, Refusal, Verification, is_at, verify};
use crate::RawRequest;

/// Bytes of a handshake's body. Senders stay below 2 KiB; what is longer is an event, and is not read twice.
const BODY_BYTES_MAX: usize = 16 * 1_024;

/// Bytes of a secret that a sender may hand out.
const CAPTURED_BYTES_MAX: usize = 1_024;

/// How a sender's handshake is known and answered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// The method; any, where it is not said.
    #[serde(default, deserialize_with = "method")]
    method: Option<Method>,
    /// What has to be there.
    #[serde(default)]
    has: Vec<Template>,
    /// What has to be there, and what it has to be.
    #[serde(default)]
    equals: Vec<Equal>,
    /// Whether the handshake is signed like an event. Then it is verified first.
    #[serde(default)]
    is_signed: bool,
    /// What has to be the source's verify token.
    verify_token: Option<Template>,
    /// The secret that the sender hands out, with which it will sign.
    capture: Option<Template>,
    /// A URL that has to be fetched to agree, at one of `visit_hosts`.
    visit: Option<Template>,
    #[serde(default)]
    visit_hosts: Vec<String>,
    /// What the sender wants to hear.
    #[serde(default)]
    answer: Answered,
}

/// A text and what it has to be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Equal {
    value: Template,
    to: String,
}

/// An answer with holes.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Answered {
    status: Option<u16>,
    /// A body as plain text, or of another type.
    body: Option<Template>,
    content_type: Option<String>,
    /// A body as a JSON object of texts, in place of `body`.
    json: BTreeMap<String, Template>,
    headers: BTreeMap<String, Template>,
}

/// An answer that a sender wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its media type; none where there is no body.
    pub content_type: Option<String>,
    /// Further headers.
    pub headers: Vec<(HeaderName, String)>,
    /// Its body.
    pub body: String,
}

/// What follows from a handshake.
#[derive(Clone, PartialEq, Eq)]
pub struct Handshake {
    /// What to answer.
    pub answer: Answer,
    /// The secret that the sender has handed out. It has to be kept before the answer is sent.
    pub secret: Option<String>,
    /// The URL to fetch, to agree. Its host was checked.
    pub visit: Option<String>,
}

impl Challenge {
    /// Recognises a handshake and answers it; `None` where the request is none, and is to be verified as an event.
    ///
    /// A secret is taken only while the source has none: else whoever knows the address could replace it.
    ///
    /// # Errors
    /// Why the handshake is not to be believed.
    pub fn meet(
        &self,
        verification: &Verification,
        request: &RawRequest,
        keys: &Keys<'_>,
        now: Timestamp,
    ) -> Result<Option<Handshake>, Refusal> {
        let mut scope = Scope::of(request);
        if !self.is_meant(&scope) || (self.capture.is_some() && keys.secrets().is_ok()) {
            return Ok(None);
        }
        if self.is_signed {
            verify(verification, request, keys, now)?;
        }
        if let Some(token) = &self.verify_token {
            let expected = keys.verify_token.filter(|token| !token.is_empty()).ok_or(Refusal::NoKey)?;
            let shown = token.text(&scope).ok_or(Refusal::BadToken)?;
            if !is_same(expected.as_bytes(), shown.as_bytes()) {
                return Err(Refusal::BadToken);
            }
        }
        let secret = self.capture.as_ref().map(|capture| captured(capture, &scope)).transpose()?;
        let visit = self.visit.as_ref().map(|visit| self.visitable(visit, &scope)).transpose()?;
        if self.answer.uses_secret() {
            scope.secret = keys.secrets()?.next().map(str::to_owned);
        }
        let answer = self.answer.fill(&scope).ok_or(Refusal::UnreadableBody)?;
        Ok(Some(Handshake { answer, secret, visit }))
    }

    /// Whether the sender hands out the secret that it will sign with, so that a source may begin without one.
    #[must_use]
    pub const fn hands_out_secret(&self) -> bool {
        self.capture.is_some()
    }

    fn is_meant(&self, scope: &Scope<'_>) -> bool {
        scope.request.body.len() <= BODY_BYTES_MAX
            && self.method.as_ref().is_none_or(|method| scope.request.method == method)
            && self.has.iter().all(|template| template.text(scope).is_some())
            && self.equals.iter().all(|equal| equal.value.text(scope).as_ref() == Some(&equal.to))
    }

    fn visitable(&self, visit: &Template, scope: &Scope<'_>) -> Result<String, Refusal> {
        let url = visit.text(scope).ok_or(Refusal::UnreadableBody)?;
        if is_at(&url, &self.visit_hosts) { Ok(url) } else { Err(Refusal::ForeignCertificate) }
    }
}

fn captured(capture: &Template, scope: &Scope<'_>) -> Result<String, Refusal> {
    let secret = capture.text(scope).filter(|text| !text.is_empty() && text.len() <= CAPTURED_BYTES_MAX);
    secret.ok_or(Refusal::BadToken)
}

impl Answered {
    fn uses_secret(&self) -> bool {
        let mut templates = self.body.iter().chain(self.json.values()).chain(self.headers.values());
        templates.any(Template::uses_secret)
    }

    /// The answer; `None` where a hole stays empty. Values are written as JSON texts there, and cannot break out.
    pub(super) fn fill(&self, scope: &Scope<'_>) -> Option<Answer> {
        let status = self.status.map_or(Some(StatusCode::OK), |status| StatusCode::from_u16(status).ok())?;
        let headers: Option<_> = self
            .headers
            .iter()
            .map(|(name, value)| Some((name.parse::<HeaderName>().ok()?, value.text(scope)?)))
            .collect();
        let fields: Option<serde_json::Map<_, _>> = self
            .json
            .iter()
            .map(|(name, value)| Some((name.clone(), Value::String(value.text(scope)?))))
            .collect();
        let (body, content_type) = match (fields?, &self.body) {
            (fields, _) if !fields.is_empty() => {
                (Value::Object(fields).to_string(), Some("application/json"))
            }
            (_, Some(body)) => (body.text(scope)?, Some("text/plain; charset=utf-8")),
            (_, None) => (String::new(), None),
        };
        let content_type = self.content_type.as_deref().or(content_type).map(str::to_owned);
        Some(Answer { status, content_type, headers: headers?, body })
    }
}

fn method<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Method>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handshake").field("answer", &self.answer.status).field("visit", &self.visit).finish()
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use serde_json::json;

    use super::*;
    use crate::scheme::digest::{Encoding, Hash};
    use crate::scheme::tests::{NOW, SEED, SEED_PUBLIC, URL};
    use crate::scheme::{SigningKey, sender, sign};

    fn meet(name: &str, request: &RawRequest, keys: &Keys<'_>) -> Result<Option<Handshake>, Refusal> {
        sender(name).unwrap().meet(request, keys, NOW)
    }

    fn get(query: &str) -> RawRequest {
        RawRequest {
            method: Method::GET,
            ..RawRequest::post(format!("https://hooks.example.com/in/a?{query}"), "")
        }
    }

    fn signed_by(name: &str, body: &serde_json::Value, key: &str) -> RawRequest {
        let draft = RawRequest::post(URL, body.to_string());
        sign(&sender(name).unwrap().verification, SigningKey::new(key), draft, NOW, &SystemRandom::new())
            .unwrap()
    }

    #[test]
    fn an_echo_is_given_to_whom_it_belongs() {
        let keys = Keys { verify_token: Some("our token"), ..Keys::default() };
        let good = get("hub.mode=subscribe&hub.verify_token=our+token&hub.challenge=1158201444");
        let handshake = meet("meta", &good, &keys).unwrap().unwrap();
        assert_eq!((handshake.answer.status, &*handshake.answer.body), (StatusCode::OK, "1158201444"));
        assert_eq!(meet("whatsapp", &good, &Keys::default()), Err(Refusal::NoKey));
        let bad = get("hub.mode=subscribe&hub.verify_token=their+token&hub.challenge=1");
        assert_eq!(meet("meta", &bad, &keys), Err(Refusal::BadToken));
        assert_eq!(meet("meta", &RawRequest { method: Method::POST, ..good }, &keys), Ok(None));

        for (name, request) in [
            ("dropbox", get("challenge=abc%26")),
            ("onfleet", get("check=abc%26")),
            ("microsoft-graph", RawRequest { method: Method::POST, ..get("validationToken=abc%26") }),
        ] {
            let answer = meet(name, &request, &Keys::default()).unwrap().unwrap().answer;
            assert_eq!(answer.body, "abc&");
            assert_eq!(answer.content_type.unwrap(), "text/plain; charset=utf-8");
        }
    }

    #[test]
    fn a_signed_handshake_is_verified_first() {
        let secrets = ["secret".to_owned()];
        let keys = Keys::secrets_only(&secrets);
        let slack = signed_by("slack", &json!({"type": "url_verification", "challenge": "c1"}), "secret");
        assert_eq!(meet("slack", &slack, &keys).unwrap().unwrap().answer.body, "c1");
        assert_eq!(
            meet("slack", &slack, &Keys::secrets_only(&["other".to_owned()])),
            Err(Refusal::BadSignature)
        );
        let event = signed_by("slack", &json!({"type": "event_callback"}), "secret");
        assert_eq!(meet("slack", &event, &keys), Ok(None));

        let body =
            json!({"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}});
        let zoom = signed_by("zoom", &body, "secret");
        let answer: serde_json::Value =
            serde_json::from_str(&meet("zoom", &zoom, &keys).unwrap().unwrap().answer.body).unwrap();
        let code = hex::encode(Hash::Sha256.mac(b"secret", &["qgg8vlvZRS6UYooatFL8Aw"]));
        assert_eq!(answer, json!({"plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": code}));

        let mut draft = RawRequest::post(URL, r#"{"challenge":"pogchamp"}"#);
        draft
            .headers
            .insert("twitch-eventsub-message-type", "webhook_callback_verification".parse().unwrap());
        let verification = &sender("twitch").unwrap().verification;
        let twitch = sign(verification, SigningKey::new("secret"), draft, NOW, &SystemRandom::new()).unwrap();
        assert_eq!(meet("twitch", &twitch, &keys).unwrap().unwrap().answer.body, "pogchamp");

        let public_keys = [SEED_PUBLIC.to_owned()];
        let keys = Keys { public_keys: &public_keys, ..Keys::default() };
        let ping = signed_by("discord", &json!({"type": 0}), SEED);
        let answer = meet("discord", &ping, &keys).unwrap().unwrap().answer;
        assert_eq!((answer.status, answer.content_type, &*answer.body), (StatusCode::NO_CONTENT, None, ""));
    }

    #[test]
    fn a_secret_is_taken_once() {
        let mut asana = RawRequest::post(URL, "{}");
        asana.headers.insert("x-hook-secret", "b537207f20cbfa02357cf448134da559".parse().unwrap());
        let handshake = meet("asana", &asana, &Keys::default()).unwrap().unwrap();
        assert_eq!(handshake.secret.as_deref(), Some("b537207f20cbfa02357cf448134da559"));
        let echoed = &handshake.answer.headers[0];
        assert_eq!((echoed.0.as_str(), &*echoed.1), ("x-hook-secret", "b537207f20cbfa02357cf448134da559"));
        assert!(!format!("{handshake:?}").contains("b537"));
        let notion = RawRequest::post(
            URL,
            r#"{"verification_token":"secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"}"#,
        );
        let secret = meet("notion", &notion, &Keys::default()).unwrap().unwrap().secret.unwrap();
        assert!(secret.starts_with("secret_"));
        let ours = ["ours".to_owned()];
        for (name, request) in [("asana", &asana), ("notion", &notion)] {
            assert_eq!(meet(name, request, &Keys::secrets_only(&ours)), Ok(None), "{name}");
            assert!(sender(name).unwrap().verify(request, &Keys::secrets_only(&ours), NOW).is_err());
        }
    }

    #[test]
    fn other_handshakes_are_answered_as_they_ask() {
        let head = RawRequest { method: Method::HEAD, ..get("") };
        for name in ["trello", "mandrill"] {
            assert_eq!(meet(name, &head, &Keys::default()).unwrap().unwrap().answer.status, StatusCode::OK);
        }
        let mut okta = get("");
        okta.headers.insert("x-okta-verification-challenge", "my\"value".parse().unwrap());
        let answer = meet("okta", &okta, &Keys::default()).unwrap().unwrap().answer;
        assert_eq!(
            (&*answer.body, answer.content_type.as_deref()),
            (r#"{"verification":"my\"value"}"#, Some("application/json"))
        );
        let secrets = ["consumer".to_owned()];
        let crc = get("crc_token=tok&nonce=n");
        let answer = meet("x", &crc, &Keys::secrets_only(&secrets)).unwrap().unwrap().answer;
        let code = Encoding::Base64.encode(&Hash::Sha256.mac(b"consumer", &["tok"]));
        assert_eq!(answer.body, format!(r#"{{"response_token":"sha256={code}"}}"#));
        assert_eq!(meet("x", &crc, &Keys::default()), Err(Refusal::NoKey));
    }
}
