//! What no subscription should hold: each is refused with what is wrong, or recorded as a failed attempt; nothing
//! hangs.

use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::world::World;

#[tokio::test]
async fn each_kind_of_bad_input_is_refused_by_the_name_of_its_field() {
    let world = World::start(Engine::Sqlite).await;
    let deep: Value = (0..200).fold(json!({ "$eq": 1 }), |filter, _| json!({ "$not": filter }));
    let cases = [
        ("filter", json!({ "data.x": { "$regex": "(a+)+".repeat(200_000) } })),
        ("filter", json!({ "data.x": { "$regex": "a{1000}{1000}{1000}" } })),
        ("filter", json!({ "data.x": { "$regex": "(" } })),
        ("filter", json!({ "data.x": { "$near": 1 } })),
        ("filter", json!({ "data.x": { "$in": "not a list" } })),
        ("filter", json!("data.x")),
        ("transform", json!(17)),
        ("transform", json!("(event) => {")),
        ("template", json!("pager")),
        ("url", json!("https://user:secret@example.com/")),
        ("url", json!("https://exa mple.com/")),
        ("url", json!(["https://example.com/"])),
        ("headers", json!({ "X-A": "1\nX-B: 2" })),
        ("headers", json!({ "X-A": "1\r2" })),
        ("headers", json!({ "X-\nA": "1" })),
        ("headers", json!({ "X-A": "\u{0}" })),
        ("event_types", json!("task.*")),
        ("event_types", json!([])),
        ("event_types", json!(["*.created"])),
        ("retry_policy", json!([-1])),
        ("retry_policy", json!({ "every": 5 })),
        ("retry_count", json!("3")),
        ("retry_count", json!(1.5)),
        ("timeout_seconds", json!(61)),
        ("max_concurrency", json!(0)),
        ("rate_limit_per_minute", json!(-5)),
        ("paused", json!("yes")),
        ("signing", json!("none")),
        ("user_id", json!("x".repeat(129))),
        ("description", json!({ "text": "hi" })),
    ];
    for (field, value) in cases {
        let mut terms = json!({ "url": world.receiver.url(), "event_types": ["*"], "user_id": "alice" });
        terms[field] = value;
        let answer = world.admin().post("/api/webhooks", &terms).await;
        let detail = answer.problem(422, "invalid");
        assert!(detail.contains(&format!("{field}: ")), "{field}: {detail}");
        assert!(detail.len() < 4_096, "what was wrong is not all said again: {} bytes", detail.len());
    }
    let deep = json!({ "filter": { "data.x": deep } });
    world.admin().post("/api/webhooks", &deep).await.problem(400, "unreadable");
    world
        .admin()
        .post("/api/webhooks", &json!("x".repeat(2 * 1_024 * 1_024)))
        .await
        .problem(413, "payload_too_large");
    assert_eq!(world.admin().list("/api/webhooks").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_transform_that_never_ends_or_takes_all_memory_is_a_failed_attempt_and_harms_nobody() {
    let mut world = World::start(Engine::Sqlite).await;
    let endless = "(event) => { for (;;) {} }";
    let greedy = "(event) => { const all = []; for (;;) all.push(new Array(1e6).fill(event)); }";
    let deep = "(event) => { const go = (n) => go(n + 1) + 1; return go(0); }";
    let wide = "(event) => ({ body: 'x'.repeat(2 ** 28) })";
    for source in [endless, greedy, deep, wide] {
        let terms = json!({ "transform": source, "retry_count": 0, "event_types": ["task.*"] });
        let subscription = world.subscribe(&terms).await;
        let id = world.publish(&json!({})).await;
        let attempts = world.attempts_when(&id, "failed").await;
        assert_eq!((attempts.len(), &attempts[0]["error_code"]), (1, &json!("transform")), "{source}");
        assert!(attempts[0]["error"].as_str().is_some_and(|error| !error.is_empty()), "{attempts:?}");
        world.admin().delete(&subscription.path()).await.ok();
    }
    assert!(world.receiver.rest().is_empty());
    world.subscribe(&json!({})).await;
    let id = world.publish(&json!({})).await;
    assert_eq!(world.receiver.next().await.id(), id);
}
