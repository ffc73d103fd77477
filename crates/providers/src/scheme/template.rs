//! Templates: text with holes that a request fills, such as `v0:{ts}:{body}`.
//!
//! They say what was signed, where an event's type and id stand, and how a challenge is answered. A hole is a
//! variable (`{body}`, `{header:X-Id}`, `{json:data.id}`) or a function of one (`{sha256_hex(body)}`). Braces that are
//! meant as such are doubled.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderName;
use serde::{Deserialize, Serialize};

use super::digest::Hash;
use super::json::{Path, text};
use super::request::Scope;

/// Bytes of a template. The longest known names eight JSON paths in 400 bytes.
const TEMPLATE_BYTES_MAX: usize = 1_024;

/// Pieces of a template; each is evaluated on every request.
const PIECES_MAX: usize = 32;

/// Text with holes. It is shown and serialised as it was written.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    written: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Hole(Hole),
}

/// What fills a hole: a variable, or a function of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hole {
    function: Option<Function>,
    pub(super) variable: Variable,
}

/// What a request, its verification or its key supplies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variable {
    Body,
    /// The timestamp, byte for byte as it was sent.
    Ts,
    Id,
    Method,
    /// The public URL, as the sender knows it.
    Url,
    Path,
    Query,
    /// The fields of a form post in the order of their names, each as name and value with nothing between.
    FormSorted,
    Secret,
    Header(HeaderName),
    Json(Path),
    Form(String),
    QueryField(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Sha256Hex,
    Crc32Dec,
    HmacSha256Hex,
    HmacSha256Base64,
}

/// A text that is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// It is longer than anything that a sender signs.
    #[error("a template has at most {TEMPLATE_BYTES_MAX} bytes and {PIECES_MAX} pieces")]
    TooLong,
    /// A brace is left open, or closed without having been opened.
    #[error("a brace is not paired; double it where it is meant as text")]
    Unpaired,
    /// What stands between braces is no variable.
    #[error(
        "{{{0}}} is no variable; there are body, ts, id, method, url, path, query, form_sorted, secret, header:NAME, json:PATH, form:NAME, query:NAME, sha256_hex(…), crc32_dec(…), hmac_sha256_hex(…) and hmac_sha256_base64(…)"
    )]
    Unknown(String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What about it cannot be read.
    pub fn parse(written: &str) -> Result<Self, BadTemplate> {
        if written.len() > TEMPLATE_BYTES_MAX {
            return Err(BadTemplate::TooLong);
        }
        let mut pieces = Vec::new();
        let mut rest = written;
        while !rest.is_empty() {
            let (piece, after) = next_piece(rest)?;
            match (pieces.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(more)) => before.push_str(&more),
                (_, piece) => pieces.push(piece),
            }
            rest = after;
        }
        if pieces.len() > PIECES_MAX {
            return Err(BadTemplate::TooLong);
        }
        Ok(Self { written: written.to_owned(), pieces })
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The holes, from left to right.
    pub(super) fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Hole(hole) => Some(hole),
            Piece::Text(_) => None,
        })
    }

    pub(super) fn uses(&self, variable: &Variable) -> bool {
        self.holes().any(|hole| hole.variable == *variable)
    }

    pub(super) fn uses_secret(&self) -> bool {
        self.holes().any(Hole::needs_secret)
    }

    /// The parts of the filled template, to be joined. `missing` says what to do about a hole that stays empty.
    pub(super) fn fill<'s, E>(
        &'s self,
        scope: &'s Scope<'_>,
        missing: impl Fn(&Variable) -> Result<Cow<'s, [u8]>, E>,
    ) -> Result<Vec<Cow<'s, [u8]>>, E> {
        let fill = |piece: &'s Piece| match piece {
            Piece::Text(text) => Ok(Cow::Borrowed(text.as_bytes())),
            Piece::Hole(hole) => hole.fill(scope).map_or_else(|| missing(&hole.variable), Ok),
        };
        self.pieces.iter().map(fill).collect()
    }

    /// The filled template as text; `None` where a hole stays empty.
    pub(super) fn text(&self, scope: &Scope<'_>) -> Option<String> {
        let parts = self.fill(scope, |_| Err(())).ok()?;
        Some(String::from_utf8_lossy(&parts.concat()).into_owned())
    }

    /// The filled template as text, without what is missing.
    pub(super) fn text_of_what_is_there(&self, scope: &Scope<'_>) -> String {
        let nothing = |_: &Variable| Ok::<_, std::convert::Infallible>(Cow::Borrowed(&[][..]));
        let Ok(parts) = self.fill(scope, nothing);
        String::from_utf8_lossy(&parts.concat()).into_owned()
    }
}

