//! GitHub: webhooks of repositories, organisations and apps.
//!
//! Sources: docs.github.com, "Validating webhook deliveries" (signature and vector), "Webhook events and payloads"
//! (headers, the 25 MB limit), "Best practices for using webhooks" (`X-GitHub-Delivery` is the same on redelivery).

mod activity;
mod kinds;
mod register;

use domain::{EventType, Timestamp};
use http::HeaderName;
use serde::Deserialize;

use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::connect::{Connectable, api_url, application_settings};
use crate::oauth::{ClientAuth, OAuth, identity};
use crate::{
    CannotSign, Described, Inbound, InboundEvent, Known, Owner, Profile, Provider, RawRequest, Refusal,
    Setting, SettingKind, Settings, Unreadable, Unsigned, Verified, mac, read_object,
};

const SECRET: Setting = Setting::new("webhook_secret", "GITHUB_WEBHOOK_SECRET", SettingKind::Secret);

const SIGNATURE: &str = "x-hub-signature-256";
const EVENT: &str = "x-github-event";
const DELIVERY: &str = "x-github-delivery";
const PREFIX: &str = "sha256=";

/// GitHub sends at most 25 MB. A form post of that is longer; what is beyond this limit was never sent by GitHub.
const BODY_BYTES_MAX: usize = 25 * 1_024 * 1_024;

pub(crate) struct GitHub;

impl Provider for GitHub {
    fn profile(&self) -> Profile {
        Profile { name: "github", paths: &["/github/{user}"], settings: &[SECRET] }
    }

    fn body_bytes_max(&self) -> Option<usize> {
        Some(BODY_BYTES_MAX)
    }

    /// The signature covers the bytes on the wire, also those of a form post. There is no timestamp: only the
    /// delivery's id tells a replay.
    fn verify<'r>(&self, request: &'r RawRequest, known: &Known<'_>) -> Result<Verified<'r>, Refusal> {
        let signature = request.needed(SIGNATURE)?;
        mac::verify_hex(known.settings.macs(SECRET.key), &[&request.body], signature, PREFIX)?;
        Ok(Verified(request))
    }

    fn parse(&self, request: &Verified<'_>, _now: Timestamp) -> Result<Inbound, Unreadable> {
        let event = request.header(EVENT).ok_or(Unreadable::MissingHeader("X-GitHub-Event"))?;
        let delivery = request.header(DELIVERY).ok_or(Unreadable::MissingHeader("X-GitHub-Delivery"))?;
        let form = form_payload(request)?;
        let (data, payload) = read_object::<Payload>(form.as_deref().map_or(request.body(), str::as_bytes))?;
        Ok(Inbound::event(InboundEvent {
            event_type: EventType::from_words(["github", event].into_iter().chain(payload.action.as_deref())),
            dedupe_id: delivery.to_owned(),
            recurrence: None,
            owner: Owner::Path,
            occurred_at: None,
            is_whole_body: form.is_none(),
            data,
        }))
    }

    fn sign(&self, secret: &str, unsigned: &Unsigned<'_>) -> Result<Vec<(HeaderName, String)>, CannotSign> {
        Ok(vec![(HeaderName::from_static(SIGNATURE), mac::sign_hex(secret, &[unsigned.body], PREFIX))])
    }

    fn event_types(&self) -> &'static [Described] {
        &kinds::EVENT_TYPES
    }
}

/// What all payloads have in common. `sender` and `repository` are documented for all and missing from some.
#[derive(Deserialize)]
struct Payload {
    action: Option<String>,
}

/// The JSON inside a form post, which is what a hook sends unless it was told otherwise. A form never begins with a
/// brace: what does is JSON whose sender left the media type to a default, as people do who try things out.
fn form_payload(request: &Verified<'_>) -> Result<Option<String>, Unreadable> {
    if request.body().starts_with(b"{") {
        return Ok(None);
    }
    let media_type = request.header("content-type").unwrap_or_default();
    if !media_type.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        return Ok(None);
    }
    let mut fields = url::form_urlencoded::parse(request.body());
    let payload = fields.find(|(name, _)| name == "payload").ok_or(Unreadable::MissingField("payload"))?;
    Ok(Some(payload.1.into_owned()))
}

/// docs.github.com, "Authorizing OAuth apps", "Refreshing user access tokens" and "Troubleshooting OAuth app access
/// token request errors". Errors come with status 200. PKCE since July 2025.
static OAUTH: OAuth = OAuth {
    scopes: &["repo", "admin:repo_hook", "notifications", "read:user"],
    scope_separator: " ",
    parameters: &[],
    has_pkce: true,
    client_auth: ClientAuth::Fields,
    rejected: &["bad_refresh_token", "bad_verification_code", "invalid_grant", "unverified_user_email"],
    application: &["incorrect_client_credentials", "redirect_uri_mismatch", "invalid_client"],
};

impl Connectable for GitHub {
    fn name(&self) -> &'static str {
        self.profile().name
    }

    fn settings(&self) -> &'static [Setting] {
        application_settings!("GITHUB", "GITHUB": "https://github.com/login/oauth/authorize",
            "https://github.com/login/oauth/access_token", "https://api.github.com")
    }

    fn oauth(&self) -> Option<&'static OAuth> {
        Some(&OAUTH)
    }

    fn ask_identity(&self, settings: &Settings, token: &Token) -> Option<ApiCall> {
        Some(call(api_url(settings, "/user"), token))
    }

    fn read_identity(&self, answer: &ApiAnswer, now: Timestamp) -> Result<String, CallFailure> {
        identity(answer, "/login", now)
    }
}

