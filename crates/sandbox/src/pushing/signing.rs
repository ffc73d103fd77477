//! What the providers sign with, and how those sign that use more than a digest of a shared secret.
//!
//! Sources: cloud.google.com, "Authenticate push subscriptions" (the token's claims); discord/discord-api-docs,
//! "Webhook Events" (the signed text); W3C WebSub, section 7 (`X-Hub-Signature`, which Google's hub makes with SHA-1);
//! docs.composio.dev, "Webhook verification" (the secret is used as it stands).

use std::sync::LazyLock;

use axum::Json;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::json;

/// Of the operator's application at Slack.
pub(crate) const SLACK_SECRET: &str = "sandbox-slack-signing-secret";
/// As whom Google's Pub/Sub pushes.
pub(crate) const SERVICE_ACCOUNT: &str = "push@sandbox.iam.gserviceaccount.com";
/// For whom Pub/Sub's tokens are.
pub(crate) const AUDIENCE: &str = "sandbox-audience";

/// Name of Google's key.
const KEY_ID: &str = "sandbox-key";
/// Seconds for which a token of Google's is good.
const TOKEN_SECONDS: i64 = 3_600;

/// The bearer of a push of Pub/Sub, at `now` in seconds.
pub(crate) fn google_token(now: i64) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({ "alg": "RS256", "kid": KEY_ID, "typ": "JWT" }));
    let claims = part(json!({
        "iss": "https://accounts.google.com", "aud": AUDIENCE, "email": SERVICE_ACCOUNT, "email_verified": true,
        "sub": "113774264463038321964", "azp": "113774264463038321964", "iat": now, "exp": now + TOKEN_SECONDS,
    }));
    let signed = format!("{head}.{claims}");
    let key = google_key();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .expect("the key is whole");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// `GET` of the keys that Google publishes.
pub(crate) async fn google_keys() -> Response {
    let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(google_key().public());
    let [n, e] = [n, e].map(|number| URL_SAFE_NO_PAD.encode(number));
    let key = json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, "n": n, "e": e });
    Json(json!({ "keys": [key] })).into_response()
}

/// The key with which our own verification is tested: there is no reason to have a second one.
fn google_key() -> &'static RsaKeyPair {
    static KEY: LazyLock<RsaKeyPair> = LazyLock::new(|| {
        let bytes = include_bytes!("../../../providers/src/testing/issuer.pk8");
        RsaKeyPair::from_pkcs8(bytes).expect("it is a key")
    });
    &KEY
}

/// The public key of the operator's application at Discord, in hex.
pub(crate) fn discord_public_key() -> String {
    hex::encode(discord_key().public_key().as_ref())
}

/// Discord's signature of a body, in hex.
pub(crate) fn discord_signature(timestamp: &str, body: &str) -> String {
    hex::encode(discord_key().sign(format!("{timestamp}{body}").as_bytes()))
}

fn discord_key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[42; 32]).expect("any seed of that length is one")
}

/// The hub's signature of a body.
pub(crate) fn hub_signature(secret: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    format!("sha1={}", hex::encode(hmac::sign(&key, body.as_bytes())))
}

/// Composio's signature of a message.
pub(crate) fn composio_signature(secret: &str, id: &str, timestamp: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let code = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(code))
}
