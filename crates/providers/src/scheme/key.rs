//! Public keys, in the forms in which senders hand them out, and what they verify.

use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{AlgorithmIdentifier, CertificateDer, SubjectPublicKeyInfoDer, alg_id};
use serde::Deserialize;

use super::digest::{Encoding, Hash};

/// Keys of one set that are looked at. Senders publish two or three.
const KEYS_MAX: usize = 32;

/// How a private key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asymmetric {
    Ed25519,
    /// PKCS #1 v1.5 over that hash.
    Rsa(Hash),
    /// P-256 with SHA-256.
    Ecdsa(EcdsaForm),
}

/// How the two numbers of an ECDSA signature are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EcdsaForm {
    /// As ASN.1, of varying length.
    Der,
    /// One after the other, as in JWTs.
    Fixed,
}

/// A public key and what it is called in its set.
#[derive(Debug, Clone)]
pub(super) struct PublicKey {
    pub(super) id: Option<String>,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Ed25519(Vec<u8>),
    /// The point, uncompressed.
    P256(Vec<u8>),
    /// PKCS #1, as DER.
    RsaDer(Vec<u8>),
    /// Modulus and exponent, big-endian.
    RsaNumbers(Vec<u8>, Vec<u8>),
}

impl PublicKey {
    /// Reads the keys in `text`: PEM (`PUBLIC KEY` or `CERTIFICATE`), a JWK or a set of them, base64 of a
    /// `SubjectPublicKeyInfo`, or an Ed25519 key of 32 bytes in hexadecimal or base64, with or without `whpk_`.
    /// What is of another kind than `wanted` is left out.
    pub(super) fn read_all(wanted: Asymmetric, text: &str) -> Vec<Self> {
        let text = text.trim();
        let mut keys = if text.starts_with('{') {
            jwks(text)
        } else if text.starts_with("-----BEGIN") {
            pem(text).into_iter().collect()
        } else {
            bare(text).into_iter().collect()
        };
        keys.retain(|key| key.material.is_for(wanted));
        keys
    }

    pub(super) fn verify(&self, algorithm: Asymmetric, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (algorithm, &self.material) {
            (Asymmetric::Ed25519, Material::Ed25519(key)) => {
                UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature)
            }
            (Asymmetric::Ecdsa(EcdsaForm::Der), Material::P256(point)) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            (Asymmetric::Ecdsa(EcdsaForm::Fixed), Material::P256(point)) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Asymmetric::Rsa(hash), Material::RsaDer(der)) => match rsa(hash) {
                Some(parameters) => UnparsedPublicKey::new(parameters, der).verify(message, signature),
                None => return false,
            },
            (Asymmetric::Rsa(hash), Material::RsaNumbers(n, e)) => match rsa(hash) {
                Some(parameters) => RsaPublicKeyComponents { n, e }.verify(parameters, message, signature),
                None => return false,
            },
            _ => return false,
        };
        verified.is_ok()
    }
}

impl Material {
    const fn is_for(&self, wanted: Asymmetric) -> bool {
        matches!(
            (wanted, self),
            (Asymmetric::Ed25519, Self::Ed25519(_))
                | (Asymmetric::Ecdsa(_), Self::P256(_))
                | (Asymmetric::Rsa(_), Self::RsaDer(_) | Self::RsaNumbers(..))
        )
    }
}

/// MD5 is left out: it has been forged.
fn rsa(hash: Hash) -> Option<&'static signature::RsaParameters> {
    match hash {
        Hash::Md5 => None,
        Hash::Sha1 => Some(&signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
        Hash::Sha256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Hash::Sha384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Hash::Sha512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
    }
}

fn pem(text: &str) -> Option<PublicKey> {
    if let Ok(info) = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()) {
        return from_info(&info);
    }
    let certificate = CertificateDer::from_pem_slice(text.as_bytes()).ok()?;
    let certificate = webpki::EndEntityCert::try_from(&certificate).ok()?;
    from_info(&certificate.subject_public_key_info())
}

fn bare(text: &str) -> Option<PublicKey> {
    let text = text.strip_prefix("whpk_").unwrap_or(text);
    let looks_hexadecimal = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes = if looks_hexadecimal { Encoding::Hex.decode(text) } else { Encoding::Base64.decode(text) }?;
    if bytes.len() == 32 {
        return Some(PublicKey { id: None, material: Material::Ed25519(bytes) });
    }
    from_info(&bytes)
}

/// Takes a `SubjectPublicKeyInfo` apart (RFC 5280, 4.1): the algorithm, then the key in a bit string.
fn from_info(der: &[u8]) -> Option<PublicKey> {
    const SEQUENCE: u8 = 0x30;
    const BIT_STRING: u8 = 0x03;
    let (info, []) = element(SEQUENCE, der)? else { return None };
    let (algorithm, rest) = element(SEQUENCE, info)?;
    let (bits, []) = element(BIT_STRING, rest)? else { return None };
    // The first byte counts the bits that are unused.
    let key = bits.strip_prefix(&[0])?.to_vec();
    let is = |known: AlgorithmIdentifier| algorithm == known.as_ref();
    let material = if is(alg_id::ED25519) && key.len() == 32 {
        Material::Ed25519(key)
    } else if is(alg_id::ECDSA_P256) {
        Material::P256(key)
    } else if is(alg_id::RSA_ENCRYPTION) {
        Material::RsaDer(key)
    } else {
        return None;
    };
    Some(PublicKey { id: None, material })
}

