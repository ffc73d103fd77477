//! Secrets at rest: sealed with XChaCha20-Poly1305, each bound to the row it belongs to.
//!
//! A sealed secret is one version byte, a nonce of 24 bytes and the ciphertext with its tag. The row's id is associated
//! data, so that a secret copied to another row does not open.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use rand::Rng as _;
use zeroize::Zeroizing;

use crate::chance;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// Seals and opens secrets.
#[derive(Clone)]
pub struct Vault {
    cipher: XChaCha20Poly1305,
}

/// A secret that does not open: it was sealed under another key or for another row, or it was altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored secret does not open: was it sealed under another WAYSTATION_SECRET_KEY?")]
pub struct DoesNotOpen;

impl Vault {
    /// A vault under `key`.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self { cipher: XChaCha20Poly1305::new(key.into()) }
    }

    /// Seals `secret` for the row `row`.
    #[must_use]
    pub fn seal(&self, row: &str, secret: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        chance::rng().fill_bytes(&mut nonce);
        let payload = Payload { msg: secret, aad: row.as_bytes() };
        let sealed =
            self.cipher.encrypt(&XNonce::from(nonce), payload).expect("a secret is far below 256 GiB");
        [&[VERSION][..], &nonce, &sealed].concat()
    }

    /// Opens what was sealed for the row `row`.
    ///
    /// # Errors
    /// It was sealed under another key, for another row, or altered.
    pub fn open(&self, row: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        let (version, rest) = sealed.split_first().ok_or(DoesNotOpen)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(DoesNotOpen)?;
        if *version != VERSION {
            return Err(DoesNotOpen);
        }
        let payload = Payload { msg: ciphertext, aad: row.as_bytes() };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| DoesNotOpen)
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_for_its_row_under_its_key_and_unaltered() {
        let vault = Vault::new(&[7; 32]);
        let mut sealed = vault.seal("sub_1", b"whsec_x");
        assert_eq!(vault.open("sub_1", &sealed).unwrap().as_slice(), b"whsec_x");
        assert_eq!(vault.open("sub_2", &sealed), Err(DoesNotOpen));
        assert_eq!(Vault::new(&[8; 32]).open("sub_1", &sealed), Err(DoesNotOpen));
        assert_ne!(vault.seal("sub_1", b"whsec_x"), sealed, "each nonce is fresh");
        *sealed.last_mut().unwrap() ^= 1;
        assert_eq!(vault.open("sub_1", &sealed), Err(DoesNotOpen));
        assert_eq!(vault.open("sub_1", &[]), Err(DoesNotOpen));
    }
}
