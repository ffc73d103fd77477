//! A provider's request: as it came in, once it is believed, and why it is not, or cannot be read.

use bytes::Bytes;
use domain::event::{Json, NotJson};
use http::{HeaderMap, HeaderName, Method};

use crate::Refusal;

/// A request as it came in, with the URL that its sender knows.
#[derive(Debug, Clone)]
pub struct RawRequest {
    /// Its method.
    pub method: Method,
    /// The public URL as it is registered with the sender, with the query that came in; for those who sign it. Behind a
    /// proxy this is not what the socket saw. Empty where nobody asks: a provider's own route.
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

    /// A header, named in lower case, without which nobody can tell who has sent this.
    pub(crate) fn needed(&self, name: &'static str) -> Result<&str, Refusal> {
        self.needed_header(&HeaderName::from_static(name))
    }
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
