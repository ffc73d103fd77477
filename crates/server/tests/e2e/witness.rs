//! Our signatures, in the eyes of libraries that are not ours.

use std::process::Stdio;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::database::Engine;
use crate::support::receiver::Delivered;
use crate::support::world::World;
use crate::support::{prepared, within};

/// Reads the secret, the headers as JSON and the body, a line each but the last, and says what the library thinks that
/// is named. No library of webhooks verifies `v1a`, so for that it is libsodium, over what the specification says is
/// signed.
const VERIFY: &str = r#"
import base64, json, sys
secret, headers, body = sys.stdin.buffer.read().split(b"\n", 2)
secret, headers = secret.decode(), json.loads(headers)
if sys.argv[1] == "nacl":
    from nacl.exceptions import BadSignatureError as Refused
    from nacl.signing import VerifyKey
    def verify():
        key = VerifyKey(base64.b64decode(secret.removeprefix("whpk_")))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key.verify(signed, base64.b64decode(headers["webhook-signature"].removeprefix("v1a,")))
else:
    if sys.argv[1] == "svix":
        from svix.webhooks import Webhook, WebhookVerificationError as Refused
    else:
        from standardwebhooks import Webhook, WebhookVerificationError as Refused
    def verify():
        Webhook(secret).verify(body, headers)
try:
    verify()
    print("verified")
except Refused as error:
    print("refused:", error)
"#;

/// The verdict of the reference library on a request.
async fn verdict(secret: &str, delivered: &Delivered) -> String {
    verdict_of("standardwebhooks", secret, delivered).await
}

async fn verdict_of(library: &str, secret: &str, delivered: &Delivered) -> String {
    let headers: serde_json::Map<_, _> =
        delivered.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let head = format!("{secret}\n{}\n", serde_json::Value::from(headers));
    let mut python = Command::new(prepared("WAYSTATION_TEST_PYTHON"))
        .args(["-c", VERIFY, library])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    input.write_all(&[head.as_bytes(), &delivered.body].concat()).await.unwrap();
    drop(input);
    let output = within("the library's verdict", python.wait_with_output()).await.unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[tokio::test]
async fn a_stock_library_verifies_a_delivery_and_refuses_an_altered_one() {
    let mut world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({})).await;
    world.github("1", "{ \"note\" : \"é ☃ 你好\" }".as_bytes()).await.ok();
    let delivered = world.receiver.next().await;
    assert_eq!(verdict(&subscription.secret, &delivered).await, "verified");

    let mut altered = delivered.clone();
    let last = altered.body.len() - 3;
    altered.body[last] ^= 1;
    assert_eq!(verdict(&subscription.secret, &altered).await, "refused: No matching signature found");
    let another = world.subscribe(&json!({ "description": "another" })).await;
    assert_eq!(verdict(&another.secret, &delivered).await, "refused: No matching signature found");
    let mut old = delivered.clone();
    let timestamp = old.headers.iter_mut().find(|(name, _)| name == "webhook-timestamp").unwrap();
    timestamp.1 = "1614265330".to_owned();
    assert_eq!(verdict(&subscription.secret, &old).await, "refused: Message timestamp too old");
}

#[tokio::test]
async fn two_libraries_verify_under_the_old_secret_and_the_new_while_they_overlap() {
    let mut world = World::start(Engine::Sqlite).await;
    let subscription =
        world.subscribe(&json!({ "transform": "(event) => ({ note: event.data.note })" })).await;
    let path = format!("{}/rotate-secret", subscription.path());
    let rotated = world.admin().post(&path, &json!({})).await.ok();
    world.publish(&json!({ "note": "é ☃ 你好" })).await;
    let delivered = world.receiver.next().await;
    assert_eq!(delivered.json(), json!({ "note": "é ☃ 你好" }));
    let mut altered = delivered.clone();
    altered.body[3] ^= 1;
    for library in ["standardwebhooks", "svix"] {
        for secret in [subscription.secret.as_str(), rotated["secret"].as_str().unwrap()] {
            assert_eq!(verdict_of(library, secret, &delivered).await, "verified", "{library}");
            let refused = verdict_of(library, secret, &altered).await;
            assert!(refused.starts_with("refused: "), "{library}: {refused}");
        }
    }
}

#[tokio::test]
async fn two_libraries_verify_a_batch() {
    let mut world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({ "batch": { "max_events": 2 } })).await;
    for note in ["é ☃ 你好", "b"] {
        world.publish(&json!({ "note": note })).await;
    }
    let delivered = world.receiver.next().await;
    assert!(delivered.json()["events"].is_array());
    let mut altered = delivered.clone();
    altered.body[20] ^= 1;
    for library in ["standardwebhooks", "svix"] {
        assert_eq!(verdict_of(library, &subscription.secret, &delivered).await, "verified", "{library}");
        let refused = verdict_of(library, &subscription.secret, &altered).await;
        assert!(refused.starts_with("refused: "), "{library}: {refused}");
    }
}

#[tokio::test]
async fn libsodium_verifies_an_asymmetric_signature_and_refuses_an_altered_one() {
    let mut world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({ "signing": "ed25519" })).await;
    let key = subscription.shown["public_key"].as_str().unwrap();
    world.publish(&json!({ "note": "é ☃ 你好" })).await;
    let delivered = world.receiver.next().await;
    assert_eq!(verdict_of("nacl", key, &delivered).await, "verified");
    let mut altered = delivered.clone();
    altered.body[20] ^= 1;
    assert!(verdict_of("nacl", key, &altered).await.starts_with("refused: "));
    let mut renamed = delivered.clone();
    renamed.headers.iter_mut().find(|(name, _)| name == "webhook-id").unwrap().1.push('x');
    assert!(verdict_of("nacl", key, &renamed).await.starts_with("refused: "));
}
