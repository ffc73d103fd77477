//! Composio: triggers of connected accounts, and what becomes of the accounts themselves.
//!
//! Sources: docs.composio.dev, "Subscribing to events", "Webhook verification" and the reference of webhook events; the
//! Python and TypeScript SDKs for what these leave open: the secret is used as it stands, and in which order the three
//! shapes of body are told apart.

mod emails;
mod register;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::mac::Mac;
use domain::{EventType, Timestamp};
use http::HeaderName;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::connect::Connectable;
use crate::{
    CannotSign, Described, Inbound, InboundEvent, Known, Owner, Profile, Provider, RawRequest, Refusal,
    Setting, SettingKind, Unreadable, Unsigned, Verified, lenient, read_object,
};

const SECRET: Setting = Setting::new("webhook_secret", "COMPOSIO_WEBHOOK_SECRET", SettingKind::Secret);

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";
const VERSION: &str = "v1,";

/// Seconds that a request's timestamp may lie in the past or the future.
const TOLERANCE_SECONDS: u32 = 300;

/// Signatures that are looked at. While a secret is exchanged there are two.
const SIGNATURES_MAX: usize = 8;

/// The type of what a trigger sends; other types of the third version say themselves what they are.
const TRIGGER_MESSAGE: &str = "composio.trigger.message";
const OWN: &str = "composio.";
const ACCOUNT: &str = "composio.connected_account.";

pub(crate) struct Composio;

impl Provider for Composio {
    fn profile(&self) -> Profile {
        Profile { name: "composio", paths: &["/composio"], settings: &[SECRET] }
    }

    /// The headers and the signed text are those of Standard Webhooks; the key is not: it is the secret's text with its
    /// prefix, and not what that is the base64 of.
    fn verify<'r>(&self, request: &'r RawRequest, known: &Known<'_>) -> Result<Verified<'r>, Refusal> {
        let signatures = request.needed(SIGNATURE)?;
        let id = request.needed(ID)?;
        let timestamp = request.needed(TIMESTAMP)?;
        let macs = known.settings.macs(SECRET.key);
        if macs.is_empty() {
            return Err(Refusal::NoKey);
        }
        let seconds: i64 = timestamp.parse().map_err(|_| Refusal::NoTimestamp)?;
        if known.now.as_seconds().abs_diff(seconds) > TOLERANCE_SECONDS.into() {
            return Err(Refusal::Stale(TOLERANCE_SECONDS));
        }
        let parts = signed_parts(id, timestamp, &request.body);
        let fits = |code: &[u8]| macs.iter().any(|mac| mac.verify(&parts, code));
        let codes = signatures.split(' ').take(SIGNATURES_MAX).filter_map(|one| one.strip_prefix(VERSION));
        let is_signed = codes.filter_map(|code| BASE64.decode(code).ok()).any(|code| fits(&code));
        is_signed.then_some(Verified(request)).ok_or(Refusal::BadSignature)
    }

    fn parse(&self, request: &Verified<'_>, _now: Timestamp) -> Result<Inbound, Unreadable> {
        let id = request.header(ID).ok_or(Unreadable::MissingHeader("webhook-id"))?;
        let (data, body) = read_object::<Body>(request.body())?;
        Ok(Inbound::event(InboundEvent {
            event_type: EventType::from_words(["composio", body.kind()?]),
            dedupe_id: id.to_owned(),
            recurrence: None,
            owner: body.owner(),
            occurred_at: body.timestamp.and_then(|time| Timestamp::parse(&time).ok()),
            data,
            is_whole_body: true,
        }))
    }

    fn sign(&self, secret: &str, unsigned: &Unsigned<'_>) -> Result<Vec<(HeaderName, String)>, CannotSign> {
        let id = unsigned.id.map_or_else(|| id_of(unsigned.body), str::to_owned);
        let timestamp = unsigned.at.as_seconds().to_string();
        let code = Mac::new(secret.as_bytes()).sign(&signed_parts(&id, &timestamp, unsigned.body));
        let headers =
            [(ID, id), (TIMESTAMP, timestamp), (SIGNATURE, format!("{VERSION}{}", BASE64.encode(code)))];
        Ok(headers.map(|(name, value)| (HeaderName::from_static(name), value)).into())
    }

    fn event_types(&self) -> &'static [Described] {
        EVENT_TYPES
    }
}

fn signed_parts<'p>(id: &'p str, timestamp: &'p str, body: &'p [u8]) -> [&'p [u8]; 5] {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body]
}

/// Ids of theirs are some forty letters long.
const ID_BYTES_MAX: usize = 256;

