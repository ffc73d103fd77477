//! Signing keys that are replaced while receivers still check with the old ones.

use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::receiver::Delivered;
use crate::support::sender::{hmac, hmac_hex};
use crate::support::world::World;

on_each_database! {
    both_secrets_sign_until_the_overlap_ends
}

fn signed(delivered: &Delivered) -> Vec<u8> {
    let head = format!("{}.{}.", delivered.id(), delivered.header("webhook-timestamp"));
    [head.as_bytes(), &delivered.body].concat()
}

/// The v1 signature that `secret` makes of it.
fn v1(secret: &str, delivered: &Delivered) -> String {
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    format!("v1,{}", BASE64.encode(hmac(&key, &signed(delivered))))
}

async fn both_secrets_sign_until_the_overlap_ends(engine: Engine) {
    let mut world = World::start(engine).await;
    let subscription = world.subscribe(&json!({})).await;
    let path = format!("{}/rotate-secret", subscription.path());
    let rotated = world.admin().post(&path, &json!({ "overlap_hours": 24 })).await.ok();
    let (old, new) = (subscription.secret.as_str(), rotated["secret"].as_str().unwrap());
    assert!(new.starts_with("whsec_") && new != old, "{rotated}");
    assert_eq!(rotated["id"], subscription.id.as_str());
    assert!(world.admin().get(&subscription.path()).await.ok().get("secret").is_none(), "it is shown once");

    // They are kept: another process reads them.
    world.program.kill().await;
    world.program = world.launch.start().await;
    let id = world.publish(&json!({})).await;
    let delivered = world.receiver.next().await;
    let both = format!("{} {}", v1(new, &delivered), v1(old, &delivered));
    assert_eq!(delivered.header("webhook-signature"), both);
    let of_body = format!("sha256={}", hmac_hex(new, &delivered.body));
    assert_eq!(delivered.header("x-webhook-signature"), of_body);
    world.delivery_when(&id, "success").await;

    let last = world.admin().post(&path, &json!({ "overlap_hours": 0 })).await.ok();
    world.publish(&json!({})).await;
    let delivered = world.receiver.next().await;
    let only = v1(last["secret"].as_str().unwrap(), &delivered);
    assert_eq!(delivered.header("webhook-signature"), only, "none overlaps");
}

#[tokio::test]
async fn an_overlap_ends_by_itself() {
    let mut world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({})).await;
    let path = format!("{}/rotate-secret", subscription.path());
    let rotated = world.admin().post(&path, &json!({ "overlap_hours": 0.0003 })).await.ok();
    let ends = domain::Timestamp::parse(rotated["overlap_ends_at"].as_str().unwrap()).unwrap().as_seconds();
    let signatures_at_end = loop {
        world.publish(&json!({})).await;
        let delivered = world.receiver.next().await;
        let signatures = delivered.header("webhook-signature").split(' ').count();
        match delivered.header("webhook-timestamp").parse::<i64>().unwrap().cmp(&ends) {
            Ordering::Less => assert_eq!(signatures, 2),
            // Somewhere within this second.
            Ordering::Equal => {}
            Ordering::Greater => break signatures,
        }
    };
    assert_eq!(signatures_at_end, 1);
}

#[tokio::test]
async fn key_pairs_are_replaced_too() {
    let mut world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({ "signing": "ed25519" })).await;
    let path = format!("{}/rotate-secret", subscription.path());
    let rotated = world.admin().post(&path, &json!({})).await.ok();
    assert!(rotated.get("secret").is_none(), "{rotated}");
    assert_ne!(rotated["public_key"], subscription.shown["public_key"]);
    let read = world.admin().get(&subscription.path()).await.ok();
    assert_eq!(read["public_key"], rotated["public_key"]);
    world.publish(&json!({})).await;
    let delivered = world.receiver.next().await;
    assert!(!delivered.has_header("x-webhook-signature"));
    let signatures: Vec<_> = delivered.header("webhook-signature").split(' ').collect();
    assert_eq!(signatures.len(), 2);
    for (signature, shown) in signatures.iter().zip([&rotated, &subscription.shown]) {
        let key = shown["public_key"].as_str().unwrap().strip_prefix("whpk_").unwrap();
        let key = VerifyingKey::try_from(BASE64.decode(key).unwrap().as_slice()).unwrap();
        let signature = BASE64.decode(signature.strip_prefix("v1a,").unwrap()).unwrap();
        key.verify(&signed(&delivered), &Signature::from_slice(&signature).unwrap()).unwrap();
    }
}

#[tokio::test]
async fn only_the_owner_replaces_a_key_and_only_within_bounds() {
    let world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({})).await;
    let path = format!("{}/rotate-secret", subscription.path());
    let made = world.admin().post("/api/keys", &json!({ "name": "bob's", "user_id": "bob" })).await.ok();
    let bob = world.program.bearer(made["key"].as_str().unwrap());
    bob.post(&path, &json!({})).await.problem(403, "forbidden");
    for hours in [json!(-1), json!(721), json!("24"), json!([])] {
        let answer = world.admin().post(&path, &json!({ "overlap_hours": hours })).await;
        assert!(answer.problem(422, "invalid").starts_with("overlap_hours: "));
    }
    let shown = world.admin().post(&path, &Value::from(serde_json::Map::new())).await.ok();
    assert!(shown["overlap_ends_at"].is_string());
}
