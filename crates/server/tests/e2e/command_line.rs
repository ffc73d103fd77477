//! The commands that work on a server's data, or through a server.

use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::program::Ended;
use crate::support::until;
use crate::support::world::World;

on_each_database! {
    keys_are_made_listed_and_revoked_beside_a_running_server
    the_schema_is_brought_up_to_date_as_often_as_one_likes
}

/// What a command that must work has printed.
fn printed(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout.trim_end()
}

async fn keys_are_made_listed_and_revoked_beside_a_running_server(engine: Engine) {
    let world = World::start(engine).await;
    world.publish(&json!({})).await;
    let run = async |arguments: &[&str]| world.launch.run(arguments).await;
    let made = run(&["keys", "create", "--name", "worker", "--user", "alice"]).await;
    let alice = world.program.bearer(printed(&made));
    assert_eq!(alice.get("/api/events").await.ok()["data"].as_array().unwrap().len(), 1);
    alice.get("/api/keys").await.problem(403, "forbidden");
    let admin = run(&["keys", "create", "--name", "second operator", "--json"]).await;
    let admin: Value = serde_json::from_str(printed(&admin)).unwrap();
    let listed = world.program.bearer(admin["key"].as_str().unwrap()).list("/api/keys").await;
    assert_eq!(listed.len(), 2);

    let shown = run(&["keys", "list"]).await;
    let line = printed(&shown).lines().find(|line| line.contains("worker")).unwrap();
    assert!(line.contains("alice") && !shown.stdout.contains("wsk_"), "{shown:?}");
    let id = line.split_whitespace().next().unwrap();
    let as_json: Value = serde_json::from_str(printed(&run(&["keys", "list", "--json"]).await)).unwrap();
    assert_eq!(as_json["data"], json!(listed));

    printed(&run(&["keys", "revoke", id]).await);
    until("the key is turned away", || async {
        (alice.get("/api/events").await.status == 401).then_some(())
    })
    .await;
    let again = run(&["keys", "revoke", id]).await;
    assert_eq!(
        (again.code, again.stderr.starts_with("error: there is no key ")),
        (Some(1), true),
        "{again:?}"
    );
}

#[tokio::test]
async fn a_token_is_made_for_one_user() {
    let world = World::start(Engine::Sqlite).await;
    world.publish(&json!({})).await;
    for (user, seen) in [("alice", 1), ("bob", 0)] {
        let token = world.launch.run(&["token", "--user", user, "--ttl", "1m"]).await;
        let client = world.program.bearer(printed(&token));
        assert_eq!(client.get("/api/events").await.ok()["data"].as_array().unwrap().len(), seen, "{user}");
    }
    let long = world.launch.run(&["token", "--user", "alice", "--ttl", "25h"]).await;
    assert_eq!((long.code, long.stderr.as_str()), (Some(1), "error: --ttl is from 1s to 24h\n"));
}

#[tokio::test]
async fn an_event_is_sent_through_a_running_server() {
    let mut world = World::start(Engine::Sqlite).await;
    world.subscribe(&json!({})).await;
    let url = format!("http://{}", world.program.address);
    let launch = world.launch.clone().env("WAYSTATION_URL", &url);
    let data = r#"{"z":1.0e2, "a":"Mend the door", "big":12345678901234567890.000}"#;
    let send = ["send", "--type", "task.created", "--user", "alice", "--data", data];
    let sent: Value = serde_json::from_str(printed(&launch.run(&send).await)).unwrap();
    assert_eq!(sent["status"], "accepted");
    let delivered = world.receiver.next().await;
    assert_eq!(sent["event_id"], delivered.id());
    let text = String::from_utf8(delivered.body).unwrap();
    assert!(text.ends_with(&format!(r#","data":{data}}}"#)), "what was written is what is sent: {text}");

    let with_id = [&send[..], &["--id", "order-1"]].concat();
    printed(&launch.run(&with_id).await);
    let again: Value = serde_json::from_str(printed(&launch.run(&with_id).await)).unwrap();
    assert_eq!(again["status"], "duplicate");
    let wrong_key = launch.clone().env("WAYSTATION_KEY", "wrong").run(&send).await;
    assert_eq!(wrong_key.code, Some(1));
    assert!(wrong_key.stderr.starts_with("error: ") && wrong_key.stderr.contains("401"), "{wrong_key:?}");
    let nobody = launch.env("WAYSTATION_URL", "http://127.0.0.1:1").run(&send).await;
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.stderr.starts_with("error: no answer from http://127.0.0.1:1"), "{nobody:?}");
}

async fn the_schema_is_brought_up_to_date_as_often_as_one_likes(engine: Engine) {
    let world = World::start(engine).await;
    for _ in 0..2 {
        assert!(printed(&world.launch.run(&["migrate"]).await).ends_with("is up to date"));
    }
    world.publish(&json!({})).await;
}

#[tokio::test]
async fn what_is_signed_on_the_command_line_is_accepted_by_the_server() {
    let world = World::start(Engine::Sqlite).await;
    let body = world.home.directory.path().join("push.json");
    std::fs::write(&body, r#"{"ref":"refs/heads/main"}"#).unwrap();
    let secret = crate::support::program::GITHUB_SECRET;
    let sign = ["sign", "github", "--secret", secret, "--body", body.to_str().unwrap()];
    let signed = world.launch.run(&sign).await;
    let (name, value) = printed(&signed).split_once(": ").unwrap();
    let path = crate::support::world::GITHUB;
    let body = std::fs::read(body).unwrap();
    let request = crate::support::sender::github_unsigned(path, "1", &body).header(name, value);
    assert_eq!(world.program.anyone().send(request).await.ok()["status"], "accepted");
}

#[tokio::test]
async fn a_configuration_is_checked_without_touching_anything() {
    let world = World::start(Engine::Sqlite).await;
    // The data is in use, and neither that nor an unreachable database matters.
    let shown = world.launch.run(&["check"]).await;
    let lines = printed(&shown);
    assert!(lines.contains("delivery.allow_hosts") && lines.contains("127.0.0.0/8"), "{lines}");
    for secret in ["admin-key-of-the-tests", "It's a Secret to Everybody", "AAECAwQF"] {
        assert!(!lines.contains(secret), "{lines}");
    }
    let away = "postgres://nobody:hunter2@127.0.0.1:1/none";
    let shown = world.launch.clone().env("WAYSTATION_DATABASE_URL", away).run(&["check"]).await;
    assert!(!printed(&shown).contains("hunter2"), "{shown:?}");
}
