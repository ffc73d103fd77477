//! Endpoints in trouble: they are left alone, found again, or given up, and whoever asked for it is told.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::receiver::{Receiver, Reply};
use crate::support::until;
use crate::support::world::{World, subscribe};

on_each_database! {
    a_dead_endpoint_is_left_alone_and_gets_all_once_it_answers
    an_endpoint_that_is_gone_is_told_of
    nothing_but_failure_deactivates_though_the_server_is_killed_meanwhile
}

/// Failures in a row after which an endpoint is taken for dead.
const ENOUGH: usize = 10;

async fn a_dead_endpoint_is_left_alone_and_gets_all_once_it_answers(engine: Engine) {
    let mut world = World::start(engine).await;
    let mut told = Receiver::start().await;
    let news = json!({ "event_types": ["delivery.failed", "subscription.*"] });
    subscribe(&world.admin(), &told, &news).await;
    world.receiver.always(Reply::Status(500));
    let terms = json!({ "event_types": ["a.b"], "retry_count": 0, "max_concurrency": 1 });
    let subscription = world.subscribe(&terms).await;
    let events: Vec<_> =
        (0..ENOUGH + 5).map(|_| json!({ "type": "a.b", "user_id": "alice", "data": 0 })).collect();
    world.admin().post("/api/events", &json!({ "events": events })).await.ok();
    for _ in 0..ENOUGH {
        world.receiver.next().await;
    }
    // What has become of an attempt is written down a moment after its answer.
    for (status, count) in [("failed", ENOUGH), ("pending", 5)] {
        let path = format!("{}/deliveries?status={status}", subscription.path());
        until(&format!("{count} are {status}"), async || {
            (world.admin().list(&path).await.len() == count).then_some(())
        })
        .await;
    }
    assert!(world.receiver.rest().is_empty());
    let shown = receiver_health(&world, &subscription.id).await;
    // On a busy machine its cool-down may be over by now.
    assert!(["open", "half-open", "probing"].contains(&shown["state"].as_str().unwrap()), "{shown}");
    assert!(shown["consecutive_failures"].as_u64() >= Some(ENOUGH as u64), "{shown}");
    assert_eq!(
        (shown["opens_at"].is_string(), &shown["url"]),
        (shown["state"] == "open", &json!(world.receiver.url()))
    );
    assert!(shown["failing_since"].is_string(), "{shown}");

    world.receiver.always(Reply::Status(200));
    for _ in 0..5 {
        world.receiver.next().await;
    }
    let mut types = BTreeMap::new();
    for _ in 0..=ENOUGH {
        let news = told.next().await.json();
        assert_eq!(news["data"]["subscription_id"], json!(subscription.id), "{news}");
        *types.entry(news["type"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(
        types,
        [("delivery.failed".to_owned(), ENOUGH), ("subscription.recovered".to_owned(), 1)].into()
    );
    let shown = receiver_health(&world, &subscription.id).await;
    assert_eq!((&shown["state"], &shown["consecutive_failures"]), (&json!("closed"), &json!(0)), "{shown}");
    assert_eq!(shown["opens_at"], Value::Null);
    // Others' are others', and a queue has no endpoint.
    let queue = json!({ "target": "pull", "queue": "q", "user_id": "bob", "event_types": ["*"] });
    world.admin().post("/api/webhooks", &queue).await.ok();
    let made = world.admin().post("/api/keys", &json!({ "name": "bob's", "user_id": "bob" })).await.ok();
    let bob = world.program.bearer(made["key"].as_str().unwrap());
    assert_eq!(bob.list("/api/webhooks/health").await, Vec::<Value>::new());
    bob.get("/api/webhooks/health?user_id=alice").await.problem(403, "forbidden");
}

/// What is shown of a subscription's endpoint.
async fn receiver_health(world: &World, id: &str) -> Value {
    let all = world.admin().list("/api/webhooks/health?user_id=alice").await;
    all.into_iter().find(|one| one["subscription_id"] == id).unwrap()
}

async fn an_endpoint_that_is_gone_is_told_of(engine: Engine) {
    let world = World::start(engine).await;
    let mut told = Receiver::start().await;
    subscribe(&world.admin(), &told, &json!({ "event_types": ["subscription.deactivated"] })).await;
    let subscription = world.subscribe(&json!({})).await;
    world.receiver.then(Reply::Status(410));
    world.publish(&json!({})).await;
    let news = told.next().await.json();
    assert_eq!((&news["type"], &news["user_id"]), (&json!("subscription.deactivated"), &json!("alice")));
    assert_eq!(news["data"]["subscription_id"], Value::from(subscription.id.as_str()));
    assert_eq!(news["data"]["reason"], "gone");
    assert_eq!(world.admin().get(&subscription.path()).await.ok()["is_active"], false);
}

async fn nothing_but_failure_deactivates_though_the_server_is_killed_meanwhile(engine: Engine) {
    let mut world =
        World::start_with(engine, |launch| launch.env("WAYSTATION_DELIVERY__DEACTIVATE_AFTER", "1s")).await;
    let mut told = Receiver::start().await;
    subscribe(&world.admin(), &told, &json!({ "event_types": ["subscription.deactivated"] })).await;
    world.receiver.always(Reply::Status(500));
    let subscription = world.subscribe(&json!({ "retry_policy": [2, 3_600] })).await;
    let id = world.publish(&json!({})).await;
    world.delivery_when(&id, "retrying").await;
    world.program.kill().await;
    world.program = world.launch.start().await;
    let news = told.next().await.json();
    assert_eq!(news["data"]["subscription_id"], json!(subscription.id));
    assert_eq!(news["data"]["reason"], "failing");
    assert_eq!(world.delivery_when(&id, "held").await["attempt_count"], 2);
    let shown = world.admin().patch(&subscription.path(), &json!({ "is_active": true })).await.ok();
    assert_eq!(shown["is_active"], true);
}
