//! What sources are to be, read from a body field by field.

use std::net::IpAddr;

use domain::limits::{NAME_BYTES_MAX, URL_BYTES_MAX};
use domain::{Access, UserId};
use engine::sources::{SourceKeys, SourceTerms, Speaker};
use http::Uri;
use ipnet::IpNet;
use providers::scheme::{self, Verification};
use utoipa::ToSchema;

use crate::api::fields::{Fields, Said};
use crate::problem::{Problem, Result};

/// Secrets of one source that count at once. While one takes over from another there are two.
const SECRETS_MAX: usize = 10;

/// Bytes of one secret, or of one public key as PEM.
const SECRET_BYTES_MAX: usize = 8 * 1_024;

/// Networks that one source may name.
const NETWORKS_MAX: usize = 100;

/// What a source is to be.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct SourceTermsBody {
    /// For people.
    name: String,
    /// Whose events come in here. A user's key may leave it out; with the admin key, left out or `null` means nobody's
    /// in particular.
    user_id: Option<String>,
    /// A sender that is known: one of `GET /api/senders`, or `youtube` for a channel. Either this or `verification`.
    #[schema(example = "stripe")]
    sender: Option<String>,
    /// The channel whose feed is to be pushed, where the sender is `youtube`. The hub is asked for it.
    channel_id: Option<String>,
    /// How any other sender signs.
    #[schema(value_type = Option<Object>)]
    verification: Option<()>,
    /// What the sender signs with; `user:password` for basic authentication.
    secret: Option<String>,
    /// Several of them, any of which may have been used.
    secrets: Option<Vec<String>>,
    /// The sender's public key: hexadecimal, base64 of the DER form, PEM or JWK.
    public_key: Option<String>,
    /// What the sender's handshake must show.
    verify_token: Option<String>,
    /// The URL that the sender knows, to the letter, where that is not the one that is answered.
    public_url: Option<String>,
    /// Networks or addresses that requests may come from.
    allow_ips: Option<Vec<String>>,
    #[schema(default = true)]
    is_active: Option<bool>,
}

/// A source that is to be added.
pub(in crate::api) struct Added {
    pub(in crate::api) user_id: Option<UserId>,
    pub(in crate::api) name: String,
    pub(in crate::api) terms: SourceTerms,
    pub(in crate::api) keys: SourceKeys,
    pub(in crate::api) is_active: bool,
}

impl Added {
    /// Takes all of it, on behalf of `access`.
    pub(super) fn take(access: &Access, mut fields: Fields) -> Result<Self> {
        let user_id = fields.take_parsed("user_id").value();
        let name = fields.take_text("name", NAME_BYTES_MAX);
        let name = fields.need("name", name, "say what the source is for");
        let speaker = take_speaker(&mut fields, None);
        let (mut keys, mut is_active) = (SourceKeys::default(), true);
        let (mut public_url, mut allow_ips) = (None, Vec::new());
        take_keys(&mut fields, &mut keys);
        take_public_url(&mut fields, &mut public_url);
        take_networks(&mut fields, &mut allow_ips);
        take_activity(&mut fields, &mut is_active);
        let terms = speaker.map(|speaker| SourceTerms { speaker, public_url, allow_ips });
        if let Some(terms) = &terms {
            check_keys(&mut fields, terms, &keys);
        }
        fields.finish()?;
        let user_id = access.narrow(user_id)?;
        let (name, terms) = (name.unwrap_or_default(), terms.ok_or_else(Problem::internal)?);
        Ok(Self { user_id, name, terms, keys, is_active })
    }
}

/// It may be changed, and not be taken away: people find a source by it.
pub(super) fn take_name(fields: &mut Fields, current: &mut String) {
    match fields.take_text("name", NAME_BYTES_MAX) {
        Said::Value(name) => *current = name,
        Said::Null => fields.refuse("name", "is needed: say what the source is for"),
        Said::Nothing => {}
    }
}