/// The id that the third version has in the body too; else one that is made from it.
fn id_of(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct WithId {
        id: String,
    }
    // A header takes visible ASCII alone, and we read none that is long.
    let own = serde_json::from_slice::<WithId>(body).ok().map(|body| body.id);
    own.filter(|id| (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()))
        .unwrap_or_else(|| format!("msg_{}", hex::encode(&Sha256::digest(body)[..16])))
}

/// What the three versions have between them.
#[derive(Deserialize)]
struct Body {
    /// Third version: what kind of message. Second: the trigger.
    #[serde(default, rename = "type", deserialize_with = "lenient::text")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    timestamp: Option<String>,
    /// Third version only.
    #[serde(default, deserialize_with = "lenient::object")]
    metadata: Option<About>,
    /// What happened. The second version tells in here too whom it concerns.
    #[serde(default, deserialize_with = "lenient::object")]
    data: Option<About>,
    /// First version: the trigger.
    #[serde(default, deserialize_with = "lenient::text")]
    trigger_name: Option<String>,
    /// First version: the account.
    #[serde(default, deserialize_with = "lenient::text")]
    connection_id: Option<String>,
}

/// Whom a message concerns, by the names of all versions.
#[derive(Default, Deserialize)]
struct About {
    #[serde(default, deserialize_with = "lenient::text")]
    trigger_slug: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    connected_account_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    connection_nano_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    connection_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    user_id: Option<String>,
}

impl Body {
    /// What its type is called after `composio.`.
    fn kind(&self) -> Result<&str, Unreadable> {
        let missing = |what: &str| Unreadable::Unexpected(format!("{what} is missing"));
        match (&self.kind, &self.metadata, &self.trigger_name) {
            (Some(kind), Some(metadata), _) if kind == TRIGGER_MESSAGE => {
                metadata.trigger_slug.as_deref().ok_or_else(|| missing("metadata.trigger_slug"))
            }
            (Some(kind), Some(_), _) if kind.starts_with(OWN) => Ok(&kind[OWN.len()..]),
            (Some(kind), _, _) if self.data.is_some() => Ok(kind),
            (_, _, Some(trigger)) => Ok(trigger),
            _ => Err(missing("the trigger")),
        }
    }

    fn owner(&self) -> Owner {
        let is = |prefix: &str| self.kind.as_deref().is_some_and(|kind| kind.starts_with(prefix));
        let nobody = About::default();
        let metadata = self.metadata.as_ref().unwrap_or(&nobody);
        // What a trigger of the third version sends has data of its own, where these names mean other things.
        let data = self.data.as_ref().filter(|_| !is(TRIGGER_MESSAGE)).unwrap_or(&nobody);
        let id = metadata
            .connected_account_id
            .as_ref()
            .or(data.id.as_ref().filter(|_| is(ACCOUNT)))
            .or(data.connected_account_id.as_ref())
            .or(data.connection_nano_id.as_ref())
            .or(data.connection_id.as_ref())
            .or(self.connection_id.as_ref());
        let user = metadata.user_id.as_ref().or(data.user_id.as_ref());
        let user = user.and_then(|user| user.parse().ok());
        id.map_or(Owner::Path, |id| Owner::Account { id: id.clone(), user })
    }
}

const EVENT_TYPES: &[Described] = &[
    Described::new(
        "composio.gmail_new_gmail_message",
        "A Gmail trigger found a new message; each trigger has a type of its own, its slug in lower case",
        r#"{"id":"msg_1","timestamp":"2026-11-21T09:30:00.125Z","type":"composio.trigger.message","metadata":{"log_id":"log_1","trigger_slug":"GMAIL_NEW_GMAIL_MESSAGE","trigger_id":"ti_1","connected_account_id":"ca_1","auth_config_id":"ac_1","user_id":"alice"},"data":{"message_id":"18c0","thread_id":"18c0","subject":"The door","sender":"bob@example.com"}}"#,
    ),
    Described::new(
        "composio.connected_account.expired",
        "A connected account lost its grant: its user must connect it again",
        r#"{"id":"msg_2","timestamp":"2026-11-21T09:30:00.125Z","type":"composio.connected_account.expired","metadata":{"project_id":"pr_1"},"data":{"id":"ca_1","user_id":"alice","status":"EXPIRED","toolkit":{"slug":"gmail"}}}"#,
    ),
    Described::new(
        "composio.trigger.disabled",
        "A trigger was switched off, mostly since its account lost its grant",
        r#"{"id":"msg_3","timestamp":"2026-11-21T09:30:00.125Z","type":"composio.trigger.disabled","metadata":{"project_id":"pr_1"},"data":{"id":"ti_1","connected_account_id":"ca_1","user_id":"alice","trigger_name":"GMAIL_NEW_GMAIL_MESSAGE","disabled_reason":"connection_expired"}}"#,
    ),
];