impl Hole {
    pub(super) fn needs_secret(&self) -> bool {
        let keyed = matches!(self.function, Some(Function::HmacSha256Hex | Function::HmacSha256Base64));
        keyed || self.variable == Variable::Secret
    }

    fn fill<'s>(&'s self, scope: &'s Scope<'_>) -> Option<Cow<'s, [u8]>> {
        let value = self.variable.of(scope)?;
        let Some(function) = self.function else { return Some(value) };
        let keyed = || Some(Hash::Sha256.mac(scope.secret.as_ref()?.as_bytes(), &[&*value]));
        let text = match function {
            Function::Sha256Hex => hex::encode(Hash::Sha256.digest(&[&*value])),
            Function::Crc32Dec => crc32fast::hash(&value).to_string(),
            Function::HmacSha256Hex => hex::encode(keyed()?),
            Function::HmacSha256Base64 => BASE64.encode(keyed()?),
        };
        Some(Cow::Owned(text.into_bytes()))
    }
}

impl Variable {
    fn of<'s>(&'s self, scope: &'s Scope<'_>) -> Option<Cow<'s, [u8]>> {
        let request = scope.request;
        let borrowed = |text: &'s str| Cow::Borrowed(text.as_bytes());
        match self {
            Self::Body => Some(Cow::Borrowed(&request.body)),
            Self::Ts => scope.ts.as_deref().map(borrowed),
            Self::Id => scope.id.as_deref().map(borrowed),
            Self::Method => Some(borrowed(request.method.as_str())),
            Self::Url => Some(borrowed(&request.url)),
            Self::Path => Some(borrowed(request.path())),
            Self::Query => Some(borrowed(request.query())),
            Self::FormSorted => scope.form_sorted().map(|text| Cow::Owned(text.into_bytes())),
            Self::Secret => scope.secret.as_deref().map(borrowed),
            Self::Header(name) => request.only_header(name).ok().flatten().map(borrowed),
            Self::Json(path) => path.of(scope.json()?).and_then(text).map(owned),
            Self::Form(name) => request.form_field(name).map(owned),
            Self::QueryField(name) => request.query_field(name).map(owned),
        }
    }
}

fn owned<'s>(text: String) -> Cow<'s, [u8]> {
    Cow::Owned(text.into_bytes())
}

/// The first piece of `rest`, which is not empty, and what comes after it.
fn next_piece(rest: &str) -> Result<(Piece, &str), BadTemplate> {
    for (doubled, brace) in [("{{", "{"), ("}}", "}")] {
        if let Some(after) = rest.strip_prefix(doubled) {
            return Ok((Piece::Text(brace.to_owned()), after));
        }
    }
    if let Some(after) = rest.strip_prefix('{') {
        let (inner, after) = after.split_once('}').ok_or(BadTemplate::Unpaired)?;
        return Ok((Piece::Hole(hole(inner)?), after));
    }
    let end = rest.find(['{', '}']).unwrap_or(rest.len());
    if end == 0 {
        return Err(BadTemplate::Unpaired);
    }
    let (text, after) = rest.split_at(end);
    Ok((Piece::Text(text.to_owned()), after))
}

