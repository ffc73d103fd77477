//! Gmail: notices of changed mailboxes, through a Google Pub/Sub push subscription.
//!
//! Sources: developers.google.com, "Push notifications" of the Gmail API (the notice and its vector); cloud.google.com,
//! "Push subscriptions" (the envelope, what counts as an acknowledgement) and "Authenticate push subscriptions" (the
//! token's claims). The body is not signed: the token says that Pub/Sub sends, for our service account, to us.

mod backend;
mod history;
mod register;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use domain::event::Json;
use domain::{EventType, Timestamp};
use http::HeaderName;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::connect::{Connectable, api_url, application_settings};
use crate::oauth::{ClientAuth, OAuth, identity};
use crate::{
    CannotSign, Described, Inbound, InboundEvent, Known, Owner, Profile, Provider, RawRequest, Refusal,
    Reply, Setting, SettingKind, Settings, Unreadable, Unsigned, Verified, lenient, read_object,
};

const SERVICE_ACCOUNT: Setting =
    Setting::new("pubsub_service_account", "GOOGLE_PUBSUB_SERVICE_ACCOUNT", SettingKind::Required);
const AUDIENCE: Setting = Setting::new("pubsub_audience", "GOOGLE_PUBSUB_AUDIENCE", SettingKind::Required);
/// Full names, `projects/P/subscriptions/S`. Where there is a list, others are refused.
const SUBSCRIPTIONS: Setting =
    Setting::new("pubsub_subscriptions", "GOOGLE_PUBSUB_SUBSCRIPTIONS", SettingKind::Optional);
const JWKS_URL: Setting = Setting::new(
    "jwks_url",
    "GOOGLE_JWKS_URL",
    SettingKind::Default("https://www.googleapis.com/oauth2/v3/certs"),
);

/// Google writes itself in both ways.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// Seconds that the issuer's clock may be ahead of ours. None for the end: a token is renewed long before it.
const AHEAD_SECONDS_MAX: i64 = 10;

/// The documents say base64url; Pub/Sub sends the standard alphabet with padding. The one is turned into the other
/// first.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub use self::backend::FETCH_EMAILS_URL;
pub(crate) use self::history::addresses;

pub(crate) struct Gmail;

impl Provider for Gmail {
    fn profile(&self) -> Profile {
        Profile {
            name: "gmail",
            paths: &["/gmail"],
            settings: &[SERVICE_ACCOUNT, AUDIENCE, SUBSCRIPTIONS, JWKS_URL],
        }
    }

    fn key_document<'s>(&self, settings: &'s Settings) -> Option<&'s str> {
        settings.first(JWKS_URL.key)
    }

    fn verify<'r>(&self, request: &'r RawRequest, known: &Known<'_>) -> Result<Verified<'r>, Refusal> {
        let [accounts, audiences] =
            [SERVICE_ACCOUNT, AUDIENCE].map(|setting| known.settings.get(setting.key));
        if accounts.is_empty() || audiences.is_empty() {
            return Err(Refusal::NoKey);
        }
        let token = bearer(request)?;
        let claims = known.keys.ok_or(Refusal::UnknownKey)?.claims_of(token)?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| Refusal::NotAToken)?;
        claims.check(accounts, audiences, known.now)?;
        check_subscription(request, known.settings.get(SUBSCRIPTIONS.key))?;
        Ok(Verified(request))
    }

    fn parse(&self, request: &Verified<'_>, _now: Timestamp) -> Result<Inbound, Unreadable> {
        let (envelope, Push { message }) = read_object::<Push>(request.body())?;
        let notice = message.notice()?;
        let published = message.publish_time.or(message.publish_time_snake);
        Ok(Inbound::event(InboundEvent {
            event_type: EventType::from_words(["gmail", "notification"]),
            dedupe_id: message.id.or(message.id_snake).ok_or_else(|| missing("message.messageId"))?,
            recurrence: None,
            owner: Owner::account(notice.email_address.trim().to_lowercase()),
            occurred_at: published.and_then(|time| Timestamp::parse(&time).ok()),
            data: notice.beside(&envelope)?,
            is_whole_body: false,
        }))
    }

    /// What has changed is found out by asking.
    fn only_hints(&self) -> bool {
        true
    }

    /// Anything but a success is sent again until the subscription forgets it, after a week.
    fn reply_to_unreadable(&self) -> Option<Reply> {
        Some(Reply::ignored())
    }

    fn sign(&self, _: &str, _: &Unsigned<'_>) -> Result<Vec<(HeaderName, String)>, CannotSign> {
        Err(CannotSign::Only("Google"))
    }

    fn event_types(&self) -> &'static [Described] {
        EVENT_TYPES
    }
}

