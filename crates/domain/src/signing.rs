//! How a subscriber knows that it was us: the Standard Webhooks scheme, in its symmetric (v1) and asymmetric (v1a)
//! form, and the plain body HMAC that older consumers check.
//!
//! Source: the Standard Webhooks specification, v1.0.0. The signed text is `id.timestamp.body`, with the timestamp in
//! whole seconds.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ed25519_dalek::{Signer as _, Verifier as _};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::mac::Mac;

/// Other programs hand out secrets without padding; the reference libraries take those too.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Bytes of a secret that we make. The specification recommends 24 to 64.
const SECRET_BYTES: usize = 32;

/// Seconds that a signature's timestamp may lie in the past or the future.
pub const TOLERANCE_SECONDS: i64 = 300;

/// A text that is no key of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// It is not base64.
    #[error("the key is not base64 after its prefix")]
    NotBase64,
    /// It is empty, or not as long as its kind demands.
    #[error("the key has a wrong length")]
    Length,
}

/// A shared secret: `whsec_` and base64.
#[derive(Clone)]
pub struct Secret {
    text: Zeroizing<String>,
    /// Keyed once: each signature then starts from here instead of hashing the key again.
    of_message: Mac,
    of_body: Mac,
}

impl Secret {
    const PREFIX: &str = "whsec_";

    /// A fresh secret.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut key = Zeroizing::new([0; SECRET_BYTES]);
        rng.fill_bytes(key.as_mut());
        let text = Zeroizing::new(format!("{}{}", Self::PREFIX, BASE64.encode(key.as_ref())));
        Self::keyed(text, key.as_ref())
    }

    /// Reads a secret, with or without its prefix and padding.
    ///
    /// # Errors
    /// It is empty or not base64.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let key = decode(text, Self::PREFIX)?;
        if key.is_empty() {
            return Err(BadKey::Length);
        }
        Ok(Self::keyed(Zeroizing::new(text.to_owned()), &key))
    }

    /// Reads a secret that a subscriber has from elsewhere: `whsec_` and 24 to 64 bytes, as the specification wants it.
    ///
    /// # Errors
    /// It is shorter or longer, or not base64.
    pub fn brought(text: &str) -> Result<Self, BadKey> {
        let key = decode(text, Self::PREFIX)?;
        let is_whole = text.starts_with(Self::PREFIX) && (24..=64).contains(&key.len());
        if is_whole { Ok(Self::keyed(Zeroizing::new(text.to_owned()), &key)) } else { Err(BadKey::Length) }
    }

    fn keyed(text: Zeroizing<String>, key: &[u8]) -> Self {
        Self { of_message: Mac::new(key), of_body: Mac::new(text.as_bytes()), text }
    }

    /// The secret as it is shown to its owner, once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// The v1 signature, with its version: `v1,…`.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        format!("v1,{}", BASE64.encode(self.of_message.sign(&[&head(id, timestamp), body])))
    }

    /// The body's HMAC in hexadecimal under the secret's text as shown, for `X-Webhook-Signature: sha256=…`.
    #[must_use]
    pub fn sign_body(&self, body: &[u8]) -> String {
        hex::encode(self.of_body.sign(&[body]))
    }

    fn verify(&self, id: &str, timestamp: i64, body: &[u8], signature: &[u8]) -> bool {
        self.of_message.verify(&[&head(id, timestamp), body], signature)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whsec_…")
    }
}

/// An Ed25519 key pair of which the subscriber sees the public half: `whsk_` and `whpk_`, each with base64.
#[derive(Clone)]
pub struct KeyPair(ed25519_dalek::SigningKey);

impl KeyPair {
    const PREFIX: &str = "whsk_";

    /// A fresh pair.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// Reads the private half: a seed of 32 bytes.
    ///
    /// # Errors
    /// It is not base64, or not 32 bytes long.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let seed = decode(text, Self::PREFIX)?;
        let seed = seed.as_slice().try_into().map_err(|_| BadKey::Length)?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(seed)))
    }

    /// The private half as it is kept, encrypted.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}{}", Self::PREFIX, BASE64.encode(self.0.as_bytes())))
    }

    /// The public half, for the subscriber.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The v1a signature, with its version: `v1a,…`.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signature = self.0.sign(&message(id, timestamp, body));
        format!("v1a,{}", BASE64.encode(signature.to_bytes()))
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "whsk_… of {}", self.public())
    }
}

/// The public half of a [`KeyPair`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

impl PublicKey {
    const PREFIX: &str = "whpk_";

    /// Reads a public key.
    ///
    /// # Errors
    /// It is not base64, or no point of the curve.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let bytes = decode(text, Self::PREFIX)?;
        let bytes = bytes.as_slice().try_into().map_err(|_| BadKey::Length)?;
        ed25519_dalek::VerifyingKey::from_bytes(bytes).map(Self).map_err(|_| BadKey::Length)
    }

    fn verify(&self, id: &str, timestamp: i64, body: &[u8], signature: &[u8]) -> bool {
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify(&message(id, timestamp, body), &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, BASE64.encode(self.0.as_bytes()))
    }
}

/// Whatever can check a Standard Webhooks signature.
#[derive(Debug, Clone)]
pub enum Verifier {
    /// Checks `v1`.
    Secret(Secret),
    /// Checks `v1a`.
    PublicKey(PublicKey),
}

/// Why a signature was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// The timestamp is not a whole number of seconds.
    #[error("webhook-timestamp is no whole number of seconds")]
    NoTimestamp,
    /// The timestamp is too far from now.
    #[error("webhook-timestamp is more than {TOLERANCE_SECONDS} seconds from now")]
    Stale,
    /// None of the signatures fits.
    #[error("no signature in webhook-signature fits")]
    Mismatch,
}

