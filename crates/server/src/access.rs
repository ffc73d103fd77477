//! Who is asking: the admin key, a user's key, or a user's token.
//!
//! Handlers take what they may touch as an argument: [`Bearer`] for anyone who is known, [`Operator`] for the admin key
//! alone. What belongs to somebody is loaded and checked by the extractors of `api/owned.rs`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::mac::Mac;
use domain::{Access, Timestamp, UserId};
use http::header::AUTHORIZATION;
use http::request::Parts;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use store::{KeyDigest, Store};

use crate::app::App;
use crate::limit::StandingOfBearer;
use crate::problem::{Problem, Result};

/// How long a revoked key may still be believed. It bounds what a lookup for each request would cost.
const KEY_BELIEVED_FOR: Duration = Duration::from_secs(3);

/// Keys that are remembered, known or not.
const KEYS_REMEMBERED_MAX: u64 = 10_000;

/// The longest life of a user's token, in seconds.
pub(crate) const TOKEN_TTL_SECONDS_MAX: u32 = 86_400;

/// Tells who is asking.
#[derive(Debug)]
pub(crate) struct Doorkeeper {
    store: Arc<dyn Store>,
    /// The digest of the admin key that the configuration sets.
    admin: Option<KeyDigest>,
    tokens: Tokens,
    remembered: Cache<KeyDigest, Option<Access>>,
}

impl Doorkeeper {
    pub(crate) fn new(store: Arc<dyn Store>, admin_key: Option<&str>, tokens: Tokens) -> Self {
        let remembered =
            Cache::builder().max_capacity(KEYS_REMEMBERED_MAX).time_to_live(KEY_BELIEVED_FOR).build();
        Self { store, admin: admin_key.map(digest), tokens, remembered }
    }

    async fn admit(&self, bearer: &str, now: Timestamp) -> Result<Access> {
        // The digests are compared, not the keys: how long that takes says nothing about a key.
        let digest = digest(bearer);
        if self.admin == Some(digest) {
            return Ok(Access::Admin);
        }
        if let Some(user) = self.tokens.read(bearer, now) {
            return Ok(Access::User(user));
        }
        if let Some(known) = self.remembered.get(&digest) {
            return known.ok_or_else(unknown);
        }
        let key = self.store.key(&digest).await?;
        let access = key.map(|key| key.user_id.map_or(Access::Admin, Access::User));
        self.remembered.insert(digest, access.clone());
        access.ok_or_else(unknown)
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }
}

fn unknown() -> Problem {
    Problem::unauthorized("the bearer is no key or token that is known here")
}

/// What is kept of a key.
pub(crate) fn digest(key: &str) -> KeyDigest {
    Sha256::digest(key).into()
}

/// A fresh API key: 256 random bits.
pub(crate) fn fresh_key() -> String {
    let mut bytes = [0; 32];
    rand::Rng::fill_bytes(&mut engine::chance::rng(), &mut bytes);
    format!("wsk_{}", hex::encode(bytes))
}

/// A fresh token for the address of a source: 256 random bits.
pub(crate) fn fresh_source_token() -> String {
    let mut bytes = [0; 32];
    rand::Rng::fill_bytes(&mut engine::chance::rng(), &mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Makes and reads users' tokens: JWTs under a key that is derived from the secret key.
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    iat: i64,
    exp: i64,
}

impl Tokens {
    pub(crate) fn new(secret_key: &[u8; 32]) -> Self {
        let key = Mac::new(secret_key).sign(&[b"waystation user tokens v1"]);
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        // The time is ours to say; the library would read the system's.
        validation.validate_exp = false;
        Self {
            encoding: EncodingKey::from_secret(&key),
            decoding: DecodingKey::from_secret(&key),
            validation,
        }
    }

    /// A token for `user` that is good until `expires_at`, to the second.
    pub(crate) fn issue(&self, user: &UserId, now: Timestamp, expires_at: Timestamp) -> Result<String> {
        let claims = Claims { sub: user.to_string(), iat: now.as_seconds(), exp: expires_at.as_seconds() };
        jsonwebtoken::encode(&Header::default(), &claims, &self.encoding).map_err(|error| {
            tracing::error!(%error, "a token could not be made");
            Problem::internal()
        })
    }

    fn read(&self, token: &str, now: Timestamp) -> Option<UserId> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?.claims;
        (claims.exp > now.as_seconds()).then(|| claims.sub.parse().ok()).flatten()
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

/// Anyone who is known.
#[derive(Debug)]
pub(crate) struct Bearer(pub(crate) Access);

impl FromRequestParts<Arc<App>> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = header.and_then(|value| value.split_once(' '));
        let bearer =
            bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key.trim());
        let bearer =
            bearer.ok_or_else(|| Problem::unauthorized("send `Authorization: Bearer <key or token>`"))?;
        let access = app.doorkeeper.admit(bearer, app.engine.clock.now()).await?;
        if access != Access::Admin {
            let standing = app.limits.api(&digest(bearer));
            if let Some(told) = parts.extensions.get::<StandingOfBearer>() {
                // Once a request: a handler that takes two extractors asks twice, and the first is told.
                let _told_already = told.0.set(standing);
            }
            standing.admits()?;
        }
        Ok(Self(access))
    }
}

/// The admin key.
#[derive(Debug)]
pub(crate) struct Operator;

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let Bearer(access) = Bearer::from_request_parts(parts, app).await?;
        access.check(None)?;
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_for_its_user_until_it_expires() {
        let tokens = Tokens::new(&[1; 32]);
        let (now, later) = (Timestamp::from_seconds(1_000), Timestamp::from_seconds(1_900));
        let user: UserId = "alice".parse().unwrap();
        let token = tokens.issue(&user, now, later).unwrap();
        assert_eq!(tokens.read(&token, Timestamp::from_seconds(1_899)), Some(user));
        assert_eq!(tokens.read(&token, later), None, "no leeway");
        assert_eq!(Tokens::new(&[2; 32]).read(&token, now), None, "another key");
        // An unsigned token with the same claims.
        let claims = token.split('.').nth(1).unwrap();
        assert_eq!(tokens.read(&format!("eyJhbGciOiJub25lIn0.{claims}."), now), None);
    }
}
