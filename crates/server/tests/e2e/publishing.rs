//! What the host application publishes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, Request};
use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::world::World;

on_each_database! {
    an_event_is_published_read_and_delivered
    a_batch_of_a_thousand_is_answered_in_its_order
    an_idempotency_key_makes_a_repeat_harmless
}

fn event(number: usize) -> Value {
    json!({ "type": "task.created", "user_id": "alice", "data": { "number": number } })
}

async fn with_key(client: &Client, key: &str, body: &Value) -> Answer {
    client.send(Request::post("/api/events").header("idempotency-key", key).json(body)).await
}

async fn an_event_is_published_read_and_delivered(engine: Engine) {
    let mut world = World::start(engine).await;
    world.subscribe(&json!({})).await;
    let body = json!({
        "type": "task.created", "user_id": "alice", "data": { "title": "Mend the door" },
        "occurred_at": "2026-01-15T10:30:00.5+01:00",
    });
    let published = world.admin().post("/api/events", &body).await.ok();
    assert_eq!(published["status"], "accepted");
    let read = world.admin().get(&format!("/api/events/{}", published["event_id"].as_str().unwrap())).await;
    let read = read.ok();
    for (field, expected) in [
        ("type", json!("task.created")),
        ("user_id", json!("alice")),
        ("source", json!("api")),
        ("provider", Value::Null),
        ("occurred_at", json!("2026-01-15T09:30:00.500Z")),
        ("data", json!({ "title": "Mend the door" })),
    ] {
        assert_eq!(read[field], expected, "{field}");
    }
    assert_eq!(world.receiver.next().await.json()["timestamp"], "2026-01-15T09:30:00.500Z");
}

async fn a_batch_of_a_thousand_is_answered_in_its_order(engine: Engine) {
    let mut world = World::start(engine).await;
    world.subscribe(&json!({})).await;
    let batch = json!({ "events": (0..1_000).map(event).collect::<Vec<_>>() });
    let published = world.admin().post("/api/events", &batch).await.ok();
    assert_eq!(published["status"], "accepted");
    let stored: BTreeMap<String, Value> = world.events().await.iter().map(by_id).collect();
    let answered = published["events"].as_array().unwrap();
    assert_eq!((stored.len(), answered.len()), (1_000, 1_000));
    for (number, answer) in answered.iter().enumerate() {
        let id = answer["event_id"].as_str().unwrap();
        assert_eq!((&answer["status"], &stored[id]), (&json!("accepted"), &json!(number)));
    }
    let mut delivered = BTreeMap::new();
    while delivered.len() < 1_000 {
        let (id, number) = by_id(&world.receiver.next().await.json());
        assert_eq!(delivered.insert(id, number), None, "delivered twice");
    }
    assert_eq!(delivered, stored);
}

/// An event's id and the number in its data.
fn by_id(event: &Value) -> (String, Value) {
    (event["id"].as_str().unwrap().to_owned(), event["data"]["number"].clone())
}

#[tokio::test]
async fn one_bad_event_refuses_the_whole_batch_and_is_named() {
    let world = World::start(Engine::Sqlite).await;
    for bad in [
        json!({ "type": "Not A Type", "user_id": "alice", "data": {} }),
        json!({ "type": "task.created", "user_id": "", "data": {} }),
        json!({ "type": "task.created", "user_id": "alice", "data": {}, "occurred_at": "yesterday" }),
        json!({ "type": "task.created", "user_id": "alice", "data": {}, "colour": "red" }),
        json!({ "user_id": "alice", "data": {} }),
        json!("no object"),
    ] {
        let batch = json!({ "events": [event(0), event(1), bad, event(3)] });
        let answer = world.admin().post("/api/events", &batch).await;
        let detail = answer.problem(422, "invalid");
        assert!(detail.contains("events[2]"), "{detail}");
        assert_eq!(answer.json()["errors"].as_array().unwrap().len(), 1);
        if bad.is_object() {
            world.admin().post("/api/events", &bad).await.problem(422, "invalid");
        }
    }
    assert_eq!(world.events().await, Vec::<Value>::new());
}

