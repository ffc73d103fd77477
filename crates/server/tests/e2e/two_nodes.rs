//! Two servers over one database.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::database::Engine;
use crate::support::receiver::{Receiver, Reply};
use crate::support::sender::github;
use crate::support::until;
use crate::support::world::{GITHUB, World, delivery_when, publish};

#[tokio::test]
async fn a_node_takes_over_what_a_killed_one_held_on_postgres() {
    let mut world = World::start(Engine::Postgres).await;
    let second = world.launch.start().await;
    world.subscribe(&json!({ "max_concurrency": 1, "timeout_seconds": 60 })).await;
    world.receiver.then(Reply::Hang);
    let mut held = Vec::new();
    for number in 0..3 {
        held.push(publish(&world.admin(), &json!(number)).await);
    }
    assert_eq!(world.receiver.next().await.id(), held[0], "the first node has it");
    world.program.kill().await;
    world.program = second;
    let mut taken_over = Vec::new();
    for _ in 0..3 {
        taken_over.push(world.receiver.next().await.id().to_owned());
    }
    taken_over.sort();
    held.sort();
    assert_eq!(taken_over, held);
    for id in &held {
        delivery_when(&world.program.admin(), id, "success").await;
    }
}

#[tokio::test]
async fn two_nodes_share_what_they_know_on_postgres() {
    let mut world = World::start(Engine::Postgres).await;
    let second = world.launch.start().await;
    world.subscribe(&json!({})).await;
    // The subscription was made at the first node, and the event comes in at the second.
    let id = publish(&second.admin(), &json!({})).await;
    assert_eq!(world.receiver.next().await.id(), id);
    delivery_when(&world.admin(), &id, "success").await;
    let again = github(GITHUB, "1", b"{}");
    assert_eq!(second.anyone().send(again.clone()).await.ok()["status"], "accepted");
    assert_eq!(world.program.anyone().send(again).await.ok()["status"], "duplicate");
    second.stop().await;
}

#[tokio::test]
async fn what_is_made_at_one_node_is_there_at_the_other_on_postgres() {
    let mut world = World::start(Engine::Postgres).await;
    let second = world.launch.start().await;
    let subscription = world.subscribe(&json!({})).await;
    let path = format!("{}/test", subscription.path());
    let trial = until("the second node knows the subscription", || async {
        let answer = second.admin().post(&path, &json!({})).await;
        (answer.status == 200).then(|| answer.json())
    });
    assert_eq!(trial.await["status"], "success");
    world.receiver.next().await;
}

#[tokio::test]
async fn what_is_changed_at_one_node_holds_at_the_other_on_postgres() {
    let mut world = World::start(Engine::Postgres).await;
    let second = world.launch.start().await;
    let subscription = world.subscribe(&json!({ "retry_policy": [5] })).await;
    world.receiver.then(Reply::Status(500));
    let id = publish(&second.admin(), &json!({})).await;
    world.delivery_when(&id, "retrying").await;
    let mut moved = Receiver::start().await;
    world.admin().patch(&subscription.path(), &json!({ "url": moved.url() })).await.ok();
    // Only the node that was told nothing is left to try again.
    world.program.kill().await;
    world.program = second;
    assert_eq!(moved.next().await.id(), id);
    world.delivery_when(&id, "success").await;
    assert_eq!(world.receiver.rest().len(), 1);
}

#[tokio::test]
async fn two_nodes_that_work_on_one_backlog_deliver_each_event_once_on_postgres() {
    let mut world = World::start(Engine::Postgres).await;
    let second = world.launch.start().await;
    world.subscribe(&json!({ "max_concurrency": 2 })).await;
    let batch: Vec<_> = (0..200).map(|n| json!({ "type": "a.b", "user_id": "alice", "data": n })).collect();
    let batch = json!({ "events": batch });
    let (first_admin, second_admin) = (world.admin(), second.admin());
    let (here, there) =
        tokio::join!(first_admin.post("/api/events", &batch), second_admin.post("/api/events", &batch));
    let mut owed = BTreeSet::new();
    for answer in [here.ok(), there.ok()] {
        let ids =
            answer["events"].as_array().unwrap().iter().map(|event| event["event_id"].as_str().unwrap());
        owed.extend(ids.map(str::to_owned));
    }
    assert_eq!(owed.len(), 400);
    while !owed.is_empty() {
        let delivered = world.receiver.next().await;
        assert!(owed.remove(delivered.id()), "delivered twice: {}", delivered.id());
    }
    second.stop().await;
    assert!(world.receiver.rest().is_empty());
}
