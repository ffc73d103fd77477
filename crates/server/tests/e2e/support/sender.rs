//! What providers send, signed as they sign it.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::client::Request;
use super::program::{GITHUB_SECRET, SLACK_SECRET};

/// A push as GitHub sends it.
pub(crate) fn github(path: &str, delivery: &str, body: &[u8]) -> Request {
    github_unsigned(path, delivery, body)
        .header("x-hub-signature-256", &format!("sha256={}", hmac_hex(GITHUB_SECRET, body)))
}

pub(crate) fn github_unsigned(path: &str, delivery: &str, body: &[u8]) -> Request {
    Request::post(path)
        .header("content-type", "application/json")
        .header("x-github-event", "push")
        .header("x-github-delivery", delivery)
        .body(body)
}

/// A request as Slack sends it, `seconds` from now.
pub(crate) fn slack(path: &str, seconds: i64, body: &[u8]) -> Request {
    let timestamp = (now_seconds() + seconds).to_string();
    let signed = [b"v0:", timestamp.as_bytes(), b":", body].concat();
    Request::post(path)
        .header("content-type", "application/json")
        .header("x-slack-request-timestamp", &timestamp)
        .header("x-slack-signature", &format!("v0={}", hmac_hex(SLACK_SECRET, &signed)))
        .body(body)
}

/// A message in a Slack channel.
pub(crate) fn slack_message(event_id: &str) -> Vec<u8> {
    serde_json::json!({
        "type": "event_callback", "team_id": "T1", "event_id": event_id, "event_time": 1_700_000_000,
        "event": {"type": "message", "channel": "C1", "user": "U1", "text": "Good morning"},
    })
    .to_string()
    .into_bytes()
}

pub(crate) fn hmac_hex(key: &str, message: &[u8]) -> String {
    hex::encode(hmac(key.as_bytes(), message))
}

pub(crate) fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

pub(crate) fn now_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}
