//! Endpoints that answer badly, or not at all.

use domain::Timestamp;
use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::receiver::{Receiver, Reply};
use crate::support::sender::now_seconds;
use crate::support::until;
use crate::support::world::World;

const KIB: usize = 1_024;

/// The only attempt at a subscription that allows `seconds` for it, at an endpoint that answers like this.
async fn only_attempt(world: &World, seconds: u16, reply: Reply) -> Value {
    world.receiver.always(reply);
    world.subscribe(&json!({ "retry_count": 0, "timeout_seconds": seconds })).await;
    let id = world.publish(&json!({})).await;
    let delivery = world.delivery_when(&id, "failed").await;
    assert_eq!(delivery["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(delivery["error"], delivery["attempts"][0]["error"]);
    delivery["attempts"][0].clone()
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut world = World::start(Engine::Sqlite).await;
    let mut elsewhere = Receiver::start().await;
    let attempt = only_attempt(&world, 10, Reply::WithHeader(307, "location", elsewhere.url())).await;
    assert_eq!((&attempt["error_code"], &attempt["response_status"]), (&json!("redirect"), &json!(307)));
    assert_eq!(attempt["response_headers"]["location"], elsewhere.url());
    assert_eq!((world.receiver.rest().len(), elsewhere.rest().len()), (1, 0));
}

#[tokio::test]
async fn an_endpoint_that_hangs_costs_no_more_than_the_deadline() {
    let world = World::start(Engine::Sqlite).await;
    let attempt = only_attempt(&world, 1, Reply::Hang).await;
    assert_eq!((&attempt["error_code"], &attempt["response_status"]), (&json!("timeout"), &json!(null)));
    assert!((950.0..10_000.0).contains(&attempt["duration_ms"].as_f64().unwrap()), "{attempt}");
}

#[tokio::test]
async fn an_endpoint_that_drips_costs_no_more_than_the_deadline() {
    let world = World::start(Engine::Sqlite).await;
    let attempt = only_attempt(&world, 1, Reply::Drip).await;
    assert_eq!((&attempt["error_code"], &attempt["response_status"]), (&json!("timeout"), &json!(200)));
    assert!((950.0..10_000.0).contains(&attempt["duration_ms"].as_f64().unwrap()), "{attempt}");
    assert!(attempt["response_body"].as_str().unwrap().starts_with("..."), "what came is kept: {attempt}");
}

#[tokio::test]
async fn an_answer_of_2_gib_is_cut_off_without_taking_memory() {
    let world = World::start(Engine::Sqlite).await;
    let attempt = only_attempt(&world, 60, Reply::Flood(2 * 1_024 * 1_024 * 1_024)).await;
    assert_eq!(attempt["error_code"], "response_too_large");
    assert_eq!(attempt["response_body"].as_str().unwrap().len(), 16 * KIB);
    let peak = world.program.memory_peak_mib();
    assert!(peak < 150, "{peak} MiB");
}

#[tokio::test]
async fn no_more_than_16_kib_of_an_answer_are_kept() {
    let world = World::start(Engine::Sqlite).await;
    let body = [vec![b'x'; 16 * KIB], vec![b'y'; 100 * KIB]].concat();
    let attempt = only_attempt(&world, 10, Reply::WithBody(500, body)).await;
    assert_eq!(attempt["error_code"], "status");
    assert!(attempt["response_body"] == "x".repeat(16 * KIB));
}

#[tokio::test]
async fn an_answer_of_bytes_that_are_no_text_is_shown_as_well_as_can_be() {
    let world = World::start(Engine::Sqlite).await;
    let attempt = only_attempt(&world, 10, Reply::WithBody(500, b"a\xff\0b".to_vec())).await;
    assert_eq!(attempt["response_body"], "a\u{fffd}\0b");
}

#[tokio::test]
async fn an_answer_with_headers_beyond_measure_is_cut_off() {
    let world = World::start(Engine::Sqlite).await;
    let reply = Reply::WithHeader(200, "x-long", "x".repeat(1_024 * KIB));
    let attempt = only_attempt(&world, 10, reply).await;
    assert_eq!(
        (&attempt["error_code"], &attempt["response_status"]),
        (&json!("response_too_large"), &json!(null))
    );
}

#[tokio::test]
async fn an_address_that_may_no_longer_be_called_is_not() {
    let mut world = World::start(Engine::Sqlite).await;
    world.subscribe(&json!({ "retry_count": 0 })).await;
    world.program.kill().await;
    world.program = world.launch.clone().without("WAYSTATION_DELIVERY__ALLOW_HOSTS").start().await;
    let id = world.publish(&json!({})).await;
    assert_eq!(world.attempts_when(&id, "failed").await[0]["error_code"], "blocked_address");
    assert!(world.receiver.rest().is_empty());
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let world = World::start(Engine::Sqlite).await;
    let attempt = only_attempt(&world, 10, Reply::Short).await;
    assert_eq!((&attempt["error_code"], &attempt["response_status"]), (&json!("protocol"), &json!(200)));
    assert_eq!(attempt["response_body"], "only this");
}

#[tokio::test]
async fn what_an_answer_holds_beyond_its_length_is_not_the_next_answer() {
    let world = World::start(Engine::Sqlite).await;
    world.subscribe(&json!({ "retry_count": 0, "max_concurrency": 1 })).await;
    for _ in 0..3 {
        world.receiver.then(Reply::Excess);
        let id = world.publish(&json!({})).await;
        let attempts = world.attempts_when(&id, "success").await;
        assert_eq!(
            (&attempts[0]["response_status"], &attempts[0]["response_body"]),
            (&json!(200), &json!("ok"))
        );
    }
}

#[tokio::test]
async fn a_proxy_in_the_environment_is_none_of_ours() {
    let mut proxy = Receiver::start().await;
    let names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
    let url = format!("http://{}", proxy.address);
    let mut world = World::start_with(Engine::Sqlite, |launch| {
        names.iter().fold(launch, |launch, name| launch.env(name, &url))
    })
    .await;
    world.subscribe(&json!({})).await;
    let id = world.publish(&json!({})).await;
    assert_eq!(world.receiver.next().await.id(), id);
    world.delivery_when(&id, "success").await;
    assert!(proxy.rest().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_told_from_a_name_that_is_not() {
    let world = World::start(Engine::Sqlite).await;
    // Nobody listens on the lowest port, and nobody is called `.invalid` (RFC 6761).
    for (url, code) in [("http://127.0.0.1:1/", "connect"), ("https://nobody.invalid/", "dns")] {
        let terms = json!({ "url": url, "retry_count": 0 });
        let subscription = world.subscribe(&terms).await;
        let id = world.publish(&json!({})).await;
        let delivery = world.delivery_when(&id, "failed").await;
        assert_eq!(delivery["attempts"][0]["error_code"], code, "{delivery}");
        assert_eq!(delivery["response_status"], Value::Null);
        world.admin().delete(&subscription.path()).await.ok();
    }
}

#[tokio::test]
async fn an_endpoint_without_encryption_where_some_was_asked_for_is_a_tls_error() {
    let world = World::start(Engine::Sqlite).await;
    let url = world.receiver.url().replace("http://", "https://");
    world.subscribe(&json!({ "url": url, "retry_count": 0, "timeout_seconds": 1 })).await;
    world.receiver.always(Reply::Hang);
    let id = world.publish(&json!({})).await;
    let delivery = world.delivery_when(&id, "failed").await;
    let code = delivery["attempts"][0]["error_code"].as_str().unwrap();
    assert!(["tls", "timeout", "protocol"].contains(&code), "{delivery}");
    assert_eq!(delivery["response_status"], Value::Null);
}

#[tokio::test]
async fn an_endpoint_that_asks_for_time_is_given_it() {
    let world = World::start(Engine::Sqlite).await;
    world.subscribe(&json!({ "retry_policy": [1, 1] })).await;
    for status in [429, 503, 500] {
        world.receiver.then(Reply::WithHeader(status, "retry-after", "600".to_owned()));
        let before = now_seconds();
        let id = world.publish(&json!({})).await;
        let delivery = world.delivery_when(&id, "retrying").await;
        let due_at = Timestamp::parse(delivery["next_attempt_at"].as_str().unwrap()).unwrap();
        let asked = due_at.as_seconds() - before;
        // With any other status the header is not for us.
        let expected = if status == 500 { 0..60 } else { 600..660 };
        assert!(expected.contains(&asked), "{status}: {asked} s");
    }
}

#[tokio::test]
async fn gone_deactivates_the_subscription() {
    let mut world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({})).await;
    world.receiver.then(Reply::Status(410));
    let id = world.publish(&json!({})).await;
    world.delivery_when(&id, "failed").await;
    until("it is deactivated", || async {
        (world.admin().get(&subscription.path()).await.ok()["is_active"] == false).then_some(())
    })
    .await;
    assert_eq!(world.receiver.next().await.id(), id);
    let unwanted = world.publish(&json!({})).await;
    let event = world.admin().get(&format!("/api/events/{unwanted}")).await.ok();
    assert_eq!(event["deliveries"], json!([]));
    let revived = world.admin().patch(&subscription.path(), &json!({ "is_active": true })).await.ok();
    assert_eq!(revived["is_active"], true);
    let wanted = world.publish(&json!({})).await;
    assert_eq!(world.receiver.next().await.id(), wanted);
}
