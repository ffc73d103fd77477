//! Hashes, message codes under a shared key, and the alphabets that they are written in.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use hmac::{KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use ring::{digest, hmac as keyed};
use serde::{Deserialize, Serialize};

const INDIFFERENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// Some senders leave the padding out; nothing is gained by refusing that.
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, INDIFFERENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, INDIFFERENT);

/// A hash. MD5 and SHA-1 are here because senders still use them; in an HMAC they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// The hash of the joined `parts`.
    pub(super) fn digest(self, parts: &[impl AsRef<[u8]>]) -> Vec<u8> {
        let algorithm = match self {
            Self::Md5 => return md5(parts),
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        let mut context = digest::Context::new(algorithm);
        parts.iter().for_each(|part| context.update(part.as_ref()));
        context.finish().as_ref().to_vec()
    }

    /// The HMAC of the joined `parts` under `key`.
    pub(super) fn mac(self, key: &[u8], parts: &[impl AsRef<[u8]>]) -> Vec<u8> {
        let algorithm = match self {
            Self::Md5 => return hmac_md5(key, parts),
            Self::Sha1 => keyed::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => keyed::HMAC_SHA256,
            Self::Sha384 => keyed::HMAC_SHA384,
            Self::Sha512 => keyed::HMAC_SHA512,
        };
        let mut context = keyed::Context::with_key(&keyed::Key::new(algorithm, key));
        parts.iter().for_each(|part| context.update(part.as_ref()));
        context.sign().as_ref().to_vec()
    }
}

fn md5(parts: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut hash = Md5::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().to_vec()
}

fn hmac_md5(key: &[u8], parts: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut mac = hmac::Hmac::<Md5>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part.as_ref()));
    mac.finalize().into_bytes().to_vec()
}

/// How bytes are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Hexadecimal: lower case when written, either case when read.
    Hex,
    /// Base64, padded when written.
    Base64,
    /// Base64 with `-` and `_`, without padding when written.
    Base64url,
}

impl Encoding {
    pub(super) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => STANDARD.decode(text).ok(),
            Self::Base64url => URL_SAFE.decode(text).ok(),
        }
    }

    pub(super) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(bytes),
            Self::Base64 => general_purpose::STANDARD.encode(bytes),
            Self::Base64url => general_purpose::URL_SAFE_NO_PAD.encode(bytes),
        }
    }
}

/// How the text of a shared secret becomes the bytes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyEncoding {
    /// The text itself.
    #[default]
    Utf8,
    /// Hexadecimal.
    Hex,
    /// Base64, with or without padding.
    Base64,
}

impl KeyEncoding {
    /// The key, or `None` where the text is not of this encoding or the key would be empty.
    pub(super) fn decode(self, text: &str) -> Option<Vec<u8>> {
        let key = match self {
            Self::Utf8 => Some(text.as_bytes().to_vec()),
            Self::Hex => Encoding::Hex.decode(text),
            Self::Base64 => Encoding::Base64.decode(text),
        };
        key.filter(|key| !key.is_empty())
    }
}

/// Whether both are the same; how long the answer takes says nothing about where they differ.
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2202 and RFC 4231, case 2 each; the hashes of "abc" are those of RFC 1321 and FIPS 180.
    #[test]
    fn the_published_values_are_reproduced() {
        let codes = [
            (Hash::Md5, "750c783e6ab0b503eaa86e310a5db738"),
            (Hash::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Hash::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ];
        for (hash, code) in codes {
            assert_eq!(hex::encode(hash.mac(b"Jefe", &["what do ya want ", "for nothing?"])), code);
        }
        let digests = [
            (Hash::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (Hash::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Hash::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ];
        for (hash, digest) in digests {
            assert_eq!(hex::encode(hash.digest(&["a", "bc"])), digest);
        }
        assert_eq!(Hash::Sha384.mac(b"k", &["m"]).len(), 48);
        assert!(
            hex::encode(Hash::Sha512.mac(b"Jefe", &["what do ya want for nothing?"]))
                .starts_with("164b7a7bfcf819e2")
        );
    }

    #[test]
    fn a_key_is_never_empty() {
        for encoding in [KeyEncoding::Utf8, KeyEncoding::Hex, KeyEncoding::Base64] {
            assert_eq!(encoding.decode(""), None);
        }
        assert_eq!(KeyEncoding::Hex.decode("0aFF").unwrap(), [10, 255]);
        assert_eq!(KeyEncoding::Hex.decode("xyz"), None);
        assert_eq!(KeyEncoding::Base64.decode("AQI").unwrap(), [1, 2]);
    }
}
