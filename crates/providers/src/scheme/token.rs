//! Static secrets, which the sender shows instead of signing. They prove who speaks, but not what was said.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderName, header};

use super::digest::{Encoding, is_same};
use super::json::{Path, text};
use super::request::Scope;
use super::{Keys, Refusal};

/// Where the secret is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) place: TokenPlace,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenPlace {
    Header {
        name: HeaderName,
        prefix: String,
    },
    Query(String),
    Body(Path),
    /// As `user:password` of HTTP's basic authentication (RFC 7617).
    Basic,
}

impl Token {
    /// Passes if one of the secrets is shown.
    pub(super) fn check(&self, scope: &Scope<'_>, keys: &Keys<'_>) -> Result<(), Refusal> {
        let shown = self.shown(scope)?;
        let fits = keys.secrets()?.any(|secret| is_same(secret.as_bytes(), &shown));
        fits.then_some(()).ok_or(Refusal::BadToken)
    }

    /// The header that shows the secret, if one does.
    pub(super) fn header(&self) -> Option<&HeaderName> {
        match &self.place {
            TokenPlace::Header { name, .. } => Some(name),
            TokenPlace::Basic => Some(&header::AUTHORIZATION),
            TokenPlace::Query(_) | TokenPlace::Body(_) => None,
        }
    }

    fn shown(&self, scope: &Scope<'_>) -> Result<Vec<u8>, Refusal> {
        match &self.place {
            TokenPlace::Header { name, prefix } => {
                let text = scope.request.needed_header(name)?;
                text.strip_prefix(&**prefix).map(Into::into).ok_or(Refusal::BadToken)
            }
            TokenPlace::Query(name) => {
                scope.request.query_field(name).map(Into::into).ok_or(Refusal::BadToken)
            }
            TokenPlace::Body(path) => {
                let body = scope.json().ok_or(Refusal::UnreadableBody)?;
                path.of(body).and_then(text).map(Into::into).ok_or(Refusal::BadToken)
            }
            TokenPlace::Basic => {
                let text = scope.request.needed_header(&header::AUTHORIZATION)?;
                let (scheme, credentials) = text.split_once(' ').ok_or(Refusal::BadToken)?;
                let is_basic = scheme.eq_ignore_ascii_case("basic");
                let decoded = Encoding::Base64.decode(credentials.trim()).filter(|_| is_basic);
                decoded.ok_or(Refusal::BadToken)
            }
        }
    }
}

/// The header with which basic authentication shows `secret`.
pub(super) fn basic(secret: &str) -> String {
    format!("Basic {}", BASE64.encode(secret))
}
