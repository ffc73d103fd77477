//! Browsers' sessions.

use serde_json::{Value, json};

use crate::support::client::{Answer, Request};
use crate::support::database::Engine;
use crate::support::program::ADMIN_KEY;
use crate::support::world::World;
use crate::support::{on_each_database, until};

on_each_database! {
    a_session_opens_what_its_key_opens_until_the_key_is_revoked
}

/// The cookie that an answer sets, and all that it says about it.
fn set_cookie(answer: &Answer) -> (String, String) {
    let (cookie, attributes) = answer.header("set-cookie").unwrap().split_once("; ").unwrap();
    (cookie.to_owned(), attributes.to_owned())
}

async fn begin(world: &World, key: &str) -> String {
    let began = world.program.anyone().post("/api/session", &json!({ "key": key })).await;
    began.ok();
    set_cookie(&began).0
}

async fn with_cookie(world: &World, cookie: &str, request: Request) -> Answer {
    world.program.anyone().send(request.header("cookie", cookie)).await
}

async fn a_session_opens_what_its_key_opens_until_the_key_is_revoked(engine: Engine) {
    let world = World::start(engine).await;
    let made = world.admin().post("/api/keys", &json!({ "name": "mine", "user_id": "alice" })).await.ok();
    let cookie = begin(&world, made["key"].as_str().unwrap()).await;
    let read = || Request::new("GET", "/api/events");
    assert_eq!(with_cookie(&world, &cookie, read()).await.ok()["data"], json!([]));
    let keys = with_cookie(&world, &cookie, Request::new("GET", "/api/keys")).await;
    assert_eq!(keys.problem(403, "forbidden"), "this is for the admin key alone");
    let admins = begin(&world, ADMIN_KEY).await;
    with_cookie(&world, &admins, Request::new("GET", "/api/keys")).await.ok();
    // A bearer that is shown as well is the one that counts.
    let both = read().header("authorization", "Bearer wrong");
    with_cookie(&world, &admins, both).await.problem(401, "unauthorized");
    world.admin().delete(&format!("/api/keys/{}", made["id"].as_str().unwrap())).await.ok();
    until("the session is turned away", || async {
        let answer = with_cookie(&world, &cookie, read()).await;
        (answer.status != 200).then(|| answer.problem(401, "unauthorized"))
    })
    .await;
}

#[tokio::test]
async fn a_session_is_kept_from_scripts_and_other_sites() {
    let world = World::start(Engine::Sqlite).await;
    let anyone = world.program.anyone();
    let began = anyone.post("/api/session", &json!({ "key": ADMIN_KEY })).await;
    assert_eq!(began.ok()["user_id"], Value::Null);
    let (cookie, attributes) = set_cookie(&began);
    assert_eq!(attributes, "Path=/; Max-Age=604800; HttpOnly; SameSite=Strict");
    assert!(!cookie.contains(ADMIN_KEY));
    let publish = || {
        let event = json!({ "type": "a.b", "user_id": "alice", "data": 1 });
        Request::post("/api/events").json(&event)
    };
    for ours in [publish(), publish().header("origin", "http://waystation.test")] {
        with_cookie(&world, &cookie, ours).await.ok();
    }
    for foreign in ["https://evil.example", "null", "http://waystation.test:81"] {
        let refused = with_cookie(&world, &cookie, publish().header("origin", foreign)).await;
        refused.problem(403, "foreign_origin");
        let begin = Request::post("/api/session").json(&json!({ "key": ADMIN_KEY }));
        anyone.send(begin.header("origin", foreign)).await.problem(403, "foreign_origin");
    }
    anyone.post("/api/session", &json!({ "key": "wrong" })).await.problem(401, "unauthorized");
    anyone.post("/api/session", &json!({})).await.problem(422, "invalid");
    let ended = anyone.delete("/api/session").await;
    assert_eq!(ended.status, 204);
    assert!(set_cookie(&ended).1.contains("Max-Age=0"));
    let altered = cookie.replace('=', "=A");
    with_cookie(&world, &altered, publish()).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn a_token_that_names_types_opens_no_lists() {
    let world = World::start(Engine::Sqlite).await;
    let terms = json!({ "user_id": "alice", "types": ["message.*"] });
    let token = world.admin().post("/api/tokens", &terms).await.ok();
    let client = world.program.bearer(token["token"].as_str().unwrap());
    client.get("/api/events").await.problem(403, "only_for_streams");
    for wrong in [json!([]), json!(["Not a type"]), json!("message.*")] {
        let terms = json!({ "user_id": "alice", "types": wrong });
        world.admin().post("/api/tokens", &terms).await.problem(422, "invalid");
    }
}
