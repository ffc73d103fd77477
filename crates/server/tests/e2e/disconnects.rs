//! Clients that leave in the middle of their request, many of them, while others work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::client::{Client, Request};
use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::sender::github;
use crate::support::world::{GITHUB, World};

on_each_database! {
    whoever_leaves_in_the_middle_leaves_a_whole_event_or_none
}

const CLIENTS: usize = 1_000;
const AT_ONCE: usize = 32;

async fn whoever_leaves_in_the_middle_leaves_a_whole_event_or_none(engine: Engine) {
    let world = World::start_with(engine, |launch| {
        launch.env("WAYSTATION_INBOUND__RATE_LIMIT_PER_15_MINUTES", "1000000")
    });
    let mut world = world.await;
    world.subscribe(&json!({})).await;
    let answers = leave_and_come_back(world.program.anyone()).await;

    // One event for each delivery id, the one that its sender was told of.
    let events = world.events().await;
    assert_eq!(events.len(), CLIENTS);
    let stored: BTreeMap<_, _> = events
        .iter()
        .map(|event| (event["data"]["number"].as_u64().unwrap(), event["id"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(stored.len(), CLIENTS);
    for (number, answer) in &answers {
        assert_eq!(stored[number], answer["event_id"], "{answer}");
    }
    let mut owed: BTreeSet<_> = stored.into_values().collect();
    while !owed.is_empty() {
        let delivered = world.receiver.next().await;
        assert!(owed.remove(delivered.id()), "delivered twice: {}", delivered.id());
    }
    // Some left after their request was whole, and were kept.
    let known = answers.values().filter(|answer| answer["status"] == "duplicate").count();
    assert!((1..CLIENTS).contains(&known), "{known} of those who left had been heard");
    for number in 0..50 {
        world.github(&format!("calm-{number}"), b"{}").await.ok();
    }
}

/// What each was told who left and then sent the same again.
async fn leave_and_come_back(client: Client) -> BTreeMap<u64, serde_json::Value> {
    let begun = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for worker in 0..AT_ONCE {
        let (client, begun) = (client.clone(), Arc::clone(&begun));
        let mut rng = StdRng::seed_from_u64(worker as u64);
        workers.spawn(async move {
            let mut answers = Vec::new();
            loop {
                let number = begun.fetch_add(1, Ordering::Relaxed);
                if number >= CLIENTS {
                    return answers;
                }
                let request = push(number);
                leave(&client, &request, &mut rng).await;
                answers.push((number as u64, client.send(request).await.ok()));
            }
        });
    }
    workers.join_all().await.into_iter().flatten().collect()
}

fn push(number: usize) -> Request {
    let body = json!({ "number": number, "padding": "x".repeat(500) }).to_string();
    github(GITHUB, &format!("guid-{number}"), body.as_bytes())
}

/// Sends a random part of a request, one in two times all of it, and leaves: politely, or by a reset.
async fn leave(client: &Client, request: &Request, rng: &mut StdRng) {
    let bytes = request.bytes();
    let sent = if rng.random() { bytes.len() } else { rng.random_range(0..bytes.len()) };
    let mut stream = TcpStream::connect(client.address).await.unwrap();
    stream.write_all(&bytes[..sent]).await.unwrap();
    if rng.random() {
        stream.set_zero_linger().unwrap();
    }
    if rng.random() {
        // At once, the server would seldom have begun on it.
        tokio::time::sleep(std::time::Duration::from_millis(rng.random_range(1..5))).await;
    }
}