impl Verifier {
    /// Passes if one of the space-separated `signatures` is ours, and `timestamp` within [`TOLERANCE_SECONDS`] of
    /// `now_seconds`. Versions that are not known are passed over, as the specification asks.
    ///
    /// # Errors
    /// What is wrong, the timestamp first.
    pub fn verify(
        &self,
        id: &str,
        timestamp: &str,
        body: &[u8],
        signatures: &str,
        now_seconds: i64,
    ) -> Result<(), BadSignature> {
        let timestamp: i64 = timestamp.parse().map_err(|_| BadSignature::NoTimestamp)?;
        if now_seconds.abs_diff(timestamp) > TOLERANCE_SECONDS.unsigned_abs() {
            return Err(BadSignature::Stale);
        }
        let fits =
            signatures.split(' ').filter_map(|signature| signature.split_once(',')).any(|(version, text)| {
                let Ok(signature) = BASE64.decode(text) else { return false };
                match (self, version) {
                    (Self::Secret(secret), "v1") => secret.verify(id, timestamp, body, &signature),
                    (Self::PublicKey(key), "v1a") => key.verify(id, timestamp, body, &signature),
                    _ => false,
                }
            });
        fits.then_some(()).ok_or(BadSignature::Mismatch)
    }
}

/// What comes before the body in the signed text.
fn head(id: &str, timestamp: i64) -> Vec<u8> {
    format!("{id}.{timestamp}.").into_bytes()
}

fn message(id: &str, timestamp: i64, body: &[u8]) -> Vec<u8> {
    [&head(id, timestamp), body].concat()
}

fn decode(text: &str, prefix: &str) -> Result<Zeroizing<Vec<u8>>, BadKey> {
    let digits = text.strip_prefix(prefix).unwrap_or(text);
    LENIENT.decode(digits).map(Zeroizing::new).map_err(|_| BadKey::NotBase64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const GOOD: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn verify(signatures: &str, now: i64) -> Result<(), BadSignature> {
        let verifier = Verifier::Secret(Secret::parse(SECRET).unwrap());
        verifier.verify(ID, &AT.to_string(), BODY, signatures, now)
    }

    #[test]
    fn the_published_vector_is_signed_and_verified() {
        assert_eq!(Secret::parse(SECRET).unwrap().sign(ID, AT, BODY), GOOD);
        assert_eq!(verify(GOOD, AT), Ok(()));
        assert_eq!(verify(&GOOD.replace("1OE=", "1OA="), AT), Err(BadSignature::Mismatch));
    }

    #[test]
    fn a_secret_from_elsewhere_is_as_long_as_the_specification_wants_it() {
        let of = |bytes: usize| format!("whsec_{}", BASE64.encode(vec![7; bytes]));
        for bytes in [24, 32, 64] {
            let brought = Secret::brought(&of(bytes)).unwrap();
            assert_eq!(
                brought.sign("id", 1, b"body"),
                Secret::parse(&of(bytes)).unwrap().sign("id", 1, b"body")
            );
        }
        for wrong in [of(23), of(65), of(32).replace("whsec_", ""), "whsec_?".to_owned(), String::new()] {
            assert!(Secret::brought(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_good_signature_among_others_is_enough() {
        let other = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
        assert_eq!(verify(&format!("{other} {} {GOOD} {other}", other.replace("v1", "v2")), AT), Ok(()));
        assert_eq!(verify(&GOOD.replace("v1", "v2"), AT), Err(BadSignature::Mismatch));
        assert_eq!(verify("", AT), Err(BadSignature::Mismatch));
    }

    #[test]
    fn the_timestamp_holds_both_ways() {
        assert_eq!(verify(GOOD, AT + 300), Ok(()));
        assert_eq!(verify(GOOD, AT - 300), Ok(()));
        assert_eq!(verify(GOOD, AT + 301), Err(BadSignature::Stale));
        assert_eq!(verify(GOOD, AT - 301), Err(BadSignature::Stale));
        assert_eq!(verify(GOOD, i64::MIN), Err(BadSignature::Stale));
    }

    #[test]
    fn secrets_load_without_padding_and_prefix_but_not_empty() {
        for text in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr", SECRET] {
            assert_eq!(Secret::parse(text).unwrap().reveal(), text);
        }
        assert_eq!(Secret::parse("whsec_").unwrap_err(), BadKey::Length);
        assert_eq!(Secret::parse("whsec_!").unwrap_err(), BadKey::NotBase64);
    }

    #[test]
    fn the_asymmetric_vector_is_signed_and_verified() {
        let seed = hex::decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
        let pair = KeyPair::parse(&format!("whsk_{}", BASE64.encode(seed))).unwrap();
        assert_eq!(pair.public().to_string(), "whpk_PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=");
        let signature = pair.sign(ID, AT, BODY);
        assert_eq!(
            signature,
            "v1a,7anDmyOh9LNskt5GJUTacHmbvyUkT0/S1jnxFAp+h2hcVXnQLWhtWA2+wP6vO0AUwEYP23IIZVuneGRhNj7hDQ=="
        );
        let verifier = Verifier::PublicKey(PublicKey::parse(&pair.public().to_string()).unwrap());
        assert_eq!(verifier.verify(ID, &AT.to_string(), BODY, &signature, AT), Ok(()));
        assert_eq!(verifier.verify(ID, &AT.to_string(), b"{}", &signature, AT), Err(BadSignature::Mismatch));
    }

    #[test]
    fn a_secret_never_shows_in_debug_output() {
        let secret = Secret::parse(SECRET).unwrap();
        assert_eq!(format!("{secret:?}"), "whsec_…");
        let pair = KeyPair::parse("whsk_PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=").unwrap();
        assert!(!format!("{pair:?}").contains("PUAXw"));
    }
}