fn bearer(request: &RawRequest) -> Result<&str, Refusal> {
    let authorization = request.needed("authorization")?;
    match authorization.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Refusal::NotAToken),
    }
}

/// What the token says.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    email: Option<String>,
    email_verified: Option<bool>,
    iat: i64,
    exp: i64,
}

impl Claims {
    /// Anybody may have Google sign a token for our audience. Only the e-mail tells that it was our subscription.
    fn check(&self, accounts: &[String], audiences: &[String], now: Timestamp) -> Result<(), Refusal> {
        let is_in = |text: &str, texts: &[String]| texts.iter().any(|one| one == text);
        let now = now.as_seconds();
        if !ISSUERS.contains(&self.iss.as_str()) {
            return Err(Refusal::WrongClaim("issuer"));
        }
        if !is_in(&self.aud, audiences) {
            return Err(Refusal::WrongClaim("audience"));
        }
        if !self.email.as_deref().is_some_and(|email| is_in(email, accounts)) {
            return Err(Refusal::WrongClaim("service account"));
        }
        if self.email_verified != Some(true) {
            return Err(Refusal::WrongClaim("e-mail verification"));
        }
        if self.exp <= now || self.iat > now.saturating_add(AHEAD_SECONDS_MAX) {
            return Err(Refusal::Expired);
        }
        Ok(())
    }
}

/// A body that cannot be read passes here and is told as that afterwards: its sender is genuine.
fn check_subscription(request: &RawRequest, allowed: &[String]) -> Result<(), Refusal> {
    #[derive(Deserialize)]
    struct From {
        subscription: Option<String>,
    }
    if allowed.is_empty() {
        return Ok(());
    }
    match read_object::<From>(request.content()) {
        Ok((_, From { subscription: Some(name) })) if allowed.contains(&name) => Ok(()),
        Ok(_) => Err(Refusal::NotAllowed("Pub/Sub subscription")),
        Err(_) => Ok(()),
    }
}

#[derive(Deserialize)]
struct Push {
    message: Message,
}

/// Pub/Sub sends both spellings of what has two words, and its documents do not say which one stays.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    data: String,
    #[serde(rename = "messageId", default, deserialize_with = "lenient::text")]
    id: Option<String>,
    #[serde(rename = "message_id", default, deserialize_with = "lenient::text")]
    id_snake: Option<String>,
    #[serde(rename = "publishTime")]
    publish_time: Option<String>,
    #[serde(rename = "publish_time")]
    publish_time_snake: Option<String>,
}

/// That something in a mailbox has changed. What, only the mailbox can tell.
#[derive(Deserialize)]
struct Notice {
    #[serde(rename = "emailAddress")]
    email_address: String,
    /// A number as the documents have it in text, and as it comes without.
    #[serde(rename = "historyId")]
    history_id: Box<RawValue>,
}

impl Message {
    fn notice(&self) -> Result<Notice, Unreadable> {
        let standard: String = self
            .data
            .chars()
            .map(|c| match c {
                '-' => '+',
                '_' => '/',
                c => c,
            })
            .collect();
        let decoded = LENIENT.decode(standard).map_err(|_| missing("base64 in message.data"))?;
        let (_, notice) = read_object::<Notice>(&decoded)?;
        let history_id = notice.history_id.get().trim_matches('"');
        history_id.parse::<u64>().map_err(|_| missing("a historyId that is a number"))?;
        if notice.email_address.trim().is_empty() {
            return Err(missing("emailAddress"));
        }
        Ok(notice)
    }
}

