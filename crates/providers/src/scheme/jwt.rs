//! Tokens in a header that say who sent a request, and mostly what its body hashes to (RFC 7515, RFC 7519).

use domain::Timestamp;
use http::HeaderName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::digest::{Encoding, Hash, KeyEncoding, is_same};
use super::json::text;
use super::key::{Asymmetric, EcdsaForm, PublicKey};
use super::request::Scope;
use super::signature::{PublicKeys, usable};
use super::{Keys, Refusal};

/// Seconds that the sender's clock may differ from ours where a token says when it begins and ends.
const LEEWAY_SECONDS: i64 = 60;

/// What a token must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Jwt {
    pub(super) header: HeaderName,
    pub(super) prefix: String,
    /// Those that are accepted: never what the token itself asks for.
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) keys: PublicKeys,
    pub(super) key_encoding: KeyEncoding,
    pub(super) key_prefix: String,
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) body_hash_claim: Option<String>,
    pub(super) body_hash_encoding: Encoding,
    pub(super) max_age_seconds: Option<u32>,
}

/// How a token is signed, in the words of RFC 7518 and RFC 8037.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub(super) enum Algorithm {
    #[serde(rename = "HS256")]
    Hs256,
    #[serde(rename = "HS384")]
    Hs384,
    #[serde(rename = "HS512")]
    Hs512,
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "RS384")]
    Rs384,
    #[serde(rename = "RS512")]
    Rs512,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// How an algorithm is carried out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Means {
    Shared(Hash),
    Private(Asymmetric),
}

impl Algorithm {
    pub(super) const fn is_shared(self) -> bool {
        matches!(self.means(), Means::Shared(_))
    }

    pub(super) const fn means(self) -> Means {
        match self {
            Self::Hs256 => Means::Shared(Hash::Sha256),
            Self::Hs384 => Means::Shared(Hash::Sha384),
            Self::Hs512 => Means::Shared(Hash::Sha512),
            Self::Rs256 => Means::Private(Asymmetric::Rsa(Hash::Sha256)),
            Self::Rs384 => Means::Private(Asymmetric::Rsa(Hash::Sha384)),
            Self::Rs512 => Means::Private(Asymmetric::Rsa(Hash::Sha512)),
            Self::Es256 => Means::Private(Asymmetric::Ecdsa(EcdsaForm::Fixed)),
            Self::EdDsa => Means::Private(Asymmetric::Ed25519),
        }
    }
}

/// The part of a token's own header that matters.
#[derive(Deserialize)]
struct Head {
    alg: Algorithm,
    kid: Option<String>,
    /// Extensions that a reader has to know. We know none.
    crit: Option<Value>,
}

impl Jwt {
    /// Checks the token, what it says of itself, and what it says of the body. Leaves `jti` and `iat` in the scope.
    pub(super) fn check(
        &self,
        scope: &mut Scope<'_>,
        keys: &Keys<'_>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Refusal> {
        let token = scope.request.needed_header(&self.header)?;
        let token = token.strip_prefix(&*self.prefix).ok_or(Refusal::BadToken)?;
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::BadToken)?;
        let (head, claims) = signed.split_once('.').ok_or(Refusal::BadToken)?;
        let head: Head = part(head)?;
        if head.crit.is_some() || !self.algorithms.contains(&head.alg) {
            return Err(Refusal::BadToken);
        }
        let signature = Encoding::Base64url.decode(signature).ok_or(Refusal::BadToken)?;
        self.fits(&head, scope, keys, signed.as_bytes(), &signature)?;
        self.judge(&part(claims)?, scope, now)
    }

    pub(super) fn check_keys(&self, keys: &Keys<'_>) -> Result<(), Refusal> {
        let checked = self.algorithms.iter().map(|algorithm| match algorithm.means() {
            Means::Shared(_) => usable(keys, self.key_encoding, &self.key_prefix).map(|_| ()),
            Means::Private(algorithm) => self.keys.check_keys(algorithm, keys),
        });
        checked.reduce(Result::or).unwrap_or(Err(Refusal::NoKey))
    }

    fn fits(
        &self,
        head: &Head,
        scope: &Scope<'_>,
        keys: &Keys<'_>,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let fits = match head.alg.means() {
            Means::Shared(hash) => usable(keys, self.key_encoding, &self.key_prefix)?
                .iter()
                .any(|key| is_same(&hash.mac(key, &[signed]), signature)),
            Means::Private(algorithm) => {
                let mut public = self.keys.obtain(algorithm, scope, keys)?;
                public.retain(|key| is_named(key, head.kid.as_deref()));
                if public.is_empty() {
                    return Err(Refusal::UnknownKey);
                }
                public.iter().any(|key| key.verify(algorithm, signed, signature))
            }
        };
        fits.then_some(()).ok_or(Refusal::BadSignature)
    }

    fn judge(
        &self,
        claims: &Value,
        scope: &mut Scope<'_>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Refusal> {
        let says = |name: &str, wanted: &str| match &claims[name] {
            Value::Array(several) => several.iter().any(|one| one == wanted),
            one => one == wanted,
        };
        if self.issuer.as_deref().is_some_and(|issuer| !says("iss", issuer)) {
            return Err(Refusal::WrongClaim("iss"));
        }
        if self.audience.as_deref().is_some_and(|audience| !says("aud", audience)) {
            return Err(Refusal::WrongClaim("aud"));
        }
        let issued_at = self.times(claims, now)?;
        if let Some(claim) = &self.body_hash_claim {
            let hash = claims[claim].as_str().and_then(|written| self.body_hash_encoding.decode(written));
            let body = Hash::Sha256.digest(&[&scope.request.body]);
            if !hash.is_some_and(|hash| is_same(&hash, &body)) {
                return Err(Refusal::OtherBody);
            }
        }
        scope.id = text(&claims["jti"]);
        scope.ts = text(&claims["iat"]);
        Ok(issued_at)
    }

    /// When it was issued, if it is in force and not too old.
    fn times(&self, claims: &Value, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
        let now = now.as_seconds();
        // RFC 7519 allows fractions.
        let moment = |name: &str| match &claims[name] {
            Value::Null => Ok(None),
            Value::Number(number) => {
                Ok(number.as_i64().or_else(|| number.as_f64().map(|number| number as i64)))
            }
            _ => Err(Refusal::NoTimestamp),
        };
        let (issued_at, begins, ends) = (moment("iat")?, moment("nbf")?, moment("exp")?);
        if ends.is_some_and(|ends| ends.saturating_add(LEEWAY_SECONDS) <= now)
            || begins.is_some_and(|begins| begins.saturating_sub(LEEWAY_SECONDS) > now)
        {
            return Err(Refusal::Expired);
        }
        if let Some(age) = self.max_age_seconds {
            let issued_at = issued_at.ok_or(Refusal::NoTimestamp)?;
            if now.abs_diff(issued_at) > age.into() {
                return Err(Refusal::Stale(age));
            }
        }
        Ok(issued_at.map(Timestamp::from_seconds))
    }
}

