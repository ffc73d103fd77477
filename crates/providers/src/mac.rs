//! HMAC-SHA256 over parts of a request, as providers use it: hexadecimal behind a prefix, compared in constant time.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::Refusal;

/// Passes if `signature` is `prefix` and the hexadecimal HMAC of the joined `parts` under one of `secrets`.
pub(crate) fn verify_hex(
    secrets: &[String],
    parts: &[&[u8]],
    signature: &str,
    prefix: &str,
) -> Result<(), Refusal> {
    if secrets.is_empty() {
        return Err(Refusal::NoSecret);
    }
    let digits = signature.strip_prefix(prefix).ok_or(Refusal::BadSignature)?;
    let expected = hex::decode(digits).map_err(|_| Refusal::BadSignature)?;
    let fits = secrets.iter().any(|secret| keyed(secret, parts).verify_slice(&expected).is_ok());
    fits.then_some(()).ok_or(Refusal::BadSignature)
}

/// `prefix` and the hexadecimal HMAC of the joined `parts` under `secret`.
pub(crate) fn sign_hex(secret: &str, parts: &[&[u8]], prefix: &str) -> String {
    format!("{prefix}{}", hex::encode(keyed(secret, parts).finalize().into_bytes()))
}

fn keyed(secret: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}
