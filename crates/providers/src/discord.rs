//! Discord: the webhook events of an application.
//!
//! Sources: docs.discord.com, "Webhook Events" (the ping, the envelope, 204 within three seconds) and "Interactions
//! overview" (the signature, and that Discord sends wrong ones on purpose: who believes them loses the URL). Discord
//! publishes no vector; those below were checked with its npm and PyPI packages.

mod register;
mod snapshots;

use domain::{EventType, Timestamp};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use http::HeaderName;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::connect::{Connectable, api_url, application_settings};
use crate::oauth::{ClientAuth, OAuth, identity};
use crate::{
    CannotSign, Described, Inbound, InboundEvent, Known, Owner, Profile, Provider, RawRequest, Refusal,
    Reply, Setting, SettingKind, Settings, Unreadable, Unsigned, Verified, lenient, read_object,
};

const PUBLIC_KEY: Setting = Setting::new("public_key", "DISCORD_PUBLIC_KEY", SettingKind::Required);

const SIGNATURE: &str = "x-signature-ed25519";
const TIMESTAMP: &str = "x-signature-timestamp";

/// The kinds of body.
const PING: u64 = 0;
const EVENT: u64 = 1;

pub(crate) struct Discord;

impl Provider for Discord {
    /// Discord knows one address for all users of an application; the other is for an application that has one user.
    fn profile(&self) -> Profile {
        Profile { name: "discord", paths: &["/discord/{user}", "/discord"], settings: &[PUBLIC_KEY] }
    }

    /// No age is documented beyond which a request is stale. One that is sent again is known by its bytes.
    fn verify<'r>(&self, request: &'r RawRequest, known: &Known<'_>) -> Result<Verified<'r>, Refusal> {
        let signature = request.needed(SIGNATURE)?;
        let timestamp = request.needed(TIMESTAMP)?;
        let keys = known.settings.get(PUBLIC_KEY.key);
        if keys.is_empty() {
            return Err(Refusal::NoKey);
        }
        let keys = keys.iter().map(|key| public_key(key)).collect::<Result<Vec<_>, _>>()?;
        let signature: [u8; 64] = from_hex(signature).ok_or(Refusal::BadSignature)?;
        let signature = Signature::from_bytes(&signature);
        let message = signed(timestamp, &request.body);
        // Strictly: a key of small order would fit many messages at once.
        let fits = keys.iter().any(|key| key.verify_strict(&message, &signature).is_ok());
        fits.then_some(Verified(request)).ok_or(Refusal::BadSignature)
    }

    fn parse(&self, request: &Verified<'_>, _now: Timestamp) -> Result<Inbound, Unreadable> {
        let (data, body) = read_object::<Body>(request.body())?;
        let event = match (body.kind, body.event) {
            (PING, _) => return Ok(Inbound::Reply(Reply::no_content())),
            (EVENT, Some(event)) => event,
            (kind, _) => return Err(Unreadable::Unexpected(format!("type {kind} without an event"))),
        };
        Ok(Inbound::event(InboundEvent {
            event_type: EventType::from_words(["discord", &event.kind]),
            // No event has an id. A retry has the same bytes, and two events at least another time in them.
            dedupe_id: hex::encode(Sha256::digest(request.body())),
            recurrence: None,
            owner: event.data.as_ref().and_then(About::user).map_or(Owner::Path, Owner::account),
            occurred_at: event.timestamp.as_deref().and_then(time),
            data,
            is_whole_body: true,
        }))
    }

    fn reply_to_kept(&self) -> Option<Reply> {
        Some(Reply::no_content())
    }

    fn sign(&self, secret: &str, unsigned: &Unsigned<'_>) -> Result<Vec<(HeaderName, String)>, CannotSign> {
        let seed = from_hex(secret).ok_or(CannotSign::NotAKey("an Ed25519 seed: 64 hexadecimal digits"))?;
        let timestamp = unsigned.at.as_seconds().to_string();
        let signature = SigningKey::from_bytes(&seed).sign(&signed(&timestamp, unsigned.body));
        let headers = [(SIGNATURE, hex::encode(signature.to_bytes())), (TIMESTAMP, timestamp)];
        Ok(headers.map(|(name, value)| (HeaderName::from_static(name), value)).into())
    }

    fn event_types(&self) -> &'static [Described] {
        EVENT_TYPES
    }
}

