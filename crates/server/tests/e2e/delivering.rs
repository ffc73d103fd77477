//! What a subscriber gets, and what becomes of it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use crate::support::client::Request;
use crate::support::database::Engine;
use crate::support::receiver::{Delivered, Receiver, Reply};
use crate::support::sender::{hmac, hmac_hex, now_seconds};
use crate::support::world::{World, subscribe};
use crate::support::{on_each_database, until};

on_each_database! {
    a_delivery_is_just_what_the_contract_says
    a_retry_carries_the_same_id_and_body_under_a_fresh_signature
    a_failed_delivery_can_be_retried_by_hand
    a_receiver_that_fails_three_times_gets_it_after_2_4_and_8_seconds_more
}

/// Data that any parsing and writing again would change.
const ODD: &str = r#"{ "z" :1.0e2,"a":	[ ], "a" : 2,"s":"\u00e9 é ☃ 😀 \ud83d\ude00 \/" ,
  "n":12345678901234567890.000, "":null }"#;

/// Passes if `delivered` is signed as a subscriber under `secret` expects.
fn assert_signed(delivered: &Delivered, secret: &str) {
    let timestamp = delivered.header("webhook-timestamp");
    assert!((now_seconds() - timestamp.parse::<i64>().unwrap()).abs() <= 60, "{timestamp}");
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = [format!("{}.{timestamp}.", delivered.id()).as_bytes(), &delivered.body].concat();
    let expected = format!("v1,{}", BASE64.encode(hmac(&key, &signed)));
    assert_eq!(delivered.header("webhook-signature"), expected);
    let of_body = format!("sha256={}", hmac_hex(secret, &delivered.body));
    assert_eq!(delivered.header("x-webhook-signature"), of_body);
}

async fn a_delivery_is_just_what_the_contract_says(engine: Engine) {
    let mut world = World::start(engine).await;
    let subscription = world.subscribe(&json!({})).await;
    let accepted = world.github("1", ODD.as_bytes()).await.ok();
    let id = accepted["event_id"].as_str().unwrap();
    let delivered = world.receiver.next().await;
    assert_eq!(delivered.line, "POST /hook?of=tests HTTP/1.1");
    let delivery = world.delivery_when(id, "success").await;
    let event = world.admin().get(&format!("/api/events/{id}")).await.ok();
    let body = format!(
        r#"{{"id":"{id}","type":"github.push","timestamp":{},"user_id":"alice","data":{ODD}}}"#,
        event["occurred_at"]
    );
    assert_eq!(String::from_utf8_lossy(&delivered.body), body);
    assert_signed(&delivered, &subscription.secret);
    for (name, expected) in [
        ("content-type", "application/json"),
        ("webhook-id", id),
        ("x-webhook-event", "github.push"),
        ("x-webhook-delivery", delivery["id"].as_str().unwrap()),
        ("host", &world.receiver.address.to_string()),
    ] {
        assert_eq!(delivered.header(name), expected, "{name}");
    }
    // What is shown is what was sent.
    assert_eq!(delivery["request"]["body"], body);
    assert_eq!(delivery["request"]["url"], world.receiver.url());
    let shown = &delivery["request"]["headers"];
    assert_eq!(shown["webhook-signature"], delivered.header("webhook-signature"));
    assert_eq!((&delivery["trigger"], &delivery["response_status"]), (&json!("initial"), &json!(200)));
    assert_eq!((&delivery["attempt_count"], &delivery["max_attempts"]), (&json!(1), &json!(4)));
    assert_eq!((&delivery["next_attempt_at"], &delivery["error"]), (&json!(null), &json!(null)));
    assert!(delivery["completed_at"].is_string(), "{delivery}");
}

#[tokio::test]
async fn published_data_is_delivered_byte_for_byte() {
    let mut world = World::start(Engine::Sqlite).await;
    world.subscribe(&json!({})).await;
    for data in [ODD, "null", "\"a\\u0000b\"", "[1e400,-0.0]"] {
        let body = format!(r#"{{"type":"task.created","user_id":"alice","data": {data} }}"#);
        let published = world.admin().send(Request::post("/api/events").body(body)).await.ok();
        let delivered = world.receiver.next().await;
        let end = format!(r#","data":{data}}}"#);
        let text = String::from_utf8(delivered.body).unwrap();
        assert!(text.ends_with(&end), "{text}");
        let raw = format!("/api/events/{}/raw", published["event_id"].as_str().unwrap());
        assert_eq!(world.admin().get(&raw).await.body, data.as_bytes());
    }
}

#[tokio::test]
async fn an_asymmetric_subscription_is_signed_with_its_key_alone() {
    let mut world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({ "signing": "ed25519" })).await;
    assert!(subscription.shown.get("secret").is_none(), "{}", subscription.shown);
    let read = world.admin().get(&subscription.path()).await.ok();
    let key = read["public_key"].as_str().unwrap().strip_prefix("whpk_").unwrap().to_owned();
    let key: [u8; 32] = BASE64.decode(key).unwrap().try_into().unwrap();
    world.publish(&json!({})).await;
    let delivered = world.receiver.next().await;
    let signature = delivered.header("webhook-signature").strip_prefix("v1a,").unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&BASE64.decode(signature).unwrap()).unwrap();
    let head = format!("{}.{}.", delivered.id(), delivered.header("webhook-timestamp"));
    let signed = [head.as_bytes(), &delivered.body].concat();
    ed25519_dalek::VerifyingKey::from_bytes(&key).unwrap().verify_strict(&signed, &signature).unwrap();
    assert!(!delivered.has_header("x-webhook-signature"));
}

