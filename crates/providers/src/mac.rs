//! HMAC-SHA256 over parts of a request, as providers use it: hexadecimal behind a prefix.

use domain::mac::Mac;

use crate::Refusal;

/// Passes if `signature` is `prefix` and the hexadecimal HMAC of the joined `parts` under one of `secrets`.
pub(crate) fn verify_hex(
    secrets: &[String],
    parts: &[&[u8]],
    signature: &str,
    prefix: &str,
) -> Result<(), Refusal> {
    if secrets.is_empty() {
        return Err(Refusal::NoKey);
    }
    let digits = signature.strip_prefix(prefix).ok_or(Refusal::BadSignature)?;
    let mut code = [0; 32];
    hex::decode_to_slice(digits, &mut code).map_err(|_| Refusal::BadSignature)?;
    let fits = secrets.iter().any(|secret| Mac::new(secret.as_bytes()).verify(parts, &code));
    fits.then_some(()).ok_or(Refusal::BadSignature)
}

/// `prefix` and the hexadecimal HMAC of the joined `parts` under `secret`.
pub(crate) fn sign_hex(secret: &str, parts: &[&[u8]], prefix: &str) -> String {
    format!("{prefix}{}", hex::encode(Mac::new(secret.as_bytes()).sign(parts)))
}
