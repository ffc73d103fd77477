//! Checks the signatures of a delivery, written from the Standard Webhooks specification alone.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A subscription's secret, ready to check with.
#[derive(Clone)]
pub struct Verifier {
    key: Vec<u8>,
    secret: String,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    /// `secret` as the API shows it: `whsec_` and base64.
    pub fn new(secret: &str) -> Result<Self> {
        let encoded = secret.strip_prefix("whsec_").context("a secret without whsec_")?;
        let key = STANDARD.decode(encoded).context("a secret that is not base64")?;
        Ok(Self { key, secret: secret.to_owned() })
    }

    /// `webhook-signature`: some `v1,<base64>` in the list must match `id.timestamp.body`.
    pub fn check(&self, id: &str, timestamp: &str, body: &[u8], signatures: &str) -> Result<()> {
        let mut mac = hmac(&self.key);
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        let expected = STANDARD.encode(mac.finalize().into_bytes());
        let matches = signatures.split(' ').any(|one| one.strip_prefix("v1,") == Some(&expected));
        ensure!(matches, "webhook-signature {signatures:?} is not v1,{expected}");
        Ok(())
    }

    /// `X-Webhook-Signature`: `sha256=<hex>` of the body, keyed with the secret's text as shown.
    pub fn check_plain(&self, body: &[u8], signature: &str) -> Result<()> {
        let mut mac = hmac(self.secret.as_bytes());
        mac.update(body);
        let expected = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        ensure!(signature == expected, "X-Webhook-Signature {signature:?} is not {expected}");
        Ok(())
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector printed in the tests of the Standard Webhooks reference libraries.
    #[test]
    fn the_published_vector_passes_and_its_neighbour_does_not() {
        let verifier = Verifier::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a good secret");
        let check = |signatures: &str| {
            verifier.check(
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "1614265330",
                br#"{"test": 2432232314}"#,
                signatures,
            )
        };
        check("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=").expect("the published signature");
        check("v2,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=").expect("any match in the list");
        check("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA=").expect_err("another signature");
    }
}