async fn a_retry_carries_the_same_id_and_body_under_a_fresh_signature(engine: Engine) {
    let mut world = World::start(engine).await;
    let subscription = world.subscribe(&json!({ "retry_policy": [1, 1] })).await;
    world.receiver.then(Reply::Status(500)).then(Reply::WithBody(404, b"not yet".to_vec()));
    let id = world.publish(&json!({ "a": 1 })).await;
    let mut tries = Vec::new();
    for _ in 0..3 {
        let delivered = world.receiver.next().await;
        assert_signed(&delivered, &subscription.secret);
        tries.push(delivered);
    }
    for name in ["webhook-id", "x-webhook-delivery", "x-webhook-signature"] {
        assert!(tries.iter().all(|one| one.header(name) == tries[0].header(name)), "{name}");
    }
    assert!(tries.iter().all(|one| one.body == tries[0].body));
    let times: BTreeSet<_> = tries.iter().map(|one| one.header("webhook-timestamp")).collect();
    assert_eq!(times.len(), 3, "a gap of a second lies between them");

    let attempts = world.attempts_when(&id, "success").await;
    let told: Vec<_> = attempts
        .iter()
        .map(|a| {
            json!([a["number"], a["trigger"], a["response_status"], a["error_code"], a["response_body"]])
        })
        .collect();
    assert_eq!(told[0], json!([1, "initial", 500, "status", ""]));
    assert_eq!(told[1], json!([2, "automatic", 404, "status", "not yet"]));
    assert_eq!(told[2], json!([3, "automatic", 200, null, ""]));
}

#[tokio::test]
async fn without_retries_one_failure_is_the_end() {
    let mut world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({ "retry_count": 0 })).await;
    world.receiver.then(Reply::Status(500));
    let id = world.publish(&json!({})).await;
    let delivery = world.delivery_when(&id, "failed").await;
    assert_eq!((&delivery["attempt_count"], &delivery["max_attempts"]), (&json!(1), &json!(1)));
    assert_eq!(delivery["error"], "the endpoint answered 500");
    assert_eq!(world.receiver.next().await.id(), id);
    assert!(world.receiver.rest().is_empty());
    let statistics = world.admin().get(&subscription.path()).await.ok()["statistics"].clone();
    let counts = [&statistics["total"], &statistics["successful"], &statistics["failed"]];
    assert_eq!(counts, [&json!(1), &json!(0), &json!(1)]);
}

