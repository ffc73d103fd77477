//! Transforms: a user's function between the event and the request.

use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::receiver::Reply;
use crate::support::sender::hmac_hex;
use crate::support::world::World;

#[tokio::test]
async fn a_transform_makes_the_body_and_the_signature_covers_it() {
    let mut world = World::start(Engine::Sqlite).await;
    let source = "(event) => ({ body: { text: event.data.title + ' for ' + event.user_id }, headers: { 'X-Kind': event.type } })";
    let terms = json!({ "transform": source, "headers": { "X-Kind": "theirs", "X-Team": "billing" } });
    let subscription = world.subscribe(&terms).await;
    assert_eq!(subscription.shown["transform"], source);
    let id = world.publish(&json!({ "title": "Mend the door" })).await;
    let delivered = world.receiver.next().await;
    assert_eq!(delivered.json(), json!({ "text": "Mend the door for alice" }));
    assert_eq!((delivered.header("x-kind"), delivered.header("x-team")), ("task.created", "billing"));
    let of_body = format!("sha256={}", hmac_hex(&subscription.secret, &delivered.body));
    assert_eq!((delivered.header("x-webhook-signature"), delivered.id()), (of_body.as_str(), id.as_str()));
    let delivery = world.delivery_when(&id, "success").await;
    assert_eq!(delivery["request"]["body"].as_str().unwrap().as_bytes(), delivered.body);
    let statistics = world.admin().get(&subscription.path()).await.ok()["statistics"].clone();
    assert_eq!(statistics["successful"], 1);
}

#[tokio::test]
async fn what_a_transform_skips_is_called_off_and_can_be_sent_later() {
    let mut world = World::start(Engine::Sqlite).await;
    let source = "(event) => event.data.urgent ? event.data : null";
    let subscription = world.subscribe(&json!({ "transform": source })).await;
    let id = world.publish(&json!({ "urgent": false })).await;
    let delivery = world.delivery_when(&id, "cancelled").await;
    assert!(delivery["error"].as_str().unwrap().contains("null"), "{delivery}");
    assert_eq!((&delivery["attempts"], &delivery["attempt_count"]), (&json!([]), &json!(0)));
    assert_eq!(delivery["request"], Value::Null);
    let statistics = world.admin().get(&subscription.path()).await.ok()["statistics"].clone();
    let told = [&statistics["total"], &statistics["failed"], &statistics["last_failure_at"]];
    assert_eq!(told, [&json!(1), &json!(0), &Value::Null]);
    assert!(world.receiver.rest().is_empty());

    world.admin().patch(&subscription.path(), &json!({ "transform": null })).await.ok();
    let path = format!("/api/deliveries/{}/retry", delivery["id"].as_str().unwrap());
    world.admin().post(&path, &json!({})).await.ok();
    world.delivery_when(&id, "success").await;
    assert_eq!(world.receiver.next().await.json()["data"], json!({ "urgent": false }));
}

#[tokio::test]
async fn a_transform_that_throws_fails_at_once_and_one_that_may_pass_is_tried_again() {
    let mut world = World::start(Engine::Sqlite).await;
    let source = "(event) => {\n  if (event.data.n === 1) throw new Error('no ones');\n  for (;;) {}\n}";
    world.subscribe(&json!({ "transform": source, "retry_policy": [0, 0] })).await;
    let thrown = world.publish(&json!({ "n": 1 })).await;
    let delivery = world.delivery_when(&thrown, "failed").await;
    let attempts = delivery["attempts"].as_array().unwrap();
    assert_eq!((attempts.len(), &attempts[0]["error_code"]), (1, &json!("transform")));
    let error = attempts[0]["error"].as_str().unwrap();
    assert!(error.contains("line 2") && error.contains("no ones"), "{error}");
    let slow = world.publish(&json!({ "n": 2 })).await;
    let attempts = world.attempts_when(&slow, "failed").await;
    assert_eq!(attempts.len(), 3, "{attempts:?}");
    assert!(attempts.iter().all(|attempt| attempt["error_code"] == "transform"), "{attempts:?}");
    assert!(world.receiver.rest().is_empty());
}

#[tokio::test]
async fn a_source_that_is_no_transform_is_refused_with_its_place() {
    let world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({})).await;
    let refused =
        async |terms: Value| world.admin().patch(&subscription.path(), &terms).await.problem(422, "invalid");
    let detail = refused(json!({ "transform": "(event) => {\n  return {;\n}" })).await;
    assert!(detail.starts_with("transform: line 2, column "), "{detail}");
    for source in ["42", "async (event) => event", "", &"x".repeat(70_000)] {
        let detail = refused(json!({ "transform": source })).await;
        assert!(detail.starts_with("transform: "), "{detail}");
    }
    let detail = refused(json!({ "transform": "(event) =>", "url": "ftp://x", "retry_count": 11 })).await;
    for field in ["transform: ", "url: ", "retry_count: "] {
        assert!(detail.contains(field), "{detail}");
    }
    let both = refused(json!({ "transform": "(event) => event", "template": "slack" })).await;
    assert!(both.starts_with("transform: "), "{both}");
    let terms =
        json!({ "user_id": "alice", "url": world.receiver.url(), "event_types": ["*"], "transform": "(" });
    world.admin().post("/api/webhooks", &terms).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_hostile_transform_harms_nobody_else() {
    let mut world = World::start(Engine::Sqlite).await;
    let hostile = "() => new Array(1e9).join('')";
    world.subscribe(&json!({ "transform": hostile, "retry_count": 0, "event_types": ["order.paid"] })).await;
    world.subscribe(&json!({ "transform": "(event) => event.data" })).await;
    let order = json!({ "type": "order.paid", "user_id": "alice", "data": {} });
    let events: Vec<_> = (0..4).map(|_| order.clone()).collect();
    world.admin().post("/api/events", &json!({ "events": events })).await.ok();
    let id = world.publish(&json!({ "fine": true })).await;
    world.delivery_when(&id, "success").await;
    let bodies: Vec<_> = world.receiver.rest().iter().map(|delivered| delivered.json()).collect();
    assert!(bodies.contains(&json!({ "fine": true })), "{bodies:?}");
}

