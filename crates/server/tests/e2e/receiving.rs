//! What providers send comes in, once.

use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::program::GITHUB_SECRET;
use crate::support::sender::{github, github_unsigned, hmac_hex, slack, slack_message};
use crate::support::world::{GITHUB, SLACK, World};

on_each_database! {
    a_github_delivery_sent_twice_is_stored_once_and_delivered_once
    a_github_body_of_just_under_25_mib_is_accepted
}

async fn a_github_delivery_sent_twice_is_stored_once_and_delivered_once(engine: Engine) {
    let mut world = World::start(engine).await;
    world.subscribe(&json!({})).await;
    let first = world.github("72d3162e", br#"{"ref":"refs/heads/main"}"#).await.ok();
    assert_eq!(first["status"], "accepted");
    let again = world.github("72d3162e", br#"{"ref":"refs/heads/main"}"#).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json(), json!({ "status": "duplicate", "event_id": first["event_id"] }));

    let delivered = world.receiver.next().await;
    assert_eq!(first["event_id"], delivered.id());
    // Whatever the repeat owed would have come before this.
    let other = world.github("another", b"{}").await.ok();
    assert_eq!(other["event_id"], world.receiver.next().await.id());
    let events = world.events().await;
    assert_eq!(events.len(), 2);
    let expected = json!({
        "id": first["event_id"], "type": "github.push", "user_id": "alice", "source": "github",
        "provider": "github", "data": {"ref": "refs/heads/main"},
        "occurred_at": events[1]["occurred_at"], "received_at": events[1]["received_at"],
    });
    assert_eq!(events[1], expected);
    world.delivery_when(first["event_id"].as_str().unwrap(), "success").await;
    assert!(world.receiver.rest().is_empty());
}

async fn a_github_body_of_just_under_25_mib_is_accepted(engine: Engine) {
    let world = World::start(engine).await;
    let bytes = 25 * 1_024 * 1_024;
    let body = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8)).into_bytes();
    let accepted = world.github("large", &body(bytes)).await.ok();
    let raw = format!("/api/events/{}/raw", accepted["event_id"].as_str().unwrap());
    assert!(world.admin().get(&raw).await.body == body(bytes), "it is kept byte for byte");
    // Unsigned, since the limit comes first.
    let too_large = github_unsigned(GITHUB, "too large", &body(bytes + 1));
    world.program.anyone().send(too_large).await.problem(413, "payload_too_large");
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn an_address_is_the_same_with_and_without_api() {
    let world = World::start(Engine::Sqlite).await;
    let client = world.program.anyone();
    let short = client.send(github("/webhooks/github/alice", "1", b"{}")).await.ok();
    assert_eq!(short["status"], "accepted");
    let long = client.send(github(GITHUB, "1", b"{}")).await.ok();
    assert_eq!(long, json!({ "status": "duplicate", "event_id": short["event_id"] }));
}

#[tokio::test]
async fn the_same_delivery_for_another_user_is_another_event() {
    let world = World::start(Engine::Sqlite).await;
    let client = world.program.anyone();
    for path in [GITHUB, "/api/webhooks/github/al%20ice", "/api/webhooks/github/%C3%A4"] {
        assert_eq!(client.send(github(path, "1", b"{}")).await.ok()["status"], "accepted");
    }
    let events = world.events().await;
    let users: Vec<_> = events.iter().map(|event| event["user_id"].as_str().unwrap()).collect();
    assert_eq!(users, ["ä", "al ice", "alice"], "the newest first");
}

#[tokio::test]
async fn a_form_posts_inner_json_is_delivered_and_the_form_is_kept() {
    let mut world = World::start(Engine::Sqlite).await;
    world.subscribe(&json!({})).await;
    let form = b"payload=%7B%22zen%22%3A%22Keep+it+logically+awesome.%22%7D";
    let request = Request::post(GITHUB)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-github-event", "ping")
        .header("x-github-delivery", "1")
        .header("x-hub-signature-256", &format!("sha256={}", hmac_hex(GITHUB_SECRET, form)))
        .body(form);
    let accepted = world.program.anyone().send(request).await.ok();
    let delivered = world.receiver.next().await.json();
    assert_eq!((&delivered["type"], &delivered["id"]), (&"github.ping".into(), &accepted["event_id"]));
    assert_eq!(delivered["data"], json!({ "zen": "Keep it logically awesome." }));
    let raw = format!("/api/events/{}/raw", accepted["event_id"].as_str().unwrap());
    assert_eq!(world.admin().get(&raw).await.body, form);
}

#[tokio::test]
async fn slacks_handshake_is_answered_with_its_challenge() {
    let world = World::start(Engine::Sqlite).await;
    let handshake =
        br#"{"type":"url_verification","token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd"}"#;
    let answer = world.program.anyone().send(slack(SLACK, 0, handshake)).await;
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, b"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd".as_slice())
    );
    let unsigned = Request::post(SLACK).body(handshake);
    world.program.anyone().send(unsigned).await.problem(401, "missing_signature");
    assert_eq!(world.events().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_slack_event_comes_in_once_and_says_when_it_happened() {
    let world = World::start(Engine::Sqlite).await;
    let client = world.program.anyone();
    let body = slack_message("Ev1");
    let first = client.send(slack(SLACK, 0, &body)).await.ok();
    // Slack signs each try anew.
    let again = client.send(slack(SLACK, 1, &body)).await.ok();
    assert_eq!(again, json!({ "status": "duplicate", "event_id": first["event_id"] }));
    let events = world.events().await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["type"], "slack.message");
    assert_eq!(events[0]["occurred_at"], "2023-11-14T22:13:20.000Z");
}

#[tokio::test]
async fn a_slack_timestamp_is_good_for_five_minutes_either_way() {
    let world = World::start(Engine::Sqlite).await;
    let client = world.program.anyone();
    // The clock goes on while a request is on its way: one from the future grows younger.
    for (seconds, is_stale) in [(-301, true), (-295, false), (295, false), (310, true)] {
        let answer = client.send(slack(SLACK, seconds, &slack_message(&format!("Ev{seconds}")))).await;
        if is_stale {
            answer.problem(401, "invalid_timestamp");
        } else {
            assert_eq!(answer.ok()["status"], "accepted", "{seconds} s");
        }
    }
    assert_eq!(world.events().await.len(), 2);
}
