//! Who is asking: the admin key, a user's key, or a user's token, shown as a bearer or held in a browser's session.
//!
//! Handlers take what they may touch as an argument: [`Bearer`] for anyone who is known, [`Operator`] for the admin key
//! alone. What belongs to somebody is loaded and checked by the extractors of `api/owned.rs`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::mac::Mac;
use domain::subscription::TypePattern;
use domain::{Access, Timestamp, UserId};
use engine::realtime::Grant;
use engine::vault::Vault;
use http::HeaderMap;
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
use crate::session::{self, Held};
use crate::sign_in::SignIns;

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
    /// Seals browsers' sessions.
    vault: Vault,
    remembered: Cache<KeyDigest, Option<Access>>,
    /// Links that begin a session.
    pub(crate) sign_ins: SignIns,
}

/// Somebody who is known.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// What they may do, and until when.
    pub(crate) grant: Grant,
    /// Of the key or token that they have shown: whose rate it is.
    pub(crate) digest: KeyDigest,
}

impl Doorkeeper {
    pub(crate) fn new(store: Arc<dyn Store>, admin_key: Option<&str>, tokens: Tokens, vault: Vault) -> Self {
        let remembered =
            Cache::builder().max_capacity(KEYS_REMEMBERED_MAX).time_to_live(KEY_BELIEVED_FOR).build();
        let sign_ins = SignIns::default();
        Self { store, admin: admin_key.map(digest), tokens, vault, remembered, sign_ins }
    }

    /// Whoever shows `bearer`, a key or a token.
    pub(crate) async fn admit(&self, bearer: &str, now: Timestamp) -> Result<Admitted> {
        let digest = digest(bearer);
        match self.tokens.read(bearer, now) {
            Some(grant) => Ok(Admitted { grant, digest }),
            None => self.admit_key(digest).await,
        }
    }

    /// Whoever sends these headers: under a bearer, or in a browser's session. `None` where they name neither.
    pub(crate) async fn admit_headers(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Option<Result<Admitted>> {
        match (bearer_of(headers), session::cookie_of(headers)) {
            (Some(""), _) => Some(Err(no_bearer())),
            (Some(bearer), _) => Some(self.admit(bearer, now).await),
            (None, Some(cookie)) => Some(self.admit_session(cookie, now).await),
            (None, None) => None,
        }
    }

    async fn admit_session(&self, cookie: &str, now: Timestamp) -> Result<Admitted> {
        let (held, expires_at) = session::open(&self.vault, cookie, now).ok_or_else(unknown)?;
        let mut admitted = match held {
            Held::Key(digest) => self.admit_key(digest).await?,
            Held::Token(token) => self.admit(&token, now).await?,
        };
        let grant = &mut admitted.grant;
        grant.expires_at = Some(grant.expires_at.map_or(expires_at, |sooner| sooner.min(expires_at)));
        Ok(admitted)
    }

    /// The value of a cookie that opens what `bearer` opens, and until when.
    pub(crate) async fn begin_session(&self, bearer: &str, now: Timestamp) -> Result<(String, Grant)> {
        let grant = self.admit(bearer, now).await?.grant;
        let is_token = grant.key.is_none() && grant.expires_at.is_some();
        let held = if is_token { Held::Token(bearer.to_owned()) } else { Held::Key(digest(bearer)) };
        Ok(self.seal_session(&held, grant, now))
    }

    /// The same for whoever shows the code of a link.
    pub(crate) async fn begin_session_by_code(&self, code: &str, now: Timestamp) -> Result<(String, Grant)> {
        let spent = || Problem::unauthorized("the link has been used already, or has expired");
        let key = self.sign_ins.take(code, now).ok_or_else(spent)?;
        let grant = self.admit_key(key).await?.grant;
        Ok(self.seal_session(&Held::Key(key), grant, now))
    }

    fn seal_session(&self, held: &Held, mut grant: Grant, now: Timestamp) -> (String, Grant) {
        let longest = now.plus(session::LASTS);
        let expires_at = grant.expires_at.map_or(longest, |sooner| sooner.min(longest));
        grant.expires_at = Some(expires_at);
        (session::seal(&self.vault, held, expires_at), grant)
    }

    /// The digests are compared, not the keys: how long that takes says nothing about a key.
    async fn admit_key(&self, digest: KeyDigest) -> Result<Admitted> {
        if self.admin == Some(digest) {
            return Ok(Admitted { grant: Grant::of(Access::Admin), digest });
        }
        let known = match self.remembered.get(&digest) {
            Some(known) => known,
            None => {
                let key = self.store.key(&digest).await?;
                let access = key.map(|key| key.user_id.map_or(Access::Admin, Access::User));
                self.remembered.insert(digest, access.clone());
                access
            }
        };
        let access = known.ok_or_else(unknown)?;
        Ok(Admitted { grant: Grant { key: Some(digest), ..Grant::of(access) }, digest })
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }
}

fn no_bearer() -> Problem {
    Problem::unauthorized("send `Authorization: Bearer <key or token>`")
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

/// Makes and reads users' tokens: JWTs under keys that are derived from the secret keys. The newest makes them, and all
/// of them read them.
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: Vec<DecodingKey>,
    validation: Validation,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    iat: i64,
    exp: i64,
    /// The types of events that it is good for; where it names none, everything of the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    types: Option<Vec<TypePattern>>,
}

impl Tokens {
    pub(crate) fn new(newest: &[u8; 32], former: &[[u8; 32]]) -> Self {
        let derived = |key: &[u8; 32]| Mac::new(key).sign(&[b"waystation user tokens v1"]);
        let all = std::iter::once(newest).chain(former);
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        // The time is ours to say; the library would read the system's.
        validation.validate_exp = false;
        Self {
            encoding: EncodingKey::from_secret(&derived(newest)),
            decoding: all.map(|key| DecodingKey::from_secret(&derived(key))).collect(),
            validation,
        }
    }

