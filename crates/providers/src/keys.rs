//! Public keys that an issuer publishes as a JSON Web Key Set (RFC 7517), and the tokens that it signs with them
//! (RFC 7515, RS256 alone).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;

use crate::Refusal;

/// Keys that are read of one document. Issuers publish two or three.
const KEYS_MAX: usize = 64;

/// Bytes of a token. Those of known issuers have about one thousand.
const TOKEN_BYTES_MAX: usize = 8 * 1_024;

/// The RSA keys of one document.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySet(Vec<Key>);

#[derive(Clone, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// A document without a key that could be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotKeys {
    /// It is no key set.
    #[error("this is no JSON Web Key Set: {0}")]
    Malformed(String),
    /// It is one, and holds no RSA key for signatures.
    #[error("the key set holds no RSA key for signatures")]
    Empty,
}

impl KeySet {
    /// Reads a document. Keys of other kinds, and what is said about keys beyond the numbers, are left out.
    ///
    /// # Errors
    /// There is no key in it that could be used.
    pub fn parse(document: &[u8]) -> Result<Self, NotKeys> {
        let document: Document =
            serde_json::from_slice(document).map_err(|error| NotKeys::Malformed(error.to_string()))?;
        let keys: Vec<_> = document.keys.into_iter().take(KEYS_MAX).filter_map(Entry::into_key).collect();
        if keys.is_empty() { Err(NotKeys::Empty) } else { Ok(Self(keys)) }
    }

    /// The claims of a token that one of these keys has signed.
    ///
    /// # Errors
    /// [`Refusal::UnknownKey`] where it names a key that is not here: then the document may be older than the key.
    pub fn claims_of(&self, token: &str) -> Result<Vec<u8>, Refusal> {
        let token = Some(token).filter(|token| token.len() <= TOKEN_BYTES_MAX);
        let (signed, signature) = token.and_then(|token| token.rsplit_once('.')).ok_or(Refusal::NotAToken)?;
        let (header, claims) = signed.split_once('.').ok_or(Refusal::NotAToken)?;
        let [header, claims, signature] = [header, claims, signature].map(|part| BASE64URL.decode(part));
        let header = header.map_err(|_| Refusal::NotAToken)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| Refusal::NotAToken)?;
        // A token must not choose how it is checked: no other algorithm, and nothing that we would have to understand.
        if header.alg != "RS256" || header.crit.is_some() {
            return Err(Refusal::NotAToken);
        }
        let key = self.find(header.kid.as_deref()).ok_or(Refusal::UnknownKey)?;
        let signature = signature.map_err(|_| Refusal::NotAToken)?;
        key.verify(signed.as_bytes(), &signature)?;
        claims.map_err(|_| Refusal::NotAToken)
    }

    /// The key of that name; of a token that names none, the only key there is.
    fn find(&self, id: Option<&str>) -> Option<&Key> {
        match (id, self.0.as_slice()) {
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }
}

impl Key {
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            .map_err(|_| Refusal::BadSignature)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Entry {
    fn into_key(self) -> Option<Key> {
        let is_for_us = self.kty == "RSA"
            && self.purpose.is_none_or(|purpose| purpose == "sig")
            && self.alg.is_none_or(|algorithm| algorithm == "RS256");
        let number = |text: Option<String>| BASE64URL.decode(text?).ok();
        // A leading zero is not part of the number, and `ring` refuses it.
        let stripped = |number: Vec<u8>| number.into_iter().skip_while(|&byte| byte == 0).collect();
        is_for_us.then_some(())?;
        let (modulus, exponent) = (number(self.n)?, number(self.e)?);
        Some(Key { id: self.kid, modulus: stripped(modulus), exponent: stripped(exponent) })
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, A.2.
    const MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

    fn document(more: &str) -> String {
        format!(r#"{{"keys":[{{"kty":"RSA","n":"{MODULUS}","e":"AQAB"{more}}}]}}"#)
    }

    fn keys(more: &str) -> KeySet {
        KeySet::parse(document(more).as_bytes()).unwrap()
    }

    fn with_header(header: &str) -> String {
        let (_, rest) = TOKEN.split_once('.').unwrap();
        format!("{}.{rest}", BASE64URL.encode(header))
    }

    #[test]
    fn the_published_token_is_believed() {
        let claims = keys("").claims_of(TOKEN).unwrap();
        assert_eq!(
            claims,
            b"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"
        );
    }

    #[test]
    fn whatever_is_altered_is_refused() {
        for at in [30, 150, TOKEN.len() - 10] {
            let mut altered = TOKEN.as_bytes().to_vec();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(keys("").claims_of(&altered), Err(Refusal::BadSignature), "{at}");
        }
        let other = document("").replace("ofgW", "ogfW");
        assert_eq!(KeySet::parse(other.as_bytes()).unwrap().claims_of(TOKEN), Err(Refusal::BadSignature));
    }

    #[test]
    fn a_token_does_not_choose_how_it_is_checked() {
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS256"}"#,
            r#"{"alg":"RS512"}"#,
            r#"{"alg":"RS256","crit":["exp"]}"#,
            r#"{"typ":"JWT"}"#,
            "[]",
        ] {
            assert_eq!(keys("").claims_of(&with_header(header)), Err(Refusal::NotAToken), "{header}");
        }
        for text in
            ["", ".", "..", "a.b", &TOKEN[..TOKEN.len() / 2], &format!("{TOKEN}="), &"a".repeat(9_000)]
        {
            assert!(keys("").claims_of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_is_found_by_its_name() {
        let named = keys(r#","kid":"one","use":"sig","alg":"RS256""#);
        assert!(named.claims_of(TOKEN).is_ok(), "a token that names no key, and only one key");
        let token = with_header(r#"{"alg":"RS256","kid":"two"}"#);
        assert_eq!(named.claims_of(&token), Err(Refusal::UnknownKey));
        let known = with_header(r#"{"alg":"RS256","kid":"one"}"#);
        assert_eq!(named.claims_of(&known), Err(Refusal::BadSignature), "the header is signed too");
    }

    #[test]
    fn a_document_without_a_usable_key_is_refused() {
        assert_eq!(KeySet::parse(br#"{"keys":[]}"#), Err(NotKeys::Empty));
        let encrypting = document(r#","use":"enc""#);
        assert_eq!(KeySet::parse(encrypting.as_bytes()), Err(NotKeys::Empty));
        assert_eq!(KeySet::parse(br#"{"keys":[{"kty":"EC","x":"AA","y":"AA"}]}"#), Err(NotKeys::Empty));
        assert!(matches!(KeySet::parse(b"{}"), Err(NotKeys::Malformed(_))));
        assert!(matches!(KeySet::parse(b"<html>"), Err(NotKeys::Malformed(_))));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(token in ".*", document in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = keys("").claims_of(&token);
            let _ = KeySet::parse(&document);
        }
    }
}