fn public_key(text: &str) -> Result<VerifyingKey, Refusal> {
    let key = from_hex(text).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
    key.ok_or(Refusal::BadKey("an Ed25519 public key: 64 hexadecimal digits"))
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

fn signed(timestamp: &str, body: &[u8]) -> Vec<u8> {
    [timestamp.as_bytes(), body].concat()
}

/// Discord writes its times without a zone, and means UTC.
fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).or_else(|_| Timestamp::parse(&format!("{text}Z"))).ok()
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "type")]
    kind: u64,
    event: Option<Happened>,
}

#[derive(Deserialize)]
struct Happened {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "lenient::text")]
    timestamp: Option<String>,
    #[serde(default, deserialize_with = "lenient::object")]
    data: Option<About>,
}

/// Whom it concerns: the user who authorised us, who is entitled, or who wrote.
#[derive(Deserialize)]
struct About {
    #[serde(default, deserialize_with = "lenient::object")]
    user: Option<User>,
    #[serde(default, deserialize_with = "lenient::text")]
    user_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::object")]
    author: Option<User>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default, deserialize_with = "lenient::text")]
    id: Option<String>,
}

impl About {
    fn user(&self) -> Option<&str> {
        let user = self.user.as_ref().and_then(|user| user.id.as_deref());
        let author = || self.author.as_ref().and_then(|author| author.id.as_deref());
        user.or(self.user_id.as_deref()).or_else(author)
    }
}

const EVENT_TYPES: &[Described] = &[
    Described::new(
        "discord.application_authorized",
        "A user or a server added the application",
        r#"{"version":1,"application_id":"1","type":1,"event":{"type":"APPLICATION_AUTHORIZED","timestamp":"2026-11-21T09:30:00.125000","data":{"integration_type":1,"scopes":["applications.commands"],"user":{"id":"2","username":"alice"}}}}"#,
    ),
    Described::new(
        "discord.application_deauthorized",
        "A user took the application's rights back",
        r#"{"version":1,"application_id":"1","type":1,"event":{"type":"APPLICATION_DEAUTHORIZED","timestamp":"2026-11-21T09:30:00.125000","data":{"user":{"id":"2","username":"alice"}}}}"#,
    ),
    Described::new(
        "discord.entitlement_create",
        "A user bought or was given something of the application's",
        r#"{"version":1,"application_id":"1","type":1,"event":{"type":"ENTITLEMENT_CREATE","timestamp":"2026-11-21T09:30:00.125000","data":{"id":"3","sku_id":"4","application_id":"1","user_id":"2","type":8,"consumed":false,"deleted":false}}}"#,
    ),
    Described::new(
        "discord.entitlement_update",
        "An entitlement was changed, or renewed",
        r#"{"version":1,"application_id":"1","type":1,"event":{"type":"ENTITLEMENT_UPDATE","timestamp":"2026-11-21T09:30:00.125000","data":{"id":"3","sku_id":"4","application_id":"1","user_id":"2","type":8,"ends_at":"2026-12-21T09:30:00+00:00"}}}"#,
    ),
    Described::new(
        "discord.entitlement_delete",
        "An entitlement was taken back",
        r#"{"version":1,"application_id":"1","type":1,"event":{"type":"ENTITLEMENT_DELETE","timestamp":"2026-11-21T09:30:00.125000","data":{"id":"3","sku_id":"4","application_id":"1","user_id":"2","type":8,"deleted":true}}}"#,
    ),
    Described::new(
        "discord.quest_user_enrollment",
        "A user took up a quest",
        r#"{"version":1,"application_id":"1","type":1,"event":{"type":"QUEST_USER_ENROLLMENT","timestamp":"2026-11-21T09:30:00.125000","data":{}}}"#,
    ),
    Described::new(
        "discord.lobby_message_create",
        "A message was written in a lobby",
        r#"{"version":1,"application_id":"1","type":1,"event":{"type":"LOBBY_MESSAGE_CREATE","timestamp":"2026-11-21T09:30:00.125000","data":{"id":"5","lobby_id":"6","content":"Ready?","author":{"id":"2","username":"alice"}}}}"#,
    ),
    Described::new(
        "discord.lobby_message_update",
        "A message in a lobby was changed",
        r#"{"version":1,"application_id":"1","type":1,"event":{"type":"LOBBY_MESSAGE_UPDATE","timestamp":"2026-11-21T09:30:00.125000","data":{"id":"5","lobby_id":"6","content":"Ready!","author":{"id":"2","username":"alice"}}}}"#,
    ),
    Described::new(
        "discord.lobby_message_delete",
        "A message in a lobby was removed",
        r#"{"version":1,"application_id":"1","type":1,"event":{"type":"LOBBY_MESSAGE_DELETE","timestamp":"2026-11-21T09:30:00.125000","data":{"id":"5","lobby_id":"6"}}}"#,
    ),
    Described::new(
        "discord.game_direct_message_create",
        "A direct message was written in a game",
        r#"{"version":1,"application_id":"1","type":1,"event":{"type":"GAME_DIRECT_MESSAGE_CREATE","timestamp":"2026-11-21T09:30:00.125000","data":{"id":"7","content":"Hello","author":{"id":"2","username":"alice"}}}}"#,
    ),
    Described::new(
        "discord.game_direct_message_update",
        "A direct message in a game was changed",
        r#"{"version":1,"application_id":"1","type":1,"event":{"type":"GAME_DIRECT_MESSAGE_UPDATE","timestamp":"2026-11-21T09:30:00.125000","data":{"id":"7","content":"Hello!","author":{"id":"2","username":"alice"}}}}"#,
    ),
    Described::new(
        "discord.game_direct_message_delete",
        "A direct message in a game was removed",
        r#"{"version":1,"application_id":"1","type":1,"event":{"type":"GAME_DIRECT_MESSAGE_DELETE","timestamp":"2026-11-21T09:30:00.125000","data":{"id":"7"}}}"#,
    ),
];

