//! What users write runs here: it may be slow or hostile, and holds up nobody else.

use domain::Timestamp;
use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::world::World;

on_each_database! {
    a_filter_that_is_too_much_work_is_a_failed_delivery_and_only_its_users
    one_users_endless_transforms_leave_turns_to_others
}

/// More work than any filter may be, over [`long`].
fn too_hard() -> Value {
    json!({ "$not": { "data.s": { "$regex": "[01]*1[01]{240}[b-y]" } } })
}

fn long() -> Value {
    json!({ "s": "01".repeat(20_000) })
}

fn event(user: &str, data: &Value) -> Value {
    json!({ "type": "task.created", "user_id": user, "data": data })
}

async fn a_filter_that_is_too_much_work_is_a_failed_delivery_and_only_its_users(engine: Engine) {
    let mut world = World::start(engine).await;
    let admin = world.admin();
    let hard = world.subscribe(&json!({ "user_id": "mallory", "filter": too_hard() })).await;
    let queue = json!({ "user_id": "mallory", "target": "pull", "queue": "q", "event_types": ["*"], "filter": too_hard() });
    let queue = admin.post("/api/webhooks", &queue).await.ok();
    world.subscribe(&json!({ "user_id": "alice", "filter": { "data.n": { "$gte": 0 } } })).await;

    let published = admin.post("/api/events", &event("mallory", &long())).await.ok();
    let path = format!("/api/events/{}", published["event_id"].as_str().unwrap());
    let id = admin.post("/api/events", &event("alice", &json!({ "n": 1 }))).await.ok()["event_id"].clone();
    assert_eq!(world.receiver.next().await.id(), id.as_str().unwrap());
    // Nobody is sent what they may not have wanted, and nothing is lost without a word.
    for of in [&json!(hard.id), &queue["id"]] {
        let failed = crate::support::until("both are given up", || async {
            let deliveries = admin.get(&path).await.ok()["deliveries"].clone();
            let theirs =
                deliveries.as_array().unwrap().iter().find(|it| it["subscription_id"] == *of).cloned();
            theirs.filter(|delivery| delivery["status"] == "failed")
        });
        let failed =
            admin.get(&format!("/api/deliveries/{}", failed.await["id"].as_str().unwrap())).await.ok();
        let attempts = failed["attempts"].as_array().unwrap();
        assert_eq!((attempts.len(), &attempts[0]["error_code"]), (1, &json!("filter")), "{failed}");
        assert!(failed["error"].as_str().unwrap().contains("more than 1000000 steps"), "{failed}");
    }
    let statistics = admin.get(&hard.path()).await.ok()["statistics"].clone();
    assert_eq!((&statistics["total"], &statistics["failed"]), (&json!(1), &json!(1)));
    assert!(world.receiver.rest().is_empty());

    // A preview says so beforehand, and by hand it is sent all the same.
    let tried = json!({ "event": event("mallory", &long()), "filter": too_hard() });
    let preview = admin.post("/api/webhooks/preview", &tried).await.ok();
    assert_eq!((&preview["matched"], &preview["request"]), (&json!(false), &Value::Null));
    assert!(preview["error"].as_str().unwrap().contains("steps"), "{preview}");
    let resend = json!({ "subscription_id": hard.id });
    admin.post(&format!("{path}/resend"), &resend).await.ok();
    assert_eq!(world.receiver.next().await.json()["data"], long());
}

async fn one_users_endless_transforms_leave_turns_to_others(engine: Engine) {
    let mut world = World::start(engine).await;
    let admin = world.admin();
    let endless = json!({ "user_id": "mallory", "transform": "() => { for (;;) {} }", "retry_count": 0 });
    for _ in 0..4 {
        world.subscribe(&endless).await;
    }
    world.subscribe(&json!({ "user_id": "alice", "transform": "(event) => event.data" })).await;
    let events: Vec<_> = (0..10).map(|_| event("mallory", &json!({}))).collect();
    // All of one commit: forty attempts wait for a turn before Alice's does.
    let mut all = events;
    all.push(event("alice", &json!({ "n": 1 })));
    let published = admin.post("/api/events", &json!({ "events": all })).await.ok();
    let ids = published["events"].as_array().unwrap().iter().map(|kept| kept["event_id"].clone());
    let ids: Vec<_> = ids.collect();
    assert_eq!(world.receiver.next().await.json(), json!({ "n": 1 }));
    let alices = world.attempts_when(ids[10].as_str().unwrap(), "success").await;
    let mut ends = Vec::new();
    for id in &ids[..10] {
        for failed in world.deliveries_when(id.as_str().unwrap(), 4, "failed").await {
            ends.extend(failed["attempts"].as_array().unwrap().iter().map(ended_at));
        }
    }
    let before = ends.iter().filter(|&&end| end < ended_at(&alices[0])).count();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Those that had their turns already, and as many again that stood in the line.
    assert!(before <= 2 * cores + 2, "{before} of Mallory's {} ended before Alice's", ends.len());
    assert_eq!(ends.len(), 40);
}

/// In microseconds.
fn ended_at(attempt: &Value) -> i64 {
    let began = Timestamp::parse(attempt["at"].as_str().unwrap()).unwrap();
    began.as_micros() + (attempt["duration_ms"].as_f64().unwrap() * 1_000.0) as i64
}
