//! What a subscriber chooses by what events hold, and what it is sent for them.

use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::sender::hmac_hex;
use crate::support::world::World;

on_each_database! {
    a_filter_decides_what_is_owed
}

async fn a_filter_decides_what_is_owed(engine: Engine) {
    let mut world = World::start(engine).await;
    let filter = json!({ "data.amount": { "$gte": 100 }, "type": { "$startsWith": "task." } });
    let subscription = world.subscribe(&json!({ "filter": filter })).await;
    assert_eq!(subscription.shown["filter"], filter);
    let unwanted = [json!({ "amount": 99 }), json!({ "amount": "100" }), json!({}), json!([100]), json!(100)];
    for data in unwanted {
        let id = world.publish(&data).await;
        let event = world.admin().get(&format!("/api/events/{id}")).await.ok();
        assert_eq!(event["deliveries"], json!([]), "{data}");
    }
    let wanted = world.publish(&json!({ "amount": 100.0 })).await;
    world.delivery_when(&wanted, "success").await;
    assert_eq!(world.receiver.next().await.id(), wanted);

    let changed = world.admin().patch(&subscription.path(), &json!({ "filter": { "data.n": 1 } })).await.ok();
    assert_eq!(changed["filter"], json!({ "data.n": 1 }));
    let wanted = world.publish(&json!({ "n": 1 })).await;
    world.delivery_when(&wanted, "success").await;
    let cleared = world.admin().patch(&subscription.path(), &json!({ "filter": null })).await.ok();
    assert_eq!(cleared["filter"], Value::Null);
    let wanted = world.publish(&json!({})).await;
    world.delivery_when(&wanted, "success").await;
    assert_eq!(world.receiver.rest().len(), 2);
}

#[tokio::test]
async fn what_is_wrong_with_a_shape_is_said_by_field() {
    let world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({})).await;
    let bad = json!({
        "filter": { "data.x": { "$regex": "a".repeat(1_000_000) } },
        "template": "carrier-pigeon",
        "headers": { "X-Fine": "yes", "X-Split": "a\r\nX-Evil: 1" },
        "url": "https://me:secret@example.com/",
        "colour": "red",
    });
    for answer in [
        world.admin().patch(&subscription.path(), &bad).await,
        world.admin().post("/api/webhooks", &with(&bad, "event_types", json!(["*"]))).await,
    ] {
        let detail = answer.problem(422, "invalid");
        assert!(detail.len() < 4_096, "{} bytes", detail.len());
        let fields: Vec<_> = answer.json()["errors"].as_array().unwrap().clone();
        let mut fields: Vec<_> = fields.iter().map(|error| error["field"].as_str().unwrap()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["colour", "filter", "headers", "template", "url"]);
    }
    for (field, value) in [
        ("filter", json!([])),
        ("filter", json!("data.x")),
        ("filter", json!({ "data.x": { "$near": 1 } })),
        ("filter", json!({ "data.x": { "$regex": "(" } })),
        ("template", json!(1)),
        ("batch", json!(3)),
        ("batch", json!({ "max_wait_ms": 5 })),
        ("batch", json!({ "max_events": 0 })),
        ("batch", json!({ "max_events": 1_001 })),
        ("batch", json!({ "max_events": 3, "max_wait_ms": 60_001 })),
        ("batch", json!({ "max_events": 3, "colour": "red" })),
        ("ordering_key", json!(1)),
        ("ordering_key", json!("amount")),
        ("ordering_key", json!("data..x")),
        ("headers", json!(["X-A: 1"])),
        ("headers", json!({ "X-A": 1 })),
        ("headers", json!({ "Host": "elsewhere.example" })),
        ("headers", json!({ "content-length": "0" })),
        ("headers", json!({ "Connection": "upgrade" })),
        ("headers", json!({ "Webhook-Signature": "v1,x" })),
        ("headers", json!({ "X-Webhook-Signature": "sha256=x" })),
        ("headers", json!({ "X-A": "x".repeat(5_000) })),
    ] {
        let answer = world.admin().patch(&subscription.path(), &json!({ field: value })).await;
        let detail = answer.problem(422, "invalid");
        assert!(detail.starts_with(&format!("{field}: ")), "{detail}");
    }
    let unchanged = world.admin().get(&subscription.path()).await.ok();
    let told = [&unchanged["filter"], &unchanged["template"], &unchanged["headers"]];
    assert_eq!(told, [&Value::Null, &Value::Null, &json!({})]);
}

#[tokio::test]
async fn a_template_and_headers_shape_the_request_and_the_signature_covers_it() {
    let mut world = World::start(Engine::Sqlite).await;
    let headers =
        json!({ "Authorization": "Bearer of-theirs", "X-Team": "billing", "User-Agent": "theirs/1" });
    let subscription = world.subscribe(&json!({ "template": "slack", "headers": headers })).await;
    assert_eq!(
        (&subscription.shown["template"], &subscription.shown["headers"]),
        (&json!("slack"), &headers)
    );
    let id = world.publish(&json!({ "title": "Mend <the> door" })).await;
    let delivered = world.receiver.next().await;
    assert_eq!(delivered.json()["text"], "task.created: Mend &lt;the&gt; door");
    assert!(delivered.json()["blocks"].is_array());
    for (name, value) in headers.as_object().unwrap() {
        assert_eq!(delivered.header(&name.to_lowercase()), value.as_str().unwrap());
    }
    let of_body = format!("sha256={}", hmac_hex(&subscription.secret, &delivered.body));
    assert_eq!(delivered.header("x-webhook-signature"), of_body);
    let delivery = world.delivery_when(&id, "success").await;
    assert_eq!(delivery["request"]["body"].as_str().unwrap().as_bytes(), delivered.body);
    assert_eq!(delivery["request"]["headers"]["x-team"], "billing");

    for (template, field) in [("discord", "embeds"), ("teams", "attachments"), ("generic", "event")] {
        world.admin().patch(&subscription.path(), &json!({ "template": template })).await.ok();
        world.publish(&json!({ "title": "x" })).await;
        assert!(!world.receiver.next().await.json()[field].is_null(), "{template}");
    }
    world.admin().patch(&subscription.path(), &json!({ "template": null, "headers": null })).await.ok();
    world.publish(&json!({ "title": "x" })).await;
    let delivered = world.receiver.next().await;
    assert_eq!(delivered.json()["data"], json!({ "title": "x" }));
    assert!(!delivered.has_header("x-team"));
}

/// `document` with one field more.
fn with(document: &Value, field: &str, value: Value) -> Value {
    let mut document = document.clone();
    document[field] = value;
    document
}
