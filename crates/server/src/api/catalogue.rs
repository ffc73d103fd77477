//! The catalogue of event types.

use axum::Json;
use domain::EventType;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::trial::TEST_EVENT;
use crate::access::Bearer;

/// A known event type.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownType {
    #[serde(rename = "type")]
    #[schema(example = "github.push")]
    event_type: &'static str,
    /// When it happens.
    description: &'static str,
    /// An example of `data`.
    #[schema(value_type = Object)]
    example: Value,
    /// The JSON Schema of the example: what is in it, and of which type. Senders may add to it at any time.
    #[schema(value_type = Object)]
    schema: Value,
    /// Whether it tells of Waystation's own work: a plain `*` then leaves it out.
    operational: bool,
}

/// Every known event type.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Catalogue {
    data: Vec<ShownType>,
}

/// List event types, each with a description and an example
#[utoipa::path(get, path = "/api/webhooks/event-types", tag = "Subscriptions",
    responses((status = 200, body = Catalogue)))]
pub(crate) async fn list_event_types(_: Bearer) -> Json<Catalogue> {
    let provided = providers::ALL.iter().flat_map(|provider| provider.event_types());
    let provided = provided.map(|known| shown(&known.event_type, &known.description, &known.example));
    let test = shown(TEST_EVENT, "Somebody tried a subscription out", r#"{"message":"This is a test."}"#);
    Json(Catalogue { data: provided.chain([test]).collect() })
}

fn shown(event_type: &'static str, description: &'static str, example: &'static str) -> ShownType {
    let example: Value = serde_json::from_str(example).unwrap_or_default();
    let operational = EventType::from_words([event_type]).is_operational();
    ShownType { event_type, description, schema: schema_of(&example), example, operational }
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

    #[test]
    fn a_schema_says_what_is_in_the_example() {
        let schema = schema_of(&json!({"a": [1], "b": {"c": "x"}}));
        assert_eq!(schema["properties"]["a"], json!({"type": "array", "items": {"type": "integer"}}));
        assert_eq!(schema["properties"]["b"]["properties"]["c"], json!({"type": "string"}));
    }
}
