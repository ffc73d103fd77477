//! Trying a filter, a transform, a template or headers on an event, before anybody is subscribed with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::event::Json as Data;
use domain::filter::Filter;
use domain::subscription::Terms;
use domain::{Access, Event, EventId, EventType, Timestamp, UserId};
use engine::deliver::{Content, Shape, unsigned_headers};
use engine::matching::Why;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::deliveries::shown_headers;
use super::fields::{Fields, Said};
use super::shape::take_shape;
use crate::access::Bearer;
use crate::app::App;
use crate::problem::{Problem, Result};

/// What is tried, and on what.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct Tried {
    /// An event that is made up. Either this or `event_id`.
    event: Option<TriedEvent>,
    /// An event that came in.
    event_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    filter: Option<Value>,
    transform: Option<String>,
    /// `slack`, `discord`, `teams` or `generic`.
    template: Option<String>,
    headers: Option<BTreeMap<String, String>>,
}

/// An event that is made up. It may be one as the API shows it.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct TriedEvent {
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "task.created")]
    event_type: EventType,
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    #[serde(default)]
    #[schema(value_type = Object)]
    data: Value,
    source: Option<String>,
    provider: Option<String>,
    #[schema(value_type = Option<String>)]
    occurred_at: Option<Timestamp>,
}

/// What would become of the event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Preview {
    /// Whether the filter wants it; without one, all are wanted.
    matched: bool,
    /// What would be sent; `null` where the filter does not want it, or the transform returned `null` or failed.
    request: Option<PreviewedRequest>,
    /// How the transform failed, or why the filter cannot tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What would be sent, without what a secret is needed for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewedRequest {
    #[schema(value_type = Object)]
    headers: serde_json::Map<String, Value>,
    body: String,
}

/// Try a filter, a transform, a template or headers on an event
///
/// Nothing is kept and nothing is sent.
#[utoipa::path(post, path = "/api/webhooks/preview", tag = "Subscriptions", request_body = Tried,
    responses((status = 200, body = Preview), (status = 403, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn preview_request(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    mut fields: Fields,
) -> Result<Json<Preview>> {
    let made_up =
        fields.take("event", "an event, such as {\"type\": \"task.created\", \"data\": {}}", Ok::<_, String>);
    let known = fields.take_parsed("event_id");
    let mut terms = Terms::default();
    take_shape(&app, access.user(), &mut fields, &mut terms).await;
    let event = match (made_up, known) {
        (Said::Value(_), Said::Value(_)) => {
            fields.refuse("event_id", "is one event, and `event` another: send one of them");
            None
        }
        (Said::Value(event), _) => Some(Subject::MadeUp(event)),
        (_, known) => fields
            .need("event_id", known, "which event? Name one, or send one as `event`")
            .map(Subject::Known),
    };
    fields.finish()?;
    let event = event.ok_or_else(Problem::internal)?.load(&app, &access).await?;
    Ok(Json(preview(&app, access.user(), event, &terms).await?))
}

/// The event that something is tried on.
enum Subject {
    MadeUp(TriedEvent),
    Known(EventId),
}

impl Subject {
    async fn load(self, app: &App, access: &Access) -> Result<Arc<Event>> {
        match self {
            Self::MadeUp(event) => Ok(Arc::new(made_up(app, access, event)?)),
            Self::Known(id) => {
                let logged = app.engine.store.event(id).await?.ok_or_else(|| Problem::not_found("event"))?;
                access.check(logged.event.user_id.as_ref())?;
                Ok(logged.event)
            }
        }
    }
}

fn made_up(app: &App, access: &Access, event: TriedEvent) -> Result<Event> {
    let now = app.engine.clock.now();
    Ok(Event {
        id: EventId::new(now, &mut engine::chance::rng()),
        event_type: event.event_type,
        user_id: access.narrow(event.user_id)?,
        source: event.source.map_or(engine::ingest::API.into(), Into::into),
        provider: event.provider.map(Into::into),
        occurred_at: event.occurred_at.unwrap_or(now),
        received_at: now,
        data: Data::from_text(&event.data.to_string())
            .map_err(|error| Problem::bad_request(error.to_string()))?,
        raw: None,
    })
}

async fn preview(app: &App, user: Option<&UserId>, event: Arc<Event>, terms: &Terms) -> Result<Preview> {
    match is_wanted(app, user, &event, terms.filter.as_ref()).await {
        Ok(true) => {}
        Ok(false) => return Ok(Preview { matched: false, request: None, error: None }),
        Err(why) => return Ok(Preview { matched: false, request: None, error: Some(why.to_string()) }),
    }
    let content = Content::of(&event, &Shape::of(terms), user, &app.engine.transforms).await;
    let (content, error) = match content {
        Ok(content) => (content, None),
        Err(failed) => (None, Some(format!("the transform {failed}"))),
    };
    let request = content.map(|content| PreviewedRequest {
        headers: shown_headers(&unsigned_headers(&event, &content)),
        body: String::from_utf8_lossy(&content.body).into_owned(),
    });
    Ok(Preview { matched: true, request, error })
}

async fn is_wanted(
    app: &App,
    user: Option<&UserId>,
    event: &Arc<Event>,
    filter: Option<&Value>,
) -> std::result::Result<bool, Why> {
    // It was read before.
    let Some(Ok(filter)) = filter.map(Filter::parse) else { return Ok(true) };
    app.engine.matching.try_out(user, filter, Arc::clone(event)).await
}
