//! The catalogue of event types: what is there, and what users add to it.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::world::World;

on_each_database! {
    a_type_of_ones_own_is_added_listed_and_removed
}

const PATH: &str = "/api/webhooks/event-types";

async fn listed(client: &Client, event_type: &str) -> Option<Value> {
    let types = client.get(PATH).await.ok();
    types["data"].as_array().unwrap().iter().find(|known| known["type"] == event_type).cloned()
}

async fn user(world: &World, name: &str) -> Client {
    let made = world.admin().post("/api/keys", &json!({ "name": name, "user_id": name })).await.ok();
    world.program.bearer(made["key"].as_str().unwrap())
}

#[tokio::test]
async fn what_waystation_and_its_hosts_emit_is_described() {
    let world = World::start(Engine::Sqlite).await;
    let expected = "email.received email.sent email.indexed calendar.event.created calendar.event.updated \
        calendar.event.deleted task.created task.updated task.completed task.deleted indexing.started indexing.completed \
        indexing.failed user.created user.settings.updated export.completed sync.completed connection.needs_reauth \
        delivery.failed subscription.deactivated subscription.recovered queue.backlog alert.error_rate alert.latency \
        alert.retry_spike webhook.test";
    let types = world.admin().get(PATH).await.ok();
    let types = types["data"].as_array().unwrap();
    for expected in expected.split_whitespace() {
        let known =
            types.iter().find(|known| known["type"] == expected).unwrap_or_else(|| panic!("{expected}"));
        assert!(known["description"].as_str().is_some_and(|text| !text.is_empty()), "{known}");
        assert!(known["example"].is_object() && known["schema"]["type"] == "object", "{known}");
        let is_ours =
            ["delivery.", "subscription.", "queue.", "alert."].iter().any(|word| expected.starts_with(word));
        assert_eq!((&known["operational"], &known["added"]), (&json!(is_ours), &json!(false)));
    }
}

async fn a_type_of_ones_own_is_added_listed_and_removed(engine: Engine) {
    let world = World::start(engine).await;
    let (alice, bob) = (user(&world, "alice").await, user(&world, "bob").await);
    let paid =
        json!({ "type": "order.paid", "description": "An order was paid", "example": { "amount": 12 } });
    let made = alice.post(PATH, &paid).await;
    assert_eq!(made.status, 201);
    let made = made.ok();
    assert_eq!(made["schema"]["properties"]["amount"], json!({ "type": "integer" }));
    assert_eq!((&made["operational"], &made["added"]), (&json!(false), &json!(true)));
    assert_eq!(listed(&alice, "order.paid").await, Some(made));
    assert_eq!(listed(&bob, "order.paid").await, None);
    alice.post(PATH, &paid).await.problem(409, "conflict");
    bob.post(PATH, &paid).await.ok();

    let schema = json!({ "type": "object", "required": ["n"] });
    let global = json!({ "type": "order.sent", "description": "An order was sent", "schema": schema });
    world.admin().post(PATH, &global).await.ok();
    assert_eq!(listed(&bob, "order.sent").await.unwrap()["schema"], schema);
    bob.delete(&format!("{PATH}/order.sent")).await.problem(403, "forbidden");
    bob.delete(&format!("{PATH}/order.paid?user_id=alice")).await.problem(403, "forbidden");

    assert_eq!(alice.delete(&format!("{PATH}/order.paid")).await.status, 204);
    alice.delete(&format!("{PATH}/order.paid")).await.problem(404, "not_found");
    assert_eq!(listed(&alice, "order.paid").await, None);
    assert!(listed(&bob, "order.paid").await.is_some(), "Bob's is his own");
    assert_eq!(world.admin().delete(&format!("{PATH}/order.paid?user_id=bob")).await.status, 204);
    assert_eq!(world.admin().delete(&format!("{PATH}/order.sent")).await.status, 204);
}

#[tokio::test]
async fn what_cannot_be_added_is_said_by_field() {
    let world = World::start(Engine::Sqlite).await;
    let refused = async |body: Value| world.admin().post(PATH, &body).await.problem(422, "invalid");
    let detail =
        refused(json!({ "type": "Not A Type", "schema": [], "example": "x".repeat(20_000), "colour": 1 }))
            .await;
    for field in ["type: ", "description: ", "schema: ", "example: ", "colour: "] {
        assert!(detail.contains(field), "{detail}");
    }
    let ours = refused(json!({ "type": "delivery.late", "description": "Late" })).await;
    assert!(ours.starts_with("type: "), "{ours}");
    let known = json!({ "type": "github.push", "description": "A push" });
    world.admin().post(PATH, &known).await.problem(409, "conflict");
    world.admin().delete(&format!("{PATH}/github.push")).await.problem(409, "conflict");
    world.admin().delete(&format!("{PATH}/order.paid")).await.problem(404, "not_found");
    world.program.anyone().post(PATH, &known).await.problem(401, "unauthorized");
}