fn call(url: String, token: &Token) -> ApiCall {
    headed(ApiCall::get(url)).bearer(token)
}

/// With the headers that every call has.
fn headed(call: ApiCall) -> ApiCall {
    call.with(http::header::ACCEPT, "application/vnd.github+json")
        .with(HeaderName::from_static("x-github-api-version"), "2022-11-28")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, assert_nothing_may_be_altered, event_of, request};

    fn verify(secret: &str, signature: &str, body: &[u8]) -> Result<(), Refusal> {
        testing::verify(&GitHub, &request(&[(SIGNATURE, signature)], body.to_vec()), secret, 0)
    }

    fn read(headers: &[(&'static str, &str)], body: &str) -> Result<InboundEvent, Unreadable> {
        event_of(&GitHub, headers, body)
    }

    /// (secret, body, signature): the first is GitHub's own, the others were checked with a second implementation.
    const VECTORS: &[(&str, &str, &str)] = &[
        (
            "It's a Secret to Everybody",
            "Hello, World!",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        ),
        (
            "It's a Secret to Everybody",
            "{\"note\":\"é ☃ 你好\"}",
            "sha256=94091303be495d6a428f92b1eff47a543599ce888c6c46e096024a7abe8fa161",
        ),
        (
            "gh-test-secret",
            r#"{"zen":"Keep it logically awesome.","hook_id":1}"#,
            "sha256=3e20f493d5667e4ac71dcac33cf793105fbb07387091995517deafdc04efe473",
        ),
        (
            "gh-test-secret",
            "payload=%7B%22zen%22%3A%22Keep+it+logically+awesome.%22%2C%22hook_id%22%3A1%7D",
            "sha256=1ecdc9479808f03e98f3071d7306d0af20c4e378e0395c058ae779393fcb9452",
        ),
    ];

    #[test]
    fn the_vectors_verify_and_are_what_we_sign() {
        for &(secret, body, signature) in VECTORS {
            assert_eq!(verify(secret, signature, body.as_bytes()), Ok(()));
            let signed = testing::signed(&GitHub, secret, None, body.as_bytes(), 0);
            assert_eq!(signed.header(SIGNATURE), Some(signature));
            assert_nothing_may_be_altered(&GitHub, &signed, secret, 0);
        }
    }

    #[test]
    fn only_the_newer_signature_counts() {
        let (secret, body, signature) = VECTORS[0];
        let body = body.as_bytes();
        assert_eq!(verify(secret, &signature[..signature.len() - 2], body), Err(Refusal::BadSignature));
        assert_eq!(verify(secret, &signature[PREFIX.len()..], body), Err(Refusal::BadSignature));
        // The older header's digest is no way around the newer one.
        let sha1 = "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59";
        assert_eq!(verify(secret, sha1, body), Err(Refusal::BadSignature));
        let older = request(&[("x-hub-signature", sha1)], body.to_vec());
        assert_eq!(testing::verify(&GitHub, &older, secret, 0), Err(testing::missing("x-hub-signature-256")));
    }

    #[test]
    fn the_action_is_part_of_the_type() {
        let issues = [(EVENT, "issues"), (DELIVERY, "72d3162e")];
        let event = read(&issues, r#"{"action":"opened","issue":{"number":1}}"#).unwrap();
        assert_eq!(event.event_type.as_str(), "github.issues.opened");
        assert_eq!((event.dedupe_id.as_str(), event.owner), ("72d3162e", Owner::Path));
        assert_eq!(event.data.as_str(), r#"{"action":"opened","issue":{"number":1}}"#);
        // Neither `sender` nor `repository` need be there, nor anything that we know.
        let event = read(&[(EVENT, "push"), (DELIVERY, "1")], "{}").unwrap();
        assert_eq!(event.event_type.as_str(), "github.push");
        let event =
            read(&[(EVENT, "brand_new"), (DELIVERY, "1")], r#"{"action":"Sample.collected"}"#).unwrap();
        assert_eq!(event.event_type.as_str(), "github.brand_new.sample.collected");
    }

    #[test]
    fn a_form_posts_inner_json_is_the_data() {
        let headers = [
            (EVENT, "ping"),
            (DELIVERY, "1"),
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ];
        let event = read(&headers, VECTORS[3].1).unwrap();
        assert_eq!(event.data.as_str(), VECTORS[2].1);
        assert!(!event.is_whole_body);
        assert_eq!(read(&headers, "x=1").unwrap_err(), Unreadable::MissingField("payload"));
        assert!(read(&headers, "{}").unwrap().is_whole_body, "JSON under a form's media type");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let headers = [(EVENT, "push"), (DELIVERY, "1")];
        assert!(matches!(read(&headers, "{"), Err(Unreadable::NotJson(_))));
        assert!(matches!(read(&headers, "[1]"), Err(Unreadable::Unexpected(_))));
        assert!(matches!(read(&headers, r#"["opened"]"#), Err(Unreadable::Unexpected(_))));
        assert!(matches!(read(&headers, r#"{"action":1}"#), Err(Unreadable::Unexpected(_))));
        assert_eq!(read(&headers[..1], "{}").unwrap_err(), Unreadable::MissingHeader("X-GitHub-Delivery"));
        assert_eq!(read(&headers[1..], "{}").unwrap_err(), Unreadable::MissingHeader("X-GitHub-Event"));
        let twice = [(EVENT, "push"), (DELIVERY, "1"), (DELIVERY, "2")];
        assert_eq!(read(&twice, "{}").unwrap_err(), Unreadable::MissingHeader("X-GitHub-Delivery"));
    }
}
