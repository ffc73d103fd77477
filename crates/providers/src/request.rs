//! A provider's request: as it came in, once it is believed, and why it is not, or cannot be read.

use bytes::Bytes;
use domain::event::{Json, NotJson};
use http::{HeaderMap, Method};

/// A request as it came in, with the URL that its sender knows.
#[derive(Debug, Clone)]
pub struct RawRequest {
    /// Its method.
    pub method: Method,
    /// The public URL as it is registered with the sender, with the query that came in; for those who sign it. Behind a proxy
    /// this is not what the socket saw. Empty where nobody asks: a provider's own route.
    pub url: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, byte for byte as it was sent.
    pub body: Bytes,
    /// What a compressed body stands for.
    pub inflated: Option<Bytes>,
}

/// A request that its provider has sent. Only this crate can make one.
#[derive(Debug)]
pub struct Verified<'r>(pub(crate) &'r RawRequest);

impl Verified<'_> {
    /// What the request's body says.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.0.content()
    }

    /// What a header says about the event. An empty one says nothing, and least of all which event it is.
    pub(crate) fn header(&self, name: &'static str) -> Option<&str> {
        self.0.header(name).filter(|text| !text.is_empty())
    }
}

impl RawRequest {
    /// A bare POST.
    #[must_use]
    pub fn post(url: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            url: url.into(),
            headers: HeaderMap::new(),
            body: body.into(),
            inflated: None,
        }
    }

    /// What the body says: inflated, where it was sent compressed.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        self.inflated.as_ref().unwrap_or(&self.body)
    }

    /// A header's text. `None` where it is absent, comes twice, or holds bytes beyond visible ASCII.
    #[must_use]
    pub fn header(&self, name: &'static str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let only = values.next().filter(|_| values.next().is_none());
        only.and_then(|value| value.to_str().ok())
    }
}

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Without a secret nothing can be checked, and what is not checked is not accepted.
    #[error("no secret is configured for this provider")]
    NoSecret,
    /// The named header is absent, or there more than once.
    #[error("the header {0} is missing")]
    MissingHeader(&'static str),
    /// The signature is not under any of our secrets.
    #[error("the signature does not fit the body")]
    BadSignature,
    /// The timestamp is no whole number of seconds.
    #[error("the timestamp is no whole number of seconds")]
    NoTimestamp,
    /// The timestamp is too far from now: a replay, or a clock that is wrong.
    #[error("the timestamp is more than {0} seconds from now")]
    Stale(u32),
    /// The configured key is no key.
    #[error("the key that is configured is not {0}")]
    BadKey(&'static str),
    /// The header does not hold the shared secret.
    #[error("the header {0} does not hold the secret")]
    WrongSecret(&'static str),
    /// The bearer is no token of the kind that the provider sends.
    #[error("the bearer is no token signed with RS256")]
    NotAToken,
    /// The token names a key that is not among those known: the document may be older than the key.
    #[error("the token's key is not among those that its issuer publishes")]
    UnknownKey,
    /// The token is not, or not yet, or no longer good.
    #[error("the token is not valid at this time")]
    Expired,
    /// The token is genuine, and for or by somebody else.
    #[error("the token's {0} is not the expected one")]
    WrongClaim(&'static str),
    /// It comes from a place that is not on the list of those allowed.
    #[error("the {0} is not among those allowed")]
    NotAllowed(&'static str),
}

/// What about a genuine request cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The body is no JSON.
    #[error("the body is {0}")]
    NotJson(NotJson),
    /// The body is no XML, or XML that nobody should read.
    #[error("the body is not XML that can be read: {0}")]
    NotXml(String),
    /// The body is JSON, but not of the provider's shape.
    #[error("the body is not what this provider sends: {0}")]
    Unexpected(String),
    /// The named header is absent or empty.
    #[error("the header {0} is missing")]
    MissingHeader(&'static str),
    /// The named field of a form is absent.
    #[error("the form field {0:?} is missing")]
    MissingField(&'static str),
}

impl From<NotJson> for Unreadable {
    fn from(error: NotJson) -> Self {
        match error {
            NotJson::OtherShape(how) => Self::Unexpected(how),
            error => Self::NotJson(error),
        }
    }
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        Self::Unexpected(error.to_string())
    }
}

/// Reads a body that is a JSON object, and of it what `T` names.
pub(crate) fn read_object<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<(Json, T), Unreadable> {
    refuse_list(body)?;
    Ok(Json::read(body)?)
}

/// A list is no object, though it would fill the fields of one in their order.
pub(crate) fn refuse_list(body: &[u8]) -> Result<(), Unreadable> {
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Unreadable::Unexpected("a list where an object belongs".to_owned()));
    }
    Ok(())
}
