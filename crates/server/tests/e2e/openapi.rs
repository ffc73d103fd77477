//! The description of the API is the one that was reviewed, and describes what is there.

use serde_json::Value;

use crate::support::client::Request;
use crate::support::database::Engine;
use crate::support::world::World;

#[tokio::test]
async fn the_document_that_is_served_is_the_one_that_was_reviewed() {
    let world = World::start(Engine::Sqlite).await;
    let document = world.program.anyone().get("/openapi.json").await;
    assert_eq!(document.header("content-type"), Some("application/json"));
    insta::assert_json_snapshot!("openapi", document.ok());
}

#[tokio::test]
async fn every_route_that_is_described_is_there() {
    let world = World::start(Engine::Sqlite).await;
    let document = world.program.anyone().get("/openapi.json").await.ok();
    let mut described = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let operation = &operations[method.to_lowercase()];
            if operation.is_null() {
                continue;
            }
            described += 1;
            let answer = world.program.anyone().send(Request::new(method, &filled_in(path))).await;
            let expected: &[u16] = match is_open(operation, path) {
                // What is open to all may still want a body.
                // It has a provider's name in it, and there is none of that name.
                true if path.ends_with("/callback") => &[404],
                true => &[200, 204, 422, 426],
                // A source that is not there does not tell whether anybody would be believed.
                false if path.starts_with("/in/") => &[404],
                false => &[401],
            };
            assert!(expected.contains(&answer.status), "{method} {path}: {}", answer.status);
        }
    }
    assert!(described >= 25, "{described}");
    world.program.anyone().get("/api/not-described").await.problem(404, "not_found");
}

/// Whether anyone may ask: it says so, and it is no provider's, whose signatures take the place of a bearer.
fn is_open(operation: &Value, path: &str) -> bool {
    let says_so = operation["security"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| *one == Value::Object(serde_json::Map::new())));
    says_so && !path.starts_with("/api/webhooks/") && !path.starts_with("/in/")
}

/// Puts an id where the path has a name for one.
fn filled_in(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn the_pages_for_people_run_nothing_from_elsewhere() {
    let world = World::start(Engine::Sqlite).await;
    for path in ["/", "/docs"] {
        let page = world.program.anyone().get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.header("content-type").unwrap().starts_with("text/html"), "{path}");
        let policy = page.header("content-security-policy").unwrap();
        for directive in ["object-src", "base-uri", "form-action", "frame-ancestors"] {
            assert!(policy.contains(directive), "{directive}: {policy}");
        }
        assert!(!String::from_utf8_lossy(&page.body).contains("src=\"http"), "{path}");
    }
    let metrics = world.program.anyone().get("/metrics").await;
    assert!(String::from_utf8_lossy(&metrics.body).ends_with("# EOF\n"));
}
