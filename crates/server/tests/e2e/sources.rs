//! Custom sources: an address for anybody who signs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::support::client::{Client, Request};
use crate::support::database::Engine;
use crate::support::sender::{hmac, hmac_hex, now_seconds};
use crate::support::world::World;
use crate::support::{on_each_database, until};

on_each_database! {
    a_source_takes_what_its_sender_signs
    an_address_is_replaced_with_an_overlap
    who_speaks_at_a_source_is_changed
}

const SECRET: &str = "whsec_of_stripe";

/// Makes a source; what it is, and the path of its address.
async fn source(client: &Client, terms: Value) -> (Value, String) {
    let mut body = json!({ "name": "a source", "user_id": "alice" });
    body.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
    let made = client.post("/api/sources", &body).await.ok();
    let path = path(&made);
    (made, path)
}

fn path(made: &Value) -> String {
    let url = made["url"].as_str().unwrap();
    let path = &url[url.find("/in/").unwrap()..];
    assert!(path.len() >= "/in/".len() + 22, "{url}");
    path.to_owned()
}

fn stripe(path: &str, secret: &str, body: &str) -> Request {
    let ts = now_seconds();
    let signature = hmac_hex(secret, format!("{ts}.{body}").as_bytes());
    Request::post(path)
        .header("content-type", "application/json")
        .header("stripe-signature", &format!("t={ts},v1={signature}"))
        .body(body.as_bytes())
}

const CHARGE: &str = r#"{"id":"evt_1","type":"charge.succeeded","data":{"object":{"amount":2000}}}"#;

async fn a_source_takes_what_its_sender_signs(engine: Engine) {
    let mut world = World::start(engine).await;
    let terms = json!({ "sender": "stripe", "secrets": ["old", SECRET] });
    let (made, path) = source(&world.admin(), terms).await;
    let subscription = world.subscribe(&json!({ "event_types": ["stripe.charge.*"] })).await;
    let client = world.program.anyone();
    for secret in ["another", ""] {
        client.send(stripe(&path, secret, CHARGE)).await.problem(401, "invalid_signature");
    }
    let first = client.send(stripe(&path, SECRET, CHARGE)).await.ok();
    assert_eq!(first["status"], "accepted");
    let again = client.send(stripe(&path, "old", CHARGE)).await.ok();
    assert_eq!(again, json!({ "status": "duplicate", "event_id": first["event_id"] }));

    let [event] = world.events().await.try_into().unwrap();
    assert_eq!((&event["type"], &event["user_id"]), (&json!("stripe.charge.succeeded"), &json!("alice")));
    assert_eq!((&event["source"], &event["provider"]), (&made["id"], &json!("stripe")));
    assert_eq!(event["data"], serde_json::from_str::<Value>(CHARGE).unwrap());
    let delivered = world.receiver.next().await;
    assert_eq!(delivered.json()["type"], "stripe.charge.succeeded");
    assert_eq!(subscription.shown["event_types"], json!(["stripe.charge.*"]));

    // What was refused is kept without the token.
    let refused = until("the rejections", || async {
        let found = world.admin().list("/api/rejections").await;
        (found.len() >= 2).then_some(found)
    });
    let refused = Value::from(refused.await).to_string();
    assert!(refused.contains(&format!("/in/{}", made["id"].as_str().unwrap())), "{refused}");
    assert!(!refused.contains(&path), "{refused}");

    // It is still there after a restart, and gone once it is removed.
    world.program.ask_to_stop();
    world.program.ended().await;
    world.program = world.launch.start().await;
    let client = world.program.anyone();
    assert_eq!(client.send(stripe(&path, SECRET, CHARGE)).await.ok()["status"], "duplicate");
    let api = format!("/api/sources/{}", made["id"].as_str().unwrap());
    assert_eq!(world.admin().delete(&api).await.status, 204);
    client.send(stripe(&path, SECRET, CHARGE)).await.problem(404, "not_found");
    world.admin().get(&api).await.problem(404, "not_found");
}

