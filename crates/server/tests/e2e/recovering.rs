//! What went wrong is sent once more.

use serde_json::json;

use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::receiver::Receiver;
use crate::support::world::{World, subscribe};

on_each_database! {
    an_event_is_sent_to_a_subscription_once_more
}

async fn an_event_is_sent_to_a_subscription_once_more(engine: Engine) {
    let mut world = World::start(engine).await;
    let admin = world.admin();
    let id = world.publish(&json!({ "n": 1 })).await;
    // It was not there when the event came in, and wants no such events.
    let late = world.subscribe(&json!({ "event_types": ["other.type"] })).await;
    let resend = format!("/api/events/{id}/resend");
    let to_late = json!({ "subscription_id": late.id });
    let made = admin.post(&resend, &to_late).await;
    assert_eq!((made.status, &made.json()["trigger"]), (201, &json!("manual")));
    assert_eq!(world.receiver.next().await.id(), id);
    world.delivery_when(&id, "success").await;
    let again = admin.post(&resend, &to_late).await.ok();
    assert_ne!(again["id"], made.json()["id"]);
    assert_eq!(world.receiver.next().await.id(), id, "as often as it is asked for");

    let paused = world.subscribe(&json!({ "paused": true })).await;
    let held = admin.post(&resend, &json!({ "subscription_id": paused.id })).await.ok();
    assert_eq!(held["status"], "held");
    let other = Receiver::start().await;
    let bobs = subscribe(&admin, &other, &json!({ "user_id": "bob" })).await;
    admin.post(&resend, &json!({ "subscription_id": bobs.id })).await.problem(422, "invalid");
    admin.post(&resend, &json!({})).await.problem(422, "invalid");
    let nobody = format!("sub_{}", "0".repeat(32));
    admin.post(&resend, &json!({ "subscription_id": nobody })).await.problem(404, "not_found");
    let key = world.launch.run(&["keys", "create", "--name", "bob", "--user", "bob"]).await;
    let bob = world.program.bearer(key.stdout.trim());
    bob.post(&resend, &json!({ "subscription_id": bobs.id })).await.problem(403, "forbidden");
}
