//! What providers need to be told so that they push, over the API and at a start.

use std::collections::HashMap;

use sandbox::Sandbox;
use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::database::Engine;
use crate::support::sender::now_seconds;
use crate::support::world::World;
use crate::support::{on_each_database, until};

on_each_database! {
    what_is_registered_is_shown_pushes_and_goes_with_its_connection
    one_of_several_registrations_is_removed
    a_channel_may_be_a_source_of_its_own
}

const BASE_URL: &str = "http://way.test";
const LIST: &str = "/api/webhooks/list";

async fn world(engine: Engine, sandbox: &Sandbox) -> World {
    World::start_with(engine, |launch| {
        let launch = launch.env("WEBHOOK_BASE_URL", BASE_URL).env("UNIPILE_WEBHOOK_SECRET", "planted-secret");
        sandbox.environment().iter().fold(launch, |launch, (name, value)| launch.env(name, value))
    })
    .await
}

async fn listed_when(world: &World, query: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let path = format!("{LIST}{query}");
    until("the list is as it should be", || async {
        Some(world.admin().list(&path).await).filter(|list| holds(list))
    })
    .await
}

fn are_active(list: &[Value], count: usize) -> bool {
    list.len() == count && list.iter().all(|one| one["state"] == "active")
}

/// What the hub signs with for a callback, by topic, once there are so many: it writes that down after it has heard
/// that we confirm it.
async fn at_the_hub(sandbox: &Sandbox, callback: &str, count: usize) -> HashMap<String, Option<String>> {
    until("the hub knows what it is to", || async {
        Some(sandbox.world().hub_subscriptions(callback)).filter(|known| known.len() == count)
    })
    .await
}

/// Connects an account of Alice's.
async fn connect(world: &World, sandbox: &Sandbox, provider: &str, account: &str) -> String {
    let pair = sandbox.world().grant(provider, account);
    let body = json!({
        "user_id": "alice", "provider": provider, "account_id": account, "expires_in": 3_600,
        "access_token": pair.access, "refresh_token": pair.refresh,
    });
    world.admin().post("/api/connections", &body).await.ok()["id"].as_str().unwrap().to_owned()
}

