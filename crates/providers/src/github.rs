//! GitHub: webhooks of repositories, organisations and apps.
//!
//! Sources: docs.github.com, "Validating webhook deliveries" (signature and vector), "Webhook events and payloads"
//! (headers, the 25 MB limit), "Best practices for using webhooks" (`X-GitHub-Delivery` is the same on redelivery).

use domain::event::Json;
use domain::{EventType, Timestamp};
use http::HeaderName;
use serde::Deserialize;

use crate::{
    Described, Inbound, InboundEvent, Provider, RawRequest, Refusal, Route, Setting, Unreadable, Verified,
    mac,
};

const SIGNATURE: &str = "x-hub-signature-256";
const EVENT: &str = "x-github-event";
const DELIVERY: &str = "x-github-delivery";
const PREFIX: &str = "sha256=";

/// GitHub sends at most 25 MB. A form post of that is longer; what is beyond this limit was never sent by GitHub.
const BODY_BYTES_MAX: usize = 25 * 1_024 * 1_024;

pub(crate) struct GitHub;

impl Provider for GitHub {
    fn name(&self) -> &'static str {
        "github"
    }

    fn route(&self) -> Route {
        Route::PerUser
    }

    fn secret(&self) -> Setting {
        Setting { key: "webhook_secret", environment: "GITHUB_WEBHOOK_SECRET" }
    }

    fn body_bytes_max(&self) -> Option<usize> {
        Some(BODY_BYTES_MAX)
    }

    /// The signature covers the bytes on the wire, also those of a form post. There is no timestamp: only the delivery's
    /// id tells a replay.
    fn verify<'r>(
        &self,
        request: &'r RawRequest,
        secrets: &[String],
        _now: Timestamp,
    ) -> Result<Verified<'r>, Refusal> {
        let signature = request.header(SIGNATURE).ok_or(Refusal::MissingHeader("X-Hub-Signature-256"))?;
        mac::verify_hex(secrets, &[&request.body], signature, PREFIX)?;
        Ok(Verified(request))
    }

    fn parse(&self, request: &Verified<'_>) -> Result<Inbound, Unreadable> {
        let event = request.header(EVENT).ok_or(Unreadable::MissingHeader("X-GitHub-Event"))?;
        let delivery = request.header(DELIVERY).ok_or(Unreadable::MissingHeader("X-GitHub-Delivery"))?;
        let form = form_payload(request)?;
        let (data, payload) = Json::read::<Payload>(form.as_deref().map_or(request.body(), str::as_bytes))?;
        Ok(Inbound::Event(InboundEvent {
            event_type: EventType::from_words(["github", event].into_iter().chain(payload.action.as_deref())),
            dedupe_id: delivery.to_owned(),
            occurred_at: None,
            is_whole_body: form.is_none(),
            data,
        }))
    }

    fn sign(&self, secret: &str, body: &[u8], _now: Timestamp) -> Vec<(HeaderName, String)> {
        vec![(HeaderName::from_static(SIGNATURE), mac::sign_hex(secret, &[body], PREFIX))]
    }

    fn event_types(&self) -> &'static [Described] {
        EVENT_TYPES
    }
}

/// What all payloads have in common. `sender` and `repository` are documented for all and missing from some.
#[derive(Deserialize)]
struct Payload {
    action: Option<String>,
}

/// The JSON inside a form post, which is what a hook sends unless it was told otherwise. A form never begins with a brace:
/// what does is JSON whose sender left the media type to a default, as people do who try things out.
fn form_payload(request: &Verified<'_>) -> Result<Option<String>, Unreadable> {
    let media_type = request.header("content-type").unwrap_or_default();
    if request.body().starts_with(b"{")
        || !media_type.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
    {
        return Ok(None);
    }
    let mut fields = url::form_urlencoded::parse(request.body());
    let payload = fields.find(|(name, _)| name == "payload").ok_or(Unreadable::MissingField("payload"))?;
    Ok(Some(payload.1.into_owned()))
}

