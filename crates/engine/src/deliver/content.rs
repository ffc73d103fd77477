//! What a subscriber is sent for an event: the event itself, a message that a template makes of it, or what the
//! subscription's transform does.

use bytes::{Bytes, BytesMut};
use domain::conversation::callback_body;
use domain::headers::Headers;
use domain::subscription::Terms;
use domain::template::Template;
use domain::{Event, UserId};
use http::{HeaderMap, HeaderName, HeaderValue};
use transform::{Failed, Transform, Transformed};

use super::transforms::Transforms;

/// How a subscription wants its requests to look.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// Whose body requests have instead of the event's own.
    pub template: Option<Template>,
    /// What makes the body, where it is not a template.
    pub transform: Option<Transform>,
    /// What is sent beside our own headers.
    pub headers: HeaderMap,
    /// Whether it is a conversation's callback, which has a body of its own.
    pub is_callback: bool,
}

impl Shape {
    /// What `terms` say about it.
    #[must_use]
    pub fn of(terms: &Terms) -> Self {
        let transform = terms.transform.as_ref().map(|source| Transform::trusted(source.0.as_str()));
        let (headers, is_callback) = (header_map(&terms.headers), terms.callback_of.is_some());
        Self { template: terms.template, transform, headers, is_callback }
    }
}

fn header_map(headers: &Headers) -> HeaderMap {
    headers.iter().filter_map(pair).collect()
}

/// What cannot be a header was refused before.
fn pair((name, value): (&str, &str)) -> Option<(HeaderName, HeaderValue)> {
    Some((name.parse().ok()?, value.parse().ok()?))
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
    /// The event as it is.
    #[must_use]
    pub fn plain(event: &Event) -> Self {
        Self { body: body(event), headers: HeaderMap::new() }
    }

    /// What a subscriber of `user`'s who wants this shape is sent for `event`: the same bytes on each attempt. `None`
    /// where its transform has nothing to send.
    ///
    /// # Errors
    /// The transform failed.
    pub async fn of(
        event: &Event,
        shape: &Shape,
        user: Option<&UserId>,
        transforms: &Transforms,
    ) -> Result<Option<Self>, Failed> {
        let Some(transform) = &shape.transform else {
            let own = if shape.is_callback { callback_body(event) } else { None };
            let own = own.or_else(|| shape.template.map(|template| template.body(event)));
            let body = own.map_or_else(|| body(event), Bytes::from);
            return Ok(Some(Self { body, headers: shape.headers.clone() }));
        };
        match transforms.run(user, transform, document(event)).await? {
            Transformed::Skip => Ok(None),
            Transformed::Request { body, headers } => {
                let mut all = shape.headers.clone();
                for (name, value) in headers.iter().filter_map(|(name, value)| pair((name, value))) {
                    all.insert(name, value);
                }
                Ok(Some(Self { body: body.into(), headers: all }))
            }
        }
    }

    /// What a subscriber is sent for a batch: `{"events":[…]}`, each as it would be by itself.
    pub(super) fn of_batch<'e>(events: impl Iterator<Item = &'e Event>, shape: &Shape) -> Self {
        let mut text = BytesMut::from(&br#"{"events":["#[..]);
        for (index, event) in events.enumerate() {
            if index > 0 {
                text.extend_from_slice(b",");
            }
            text.extend_from_slice(&body(event));
        }
        text.extend_from_slice(b"]}");
        Self { body: text.freeze(), headers: shape.headers.clone() }
    }
}

/// The event as the API shows it, its data as it came.
fn document(event: &Event) -> String {
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let or_null = |value: Option<&str>| value.map_or_else(|| "null".to_owned(), text);
    format!(
        r#"{{"id":"{}","type":"{}","user_id":{},"source":{},"provider":{},"occurred_at":"{}","received_at":"{}","data":{}}}"#,
        event.id,
        event.event_type,
        or_null(event.user_id.as_ref().map(|user| user.as_str())),
        text(&event.source),
        or_null(event.provider.as_deref()),
        event.occurred_at,
        event.received_at,
        event.data.as_str()
    )
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

#[cfg(test)]
mod tests {
    use domain::event::Json;
    use domain::{EventId, Timestamp};

    use super::*;
    use crate::chance;

    #[test]
    fn a_transform_gets_what_filters_look_into() {
        let now = Timestamp::from_seconds(1_700_000_000);
        let event = Event {
            id: EventId::new(now, &mut chance::rng()),
            event_type: "task.created".parse().unwrap(),
            user_id: Some("al\"ice".parse().unwrap()),
            source: "a \\ b".into(),
            provider: None,
            occurred_at: now,
            received_at: now,
            data: Json::from_text(r#"{"n": 1.50, "s": "\u00e9"}"#).unwrap(),
            raw: None,
        };
        let text = document(&event);
        assert!(text.contains(event.data.as_str()), "the data is as it came: {text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), event.document());
        let nobodys = Event { user_id: None, provider: Some("github".into()), ..event };
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&document(&nobodys)).unwrap(),
            nobodys.document()
        );
    }
}
