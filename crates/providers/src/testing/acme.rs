//! Acme: what happens to the orders of its shops.
//!
//! Sources: docs.acme.example, "Webhooks" (the headers) and "Events" (the body).

use domain::{EventType, Timestamp};
use http::HeaderName;
use serde::Deserialize;

use crate::{
    CannotSign, Described, Inbound, InboundEvent, Known, Owner, Profile, Provider, RawRequest, Refusal,
    Setting, SettingKind, Unreadable, Unsigned, Verified, mac, read_object,
};

const SECRET: Setting = Setting::new("webhook_secret", "ACME_WEBHOOK_SECRET", SettingKind::Secret);

const SIGNATURE: &str = "x-acme-signature";
const PREFIX: &str = "sha256=";

pub(crate) struct Acme;

impl Provider for Acme {
    fn profile(&self) -> Profile {
        Profile { name: "acme", paths: &["/acme/{user}"], settings: &[SECRET] }
    }

    fn verify<'r>(&self, request: &'r RawRequest, known: &Known<'_>) -> Result<Verified<'r>, Refusal> {
        let signature = request.needed(SIGNATURE)?;
        mac::verify_hex(known.settings.macs(SECRET.key), &[&request.body], signature, PREFIX)?;
        Ok(Verified(request))
    }

    fn parse(&self, request: &Verified<'_>, _now: Timestamp) -> Result<Inbound, Unreadable> {
        let (data, body) = read_object::<Body>(request.body())?;
        if body.id.is_empty() {
            return Err(Unreadable::Unexpected("the id is empty".to_owned()));
        }
        Ok(Inbound::event(InboundEvent {
            event_type: EventType::from_words(["acme", &body.kind]),
            dedupe_id: body.id,
            recurrence: None,
            owner: Owner::Path,
            occurred_at: body.at.map(Timestamp::from_seconds),
            data,
            is_whole_body: true,
        }))
    }

    fn sign(&self, secret: &str, unsigned: &Unsigned<'_>) -> Result<Vec<(HeaderName, String)>, CannotSign> {
        Ok(vec![(HeaderName::from_static(SIGNATURE), mac::sign_hex(secret, &[unsigned.body], PREFIX))])
    }

    fn event_types(&self) -> &'static [Described] {
        EVENT_TYPES
    }
}

#[derive(Deserialize)]
struct Body {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    at: Option<i64>,
}

const EVENT_TYPES: &[Described] = &[Described::new(
    "acme.order.paid",
    "An order was paid",
    r#"{"id":"1","type":"order.paid","at":1700000000,"order":{"number":7}}"#,
)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_nothing_may_be_altered, event_of, signed};

    #[test]
    fn what_acme_signs_is_believed_and_nothing_else() {
        let request = signed(&Acme, "a secret", None, EVENT_TYPES[0].example.as_bytes(), 0);
        assert_nothing_may_be_altered(&Acme, &request, "a secret", 0);
    }

    #[test]
    fn an_order_is_an_event() {
        let event = event_of(&Acme, &[], &EVENT_TYPES[0].example).unwrap();
        assert_eq!((event.event_type.as_str(), event.dedupe_id.as_str()), ("acme.order.paid", "1"));
        assert!(event_of(&Acme, &[], r#"{"id":"","type":"order.paid"}"#).is_err());
    }
}
