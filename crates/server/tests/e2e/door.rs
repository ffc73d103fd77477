//! What the door bears: compressed bodies and bombs, heads without end, and those who keep it waiting.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use futures::future::join_all;
use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::client::Request;
use crate::support::database::Engine;
use crate::support::sender::{github, github_unsigned, hmac_hex};
use crate::support::world::{GITHUB, World};
use crate::support::{until, within};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// The next bytes of an answer.
async fn read<const BYTES: usize>(stream: &mut TcpStream) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    within("the answer", stream.read_exact(&mut bytes)).await.unwrap();
    bytes
}

/// A push with a compressed body and a signature over `signed`.
fn compressed(delivery: &str, coding: &str, sent: &[u8], signed: &[u8]) -> Request {
    let signature = format!("sha256={}", hmac_hex("It's a Secret to Everybody", signed));
    github_unsigned(GITHUB, delivery, sent)
        .header("content-encoding", coding)
        .header("x-hub-signature-256", &signature)
}

/// While nobody accepts, it is the system that lets them wait.
#[tokio::test]
async fn hundreds_who_come_at_once_are_all_heard() {
    let world = World::start(Engine::Sqlite).await;
    world.program.signal(Signal::STOP);
    let coming = join_all((0..500).map(|_| TcpStream::connect(world.program.address)));
    let streams = within("all are let in", coming).await;
    world.program.signal(Signal::CONT);
    let mut last = streams.into_iter().next_back().unwrap().unwrap();
    last.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!(&read::<12>(&mut last).await, b"HTTP/1.1 200");
}

#[tokio::test]
async fn a_compressed_body_may_be_signed_as_sent_or_as_meant() {
    let world = World::start(Engine::Sqlite).await;
    let client = world.program.anyone();
    let body = br#"{"ref":"refs/heads/main"}"#;
    let cases = [("gzip", gzip(body)), ("deflate", zlib(body))];
    for (coding, sent) in &cases {
        for signed in [&sent[..], body] {
            let id = format!("{coding}{}", signed.len());
            assert_eq!(client.send(compressed(&id, coding, sent, signed)).await.ok()["status"], "accepted");
        }
        client.send(compressed("x", coding, sent, b"something else")).await.problem(401, "invalid_signature");
    }
    client.send(compressed("x", "br", b"{}", b"{}")).await.problem(415, "unsupported_encoding");
    client.send(compressed("x", "gzip", b"{}", b"{}")).await.problem(400, "unreadable");
    let events = world.events().await;
    assert_eq!(events.len(), 4);
    assert!(events.iter().all(|event| event["data"] == json!({ "ref": "refs/heads/main" })), "{events:?}");
}

#[tokio::test]
async fn a_bomb_does_not_go_off() {
    let world = World::start(Engine::Sqlite).await;
    let client = world.program.anyone();
    // 256 MiB of nothing, in a quarter of a megabyte.
    let bomb = gzip(&vec![b' '; 256 * 1_024 * 1_024]);
    assert!(bomb.len() < 1_024 * 1_024);
    for _ in 0..4 {
        client.send(compressed("bomb", "gzip", &bomb, &bomb)).await.problem(413, "payload_too_large");
    }
    assert!(world.program.memory_peak_mib() < 200, "{} MiB", world.program.memory_peak_mib());
    client.send(github(GITHUB, "1", b"{}")).await.ok();
}

