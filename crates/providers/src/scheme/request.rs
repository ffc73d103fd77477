//! What senders sign of a request, and what a template may see of it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderName, header};
use serde_json::Value;
use url::form_urlencoded;

use super::Refusal;
use crate::RawRequest;

/// Bytes of a header that is read. A JWT with a long chain of claims stays below it.
const HEADER_BYTES_MAX: usize = 8 * 1_024;

/// Fields of a form post that are sorted. Twilio and Mandrill send some dozens.
const FORM_FIELDS_MAX: usize = 1_000;

impl RawRequest {
    /// A header's text.
    ///
    /// # Errors
    /// It comes twice, is too long, or holds bytes beyond visible ASCII: then two programs might read different things
    /// in it.
    pub(super) fn only_header(&self, name: &HeaderName) -> Result<Option<&str>, Refusal> {
        let mut values = self.headers.get_all(name).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Refusal::RepeatedHeader(name.clone()));
        }
        let text = value.to_str().ok().filter(|text| text.len() <= HEADER_BYTES_MAX);
        text.map(Some).ok_or_else(|| Refusal::UnreadableHeader(name.clone()))
    }

    /// A header that has to be there.
    pub(crate) fn needed_header(&self, name: &HeaderName) -> Result<&str, Refusal> {
        self.only_header(name)?.ok_or_else(|| Refusal::MissingHeader(name.clone()))
    }

    /// The first of several headers that is there, and all of them checked.
    pub(super) fn first_header(&self, names: &[HeaderName]) -> Result<Option<&str>, Refusal> {
        let found: Result<Vec<_>, _> = names.iter().map(|name| self.only_header(name)).collect();
        Ok(found?.into_iter().flatten().next())
    }

    pub(super) fn path(&self) -> &str {
        let url = self.url.split(['?', '#']).next().unwrap_or(&self.url);
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        after_scheme.find('/').map_or("/", |slash| &after_scheme[slash..])
    }

    pub(super) fn query(&self) -> &str {
        let query = self.url.split_once('?').map_or("", |(_, query)| query);
        query.split('#').next().unwrap_or(query)
    }

    /// A field of the query, decoded. `None` where it is absent, or there twice with different values.
    pub(super) fn query_field(&self, name: &str) -> Option<String> {
        only_field(self.query().as_bytes(), name)
    }

    /// A field of a form post, decoded, under the same rule.
    pub(super) fn form_field(&self, name: &str) -> Option<String> {
        self.is_form().then(|| only_field(&self.body, name)).flatten()
    }

    fn is_form(&self) -> bool {
        let media_type = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        media_type.is_some_and(|text| {
            let essence = text.split(';').next().unwrap_or(text).trim();
            essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        })
    }
}

fn only_field(encoded: &[u8], name: &str) -> Option<String> {
    let mut found = form_urlencoded::parse(encoded).filter(|(key, _)| key == name).map(|(_, value)| value);
    let first = found.next()?;
    found.all(|other| other == first).then(|| first.into_owned())
}

/// What the holes of a template are filled from.
pub(super) struct Scope<'r> {
    pub(super) request: &'r RawRequest,
    /// The timestamp as it was sent.
    pub(super) ts: Option<String>,
    pub(super) id: Option<String>,
    pub(super) secret: Option<String>,
    /// Where JSON paths begin, if not at the body's root.
    pub(super) element: Option<&'r Value>,
    /// The body's digest stands in the URL, so that the form is not signed field by field.
    pub(super) is_body_in_url: bool,
    json: OnceCell<Option<Value>>,
}

impl<'r> Scope<'r> {
    pub(super) fn of(request: &'r RawRequest) -> Self {
        Self {
            request,
            ts: None,
            id: None,
            secret: None,
            element: None,
            is_body_in_url: false,
            json: OnceCell::new(),
        }
    }

    /// Forgets what a proof found, so that another can be tried.
    pub(super) fn forget(&mut self) {
        (self.ts, self.id, self.secret, self.is_body_in_url) = (None, None, None, false);
    }

    /// The body as JSON, parsed at most once; `None` where it is none. `serde_json` bounds its depth.
    pub(super) fn json(&self) -> Option<&Value> {
        self.element.or_else(|| {
            self.json.get_or_init(|| serde_json::from_slice(self.request.content()).ok()).as_ref()
        })
    }

    /// The form's fields in the order of their names, and of their values under one name; an empty body has none.
    /// A repeated value counts once, as in the senders' own libraries. `None` where the body is something else.
    pub(super) fn form_sorted(&self) -> Option<String> {
        if self.is_body_in_url || self.request.body.is_empty() {
            return Some(String::new());
        }
        if !self.request.is_form() {
            return None;
        }
        let mut fields: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (count, (name, value)) in form_urlencoded::parse(&self.request.body).enumerate() {
            if count == FORM_FIELDS_MAX {
                return None;
            }
            fields.entry(name).or_default().insert(value);
        }
        let pairs =
            fields.iter().flat_map(|(name, values)| values.iter().flat_map(move |value| [name, value]));
        Some(pairs.map(|text| &**text).collect())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let parts = |url: &str| {
            let request = RawRequest::post(url, "");
            (request.path().to_owned(), request.query().to_owned())
        };
        assert_eq!(parts("https://a.example/in/x?y=/1&z=2#f"), ("/in/x".into(), "y=/1&z=2".into()));
        assert_eq!(parts("https://a.example"), ("/".into(), String::new()));
        assert_eq!(parts("https://a.example?x=/"), ("/".into(), "x=/".into()));
    }

    #[test]
    fn a_field_that_says_two_things_says_nothing() {
        let request = RawRequest::post("https://a.example/?a=1&a=1&b=1&b=2", "");
        assert_eq!(request.query_field("a").unwrap(), "1");
        assert_eq!((request.query_field("b"), request.query_field("c")), (None, None));
    }

    #[test]
    fn a_header_is_read_once_and_bounded() {
        let name = HeaderName::from_static("x-sig");
        let with = |values: &[&[u8]]| {
            let mut request = RawRequest::post("https://a.example/", "");
            for value in values {
                request.headers.append(&name, HeaderValue::from_bytes(value).unwrap());
            }
            request.only_header(&name).map(|text| text.map(str::to_owned))
        };
        assert_eq!(with(&[]), Ok(None));
        assert_eq!(with(&[b"a"]), Ok(Some("a".to_owned())));
        assert_eq!(with(&[b"a", b"a"]), Err(Refusal::RepeatedHeader(name.clone())));
        assert_eq!(with(&[b"\xff"]), Err(Refusal::UnreadableHeader(name.clone())));
        assert_eq!(with(&[&vec![b'a'; 8_193]]), Err(Refusal::UnreadableHeader(name.clone())));
    }

    #[test]
    fn a_form_is_sorted_by_name_and_value() {
        let mut request = RawRequest::post("https://a.example/", "b=2&a=x+y&b=1&b=2&c=");
        assert_eq!(Scope::of(&request).form_sorted(), None, "it does not say that it is a form");
        let form = HeaderValue::from_static("Application/X-WWW-Form-Urlencoded; charset=utf-8");
        request.headers.insert(header::CONTENT_TYPE, form);
        assert_eq!(Scope::of(&request).form_sorted().unwrap(), "ax yb1b2c");
        request.body = Bytes::from("a&".repeat(1_001));
        assert_eq!(Scope::of(&request).form_sorted(), None);
    }
}