async fn a_failed_delivery_can_be_retried_by_hand(engine: Engine) {
    let mut world = World::start(engine).await;
    world.subscribe(&json!({ "retry_count": 0 })).await;
    world.receiver.then(Reply::Status(500)).then(Reply::Status(502));
    let id = world.publish(&json!({})).await;
    let first = world.receiver.next().await;
    let failed = world.delivery_when(&id, "failed").await;
    let path = format!("/api/deliveries/{}", failed["id"].as_str().unwrap());
    let retried = world.admin().post(&format!("{path}/retry"), &json!({})).await.ok();
    assert_eq!((&retried["id"], &retried["trigger"]), (&failed["id"], &json!("manual")));
    let second = world.receiver.next().await;
    assert_eq!((second.id(), &second.body), (first.id(), &first.body));
    let failed_again = until("a second failure", || async {
        let delivery = world.admin().get(&path).await.ok();
        (delivery["status"] == "failed" && delivery["attempt_count"] == 2).then_some(delivery)
    });
    assert_eq!(failed_again.await["attempts"].as_array().unwrap().len(), 2);
    world.admin().post(&format!("{path}/retry"), &json!({})).await.ok();
    let attempts = world.attempts_when(&id, "success").await;
    let told: Vec<_> =
        attempts.iter().map(|a| json!([a["number"], a["trigger"], a["response_status"]])).collect();
    assert_eq!(told, [json!([1, "initial", 500]), json!([2, "manual", 502]), json!([3, "manual", 200])]);
    world.admin().post(&format!("{path}/retry"), &json!({})).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_dead_endpoint_does_not_delay_a_healthy_one() {
    let mut world = World::start(Engine::Sqlite).await;
    let dead = Receiver::start().await;
    dead.always(Reply::Hang);
    let dead_one = subscribe(&world.admin(), &dead, &json!({ "max_concurrency": 2 })).await;
    let events: Vec<_> = (0..500).map(|_| json!({ "type": "a.b", "user_id": "alice", "data": 0 })).collect();
    world.admin().post("/api/events", &json!({ "events": events })).await.ok();
    world.subscribe(&json!({ "max_concurrency": 1 })).await;
    // Each of these arrives while all that the dead endpoint is owed still waits for it.
    for number in 0..20 {
        let id = world.publish(&json!(number)).await;
        assert_eq!(world.receiver.next().await.id(), id);
    }
    let path = format!("{}/deliveries?status=success", dead_one.path());
    assert!(world.admin().list(&path).await.is_empty());
    let statistics = world.admin().get(&dead_one.path()).await.ok()["statistics"].clone();
    assert_eq!((&statistics["total"], &statistics["successful"]), (&json!(520), &json!(0)));
}

#[tokio::test]
async fn a_delivery_that_is_called_off_is_not_tried_again() {
    let mut world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({ "max_concurrency": 1, "retry_policy": [3_600] })).await;
    world.receiver.then(Reply::Status(500));
    let id = world.publish(&json!({})).await;
    let retrying = world.delivery_when(&id, "retrying").await;
    let path = format!("/api/deliveries/{}", retrying["id"].as_str().unwrap());
    let cancelled = world.admin().post(&format!("{path}/cancel"), &json!({})).await.ok();
    assert_eq!((&cancelled["status"], &cancelled["next_attempt_at"]), (&json!("cancelled"), &json!(null)));
    world.admin().post(&format!("{path}/cancel"), &json!({})).await.problem(409, "conflict");
    world.receiver.next().await;

    let go = world.receiver.then_when_told();
    let (under_way, waiting) = (world.publish(&json!(1)).await, world.publish(&json!(2)).await);
    assert_eq!(world.receiver.next().await.id(), under_way);
    world.admin().delete(&subscription.path()).await.ok();
    go.notify_one();
    assert!(world.delivery_when(&waiting, "cancelled").await["completed_at"].is_string());
    world.admin().get(&subscription.path()).await.problem(404, "not_found");
    let history = world.admin().list("/api/deliveries").await;
    assert_eq!(history.len(), 3, "the history stays");
    assert!(world.receiver.rest().is_empty());
}

/// The one story that waits for the real schedule.
async fn a_receiver_that_fails_three_times_gets_it_after_2_4_and_8_seconds_more(engine: Engine) {
    let mut world = World::start(engine).await;
    let subscription = world.subscribe(&json!({})).await;
    for status in [500, 502, 404] {
        world.receiver.then(Reply::Status(status));
    }
    let id = world.publish(&json!({})).await;
    let mut due = Vec::new();
    for number in 1..=3 {
        world.receiver.next().await;
        let delivery = until("the attempt is written down", || async {
            let delivery = world.delivery_when(&id, "retrying").await;
            (delivery["attempt_count"] == number).then_some(delivery)
        });
        due.push(millis(&delivery.await["next_attempt_at"]));
    }
    world.receiver.next().await;
    let attempts = world.attempts_when(&id, "success").await;
    assert_eq!(attempts.len(), 4);
    for ((tried, next), (due, gap)) in
        attempts.iter().zip(&attempts[1..]).zip(due.iter().zip([2_000, 4_000, 8_000]))
    {
        let ended = millis(&tried["at"]) + tried["duration_ms"].as_f64().unwrap() as i64;
        let waited = due - ended;
        // Jitter adds a tenth at the most; the rest is what it took to take the answer in, on a busy machine.
        assert!((gap - 1..gap * 11 / 10 + 1_500).contains(&waited), "{waited} ms for {gap} ms");
        assert!(millis(&next["at"]) >= *due, "{attempts:?}");
    }
    let triggers: Vec<_> = attempts.iter().map(|attempt| attempt["trigger"].as_str().unwrap()).collect();
    assert_eq!(triggers, ["initial", "automatic", "automatic", "automatic"]);
    let statistics = world.admin().get(&subscription.path()).await.ok()["statistics"].clone();
    let counts = [&statistics["total"], &statistics["successful"], &statistics["failed"]];
    assert_eq!(counts, [&json!(1), &json!(1), &json!(0)]);
    assert!(statistics["last_failure_at"].as_str() < statistics["last_success_at"].as_str(), "{statistics}");
    assert!(world.receiver.rest().is_empty());
}

fn millis(time: &serde_json::Value) -> i64 {
    domain::Timestamp::parse(time.as_str().unwrap()).unwrap().as_millis()
}
