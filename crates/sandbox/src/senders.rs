//! What senders send: whole requests, made and signed as each documents it.
//!
//! Sources: docs.github.com, "Validating webhook deliveries"; docs.slack.dev, "Verifying requests from Slack";
//! docs.stripe.com, "Resolve webhook signature verification errors"; developer.unipile.com, "Webhooks". Those of
//! `signing` too.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::pushing::signing;

/// A request that is ready to be sent with `POST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Where it goes, below the server's address.
    pub path: String,
    /// Names in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// The bytes that are signed.
    pub body: String,
}

impl Parcel {
    fn json(path: String, body: &Value) -> Self {
        Self { path, headers: vec![("content-type", "application/json".to_owned())], body: body.to_string() }
    }

    /// The same, to the path of that URL.
    #[must_use]
    pub(crate) fn to(self, url: &str) -> Self {
        let path = url::Url::parse(url).map(|url| url.path().to_owned()).unwrap_or_default();
        Self { path, ..self }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// GitHub tells of `kind` (`push`, `pull_request`, …) to the hook of `user`. `delivery` is different for each.
#[must_use]
pub fn github(secret: &str, user: &str, kind: &str, delivery: &str, payload: &Value) -> Parcel {
    let parcel = Parcel::json(format!("/api/webhooks/github/{user}"), payload);
    let signature = format!("sha256={}", hmac_hex(secret, &parcel.body));
    parcel
        .with("user-agent", "GitHub-Hookshot/demo")
        .with("x-github-event", kind)
        .with("x-github-delivery", delivery)
        .with("x-hub-signature-256", signature)
}

/// Slack tells the application of `user` of an inner event, at `now` in seconds.
#[must_use]
pub fn slack(secret: &str, user: &str, event_id: &str, now: i64, event: &Value) -> Parcel {
    let payload = json!({
        "type": "event_callback", "team_id": "T9TK3CUKW", "api_app_id": "A0KRD7HC3", "event_id": event_id,
        "event_time": now, "event": event,
    });
    let parcel = Parcel::json(format!("/api/webhooks/slack/{user}"), &payload);
    let signature = format!("v0={}", hmac_hex(secret, &format!("v0:{now}:{}", parcel.body)));
    parcel.with("x-slack-request-timestamp", now.to_string()).with("x-slack-signature", signature)
}

/// Stripe tells the endpoint at `path` of an event of this type, at `now` in seconds.
#[must_use]
pub fn stripe(secret: &str, path: &str, id: &str, kind: &str, now: i64, object: &Value) -> Parcel {
    let payload = json!({
        "id": id, "object": "event", "api_version": "2026-01-28", "created": now, "livemode": false, "type": kind,
        "data": { "object": object },
    });
    let parcel = Parcel::json(path.to_owned(), &payload);
    let signature = format!("t={now},v1={}", hmac_hex(secret, &format!("{now}.{}", parcel.body)));
    parcel.with("stripe-signature", signature)
}

/// Unipile tells of messages, mails or accounts. It signs nothing; a header holds the secret.
#[must_use]
pub fn unipile(secret: &str, payload: &Value) -> Parcel {
    Parcel::json("/api/webhooks/unipile/messages".to_owned(), payload).with("unipile-auth", secret)
}

/// Google's Pub/Sub pushes a message, under a token of Google's.
#[must_use]
pub(crate) fn pubsub(token: &str, payload: &Value) -> Parcel {
    Parcel::json("/api/webhooks/gmail".to_owned(), payload).with("authorization", format!("Bearer {token}"))
}

/// Discord tells the operator's application of an event, at `now` in seconds.
#[must_use]
pub(crate) fn discord(now: i64, payload: &Value) -> Parcel {
    let parcel = Parcel::json("/api/webhooks/discord".to_owned(), payload);
    let signature = signing::discord_signature(&now.to_string(), &parcel.body);
    parcel.with("x-signature-timestamp", now.to_string()).with("x-signature-ed25519", signature)
}

/// A hub sends a feed, signed where it was given a secret.
#[must_use]
pub(crate) fn hub(secret: Option<&str>, feed: &str) -> Parcel {
    let headers = vec![("content-type", "application/atom+xml".to_owned())];
    let parcel = Parcel { path: "/api/webhooks/youtube".to_owned(), headers, body: feed.to_owned() };
    match secret {
        Some(secret) => parcel.with("x-hub-signature", signing::hub_signature(secret, feed)),
        None => parcel,
    }
}

/// Composio sends a message of this id, at `now` in seconds.
#[must_use]
pub(crate) fn composio(secret: &str, id: &str, now: i64, payload: &Value) -> Parcel {
    let parcel = Parcel::json("/api/webhooks/composio".to_owned(), payload);
    let signature = signing::composio_signature(secret, id, &now.to_string(), &parcel.body);
    parcel
        .with("webhook-id", id)
        .with("webhook-timestamp", now.to_string())
        .with("webhook-signature", signature)
}

/// The host application publishes an event. The bearer is for whoever sends it.
#[must_use]
pub fn published(user: &str, kind: &str, data: &Value) -> Parcel {
    let body = json!({ "type": kind, "user_id": user, "data": data });
    Parcel::json("/api/events".to_owned(), &body)
}

fn hmac_hex(secret: &str, message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key may have any length");
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From docs.github.com, "Validating webhook deliveries".
    #[test]
    fn the_digest_is_the_one_that_github_publishes() {
        assert_eq!(
            hmac_hex("It's a Secret to Everybody", "Hello, World!"),
            "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }

    #[test]
    fn each_sender_signs_in_its_own_header() {
        let header = |parcel: &Parcel, name: &str| {
            parcel.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
        };
        let slack = slack("s", "alice", "Ev1", 7, &json!({ "type": "message" }));
        assert!(header(&slack, "x-slack-signature").unwrap().starts_with("v0="));
        assert_eq!(header(&slack, "x-slack-request-timestamp").unwrap(), "7");
        let stripe = stripe("s", "/in/x", "evt_1", "charge.succeeded", 7, &json!({}));
        assert!(header(&stripe, "stripe-signature").unwrap().starts_with("t=7,v1="));
        assert_eq!(header(&unipile("s", &json!({})), "unipile-auth").unwrap(), "s");
    }
}