impl Notice {
    /// The envelope with what the notice says beside it. It was checked when it was read, and so was what is added.
    fn beside(&self, envelope: &Json) -> Result<Json, Unreadable> {
        let open = envelope.as_str().trim_end().strip_suffix('}').ok_or_else(|| missing("an object"))?;
        let mailbox = serde_json::Value::from(self.email_address.as_str());
        let history_id = self.history_id.get();
        Ok(Json::trusted(format!(r#"{open},"emailAddress":{mailbox},"historyId":{history_id}}}"#)))
    }
}

fn missing(what: &str) -> Unreadable {
    Unreadable::Unexpected(format!("{what} is missing"))
}

const EVENT_TYPES: &[Described] = &[Described::new(
    "gmail.notification",
    "Something in a mailbox has changed; what it was comes as an event of its own once it was fetched",
    r#"{"message":{"data":"eyJlbWFpbEFkZHJlc3MiOiJhbGljZUBleGFtcGxlLmNvbSIsImhpc3RvcnlJZCI6IjQyIn0=","messageId":"2070443601311540","publishTime":"2026-11-21T09:30:00.125Z"},"subscription":"projects/way/subscriptions/gmail","emailAddress":"alice@example.com","historyId":"42"}"#,
)];

/// developers.google.com, "Using OAuth 2.0 for Web Server Applications". A refresh token comes once, unless consent is
/// asked for each time; refreshing brings none.
pub(crate) static OAUTH: OAuth =
    OAuth { scopes: &["https://www.googleapis.com/auth/gmail.readonly"], ..GOOGLE_OAUTH };

/// What holds for all of Google's APIs.
pub(crate) const GOOGLE_OAUTH: OAuth = OAuth {
    scopes: &[],
    scope_separator: " ",
    parameters: &[("access_type", "offline"), ("prompt", "consent")],
    has_pkce: true,
    client_auth: ClientAuth::Fields,
    rejected: &["invalid_grant", "admin_policy_enforced"],
    application: &["invalid_client", "unauthorized_client", "redirect_uri_mismatch"],
};

impl Connectable for Gmail {
    fn name(&self) -> &'static str {
        self.profile().name
    }

    fn settings(&self) -> &'static [Setting] {
        application_settings!("GOOGLE", "GMAIL": "https://accounts.google.com/o/oauth2/v2/auth",
            "https://oauth2.googleapis.com/token", "https://gmail.googleapis.com")
    }

    fn oauth(&self) -> Option<&'static OAuth> {
        Some(&OAUTH)
    }

    fn ask_identity(&self, settings: &Settings, token: &Token) -> Option<ApiCall> {
        Some(ApiCall::get(api_url(settings, "/gmail/v1/users/me/profile")).bearer(token))
    }

    fn read_identity(&self, answer: &ApiAnswer, now: Timestamp) -> Result<String, CallFailure> {
        identity(answer, "/emailAddress", now).map(|mailbox| self.account_id(&mailbox))
    }

    /// A mailbox is the same in any case.
    fn account_id(&self, text: &str) -> String {
        text.to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Issuer, event_of, missing, request};

    const NOW: i64 = 1_700_000_000;
    /// Google's own example.
    const DATA: &str = "eyJlbWFpbEFkZHJlc3MiOiAidXNlckBleGFtcGxlLmNvbSIsICJoaXN0b3J5SWQiOiAiMTIzNDU2Nzg5MCJ9";

    fn settings() -> Settings {
        Settings::default()
            .with(SERVICE_ACCOUNT.key, ["push@way.iam.gserviceaccount.com".to_owned()])
            .with(AUDIENCE.key, ["https://hooks.example.com/api/webhooks/gmail".to_owned()])
    }

    fn claims() -> Value {
        json!({
            "iss": "https://accounts.google.com", "aud": "https://hooks.example.com/api/webhooks/gmail",
            "email": "push@way.iam.gserviceaccount.com", "email_verified": true,
            "sub": "113774264463038321964", "azp": "113774264463038321964", "iat": NOW - 60, "exp": NOW + 3_540,
        })
    }

    fn check(settings: &Settings, authorization: &str, body: &str, now: i64) -> Result<(), Refusal> {
        let issuer = Issuer::new();
        let keys = issuer.keys();
        let known = Known { settings, keys: Some(&keys), now: Timestamp::from_seconds(now) };
        let request = request(&[("authorization", authorization)], body.to_owned());
        Gmail.verify(&request, &known).map(|_| ())
    }

    fn check_claims(claims: &Value) -> Result<(), Refusal> {
        let token = Issuer::new().token("one", claims);
        check(&settings(), &format!("Bearer {token}"), "{}", NOW)
    }

    fn push(data: &str) -> String {
        json!({
            "message": {
                "data": data, "messageId": "2070443601311540", "message_id": "2070443601311540",
                "publishTime": "2021-02-26T19:13:55.749Z", "publish_time": "2021-02-26T19:13:55.749Z",
            },
            "subscription": "projects/P/subscriptions/S",
        })
        .to_string()
    }

    #[test]
    fn a_token_of_google_for_us_is_believed() {
        assert_eq!(check_claims(&claims()), Ok(()));
        let mut other_spelling = claims();
        other_spelling["iss"] = json!("accounts.google.com");
        assert_eq!(check_claims(&other_spelling), Ok(()));
        let token = Issuer::new().token("one", &claims());
        assert_eq!(check(&settings(), &format!("bearer {token}"), "{}", NOW), Ok(()));
    }

