//! Queues: workers lease events, and say how it went.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::client::Client;
use crate::support::database::Engine;
use crate::support::world::{World, measured, publish};
use crate::support::{on_each_database, until, within};

on_each_database! {
    what_is_leased_is_completed_failed_or_held_for_longer
    a_lapsed_lease_returns_the_event_and_counts_as_an_attempt
    eight_workers_drain_a_queue_and_one_that_dies_loses_nothing
    a_worker_that_waits_is_woken_by_an_event
}

const PENDING: &str = "/api/webhooks/events/pending";

/// Makes a queue of Alice's, on these terms.
async fn make_queue(client: &Client, terms: &Value) -> Value {
    let mut body = json!({ "target": "pull", "queue": "jobs", "user_id": "alice", "event_types": ["*"] });
    body.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
    client.post("/api/webhooks", &body).await.ok()
}

async fn pull(client: &Client, query: &str) -> Vec<Value> {
    let pulled = client.get(&format!("{PENDING}?queue=jobs&{query}")).await.ok();
    pulled["events"].as_array().unwrap().clone()
}

/// Says of a leased event what `how` is, with what else there is to say.
async fn say(client: &Client, event: &Value, how: &str, more: &Value) -> crate::support::client::Answer {
    let mut body = json!({ "lease_token": event["lease_token"] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let path = format!("/api/webhooks/events/{}/{how}", event["event_id"].as_str().unwrap());
    client.post(&path, &body).await
}

async fn what_is_leased_is_completed_failed_or_held_for_longer(engine: Engine) {
    let world = World::start(engine).await;
    let admin = world.admin();
    let queue = make_queue(&admin, &json!({ "retry_count": 1, "retry_policy": [3_600] })).await;
    assert_eq!(
        (&queue["target"], &queue["queue"], &queue["url"]),
        (&json!("pull"), &json!("jobs"), &json!(null))
    );
    let id = world.publish(&json!({ "n": 1.0 })).await;
    let leased = pull(&admin, "limit=5&lease_seconds=30").await;
    assert_eq!(leased.len(), 1);
    let event = &leased[0];
    let shown =
        [&event["event_id"], &event["attempt"], &event["user_id"], &event["event_type"], &event["source"]];
    assert_eq!(shown, [&json!(id), &json!(1), &json!("alice"), &json!("task.created"), &json!("api")]);
    assert_eq!(event["data"], json!({ "n": 1.0 }));
    assert_eq!(pull(&admin, "").await, Vec::<Value>::new(), "it is held");
    assert_eq!(world.delivery_when(&id, "processing").await["id"], event["delivery_id"]);

    let longer = say(&admin, event, "extend", &json!({ "lease_seconds": 3_600 })).await.ok();
    assert!(longer["lease_expires_at"].as_str() > event["lease_expires_at"].as_str(), "{longer}");
    let failed =
        say(&admin, event, "failed", &json!({ "error": "no paper", "retry_after_seconds": 0 })).await.ok();
    assert_eq!((&failed["status"], &failed["error"]), (&json!("retrying"), &json!("no paper")));
    say(&admin, event, "complete", &json!({})).await.problem(409, "stale_lease");
    let again = pull(&admin, "").await;
    assert_eq!((&again[0]["event_id"], &again[0]["attempt"]), (&json!(id), &json!(2)));
    assert_ne!(again[0]["lease_token"], event["lease_token"]);
    for how in ["complete", "failed", "extend"] {
        say(&admin, event, how, &json!({})).await.problem(409, "stale_lease");
    }
    assert_eq!(say(&admin, &again[0], "complete", &json!({})).await.ok()["status"], "success");
    say(&admin, &again[0], "complete", &json!({})).await.problem(409, "stale_lease");
    let attempts = world.attempts_when(&id, "success").await;
    let told: Vec<_> =
        attempts.iter().map(|a| json!([a["number"], a["trigger"], a["error"], a["error_code"]])).collect();
    assert_eq!(told, [json!([1, "initial", "no paper", "worker"]), json!([2, "automatic", null, null])]);
    let path = format!("/api/webhooks/{}", queue["id"].as_str().unwrap());
    let statistics = admin.get(&path).await.ok()["statistics"].clone();
    assert_eq!((&statistics["total"], &statistics["successful"]), (&json!(1), &json!(1)));

    // Once the attempts are used up it is a dead letter.
    let dead = world.publish(&json!(2)).await;
    for status in ["retrying", "failed"] {
        let leased = pull(&admin, "").await;
        let failed = say(&admin, &leased[0], "failed", &json!({ "retry_after_seconds": 0 })).await.ok();
        assert_eq!(failed["status"], status);
    }
    assert_eq!(pull(&admin, "").await, Vec::<Value>::new());
    // A retry by hand puts it back.
    let delivery = world.delivery_when(&dead, "failed").await;
    let retry = format!("/api/deliveries/{}/retry", delivery["id"].as_str().unwrap());
    admin.post(&retry, &json!({})).await.ok();
    assert_eq!(pull(&admin, "wait_seconds=5").await[0]["event_id"], json!(dead));
}

async fn a_lapsed_lease_returns_the_event_and_counts_as_an_attempt(engine: Engine) {
    let world = World::start(engine).await;
    let admin = world.admin();
    make_queue(&admin, &json!({ "retry_count": 1 })).await;
    let id = world.publish(&json!({})).await;
    let first = pull(&admin, "lease_seconds=1").await;
    let second = pull(&admin, "lease_seconds=1&wait_seconds=10").await;
    assert_eq!((&second[0]["event_id"], &second[0]["attempt"]), (&json!(id), &json!(2)));
    say(&admin, &first[0], "complete", &json!({})).await.problem(409, "stale_lease");
    let attempts = world.attempts_when(&id, "failed").await;
    let told: Vec<_> = attempts.iter().map(|a| json!([a["number"], a["trigger"], a["error_code"]])).collect();
    assert_eq!(told, [json!([1, "initial", "lapsed"]), json!([2, "automatic", "lapsed"])]);
    say(&admin, &second[0], "complete", &json!({})).await.problem(409, "stale_lease");
}

/// Pulls and completes until `left` is empty. No event may come while another worker holds it.
async fn drain(client: Client, left: &Mutex<BTreeSet<String>>, done: &Mutex<Vec<String>>) {
    while !left.lock().unwrap().is_empty() {
        for event in pull(&client, "limit=40&wait_seconds=1").await {
            let id = event["event_id"].as_str().unwrap().to_owned();
            say(&client, &event, "complete", &json!({})).await.ok();
            left.lock().unwrap().remove(&id);
            done.lock().unwrap().push(id);
        }
    }
}

/// Batches of 600 events. `WAYSTATION_TEST_QUEUE_BATCHES` makes them more, for who has the time: 84 are 50,000 events.
fn batches() -> usize {
    std::env::var("WAYSTATION_TEST_QUEUE_BATCHES").ok().and_then(|batches| batches.parse().ok()).unwrap_or(2)
}

async fn eight_workers_drain_a_queue_and_one_that_dies_loses_nothing(engine: Engine) {
    let world = World::start(engine).await;
    let admin = world.admin();
    make_queue(&admin, &json!({ "max_concurrency": 1 })).await;
    let mut owed = BTreeSet::new();
    for batch in 0..batches() {
        let events: Vec<_> =
            (0..600).map(|n| json!({ "type": "a.b", "user_id": "alice", "data": [batch, n] })).collect();
        let kept = admin.post("/api/events", &json!({ "events": events })).await.ok();
        owed.extend(
            kept["events"].as_array().unwrap().iter().map(|e| e["event_id"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(owed.len(), batches() * 600);
    // One takes a hundred and is never heard of again.
    let lost = pull(&admin, "limit=100&lease_seconds=2").await;
    assert_eq!(lost.len(), 100);
    let (left, done) = (Mutex::new(owed.clone()), Mutex::new(Vec::new()));
    let workers = (0..8).map(|_| drain(admin.clone(), &left, &done));
    within("the queue is empty", join_all(workers)).await;
    let done = done.into_inner().unwrap();
    assert_eq!(done.len(), owed.len(), "none came twice");
    assert_eq!(done.into_iter().collect::<BTreeSet<_>>(), owed);
    assert!(pull(&admin, "").await.is_empty());
}

/// Passes once a worker listens for what comes into a queue.
async fn a_worker_waits(admin: &Client) {
    let waiting = async || (measured(admin, "waystation_workers_waiting").await > 0).then_some(());
    until("a worker waits", waiting).await;
}

async fn a_worker_that_waits_is_woken_by_an_event(engine: Engine) {
    let world = World::start(engine).await;
    let admin = world.admin();
    make_queue(&admin, &json!({})).await;
    let began = Instant::now();
    assert_eq!(pull(&admin, "wait_seconds=1").await, Vec::<Value>::new());
    assert!(began.elapsed() >= Duration::from_secs(1));
    let waiting = pull(&admin, "wait_seconds=30");
    let publishing = async {
        a_worker_waits(&admin).await;
        (publish(&admin, &json!({})).await, Instant::now())
    };
    let (leased, (id, published)) = tokio::join!(waiting, publishing);
    assert_eq!(leased[0]["event_id"], json!(id));
    assert!(published.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_unknown_queue_says_how_to_make_one() {
    let world = World::start(Engine::Sqlite).await;
    let detail = world.admin().get(&format!("{PENDING}?queue=none")).await.problem(404, "unknown_queue");
    assert!(detail.contains("POST /api/webhooks") && detail.contains(r#""queue":"none""#), "{detail}");
    for query in
        ["limit=0", "limit=101", "lease_seconds=0", "lease_seconds=3601", "wait_seconds=31", "limit=x"]
    {
        world.admin().get(&format!("{PENDING}?{query}")).await.problem(400, "unreadable");
    }
}

#[tokio::test]
async fn a_user_sees_their_own_queues_only() {
    let world = World::start(Engine::Sqlite).await;
    let user = async |name: &str| {
        let made = world.launch.run(&["keys", "create", "--name", name, "--user", name]).await;
        world.program.bearer(made.stdout.trim())
    };
    let (alice, bob) = (user("alice").await, user("bob").await);
    make_queue(&alice, &json!({})).await;
    let id = world.publish(&json!({})).await;
    bob.get(&format!("{PENDING}?queue=jobs")).await.problem(404, "unknown_queue");
    bob.get(&format!("{PENDING}?queue=jobs&user_id=alice")).await.problem(403, "forbidden");
    make_queue(&world.admin(), &json!({ "user_id": "bob" })).await;
    assert!(pull(&bob, "").await.is_empty());
    let leased = pull(&alice, "").await;
    assert_eq!(leased[0]["event_id"], json!(id));
    say(&bob, &leased[0], "complete", &json!({})).await.problem(403, "forbidden");
    say(&alice, &leased[0], "complete", &json!({})).await.ok();
    let unknown = json!({ "event_id": format!("evt_{}", "0".repeat(32)), "lease_token": "lse_x" });
    say(&alice, &unknown, "complete", &json!({})).await.problem(404, "not_found");
    let guessed = json!({ "event_id": id, "lease_token": "lse_x" });
    say(&alice, &guessed, "complete", &json!({})).await.problem(409, "stale_lease");
    let path = format!("/api/webhooks/events/{id}/complete");
    alice.post(&path, &json!({})).await.problem(422, "invalid");
}

#[tokio::test]
async fn several_queues_and_several_subscriptions_of_one_queue_do_not_mix() {
    let world = World::start(Engine::Sqlite).await;
    let admin = world.admin();
    make_queue(&admin, &json!({ "event_types": ["a.one"] })).await;
    make_queue(&admin, &json!({ "event_types": ["a.*"] })).await;
    make_queue(&admin, &json!({ "queue": "others", "event_types": ["b.*"] })).await;
    let event = |kind: &str| json!({ "type": kind, "user_id": "alice", "data": kind });
    let events = json!({ "events": [event("a.one"), event("a.two"), event("b.one")] });
    admin.post("/api/events", &events).await.ok();
    let mut types: Vec<_> = Vec::new();
    for leased in pull(&admin, "limit=2").await.iter().chain(&pull(&admin, "limit=2").await) {
        types.push(leased["event_type"].as_str().unwrap().to_owned());
        say(&admin, leased, "complete", &json!({})).await.ok();
    }
    types.sort();
    assert_eq!(types, ["a.one", "a.one", "a.two"]);
    let other = admin.get(&format!("{PENDING}?queue=others")).await.ok();
    assert_eq!(other["events"][0]["event_type"], "b.one");
}

#[tokio::test]
async fn a_paused_queue_hands_nothing_out_until_it_goes_on() {
    let world = World::start(Engine::Sqlite).await;
    let admin = world.admin();
    let queue = make_queue(&admin, &json!({})).await;
    let path = format!("/api/webhooks/{}", queue["id"].as_str().unwrap());
    let held = world.publish(&json!(1)).await;
    let leased = pull(&admin, "").await;
    admin.patch(&path, &json!({ "paused": true })).await.ok();
    let failed = say(&admin, &leased[0], "failed", &json!({ "retry_after_seconds": 0 })).await.ok();
    assert_eq!(failed["status"], "held");
    world.publish(&json!(2)).await;
    assert!(pull(&admin, "").await.is_empty());
    let go_on = async {
        a_worker_waits(&admin).await;
        admin.patch(&path, &json!({ "paused": false })).await.ok();
    };
    let (pulled, ()) = tokio::join!(pull(&admin, "wait_seconds=20"), go_on);
    assert!(pulled.iter().any(|event| event["event_id"] == json!(held)), "{pulled:?}");
    // It can be given another name.
    admin
        .patch(&path, &json!({ "queue": "renamed", "url": "https://example.com" }))
        .await
        .problem(422, "invalid");
    admin.patch(&path, &json!({ "queue": "renamed" })).await.ok();
    admin.get(&format!("{PENDING}?queue=jobs")).await.problem(404, "unknown_queue");
    admin.get(&format!("{PENDING}?queue=renamed")).await.ok();
}

#[tokio::test]
async fn workers_that_wait_do_not_hold_up_the_end() {
    let world = World::start(Engine::Sqlite).await;
    let admin = world.admin();
    make_queue(&admin, &json!({})).await;
    let waiting = tokio::spawn(async move { pull(&admin, "wait_seconds=30").await });
    until("the worker waits", || async {
        let shown = world.program.anyone().get("/metrics").await;
        String::from_utf8_lossy(&shown.body).contains(r#"claim"#).then_some(())
    })
    .await;
    let began = Instant::now();
    let World { program, .. } = world;
    program.stop().await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(waiting.await.unwrap().is_empty());
}
