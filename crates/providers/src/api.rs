//! Calls to providers' APIs, as values: what is to be sent, and what came back.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use domain::Timestamp;
use domain::retry::parse_retry_after;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::form_urlencoded;

/// A token or another secret text. It shows itself to nobody who does not ask.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub(crate) String);

impl Token {
    /// A token of these characters.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its characters.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A request to a provider's API.
#[derive(Clone)]
pub struct ApiCall {
    /// Its method.
    pub method: Method,
    /// Its whole URL.
    pub url: String,
    /// Its headers, without those that any request has.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What a provider's API answers.
#[derive(Clone)]
pub struct ApiAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Why a call brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// The token is not taken, in the provider's word for it.
    #[error("the provider does not take the token: {0}")]
    TokenRefused(String),
    /// It may go well the next time.
    #[error("{reason}")]
    Passing {
        /// Why, in words.
        reason: String,
        /// How long the provider wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The application has asked too often, whoever's token it shows.
    #[error("{reason}")]
    Exhausted {
        /// Why, in words.
        reason: String,
        /// How long the provider wants to be left alone.
        retry_after: Duration,
    },
    /// It will not go well, now or later.
    #[error("the provider refuses: {0}")]
    Refused(String),
    /// It is not what this provider answers.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
}

const AGENT: HeaderValue = HeaderValue::from_static(concat!("Waystation/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

impl ApiCall {
    fn new(method: Method, url: String) -> Self {
        let headers = HeaderMap::from_iter([(USER_AGENT, AGENT), (ACCEPT, JSON)]);
        Self { method, url, headers, body: Bytes::new() }
    }

    pub(crate) fn get(url: String) -> Self {
        Self::new(Method::GET, url)
    }

    /// A POST of a form.
    pub(crate) fn form(url: &str, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let call = Self::new(Method::POST, url.to_owned()).with(CONTENT_TYPE, FORM);
        Self { body: body.into(), ..call }
    }

    /// A call without a body.
    pub(crate) fn of(method: Method, url: String) -> Self {
        Self::new(method, url)
    }

    /// With a body of JSON.
    pub(crate) fn with_json(self, body: &Value) -> Self {
        let call = self.with(CONTENT_TYPE, JSON);
        Self { body: body.to_string().into(), ..call }
    }

    /// With a header that nobody may see.
    pub(crate) fn with_secret(mut self, name: HeaderName, secret: &Token) -> Self {
        if let Ok(mut value) = HeaderValue::try_from(secret.reveal()) {
            value.set_sensitive(true);
            self.headers.insert(name, value);
        }
        self
    }

    /// A POST of a form in parts, which is how files are sent. Nothing in it can be taken for the line between two
    /// parts.
    pub(crate) fn parts(url: &str, fields: &[(&str, &str)]) -> Self {
        let mut digest = Sha256::new();
        fields.iter().for_each(|(_, value)| digest.update(value));
        let line = hex::encode(digest.finalize());
        let mut body = String::new();
        for (name, value) in fields {
            body +=
                &format!("--{line}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        body += &format!("--{line}--\r\n");
        let kind = format!("multipart/form-data; boundary={line}");
        let call = Self::new(Method::POST, url.to_owned()).with(CONTENT_TYPE, kind);
        Self { body: body.into(), ..call }
    }

    /// With a header. A value that is not one is left out, and the provider says so.
    pub(crate) fn with(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(mut value) = value.try_into() {
            value.set_sensitive(name == AUTHORIZATION);
            self.headers.insert(name, value);
        }
        self
    }

    pub(crate) fn bearer(self, token: &Token) -> Self {
        self.with(AUTHORIZATION, format!("Bearer {}", token.reveal()))
    }
}

/// Says where it goes, and nothing of what may be secret: query, headers and body.
impl fmt::Debug for ApiCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split('?').next().unwrap_or_default();
        write!(f, "{} {url}", self.method)
    }
}

impl fmt::Debug for ApiAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} bytes", self.status, self.body.len())
    }
}

impl ApiAnswer {
    /// How long the provider wants to be left alone, where it says: by `Retry-After`, or since its rate is used up.
    #[must_use]
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let said = self.header(RETRY_AFTER.as_str()).and_then(|text| parse_retry_after(text, now));
        said.or_else(|| self.rate_resets_after(now))
    }

    /// How long it takes until there is a rate again, where this call has used it up. GitHub says when, Discord how
    /// long.
    pub(crate) fn rate_resets_after(&self, now: Timestamp) -> Option<Duration> {
        let number = |name| self.header(name).and_then(|text| text.trim().parse::<f64>().ok());
        if number("x-ratelimit-remaining")? >= 1.0 {
            return None;
        }
        let seconds = number("x-ratelimit-reset-after")
            .or_else(|| number("x-ratelimit-reset").map(|at| at - now.as_seconds() as f64))?;
        Some(Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, CallFailure> {
        // What stands in the body is not repeated: it may be a token.
        serde_json::from_slice(&self.body)
            .map_err(|error| CallFailure::Unreadable(format!("{} with {error}", self.status)))
    }

    /// [`ApiAnswer::success`] where the body does not matter.
    pub(crate) fn done(&self, now: Timestamp) -> Result<(), CallFailure> {
        if self.status.is_success() { Ok(()) } else { self.success(now).map(drop) }
    }

    /// [`ApiAnswer::success`], with `refusal` for one that will not pass; a success without a body says nothing.
    pub(crate) fn success_or(
        &self,
        now: Timestamp,
        refusal: impl Fn(&Self) -> CallFailure,
    ) -> Result<Value, CallFailure> {
        if self.status.is_success() && self.body.is_empty() {
            return Ok(Value::Null);
        }
        self.success(now).map_err(|failure| match failure {
            CallFailure::Refused(_) => refusal(self),
            other => other,
        })
    }

    /// The JSON of an answer that is a success by its status; else why it is none, by the rules that all share.
    pub(crate) fn success(&self, now: Timestamp) -> Result<Value, CallFailure> {
        let passing =
            || CallFailure::Passing { reason: told(self.status), retry_after: self.retry_after(now) };
        match self.status {
            status if status.is_success() => self.json(),
            StatusCode::UNAUTHORIZED => Err(CallFailure::TokenRefused(told(self.status))),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(passing()),
            status if status.is_server_error() => Err(passing()),
            // GitHub says 403 for a rate that is used up, and tells when to come back.
            StatusCode::FORBIDDEN if self.retry_after(now).is_some() => Err(passing()),
            status => Err(CallFailure::Refused(told(status))),
        }
    }
}

/// A status for people.
pub(crate) fn told(status: StatusCode) -> String {
    format!("the provider answered {status}")
}

/// A provider's word for an error, if it is one: what is not may hold anything.
pub(crate) fn code(text: &str) -> Option<&str> {
    let is_code = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    Some(text).filter(|text| (1..=64).contains(&text.len()) && text.chars().all(is_code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        let call = ApiCall::form("https://example.com/token?key=planted", &[("refresh_token", "planted")])
            .bearer(&Token::new("planted"));
        let answer = ApiAnswer {
            status: StatusCode::OK,
            headers: call.headers.clone(),
            body: Bytes::from_static(br#"{"access_token":"planted"}"#),
        };
        let shown = format!("{call:?} {answer:?} {:?}", Token::new("planted"));
        assert!(!shown.contains("planted"), "{shown}");
        assert!(answer.json::<Vec<u8>>().is_err_and(|error| !error.to_string().contains("planted")));
        assert_eq!(code("invalid_grant"), Some("invalid_grant"));
        assert_eq!(code("the token planted is not good"), None);
    }
}