async fn what_is_registered_is_shown_pushes_and_goes_with_its_connection(engine: Engine) {
    let sandbox = Sandbox::start(now_seconds).await;
    let world = world(engine, &sandbox).await;
    let pushing = sandbox.world().pushing();
    pushing.reach(BASE_URL, world.program.address);
    let unipile = listed_when(&world, "?provider=unipile", |list| are_active(list, 3)).await;
    assert_eq!((&unipile[0]["connection_id"], &unipile[0]["user_id"]), (&Value::Null, &Value::Null));
    assert_eq!(pushing.unipile_webhooks().len(), 3);

    // A repository, as often as it is asked for.
    let github = connect(&world, &sandbox, "github", "octo").await;
    let route = format!("/api/connections/{github}/registrations");
    let body = json!({ "target": "Acme/Shop", "events": ["push"] });
    let made = world.admin().post(&route, &body).await;
    assert_eq!(made.status, 201);
    let made = made.ok();
    let hooks = pushing.hooks("acme/shop");
    let expected = json!({
        "id": made["id"], "connection_id": github, "user_id": "alice", "provider": "github", "target": "acme/shop",
        "url": "http://way.test/api/webhooks/github/alice", "events": ["push"],
        "external_id": hooks[0].id.to_string(), "state": "active", "state_reason": null, "expires_at": null,
        "created_at": made["created_at"],
    });
    assert_eq!(made, expected);
    let again = world.admin().post(&route, &json!({ "target": "acme/shop" })).await.ok();
    assert_eq!(
        (&again["id"], &again["events"], pushing.hooks("acme/shop").len()),
        (&made["id"], &json!([]), 1)
    );

    // Users see their own.
    for user in ["alice", "bob"] {
        let key = world.admin().post("/api/keys", &json!({ "name": user, "user_id": user })).await.ok();
        let client = world.program.bearer(key["key"].as_str().unwrap());
        let own = client.list(LIST).await;
        if user == "alice" {
            assert_eq!(own, std::slice::from_ref(&again));
        } else {
            assert!(own.is_empty());
            client.post(&route, &body).await.problem(403, "forbidden");
            client.get(&format!("{LIST}?user_id=alice")).await.problem(403, "forbidden");
        }
    }

    // A channel: the hub asks back, and signs with what it was told.
    let youtube = connect(&world, &sandbox, "youtube", "UC1").await;
    let list = listed_when(&world, "?user_id=alice&provider=youtube", |list| are_active(list, 1)).await;
    assert!(list[0]["expires_at"].is_string() && list[0]["target"] == "UC1", "{list:?}");
    let callback = list[0]["url"].as_str().unwrap();
    let subscriptions = at_the_hub(&sandbox, callback, 1).await;
    let secret = subscriptions.values().next().unwrap().clone().unwrap();
    let feed = r#"<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom"><entry><id>yt:video:V1</id><yt:videoId>V1</yt:videoId><yt:channelId>UC1</yt:channelId><title>The door</title></entry></feed>"#;
    let provider = providers::by_name("youtube").unwrap();
    let at = domain::Timestamp::from_seconds(now_seconds());
    let unsigned = providers::Unsigned { id: None, body: feed.as_bytes(), at };
    let mut push = Request::new("POST", callback.strip_prefix(BASE_URL).unwrap()).body(feed);
    for (name, value) in provider.sign(&secret, &unsigned).unwrap() {
        push = push.header(name.as_str(), &value);
    }
    assert_eq!(world.program.anyone().send(push).await.ok()["status"], "accepted");
    let shown = format!("{:?}", world.admin().list(LIST).await);
    let logged = world.program.logged();
    for secret in [secret.as_str(), "planted-secret", "sandbox-operator-key"] {
        assert!(!shown.contains(secret) && !logged.contains(secret), "{secret} is shown");
    }

    // With its connection, also where the provider is away.
    pushing.fail_next("github", 503);
    for id in [&github, &youtube] {
        assert_eq!(world.admin().delete(&format!("/api/connections/{id}")).await.status, 204);
        world.admin().get(&format!("/api/connections/{id}")).await.problem(404, "not_found");
    }
    assert!(world.admin().list("/api/connections").await.is_empty());
    let left = listed_when(&world, "?user_id=alice", |list| {
        list.iter().all(|one| one["provider"] == "github" && one["state_reason"].is_string())
    });
    let left = left.await;
    assert_eq!((left.len(), &left[0]["state"]), (1, &json!("removing")));
    at_the_hub(&sandbox, callback, 0).await;
}

async fn one_of_several_registrations_is_removed(engine: Engine) {
    let sandbox = Sandbox::start(now_seconds).await;
    let world = world(engine, &sandbox).await;
    let (admin, pushing) = (world.admin(), sandbox.world().pushing());
    pushing.reach(BASE_URL, world.program.address);
    let github = connect(&world, &sandbox, "github", "octo").await;
    let route = format!("/api/connections/{github}/registrations");
    let [kept, removed] = ["acme/shop", "acme/site"].map(async |target| {
        let made = admin.post(&route, &json!({ "target": target })).await.ok();
        format!("{route}/{}", made["id"].as_str().unwrap())
    });
    let (kept, removed) = (kept.await, removed.await);
    let key = admin.post("/api/keys", &json!({ "name": "bob", "user_id": "bob" })).await.ok();
    world.program.bearer(key["key"].as_str().unwrap()).delete(&removed).await.problem(403, "forbidden");

    assert_eq!(admin.delete(&removed).await.status, 204);
    let left = listed_when(&world, "?provider=github", |list| list.len() == 1).await;
    assert_eq!((&left[0]["target"], &left[0]["state"]), (&json!("acme/shop"), &json!("active")));
    assert_eq!((pushing.hooks("acme/shop").len(), pushing.hooks("acme/site").len()), (1, 0));
    admin.delete(&removed).await.problem(404, "not_found");

    // What belongs to an account itself stays away until it is wanted again.
    let youtube = connect(&world, &sandbox, "youtube", "UC1").await;
    let own = listed_when(&world, "?provider=youtube", |list| are_active(list, 1)).await;
    let path = format!("/api/connections/{youtube}");
    let other = format!("{path}/registrations/{}", kept.rsplit('/').next().unwrap());
    admin.delete(&other).await.problem(404, "not_found");
    let own_path = format!("{path}/registrations/{}", own[0]["id"].as_str().unwrap());
    assert_eq!(admin.delete(&own_path).await.status, 204);
    listed_when(&world, "?provider=youtube", <[Value]>::is_empty).await;
    at_the_hub(&sandbox, own[0]["url"].as_str().unwrap(), 0).await;
    admin.delete(&own_path).await.problem(404, "not_found");
    assert_eq!(connect(&world, &sandbox, "youtube", "UC1").await, youtube);
    assert_eq!(admin.get(&path).await.ok()["settings"]["push"], false);
    admin.patch(&path, &json!({ "settings": { "push": null } })).await.ok();
    let again = listed_when(&world, "?provider=youtube", |list| are_active(list, 1)).await;
    assert_ne!(again[0]["id"], own[0]["id"]);
}