#[tokio::test]
async fn all_that_is_wrong_with_an_event_is_said_by_its_fields() {
    let world = World::start(Engine::Sqlite).await;
    for (bad, fields) in [
        (json!({}), vec!["type"]),
        (
            json!({ "type": 1, "user_id": 2, "id": 3, "occurred_at": 4 }),
            vec!["type", "user_id", "occurred_at", "id"],
        ),
        (
            json!({ "type": "Not A Type", "user_id": "", "occurred_at": "yesterday" }),
            vec!["type", "user_id", "occurred_at"],
        ),
        (json!({ "type": "task.created", "colour": "red", "size": 1 }), vec!["colour", "size"]),
    ] {
        let answer = world.admin().post("/api/events", &bad).await;
        let detail = answer.problem(422, "invalid");
        assert!(detail.starts_with(fields[0]) && !detail.contains(" at line "), "{detail}");
        let answer = answer.json();
        let named: Vec<_> =
            answer["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
        assert_eq!(named, fields, "{answer}");
    }
    let listed = world.admin().post("/api/events", &json!([event(0)])).await;
    let detail = listed.problem(400, "unreadable");
    assert!(detail.ends_with("neither an event nor {\"events\": […]}"), "{detail}");
}

#[tokio::test]
async fn more_than_a_thousand_events_are_refused() {
    let world = World::start(Engine::Sqlite).await;
    let batch = |count: usize| json!({ "events": (0..count).map(event).collect::<Vec<_>>() });
    world.admin().post("/api/events", &batch(1_001)).await.problem(422, "invalid");
    world.admin().post("/api/events", &batch(0)).await.problem(422, "invalid");
    assert_eq!(world.events().await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_is_no_publication_is_a_bad_request() {
    let world = World::start(Engine::Sqlite).await;
    let send = async |body: Vec<u8>| world.admin().send(Request::post("/api/events").body(body)).await;
    for body in [&b""[..], b"{", b"\"no object\"", b"{\"type\":\"\xff\"}"] {
        send(body.to_vec()).await.problem(400, "unreadable");
    }
    send(vec![b' '; 5 * 1_024 * 1_024 + 1]).await.problem(413, "payload_too_large");
    assert_eq!(world.events().await, Vec::<Value>::new());
}

async fn an_idempotency_key_makes_a_repeat_harmless(engine: Engine) {
    let mut world = World::start(engine).await;
    world.subscribe(&json!({})).await;
    let batch = json!({ "events": [event(0), event(1)] });
    let first = with_key(&world.admin(), "k-1", &batch).await.ok();
    let again = with_key(&world.admin(), "k-1", &batch).await.ok();
    for index in 0..2 {
        assert_eq!(first["events"][index]["status"], "accepted");
        assert_eq!(again["events"][index]["status"], "duplicate");
        assert_eq!(first["events"][index]["event_id"], again["events"][index]["event_id"]);
    }
    with_key(&world.admin(), "k-1", &json!({ "events": [event(0)] }))
        .await
        .problem(409, "idempotency_key_reused");
    assert_eq!(with_key(&world.admin(), "k-2", &batch).await.ok()["events"][0]["status"], "accepted");
    assert_eq!(world.events().await.len(), 4);
    let mut delivered = Vec::new();
    for _ in 0..4 {
        delivered.push(world.receiver.next().await.id().to_owned());
    }
    delivered.sort();
    delivered.dedup();
    assert_eq!((delivered.len(), world.receiver.rest().len()), (4, 0));
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_its_user() {
    let world = World::start(Engine::Sqlite).await;
    let key = async |user: &str| {
        let key = world.admin().post("/api/keys", &json!({ "name": user, "user_id": user })).await.ok();
        world.program.bearer(key["key"].as_str().unwrap())
    };
    let body = json!({ "type": "task.created", "data": {} });
    let alice = with_key(&key("alice").await, "same", &body).await.ok();
    let bob = with_key(&key("bob").await, "same", &body).await.ok();
    assert_eq!((&alice["status"], &bob["status"]), (&"accepted".into(), &"accepted".into()));
    assert_ne!(alice["event_id"], bob["event_id"]);
    let bobs = with_key(&key("bob").await, "same", &body).await.ok();
    assert_eq!(bobs, json!({ "status": "duplicate", "event_id": bob["event_id"] }));
}

#[tokio::test]
async fn the_applications_own_id_is_known_again_for_its_user() {
    let world = World::start(Engine::Sqlite).await;
    let publish = async |user: &str, id: &str, data: Value| {
        let body = json!({ "type": "task.created", "user_id": user, "id": id, "data": data });
        world.admin().post("/api/events", &body).await.ok()
    };
    let first = publish("alice", "order-1", json!(1)).await;
    let again = publish("alice", "order-1", json!(2)).await;
    assert_eq!(again, json!({ "status": "duplicate", "event_id": first["event_id"] }));
    assert_eq!(publish("alice", "order-2", json!(3)).await["status"], "accepted");
    assert_eq!(publish("bob", "order-1", json!(4)).await["status"], "accepted");
    let one = json!({ "type": "a.b", "user_id": "alice", "id": "twice", "data": {} });
    let batch = json!({ "events": [one, one] });
    let batch = world.admin().post("/api/events", &batch).await.ok();
    assert_eq!(
        batch["events"][1],
        json!({ "status": "duplicate", "event_id": batch["events"][0]["event_id"] })
    );
    assert_eq!(world.events().await.len(), 4);
}

#[tokio::test]
async fn a_users_key_publishes_as_its_user_and_nobody_else() {
    let world = World::start(Engine::Sqlite).await;
    let key = world.admin().post("/api/keys", &json!({ "name": "k", "user_id": "alice" })).await.ok();
    let alice = world.program.bearer(key["key"].as_str().unwrap());
    alice.post("/api/events", &json!({ "type": "task.created", "data": {} })).await.ok();
    alice.post("/api/events", &event(1)).await.ok();
    let bobs = json!({ "type": "task.created", "user_id": "bob", "data": {} });
    alice.post("/api/events", &bobs).await.problem(403, "forbidden");
    alice.post("/api/events", &json!({ "events": [event(2), bobs] })).await.problem(403, "forbidden");
    let events = world.events().await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event["user_id"] == "alice"));
}
