//! Stopping, in order and without: nothing that was accepted is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::client::{Client, Request};
use crate::support::database::Engine;
use crate::support::program::ADMIN_KEY;
use crate::support::receiver::Reply;
use crate::support::world::World;
use crate::support::{on_each_database, until};

on_each_database! {
    what_is_under_way_ends_and_what_waits_is_delivered_after_the_next_start
    what_was_accepted_while_it_stopped_is_delivered
    a_killed_server_delivers_what_it_owed_after_the_next_start
}

/// Waits until nobody is let in any more.
async fn closed(world: &World) {
    until("new connections are refused", || async {
        TcpStream::connect(world.program.address).await.is_err().then_some(())
    })
    .await;
}

async fn what_is_under_way_ends_and_what_waits_is_delivered_after_the_next_start(engine: Engine) {
    let mut world = World::start(engine).await;
    world.subscribe(&json!({ "max_concurrency": 1 })).await;
    let go = world.receiver.then_when_told();
    let first = world.publish(&json!(0)).await;
    assert_eq!(world.receiver.next().await.id(), first);
    // More than a server holds in memory for one receiver, so that some wait in the store.
    let mut waiting = Vec::new();
    for number in 1..=10 {
        waiting.push(world.publish(&json!(number)).await);
    }
    world.program.ask_to_stop();
    closed(&world).await;
    go.notify_one();
    assert!(world.program.ended().await.success());
    assert!(world.receiver.rest().is_empty(), "nothing new was begun");

    world.program = world.launch.start().await;
    let mut delivered = Vec::new();
    for _ in 0..waiting.len() {
        delivered.push(world.receiver.next().await.id().to_owned());
    }
    delivered.sort();
    waiting.sort();
    assert_eq!(delivered, waiting, "each of them once");
    let first = world.delivery_when(&first, "success").await;
    assert_eq!(first["attempt_count"], 1, "it had been written down");
    for id in &waiting {
        assert_eq!(world.delivery_when(id, "success").await["attempt_count"], 1);
    }
    assert!(world.receiver.rest().is_empty());
}

/// Publishes until it is turned away; what was accepted.
async fn publish_until_turned_away(client: Client, accepted: Arc<AtomicUsize>) -> Vec<String> {
    let event = json!({ "type": "task.created", "user_id": "alice", "data": {} });
    let request = Request::post("/api/events").header("authorization", &format!("Bearer {ADMIN_KEY}"));
    let request = request.json(&event).bytes();
    let mut ids = Vec::new();
    while let Some(answer) = client.exchange(&request).await.filter(|answer| answer.status == 200) {
        ids.push(answer.json()["event_id"].as_str().unwrap().to_owned());
        accepted.fetch_add(1, Ordering::Relaxed);
    }
    ids
}

async fn what_was_accepted_while_it_stopped_is_delivered(engine: Engine) {
    let mut world = World::start(engine).await;
    world.subscribe(&json!({ "max_concurrency": 2 })).await;
    let accepted = Arc::new(AtomicUsize::new(0));
    let mut publishing = JoinSet::new();
    for _ in 0..8 {
        publishing.spawn(publish_until_turned_away(world.program.anyone(), Arc::clone(&accepted)));
    }
    until("much is accepted", || async { (accepted.load(Ordering::Relaxed) >= 100).then_some(()) }).await;
    world.program.ask_to_stop();
    assert!(world.program.ended().await.success());
    let mut owed: BTreeSet<_> = publishing.join_all().await.into_iter().flatten().collect();
    world.program = world.launch.start().await;
    while !owed.is_empty() {
        let delivered = world.receiver.next().await;
        owed.remove(delivered.id());
    }
}

#[tokio::test]
async fn an_attempt_that_never_ends_does_not_hold_up_the_end() {
    let mut world = World::start(Engine::Sqlite).await;
    world.subscribe(&json!({ "timeout_seconds": 60 })).await;
    world.receiver.then(Reply::Hang);
    let id = world.publish(&json!({})).await;
    assert_eq!(world.receiver.next().await.id(), id);
    world.program.ask_to_stop();
    assert!(world.program.ended().await.success());
    world.program = world.launch.start().await;
    assert_eq!(world.receiver.next().await.id(), id);
    world.delivery_when(&id, "success").await;
}

#[tokio::test]
async fn a_request_that_is_being_sent_does_not_hold_up_the_end() {
    let mut world = World::start(Engine::Sqlite).await;
    let idle = TcpStream::connect(world.program.address).await.unwrap();
    let half = TcpStream::connect(world.program.address).await.unwrap();
    half.try_write(b"POST /api/webhooks/github/alice HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{")
        .unwrap();
    world.publish(&json!({})).await;
    world.program.ask_to_stop();
    assert!(world.program.ended().await.success());
    drop((idle, half));
}

async fn a_killed_server_delivers_what_it_owed_after_the_next_start(engine: Engine) {
    let mut world = World::start(engine).await;
    world.subscribe(&json!({ "max_concurrency": 1, "timeout_seconds": 60 })).await;
    world.receiver.then(Reply::Hang);
    let mut owed = Vec::new();
    for number in 0..5 {
        owed.push(world.publish(&json!(number)).await);
    }
    assert_eq!(world.receiver.next().await.id(), owed[0]);
    world.program.kill().await;
    world.program = world.launch.start().await;
    let mut delivered = Vec::new();
    for _ in 0..owed.len() {
        delivered.push(world.receiver.next().await.id().to_owned());
    }
    delivered.sort();
    owed.sort();
    assert_eq!(delivered, owed, "the one under way too, under its own id");
}