async fn an_address_is_replaced_with_an_overlap(engine: Engine) {
    let world = World::start(engine).await;
    let (made, first) = source(&world.admin(), json!({ "sender": "stripe", "secret": SECRET })).await;
    let client = world.program.anyone();
    let rotate = format!("/api/sources/{}/rotate-url", made["id"].as_str().unwrap());
    let second = path(&world.admin().post(&rotate, &json!({ "overlap_hours": 1 })).await.ok());
    assert_ne!(first, second);
    for path in [&first, &second] {
        client.send(stripe(path, SECRET, CHARGE)).await.ok();
    }
    let third = path(&world.admin().post(&rotate, &json!({ "overlap_hours": 0 })).await.ok());
    client.send(stripe(&third, SECRET, CHARGE)).await.ok();
    for path in [&first, &second] {
        client.send(stripe(path, SECRET, CHARGE)).await.problem(404, "not_found");
    }
    world.admin().post(&rotate, &json!({ "overlap_hours": 10_000 })).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_verification_may_be_spelled_out() {
    let world = World::start(Engine::Sqlite).await;
    let verification = json!({
        "type": "hmac", "algorithm": "sha512", "header": "X-Sig", "encoding": "base64", "prefix": "v1=",
        "timestamp_header": "X-Time", "template": "{ts}.{body}", "tolerance_seconds": 60,
        "event_type": "{json:kind}", "delivery_id": "{header:X-Id}",
    });
    let terms = json!({ "verification": verification, "secret": "s" });
    let wrong = json!({ "name": "n", "verification": { "type": "hmac", "header": "X", "issuer": "y" }, "secret": "s" });
    let detail = world.admin().post("/api/sources", &wrong).await.problem(422, "invalid");
    assert!(detail.contains("verification") && detail.contains("issuer"), "{detail}");
    let (made, path) = source(&world.admin(), terms).await;
    assert_eq!(made["verification"], verification);

    let client = world.program.anyone();
    let send = |at: i64, body: &'static str| {
        use ::hmac::{Hmac, KeyInit as _, Mac as _};
        let mut mac = Hmac::<sha2::Sha512>::new_from_slice(b"s").unwrap();
        mac.update(format!("{at}.{body}").as_bytes());
        Request::post(&path)
            .header("content-type", "application/json")
            .header("x-time", &at.to_string())
            .header("x-id", "d1")
            .header("x-sig", &format!("v1={}", BASE64.encode(mac.finalize().into_bytes())))
            .body(body.as_bytes())
    };
    let now = now_seconds();
    client.send(send(now - 120, "{}")).await.problem(401, "invalid_timestamp");
    client.send(send(now, "{")).await.problem(400, "unreadable");
    assert_eq!(client.send(send(now, r#"{"kind":"Order.Paid"}"#)).await.ok()["status"], "accepted");
    assert_eq!(client.send(send(now, r#"{"kind":"other"}"#)).await.ok()["status"], "duplicate");
    let [event] = world.events().await.try_into().unwrap();
    assert_eq!((&event["type"], &event["provider"]), (&json!("custom.order.paid"), &Value::Null));
}

#[tokio::test]
async fn handshakes_are_met() {
    let world = World::start(Engine::Sqlite).await;
    let client = world.program.anyone();
    let (_, meta) =
        source(&world.admin(), json!({ "sender": "meta", "secret": "s", "verify_token": "ours" })).await;
    let ask =
        |token: &str| format!("{meta}?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444");
    assert_eq!(client.get(&ask("ours")).await.body, b"1158201444");
    client.get(&ask("theirs")).await.problem(401, "invalid_signature");
    client.get(&meta).await.problem(405, "method_not_allowed");

    let (_, trello) = source(&world.admin(), json!({ "sender": "trello", "secret": "s" })).await;
    assert_eq!(client.send(Request::new("HEAD", &trello)).await.status, 200);

    // Asana hands out the secret that it will sign with, once.
    let (made, asana) = source(&world.admin(), json!({ "sender": "asana" })).await;
    assert_eq!(made["secret_count"], 0);
    let signed = |secret: &str| {
        let body = r#"{"events":[{"action":"changed"}]}"#;
        Request::post(&asana).header("x-hook-signature", &hmac_hex(secret, body.as_bytes())).body(body)
    };
    client.send(signed("theirs")).await.problem(401, "no_secret_configured");
    let hand_out = |secret: &str| Request::post(&asana).header("x-hook-secret", secret).body("{}");
    let met = client.send(hand_out("theirs")).await;
    assert_eq!((met.status, met.header("x-hook-secret")), (200, Some("theirs")));
    assert_eq!(client.send(signed("theirs")).await.ok()["status"], "accepted");
    assert_eq!(client.send(hand_out("mallory's")).await.status, 401);
    client.send(signed("mallory's")).await.problem(401, "invalid_signature");
    assert_eq!(client.send(signed("theirs")).await.ok()["status"], "duplicate");
}

#[tokio::test]
async fn who_signs_the_url_signs_the_one_that_is_registered() {
    let world = World::start(Engine::Sqlite).await;
    let terms =
        json!({ "sender": "square", "secret": "s", "public_url": "https://hooks.example.com/square" });
    let (_, path) = source(&world.admin(), terms).await;
    let send = |url: &str| {
        let body = r#"{"type":"payment.created","event_id":"e1"}"#;
        let signature = BASE64.encode(hmac("s".as_bytes(), format!("{url}{body}").as_bytes()));
        Request::post(&path).header("x-square-hmacsha256-signature", &signature).body(body)
    };
    let client = world.program.anyone();
    client.send(send("https://hooks.example.com/other")).await.problem(401, "invalid_signature");
    client.send(send("https://hooks.example.com/square")).await.ok();
    let (made, path) = source(&world.admin(), json!({ "sender": "square", "secret": "s" })).await;
    let body = r#"{"type":"payment.created","event_id":"e2"}"#;
    let signature = BASE64.encode(hmac(b"s", format!("{}{body}", made["url"].as_str().unwrap()).as_bytes()));
    let request = Request::post(&path).header("x-square-hmacsha256-signature", &signature).body(body);
    client.send(request).await.ok();
}

#[tokio::test]
async fn only_those_on_the_list_may_send() {
    let world = World::start_with(Engine::Sqlite, |launch| {
        launch.env("WAYSTATION_INBOUND__TRUSTED_PROXY_DEPTH", "1")
    })
    .await;
    let terms =
        json!({ "sender": "stripe", "secret": SECRET, "allow_ips": ["203.0.113.0/24", "2001:db8::1"] });
    let (made, path) = source(&world.admin(), terms).await;
    assert_eq!(made["allow_ips"], json!(["203.0.113.0/24", "2001:db8::1/128"]));
    let client = world.program.anyone();
    let from = |address: &str| stripe(&path, SECRET, CHARGE).header("x-forwarded-for", address);
    for address in ["198.51.100.7", "203.0.113.7, 198.51.100.7", "nonsense"] {
        client.send(from(address)).await.problem(403, "not_allowed");
    }
    client.send(stripe(&path, SECRET, CHARGE)).await.problem(403, "not_allowed");
    for address in ["203.0.113.7", "2001:db8::1", "198.51.100.7, 203.0.113.9"] {
        client.send(from(address)).await.ok();
    }
    let api = format!("/api/sources/{}", made["id"].as_str().unwrap());
    let refused = world.admin().patch(&api, &json!({ "allow_ips": ["everywhere"] })).await;
    assert!(refused.problem(422, "invalid").contains("allow_ips"));
    assert_eq!(world.admin().patch(&api, &json!({ "allow_ips": null })).await.ok()["allow_ips"], json!([]));
    client.send(from("198.51.100.7")).await.ok();
}

#[tokio::test]
async fn a_source_is_its_users_own_and_shows_no_secret() {
    let world = World::start(Engine::Sqlite).await;
    let bearer = async |user: &str| {
        let key = world.admin().post("/api/keys", &json!({ "name": "k", "user_id": user })).await.ok();
        world.program.bearer(key["key"].as_str().unwrap())
    };
    let (alice, bob) = (bearer("alice").await, bearer("bob").await);
    let (made, path) = source(&alice, json!({ "sender": "stripe", "secret": "hunter2" })).await;
    let terms = json!({ "name": "n", "user_id": "alice", "sender": "stripe", "secret": "s" });
    bob.post("/api/sources", &terms).await.problem(403, "forbidden");
    let api = format!("/api/sources/{}", made["id"].as_str().unwrap());
    bob.get(&api).await.problem(403, "forbidden");
    bob.patch(&api, &json!({ "is_active": false })).await.problem(403, "forbidden");
    bob.delete(&api).await.problem(403, "forbidden");
    assert_eq!(bob.list("/api/sources").await, Vec::<Value>::new());
    world.program.anyone().get("/api/sources").await.problem(401, "unauthorized");

    let shown = alice.get(&api).await.ok();
    assert_eq!((&shown["user_id"], &shown["secret_count"]), (&json!("alice"), &json!(1)));
    assert_eq!(alice.list("/api/sources").await, std::slice::from_ref(&shown));
    let token = path.rsplit('/').next().unwrap();
    for text in [shown.to_string(), world.program.logged(), world.program.said()] {
        assert!(!text.contains("hunter2") && !text.contains(token), "{text}");
    }

    assert_eq!(
        alice.patch(&api, &json!({ "is_active": false, "secret": "next" })).await.ok()["is_active"],
        false
    );
    let client = world.program.anyone();
    client.send(stripe(&path, "next", CHARGE)).await.problem(404, "not_found");
    alice.patch(&api, &json!({ "is_active": true })).await.ok();
    client.send(stripe(&path, "hunter2", CHARGE)).await.problem(401, "invalid_signature");
    client.send(stripe(&path, "next", CHARGE)).await.ok();
}

/// A request as GitHub signs it.
fn github(path: &str, secret: &str, delivery: &str) -> Request {
    let body = r#"{"action":"opened"}"#;
    Request::post(path)
        .header("content-type", "application/json")
        .header("x-github-event", "issues")
        .header("x-github-delivery", delivery)
        .header("x-hub-signature-256", &format!("sha256={}", hmac_hex(secret, body.as_bytes())))
        .body(body)
}

async fn who_speaks_at_a_source_is_changed(engine: Engine) {
    let world = World::start(engine).await;
    let (admin, client) = (world.admin(), world.program.anyone());
    let terms =
        json!({ "sender": "stripe", "secrets": ["old", SECRET], "public_url": "https://a.example/x" });
    let (made, path) = source(&admin, terms).await;
    let api = format!("/api/sources/{}", made["id"].as_str().unwrap());
    let change = async |terms: Value| admin.patch(&api, &terms).await;

    // Another sender under the same address, with the secrets that there are.
    let changed = change(json!({ "sender": "github", "name": "pushes" })).await.ok();
    assert_eq!((&changed["sender"], &changed["name"]), (&json!("github"), &json!("pushes")));
    assert_eq!((&changed["secret_count"], &changed["id"]), (&json!(2), &made["id"]));
    client.send(stripe(&path, SECRET, CHARGE)).await.problem(401, "missing_signature");
    assert_eq!(client.send(github(&path, "old", "1")).await.ok()["status"], "accepted");
    change(json!({ "secret": "next" })).await.ok();
    client.send(github(&path, "old", "2")).await.problem(401, "invalid_signature");
    assert_eq!(client.send(github(&path, "next", "2")).await.ok()["status"], "accepted");

    // A verification takes the sender's place, and the other way round.
    let verification = json!({ "type": "token", "header": "X-Door", "event_type": "{json:kind}" });
    let spelled = json!({ "sender": null, "verification": verification, "secret": "knock" });
    let changed = change(spelled).await.ok();
    assert_eq!((&changed["sender"], &changed["verification"]), (&Value::Null, &verification));
    let knock = Request::post(&path).header("x-door", "knock").json(&json!({ "kind": "opened" }));
    assert_eq!(client.send(knock).await.ok()["status"], "accepted");
    let changed = change(json!({ "sender": "github", "verification": null, "public_url": null })).await.ok();
    assert_eq!(
        (&changed["sender"], &changed["public_url"], &changed["verification"]),
        (&json!("github"), &Value::Null, &Value::Null)
    );
    assert_eq!(client.send(github(&path, "knock", "3")).await.ok()["status"], "accepted");

    // What would leave a source that believes nobody is refused, and changes nothing.
    for (terms, field) in [
        (json!({ "sender": null }), "sender"),
        (json!({ "sender": "nobody" }), "sender"),
        (json!({ "secret": null }), "secret"),
        (json!({ "sender": "discord" }), "secret"),
        (json!({ "name": null }), "name"),
        (json!({ "sender": "stripe", "verification": verification }), "verification"),
        (json!({ "verification": { "type": "token" } }), "verification"),
        (json!({ "user_id": "bob" }), "user_id"),
    ] {
        let refused = change(terms.clone()).await;
        let detail = refused.problem(422, "invalid");
        assert!(detail.starts_with(&format!("{field}: ")), "{terms}: {detail}");
    }
    assert_eq!(change(json!({ "verification": null })).await.ok()["sender"], "github", "there is none");
    assert_eq!(client.send(github(&path, "knock", "3")).await.ok()["status"], "duplicate");
    let events = world.events().await;
    let types: Vec<_> = events.iter().rev().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        ["github.issues.opened", "github.issues.opened", "custom.opened", "github.issues.opened"]
    );
}

#[tokio::test]
async fn what_could_believe_nobody_is_refused() {
    let world = World::start(Engine::Sqlite).await;
    let admin = world.admin();
    for (terms, field) in [
        (json!({}), "sender"),
        (json!({ "sender": "nobody", "secret": "s" }), "sender"),
        (json!({ "sender": "stripe" }), "secret"),
        (json!({ "sender": "stripe", "secret": "" }), "secret"),
        (json!({ "sender": "discord", "public_key": "no key" }), "secret"),
        (json!({ "sender": "stripe", "secret": "s", "secrets": ["s"] }), "secret"),
        (json!({ "sender": "stripe", "secret": "s", "verification": { "type": "basic" } }), "verification"),
        (json!({ "sender": "stripe", "secret": "s", "public_url": "nowhere" }), "public_url"),
        (json!({ "sender": "stripe", "secret": "s", "colour": "blue" }), "colour"),
    ] {
        let mut body = json!({ "name": "n" });
        body.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
        let answer = admin.post("/api/sources", &body).await;
        answer.problem(422, "invalid");
        let fields: Vec<_> =
            answer.json()["errors"].as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
        assert_eq!(fields, [field], "{body}");
    }
    let senders = admin.get("/api/senders").await.ok();
    let senders = senders["data"].as_array().unwrap();
    let stripe = senders.iter().find(|sender| sender["name"] == "stripe").unwrap();
    assert_eq!(stripe["verification"]["type"], "hmac");
    assert!(senders.len() >= 80);
}