#[tokio::test]
async fn a_preview_says_whether_an_event_is_wanted_and_what_would_be_sent() {
    let mut world = World::start(Engine::Sqlite).await;
    let preview = async |body: Value| world.admin().post("/api/webhooks/preview", &body).await.ok();
    let event = json!({ "type": "task.created", "user_id": "alice", "data": { "n": 3, "title": "Mend it" } });
    let shown = preview(json!({ "event": event, "filter": { "data.n": 3 } })).await;
    assert_eq!(shown["matched"], true);
    assert_eq!(shown["request"]["headers"]["content-type"], "application/json");
    assert_eq!(shown["request"]["headers"]["x-webhook-event"], "task.created");
    let body: Value = serde_json::from_str(shown["request"]["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["type"], &body["data"]), (&event["type"], &event["data"]));
    let unwanted =
        preview(json!({ "event": event, "filter": { "data.n": "3" }, "transform": "() => 1" })).await;
    assert_eq!(unwanted, json!({ "matched": false, "request": null }));
    let made = preview(
        json!({ "event": event, "transform": "({ data }) => ({ body: data.title, headers: { 'X-N': String(data.n) } })" }),
    );
    let made = made.await;
    assert_eq!(
        (&made["request"]["body"], &made["request"]["headers"]["x-n"]),
        (&json!("Mend it"), &json!("3"))
    );
    let skipped = preview(json!({ "event": event, "transform": "() => null" })).await;
    assert_eq!(skipped, json!({ "matched": true, "request": null }));
    let failed = preview(json!({ "event": event, "transform": "(event) => event.data.a.b" })).await;
    assert_eq!((&failed["matched"], &failed["request"]), (&json!(true), &Value::Null));
    assert!(failed["error"].as_str().unwrap().contains("line 1"), "{failed}");
    let slack = preview(json!({ "event": event, "template": "slack" })).await;
    assert!(slack["request"]["body"].as_str().unwrap().contains("blocks"));

    let id = world.publish(&json!({ "n": 7 })).await;
    let known = preview(json!({ "event_id": id, "filter": { "data.n": { "$gt": 6 } } })).await;
    assert_eq!((&known["matched"], &known["request"]["headers"]["webhook-id"]), (&json!(true), &json!(id)));
    assert!(world.receiver.rest().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn a_preview_shows_nobody_elses_events() {
    let world = World::start(Engine::Sqlite).await;
    let id = world.publish(&json!({})).await;
    let made = world.admin().post("/api/keys", &json!({ "name": "bob's", "user_id": "bob" })).await.ok();
    let bob = world.program.bearer(made["key"].as_str().unwrap());
    let preview = async |body: Value| bob.post("/api/webhooks/preview", &body).await;
    preview(json!({ "event_id": id })).await.problem(403, "forbidden");
    let event = |user: &str| json!({ "event": { "type": "a.b", "user_id": user, "data": {} } });
    preview(event("alice")).await.problem(403, "forbidden");
    preview(event("bob")).await.ok();
    preview(json!({ "event_id": "evt_019aa6b0c7d07b3e8f3c5a1d2e4f6071" })).await.problem(404, "not_found");
    for wrong in [
        json!({}),
        json!({ "event": 1 }),
        json!({ "event": { "type": "A" } }),
        json!({ "event": { "type": "a" }, "event_id": id }),
        json!({ "event": { "type": "a" }, "filter": [] }),
        json!({ "event": { "type": "a" }, "transform": "(" }),
        json!({ "event": { "type": "a" }, "colour": "red" }),
    ] {
        preview(wrong).await.problem(422, "invalid");
    }
    world.program.anyone().post("/api/webhooks/preview", &event("bob")).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn a_transform_runs_again_on_each_attempt() {
    let mut world = World::start(Engine::Sqlite).await;
    let subscription =
        world.subscribe(&json!({ "transform": "() => 'first'", "retry_policy": [1, 1] })).await;
    world.receiver.then(Reply::Status(500));
    let id = world.publish(&json!({})).await;
    assert_eq!(world.receiver.next().await.body, b"first");
    world.admin().patch(&subscription.path(), &json!({ "transform": "() => 'second'" })).await.ok();
    assert_eq!(world.receiver.next().await.body, b"second");
    world.delivery_when(&id, "success").await;
}