/// The contents of the DER element with `tag` that `der` begins with, and what comes after it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) =
        der.split_first().filter(|(found, _)| **found == tag).and_then(|(_, rest)| rest.split_first())?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), &rest[2..]),
        // A key of more than 64 KiB is none.
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// A JWK or a set of them (RFC 7517, RFC 8037).
fn jwks(text: &str) -> Vec<PublicKey> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Document {
        Set { keys: Vec<serde_json::Value> },
        One(serde_json::Value),
    }
    let keys = match serde_json::from_str(text) {
        Ok(Document::Set { keys }) => keys,
        Ok(Document::One(key)) => vec![key],
        Err(_) => Vec::new(),
    };
    keys.into_iter().take(KEYS_MAX).filter_map(|key| serde_json::from_value(key).ok().and_then(jwk)).collect()
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

fn jwk(jwk: Jwk) -> Option<PublicKey> {
    let number = |text: &Option<String>| Encoding::Base64url.decode(text.as_deref()?);
    let material = match (&*jwk.kty, jwk.crv.as_deref()) {
        ("OKP", Some("Ed25519")) => Material::Ed25519(number(&jwk.x).filter(|key| key.len() == 32)?),
        ("EC", Some("P-256")) => Material::P256([vec![4], number(&jwk.x)?, number(&jwk.y)?].concat()),
        ("RSA", _) => Material::RsaNumbers(number(&jwk.n)?, number(&jwk.e)?),
        _ => return None,
    };
    Some(PublicKey { id: jwk.kid, material })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, 7.1, test 2.
    const ED25519: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const ED25519_SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

    #[test]
    fn an_ed25519_key_is_read_in_each_of_its_forms() {
        let bytes = hex::decode(ED25519).unwrap();
        let info = [hex::decode("302a300506032b6570032100").unwrap(), bytes.clone()].concat();
        let forms = [
            ED25519.to_owned(),
            ED25519.to_uppercase(),
            Encoding::Base64.encode(&bytes),
            format!("whpk_{}", Encoding::Base64.encode(&bytes)),
            Encoding::Base64.encode(&info),
            format!(
                "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
                Encoding::Base64.encode(&info)
            ),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, Encoding::Base64url.encode(&bytes)),
            format!(
                r#"{{"keys":[{{"kty":"oct"}},{{"kty":"OKP","crv":"Ed25519","kid":"a","x":"{}"}}]}}"#,
                Encoding::Base64url.encode(&bytes)
            ),
        ];
        let signature = hex::decode(ED25519_SIGNATURE).unwrap();
        for form in forms {
            let [key] = &*PublicKey::read_all(Asymmetric::Ed25519, &form) else { panic!("{form}") };
            assert!(key.verify(Asymmetric::Ed25519, &[0x72], &signature), "{form}");
            assert!(!key.verify(Asymmetric::Ed25519, &[0x73], &signature));
            assert!(!key.verify(Asymmetric::Rsa(Hash::Sha256), &[0x72], &signature));
            assert!(PublicKey::read_all(Asymmetric::Ecdsa(EcdsaForm::Der), &form).is_empty());
        }
    }

    /// RFC 7515, A.2 (RS256) and A.3 (ES256).
    #[test]
    fn the_keys_of_the_jws_examples_verify_them() {
        let rsa = r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#;
        let payload =
            "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        let key = PublicKey::read_all(Asymmetric::Rsa(Hash::Sha256), rsa).pop().unwrap();
        let message = format!("eyJhbGciOiJSUzI1NiJ9.{payload}");
        let signature = Encoding::Base64url.decode(signature).unwrap();
        assert!(key.verify(Asymmetric::Rsa(Hash::Sha256), message.as_bytes(), &signature));
        assert!(!key.verify(Asymmetric::Rsa(Hash::Sha512), message.as_bytes(), &signature));

        let p256 = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
        let signature =
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let key = PublicKey::read_all(Asymmetric::Ecdsa(EcdsaForm::Fixed), p256).pop().unwrap();
        let message = format!("eyJhbGciOiJFUzI1NiJ9.{payload}");
        let signature = Encoding::Base64url.decode(signature).unwrap();
        assert!(key.verify(Asymmetric::Ecdsa(EcdsaForm::Fixed), message.as_bytes(), &signature));
        assert!(!key.verify(Asymmetric::Ecdsa(EcdsaForm::Der), message.as_bytes(), &signature));
    }

    #[test]
    fn what_is_no_key_is_left_out() {
        for text in ["", "{", "{}", "AAAA", "-----BEGIN PUBLIC KEY-----", "not a key", "MIIB"] {
            assert!(PublicKey::read_all(Asymmetric::Ed25519, text).is_empty(), "{text}");
        }
    }
}
