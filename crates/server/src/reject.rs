//! What was refused at the door, as the operator will see it: bounded, and without what is secret.

use std::net::IpAddr;

use domain::RejectionId;
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value};
use store::Rejection;

use crate::app::App;

/// Bytes of a body that are kept.
const BODY_BYTES_MAX: usize = 4 * 1_024;

/// Bytes of all headers that are kept.
const HEADERS_BYTES_MAX: usize = 6 * 1_024;

/// Bytes of one text that is kept: a header, the route, or the reason.
const TEXT_BYTES_MAX: usize = 1_024;

/// What stands in the place of a secret.
const HIDDEN: &str = "(hidden)";

/// A request at the door.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit<'v> {
    /// Where it came in, without what is secret in it.
    pub(crate) route: &'v str,
    /// The source that it was for, as events name it.
    pub(crate) source: Option<&'v str>,
    /// The same for the metrics: one of a few.
    pub(crate) kind: &'static str,
    /// Who sent it.
    pub(crate) address: IpAddr,
    /// Its headers.
    pub(crate) headers: &'v HeaderMap,
    /// What has been read of its body.
    pub(crate) body: &'v [u8],
    /// A header in which its sender shows a secret.
    pub(crate) secret_header: Option<&'v HeaderName>,
}

/// Counts a request that was refused, and keeps it unless there are too many.
pub(crate) fn note(app: &App, visit: &Visit<'_>, reason: &'static str, detail: &str) {
    app.metrics.count_refused(visit.kind, reason);
    let rejections = &app.engine.rejections;
    // One stranger must not push all others out of the list.
    if app.limits.admits_rejection(visit.address) {
        rejections.keep(|| rejection(app, visit, reason, detail));
    } else {
        rejections.drop_one();
    }
}

fn rejection(app: &App, visit: &Visit<'_>, reason: &str, detail: &str) -> Rejection {
    // A flood must not fill the log either: it tells of what is kept.
    tracing::warn!(source = visit.source, address = %visit.address, reason, detail, "a request was refused");
    let now = app.engine.clock.now();
    let body = visit.body;
    Rejection {
        id: RejectionId::new(now, &mut engine::chance::rng()),
        at: now,
        route: cut(visit.route),
        source: visit.source.map(str::to_owned),
        address: visit.address.to_string(),
        reason: reason.to_owned(),
        detail: cut(detail),
        headers: shown(visit.headers, visit.secret_header),
        body: body[..body.len().min(BODY_BYTES_MAX)].to_vec(),
    }
}

/// The headers as a JSON object. Of those with one name the values follow one another.
fn shown(headers: &HeaderMap, secret: Option<&HeaderName>) -> String {
    let (mut shown, mut bytes) = (Map::new(), 0);
    for name in headers.keys() {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let text = if is_secret(name) || secret == Some(name) {
            HIDDEN.to_owned()
        } else {
            cut(&values.take(8).collect::<Vec<_>>().join(", "))
        };
        bytes += name.as_str().len() + text.len();
        if bytes > HEADERS_BYTES_MAX {
            break;
        }
        shown.insert(name.to_string(), Value::String(text));
    }
    Value::Object(shown).to_string()
}

/// Whether a header of that name shows what only its sender and we should know. A signature does not: it is good for
/// one body only.
fn is_secret(name: &HeaderName) -> bool {
    let words = ["auth", "token", "secret", "key", "cookie", "password", "credential", "session", "jwt"];
    words.iter().any(|word| name.as_str().contains(word))
}

/// At most [`TEXT_BYTES_MAX`] of a text, and nothing that a database would not keep.
fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    text[..end].replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, http::HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn headers_are_shown_without_secrets() {
        let headers = headers(&[
            ("authorization", b"Bearer hunter2"),
            ("cookie", b"hunter2"),
            ("unipile-auth", b"hunter2"),
            ("x-gitlab-token", b"hunter2"),
            ("x-door", b"hunter2"),
            ("x-hub-signature-256", b"sha256=00"),
            ("x-twice", b"one"),
            ("x-twice", b"two \xff"),
        ]);
        let text = shown(&headers, Some(&HeaderName::from_static("x-door")));
        assert!(!text.contains("hunter2"), "{text}");
        let shown: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(shown["authorization"], HIDDEN);
        assert_eq!(shown["x-hub-signature-256"], "sha256=00");
        assert_eq!(shown["x-twice"], "one, two \u{fffd}");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let long = vec![b'a'; 100_000];
        let names: Vec<String> = (0..500).map(|number| format!("x-{number}")).collect();
        let mut headers = headers(&[("x-long", &long)]);
        for name in names {
            headers.insert(HeaderName::try_from(name).unwrap(), http::HeaderValue::from_static("some value"));
        }
        let text = shown(&headers, None);
        assert!(text.len() < 2 * HEADERS_BYTES_MAX, "{}", text.len());
        assert_eq!(cut(&"ß".repeat(1_000)).len(), TEXT_BYTES_MAX);
        assert_eq!(cut("a\0b"), "a\u{fffd}b");
    }
}