    /// Google's own sample. Its certificate is not published, so only its claims are read.
    #[test]
    fn the_claims_that_google_shows_are_read() {
        let sample = json!({
            "aud": "https://example.com", "azp": "113774264463038321964", "sub": "113774264463038321964",
            "email": "gae-gcp@appspot.gserviceaccount.com", "email_verified": true,
            "iat": 1_550_182_335, "exp": 1_550_185_935, "iss": "https://accounts.google.com",
        });
        let claims: Claims = serde_json::from_value(sample).unwrap();
        let account = ["gae-gcp@appspot.gserviceaccount.com".to_owned()];
        let check =
            |audience: &str, at| claims.check(&account, &[audience.to_owned()], Timestamp::from_seconds(at));
        assert_eq!(check("https://example.com", 1_550_182_335), Ok(()));
        assert_eq!(check("https://example.com", 1_550_185_935), Err(Refusal::Expired));
        assert_eq!(check("https://example.org", 1_550_182_335), Err(Refusal::WrongClaim("audience")));
    }

    #[test]
    fn each_claim_must_be_right() {
        for (claim, value, refusal) in [
            ("iss", json!("https://accounts.example.com"), Refusal::WrongClaim("issuer")),
            ("iss", json!(null), Refusal::NotAToken),
            ("aud", json!("https://elsewhere.example.com"), Refusal::WrongClaim("audience")),
            ("aud", json!("https://hooks.example.com/api/webhooks/gmail/"), Refusal::WrongClaim("audience")),
            ("email", json!("someone@else.iam.gserviceaccount.com"), Refusal::WrongClaim("service account")),
            ("email", json!(null), Refusal::WrongClaim("service account")),
            ("email_verified", json!(false), Refusal::WrongClaim("e-mail verification")),
            ("email_verified", json!(null), Refusal::WrongClaim("e-mail verification")),
            ("email_verified", json!("true"), Refusal::NotAToken),
            ("exp", json!(NOW), Refusal::Expired),
            ("exp", json!(NOW - 3_600), Refusal::Expired),
            ("exp", json!(null), Refusal::NotAToken),
            ("iat", json!(NOW + 11), Refusal::Expired),
            ("iat", json!(i64::MAX), Refusal::Expired),
        ] {
            let mut claims = claims();
            claims[claim] = value.clone();
            assert_eq!(check_claims(&claims), Err(refusal), "{claim} {value}");
        }
    }

    #[test]
    fn a_token_is_good_for_its_time() {
        let token = format!("Bearer {}", Issuer::new().token("one", &claims()));
        assert_eq!(check(&settings(), &token, "{}", NOW + 3_539), Ok(()));
        assert_eq!(check(&settings(), &token, "{}", NOW + 3_540), Err(Refusal::Expired));
        assert_eq!(check(&settings(), &token, "{}", NOW - 70), Ok(()));
        assert_eq!(check(&settings(), &token, "{}", NOW - 71), Err(Refusal::Expired));
    }

    #[test]
    fn an_altered_token_is_refused_and_an_unknown_key_asked_for() {
        let issuer = Issuer::new();
        let token = issuer.token("one", &claims());
        for at in (0..token.len()).step_by(7) {
            let mut altered = token.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = format!("Bearer {}", String::from_utf8(altered).unwrap());
            assert!(check(&settings(), &altered, "{}", NOW).is_err(), "{at}");
        }
        let rotated = format!("Bearer {}", issuer.token("two", &claims()));
        assert_eq!(check(&settings(), &rotated, "{}", NOW), Err(Refusal::UnknownKey));
        let settings = settings();
        let not_fetched = Known { settings: &settings, keys: None, now: Timestamp::from_seconds(NOW) };
        let request = request(&[("authorization", &format!("Bearer {token}"))], "{}");
        assert_eq!(Gmail.verify(&request, &not_fetched).unwrap_err(), Refusal::UnknownKey);
    }

    #[test]
    fn without_a_bearer_or_settings_nothing_is_believed() {
        let token = format!("Bearer {}", Issuer::new().token("one", &claims()));
        for wrong in ["Bearer", "Bearer ", "Basic YTpi", &token["Bearer ".len()..]] {
            assert_eq!(check(&settings(), wrong, "{}", NOW), Err(Refusal::NotAToken));
        }
        let keys = Issuer::new().keys();
        let settings = settings();
        let known = Known { settings: &settings, keys: Some(&keys), now: Timestamp::from_seconds(NOW) };
        let repeated = Refusal::RepeatedHeader(HeaderName::from_static("authorization"));
        for (count, why) in [(0, missing("authorization")), (2, repeated)] {
            let request = request(&vec![("authorization", token.as_str()); count], "{}");
            assert_eq!(Gmail.verify(&request, &known).unwrap_err(), why);
        }
        for key in [SERVICE_ACCOUNT.key, AUDIENCE.key] {
            let half = Settings::default().with(key, settings.get(key).to_vec());
            assert_eq!(check(&half, &token, "{}", NOW), Err(Refusal::NoKey));
        }
    }

