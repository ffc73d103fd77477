//! What was refused can be looked at, and cannot fill the disk.

use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::database::Engine;
use crate::support::sender::{github, github_unsigned, slack, slack_message};
use crate::support::world::{GITHUB, SLACK, World};
use crate::support::{on_each_database, until};

on_each_database! {
    each_refusal_is_kept_with_its_reason
}

/// The list, once it holds `count`, the newest first.
async fn rejections(world: &World, count: usize) -> Vec<Value> {
    until("the rejections", || async {
        let found = world.admin().list("/api/rejections").await;
        (found.len() >= count).then_some(found)
    })
    .await
}

async fn each_refusal_is_kept_with_its_reason(engine: Engine) {
    let world = World::start_with(engine, |launch| launch.env("UNIPILE_WEBHOOK_SECRET", "hunter2")).await;
    let client = world.program.anyone();
    client.send(github_unsigned(GITHUB, "1", b"{}")).await.problem(401, "missing_signature");
    let bad = github_unsigned("/webhooks/github/bob?token=hunter2", "2", &[b'x'; 10_000])
        .header("x-hub-signature-256", "sha256=00")
        .header("authorization", "Bearer hunter2")
        .header("cookie", "session=hunter2");
    client.send(bad).await.problem(401, "invalid_signature");
    client.send(slack(SLACK, -1_000, &slack_message("Ev1"))).await.problem(401, "invalid_timestamp");
    client.send(github(GITHUB, "3", b"\xff\x00{")).await.problem(400, "unreadable");
    let over = vec![b' '; 5 * 1_024 * 1_024 + 1];
    client.send(Request::post(SLACK).body(over)).await.problem(413, "payload_too_large");
    // It is answered with 200, since its sender would only repeat it.
    let ignored =
        Request::post("/api/webhooks/unipile/messages").header("unipile-auth", "hunter2").body("no JSON");
    assert_eq!(client.send(ignored).await.ok(), json!({ "status": "ignored" }));

    let mut found = rejections(&world, 6).await;
    found.reverse();
    let reasons: Vec<_> = found.iter().map(|rejection| rejection["reason"].as_str().unwrap()).collect();
    assert_eq!(
        reasons,
        [
            "missing_signature",
            "invalid_signature",
            "invalid_timestamp",
            "unreadable",
            "payload_too_large",
            "unreadable",
        ]
    );
    let forged = &found[1];
    assert_eq!(forged["route"], "/webhooks/github/bob");
    assert_eq!((&forged["source"], &forged["address"]), (&json!("github"), &json!("127.0.0.1")));
    assert_eq!(forged["headers"]["x-hub-signature-256"], "sha256=00");
    assert_eq!(forged["body"], "x".repeat(4_096));
    assert!(!Value::from(found.clone()).to_string().contains("hunter2"), "{found:?}");
    assert_eq!(found[3]["body"], "\u{fffd}\u{0}{");
    for rejection in &found {
        assert!(rejection["id"].as_str().unwrap().starts_with("rej_"), "{rejection}");
        assert!(!rejection["detail"].as_str().unwrap().is_empty(), "{rejection}");
        assert!(rejection["time"].as_str().unwrap().ends_with('Z'), "{rejection}");
    }

    let page = world.admin().get("/api/rejections?limit=2").await.ok();
    assert_eq!(page["data"], json!([found[5], found[4]]));
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = world.admin().get(&format!("/api/rejections?limit=4&cursor={cursor}")).await.ok();
    assert_eq!((page["data"].as_array().unwrap().len(), &page["next_cursor"]), (4, &Value::Null));

    let metrics = String::from_utf8(world.admin().get("/metrics").await.body).unwrap();
    let line = "waystation_refused_total{source=\"github\",reason=\"invalid_signature\"} 1";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn only_the_operator_sees_what_was_refused() {
    let world = World::start(Engine::Sqlite).await;
    world.program.anyone().get("/api/rejections").await.problem(401, "unauthorized");
    let key = world.admin().post("/api/keys", &json!({ "name": "hers", "user_id": "alice" })).await.ok();
    let alice = world.program.bearer(key["key"].as_str().unwrap());
    alice.get("/api/rejections").await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_flood_is_counted_and_only_some_of_it_is_kept() {
    const FLOOD: usize = 600;
    let world = World::start(Engine::Sqlite).await;
    let client = world.program.anyone();
    for number in 0..FLOOD {
        let refused = client.send(github_unsigned(GITHUB, &number.to_string(), &[b'x'; 5_000])).await;
        refused.problem(401, "missing_signature");
    }
    let metrics = String::from_utf8(world.admin().get("/metrics").await.body).unwrap();
    let count = |name: &str| -> usize {
        let line = metrics.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or_else(|| panic!("{name}: {metrics}"))
    };
    assert_eq!(count("waystation_refused_total{source=\"github\",reason=\"missing_signature\"}"), FLOOD);
    let dropped = count("waystation_rejections_dropped_total");
    assert!((300..FLOOD).contains(&dropped), "{dropped}");
    assert_eq!(rejections(&world, FLOOD - dropped).await.len(), FLOOD - dropped);
}

#[tokio::test]
async fn what_was_refused_long_ago_is_forgotten() {
    let world =
        World::start_with(Engine::Sqlite, |launch| launch.env("WAYSTATION_RETENTION__REJECTIONS", "1s"))
            .await;
    world.program.anyone().send(github_unsigned(GITHUB, "1", b"{}")).await.problem(401, "missing_signature");
    rejections(&world, 1).await;
    until("the end of its time", || async {
        world.admin().list("/api/rejections").await.is_empty().then_some(())
    })
    .await;
}
