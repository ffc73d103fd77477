//! Who may do what.

use serde_json::{Value, json};

use crate::support::client::{Client, Request};
use crate::support::database::Engine;
use crate::support::world::{World, publish, subscribe};
use crate::support::{on_each_database, until};

on_each_database! {
    a_user_sees_and_touches_their_own_things_only
    a_revoked_key_is_turned_away_within_seconds
}

async fn new_key(world: &World, user: Option<&str>) -> (String, Client) {
    let key = world.admin().post("/api/keys", &json!({ "name": "a key", "user_id": user })).await.ok();
    (key["id"].as_str().unwrap().to_owned(), world.program.bearer(key["key"].as_str().unwrap()))
}

async fn token(world: &World, user: &str, ttl_seconds: u32) -> Client {
    let terms = json!({ "user_id": user, "ttl_seconds": ttl_seconds });
    let token = world.admin().post("/api/tokens", &terms).await.ok();
    world.program.bearer(token["token"].as_str().unwrap())
}

#[tokio::test]
async fn nobody_gets_in_without_a_known_bearer() {
    let world = World::start(Engine::Sqlite).await;
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbGljZSIsImV4cCI6OTk5OTk5OTk5OX0.";
    for path in ["/api/events", "/api/webhooks", "/api/keys", "/api/deliveries", "/api/stats"] {
        let refused = world.program.anyone().get(path).await;
        refused.problem(401, "unauthorized");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        for wrong in ["wrong", "", none] {
            world.program.bearer(wrong).get(path).await.problem(401, "unauthorized");
        }
    }
    for header in ["Basic YWRtaW4ta2V5LW9mLXRoZS10ZXN0cw==", "admin-key-of-the-tests", "Bearer"] {
        let request = Request::new("GET", "/api/events").header("authorization", header);
        let detail = world.program.anyone().send(request).await.problem(401, "unauthorized");
        assert_eq!(detail, "send `Authorization: Bearer <key or token>`");
    }
    let lower = Request::new("GET", "/api/events").header("authorization", "bearer admin-key-of-the-tests");
    assert_eq!(world.program.anyone().send(lower).await.status, 200, "a scheme has no case");
}

/// Everything of Alice's, by its path.
async fn things_of_alice(world: &World) -> Vec<String> {
    let subscription = world.subscribe(&json!({})).await;
    let event = world.publish(&json!({})).await;
    let delivery = world.delivery_when(&event, "success").await;
    vec![
        subscription.path(),
        format!("{}/deliveries", subscription.path()),
        format!("/api/events/{event}"),
        format!("/api/events/{event}/raw"),
        format!("/api/deliveries/{}", delivery["id"].as_str().unwrap()),
    ]
}

async fn a_user_sees_and_touches_their_own_things_only(engine: Engine) {
    let world = World::start(engine).await;
    let things = things_of_alice(&world).await;
    let nobodys = world.subscribe(&json!({ "user_id": null })).await;
    let lists = ["/api/events", "/api/webhooks", "/api/deliveries", "/api/stats"];
    for alice in [new_key(&world, Some("alice")).await.1, token(&world, "alice", 60).await] {
        for path in &things {
            assert_eq!(alice.get(path).await.status, 200, "{path}");
        }
        alice.get(&nobodys.path()).await.problem(403, "forbidden");
        for list in lists {
            assert_eq!(alice.get(list).await.ok()["data"].as_array().unwrap().len(), 1, "{list}");
            alice.get(&format!("{list}?user_id=bob")).await.problem(403, "forbidden");
        }
        let global = json!({ "url": world.receiver.url(), "event_types": ["*"], "user_id": "bob" });
        alice.post("/api/webhooks", &global).await.problem(403, "forbidden");
    }
    for bob in [new_key(&world, Some("bob")).await.1, token(&world, "bob", 60).await] {
        for path in &things {
            bob.get(path).await.problem(403, "forbidden");
        }
        bob.patch(&things[0], &json!({ "paused": true })).await.problem(403, "forbidden");
        bob.delete(&things[0]).await.problem(403, "forbidden");
        for action in
            [format!("{}/test", things[0]), format!("{}/retry", things[4]), format!("{}/cancel", things[4])]
        {
            bob.post(&action, &json!({})).await.problem(403, "forbidden");
        }
        for list in lists {
            assert_eq!(bob.get(list).await.ok()["data"], json!([]), "{list}");
        }
    }
}