    /// A token for `user` that is good until `expires_at`, to the second: for everything of theirs, or only for streams
    /// of events of these types.
    pub(crate) fn issue(
        &self,
        user: &UserId,
        types: Option<Vec<TypePattern>>,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<String> {
        let (iat, exp) = (now.as_seconds(), expires_at.as_seconds());
        let claims = Claims { sub: user.to_string(), iat, exp, types };
        jsonwebtoken::encode(&Header::default(), &claims, &self.encoding).map_err(|error| {
            tracing::error!(%error, "a token could not be made");
            Problem::internal()
        })
    }

    fn read(&self, token: &str, now: Timestamp) -> Option<Grant> {
        let read = |key| jsonwebtoken::decode::<Claims>(token, key, &self.validation).ok();
        let claims = self.decoding.iter().find_map(read)?.claims;
        let user = claims.sub.parse().ok().filter(|_| claims.exp > now.as_seconds())?;
        let expires_at = Some(Timestamp::from_seconds(claims.exp));
        Some(Grant { types: claims.types, expires_at, ..Grant::of(Access::User(user)) })
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
        let admitted = app.doorkeeper.admit_headers(&parts.headers, app.engine.clock.now()).await;
        let Admitted { grant, digest } = admitted.unwrap_or_else(|| Err(no_bearer()))?;
        if bearer_of(&parts.headers).is_none() && !parts.method.is_safe() {
            session::check_origin(&parts.headers, app.base_url.as_deref())?;
        }
        if grant.access != Access::Admin {
            let standing = app.limits.api(&digest);
            if let Some(told) = parts.extensions.get::<StandingOfBearer>() {
                // Once a request: a handler that takes two extractors asks twice, and the first is told.
                let _told_already = told.0.set(standing);
            }
            standing.admits()?;
        }
        if grant.types.is_some() {
            return Err(Problem::only_for_streams());
        }
        Ok(Self(grant.access))
    }
}

/// The key or token in the header `Authorization`.
pub(crate) fn bearer_of(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(AUTHORIZATION)?;
    // A header that is there and names no bearer is a wrong bearer, whatever the browser holds.
    let bearer = header.to_str().ok().and_then(|value| value.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Some(bearer.map_or("", |(_, key)| key.trim()))
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
        let tokens = Tokens::new(&[1; 32], &[]);
        let (now, later) = (Timestamp::from_seconds(1_000), Timestamp::from_seconds(1_900));
        let user: UserId = "alice".parse().unwrap();
        let token = tokens.issue(&user, None, now, later).unwrap();
        let grant = tokens.read(&token, Timestamp::from_seconds(1_899)).unwrap();
        assert_eq!((grant.access, grant.expires_at), (Access::User(user), Some(later)));
        assert!(tokens.read(&token, later).is_none(), "no leeway");
        assert!(Tokens::new(&[2; 32], &[]).read(&token, now).is_none(), "another key");
        assert!(Tokens::new(&[2; 32], &[[1; 32]]).read(&token, now).is_some(), "a former key");
        // An unsigned token with the same claims.
        let claims = token.split('.').nth(1).unwrap();
        assert!(tokens.read(&format!("eyJhbGciOiJub25lIn0.{claims}."), now).is_none());
    }
}
