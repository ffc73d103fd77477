//! What became of deliveries can be asked for by the hour.

use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::receiver::Reply;
use crate::support::world::World;
use crate::support::{on_each_database, until};

on_each_database! {
    the_hours_say_what_became_of_deliveries
}

/// All hours together: the clock may strike while the story is told.
fn sum(statistics: &Value, field: &str) -> i64 {
    statistics["data"].as_array().unwrap().iter().map(|hour| hour[field].as_i64().unwrap()).sum()
}

async fn the_hours_say_what_became_of_deliveries(engine: Engine) {
    let world = World::start(engine).await;
    assert_eq!(world.admin().get("/api/statistics").await.ok()["data"], json!([]));
    world.subscribe(&json!({ "retry_policy": [1], "retry_count": 1 })).await;
    world.receiver.then(Reply::Status(500));
    let first = world.publish(&json!({ "number": 1 })).await;
    world.delivery_when(&first, "success").await;

    let counted = |statistics: &Value| {
        ["successful", "failed", "attempts", "errors"].map(|field| sum(statistics, field))
    };
    let statistics = until("the hour is written down", || async {
        let statistics = world.admin().get("/api/statistics").await.ok();
        (sum(&statistics, "successful") > 0).then_some(statistics)
    })
    .await;
    assert_eq!(counted(&statistics), [1, 0, 2, 1]);
    assert_eq!(statistics["owed"], 0, "all have ended");
    let hour = &statistics["data"][0];
    assert!(hour["latency_ms_mean"].as_f64() <= hour["latency_ms_max"].as_f64(), "{hour}");
    assert!(hour["latency_ms_mean"].as_f64() > Some(0.0), "{hour}");
    assert!(hour["hour"].as_str().unwrap().ends_with(":00:00.000Z"), "{hour}");

    let key = async |user: &str| {
        let made = world.admin().post("/api/keys", &json!({ "name": user, "user_id": user })).await.ok();
        world.program.bearer(made["key"].as_str().unwrap())
    };
    assert_eq!(counted(&key("alice").await.get("/api/statistics").await.ok()), [1, 0, 2, 1]);
    let bob = key("bob").await;
    assert_eq!(bob.get("/api/statistics").await.ok()["data"], json!([]));
    bob.get("/api/statistics?user_id=alice").await.problem(403, "forbidden");
    world.subscribe(&json!({ "paused": true })).await;
    world.publish(&json!({ "number": 2 })).await;
    until("what a paused subscription waits for is owed", || async {
        let all = world.admin().get("/api/statistics").await.ok();
        (all["owed"] == 1).then_some(())
    })
    .await;
    assert_eq!(bob.get("/api/statistics").await.ok()["owed"], 0, "nothing is owed to them");
    world.admin().get("/api/statistics?since=yesterday").await.problem(400, "unreadable");
}
