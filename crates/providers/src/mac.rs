//! HMAC-SHA256 over parts of a request, as providers use it: hexadecimal behind a prefix.

use domain::mac::Mac;
use subtle::ConstantTimeEq as _;

use crate::Refusal;

/// Passes if `signature` is `prefix` and the hexadecimal HMAC of the joined `parts` under one of the secrets of `macs`.
pub(crate) fn verify_hex(
    macs: &[Mac],
    parts: &[&[u8]],
    signature: &str,
    prefix: &str,
) -> Result<(), Refusal> {
    if macs.is_empty() {
        return Err(Refusal::NoKey);
    }
    let digits = signature.strip_prefix(prefix).ok_or(Refusal::BadSignature)?.to_ascii_lowercase();
    let fits = macs.iter().any(|mac| {
        let mut expected = [0; 64];
        // Twice as many digits as there are bytes: it cannot fail.
        hex::encode_to_slice(mac.sign(parts), &mut expected).is_ok()
            && expected.ct_eq(digits.as_bytes()).into()
    });
    fits.then_some(()).ok_or(Refusal::BadSignature)
}

/// `prefix` and the hexadecimal HMAC of the joined `parts` under `secret`.
pub(crate) fn sign_hex(secret: &str, parts: &[&[u8]], prefix: &str) -> String {
    format!("{prefix}{}", hex::encode(Mac::new(secret.as_bytes()).sign(parts)))
}
