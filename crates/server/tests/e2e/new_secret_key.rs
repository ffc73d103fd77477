//! A new key for all that is sealed, while nothing that was sealed under the old one is lost.

use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::program::{Ended, Launch};
use crate::support::receiver::Delivered;
use crate::support::sender::hmac_hex;
use crate::support::world::World;

on_each_database! {
    a_configured_key_is_replaced_beside_a_running_server
}

const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn assert_done(ended: &Ended) {
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
}

/// What the next event is delivered with.
async fn next_delivered(world: &mut World) -> Delivered {
    world.publish(&json!({})).await;
    world.receiver.next().await
}

fn assert_signed(delivered: &Delivered, secret: &str) {
    let of_body = format!("sha256={}", hmac_hex(secret, &delivered.body));
    assert_eq!(delivered.header("x-webhook-signature"), of_body);
}

async fn restart(world: &mut World, launch: &Launch) {
    world.program.kill().await;
    world.program = launch.start().await;
}

async fn a_configured_key_is_replaced_beside_a_running_server(engine: Engine) {
    let mut world = World::start(engine).await;
    let secret = world.subscribe(&json!({})).await.secret;
    let token = json!({ "user_id": "alice", "ttl_seconds": 900 });
    let token = world.admin().post("/api/tokens", &token).await.ok()["token"].as_str().unwrap().to_owned();
    let alone = world.launch.run(&["rotate-key"]).await;
    assert!(alone.code == Some(1) && alone.stderr.contains("holds one key"), "{alone:?}");

    let both = world.launch.clone().env("WAYSTATION_SECRET_KEY", &format!("{NEW},{OLD}"));
    restart(&mut world, &both).await;
    let ended = both.run(&["rotate-key", "--json"]).await;
    assert_done(&ended);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["subscriptions"], json!({ "total": 1, "resealed": 1 }), "{told}");
    assert_signed(&next_delivered(&mut world).await, &secret);
    let me = world.program.bearer(&token).get("/api/webhooks").await;
    assert_eq!(me.status, 200, "a token under the former key is good while that is named");

    let new = world.launch.clone().env("WAYSTATION_SECRET_KEY", NEW);
    restart(&mut world, &new).await;
    assert_signed(&next_delivered(&mut world).await, &secret);
    assert_eq!(world.program.bearer(&token).get("/api/webhooks").await.status, 401);
}

#[tokio::test]
async fn a_key_in_a_file_is_replaced_and_a_rotation_that_broke_off_is_ended() {
    let mut world = World::start(Engine::Sqlite).await;
    world.launch = world.launch.clone().without("WAYSTATION_SECRET_KEY");
    let (file, launch) = (world.home.directory.path().join("waystation.db.key"), world.launch.clone());
    let read = || std::fs::read_to_string(&file).unwrap();
    restart(&mut world, &launch).await;
    let secret = world.subscribe(&json!({})).await.secret;
    let old = read();

    let ended = launch.run(&["rotate-key"]).await;
    assert!(ended.code == Some(1) && ended.stderr.contains("another waystation"), "{ended:?}");
    assert_eq!(read(), old);
    world.program.kill().await;
    let ended = launch.run(&["rotate-key"]).await;
    assert_done(&ended);
    assert!(ended.stdout.contains("subscriptions  1 sealed anew, of 1"), "{ended:?}");
    let new = read();
    assert!(new != old && new.lines().count() == 1);

    // As if the program had died between the two: both keys are there, and nothing is sealed under the newest.
    std::fs::write(&file, format!("{NEW}\n{new}")).unwrap();
    assert_done(&launch.run(&["rotate-key"]).await);
    assert_eq!(read(), NEW);
    world.program = launch.start().await;
    assert_signed(&next_delivered(&mut world).await, &secret);
}