async fn a_channel_may_be_a_source_of_its_own(engine: Engine) {
    let sandbox = Sandbox::start(now_seconds).await;
    let world = world(engine, &sandbox).await;
    sandbox.world().pushing().reach(BASE_URL, world.program.address);
    let body =
        json!({ "sender": "youtube", "user_id": "alice", "channel_id": "UC9", "secret": "chosen-secret" });
    let source = world.admin().post("/api/sources", &body).await.ok();
    assert_eq!((&source["sender"], &source["channel_id"]), (&json!("youtube"), &json!("UC9")));
    let url = source["url"].as_str().unwrap();
    let list = listed_when(&world, "?user_id=alice", |list| are_active(list, 1)).await;
    assert_eq!((&list[0]["url"], &list[0]["connection_id"]), (&json!(url), &Value::Null));
    let secrets: Vec<_> = at_the_hub(&sandbox, url, 1).await.into_values().collect();
    assert_eq!(secrets, [Some("chosen-secret".to_owned())]);
    let id = source["id"].as_str().unwrap();
    assert_eq!(world.admin().get(&format!("/api/sources/{id}")).await.ok()["channel_id"], "UC9");
    let change = world.admin().patch(&format!("/api/sources/{id}"), &json!({ "name": "x" })).await;
    change.problem(409, "is_channel");
    let wrong = json!({ "sender": "youtube", "user_id": "alice", "channel_id": "@alice" });
    world.admin().post("/api/sources", &wrong).await.problem(422, "invalid");

    assert_eq!(world.admin().delete(&format!("/api/sources/{id}")).await.status, 204);
    listed_when(&world, "?user_id=alice", <[Value]>::is_empty).await;
    at_the_hub(&sandbox, url, 0).await;
}

#[tokio::test]
async fn what_cannot_be_registered_says_why() {
    let sandbox = Sandbox::start(now_seconds).await;
    let world = world(Engine::Sqlite, &sandbox).await;
    let admin = world.admin();
    let github = connect(&world, &sandbox, "github", "octo").await;
    let route = format!("/api/connections/{github}/registrations");
    for (body, field) in [
        (json!({}), "target"),
        (json!({ "target": "shop" }), "target"),
        (json!({ "target": "acme/shop", "events": "push" }), "events"),
        (json!({ "target": "acme/shop", "events": [""] }), "events"),
        (json!({ "target": "acme/shop", "config": [] }), "config"),
        (json!({ "target": "acme/shop", "bogus": 1 }), "bogus"),
    ] {
        let detail = admin.post(&route, &body).await.problem(422, "invalid");
        assert!(detail.contains(field), "{body}: {detail}");
    }
    sandbox.world().pushing().forbid("acme/secret", true);
    let failed = admin.post(&route, &json!({ "target": "acme/secret" })).await.ok();
    assert_eq!(failed["state"], "failed");
    assert!(failed["state_reason"].as_str().unwrap().contains("Not Found"), "{failed}");
    let spotify = connect(&world, &sandbox, "spotify", "alice").await;
    let route = format!("/api/connections/{spotify}/registrations");
    admin.post(&route, &json!({ "target": "x" })).await.problem(409, "nothing_to_register");

    let nowhere = World::start_with(Engine::Sqlite, |launch| {
        let launch = launch.env("UNIPILE_WEBHOOK_SECRET", "s");
        sandbox.environment().iter().fold(launch, |launch, (name, value)| launch.env(name, value))
    });
    let nowhere = nowhere.await;
    let github = connect(&nowhere, &sandbox, "github", "octo").await;
    let route = format!("/api/connections/{github}/registrations");
    nowhere.admin().post(&route, &json!({ "target": "acme/shop" })).await.problem(409, "no_base_url");
    let lines = nowhere.program.logged();
    assert_eq!(lines.matches("WEBHOOK_BASE_URL is not set").count(), 1, "{lines}");
}
