//! One event that many want.

use std::collections::HashSet;

use futures::future::join_all;
use serde_json::json;

use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::world::{World, runs};

on_each_database! {
    one_event_reaches_a_hundred_subscriptions_with_one_append
}

/// With ten times as many it is the benchmark's to measure, and the store's suite to hold.
const SUBSCRIPTIONS: usize = 100;

async fn one_event_reaches_a_hundred_subscriptions_with_one_append(engine: Engine) {
    let mut world = World::start(engine).await;
    let terms = json!({ "event_types": ["task.created"] });
    join_all((0..SUBSCRIPTIONS).map(|_| world.subscribe(&terms))).await;
    assert_eq!(runs(&world.admin(), "routes").await, 1, "all are read at the start, and then what is new");
    let append = match engine {
        Engine::Sqlite => "insert_events",
        Engine::Postgres => "append",
    };
    let before = runs(&world.admin(), append).await;
    let id = world.publish(&json!({ "n": 1 })).await;
    let mut deliveries = HashSet::new();
    while deliveries.len() < SUBSCRIPTIONS {
        let delivered = world.receiver.next().await;
        assert_eq!(delivered.id(), id);
        let delivery = delivered.header("x-webhook-delivery").to_owned();
        assert!(deliveries.insert(delivery), "each gets it once");
    }
    assert_eq!(runs(&world.admin(), append).await, before + 1);
}
