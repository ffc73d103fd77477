//! What has been kept for long enough goes by itself.

use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::receiver::Reply;
use crate::support::world::World;
use crate::support::{on_each_database, until};

on_each_database! {
    what_is_old_goes_and_what_is_owed_stays
}

async fn what_is_old_goes_and_what_is_owed_stays(engine: Engine) {
    let world = World::start_with(engine, |launch| {
        launch.env("WAYSTATION_RETENTION__EVENTS", "4s").env("WAYSTATION_RETENTION__BY_TYPE", "kept.*=1d")
    })
    .await;
    let admin = world.admin();
    let subscription =
        world.subscribe(&json!({ "event_types": ["task.created"], "retry_policy": [3_600] })).await;
    let gone = world.publish(&json!("gone")).await;
    let delivery = world.delivery_when(&gone, "success").await;
    world.receiver.then(Reply::Status(500));
    let owed = world.publish(&json!("owed")).await;
    world.delivery_when(&owed, "retrying").await;
    let kept = json!({ "type": "kept.long", "user_id": "alice", "data": 0, "id": "mine" });
    let kept = admin.post("/api/events", &kept).await.ok()["event_id"].clone();
    until("the old event has gone", || async {
        (admin.get(&format!("/api/events/{gone}")).await.status == 404).then_some(())
    })
    .await;
    let path = format!("/api/deliveries/{}", delivery["id"].as_str().unwrap());
    admin.get(&path).await.problem(404, "not_found");
    let ids: Vec<Value> = world.events().await.iter().map(|event| event["id"].clone()).collect();
    assert_eq!(ids, [kept, json!(owed)]);
    let statistics = admin.get(&subscription.path()).await.ok()["statistics"].clone();
    assert_eq!((&statistics["total"], &statistics["successful"]), (&json!(2), &json!(1)));
}