fn hole(inner: &str) -> Result<Hole, BadTemplate> {
    let unknown = || BadTemplate::Unknown(inner.to_owned());
    let Some((function, argument)) = inner.strip_suffix(')').and_then(|call| call.split_once('(')) else {
        return Ok(Hole { function: None, variable: variable(inner).ok_or_else(unknown)? });
    };
    let function = match function {
        "sha256_hex" => Function::Sha256Hex,
        "crc32_dec" => Function::Crc32Dec,
        "hmac_sha256_hex" => Function::HmacSha256Hex,
        "hmac_sha256_base64" => Function::HmacSha256Base64,
        _ => return Err(unknown()),
    };
    Ok(Hole { function: Some(function), variable: variable(argument).ok_or_else(unknown)? })
}

fn variable(written: &str) -> Option<Variable> {
    Some(match written {
        "body" => Variable::Body,
        "ts" => Variable::Ts,
        "id" => Variable::Id,
        "method" => Variable::Method,
        "url" => Variable::Url,
        "path" => Variable::Path,
        "query" => Variable::Query,
        "form_sorted" => Variable::FormSorted,
        "secret" => Variable::Secret,
        _ => {
            let (kind, name) = written.split_once(':').filter(|(_, name)| !name.is_empty())?;
            match kind {
                "header" => Variable::Header(name.parse().ok()?),
                "json" => Variable::Json(Path::parse(name)?),
                "form" => Variable::Form(name.to_owned()),
                "query" => Variable::QueryField(name.to_owned()),
                _ => return None,
            }
        }
    })
}

impl TryFrom<String> for Template {
    type Error = BadTemplate;

    fn try_from(written: String) -> Result<Self, BadTemplate> {
        Self::parse(&written)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.written
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RawRequest;

    fn filled(template: &str) -> Option<String> {
        let mut request =
            RawRequest::post("https://example.com/in?a=1&b=x+y", r#"{"data":{"id":7},"n":null}"#);
        request.headers.insert("x-id", http::HeaderValue::from_static("e1"));
        let mut scope = Scope::of(&request);
        scope.secret = Some("key".to_owned());
        let template = Template::parse(template).unwrap();
        template.text(&scope)
    }

    #[test]
    fn holes_are_filled_from_the_request() {
        assert_eq!(filled("{method} {path}?{query}").unwrap(), "POST /in?a=1&b=x+y");
        assert_eq!(filled("{url}{query:b}").unwrap(), "https://example.com/in?a=1&b=x+yx y");
        assert_eq!(filled("{header:X-Id}/{json:data.id}").unwrap(), "e1/7");
        assert_eq!(filled("{{{secret}}}").unwrap(), "{key}");
        assert_eq!(filled("{header:X-Other}"), None);
        assert_eq!(filled("{json:n}"), None);
        assert_eq!(filled("{ts}"), None);
    }

    /// The CRC-32 check value of the catalogue of parametrised CRC algorithms, and FIPS 180 and RFC 4231 values.
    #[test]
    fn functions_give_their_published_values() {
        let of = |template: &str, body: &'static str, secret: &'static str| {
            let request = RawRequest::post("https://example.com", body);
            let mut scope = Scope::of(&request);
            scope.secret = Some(secret.to_owned());
            Template::parse(template).unwrap().text(&scope).unwrap()
        };
        assert_eq!(of("{crc32_dec(body)}", "123456789", ""), "3421780262");
        assert_eq!(
            of("{sha256_hex(body)}", "abc", ""),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            of("{hmac_sha256_hex(body)}", "what do ya want for nothing?", "Jefe"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            of("{hmac_sha256_base64(body)}", "what do ya want for nothing?", "Jefe"),
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="
        );
    }

    #[test]
    fn what_is_no_template_is_refused() {
        let error = |text: &str| Template::parse(text).unwrap_err();
        assert_eq!(error("{ts"), BadTemplate::Unpaired);
        assert_eq!(error("ts}"), BadTemplate::Unpaired);
        for unknown in
            ["bdy", "", "header:", "header:a b", "md5(body)", "sha256_hex(x)", "cookie:a", "json:a..b"]
        {
            assert_eq!(error(&format!("{{{unknown}}}")), BadTemplate::Unknown(unknown.to_owned()));
        }
        assert_eq!(error(&"x".repeat(1_025)), BadTemplate::TooLong);
        assert_eq!(error(&"{ts}".repeat(33)), BadTemplate::TooLong);
    }
}
