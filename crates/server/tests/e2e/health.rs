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
    let waiting = format!("{}/deliveries?status=pending", subscription.path());
    until("the rest is left in the store", async || {
        (world.admin().list(&waiting).await.len() == 5).then_some(())
    })
    .await;
    assert!(world.receiver.rest().is_empty());

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
