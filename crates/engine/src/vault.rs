//! Secrets at rest: sealed with XChaCha20-Poly1305, each bound to the row it belongs to.
//!
//! A sealed secret is one version byte, the id of its key in 4 bytes, a nonce of 24 bytes and the ciphertext with its
//! tag. The row's id is associated data, so that a secret copied to another row does not open. A key's id is of its own
//! making: nobody has to name keys, and it says nothing about the key.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use domain::mac::Mac;
use rand::Rng as _;
use zeroize::Zeroizing;

use crate::chance;

const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;

/// Seals secrets under one key, and opens them under that or a former one.
#[derive(Clone)]
pub struct Vault {
    newest: Key,
    former: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: [u8; KEY_ID_BYTES],
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
        Self { newest: Key::new(key), former: Vec::new() }
    }

    /// One that also opens what was sealed under `former` keys.
    #[must_use]
    pub fn with_former<'k>(mut self, former: impl IntoIterator<Item = &'k [u8; 32]>) -> Self {
        self.former.extend(former.into_iter().map(Key::new));
        self
    }

    /// Seals `secret` for the row `row`.
    #[must_use]
    pub fn seal(&self, row: &str, secret: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        chance::rng().fill_bytes(&mut nonce);
        let payload = Payload { msg: secret, aad: row.as_bytes() };
        let sealed =
            self.newest.cipher.encrypt(&XNonce::from(nonce), payload).expect("a secret is far below 256 GiB");
        [&[VERSION][..], &self.newest.id, &nonce, &sealed].concat()
    }

    /// Opens what was sealed for the row `row`.
    ///
    /// # Errors
    /// It was sealed under another key, for another row, or altered.
    pub fn open(&self, row: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        let (version, rest) = sealed.split_first().ok_or(DoesNotOpen)?;
        let (key_id, rest) = rest.split_first_chunk::<KEY_ID_BYTES>().ok_or(DoesNotOpen)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(DoesNotOpen)?;
        if *version != VERSION {
            return Err(DoesNotOpen);
        }
        let key = std::iter::once(&self.newest).chain(&self.former).find(|key| key.id == *key_id);
        let payload = Payload { msg: ciphertext, aad: row.as_bytes() };
        let opened = key.ok_or(DoesNotOpen)?.cipher.decrypt(&XNonce::from(*nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| DoesNotOpen)
    }

    /// Seals what was sealed under a former key for the row `row` under the newest; `None`: it is.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn reseal(&self, row: &str, sealed: &[u8]) -> Result<Option<Vec<u8>>, DoesNotOpen> {
        let secret = self.open(row, sealed)?;
        let is_newest = sealed[1..].starts_with(&self.newest.id);
        Ok((!is_newest).then(|| self.seal(row, &secret)))
    }
}

impl Key {
    fn new(key: &[u8; 32]) -> Self {
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&Mac::new(key).sign(&[b"waystation key id"])[..KEY_ID_BYTES]);
        Self { id, cipher: XChaCha20Poly1305::new(key.into()) }
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

    #[test]
    fn what_a_former_key_has_sealed_opens_and_is_sealed_anew() {
        let sealed = Vault::new(&[7; 32]).seal("sub_1", b"whsec_x");
        let vault = Vault::new(&[8; 32]).with_former([&[6; 32], &[7; 32]]);
        assert_eq!(vault.open("sub_1", &sealed).unwrap().as_slice(), b"whsec_x");
        assert_eq!(vault.reseal("sub_2", &sealed), Err(DoesNotOpen), "the row is checked");
        let anew = vault.reseal("sub_1", &sealed).unwrap().expect("a former key has sealed it");
        assert_eq!(Vault::new(&[8; 32]).open("sub_1", &anew).unwrap().as_slice(), b"whsec_x");
        assert_eq!(vault.reseal("sub_1", &anew), Ok(None), "once is enough");
    }
}