#[tokio::test]
async fn heads_without_end_are_refused() {
    let world = World::start(Engine::Sqlite).await;
    let client = world.program.anyone();
    let many: String = (0..10_000).map(|number| format!("x-{number}: {number}\r\n")).collect();
    let long = format!("x-long: {}\r\n", "x".repeat(1_000_000));
    for headers in [many, long] {
        let bytes = format!("POST {GITHUB} HTTP/1.1\r\nhost: a\r\n{headers}content-length: 2\r\n\r\n{{}}");
        let answer = client.exchange(bytes.as_bytes()).await;
        assert!(answer.is_none_or(|answer| answer.status == 431));
        client.send(github(GITHUB, "1", b"{}")).await.ok();
    }
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn one_address_keeps_only_so_many_bodies_waiting() {
    let world = World::start(Engine::Sqlite).await;
    let whole = github(GITHUB, "slow", br#"{"ref":"refs/heads/main"}"#).bytes();
    let begin = async || {
        let mut stream = TcpStream::connect(world.program.address).await.unwrap();
        stream.write_all(&whole[..whole.len() - 3]).await.unwrap();
        stream
    };
    let mut waiting = Vec::new();
    for _ in 0..128 {
        waiting.push(begin().await);
    }
    // The last to come is told at once; which one that is, the server decides.
    waiting.push(begin().await);
    let refused = until("a refusal", || async {
        let metrics = String::from_utf8(world.admin().get("/metrics").await.body).unwrap();
        metrics.contains("reason=\"rate_limited\"").then_some(())
    });
    refused.await;
    // Whoever comes with a whole request is served all the same.
    world.github("quick", b"{}").await.ok();
    for mut stream in waiting.drain(..).take(1) {
        stream.write_all(&whole[whole.len() - 3..]).await.unwrap();
        assert_eq!(&read::<12>(&mut stream).await, b"HTTP/1.1 200");
    }
    until("the places", || async {
        let mut stream = begin().await;
        stream.write_all(&whole[whole.len() - 3..]).await.unwrap();
        (&read::<12>(&mut stream).await == b"HTTP/1.1 200").then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_address_has_only_so_many_requests_under_way() {
    let world = World::start_with(Engine::Sqlite, |launch| {
        launch
            .env("WAYSTATION_INBOUND__CONCURRENCY_PER_ADDRESS_MAX", "2")
            .env("WAYSTATION_INBOUND__TRUSTED_PROXY_DEPTH", "1")
    })
    .await;
    let client = world.program.anyone();
    let [busy, idle] = ["203.0.113.7", "203.0.113.8"];
    let from = |address: &str, request: Request| request.header("x-forwarded-for", address);
    let mut under_way = Vec::new();
    for delivery in ["slow-1", "slow-2"] {
        let request = from(busy, github(GITHUB, delivery, b"{}")).header("expect", "100-continue");
        let bytes = request.bytes();
        let (last, first) = bytes.split_last().unwrap();
        let mut stream = TcpStream::connect(world.program.address).await.unwrap();
        stream.write_all(first).await.unwrap();
        assert_eq!(&read::<25>(&mut stream).await, b"HTTP/1.1 100 Continue\r\n\r\n");
        under_way.push((stream, *last));
    }
    let refusal = client.send(from(busy, github(GITHUB, "whole", b"{}"))).await;
    refusal.problem(429, "rate_limited");
    assert_eq!(refusal.header("retry-after"), Some("1"));
    assert!(String::from_utf8_lossy(&refusal.body).contains("under way"));
    // At the other doors it is the same, and for the other addresses it is not.
    let doors = ["/webhooks/slack/alice", "/in/a-token-that-nobody-has"];
    for door in doors {
        client.send(from(busy, Request::post(door).body(b"{}"))).await.problem(429, "rate_limited");
    }
    client
        .send(from(busy, Request::new("GET", "/webhooks/youtube/alice")))
        .await
        .problem(429, "rate_limited");
    client.send(from(idle, github(GITHUB, "whole", b"{}"))).await.ok();
    client.send(from(idle, Request::new("GET", "/webhooks/youtube/alice"))).await.problem(404, "not_found");

    for (mut stream, last) in under_way {
        stream.write_all(&[last]).await.unwrap();
        assert_eq!(&read::<12>(&mut stream).await, b"HTTP/1.1 200");
    }
    // Their places are free when they are answered.
    client.send(from(busy, github(GITHUB, "whole", b"{}"))).await.ok();
}

#[tokio::test]
async fn everybody_is_told_where_they_stand() {
    let world = World::start_with(Engine::Sqlite, |launch| {
        launch
            .env("WAYSTATION_INBOUND__RATE_LIMIT_PER_15_MINUTES", "2")
            .env("WAYSTATION_API__RATE_LIMIT_PER_MINUTE", "2")
    })
    .await;
    let client = world.program.anyone();
    let key = world.admin().post("/api/keys", &json!({ "name": "k", "user_id": "alice" })).await;
    assert_eq!(key.header("ratelimit-limit"), None, "the operator has no limit");
    let alice = world.program.bearer(key.ok()["key"].as_str().unwrap());
    for (remaining, status) in [("1", 200), ("0", 200), ("0", 429)] {
        for answer in [client.send(github(GITHUB, remaining, b"{}")).await, alice.get("/api/events").await] {
            assert_eq!(answer.status, status);
            assert_eq!(answer.header("ratelimit-limit"), Some("2"));
            assert_eq!(answer.header("ratelimit-remaining"), Some(remaining));
            let reset: u64 = answer.header("ratelimit-reset").unwrap().parse().unwrap();
            assert!((1..=900).contains(&reset), "{reset}");
            assert_eq!(answer.header("retry-after").is_some(), status == 429);
        }
    }
}
