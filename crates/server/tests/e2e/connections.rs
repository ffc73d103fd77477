//! Users' accounts at providers: granted or brought along, refreshed, and never shown.

use std::path::Path;

use sandbox::Sandbox;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client, Request};
use crate::support::database::{Engine, read_all};
use crate::support::sender::now_seconds;
use crate::support::world::World;
use crate::support::{on_each_database, until};

on_each_database! {
    a_user_grants_access_and_the_tokens_stay_fresh
    an_account_is_asked_as_often_as_its_settings_say
    a_dead_grant_is_told_once
}

/// A server that is pointed at the stand-ins.
async fn world(engine: Engine, sandbox: &Sandbox) -> World {
    World::start_with(engine, |launch| {
        let launch = launch.env("RUST_LOG", "trace").env("WEBHOOK_BASE_URL", "http://way.test");
        sandbox.environment().iter().fold(launch, |launch, (name, value)| launch.env(name, value))
    })
    .await
}

async fn sandbox() -> Sandbox {
    Sandbox::start(now_seconds).await
}

/// Follows the browser: asks, agrees at the provider, and comes back.
pub(crate) async fn authorize(world: &World, provider: &str, query: &str) -> Answer {
    let start = format!("/api/oauth/{provider}/start?user_id=alice{query}");
    let started = world.admin().send(Request::new("GET", &start).header("accept", "application/json")).await;
    let asked = started.ok()["url"].as_str().unwrap().to_owned();
    world.program.anyone().get(&back(&visit(&asked).await)).await
}

/// Goes to a page elsewhere, which sends the browser on; where to.
pub(crate) async fn visit(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let answer = Client::new(host.parse().unwrap(), None).get(&format!("/{path}")).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    answer.header("location").unwrap().to_owned()
}

/// The path at this server of an address that the world knows it by.
fn back(url: &str) -> String {
    url.strip_prefix("http://way.test").unwrap_or_else(|| panic!("not back to us: {url}")).to_owned()
}

async fn connection_when(world: &World, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/api/connections/{id}");
    until("the connection is as it should be", || async {
        Some(world.admin().get(&path).await.ok()).filter(&holds)
    })
    .await
}

async fn a_user_grants_access_and_the_tokens_stay_fresh(engine: Engine) {
    let sandbox = sandbox().await;
    let world = world(engine, &sandbox).await;
    for (provider, account) in [
        ("github", "octocat"),
        ("slack", "U061F7AUR"),
        ("gmail", "Alice@Example.com"),
        ("youtube", "UCsandbox"),
        ("discord", "80351110224678912"),
        ("spotify", "alice-spot"),
    ] {
        sandbox.world().next_account(provider, account);
        let connection = authorize(&world, provider, "").await.ok();
        let expected = if provider == "gmail" { "alice@example.com" } else { account };
        assert_eq!(connection["account_id"], expected);
        assert_eq!((&connection["state"], &connection["user_id"]), (&json!("active"), &json!("alice")));
        assert!(connection["expires_at"].is_string() && connection["scopes"].is_array(), "{connection}");
        let again = authorize(&world, provider, "&redirect=http://app.test/done?a=1").await;
        let id = connection["id"].as_str().unwrap();
        assert_eq!(
            again.header("location"),
            Some(format!("http://app.test/done?a=1&connection_id={id}").as_str())
        );
    }
    assert_eq!(world.admin().list("/api/connections?user_id=alice").await.len(), 6);

    // One that somebody else has granted, and that is about to expire.
    let pair = sandbox.world().grant("discord", "42");
    let body = json!({
        "user_id": "bob", "provider": "discord", "account_id": "42", "expires_in": 5, "scopes": ["identify"],
        "access_token": pair.access, "refresh_token": pair.refresh,
    });
    let id = world.admin().post("/api/connections", &body).await.ok()["id"].as_str().unwrap().to_owned();
    let is_refreshed = |connection: &Value| {
        sandbox.world().refreshes("discord").contains_key("42") && connection["state"] == "active"
    };
    let fresh = connection_when(&world, &id, is_refreshed).await;
    assert_eq!(fresh["account_id"], "42");
    let expired = world.admin().delete(&format!("/api/connections/{id}")).await;
    assert_eq!(expired.status, 204);
    world.admin().get(&format!("/api/connections/{id}")).await.problem(404, "not_found");
    let shown = format!("{:?}", world.admin().list("/api/connections").await);
    assert_nothing_secret_is_kept(&world, engine, &[&pair.access, &pair.refresh], &shown).await;
}