#[tokio::test]
async fn what_a_user_makes_is_theirs() {
    let mut world = World::start(Engine::Sqlite).await;
    let alice = new_key(&world, Some("alice")).await.1;
    let made = subscribe(&alice, &world.receiver, &json!({ "user_id": null })).await;
    assert_eq!(made.shown["user_id"], "alice", "only the admin key may cover everyone");
    let id = publish(&alice, &json!({})).await;
    assert_eq!(world.receiver.next().await.id(), id);
    alice.delete(&made.path()).await.ok();
}

#[tokio::test]
async fn keys_and_tokens_are_for_the_operator_alone() {
    let world = World::start(Engine::Sqlite).await;
    let (id, alice) = new_key(&world, Some("alice")).await;
    for client in [alice, token(&world, "alice", 60).await] {
        client.get("/api/keys").await.problem(403, "forbidden");
        client.post("/api/keys", &json!({ "name": "mine" })).await.problem(403, "forbidden");
        client.delete(&format!("/api/keys/{id}")).await.problem(403, "forbidden");
        client.post("/api/tokens", &json!({ "user_id": "alice" })).await.problem(403, "forbidden");
    }
    let (_, second_admin) = new_key(&world, None).await;
    let listed = second_admin.list("/api/keys").await;
    let whose: Vec<_> = listed.iter().map(|key| key["user_id"].clone()).collect();
    assert_eq!(whose, [Value::Null, json!("alice")], "the newest first");
    assert!(listed.iter().all(|key| key.get("key").is_none()), "a key is shown once");
}

#[tokio::test]
async fn an_expired_or_altered_token_opens_nothing() {
    let world = World::start(Engine::Sqlite).await;
    let brief = token(&world, "alice", 1).await;
    until("the token expires", || async {
        let answer = brief.get("/api/events").await;
        (answer.status != 200).then(|| answer.problem(401, "unauthorized"))
    })
    .await;
    let made = world.admin().post("/api/tokens", &json!({ "user_id": "alice" })).await.ok();
    let token = made["token"].as_str().unwrap();
    let (head, signature) = token.rsplit_once('.').unwrap();
    let altered = format!("{head}.{}", signature.chars().rev().collect::<String>());
    world.program.bearer(&altered).get("/api/events").await.problem(401, "unauthorized");
    for ttl_seconds in [0, 86_401, -1] {
        let terms = json!({ "user_id": "alice", "ttl_seconds": ttl_seconds });
        world.admin().post("/api/tokens", &terms).await.problem(422, "invalid");
    }
}

async fn a_revoked_key_is_turned_away_within_seconds(engine: Engine) {
    let world = World::start(engine).await;
    let (id, alice) = new_key(&world, Some("alice")).await;
    assert_eq!(alice.get("/api/events").await.status, 200);
    assert_eq!(world.admin().delete(&format!("/api/keys/{id}")).await.status, 204);
    let revoked_at = tokio::time::Instant::now();
    until("the key is turned away", || async {
        let answer = alice.get("/api/events").await;
        (answer.status != 200).then(|| answer.problem(401, "unauthorized"))
    })
    .await;
    let took = revoked_at.elapsed().as_secs_f64();
    assert!(took <= 5.0, "{took} s");
    world.admin().delete(&format!("/api/keys/{id}")).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_user_who_asks_too_often_is_told_when_to_come_back() {
    let world =
        World::start_with(Engine::Sqlite, |launch| launch.env("WAYSTATION_API__RATE_LIMIT_PER_MINUTE", "3"));
    let world = world.await;
    let (_, alice) = new_key(&world, Some("alice")).await;
    for _ in 0..3 {
        alice.get("/api/events").await.ok();
    }
    let refused = alice.get("/api/events").await;
    refused.problem(429, "rate_limited");
    assert!((1..=20).contains(&refused.header("retry-after").unwrap().parse::<u32>().unwrap()));
    assert_eq!(new_key(&world, Some("alice")).await.1.get("/api/events").await.status, 200, "another key");
    for _ in 0..10 {
        assert_eq!(world.admin().get("/api/events").await.status, 200, "the operator is not limited");
    }
}
