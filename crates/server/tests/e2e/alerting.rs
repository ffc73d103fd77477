//! What Waystation tells of its own work, as events like any other.

use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::receiver::{Receiver, Reply};
use crate::support::world::{World, subscribe};
use crate::support::{on_each_database, until};

on_each_database! {
    attempts_that_fail_and_drag_on_raise_alerts
    a_backlog_is_told_of_and_so_is_its_end
    what_a_worker_leaves_until_it_is_given_up_is_told_of
}

/// The data of the events of a type, once there are any.
async fn told(world: &World, event_type: &str) -> Vec<Value> {
    until(event_type, || async {
        let events = world.admin().list(&format!("/api/events?type={event_type}")).await;
        let data: Vec<_> = events.iter().map(|event| event["data"].clone()).collect();
        (!data.is_empty()).then_some(data)
    })
    .await
}

async fn attempts_that_fail_and_drag_on_raise_alerts(engine: Engine) {
    let settings = [("ATTEMPTS_MIN", "3"), ("LATENCY_MS", "500"), ("ERROR_RATE_PERCENT", "90")];
    let world = World::start_with(engine, |launch| {
        settings
            .iter()
            .fold(launch, |launch, (key, value)| launch.env(&format!("WAYSTATION_ALERTS__{key}"), value))
    })
    .await;
    let mut operator = Receiver::start().await;
    let wants = json!({ "event_types": ["alert.*"] });
    subscribe(&world.admin(), &operator, &wants).await;
    world.receiver.always(Reply::Hang);
    let terms = json!({ "event_types": ["task.*"], "retry_count": 0, "timeout_seconds": 1 });
    let subscription = world.subscribe(&terms).await;
    let mut arrived = Vec::new();
    // One after another, since a window may end between any two.
    until("both alerts", || {
        arrived.extend(operator.rest());
        let types = arrived.iter().map(|delivered| delivered.json()["type"].clone());
        let has_both = types.collect::<std::collections::HashSet<_>>().len() == 2;
        let world = &world;
        async move {
            world.publish(&json!({})).await;
            has_both.then_some(())
        }
    })
    .await;
    for delivered in arrived {
        let alert = delivered.json();
        let data = &alert["data"];
        assert_eq!((&data["subscription_id"], &data["state"]), (&json!(subscription.id), &json!("firing")));
        assert!(data["value"].as_f64() > data["threshold"].as_f64(), "{alert}");
        assert_eq!((&alert["user_id"], &data["window_seconds"]), (&json!("alice"), &json!(300)));
    }
    let failed = told(&world, "delivery.failed").await;
    assert!(failed.iter().all(|data| data["event_type"] == "task.created"), "{failed:?}");
}

async fn a_backlog_is_told_of_and_so_is_its_end(engine: Engine) {
    let world = World::start_with(engine, |launch| {
        launch.env("WAYSTATION_ALERTS__BACKLOG", "3").env("WAYSTATION_ALERTS__WINDOW", "1s")
    })
    .await;
    let queue = json!({ "target": "pull", "queue": "jobs", "user_id": "alice", "event_types": ["*"] });
    let queue = world.admin().post("/api/webhooks", &queue).await.ok();
    for number in 0..3 {
        world.publish(&json!(number)).await;
    }
    let firing = told(&world, "queue.backlog").await;
    let expected = json!({
        "subscription_id": queue["id"], "queue": "jobs", "state": "firing", "threshold": 3, "waiting": 3,
        "oldest_at": firing[0]["oldest_at"],
    });
    assert_eq!(firing, [expected]);
    let pulled = world.admin().get("/api/webhooks/events/pending?queue=jobs&limit=3").await.ok();
    assert_eq!(pulled["events"].as_array().unwrap().len(), 3);
    until("it is over", || async {
        let told = told(&world, "queue.backlog").await;
        (told.len() == 2 && told[0]["state"] == "resolved").then_some(())
    })
    .await;
}

async fn what_a_worker_leaves_until_it_is_given_up_is_told_of(engine: Engine) {
    let world = World::start(engine).await;
    let terms = json!({
        "target": "pull", "queue": "jobs", "user_id": "alice", "event_types": ["task.*"], "retry_count": 0,
    });
    world.admin().post("/api/webhooks", &terms).await.ok();
    let id = world.publish(&json!({})).await;
    let pending = "/api/webhooks/events/pending?queue=jobs&lease_seconds=1";
    assert_eq!(world.admin().get(pending).await.ok()["events"][0]["event_id"], id);
    let failed = told(&world, "delivery.failed").await;
    assert_eq!((failed.len(), &failed[0]["event_id"], &failed[0]["attempts"]), (1, &json!(id), &json!(1)));

    let other = world.publish(&json!({})).await;
    let leased = world.admin().get(pending).await.ok()["events"][0].clone();
    let path = format!("/api/webhooks/events/{other}/failed");
    let said = json!({ "lease_token": leased["lease_token"], "error": "no paper" });
    world.admin().post(&path, &said).await.ok();
    until("it is told of too", || async {
        let told = told(&world, "delivery.failed").await;
        told.iter().any(|data| data["event_id"] == other && data["error"] == "no paper").then_some(())
    })
    .await;
}