/// The sandbox makes its tokens, codes and secrets from these.
const PLANTED: [&str; 7] = [
    "ghu_0000000",
    "ya29.0000000",
    "xoxe.xoxb-0000000",
    "BQ0000000",
    "refresh-0000000",
    "code-0000000",
    sandbox::vendor::CLIENT_SECRET,
];

async fn assert_nothing_secret_is_kept(world: &World, engine: Engine, more: &[&str], shown: &str) {
    let kept = match engine {
        Engine::Sqlite => files(world.home.directory.path()),
        Engine::Postgres => read_all(&world.home.database_url()).await,
    };
    let log = world.program.logged();
    assert!(log.contains("INFO"), "there is a log to look at");
    for secret in PLANTED.iter().chain(more) {
        let is_in = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!is_in(log.as_bytes()), "{secret} is in the log");
        assert!(!is_in(&kept), "{secret} is in the database");
        assert!(
            !String::from_utf8_lossy(&kept).contains(&hex::encode(secret)),
            "{secret} is in the database"
        );
        assert!(!is_in(shown.as_bytes()), "{secret} is shown");
    }
}

/// All bytes of the database's files.
pub(crate) fn files(directory: &Path) -> Vec<u8> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let databases = entries.filter(|path| path.to_string_lossy().contains("waystation.db"));
    databases.flat_map(|path| std::fs::read(path).unwrap()).collect()
}

async fn an_account_is_asked_as_often_as_its_settings_say(engine: Engine) {
    let sandbox = sandbox().await;
    let world = world(engine, &sandbox).await;
    let pair = sandbox.world().grant("spotify", "alice");
    let body = json!({
        "user_id": "alice", "provider": "spotify", "account_id": "alice", "expires_in": 3_600,
        "access_token": pair.access, "refresh_token": pair.refresh, "settings": { "poll_seconds": 1 },
    });
    let made = world.admin().post("/api/connections", &body).await.ok();
    assert_eq!(made["settings"], json!({ "poll_seconds": 1, "push": null }));
    let asked = || sandbox.world().api_calls("spotify");
    until("it was asked again", || async { (asked() >= 3).then_some(()) }).await;

    let path = format!("/api/connections/{}", made["id"].as_str().unwrap());
    let changed =
        world.admin().patch(&path, &json!({ "settings": { "poll_seconds": 0, "push": false } })).await.ok();
    assert_eq!(changed["settings"], json!({ "poll_seconds": 0, "push": false }));
    let mut again = body;
    again.as_object_mut().unwrap().remove("settings");
    let again = world.admin().post("/api/connections", &again).await.ok();
    assert_eq!(again["settings"], changed["settings"], "what is not said stays");
    let cleared = world.admin().patch(&path, &json!({ "settings": { "push": null } })).await.ok();
    assert_eq!(cleared["settings"], json!({ "poll_seconds": 0, "push": null }));
    world.admin().patch(&path, &json!({ "account_id": "x" })).await.problem(422, "invalid");
    assert_eq!(world.admin().get(&path).await.ok()["settings"], cleared["settings"]);
}

