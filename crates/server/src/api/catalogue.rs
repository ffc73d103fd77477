//! The catalogue of event types: what providers emit, what Waystation itself does (`catalogue/own.json`), and what
//! users and the operator have added.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use axum::Json;
use axum::extract::{Path, State};
use domain::event::Json as Document;
use domain::limits::DESCRIPTION_BYTES_MAX;
use domain::{EventType, UserId};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::AddedType;
use utoipa::{IntoParams, ToSchema};

use super::fields::{Fields, Said};
use super::list::{Params, parsed};
use crate::access::Bearer;
use crate::app::App;
use crate::problem::{Problem, Result};

/// Event types that one owner may add. The list is answered whole.
const ADDED_TYPES_MAX: usize = 500;

/// Bytes of an example or a schema. People read them.
const DOCUMENT_BYTES_MAX: usize = 16 * 1_024;

/// A known event type.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ShownType {
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "github.push")]
    event_type: EventType,
    /// When it happens.
    description: String,
    /// An example of `data`.
    #[schema(value_type = Object)]
    example: Value,
    /// The JSON Schema of `data`: what is in it, and of which type. Senders may add to it at any time.
    #[schema(value_type = Object)]
    schema: Value,
    /// Whether it tells of Waystation's own work: a plain `*` then leaves it out.
    operational: bool,
    /// Whether somebody has added it, who can remove it again.
    added: bool,
}

/// Every known event type.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Catalogue {
    data: Vec<ShownType>,
}

/// Whose catalogue.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CatalogueQuery {
    /// The user whose types are meant, beside everyone's.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
}

/// List event types, each with a description, an example and a schema
#[utoipa::path(get, path = "/api/webhooks/event-types", tag = "Subscriptions", params(CatalogueQuery),
    responses((status = 200, body = Catalogue)))]
pub(crate) async fn list_event_types(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<CatalogueQuery>,
) -> Result<Json<Catalogue>> {
    let mut added = app.engine.store.event_types(None).await?;
    if let Some(user) = access.narrow(query.user_id)? {
        added.extend(app.engine.store.event_types(Some(&user)).await?);
    }
    let data = BUILT_IN.iter().cloned().chain(added.into_iter().map(ShownType::from)).collect();
    Ok(Json(Catalogue { data }))
}

/// What an event type is to be.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct TypeTerms {
    /// Words of a-z, 0-9, _ and - joined by dots.
    #[schema(example = "order.paid")]
    r#type: String,
    /// When it happens.
    description: String,
    /// An example of `data`.
    #[schema(value_type = Option<Object>)]
    example: Option<Value>,
    /// The JSON Schema of `data`; made from the example where it is left out.
    #[schema(value_type = Option<Object>)]
    schema: Option<Value>,
    /// In whose catalogue. A user's key may leave it out; with the admin key, left out or `null` means everyone's.
    user_id: Option<String>,
}