/// docs.discord.com, "OAuth2". Forms only; each refresh brings a whole new pair.
static OAUTH: OAuth = OAuth {
    scopes: &["identify", "guilds"],
    scope_separator: " ",
    parameters: &[],
    has_pkce: false,
    client_auth: ClientAuth::Fields,
    rejected: &["invalid_grant"],
    application: &["invalid_client", "unauthorized_client"],
};

/// The form that Discord wants (reference, "User Agent"), else it answers nothing.
const AGENT: &str =
    concat!("DiscordBot (https://github.com/waystation/waystation, ", env!("CARGO_PKG_VERSION"), ")");

impl Connectable for Discord {
    fn name(&self) -> &'static str {
        self.profile().name
    }

    fn settings(&self) -> &'static [Setting] {
        application_settings!("DISCORD", "DISCORD": "https://discord.com/oauth2/authorize",
            "https://discord.com/api/oauth2/token", "https://discord.com")
    }

    fn oauth(&self) -> Option<&'static OAuth> {
        Some(&OAUTH)
    }

    fn ask_identity(&self, settings: &Settings, token: &Token) -> Option<ApiCall> {
        Some(call(api_url(settings, "/api/v10/users/@me"), token))
    }

    fn read_identity(&self, answer: &ApiAnswer, now: Timestamp) -> Result<String, CallFailure> {
        identity(answer, "/id", now)
    }
}