async fn a_dead_grant_is_told_once(engine: Engine) {
    let sandbox = sandbox().await;
    let mut world = world(engine, &sandbox).await;
    world.subscribe(&json!({ "event_types": ["connection.*"] })).await;
    let pair = sandbox.world().grant("gmail", "alice@example.com");
    let body = json!({
        "user_id": "alice", "provider": "gmail", "expires_in": 5,
        "access_token": pair.access, "refresh_token": pair.refresh,
    });
    sandbox.world().revoke("gmail", "alice@example.com");
    world.admin().post("/api/connections", &body).await.problem(422, "token_refused");
    let mut body = body;
    body["account_id"] = json!("Alice@Example.com");
    let id = world.admin().post("/api/connections", &body).await.ok()["id"].as_str().unwrap().to_owned();
    let dead = connection_when(&world, &id, |connection| connection["state"] == "needs_reauth").await;
    assert_eq!(
        (&dead["state_reason"], &dead["account_id"]),
        (&json!("invalid_grant"), &json!("alice@example.com"))
    );
    let told = world.receiver.next().await.json();
    assert_eq!(told["type"], "connection.needs_reauth");
    assert_eq!(told["data"], json!({ "connection_id": id, "provider": "gmail", "reason": "invalid_grant" }));

    // Authorising again revives it under the same id.
    sandbox.world().next_account("gmail", "alice@example.com");
    let revived = authorize(&world, "gmail", "").await.ok();
    assert_eq!((&revived["id"], &revived["state"]), (&json!(id), &json!("active")));
    assert_eq!(revived["state_reason"], Value::Null);
}

#[tokio::test]
async fn a_state_counts_once_and_only_if_it_is_ours() {
    let sandbox = sandbox().await;
    let world = world(Engine::Sqlite, &sandbox).await;
    let admin = world.admin();
    let start = || admin.get("/api/oauth/github/start?user_id=alice");
    let started = start().await;
    assert_eq!(started.status, 302);
    let callback = back(&visit(started.header("location").unwrap()).await);
    world.program.anyone().get(&callback).await.ok();
    world.program.anyone().get(&callback).await.problem(400, "invalid_state");

    // Another's state, an altered one, one of another provider, and none.
    let callback = back(&visit(start().await.header("location").unwrap()).await);
    let elsewhere = callback.replace("/github/", "/slack/");
    world.program.anyone().get(&elsewhere).await.problem(400, "invalid_state");
    world.program.anyone().get(&callback).await.problem(400, "invalid_state");
    let callback = back(&visit(start().await.header("location").unwrap()).await);
    world.program.anyone().get(&callback.replace("state=A", "state=B")).await.problem(400, "invalid_state");
    world.program.anyone().get("/api/oauth/github/callback?code=1").await.problem(400, "invalid_state");

    // A user who says no, and a code that is not good: the state is spent all the same.
    let (path, _) = callback.split_once('?').unwrap();
    let (_, state) = callback.split_once("state=").unwrap();
    let denied = format!("{path}?error=access_denied&state={state}");
    world.program.anyone().get(&denied).await.problem(403, "access_denied");
    world.program.anyone().get(&callback).await.problem(400, "invalid_state");
    let callback = back(&visit(start().await.header("location").unwrap()).await);
    let forged = callback.replace("code=code-", "code=else-");
    world.program.anyone().get(&forged).await.problem(502, "no_tokens");

    // It survives a restart.
    let callback = back(&visit(start().await.header("location").unwrap()).await);
    let World { program, launch, .. } = world;
    program.stop().await;
    launch.start().await.anyone().get(&callback).await.ok();
}

