//! The sender's side: a request signed as the sender would, for people who try out their set-up, and for tests.

use domain::Timestamp;
use http::{HeaderName, HeaderValue, header};
use ring::rand::SecureRandom;
use ring::signature::{self as signatures, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::digest::{Encoding, Hash};
use super::jwt::{Algorithm, Jwt, Means};
use super::key::{Asymmetric, EcdsaForm};
use super::proof::Proof;
use super::request::Scope;
use super::signature::{Place, Signature, SignedBy, TimestampPlace};
use super::template::Variable;
use super::token::{Token, TokenPlace, basic};
use super::{Refusal, Verification};
use crate::RawRequest;

/// Seconds after which a token that we issue expires.
const TOKEN_SECONDS: i64 = 300;

/// What to sign with.
#[derive(Clone, Copy)]
pub struct SigningKey<'k> {
    /// The shared secret.
    pub secret: &'k str,
    /// The private key: for Ed25519 the seed in hexadecimal or base64, else PKCS #8 as PEM.
    pub private: &'k str,
}

/// Why something cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsignable {
    /// The key is not of the kind that signs so.
    #[error("the key is not of the kind or encoding that this sender signs with")]
    Key,
    /// The draft lacks something that is signed.
    #[error("the request cannot be signed: {0}")]
    Draft(Refusal),
    /// Only the sender can sign so.
    #[error("only the sender itself can sign such a request")]
    OnlySender,
}

impl From<Refusal> for Unsignable {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoKey | Refusal::BadKey(_) => Self::Key,
            refusal => Self::Draft(refusal),
        }
    }
}

impl<'k> SigningKey<'k> {
    /// A key that is the secret or the private key, whichever is needed.
    #[must_use]
    pub const fn new(key: &'k str) -> Self {
        Self { secret: key, private: key }
    }
}

/// Completes `draft` as the sender would send it at `now`: with signature, timestamp and whatever else is signed and
/// not there yet. Of alternatives the first is taken. `random` is used by RSA and ECDSA.
///
/// # Errors
/// Why it cannot be signed.
pub fn sign(
    verification: &Verification,
    key: SigningKey<'_>,
    draft: RawRequest,
    now: Timestamp,
    random: &dyn SecureRandom,
) -> Result<RawRequest, Unsignable> {
    Pen { key, now, random }.sign(&verification.proof, draft)
}

struct Pen<'p> {
    key: SigningKey<'p>,
    now: Timestamp,
    random: &'p dyn SecureRandom,
}

