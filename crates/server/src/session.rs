//! A browser's session: a cookie that holds, sealed, what a key or a token opens.
//!
//! The cookie is the whole session, so it is good at every node and after a restart. A key is in it as its digest and
//! is looked up each time: one that is revoked opens nothing, in a session either.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Timestamp;
use engine::vault::Vault;
use http::header::{COOKIE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue};
use store::KeyDigest;
use url::{Position, Url};

use crate::problem::{Problem, Result};

/// How long a session lasts. Somebody who looks in daily signs in once a week.
pub(crate) const LASTS: Duration = Duration::from_secs(7 * 24 * 3_600);

const NAME: &str = "waystation_session";

/// The row that sealed sessions belong to. Nothing else is sealed for it.
const ROW: &str = "session";

/// What a session stands for.
pub(crate) enum Held {
    /// The key with this digest.
    Key(KeyDigest),
    /// This token.
    Token(String),
}

/// The value of a cookie that holds `held` until `expires_at`: eight bytes of that time in microseconds, a letter, and
/// the digest or the token, sealed.
pub(crate) fn seal(vault: &Vault, held: &Held, expires_at: Timestamp) -> String {
    let (kind, secret) = match held {
        Held::Key(digest) => (b'k', digest.as_slice()),
        Held::Token(token) => (b't', token.as_bytes()),
    };
    let text = [&expires_at.as_micros().to_be_bytes()[..], &[kind], secret].concat();
    URL_SAFE_NO_PAD.encode(vault.seal(ROW, &text))
}

/// What the value of a cookie holds, and until when; `None` if it is not one of ours, or has expired.
pub(crate) fn open(vault: &Vault, cookie: &str, now: Timestamp) -> Option<(Held, Timestamp)> {
    let text = vault.open(ROW, &URL_SAFE_NO_PAD.decode(cookie).ok()?).ok()?;
    let (expires_at, rest) = text.split_first_chunk()?;
    let expires_at = Timestamp::from_micros(i64::from_be_bytes(*expires_at));
    let held = match rest.split_first()? {
        (b'k', digest) => Held::Key(digest.try_into().ok()?),
        (b't', token) => Held::Token(String::from_utf8(token.to_vec()).ok()?),
        _ => return None,
    };
    (now < expires_at).then_some((held, expires_at))
}

/// The session that a browser sends with a request.
pub(crate) fn cookie_of(headers: &HeaderMap) -> Option<&str> {
    cookies(headers).filter(|(name, _)| *name == NAME).map(|(_, value)| value).next()
}

/// All cookies of a request, by their names.
pub(crate) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// The header that has a browser keep `value` for `seconds`, or forget it where they are 0. No script can read it, and
/// it goes with no request that comes from another site.
pub(crate) fn set_cookie(value: &str, seconds: u64, base_url: Option<&str>) -> Result<HeaderValue> {
    let secure = if base_url.is_some_and(|url| url.starts_with("https://")) { "; Secure" } else { "" };
    let cookie = format!("{NAME}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&cookie).map_err(|_| Problem::internal())
}

/// Passes unless a browser says that the request comes from a page of another origin. Pages of the same site may be
/// somebody else's: for `SameSite` all ports of a host are one site.
///
/// # Errors
/// It comes from elsewhere.
pub(crate) fn check_origin(headers: &HeaderMap, base_url: Option<&str>) -> Result<()> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let Some(origin) = text(ORIGIN) else { return Ok(()) };
    let is_ours = Url::parse(origin).is_ok_and(|origin| {
        let named = format!("{}://{}", origin.scheme(), text(HOST).unwrap_or_default());
        [Some(named.as_str()), base_url].into_iter().flatten().any(|ours| is_same(&origin, ours))
    });
    if is_ours { Ok(()) } else { Err(Problem::foreign_origin()) }
}

fn is_same(origin: &Url, ours: &str) -> bool {
    let authority = |url: &Url| url[Position::BeforeHost..Position::AfterPort].to_owned();
    Url::parse(ours).is_ok_and(|ours| {
        ours.has_host() && ours.scheme() == origin.scheme() && authority(&ours) == authority(origin)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_session_holds_what_was_sealed_until_it_expires() {
        let vault = Vault::new(&[7; 32]);
        let (now, end) = (Timestamp::from_seconds(10), Timestamp::from_seconds(20));
        let cookie = seal(&vault, &Held::Key([3; 32]), end);
        assert!(matches!(open(&vault, &cookie, now), Some((Held::Key(digest), _)) if digest == [3; 32]));
        assert!(open(&vault, &cookie, end).is_none());
        assert!(open(&Vault::new(&[8; 32]), &cookie, now).is_none());
        assert!(open(&vault, "", now).is_none());
        let cookie = seal(&vault, &Held::Token("a.b.c".to_owned()), end);
        assert!(matches!(open(&vault, &cookie, now), Some((Held::Token(token), _)) if token == "a.b.c"));
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let found = |value| cookie_of(&headers(&[("cookie", value)])).map(str::to_owned);
        assert_eq!(found("a=b; waystation_session=x=y ;c"), Some("x=y".to_owned()));
        assert_eq!(found("waystation_session2=x"), None);
        assert_eq!(cookie_of(&headers(&[])), None);
    }

    #[test]
    fn only_our_own_origins_pass() {
        let passes = |origin: &str, base_url| {
            check_origin(&headers(&[("origin", origin), ("host", "waystation.test:8400")]), base_url).is_ok()
        };
        assert!(passes("http://waystation.test:8400", None));
        assert!(passes("https://hooks.example", Some("https://hooks.example/")));
        assert!(passes("https://hooks.example", Some("https://hooks.example:443")));
        for foreign in
            ["null", "", "http://waystation.test", "http://waystation.test:8401", "https://evil.example"]
        {
            assert!(!passes(foreign, Some("https://hooks.example")), "{foreign}");
        }
        assert!(!passes("http://hooks.example", Some("https://hooks.example")), "another scheme");
        assert!(check_origin(&headers(&[("host", "a")]), None).is_ok(), "no browser says so");
    }
}
