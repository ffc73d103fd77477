//! What is not believed, not understood or too much is refused, and the server goes on.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::client::Request;
use crate::support::database::Engine;
use crate::support::sender::{github, github_unsigned, hmac_hex, slack, slack_message};
use crate::support::within;
use crate::support::world::{GITHUB, SLACK, World};

/// Nothing of what was refused is there.
async fn assert_nothing_stored(world: &World) {
    assert_eq!(world.events().await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_its_provider_did_not_sign_is_refused_and_not_stored() {
    let world = World::start(Engine::Sqlite).await;
    let client = world.program.anyone();
    let unsigned = github_unsigned(GITHUB, "1", b"{}");
    let signed = |signature: &str| unsigned.clone().header("x-hub-signature-256", signature);
    let good = hmac_hex("It's a Secret to Everybody", b"{}");
    client.send(unsigned.clone()).await.problem(401, "missing_signature");
    let by_another = format!("sha256={}", hmac_hex("another secret", b"{}"));
    for bad in [by_another.as_str(), "sha256=00", "sha256=", "", &good, &format!("sha1={good}")] {
        client.send(signed(bad)).await.problem(401, "invalid_signature");
    }
    let twice = signed(&format!("sha256={good}")).header("x-hub-signature-256", &by_another);
    client.send(twice).await.problem(401, "invalid_signature");
    let altered = slack(SLACK, 0, &slack_message("Ev1")).body(slack_message("Ev2"));
    client.send(altered).await.problem(401, "invalid_signature");
    assert_nothing_stored(&world).await;
}

#[tokio::test]
async fn without_a_secret_every_request_is_refused_and_the_log_says_why() {
    let launch_without = |launch: crate::support::program::Launch| launch.without("GITHUB_WEBHOOK_SECRET");
    let world = World::start_with(Engine::Sqlite, launch_without).await;
    for secret in ["It's a Secret to Everybody", ""] {
        let signature = format!("sha256={}", hmac_hex(secret, b"{}"));
        let signed = github_unsigned(GITHUB, "1", b"{}").header("x-hub-signature-256", &signature);
        world.program.anyone().send(signed).await.problem(401, "no_secret_configured");
    }
    assert_nothing_stored(&world).await;
    assert!(world.program.logged().contains("GITHUB_WEBHOOK_SECRET"), "{}", world.program.logged());
}

#[tokio::test]
async fn a_signed_body_that_cannot_be_read_is_a_bad_request() {
    let world = World::start(Engine::Sqlite).await;
    let client = world.program.anyone();
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    for body in [&b"{"[..], b"", b"{} {}", b"[1]", b"{\"a\":\"\xff\"}", b"\x1f\x8b\x08\x00", &deep] {
        client.send(github(GITHUB, "1", body)).await.problem(400, "unreadable");
    }
    for body in [&b"{"[..], b"{}", br#"{"type":"event_callback"}"#, br#"{"type":"unheard_of"}"#] {
        client.send(slack(SLACK, 0, body)).await.problem(400, "unreadable");
    }
    let nameless = Request::post(GITHUB)
        .header("x-github-event", "push")
        .header("x-hub-signature-256", &format!("sha256={}", hmac_hex("It's a Secret to Everybody", b"{}")))
        .body("{}");
    client.send(nameless).await.problem(400, "unreadable");
    assert_nothing_stored(&world).await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_or_not_it_says_its_length() {
    let world = World::start(Engine::Sqlite).await;
    let client = world.program.anyone();
    let over = vec![b' '; 5 * 1_024 * 1_024 + 1];
    // Unsigned, since the limit comes first.
    let request = Request::post(SLACK).body(over);
    client.send(request.clone()).await.problem(413, "payload_too_large");
    client.send(request.chunked()).await.problem(413, "payload_too_large");
    let padded = [slack_message("Ev1"), vec![b' '; 5 * 1_024 * 1_024 - slack_message("Ev1").len()]].concat();
    assert_eq!(client.send(slack(SLACK, 0, &padded)).await.ok()["status"], "accepted", "just at the limit");
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_document_too() {
    let world = World::start(Engine::Sqlite).await;
    let client = world.program.anyone();
    for path in ["/api/webhooks/gitlab/alice", "/webhooks/nobody", "/in/unknown-token", "/api/nothing"] {
        client.send(github(path, "1", b"{}")).await.problem(404, "not_found");
    }
    client.get(GITHUB).await.problem(405, "method_not_allowed");
    let long = format!("/api/webhooks/github/{}", "x".repeat(129));
    client.send(github(&long, "1", b"{}")).await.problem(400, "unreadable");
    assert_nothing_stored(&world).await;
}

#[tokio::test]
async fn who_comes_too_often_is_told_when_to_come_back() {
    let world = World::start_with(Engine::Sqlite, |launch| {
        launch.env("WAYSTATION_INBOUND__RATE_LIMIT_PER_15_MINUTES", "2")
    });
    let world = world.await;
    let client = world.program.anyone();
    client.send(github("/webhooks/github/alice", "1", b"{}")).await.ok();
    client.send(github(GITHUB, "2", b"{}")).await.ok();
    // The two addresses are one route, and nobody is believed who says to be somebody else.
    let third = github("/webhooks/github/bob", "3", b"{}").header("x-forwarded-for", "203.0.113.7");
    let refused = client.send(third).await;
    refused.problem(429, "rate_limited");
    let seconds: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=450).contains(&seconds), "{seconds}");
    client.send(slack(SLACK, 0, &slack_message("Ev1"))).await.ok();
}

#[tokio::test]
async fn odd_requests_leave_the_server_as_it_was() {
    let world = World::start(Engine::Sqlite).await;
    let client = world.program.anyone();
    let post = |rest: &str| format!("POST {GITHUB} HTTP/1.1\r\nhost: a\r\n{rest}").into_bytes();
    let headers: String = (0..10_000).map(|number| format!("x-{number}: {number}\r\n")).collect();
    let odd = [
        post(&format!("{headers}content-length: 2\r\n\r\n{{}}")),
        post("content-length: 99999999999999999999999999\r\n\r\n{}"),
        post("content-length: -1\r\n\r\n{}"),
        post("content-length: 2\r\ncontent-length: 3\r\n\r\n{}"),
        post("transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}"),
        post("content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}"),
        b"POST /api/webhooks/github/\xff\xfe HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"POST /api/webhooks/github/%ff%fe HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"POST /api/webhooks/github/%00 HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"\r\n\r\n\0\0\0\0".to_vec(),
        vec![b'A'; 1_000_000],
    ];
    for (number, bytes) in odd.iter().enumerate() {
        let mut stream = TcpStream::connect(client.address).await.unwrap();
        let _refused = stream.write_all(bytes).await;
        let _refused = stream.shutdown().await;
        let mut answer = Vec::new();
        let _reset = within("the connection's end", stream.read_to_end(&mut answer)).await;
        let accepted = answer.starts_with(b"HTTP/1.1 2");
        assert!(!accepted, "{number}: {}", String::from_utf8_lossy(&answer));
        assert_eq!(world.github(&number.to_string(), b"{}").await.ok()["status"], "accepted");
    }
    assert_eq!(world.events().await.len(), odd.len());
}

#[tokio::test]
async fn half_a_body_is_no_event_and_its_retry_is_one() {
    let world = World::start(Engine::Sqlite).await;
    let whole = github(GITHUB, "half", br#"{"ref":"refs/heads/main"}"#).bytes();
    let mut stream = TcpStream::connect(world.program.address).await.unwrap();
    stream.write_all(&whole[..whole.len() - 3]).await.unwrap();
    drop(stream);
    assert_eq!(world.github("half", br#"{"ref":"refs/heads/main"}"#).await.ok()["status"], "accepted");
    assert_eq!(world.events().await.len(), 1);
}
