//! HMAC-SHA256 over parts of a request, as providers use it: hexadecimal behind a prefix.

use domain::mac::Mac;
use subtle::ConstantTimeEq as _;

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
    let digits = signature.strip_prefix(prefix).ok_or(Refusal::BadSignature)?.to_ascii_lowercase();
    let fits = secrets.iter().any(|secret| {
        let mut expected = [0; 64];
        let code = Mac::new(secret.as_bytes()).sign(parts);
        // Twice as many digits as there are bytes: it cannot fail.
        hex::encode_to_slice(code, &mut expected).is_ok() && expected.ct_eq(digits.as_bytes()).into()
    });
    fits.then_some(()).ok_or(Refusal::BadSignature)
}

/// `prefix` and the hexadecimal HMAC of the joined `parts` under `secret`.
pub(crate) fn sign_hex(secret: &str, parts: &[&[u8]], prefix: &str) -> String {
    format!("{prefix}{}", hex::encode(Mac::new(secret.as_bytes()).sign(parts)))
}
