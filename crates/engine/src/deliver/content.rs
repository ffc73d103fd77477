//! What a subscriber is sent for an event: the event itself, or a message that a template makes of it.

use bytes::Bytes;
use domain::Event;
use domain::headers::Headers;
use domain::subscription::Terms;
use domain::template::Template;
use http::{HeaderMap, HeaderValue};

/// How a subscription wants its requests to look.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// Whose body requests have instead of the event's own.
    pub template: Option<Template>,
    /// What is sent beside our own headers.
    pub headers: HeaderMap,
}

impl Shape {
    /// What `terms` say about it.
    #[must_use]
    pub fn of(terms: &Terms) -> Self {
        Self { template: terms.template, headers: header_map(&terms.headers) }
    }
}

fn header_map(headers: &Headers) -> HeaderMap {
    // What cannot be a header was refused when it was set.
    let pair = |(name, value): (&str, &str)| Some((name.parse().ok()?, value.parse().ok()?));
    headers.iter().filter_map(pair).collect::<HeaderMap<HeaderValue>>()
}

/// What one request holds, apart from what says who sent it.
#[derive(Debug, Clone)]
pub struct Content {
    /// The body.
    pub body: Bytes,
    /// Headers beside ours.
    pub headers: HeaderMap,
}

impl Content {
    /// What a subscriber who wants this shape is sent for `event`: the same bytes on each attempt.
    #[must_use]
    pub fn of(event: &Event, shape: &Shape) -> Self {
        let body = shape.template.map_or_else(|| body(event), |template| template.body(event).into());
        Self { body, headers: shape.headers.clone() }
    }
}

/// The event as its own body.
fn body(event: &Event) -> Bytes {
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let user = event.user_id.as_ref().map_or_else(|| "null".to_owned(), |user| text(user.as_str()));
    // The data is put in as it came: parsing and writing it again could change what its sender signed or counted on.
    let body = format!(
        r#"{{"id":"{}","type":"{}","timestamp":"{}","user_id":{user},"data":{}}}"#,
        event.id,
        event.event_type,
        event.occurred_at,
        event.data.as_str()
    );
    Bytes::from(body)
}
