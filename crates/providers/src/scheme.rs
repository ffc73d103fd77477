//! Who signs how: for any sender, spelled out as data.
//!
//! **Promise.** A [`Verification`] is consistent: one that contradicts itself, leaves the body unsigned or would take a
//! public key for a secret is refused when it is read, by the name of the parameter. [`verify`] does no I/O. Keys that
//! have to be fetched are asked for as a value, [`Refusal::KeyNeeded`], and handed in as [`Fetched`].
//!
//! Read in this order: [`Verification`] and [`verify`]; `spelled` (the parameters), `template` (what was signed),
//! `signature`, `token`, `jwt` and `sns` (the kinds of proof), `challenge` (handshakes), `sender` (the senders that are
//! known, from `senders.toml`), `sign` (the other side, for people who try out their set-up).
//!
//! To add a sender:
//! 1. write its entry in `senders.toml`; the tests then sign and alter its requests;
//! 2. if it has published a vector, or its own library makes one, add that to `vectors` and set `confirmed = true`.

mod challenge;
mod digest;
mod json;
mod jwt;
mod key;
mod proof;
mod request;
mod sender;
mod sign;
mod signature;
mod sns;
mod spelled;
mod template;
mod token;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use std::fmt;

use domain::Timestamp;
use domain::limits::DEDUPE_ID_BYTES_MAX;
use http::HeaderName;
use serde::Deserialize;
use url::Url;

pub use challenge::{Answer, Challenge, Handshake};
pub use digest::{Encoding, Hash, KeyEncoding};
pub use sender::{Sender, sender, senders};
pub use sign::{SigningKey, Unsignable, sign};
pub use spelled::Inconsistent;
pub use template::{BadTemplate, Template};

use proof::Proof;
use request::Scope;

use crate::{RawRequest, Refusal};

/// How a sender's requests are verified, and where they say what they are.
///
/// Written as one flat table; `type` says which of the other parameters there may be:
///
/// | type | parameters |
/// |---|---|
/// | `hmac`, `hash`, `ed25519`, `rsa`, `ecdsa` | `header` or `signature_path`, `encoding`, `prefix`, `separator`, `template`, `id_header`, `body_hash_query`, `each`; with a timestamp one of `timestamp_header`, `timestamp_key`, `timestamp_path`, and `timestamp_format`, `tolerance_seconds`; in a header of pairs `signature_keys`, `key_value_separator` |
/// | `hmac`, `hash` | also `algorithm`; `hmac` also `key_encoding`, `key_prefix` |
/// | `rsa` | also `algorithm` |
/// | `ed25519`, `rsa`, `ecdsa` | also `jwks_url`, or `certificate_url_header` and `certificate_hosts` |
/// | `jwt` | `header`, `prefix`, `algorithms`, `issuer`, `audience`, `body_hash_claim`, `encoding`, `max_age_seconds`, `jwks_url`, `key_encoding`, `key_prefix` |
/// | `token` | one of `header` (with `prefix`), `query`, `body_path` |
/// | `basic`, `aws_sns` | none |
/// | `any_of` | `any_of`: two or more of the above |
///
/// `event_type` and `delivery_id` are templates and go with each type.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(try_from = "spelled::Spelled")]
pub struct Verification {
    proof: Proof,
    event_type: Option<Template>,
    delivery_id: Option<Template>,
    spelled: Box<spelled::Spelled>,
}

/// What a request is checked against. Empty texts count as absent.
#[derive(Clone, Copy, Default)]
pub struct Keys<'k> {
    /// Shared secrets, any of which may have been used. For PayPal the webhook's id, for Amazon SNS the topic's ARN.
    pub secrets: &'k [String],
    /// The sender's public keys: PEM, JWK, base64 of the DER form, or an Ed25519 key in hexadecimal. They are kept
    /// apart from secrets, so that what everybody knows is never the key of an HMAC.
    pub public_keys: &'k [String],
    /// What a handshake must show, where it is not the secret.
    pub verify_token: Option<&'k str>,
    /// What was fetched since [`Refusal::KeyNeeded`] asked for it.
    pub fetched: &'k [Fetched],
}

/// Something that has to be fetched before a request can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Where it is: always `https`. A certificate's URL comes from the request; its host was checked.
    pub url: String,
    /// What it is.
    pub kind: FetchKind,
}

/// What has to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchKind {
    /// A certificate, as PEM.
    Certificate,
    /// A set of keys (RFC 7517).
    KeySet,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The URL that was asked for, unchanged.
    pub url: String,
    /// The answer's body. Whoever fetches bounds it: 64 KiB are plenty.
    pub text: String,
}

/// Checks that the sender sent this, at about `now` where it says when.
///
/// On [`Refusal::KeyNeeded`] the caller fetches what is asked for (over verified TLS, without following redirects,
/// bounded, and rarely: anybody can cause it), keeps it, and calls again with it in [`Keys::fetched`]. On
/// [`Refusal::UnknownKey`] it may fetch again if its copy is old: the sender may have changed its keys.
///
/// # Errors
/// Why it is not to be believed.
pub fn verify<'r>(
    verification: &'r Verification,
    request: &'r RawRequest,
    keys: &Keys<'_>,
    now: Timestamp,
) -> Result<Verified<'r>, Refusal> {
    let mut scope = Scope::of(request);
    let signed_at = verification.proof.check(&mut scope, keys, now)?;
    scope.secret = None;
    Ok(Verified { verification, scope, signed_at })
}

