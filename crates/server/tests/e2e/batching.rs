//! Several events in one signed request, which stay together.

use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::receiver::{Delivered, Reply};
use crate::support::sender::hmac_hex;
use crate::support::world::World;

on_each_database! {
    events_gather_until_they_fill_a_batch
    the_first_of_a_batch_does_not_wait_for_ever
    a_batch_that_fails_is_sent_again_as_it_was
    what_is_called_off_makes_another_batch_of_the_rest
    a_kill_leaves_a_batch_as_it_was
    a_batch_keeps_order
}

/// Publishes all of these at once; their ids.
async fn publish_all(world: &World, all: &[Value]) -> Vec<String> {
    let event = |data: &Value| json!({ "type": "task.created", "user_id": "alice", "data": data });
    let events: Vec<_> = all.iter().map(event).collect();
    let published = world.admin().post("/api/events", &json!({ "events": events })).await.ok();
    let published = published["events"].as_array().unwrap();
    published.iter().map(|event| event["event_id"].as_str().unwrap().to_owned()).collect()
}

/// What the events of a batch hold.
fn data(delivered: &Delivered) -> Vec<Value> {
    let body = delivered.json();
    assert_eq!(body.as_object().unwrap().len(), 1);
    body["events"].as_array().unwrap().iter().map(|event| event["data"].clone()).collect()
}

async fn events_gather_until_they_fill_a_batch(engine: Engine) {
    let mut world = World::start(engine).await;
    let batch = json!({ "max_events": 3, "max_wait_ms": 60_000 });
    let subscription = world.subscribe(&json!({ "batch": batch, "headers": { "X-Team": "billing" } })).await;
    assert_eq!(subscription.shown["batch"], batch);
    let mut ids = Vec::new();
    for number in 0..2 {
        ids.push(world.publish(&json!(number)).await);
        world.delivery_when(&ids[number], "pending").await;
    }
    assert!(world.receiver.rest().is_empty(), "they wait");
    ids.push(world.publish(&json!(2)).await);
    let delivered = world.receiver.next().await;
    assert_eq!(data(&delivered), [0, 1, 2]);
    let event = &delivered.json()["events"][1];
    assert_eq!((&event["id"], &event["type"]), (&json!(ids[1]), &json!("task.created")));
    assert!(delivered.id().starts_with("bat_"));
    let of_body = format!("sha256={}", hmac_hex(&subscription.secret, &delivered.body));
    assert_eq!(delivered.header("x-webhook-signature"), of_body);
    assert_eq!(delivered.header("x-team"), "billing");
    assert!(!delivered.has_header("x-webhook-event") && !delivered.has_header("x-webhook-delivery"));
    for id in &ids {
        let delivery = world.delivery_when(id, "success").await;
        assert_eq!((&delivery["attempt_count"], &delivery["request"]), (&json!(1), &Value::Null));
        assert_eq!(delivery["attempts"][0]["response_status"], 200);
    }
    let trial = world.admin().post(&format!("{}/test", subscription.path()), &json!({})).await.ok();
    assert_eq!(trial["status"], "success");
    assert_eq!(data(&world.receiver.next().await).len(), 1);
    let cleared = world.admin().patch(&subscription.path(), &json!({ "batch": null })).await.ok();
    assert_eq!(cleared["batch"], Value::Null);
    let alone = world.publish(&json!(3)).await;
    assert_eq!(world.receiver.next().await.id(), alone);
}

async fn the_first_of_a_batch_does_not_wait_for_ever(engine: Engine) {
    let mut world = World::start(engine).await;
    world.subscribe(&json!({ "batch": { "max_events": 1_000, "max_wait_ms": 300 } })).await;
    publish_all(&world, &[json!(0), json!(1)]).await;
    let delivered = world.receiver.next().await;
    assert_eq!(data(&delivered), [0, 1], "the second went with the first");
    world.publish(&json!(2)).await;
    assert_eq!(data(&world.receiver.next().await), [2]);
}

async fn a_batch_that_fails_is_sent_again_as_it_was(engine: Engine) {
    let mut world = World::start(engine).await;
    let batch = json!({ "max_events": 100, "max_wait_ms": 0 });
    world.subscribe(&json!({ "batch": batch, "retry_policy": [1], "retry_count": 1 })).await;
    world.receiver.then(Reply::WithBody(500, vec![b'x'; 20_000]));
    let ids = publish_all(&world, &[json!(0), json!(1)]).await;
    let first = world.receiver.next().await;
    assert_eq!(data(&first), [0, 1]);
    world.publish(&json!(2)).await;
    let (mut again, mut other) = (world.receiver.next().await, world.receiver.next().await);
    if data(&other).len() == 2 {
        std::mem::swap(&mut again, &mut other);
    }
    assert_eq!(data(&other), [2], "nothing joins a batch that was made");
    assert_eq!((again.id(), &again.body), (first.id(), &first.body));
    assert_ne!(other.id(), first.id());
    for id in &ids {
        let attempts = world.attempts_when(id, "success").await;
        let told: Vec<_> =
            attempts.iter().map(|attempt| json!([attempt["number"], attempt["response_status"]])).collect();
        assert_eq!(told, [json!([1, 500]), json!([2, 200])]);
        assert_eq!(attempts[0]["response_body"].as_str().unwrap().len(), 8_192, "they share what is kept");
    }
}

