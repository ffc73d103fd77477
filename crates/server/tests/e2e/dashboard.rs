//! The dashboard is served whole, small and only as itself. What it does is tried in a browser, in
//! `crates/dashboard/web`.

use crate::support::client::Request;
use crate::support::database::Engine;
use crate::support::world::World;

#[tokio::test]
async fn every_page_is_the_same_document_and_may_run_only_what_is_ours() {
    let world = World::start(Engine::Sqlite).await;
    let anyone = world.program.anyone();
    let home = anyone.get("/").await;
    for path in [
        "/events",
        "/events/evt_1",
        "/deliveries/dlv_1",
        "/subscriptions",
        "/keys",
        "/portal",
        "/portal/deliveries/dlv_1",
    ] {
        let page = anyone.get(path).await;
        assert_eq!((page.status, &page.body), (200, &home.body), "{path}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
    anyone.get("/no-such-page").await.problem(404, "not_found");
    anyone.get("/assets/no-such-file.js").await.problem(404, "not_found");
}

#[tokio::test]
async fn what_changes_is_asked_for_again_and_the_rest_is_kept() {
    let world = World::start(Engine::Sqlite).await;
    let anyone = world.program.anyone();
    let home = anyone.get("/").await;
    assert_eq!(home.header("cache-control"), Some("no-cache"));
    let known = Request::new("GET", "/").header("if-none-match", home.header("etag").unwrap());
    let known = anyone.send(known).await;
    assert_eq!((known.status, known.body.len()), (304, 0));

    let page = String::from_utf8(home.body.clone()).unwrap();
    let script = page.split('"').find(|text| text.starts_with("/assets/") && text.ends_with(".js"));
    let script = script.expect("Node builds the dashboard").to_owned();
    let plain = anyone.get(&script).await;
    assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(plain.header("content-type"), Some("text/javascript; charset=utf-8"));
    for (accepted, encoding) in
        [("gzip, deflate, br", Some("br")), ("gzip", Some("gzip")), ("identity", None)]
    {
        let asked = Request::new("GET", &script).header("accept-encoding", accepted);
        let answer = anyone.send(asked).await;
        assert_eq!(answer.header("content-encoding"), encoding, "{accepted}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{accepted}");
        assert_eq!(answer.body.len() < plain.body.len(), encoding.is_some(), "{accepted}");
    }
}