const EVENT_TYPES: &[Described] = &[
    Described {
        event_type: "github.ping",
        description: "A hook was created, or somebody pinged it",
        example: r#"{"zen":"Keep it logically awesome.","hook_id":1}"#,
    },
    Described {
        event_type: "github.push",
        description: "Commits or tags were pushed",
        example: r#"{"ref":"refs/heads/main","repository":{"full_name":"octo/hello"},"commits":[{"id":"6dcb09b5","message":"Mend the door"}]}"#,
    },
    Described {
        event_type: "github.issues.opened",
        description: "An issue was opened; other actions have types of their own, such as github.issues.closed",
        example: r#"{"action":"opened","issue":{"number":1,"title":"The door squeaks"},"repository":{"full_name":"octo/hello"}}"#,
    },
    Described {
        event_type: "github.pull_request.opened",
        description: "A pull request was opened; other actions have types of their own",
        example: r#"{"action":"opened","number":2,"pull_request":{"title":"Mend the door"},"repository":{"full_name":"octo/hello"}}"#,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn request(headers: &[(&'static str, &'static str)], body: &'static [u8]) -> RawRequest {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)));
        RawRequest { headers: headers.collect(), body: body.into() }
    }

    fn verify(secret: &str, signature: &'static str, body: &'static [u8]) -> Result<(), Refusal> {
        GitHub.verify(&request(&[(SIGNATURE, signature)], body), &[secret.to_owned()], NOW).map(|_| ())
    }

    fn read(
        headers: &[(&'static str, &'static str)],
        body: &'static [u8],
    ) -> Result<InboundEvent, Unreadable> {
        match GitHub.parse(&Verified(&request(headers, body)))? {
            Inbound::Event(event) => Ok(event),
            Inbound::Reply(reply) => panic!("{reply:?}"),
        }
    }

    /// (secret, body, signature): the first is GitHub's own, the others were checked with a second implementation.
    const VECTORS: &[(&str, &[u8], &str)] = &[
        (
            "It's a Secret to Everybody",
            b"Hello, World!",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        ),
        (
            "It's a Secret to Everybody",
            "{\"note\":\"é ☃ 你好\"}".as_bytes(),
            "sha256=94091303be495d6a428f92b1eff47a543599ce888c6c46e096024a7abe8fa161",
        ),
        (
            "gh-test-secret",
            br#"{"zen":"Keep it logically awesome.","hook_id":1}"#,
            "sha256=3e20f493d5667e4ac71dcac33cf793105fbb07387091995517deafdc04efe473",
        ),
        (
            "gh-test-secret",
            b"payload=%7B%22zen%22%3A%22Keep+it+logically+awesome.%22%2C%22hook_id%22%3A1%7D",
            "sha256=1ecdc9479808f03e98f3071d7306d0af20c4e378e0395c058ae779393fcb9452",
        ),
    ];

    #[test]
    fn the_vectors_verify_and_are_what_we_sign() {
        for &(secret, body, signature) in VECTORS {
            assert_eq!(verify(secret, signature, body), Ok(()));
            assert_eq!(GitHub.sign(secret, body, NOW)[0].1, signature);
        }
    }

    #[test]
    fn whatever_is_altered_is_refused() {
        let (secret, body, signature) = VECTORS[0];
        assert_eq!(verify("another", signature, body), Err(Refusal::BadSignature));
        assert_eq!(verify(secret, signature, b"Hello, World?"), Err(Refusal::BadSignature));
        assert_eq!(verify(secret, &signature[..signature.len() - 2], body), Err(Refusal::BadSignature));
        assert_eq!(verify(secret, &signature[PREFIX.len()..], body), Err(Refusal::BadSignature));
        // The older header's digest is no way around the newer one.
        assert_eq!(
            verify(secret, "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59", body),
            Err(Refusal::BadSignature)
        );
    }

    #[test]
    fn without_signature_or_secret_nothing_is_believed() {
        let (secret, body, signature) = VECTORS[0];
        let unsigned = request(&[], body);
        let secrets = [secret.to_owned()];
        assert_eq!(
            GitHub.verify(&unsigned, &secrets, NOW).unwrap_err(),
            Refusal::MissingHeader("X-Hub-Signature-256")
        );
        let twice = request(&[(SIGNATURE, signature), (SIGNATURE, "sha256=00")], body);
        assert!(GitHub.verify(&twice, &secrets, NOW).is_err());
        let signed = request(&[(SIGNATURE, signature)], body);
        assert_eq!(GitHub.verify(&signed, &[], NOW).unwrap_err(), Refusal::NoSecret);
        assert!(GitHub.verify(&signed, &["old".to_owned(), secret.to_owned()], NOW).is_ok());
    }

    #[test]
    fn the_action_is_part_of_the_type() {
        let issues = [(EVENT, "issues"), (DELIVERY, "72d3162e")];
        let event = read(&issues, br#"{"action":"opened","issue":{"number":1}}"#).unwrap();
        assert_eq!(event.event_type.as_str(), "github.issues.opened");
        assert_eq!(event.dedupe_id, "72d3162e");
        assert_eq!(event.data.as_str(), r#"{"action":"opened","issue":{"number":1}}"#);
        let event = read(&[(EVENT, "push"), (DELIVERY, "1")], b"{}").unwrap();
        assert_eq!(event.event_type.as_str(), "github.push");
    }

    #[test]
    fn a_form_posts_inner_json_is_the_data() {
        let headers = [
            (EVENT, "ping"),
            (DELIVERY, "1"),
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ];
        let event = read(&headers, VECTORS[3].1).unwrap();
        assert_eq!(event.data.as_str().as_bytes(), VECTORS[2].1);
        assert!(!event.is_whole_body);
        assert_eq!(read(&headers, b"x=1").unwrap_err(), Unreadable::MissingField("payload"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let headers = [(EVENT, "push"), (DELIVERY, "1")];
        assert!(matches!(read(&headers, b"{"), Err(Unreadable::NotJson(_))));
        assert!(matches!(read(&headers, b"[1]"), Err(Unreadable::Unexpected(_))));
        assert_eq!(read(&headers[..1], b"{}").unwrap_err(), Unreadable::MissingHeader("X-GitHub-Delivery"));
        assert_eq!(read(&headers[1..], b"{}").unwrap_err(), Unreadable::MissingHeader("X-GitHub-Event"));
    }
}