async fn what_is_called_off_makes_another_batch_of_the_rest(engine: Engine) {
    let mut world = World::start(engine).await;
    let batch = json!({ "max_events": 3, "max_wait_ms": 60_000 });
    let subscription = world.subscribe(&json!({ "batch": batch, "retry_policy": [1] })).await;
    let go = world.receiver.then_when_told();
    let ids = publish_all(&world, &[json!(0), json!(1), json!(2)]).await;
    let first = world.receiver.next().await;
    // While it is under way the subscription is paused, and one is called off. The end of the attempt changes nothing
    // of that.
    world.admin().patch(&subscription.path(), &json!({ "paused": true })).await.ok();
    let delivery = world.delivery_when(&ids[1], "processing").await;
    let cancel = format!("/api/deliveries/{}/cancel", delivery["id"].as_str().unwrap());
    world.admin().post(&cancel, &json!({})).await.ok();
    go.notify_one();
    for (id, status) in ids.iter().zip(["success", "cancelled", "success"]) {
        world.delivery_when(id, status).await;
    }
    // What has failed is retried without the one that was called off.
    world.admin().patch(&subscription.path(), &json!({ "paused": false, "retry_policy": [600] })).await.ok();
    world.receiver.then(Reply::Status(500));
    let ids = publish_all(&world, &[json!(3), json!(4), json!(5)]).await;
    let second = world.receiver.next().await;
    assert_eq!(data(&second), [3, 4, 5]);
    let delivery = world.delivery_when(&ids[1], "retrying").await;
    let path =
        |delivery: &Value, what: &str| format!("/api/deliveries/{}/{what}", delivery["id"].as_str().unwrap());
    for id in [&ids[0], &ids[2]] {
        let delivery = world.delivery_when(id, "retrying").await;
        world.admin().post(&path(&delivery, "cancel"), &json!({})).await.ok();
        world.admin().post(&path(&delivery, "retry"), &json!({})).await.ok();
    }
    world.admin().post(&path(&delivery, "cancel"), &json!({})).await.ok();
    let mut rest = data(&world.receiver.next().await);
    while rest.len() < 2 {
        rest.extend(data(&world.receiver.next().await));
    }
    assert_eq!(rest, [3, 5]);
    assert_ne!(second.id(), first.id());
}

async fn a_kill_leaves_a_batch_as_it_was(engine: Engine) {
    let mut world = World::start(engine).await;
    let batch = json!({ "max_events": 2, "max_wait_ms": 60_000 });
    world.subscribe(&json!({ "batch": batch, "timeout_seconds": 60 })).await;
    world.receiver.then(Reply::Hang);
    publish_all(&world, &[json!(0), json!(1)]).await;
    let first = world.receiver.next().await;
    world.publish(&json!(2)).await;
    world.program.kill().await;
    world.program = world.launch.start().await;
    let again = world.receiver.next().await;
    assert_eq!((again.id(), &again.body), (first.id(), &first.body));
    world.publish(&json!(3)).await;
    assert_eq!(data(&world.receiver.next().await), [2, 3]);
}

async fn a_batch_keeps_order(engine: Engine) {
    let mut world = World::start(engine).await;
    let batch = json!({ "max_events": 10, "max_wait_ms": 0 });
    world.subscribe(&json!({ "batch": batch, "ordering_key": "data.key", "retry_policy": [1] })).await;
    world.receiver.then(Reply::Status(500));
    let event = |key: &str, number: u64| json!({ "key": key, "number": number });
    let all = [event("a", 1), event("a", 2), event("b", 1), event("a", 3)];
    publish_all(&world, &all).await;
    let mut arrived = Vec::new();
    for _ in 0..4 {
        arrived.push(data(&world.receiver.next().await));
    }
    let first = vec![all[0].clone(), all[2].clone()];
    assert_eq!(arrived, [first.clone(), first, vec![all[1].clone()], vec![all[3].clone()]]);
}

#[tokio::test]
async fn what_does_not_go_with_a_batch_is_refused() {
    let world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({ "template": "slack" })).await;
    let batch = json!({ "batch": { "max_events": 3 } });
    let detail = world.admin().patch(&subscription.path(), &batch).await.problem(422, "invalid");
    assert!(detail.starts_with("batch: "), "{detail}");
    let both = json!({ "batch": { "max_events": 3 }, "template": null });
    let changed = world.admin().patch(&subscription.path(), &both).await.ok();
    assert_eq!(changed["batch"], json!({ "max_events": 3, "max_wait_ms": 1_000 }));
    let transform = json!({ "transform": "(event) => null" });
    world.admin().patch(&subscription.path(), &transform).await.problem(422, "invalid");
    let queue =
        json!({ "target": "pull", "user_id": "alice", "event_types": ["*"], "batch": { "max_events": 3 } });
    world.admin().post("/api/webhooks", &queue).await.problem(422, "invalid");
    let preview = json!({ "event": { "type": "a.b", "data": {} }, "batch": { "max_events": 3 } });
    world.admin().post("/api/webhooks/preview", &preview).await.problem(422, "invalid");
}