/// Add an event type to the catalogue
///
/// Events may be published under any type; this describes one for those who subscribe.
#[utoipa::path(post, path = "/api/webhooks/event-types", tag = "Subscriptions", request_body = TypeTerms,
    responses((status = 201, body = ShownType), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create_event_type(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    mut fields: Fields,
) -> Result<(StatusCode, Json<ShownType>)> {
    let event_type = take_type(&mut fields);
    let event_type = fields.need("type", event_type, "what are the events called?");
    let description = fields.take_text("description", DESCRIPTION_BYTES_MAX);
    let description = fields.need("description", description, "when do they happen?");
    let example = take_document(&mut fields, "example", "JSON", |_| true);
    let schema = take_document(&mut fields, "schema", "a JSON Schema, which is an object", Value::is_object);
    let user_id = fields.take_parsed("user_id");
    fields.finish()?;
    let owner_id = access.narrow(match user_id {
        Said::Value(user) => Some(user),
        Said::Nothing | Said::Null => None,
    })?;
    let (Some(event_type), Some(description)) = (event_type, description) else {
        return Err(Problem::internal());
    };
    let created_at = app.engine.clock.now();
    let added = AddedType { owner_id, event_type, description, example, schema, created_at };
    let store = &app.engine.store;
    if store.event_types(added.owner_id.as_ref()).await?.len() >= ADDED_TYPES_MAX {
        let detail = format!("there are {ADDED_TYPES_MAX} event types already: remove one first");
        return Err(Problem::conflict("conflict", detail));
    }
    let is_known = is_built_in(&added.event_type) || !store.create_event_type(&added).await?;
    if is_known {
        return Err(Problem::conflict(
            "conflict",
            format!("{} is in the catalogue already", added.event_type),
        ));
    }
    Ok((StatusCode::CREATED, Json(added.into())))
}

fn take_type(fields: &mut Fields) -> Said<EventType> {
    fields.take("type", "a text", |text: String| {
        let event_type = text.parse::<EventType>().map_err(|error| error.to_string())?;
        if event_type.is_operational() {
            return Err("begins like those that tell of Waystation's own work".to_owned());
        }
        Ok(event_type)
    })
}

fn take_document(
    fields: &mut Fields,
    name: &str,
    expected: &str,
    is_wanted: impl FnOnce(&Value) -> bool,
) -> Option<Document> {
    let document = fields.take(name, expected, |value: Value| {
        let text = value.to_string();
        if !is_wanted(&value) {
            Err(format!("must be {expected}"))
        } else if text.len() > DOCUMENT_BYTES_MAX {
            Err(format!("must be at most {DOCUMENT_BYTES_MAX} bytes long"))
        } else {
            Document::from_text(&text).map(Some).map_err(|error| error.to_string())
        }
    });
    document.or(None)
}

/// Remove an event type from the catalogue
///
/// Events of that type stay, and more may come.
#[utoipa::path(delete, path = "/api/webhooks/event-types/{type}", tag = "Subscriptions",
    params(("type" = String, Path), CatalogueQuery),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub(crate) async fn delete_event_type(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Path(event_type): Path<String>,
    Params(query): Params<CatalogueQuery>,
) -> Result<StatusCode> {
    let event_type = event_type.parse().map_err(|_| Problem::not_found("event type"))?;
    let owner_id = access.narrow(query.user_id)?;
    if app.engine.store.delete_event_type(owner_id.as_ref(), &event_type).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    if is_built_in(&event_type) {
        return Err(Problem::conflict("conflict", format!("{event_type} is built in")));
    }
    if app.engine.store.event_types(None).await?.iter().any(|added| added.event_type == event_type) {
        access.check(None)?;
    }
    Err(Problem::not_found("event type"))
}

/// What providers emit, and then what Waystation itself does.
static BUILT_IN: LazyLock<Vec<ShownType>> = LazyLock::new(|| {
    let sent = providers::ALL.iter().flat_map(|provider| provider.event_types());
    let provided = sent.chain(providers::POLLABLE.iter().flat_map(|provider| provider.event_types()));
    let provided = provided.map(|known| {
        let example: Value = serde_json::from_str(&known.example).unwrap_or_default();
        built_in(&known.event_type, &known.description, schema_of(&example), example)
    });
    let own = OWN
        .iter()
        .map(|own| built_in(&own.event_type, &own.description, own.schema.clone(), own.example.clone()));
    let mut names = HashSet::new();
    provided.chain(own).filter(|known| names.insert(known.event_type.clone())).collect()
});

static OWN: LazyLock<Vec<OwnType>> =
    LazyLock::new(|| serde_json::from_str(include_str!("catalogue/own.json")).expect("a test reads it"));

/// An event type that Waystation itself emits, or that is agreed upon for all who publish.
#[derive(Debug, Deserialize)]
struct OwnType {
    #[serde(rename = "type")]
    event_type: String,
    description: String,
    example: Value,
    schema: Value,
}

fn built_in(event_type: &str, description: &str, schema: Value, example: Value) -> ShownType {
    let event_type = EventType::from_words([event_type]);
    let operational = event_type.is_operational();
    ShownType { event_type, description: description.to_owned(), example, schema, operational, added: false }
}

fn is_built_in(event_type: &EventType) -> bool {
    BUILT_IN.iter().any(|known| known.event_type == *event_type)
}

impl From<AddedType> for ShownType {
    fn from(added: AddedType) -> Self {
        let example = added.example.map(|example| example.to_value()).unwrap_or_default();
        let schema = added.schema.map_or_else(|| schema_of(&example), |schema| schema.to_value());
        let operational = added.event_type.is_operational();
        let AddedType { event_type, description, .. } = added;
        Self { event_type, description, example, schema, operational, added: true }
    }
}

/// Describes what an example looks like.
fn schema_of(example: &Value) -> Value {
    match example {
        Value::Null => json!({}),
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Number(number) if number.is_f64() => json!({"type": "number"}),
        Value::Number(_) => json!({"type": "integer"}),
        Value::String(_) => json!({"type": "string"}),
        Value::Array(items) => match items.first() {
            Some(first) => json!({"type": "array", "items": schema_of(first)}),
            None => json!({"type": "array"}),
        },
        Value::Object(fields) => {
            let properties: Map<_, _> =
                fields.iter().map(|(name, value)| (name.clone(), schema_of(value))).collect();
            json!({"type": "object", "properties": properties})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::trial::TEST_EVENT;

    #[test]
    fn a_schema_says_what_is_in_the_example() {
        let schema = schema_of(&json!({"a": [1], "b": {"c": "x"}}));
        assert_eq!(schema["properties"]["a"], json!({"type": "array", "items": {"type": "integer"}}));
        assert_eq!(schema["properties"]["b"]["properties"]["c"], json!({"type": "string"}));
    }

    #[test]
    fn our_own_types_are_whole_and_none_is_there_twice() {
        assert!(OWN.iter().any(|own| own.event_type == TEST_EVENT));
        for own in OWN.iter() {
            assert!(own.event_type.parse::<EventType>().is_ok(), "{}", own.event_type);
            assert!(!own.description.is_empty(), "{}", own.event_type);
            let same = BUILT_IN.iter().filter(|known| known.event_type.as_str() == own.event_type);
            assert_eq!(same.count(), 1, "{}", own.event_type);
        }
    }

    #[test]
    fn our_own_examples_are_what_their_schemas_say() {
        for OwnType { event_type, example, schema, .. } in OWN.iter() {
            let (fields, properties) =
                (example.as_object().unwrap(), schema["properties"].as_object().unwrap());
            let required: Vec<_> =
                schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            assert!(required.iter().all(|&name| fields.contains_key(name)), "{event_type}");
            for (name, value) in fields {
                let property = &properties[name];
                let allowed = match &property["type"] {
                    Value::Array(types) => types.clone(),
                    one => vec![one.clone()],
                };
                let is_of_it =
                    |kind: &Value| kind == &kind_of(value) || (kind == "number" && value.is_number());
                assert!(allowed.iter().any(is_of_it), "{event_type}: {name}");
                assert!(
                    property["description"].as_str().is_some_and(|text| !text.is_empty()),
                    "{event_type}: {name}"
                );
            }
        }
    }

    fn kind_of(value: &Value) -> Value {
        match value {
            Value::Null => json!("null"),
            other => schema_of(other)["type"].clone(),
        }
    }
}