    #[test]
    fn other_subscriptions_may_be_shut_out() {
        let token = format!("Bearer {}", Issuer::new().token("one", &claims()));
        let only = |name: &str| settings().with(SUBSCRIPTIONS.key, [name.to_owned()]);
        let check = |name, body: &str| check(&only(name), &token, body, NOW);
        assert_eq!(check("projects/P/subscriptions/S", &push(DATA)), Ok(()));
        let refused = Err(Refusal::NotAllowed("Pub/Sub subscription"));
        assert_eq!(check("projects/P/subscriptions/other", &push(DATA)), refused);
        assert_eq!(check("projects/P/subscriptions/S", "{}"), refused);
        assert_eq!(
            check("projects/P/subscriptions/S", "not JSON"),
            Ok(()),
            "it is acknowledged as unreadable"
        );
    }

    #[test]
    fn the_published_notice_is_read_and_stands_beside_the_envelope() {
        let event = event_of(&Gmail, &[], &push(DATA)).unwrap();
        assert_eq!(event.event_type.as_str(), "gmail.notification");
        assert_eq!(event.dedupe_id, "2070443601311540");
        assert_eq!(event.owner, Owner::account("user@example.com"));
        assert_eq!(event.occurred_at.unwrap().to_string(), "2021-02-26T19:13:55.749Z");
        let mut expected: Value = serde_json::from_str(&push(DATA)).unwrap();
        expected["emailAddress"] = json!("user@example.com");
        expected["historyId"] = json!("1234567890");
        assert_eq!(serde_json::from_str::<Value>(event.data.as_str()).unwrap(), expected);
        assert!(event.data.as_str().starts_with(push(DATA).trim_end_matches('}')));
    }

    #[test]
    fn either_alphabet_and_either_kind_of_number_will_do() {
        // `~` and `?` in a mailbox make both of the characters in which the alphabets differ.
        let notice = r#"{"emailAddress":"Ü?~~~@Example.com","historyId":18446744073709551615}"#;
        let standard = STANDARD.encode(notice);
        let url_safe = URL_SAFE_NO_PAD.encode(notice);
        assert_ne!(standard.trim_end_matches('='), url_safe);
        for data in [standard.as_str(), standard.trim_end_matches('='), &url_safe] {
            let event = event_of(&Gmail, &[], &push(data)).unwrap();
            assert_eq!(event.owner, Owner::account("ü?~~~@example.com"));
            let data: Value = serde_json::from_str(event.data.as_str()).unwrap();
            assert_eq!(data["historyId"], json!(u64::MAX));
        }
        let snake = r#"{"message":{"data":"DATA","message_id":"7","publish_time":"2021-02-26T19:13:55Z"}}"#;
        let event = event_of(&Gmail, &[], &snake.replace("DATA", DATA)).unwrap();
        assert_eq!((event.dedupe_id.as_str(), event.occurred_at.is_some()), ("7", true));
    }

    #[test]
    fn what_cannot_be_read_is_acknowledged() {
        let encoded = |text: &str| push(&STANDARD.encode(text));
        for body in [
            String::new(),
            "{".to_owned(),
            "{}".to_owned(),
            "[[\"a\"]]".to_owned(),
            push("SGVsbG8gQ2xvdWQgUHViL1N1YiEgSGVyZSBpcyBteSBtZXNzYWdlIQ=="),
            push("!!!!"),
            push(""),
            push(DATA).replace("messageId", "x").replace("message_id", "y"),
            encoded(r#"{"emailAddress":"a@example.com"}"#),
            encoded(r#"{"emailAddress":"a@example.com","historyId":-1}"#),
            encoded(r#"{"emailAddress":"a@example.com","historyId":"soon"}"#),
            encoded(r#"{"emailAddress":" ","historyId":1}"#),
        ] {
            assert!(event_of(&Gmail, &[], &body).is_err(), "{body}");
        }
        assert_eq!(Gmail.reply_to_unreadable().unwrap().status, http::StatusCode::OK);
    }

    #[test]
    fn the_key_document_may_be_elsewhere() {
        let settings = Settings::default().with(JWKS_URL.key, ["http://127.0.0.1:9/certs".to_owned()]);
        assert_eq!(Gmail.key_document(&settings), Some("http://127.0.0.1:9/certs"));
    }
}