/// A key without a name may be the one; a key of another name is not.
fn is_named(key: &PublicKey, wanted: Option<&str>) -> bool {
    match (&key.id, wanted) {
        (Some(id), Some(wanted)) => id == wanted,
        _ => true,
    }
}

fn part<T: serde::de::DeserializeOwned>(encoded: &str) -> Result<T, Refusal> {
    let json = Encoding::Base64url.decode(encoded).ok_or(Refusal::BadToken)?;
    serde_json::from_slice(&json).map_err(|_| Refusal::BadToken)
}

#[cfg(test)]
mod tests {
    use http::header;
    use serde_json::json;

    use super::*;
    use crate::RawRequest;
    use crate::scheme::tests::{NOW, URL};
    use crate::scheme::{Verification, verify};

    fn token(claims: &serde_json::Value, head: &serde_json::Value, secret: &str) -> String {
        let part = |value: &serde_json::Value| Encoding::Base64url.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(head), part(claims));
        let code = Hash::Sha256.mac(secret.as_bytes(), &[&signed]);
        format!("{signed}.{}", Encoding::Base64url.encode(&code))
    }

    #[test]
    fn a_token_has_to_say_the_right_things() {
        let verification: Verification = serde_json::from_value(json!({
            "type": "jwt", "header": "Authorization", "prefix": "Bearer ", "algorithms": ["HS256"], "issuer": "them",
            "audience": "us", "body_hash_claim": "hash", "encoding": "hex", "max_age_seconds": 300,
        }))
        .unwrap();
        let hash = hex::encode(Hash::Sha256.digest(&["body"]));
        let now = NOW.as_seconds();
        let good = json!({"iss": "them", "aud": ["others", "us"], "hash": hash, "iat": now, "exp": now + 60});
        let head = json!({"alg": "HS256"});
        let check = |claims: &serde_json::Value, head: &serde_json::Value| {
            let mut request = RawRequest::post(URL, "body");
            let value = format!("Bearer {}", token(claims, head, "s"));
            request.headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            verify(&verification, &request, &Keys::secrets_only(&["s".to_owned()]), NOW).map(|_| ())
        };
        assert_eq!(check(&good, &head), Ok(()));
        for (claim, value, refusal) in [
            ("iss", json!("others"), Refusal::WrongClaim("iss")),
            ("iss", json!(null), Refusal::WrongClaim("iss")),
            ("aud", json!(["others"]), Refusal::WrongClaim("aud")),
            ("hash", json!("00"), Refusal::OtherBody),
            ("hash", json!(null), Refusal::OtherBody),
            ("exp", json!(now - 61), Refusal::Expired),
            ("nbf", json!(now + 61), Refusal::Expired),
            ("iat", json!(now - 301), Refusal::Stale(300)),
            ("iat", json!(null), Refusal::NoTimestamp),
            ("iat", json!("soon"), Refusal::NoTimestamp),
        ] {
            let mut claims = good.clone();
            claims[claim] = value;
            assert_eq!(check(&claims, &head), Err(refusal), "{claim}");
        }
        for head in [
            json!({"alg": "none"}),
            json!({"alg": "HS512"}),
            json!({"alg": "HS256", "crit": ["x"]}),
            json!({}),
        ] {
            assert_eq!(check(&good, &head), Err(Refusal::BadToken), "{head}");
        }
    }
}