impl Pen<'_> {
    fn sign(&self, proof: &Proof, mut draft: RawRequest) -> Result<RawRequest, Unsignable> {
        match proof {
            Proof::Signature(signature) => self.sign_content(signature, draft),
            Proof::Jwt(jwt) => {
                let token = self.issue(jwt, &draft)?;
                set(&mut draft, &jwt.header, &format!("{}{token}", jwt.prefix))?;
                Ok(draft)
            }
            Proof::Token(token) => self.show(token, draft),
            Proof::Sns => Err(Unsignable::OnlySender),
            Proof::AnyOf(proofs) => {
                proofs.first().map_or(Err(Unsignable::OnlySender), |first| self.sign(first, draft))
            }
        }
    }

    fn sign_content(&self, signature: &Signature, mut draft: RawRequest) -> Result<RawRequest, Unsignable> {
        if let Some(each) = &signature.each {
            return self.sign_each(signature, each, draft);
        }
        let ts = self.put_timestamp(signature, &mut draft)?;
        put_digest(signature, &mut draft);
        let id = put_headers(signature, &mut draft)?;
        let mut scope = Scope::of(&draft);
        (scope.ts, scope.id, scope.secret) = (ts.clone(), id, Some(self.key.secret.to_owned()));
        scope.is_body_in_url =
            signature.body_hash_query.as_ref().is_some_and(|name| draft.query_field(name).is_some());
        let bytes = self.code(signature, &signature.message(&scope)?.concat())?;
        drop(scope);
        let code = format!("{}{}", signature.prefix, signature.encoding.encode(&bytes));
        match &signature.place {
            Place::Headers(names) => set(&mut draft, &names[0], &in_pairs(signature, ts, code))?,
            Place::Body(path) => edit(&mut draft, |body| path.put(body, Value::String(code)))?,
        }
        Ok(draft)
    }

    fn sign_each(
        &self,
        signature: &Signature,
        each: &super::json::Path,
        mut draft: RawRequest,
    ) -> Result<RawRequest, Unsignable> {
        let Place::Body(path) = &signature.place else { return Err(Unsignable::OnlySender) };
        let body: Value = serde_json::from_slice(&draft.body).map_err(|_| Refusal::UnreadableBody)?;
        let mut elements =
            each.of(&body).and_then(Value::as_array).cloned().ok_or(Refusal::UnreadableBody)?;
        for element in &mut elements {
            let code = {
                let mut scope = Scope::of(&draft);
                scope.element = Some(element);
                self.code(signature, &signature.message(&scope)?.concat())?
            };
            path.put(element, Value::String(signature.encoding.encode(&code)));
        }
        edit(&mut draft, |body| each.put(body, Value::Array(elements)))?;
        Ok(draft)
    }

    /// The timestamp, in its place and as it is signed.
    fn put_timestamp(
        &self,
        signature: &Signature,
        draft: &mut RawRequest,
    ) -> Result<Option<String>, Unsignable> {
        let Some(timestamp) = &signature.timestamp else { return Ok(None) };
        let written = timestamp.format.write(self.now);
        match &timestamp.place {
            TimestampPlace::Headers(names) => set(draft, &names[0], &written)?,
            TimestampPlace::Body(path) => {
                let number = written.parse::<i64>().map(Value::from);
                edit(draft, |body| {
                    path.put(body, number.unwrap_or_else(|_| Value::String(written.clone())));
                })?;
            }
            TimestampPlace::Key(_) => {}
        }
        Ok(Some(written))
    }

    fn code(&self, signature: &Signature, message: &[u8]) -> Result<Vec<u8>, Unsignable> {
        match &signature.by {
            SignedBy::Hmac { hash, key_encoding, key_prefix } => {
                let secret = self.key.secret;
                let key = key_encoding.decode(secret.strip_prefix(&**key_prefix).unwrap_or(secret));
                Ok(hash.mac(&key.ok_or(Unsignable::Key)?, &[message]))
            }
            SignedBy::Hash(hash) => Ok(hash.digest(&[message])),
            SignedBy::Private { algorithm, .. } => self.sign_privately(*algorithm, message),
        }
    }

    fn sign_privately(&self, algorithm: Asymmetric, message: &[u8]) -> Result<Vec<u8>, Unsignable> {
        let private = self.key.private.trim();
        if algorithm == Asymmetric::Ed25519 {
            let seed = Encoding::Hex
                .decode(private)
                .or_else(|| Encoding::Base64.decode(private))
                .unwrap_or_default();
            let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| Unsignable::Key)?;
            return Ok(pair.sign(message).as_ref().to_vec());
        }
        let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(private.as_bytes()).map_err(|_| Unsignable::Key)?;
        let pkcs8 = pkcs8.secret_pkcs8_der();
        match algorithm {
            Asymmetric::Ecdsa(form) => {
                let form = match form {
                    EcdsaForm::Der => &signatures::ECDSA_P256_SHA256_ASN1_SIGNING,
                    EcdsaForm::Fixed => &signatures::ECDSA_P256_SHA256_FIXED_SIGNING,
                };
                let pair = EcdsaKeyPair::from_pkcs8(form, pkcs8, self.random).map_err(|_| Unsignable::Key)?;
                let signed = pair.sign(self.random, message).map_err(|_| Unsignable::Key)?;
                Ok(signed.as_ref().to_vec())
            }
            Asymmetric::Rsa(hash) => {
                let padding: &dyn signatures::RsaEncoding = match hash {
                    Hash::Sha256 => &signatures::RSA_PKCS1_SHA256,
                    Hash::Sha384 => &signatures::RSA_PKCS1_SHA384,
                    Hash::Sha512 => &signatures::RSA_PKCS1_SHA512,
                    // What is old is still verified, but not made any more.
                    Hash::Md5 | Hash::Sha1 => return Err(Unsignable::OnlySender),
                };
                let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| Unsignable::Key)?;
                let mut signed = vec![0; pair.public().modulus_len()];
                pair.sign(padding, self.random, message, &mut signed).map_err(|_| Unsignable::Key)?;
                Ok(signed)
            }
            Asymmetric::Ed25519 => Err(Unsignable::Key),
        }
    }

    fn issue(&self, jwt: &Jwt, draft: &RawRequest) -> Result<String, Unsignable> {
        let algorithm: Algorithm = *jwt.algorithms.first().ok_or(Unsignable::OnlySender)?;
        let now = self.now.as_seconds();
        let mut claims = json!({"iat": now, "exp": now + TOKEN_SECONDS});
        for (name, value) in [("iss", &jwt.issuer), ("aud", &jwt.audience)] {
            if let Some(value) = value {
                claims[name] = json!(value);
            }
        }
        if let Some(claim) = &jwt.body_hash_claim {
            claims[claim] = json!(jwt.body_hash_encoding.encode(&Hash::Sha256.digest(&[&draft.body])));
        }
        let part = |value: &Value| Encoding::Base64url.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&json!({"alg": algorithm, "typ": "JWT"})), part(&claims));
        let signature = match algorithm.means() {
            Means::Shared(hash) => {
                let secret = self.key.secret;
                let key = jwt.key_encoding.decode(secret.strip_prefix(&*jwt.key_prefix).unwrap_or(secret));
                hash.mac(&key.ok_or(Unsignable::Key)?, &[&signed])
            }
            Means::Private(algorithm) => self.sign_privately(algorithm, signed.as_bytes())?,
        };
        Ok(format!("{signed}.{}", Encoding::Base64url.encode(&signature)))
    }

    fn show(&self, token: &Token, mut draft: RawRequest) -> Result<RawRequest, Unsignable> {
        let secret = self.key.secret;
        match &token.place {
            TokenPlace::Header { name, prefix } => set(&mut draft, name, &format!("{prefix}{secret}"))?,
            TokenPlace::Basic => set(&mut draft, &header::AUTHORIZATION, &basic(secret))?,
            TokenPlace::Query(name) => add_to_query(&mut draft, name, secret),
            TokenPlace::Body(path) => {
                edit(&mut draft, |body| path.put(body, Value::String(secret.to_owned())))?;
            }
        }
        Ok(draft)
    }
}

