//! That whoever comes back from a provider is the browser that has set out.
//!
//! A browser that asks where it may grant access gets a cookie with a random mark, and what it takes along to the
//! provider holds the mark's digest. Who could have others come back in their place would get others' accounts: they
//! would be asked by a provider that they know, for an application that they know, and it would not be theirs.
//!
//! The cookie is not taken back: what it belongs to counts once, and ends when it does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Access;
use engine::connections::BrowserDigest;
use engine::limits::AUTHORIZATION_TIMEOUT;
use http::header::HOST;
use http::{HeaderMap, HeaderValue};
use url::{Host, Position, Url};

use crate::access::{bearer_of, digest};
use crate::problem::{Problem, Result};
use crate::session::cookies;

/// What the cookies' names begin with. Each goes on with a part of the digest, so that several may be under way in one
/// browser.
const NAME: &str = "waystation_oauth_";
const NAMED_BY_BYTES: usize = 6;

/// What one browser holds.
pub(crate) struct Mark(String);

impl Mark {
    /// 256 random bits.
    pub(crate) fn new() -> Self {
        let mut bytes = [0; 32];
        rand::Rng::fill_bytes(&mut engine::chance::rng(), &mut bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What may be known of it elsewhere.
    pub(crate) fn digest(&self) -> BrowserDigest {
        digest(&self.0)
    }

    /// The header that has a browser keep it until it comes back to `redirect_uri`. No script can read it. It goes
    /// along when another site sends the browser there, and nowhere else.
    pub(crate) fn cookie(&self, redirect_uri: &str) -> Result<HeaderValue> {
        let url = Url::parse(redirect_uri).map_err(|_| Problem::internal())?;
        let secure = if url.scheme() == "https" { "; Secure" } else { "" };
        let (name, seconds) =
            (hex::encode(&self.digest()[..NAMED_BY_BYTES]), AUTHORIZATION_TIMEOUT.as_secs());
        let (path, value) = (url.path(), &self.0);
        let cookie =
            format!("{NAME}{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::from_str(&cookie).map_err(|_| Problem::internal())
    }
}

/// Whether it is the browser itself that asks, or somebody who has to vouch for it by asking in it.
///
/// The admin key is held by an application's server. It asks on behalf of a browser that a cookie on the answer would
/// not reach, and it knows who is signed in there. A user's key or token may be in the hands of whoever means ill, so
/// it never may do without. A session is a browser's; one at another address than that of `redirect_uri`, as behind a
/// tunnel, would not bring the cookie there.
pub(crate) fn is_asking(access: &Access, headers: &HeaderMap, redirect_uri: &str) -> bool {
    match access {
        Access::User(_) => true,
        Access::Admin => bearer_of(headers).is_none() && is_at(headers, redirect_uri),
    }
}

/// Whether a browser on this machine has come here by another of the machine's names than `redirect_uri` has, as by
/// `localhost` where that says `127.0.0.1`. A cookie of the one is none of the other, and would not come back.
pub(crate) fn is_under_another_name(headers: &HeaderMap, redirect_uri: &str) -> bool {
    let Ok(url) = Url::parse(redirect_uri) else { return false };
    let Ok(asked) = Url::parse(&format!("{}://{}/", url.scheme(), host_of(headers))) else { return false };
    let is_same_port = asked.port_or_known_default() == url.port_or_known_default();
    is_same_port && is_this_machine(&asked) && is_this_machine(&url) && asked.host() != url.host()
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn is_at(headers: &HeaderMap, url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url[Position::BeforeHost..Position::AfterPort] == *host_of(headers))
}

fn host_of(headers: &HeaderMap) -> &str {
    headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// The digests of the marks that a browser sends.
pub(crate) fn marks_of(headers: &HeaderMap) -> impl Iterator<Item = BrowserDigest> {
    cookies(headers).filter(|(name, _)| name.starts_with(NAME)).map(|(_, mark)| digest(mark))
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, COOKIE};

    use super::*;

    const BACK: &str = "https://hooks.example/way/api/oauth/github/callback";

    fn headers(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_mark_is_known_by_the_cookie_that_comes_back() {
        let (mark, other) = (Mark::new(), Mark::new());
        let cookie = mark.cookie(BACK).unwrap();
        let (pair, terms) = cookie.to_str().unwrap().split_once("; ").unwrap();
        assert_eq!(
            terms,
            "Path=/way/api/oauth/github/callback; Max-Age=1800; HttpOnly; SameSite=Lax; Secure"
        );
        let sent = headers(&[(COOKIE, &format!("a=b; {pair}; waystation_session=x"))]);
        assert_eq!(marks_of(&sent).collect::<Vec<_>>(), [mark.digest()]);
        assert_ne!(mark.digest(), other.digest());
        assert_eq!(marks_of(&headers(&[])).count(), 0);
        assert!(!mark.cookie("http://localhost/x").unwrap().to_str().unwrap().contains("Secure"));
    }

    #[test]
    fn only_whoever_may_do_everything_asks_for_another_browser() {
        let user = Access::User("alice".parse().unwrap());
        let (bearer, host) = ((AUTHORIZATION, "Bearer x"), (HOST, "hooks.example"));
        assert!(is_asking(&user, &headers(&[bearer.clone(), host.clone()]), BACK));
        assert!(is_asking(&user, &headers(&[]), BACK));
        assert!(
            !is_asking(&Access::Admin, &headers(&[bearer, host.clone()]), BACK),
            "an application's server"
        );
        assert!(is_asking(&Access::Admin, &headers(&[host]), BACK), "a session");
        let elsewhere = headers(&[(HOST, "localhost:8400")]);
        assert!(!is_asking(&Access::Admin, &elsewhere, BACK), "the cookie would not come back");
    }

    #[test]
    fn a_machine_has_names_whose_cookies_are_not_each_others() {
        let is_another = |host: &str, back: &str| is_under_another_name(&headers(&[(HOST, host)]), back);
        let back = "http://127.0.0.1:8400/api/oauth/github/callback";
        for host in ["localhost:8400", "way.localhost:8400", "[::1]:8400", "127.0.0.2:8400"] {
            assert!(is_another(host, back), "{host}");
        }
        // The same; another program, which hands on what it is asked; a name of the world's; and no name.
        for host in ["127.0.0.1:8400", "localhost:5173", "hooks.example:8400", "", "a b"] {
            assert!(!is_another(host, back), "{host}");
        }
        assert!(!is_another("localhost:8400", BACK), "who is asked may be behind somebody else");
        assert!(is_another("127.0.0.1", "http://localhost/api/oauth/github/callback"));
    }
}
