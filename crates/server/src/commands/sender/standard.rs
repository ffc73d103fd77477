//! The Standard Webhooks scheme on the command line: text in, headers out.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::signing::{KeyPair, PublicKey, Secret, Verifier};
use domain::{EventId, Timestamp};
use http::{HeaderName, HeaderValue};
use providers::RawRequest;

pub(super) const NAME: &str = "standard-webhooks";

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

/// The three headers of the specification.
pub(super) fn sign(
    key: &str,
    id: Option<&str>,
    body: &[u8],
    time: Timestamp,
) -> Result<Vec<(HeaderName, HeaderValue)>> {
    let id = id.map_or_else(|| new_id(time), str::to_owned);
    let seconds = time.as_seconds();
    let signature = match Key::of(key, "whsk_") {
        Key::Shared(secret) => Secret::parse(secret)?.sign(&id, seconds, body),
        Key::Ed25519(seed) => KeyPair::parse(&seed)?.sign(&id, seconds, body),
    };
    let headers = [(ID, id), (TIMESTAMP, seconds.to_string()), (SIGNATURE, signature)];
    headers.into_iter().map(|(name, value)| Ok((HeaderName::from_static(name), value.parse()?))).collect()
}

/// Passes if one of the request's signatures is under `key`.
pub(super) fn verify(key: &str, request: &RawRequest, now: Timestamp) -> Result<()> {
    let verifier = match Key::of(key, "whpk_") {
        Key::Shared(secret) => Verifier::Secret(Secret::parse(secret)?),
        Key::Ed25519(public) => Verifier::PublicKey(PublicKey::parse(&public)?),
    };
    let header = |name| request.header(name).with_context(|| format!("the header {name} is missing"));
    let (id, timestamp, signatures) = (header(ID)?, header(TIMESTAMP)?, header(SIGNATURE)?);
    verifier.verify(id, timestamp, &request.body, signatures, now.as_seconds())?;
    Ok(())
}

/// How a key is written says which kind it is.
enum Key<'k> {
    /// `whsec_` and base64, or the base64 alone.
    Shared(&'k str),
    /// Half of a pair: its prefix and base64.
    Ed25519(String),
}

impl<'k> Key<'k> {
    /// `prefix` is that of the half of a pair that is wanted. The half may also come in hexadecimal, without prefix.
    fn of(text: &'k str, prefix: &str) -> Self {
        let mut half = [0; 32];
        match hex::decode_to_slice(text, &mut half) {
            Ok(()) => Self::Ed25519(format!("{prefix}{}", BASE64.encode(half))),
            Err(_) if text.starts_with(prefix) => Self::Ed25519(text.to_owned()),
            Err(_) => Self::Shared(text),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing is replayed from a seed on the command line")]
fn new_id(now: Timestamp) -> String {
    EventId::new(now, &mut rand::rng()).to_string()
}