#[tokio::test]
async fn only_the_browser_that_began_can_finish() {
    let sandbox = sandbox().await;
    let world = world(Engine::Sqlite, &sandbox).await;
    let key = world.admin().post("/api/keys", &json!({ "name": "mallory", "user_id": "mallory" })).await.ok();
    let mallory = world.program.bearer(key["key"].as_str().unwrap());
    let start = "/api/oauth/github/start?redirect=http://evil.test/";
    let begin = || async {
        let started = mallory.get(start).await;
        let cookie = started.header("set-cookie").unwrap().to_owned();
        (back(&visit(started.header("location").unwrap()).await), cookie)
    };

    // Somebody else is sent to the provider, and back: nothing is connected, and nobody goes on to a page of Mallory's.
    let (callback, cookie) = begin().await;
    assert!(
        cookie.ends_with("; Path=/api/oauth/github/callback; Max-Age=1800; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    let anyone = world.program.anyone();
    let victim = || Request::new("GET", &callback).header("accept", "text/html,*/*;q=0.8");
    let refused = anyone.send(victim()).await;
    assert_eq!((refused.status, refused.header("location")), (403, None));
    assert!(
        String::from_utf8_lossy(&refused.body).contains("<p>this is not the browser in which"),
        "{refused:?}"
    );
    let pair = cookie.split(';').next().unwrap();
    let spent = anyone.send(victim().header("cookie", pair)).await;
    assert_eq!(spent.status, 400, "it is used up: {spent:?}");
    let (callback, _) = begin().await;
    anyone.send(Request::new("GET", &callback).header("cookie", pair)).await.problem(403, "other_browser");
    assert!(world.admin().list("/api/connections").await.is_empty());

    // Two that are under way in one browser do not get in each other's way.
    let ((first, one), (second, other)) = (begin().await, begin().await);
    let pairs = [one, other].map(|cookie| cookie.split(';').next().unwrap().to_owned()).join("; ");
    for callback in [second, first] {
        let done = anyone.send(Request::new("GET", &callback).header("cookie", &pairs)).await;
        assert!(
            done.header("location").unwrap().starts_with("http://evil.test/?connection_id=con_"),
            "{done:?}"
        );
    }
    assert!(world.admin().get("/api/oauth/github/start?user_id=alice").await.header("set-cookie").is_none());
}

#[tokio::test]
async fn a_user_connects_and_sees_their_own_accounts_only() {
    let world = World::start(Engine::Sqlite).await;
    let admin = world.admin();
    let key = admin.post("/api/keys", &json!({ "name": "alice", "user_id": "alice" })).await.ok();
    let alice = world.program.bearer(key["key"].as_str().unwrap());
    let body = json!({ "provider": "unipile", "account_id": "acc_1" });
    let own = alice.post("/api/connections", &body).await.ok();
    assert_eq!(
        (&own["user_id"], &own["state"], &own["expires_at"]),
        (&json!("alice"), &json!("active"), &Value::Null)
    );
    let again = alice.post("/api/connections", &body).await.ok();
    assert_eq!(again["id"], own["id"]);
    let bobs = json!({ "user_id": "bob", "provider": "composio", "account_id": "ca_1" });
    let bobs_id = admin.post("/api/connections", &bobs).await.ok()["id"].as_str().unwrap().to_owned();
    alice.post("/api/connections", &bobs).await.problem(403, "forbidden");
    alice.get(&format!("/api/connections/{bobs_id}")).await.problem(403, "forbidden");
    alice.delete(&format!("/api/connections/{bobs_id}")).await.problem(403, "forbidden");
    assert_eq!(alice.list("/api/connections").await, [own]);

    for (body, field) in [
        (json!({ "user_id": "alice" }), "provider"),
        (json!({ "user_id": "alice", "provider": "myspace" }), "provider"),
        (json!({ "provider": "github", "account_id": "x" }), "user_id"),
        (json!({ "user_id": "alice", "provider": "composio" }), "account_id"),
        (json!({ "user_id": "alice", "provider": "github", "account_id": "" }), "account_id"),
        (json!({ "user_id": "alice", "provider": "github", "access_token": "a b" }), "access_token"),
        (
            json!({ "user_id": "alice", "provider": "github", "account_id": "x", "expires_in": -1 }),
            "expires_in",
        ),
        (json!({ "user_id": "alice", "provider": "github", "account_id": "x", "bogus": 1 }), "bogus"),
        (json!({ "provider": "github", "settings": { "poll_seconds": -1 } }), "settings.poll_seconds"),
        (json!({ "provider": "github", "settings": { "poll_seconds": 2_592_001 } }), "settings.poll_seconds"),
        (json!({ "provider": "unipile", "settings": { "poll_seconds": 60 } }), "settings.poll_seconds"),
        (json!({ "provider": "github", "settings": { "push": "no" } }), "settings.push"),
        (json!({ "provider": "github", "settings": { "bogus": 1 } }), "settings.bogus"),
        (json!({ "provider": "github", "settings": [] }), "settings"),
    ] {
        let detail = admin.post("/api/connections", &body).await.problem(422, "invalid");
        assert!(detail.contains(field), "{body}: {detail}");
        assert!(!detail.contains("a b"), "a token is not repeated");
    }
    admin.get("/api/oauth/github/start?user_id=alice").await.problem(409, "no_application");
    admin.get("/api/oauth/unipile/start?user_id=alice").await.problem(409, "no_oauth");
    admin.get("/api/oauth/myspace/start?user_id=alice").await.problem(404, "not_found");
}