/// Composio keeps the tokens itself: an account is its id for a connected account, `ca_…`.
impl Connectable for Composio {
    fn name(&self) -> &'static str {
        self.profile().name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, assert_nothing_may_be_altered, event_of, request};

    const AT: i64 = 1_700_000_000;
    const BODY: &str = r#"{"id":"msg_test123","timestamp":"2023-11-14T22:13:20.000Z","type":"composio.trigger.message","metadata":{"log_id":"log-123","trigger_slug":"GMAIL_NEW_GMAIL_MESSAGE","trigger_id":"ti_1","connected_account_id":"ca_1","auth_config_id":"ac_1","user_id":"user-456"},"data":{"message_id":"18c0","thread_id":"18c0"}}"#;
    /// (secret, signature): accepted by Composio's Python SDK. The second secret looks like base64, and is text.
    const VECTORS: &[(&str, &str)] = &[
        ("test-webhook-secret-12345", "v1,/l3f07/Yx+POXgjuXSd2RPY67HL6Xbl4Nylr4oFqPOk="),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,hd72L0yjjJAIriQhcrhzy7IvBOGOYay+kcHNHuJGz7U="),
    ];

    fn verify(secret: &str, signature: &str, now: i64) -> Result<(), Refusal> {
        let headers = [(ID, "msg_test123"), (TIMESTAMP, "1700000000"), (SIGNATURE, signature)];
        testing::verify(&Composio, &request(&headers, BODY), secret, now)
    }

    fn read(body: &str) -> Result<InboundEvent, Unreadable> {
        event_of(&Composio, &[(ID, "msg_1")], body)
    }

    fn account(id: &str, user: &str) -> Owner {
        Owner::Account { id: id.to_owned(), user: Some(user.parse().unwrap()) }
    }

    #[test]
    fn the_vectors_verify_and_are_what_we_sign() {
        for &(secret, signature) in VECTORS {
            assert_eq!(verify(secret, signature, AT), Ok(()));
            let signed = testing::signed(&Composio, secret, None, BODY.as_bytes(), AT);
            assert_eq!((signed.header(ID), signed.header(SIGNATURE)), (Some("msg_test123"), Some(signature)));
            assert_nothing_may_be_altered(&Composio, &signed, secret, AT);
        }
        let own_id = testing::signed(&Composio, VECTORS[0].0, Some("msg_own"), BODY.as_bytes(), AT);
        assert_eq!(own_id.header(ID), Some("msg_own"));
        assert_nothing_may_be_altered(&Composio, &own_id, VECTORS[0].0, AT);
    }

    #[test]
    fn what_we_sign_has_an_id_that_we_would_read() {
        for id in ["", "two words", "é", &"x".repeat(ID_BYTES_MAX + 1), &"x".repeat(30_000)] {
            let body = format!(r#"{{"id":"{id}"}}"#);
            let signed = testing::signed(&Composio, VECTORS[0].0, None, body.as_bytes(), AT);
            assert!(
                signed.header(ID).is_some_and(|made| made.len() == 36 && made.starts_with("msg_")),
                "{id}"
            );
            assert_eq!(testing::verify(&Composio, &signed, VECTORS[0].0, AT), Ok(()), "{id}");
        }
    }

    #[test]
    fn the_key_is_not_what_the_secret_is_the_base64_of() {
        let decoded = "v1,7EFdPotPb/NEc7K09Vbqsj6UEvMCE/acO7ZJqkYEtlI=";
        assert_eq!(verify(VECTORS[1].0, decoded, AT), Err(Refusal::BadSignature));
    }

    #[test]
    fn any_of_several_signatures_will_do_but_not_of_another_version() {
        let (secret, good) = VECTORS[0];
        let bad = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        for list in [format!("{bad} {good}"), format!("{good} {bad}"), format!("v2,x  {bad} v1,?? {good}")] {
            assert_eq!(verify(secret, &list, AT), Ok(()), "{list}");
        }
        let late = format!("{} {good}", [bad; SIGNATURES_MAX].join(" "));
        for list in ["", " ", "v1,", bad, &good.replace("v1,", "v2,"), &good["v1,".len()..], &late] {
            assert_eq!(verify(secret, list, AT), Err(Refusal::BadSignature), "{list}");
        }
    }

    #[test]
    fn the_timestamp_holds_for_five_minutes_both_ways() {
        let (secret, signature) = VECTORS[0];
        for (now, expected) in [
            (AT + 300, Ok(())),
            (AT - 300, Ok(())),
            (AT + 301, Err(Refusal::Stale(300))),
            (AT - 301, Err(Refusal::Stale(300))),
        ] {
            assert_eq!(verify(secret, signature, now), expected);
        }
        let headers = [(ID, "msg_test123"), (TIMESTAMP, "2023-11-14T22:13:20Z"), (SIGNATURE, signature)];
        let odd = testing::verify(&Composio, &request(&headers, BODY), secret, AT);
        assert_eq!(odd, Err(Refusal::NoTimestamp));
    }

    #[test]
    fn the_third_version_is_read() {
        let event = event_of(&Composio, &[(ID, "msg_test123")], BODY).unwrap();
        assert_eq!(event.event_type.as_str(), "composio.gmail_new_gmail_message");
        assert_eq!(event.dedupe_id, "msg_test123");
        assert_eq!(event.owner, account("ca_1", "user-456"));
        assert_eq!(event.occurred_at, Some(Timestamp::from_seconds(AT)));
        assert_eq!((event.data.as_str(), event.is_whole_body), (BODY, true));
    }

    #[test]
    fn the_second_version_is_read() {
        let event = read(
            r#"{"type":"gmail_new_gmail_message","timestamp":"2023-11-14T22:13:20Z","log_id":"log_1","data":{"connection_id":"6dcb09b5-0000","connection_nano_id":"ca_2","trigger_nano_id":"ti_1","trigger_id":"7fd1","user_id":"bob","message_id":"18c0"}}"#,
        )
        .unwrap();
        assert_eq!(event.event_type.as_str(), "composio.gmail_new_gmail_message");
        assert_eq!((event.dedupe_id.as_str(), event.owner), ("msg_1", account("ca_2", "bob")));
        assert_eq!(event.occurred_at, Some(Timestamp::from_seconds(AT)));
    }

    #[test]
    fn the_first_version_is_read() {
        let event = read(
            r#"{"trigger_name":"GITHUB_STAR_ADDED_EVENT","trigger_id":"7fd1","connection_id":"6dcb09b5","payload":{"action":"created"},"log_id":"log_1"}"#,
        )
        .unwrap();
        assert_eq!(event.event_type.as_str(), "composio.github_star_added_event");
        assert_eq!((event.owner, event.occurred_at), (Owner::account("6dcb09b5"), None));
    }

    #[test]
    fn what_becomes_of_accounts_and_triggers_is_an_event() {
        let about = |kind: &str, data: &str| {
            read(&format!(
                r#"{{"id":"msg_1","timestamp":"2023-11-14T22:13:20Z","type":"{kind}","metadata":{{"project_id":"pr_1","org_id":"ok_1"}},"data":{data}}}"#
            ))
            .unwrap()
        };
        let expired = about(
            "composio.connected_account.expired",
            r#"{"id":"ca_3","user_id":"alice","status":"EXPIRED"}"#,
        );
        assert_eq!(expired.event_type.as_str(), "composio.connected_account.expired");
        assert_eq!(expired.owner, account("ca_3", "alice"));
        let disabled = about(
            "composio.trigger.disabled",
            r#"{"id":"ti_1","connected_account_id":"ca_4","user_id":"alice","disabled_reason":"polling_failure_in_composio_infra"}"#,
        );
        assert_eq!(disabled.event_type.as_str(), "composio.trigger.disabled");
        assert_eq!(disabled.owner, account("ca_4", "alice"));
        assert_eq!(about("composio.brand.new", "{}").event_type.as_str(), "composio.brand.new");
    }

    #[test]
    fn what_an_event_holds_does_not_make_it_unreadable() {
        for data in ["null", "[1]", "\"text\"", r#"{"id":7,"user_id":["x"]}"#] {
            let body = BODY.replace(r#"{"message_id":"18c0","thread_id":"18c0"}"#, data);
            let event = read(&body).unwrap();
            assert_eq!(event.owner, account("ca_1", "user-456"));
            assert_eq!(event.data.as_str(), body);
        }
        let of_another =
            BODY.replace("\"user_id\":\"user-456\"", "\"x\":1").replace("\"message_id\"", "\"user_id\"");
        assert_eq!(read(&of_another).unwrap().owner, Owner::account("ca_1"), "that user is not Composio's");
        let long = BODY.replace("user-456", &"u".repeat(129));
        assert_eq!(read(&long).unwrap().owner, Owner::account("ca_1"), "no user can be called that");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert!(matches!(read("{"), Err(Unreadable::NotJson(_))));
        for other in
            ["{}", "[]", r#"{"type":"x"}"#, r#"{"type":"composio.trigger.message","metadata":{},"data":{}}"#]
        {
            assert!(matches!(read(other), Err(Unreadable::Unexpected(_))), "{other}");
        }
        assert_eq!(event_of(&Composio, &[], BODY).unwrap_err(), Unreadable::MissingHeader("webhook-id"));
    }
}