/// Who speaks: what is said, else `current`. One of the two takes the other's place, and `null` in the place of what is
/// current leaves nobody.
pub(super) fn take_speaker(fields: &mut Fields, current: Option<&Speaker>) -> Option<Speaker> {
    let sender = fields.take("sender", "a text", |name: String| {
        let known = scheme::sender(&name);
        known
            .map(|sender| sender.name.clone())
            .ok_or("is not a sender that is known: GET /api/senders lists them")
    });
    let verification = fields.take("verification", "an object", |value: serde_json::Value| {
        serde_json::from_value::<Verification>(value).map_err(|error| error.to_string())
    });
    match (sender, verification, current) {
        (Said::Value(_), Said::Value(_), _) => {
            fields.refuse("verification", "is for senders that are not known: leave out one of the two");
            None
        }
        (Said::Value(name), ..) => Some(Speaker::Sender(name)),
        (_, Said::Value(verification), _) => Some(Speaker::Verification(Box::new(verification))),
        (Said::Null, _, Some(Speaker::Sender(_)))
        | (_, Said::Null, Some(Speaker::Verification(_)))
        | (.., None) => {
            if !fields.has_problems() {
                fields.refuse("sender", "is needed, or a verification: who sends?");
            }
            None
        }
        (.., Some(current)) => Some(current.clone()),
    }
}

pub(super) fn take_keys(fields: &mut Fields, keys: &mut SourceKeys) {
    let secret = take_key(fields, "secret");
    let secrets = fields.take("secrets", "a list of texts", |secrets: Vec<String>| {
        if secrets.len() > SECRETS_MAX {
            return Err(format!("must be at most {SECRETS_MAX}"));
        }
        secrets.iter().try_for_each(|secret| check_key(secret)).map(|()| secrets)
    });
    match (secret, secrets) {
        (Said::Value(_), Said::Value(_)) => {
            fields.refuse("secret", "goes into secrets: leave out one of the two");
        }
        (Said::Value(secret), _) => keys.secrets = vec![secret],
        (_, Said::Value(secrets)) => keys.secrets = secrets,
        (Said::Null, _) | (_, Said::Null) => keys.secrets = Vec::new(),
        (Said::Nothing, Said::Nothing) => {}
    }
    take_key(fields, "public_key").map(|key| vec![key]).change(&mut keys.public_keys, Vec::new());
    take_key(fields, "verify_token").map(Some).change(&mut keys.verify_token, None);
}

pub(in crate::api) fn take_key(fields: &mut Fields, name: &str) -> Said<String> {
    fields.take(name, "a text", |key: String| check_key(&key).map(|()| key))
}

fn check_key(key: &str) -> Result<(), String> {
    if key.is_empty() || key.len() > SECRET_BYTES_MAX {
        Err(format!("must have 1 to {SECRET_BYTES_MAX} bytes"))
    } else {
        Ok(())
    }
}

/// A source that could not believe anybody is refused at once, and not when its first event comes.
pub(super) fn check_keys(fields: &mut Fields, terms: &SourceTerms, keys: &SourceKeys) {
    // Keys that are wrong in themselves have been told of.
    let Some(verification) = terms.verification().filter(|_| !fields.has_problems()) else { return };
    let hands_out =
        terms.sender().and_then(|sender| sender.challenge.as_ref()).is_some_and(|c| c.hands_out_secret());
    if hands_out && keys.secrets.is_empty() {
        return;
    }
    if let Err(refusal) = verification.check_keys(&keys.with(&[])) {
        fields.refuse("secret", format!("{refusal}; a public key goes into public_key"));
    }
}

pub(super) fn take_public_url(fields: &mut Fields, current: &mut Option<String>) {
    let said = fields.take("public_url", "a text", |url: String| {
        let is_url = url.len() <= URL_BYTES_MAX
            && url.parse::<Uri>().is_ok_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some()
            });
        if is_url { Ok(Some(url)) } else { Err("must be a whole URL, as the sender knows it") }
    });
    said.change(current, None);
}

pub(super) fn take_networks(fields: &mut Fields, current: &mut Vec<IpNet>) {
    let said = fields.take("allow_ips", "a list of networks or addresses", |texts: Vec<String>| {
        if texts.len() > NETWORKS_MAX {
            return Err(format!("must be at most {NETWORKS_MAX}"));
        }
        let network = |text: &String| {
            let network = text.parse().or_else(|_| text.parse().map(|address: IpAddr| address.into()));
            network.map_err(|_| format!("{text:?} is no network such as 203.0.113.0/24, and no address"))
        };
        texts.iter().map(network).collect()
    });
    said.change(current, Vec::new());
}

pub(super) fn take_activity(fields: &mut Fields, current: &mut bool) {
    fields.take("is_active", "true or false", Ok::<bool, String>).change(current, true);
}