/// A body that is no form is signed through its digest in the URL, where the sender does that.
fn put_digest(signature: &Signature, draft: &mut RawRequest) {
    let Some(name) = &signature.body_hash_query else { return };
    let is_form = signature.template.uses(&Variable::FormSorted) && Scope::of(draft).form_sorted().is_some();
    if !is_form && draft.query_field(name).is_none() {
        let digest = hex::encode(Hash::Sha256.digest(&[&draft.body]));
        add_to_query(draft, name, &digest);
    }
}

/// Makes up the headers that are signed and that the draft lacks; answers the id. They follow from the body, so that
/// the same draft is signed the same way again.
fn put_headers(signature: &Signature, draft: &mut RawRequest) -> Result<Option<String>, Unsignable> {
    let made_up = format!("msg_{}", &hex::encode(Hash::Sha256.digest(&[&draft.body]))[..24]);
    let signed = signature.template.holes().filter_map(|hole| match &hole.variable {
        Variable::Header(name) => Some(name),
        _ => None,
    });
    for name in signed.chain(signature.id_headers.first()) {
        if !draft.headers.contains_key(name) {
            set(draft, name, &made_up)?;
        }
    }
    Ok(draft.first_header(&signature.id_headers)?.map(str::to_owned))
}

/// `code` with its name and the timestamp, where the header is made of pairs.
fn in_pairs(signature: &Signature, ts: Option<String>, code: String) -> String {
    let (Some(pairs), Some(separator)) = (&signature.pairs, &signature.separator) else { return code };
    let equals = &pairs.key_value_separator;
    let code = format!("{}{equals}{code}", pairs.signature_keys[0]);
    match (signature.timestamp.as_ref().map(|timestamp| &timestamp.place), ts) {
        (Some(TimestampPlace::Key(key)), Some(ts)) => format!("{key}{equals}{ts}{separator}{code}"),
        _ => code,
    }
}

fn set(draft: &mut RawRequest, name: &HeaderName, value: &str) -> Result<(), Unsignable> {
    let value = HeaderValue::from_str(value).map_err(|_| Refusal::UnreadableHeader(name.clone()))?;
    draft.headers.insert(name, value);
    Ok(())
}

fn edit(draft: &mut RawRequest, change: impl FnOnce(&mut Value)) -> Result<(), Unsignable> {
    let mut body = serde_json::from_slice(&draft.body).map_err(|_| Refusal::UnreadableBody)?;
    change(&mut body);
    draft.body = body.to_string().into();
    Ok(())
}

fn add_to_query(draft: &mut RawRequest, name: &str, value: &str) {
    if let Ok(mut url) = Url::parse(&draft.url) {
        url.query_pairs_mut().append_pair(name, value);
        draft.url = url.into();
    } else {
        let pair: String = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
        draft.url = format!("{}?{pair}", draft.url);
    }
}

impl std::fmt::Debug for SigningKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}