/// A request that its sender has sent. Only [`verify`] makes one.
pub struct Verified<'r> {
    verification: &'r Verification,
    scope: Scope<'r>,
    signed_at: Option<Timestamp>,
}

impl Verified<'_> {
    /// The request.
    #[must_use]
    pub fn request(&self) -> &RawRequest {
        self.scope.request
    }

    /// What the sender calls this kind of event, in its own words; empty where it does not say, or nobody knows where.
    #[must_use]
    pub fn event_type(&self) -> String {
        let template = self.verification.event_type.as_ref();
        template.map(|template| template.text_of_what_is_there(&self.scope)).unwrap_or_default()
    }

    /// The sender's id for the event, the same on each retry. Where it has none, or one that is too long, the digest of
    /// the body stands in for it. `None` where the sender sends the same body for different events, so that nothing
    /// tells a retry from news (an empty template says so).
    #[must_use]
    pub fn delivery_id(&self) -> Option<String> {
        let template = self.verification.delivery_id.as_ref();
        if template.is_some_and(Template::is_empty) {
            return None;
        }
        let id = template.and_then(|template| template.text(&self.scope));
        let id = id.filter(|id| !id.is_empty() && id.len() <= DEDUPE_ID_BYTES_MAX);
        Some(id.unwrap_or_else(|| {
            format!("sha256:{}", hex::encode(Hash::Sha256.digest(&[&self.scope.request.body])))
        }))
    }

    /// When it was signed, where the sender says.
    #[must_use]
    pub const fn signed_at(&self) -> Option<Timestamp> {
        self.signed_at
    }
}

/// What is configured is no key for this verification.
const UNUSABLE_KEY: Refusal = Refusal::BadKey("of the kind and encoding that this sender uses");

impl Verification {
    /// Whether `keys` are of the kind that this verification uses; for whoever sets up a source.
    ///
    /// # Errors
    /// [`Refusal::NoKey`] or [`Refusal::BadKey`].
    pub fn check_keys(&self, keys: &Keys<'_>) -> Result<(), Refusal> {
        self.proof.check_keys(keys)
    }

    /// The header in which the sender shows its secret itself, rather than something made with it.
    #[must_use]
    pub fn secret_header(&self) -> Option<&HeaderName> {
        self.proof.secret_header()
    }

    /// The header in which the sender writes an id that it signs.
    #[must_use]
    pub fn id_header(&self) -> Option<&HeaderName> {
        self.proof.id_header()
    }

    /// Whether the sender signs the URL too, so that a source has to know it to the letter.
    #[must_use]
    pub fn signs_url(&self) -> bool {
        self.proof.signs_url()
    }
}

impl<'k> Keys<'k> {
    /// Shared secrets alone.
    #[must_use]
    pub fn secrets_only(secrets: &'k [String]) -> Self {
        Self { secrets, ..Self::default() }
    }

    /// The secrets, of which there is at least one. An empty secret is known to everybody.
    fn secrets(&self) -> Result<impl Iterator<Item = &'k str> + use<'k>, Refusal> {
        let mut secrets =
            self.secrets.iter().map(String::as_str).filter(|secret| !secret.is_empty()).peekable();
        if secrets.peek().is_none() { Err(Refusal::NoKey) } else { Ok(secrets) }
    }

    fn found(&self, fetch: Fetch) -> Result<&'k str, Refusal> {
        let found = self.fetched.iter().find(|fetched| fetched.url == fetch.url);
        found.map(|fetched| &*fetched.text).ok_or(Refusal::KeyNeeded(fetch))
    }
}

impl Fetch {
    /// The certificate at `url`, if that is at one of `hosts`. There `*` stands for one label.
    fn certificate(url: &str, hosts: &[String]) -> Result<Self, Refusal> {
        if is_at(url, hosts) {
            Ok(Self { url: url.to_owned(), kind: FetchKind::Certificate })
        } else {
            Err(Refusal::ForeignCertificate)
        }
    }
}

/// Whether `url` is an `https` URL at one of `hosts`, on the usual port and without credentials.
fn is_at(url: &str, hosts: &[String]) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let is_plain = url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let Some(host) = url.host_str().filter(|_| is_plain) else { return false };
    let fits = |pattern: &String| {
        let (labels, wanted) = (host.split('.'), pattern.split('.'));
        labels.clone().count() == wanted.clone().count()
            && labels.zip(wanted).all(|(label, wanted)| wanted == "*" || label.eq_ignore_ascii_case(wanted))
    };
    hosts.iter().any(fits)
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.proof.fmt(f)
    }
}

impl fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets and {} public keys", self.secrets.len(), self.public_keys.len())
    }
}

impl fmt::Debug for Verified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("request", self.scope.request)
            .field("signed_at", &self.signed_at)
            .finish()
    }
}
