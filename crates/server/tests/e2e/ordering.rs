//! Deliveries with one ordering key go one after another; others do not wait for them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::receiver::{Delivered, Reply};
use crate::support::world::World;

on_each_database! {
    those_of_one_key_go_one_after_another_and_others_beside_them
    one_that_fails_holds_its_key_back_until_it_has_ended
    a_kill_changes_no_order
    workers_lease_one_of_a_key_at_a_time
}

/// Publishes event `number` of a key.
async fn publish(world: &World, key: &str, number: u64) -> String {
    world.publish(&json!({ "key": key, "number": number })).await
}

/// Which event of which key it was.
fn told(delivered: &Delivered) -> (String, u64) {
    let data = &delivered.json()["data"];
    (data["key"].as_str().unwrap_or_default().to_owned(), data["number"].as_u64().unwrap_or_default())
}

fn of(key: &str, number: u64) -> (String, u64) {
    (key.to_owned(), number)
}

async fn those_of_one_key_go_one_after_another_and_others_beside_them(engine: Engine) {
    let mut world = World::start(engine).await;
    let subscription = world.subscribe(&json!({ "ordering_key": "data.key" })).await;
    assert_eq!(subscription.shown["ordering_key"], "data.key");
    let go = world.receiver.then_when_told();
    let first = publish(&world, "a", 1).await;
    assert_eq!(told(&world.receiver.next().await), of("a", 1));
    let second = publish(&world, "a", 2).await;
    publish(&world, "b", 1).await;
    assert_eq!(told(&world.receiver.next().await), of("b", 1), "what came before it is held back");
    // What has no key waits for nobody.
    let alone = world.publish(&json!({})).await;
    assert_eq!(world.receiver.next().await.id(), alone);
    assert_eq!(world.delivery_when(&second, "pending").await["attempt_count"], 0);
    go.notify_one();
    assert_eq!(told(&world.receiver.next().await), of("a", 2));
    world.delivery_when(&first, "success").await;
    world.delivery_when(&second, "success").await;

    // Calling one off lets the next go, even while it is under way.
    world.receiver.then(Reply::Hang);
    let hanging = publish(&world, "a", 3).await;
    assert_eq!(told(&world.receiver.next().await), of("a", 3));
    publish(&world, "a", 4).await;
    let delivery = world.delivery_when(&hanging, "processing").await;
    let cancel = format!("/api/deliveries/{}/cancel", delivery["id"].as_str().unwrap());
    world.admin().post(&cancel, &json!({})).await.ok();
    assert_eq!(told(&world.receiver.next().await), of("a", 4));

    let cleared = world.admin().patch(&subscription.path(), &json!({ "ordering_key": null })).await.ok();
    assert_eq!(cleared["ordering_key"], Value::Null);
    world.receiver.then(Reply::Hang);
    publish(&world, "a", 5).await;
    assert_eq!(told(&world.receiver.next().await), of("a", 5));
    publish(&world, "a", 6).await;
    assert_eq!(told(&world.receiver.next().await), of("a", 6), "nothing waits any more");
}

async fn one_that_fails_holds_its_key_back_until_it_has_ended(engine: Engine) {
    let mut world = World::start(engine).await;
    let terms = json!({ "ordering_key": "data.key", "retry_policy": [1], "retry_count": 1 });
    world.subscribe(&terms).await;
    // The first is delivered at its second attempt. The second fails for good.
    for status in [500, 200, 500, 500] {
        world.receiver.then(Reply::Status(status));
    }
    let mut ids = Vec::new();
    for number in 1..=4 {
        ids.push(publish(&world, "a", number).await);
    }
    let mut arrived = Vec::new();
    for _ in 0..6 {
        arrived.push(told(&world.receiver.next().await).1);
    }
    assert_eq!(arrived, [1, 1, 2, 2, 3, 4]);
    // By hand it goes at once, whatever else of its key is under way.
    world.receiver.then(Reply::Hang);
    publish(&world, "a", 5).await;
    assert_eq!(told(&world.receiver.next().await).1, 5);
    let failed = world.delivery_when(&ids[1], "failed").await;
    let retry = format!("/api/deliveries/{}/retry", failed["id"].as_str().unwrap());
    world.admin().post(&retry, &json!({})).await.ok();
    assert_eq!(told(&world.receiver.next().await).1, 2);
}

async fn a_kill_changes_no_order(engine: Engine) {
    let mut world = World::start(engine).await;
    world.subscribe(&json!({ "ordering_key": "data.key", "timeout_seconds": 60 })).await;
    world.receiver.then(Reply::Hang).then(Reply::Hang);
    for number in 1..=5 {
        for key in ["a", "b"] {
            publish(&world, key, number).await;
        }
    }
    for _ in 0..2 {
        assert_eq!(told(&world.receiver.next().await).1, 1);
    }
    world.program.kill().await;
    world.program = world.launch.start().await;
    let mut arrived: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for _ in 0..10 {
        let (key, number) = told(&world.receiver.next().await);
        arrived.entry(key).or_default().push(number);
    }
    for (key, numbers) in arrived {
        assert_eq!(numbers, [1, 2, 3, 4, 5], "{key}");
    }
}

async fn workers_lease_one_of_a_key_at_a_time(engine: Engine) {
    let world = World::start(engine).await;
    let admin = world.admin();
    let queue = json!({ "target": "pull", "queue": "jobs", "user_id": "alice", "event_types": ["*"], "ordering_key": "data.key" });
    admin.post("/api/webhooks", &queue).await.ok();
    for number in 1..=3 {
        for key in ["a", "b"] {
            publish(&world, key, number).await;
        }
    }
    let pull = async || {
        let pulled = admin.get("/api/webhooks/events/pending?queue=jobs&wait_seconds=20").await.ok();
        pulled["events"].as_array().unwrap().clone()
    };
    let complete = async |event: &Value| {
        let path = format!("/api/webhooks/events/{}/complete", event["event_id"].as_str().unwrap());
        admin.post(&path, &json!({ "lease_token": event["lease_token"] })).await.ok();
    };
    for number in 1..=3 {
        let mut leased = pull().await;
        leased.sort_by_key(|event| event["data"]["key"].to_string());
        let shown: Vec<_> = leased.iter().map(|event| event["data"].clone()).collect();
        assert_eq!(shown, [json!({ "key": "a", "number": number }), json!({ "key": "b", "number": number })]);
        complete(&leased[0]).await;
        complete(&leased[1]).await;
    }
}

#[tokio::test]
async fn two_nodes_keep_one_order_on_postgres() {
    let mut world = World::start(Engine::Postgres).await;
    let second = world.launch.start().await;
    world.subscribe(&json!({ "ordering_key": "data.key" })).await;
    let event = |number: u64| json!({ "type": "a.b", "user_id": "alice", "data": { "key": (number % 3).to_string(), "number": number } });
    // One after another, each at the other node: the order of the log is known.
    for batch in 0..6 {
        let events: Vec<_> = (batch * 10..batch * 10 + 10).map(event).collect();
        let node = if batch % 2 == 0 { world.admin() } else { second.admin() };
        node.post("/api/events", &json!({ "events": events })).await.ok();
    }
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..60 {
        let (key, number) = told(&world.receiver.next().await);
        let before = last.insert(key.clone(), number);
        let expected = before.map_or(key.parse().unwrap(), |before| before + 3);
        assert_eq!(number, expected, "of {key}");
    }
    second.stop().await;
    assert!(world.receiver.rest().is_empty());
}