fn call(url: String, token: &Token) -> ApiCall {
    ApiCall::get(url).bearer(token).with(http::header::USER_AGENT, AGENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, assert_nothing_may_be_altered, event_of, read_at, request};

    /// RFC 8032, 7.1, test 2.
    const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    const PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const AT: i64 = 1_729_262_573;

    const PINGED: &str = r#"{"version":1,"application_id":"1234560123453231555","type":0}"#;
    const AUTHORIZED: &str = r#"{"version":1,"application_id":"1234560123453231555","type":1,"event":{"type":"APPLICATION_AUTHORIZED","timestamp":"2024-10-18T14:42:53.064834","data":{"integration_type":1,"scopes":["applications.commands"],"user":{"id":"111178765189277770","username":"u"}}}}"#;
    /// (body, signature).
    const VECTORS: &[(&str, &str)] = &[
        (
            PINGED,
            "8cf1f3e3414de24e026d8049dceb6f3d35f1eec1943decc5b6f5d67bca2955ee5fd6eeb010222fcd03d01ec4440940ba89e810b45de7435a2028e4a8c5ad6e07",
        ),
        (
            AUTHORIZED,
            "980a3c1400c4cd60b8f5fc5ce65b7ab336bedf869acdef361a9f9b617646302cd2cf227ceaf1cdfedd92fc7e8229796d25ad77515337e39d764c345c14a53500",
        ),
        (
            r#"{"type":1}"#,
            "13366b6e2177b8982fa4e82cd27a0688d2f637158104bf16b0f64c51efebeaf6bc31036ed8c3de6db4097b5712341028afc5ac37b661fe946044ee362de3ce0b",
        ),
    ];

    fn verify(key: &str, signature: &str, body: &str) -> Result<(), Refusal> {
        let headers = [(SIGNATURE, signature), (TIMESTAMP, "1729262573")];
        testing::verify(&Discord, &request(&headers, body.to_owned()), key, AT)
    }

    #[test]
    fn the_vectors_verify_and_are_what_we_sign() {
        for &(body, signature) in VECTORS {
            assert_eq!(verify(PUBLIC, signature, body), Ok(()));
            let signed = testing::signed(&Discord, SEED, None, body.as_bytes(), AT);
            assert_eq!(signed.header(SIGNATURE), Some(signature));
            assert_nothing_may_be_altered(&Discord, &signed, PUBLIC, AT);
        }
    }

    #[test]
    fn a_probe_with_a_wrong_signature_is_refused() {
        let (body, signature) = VECTORS[0];
        assert_eq!(verify(PUBLIC, signature, &body.replace(":0}", ":1}")), Err(Refusal::BadSignature));
        for wrong in
            ["", "00", &"0".repeat(128), &signature[..126], &format!("{signature}00"), &"zz".repeat(64)]
        {
            assert_eq!(verify(PUBLIC, wrong, body), Err(Refusal::BadSignature), "{wrong}");
        }
    }

    #[test]
    fn a_key_that_is_none_is_named() {
        let (body, signature) = VECTORS[0];
        for key in ["", "secret", SEED.get(1..).unwrap(), &"0123456789".repeat(7)] {
            assert!(matches!(verify(key, signature, body), Err(Refusal::BadKey(_))), "{key}");
        }
        // Of order 1: it would fit a signature that nobody made.
        let small = "0100000000000000000000000000000000000000000000000000000000000000";
        let forged = format!("{small}{}", "0".repeat(64));
        assert_eq!(verify(small, &forged, body), Err(Refusal::BadSignature));
        let unsigned = Unsigned { id: None, body: b"{}", at: Timestamp::from_seconds(AT) };
        assert!(Discord.sign("no seed", &unsigned).is_err());
    }

    #[test]
    fn the_ping_is_answered_with_204_and_a_media_type() {
        let Ok(Inbound::Reply(reply)) = read_at(&Discord, &[], PINGED, 0) else { panic!() };
        assert_eq!((reply.status.as_u16(), reply.body.as_str()), (204, ""));
        assert_eq!(reply.content_type, "application/json");
        assert_eq!(Discord.reply_to_kept(), Some(reply));
    }

    #[test]
    fn an_event_is_known_by_its_bytes_and_its_user() {
        let event = event_of(&Discord, &[], AUTHORIZED).unwrap();
        assert_eq!(event.event_type.as_str(), "discord.application_authorized");
        assert_eq!(event.owner, Owner::account("111178765189277770"));
        assert_eq!(event.occurred_at.unwrap().as_micros(), 1_729_262_573_064_834);
        assert_eq!((event.data.as_str(), event.is_whole_body), (AUTHORIZED, true));
        assert_eq!(event.dedupe_id, event_of(&Discord, &[], AUTHORIZED).unwrap().dedupe_id);
        let later = AUTHORIZED.replace("064834", "064835");
        assert_ne!(event.dedupe_id, event_of(&Discord, &[], &later).unwrap().dedupe_id);
    }

    #[test]
    fn the_user_is_found_in_each_kind_of_event() {
        for (data, owner) in [
            (r#"{"id":"3","user_id":"2","sku_id":"4"}"#, Owner::account("2")),
            (r#"{"id":"5","author":{"id":"2"}}"#, Owner::account("2")),
            (r#"{"user":{"id":"2"},"user_id":"3","author":{"id":"4"}}"#, Owner::account("2")),
            (r#"{"user":{}}"#, Owner::Path),
            (r#"{"user":"2"}"#, Owner::Path),
            ("[]", Owner::Path),
        ] {
            let body = format!(r#"{{"type":1,"event":{{"type":"ENTITLEMENT_CREATE","data":{data}}}}}"#);
            let event = event_of(&Discord, &[], &body).unwrap();
            assert_eq!((event.owner, event.occurred_at), (owner, None), "{data}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let read = |body| read_at(&Discord, &[], body, 0);
        assert!(matches!(read("{"), Err(Unreadable::NotJson(_))));
        for other in
            ["{}", "[]", r#"{"type":1}"#, r#"{"type":2,"event":{"type":"X"}}"#, r#"{"type":1,"event":{}}"#]
        {
            assert!(matches!(read(other), Err(Unreadable::Unexpected(_))), "{other}");
        }
    }
}
