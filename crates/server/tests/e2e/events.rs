//! What came in can be found again.

use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::world::World;

on_each_database! {
    events_are_found_by_user_type_source_and_time
    a_list_is_read_page_by_page_without_gaps_or_repeats
    events_are_counted_by_source_and_type
}

async fn publish(world: &World, event_type: &str, user: &str) -> Value {
    let body = json!({ "type": event_type, "user_id": user, "data": {} });
    let id = world.admin().post("/api/events", &body).await.ok()["event_id"].clone();
    world.admin().get(&format!("/api/events/{}", id.as_str().unwrap())).await.ok()
}

async fn ids(world: &World, query: &str) -> Vec<Value> {
    let events = world.admin().list(&format!("/api/events?{query}")).await;
    events.into_iter().map(|event| event["id"].clone()).collect()
}

/// Lets a millisecond go by: times have no finer grain.
async fn later() {
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
}

async fn events_are_found_by_user_type_source_and_time(engine: Engine) {
    let world = World::start(engine).await;
    let first = publish(&world, "task.created", "alice").await;
    later().await;
    let second = publish(&world, "task.done", "bob").await;
    later().await;
    let third = world.github("1", b"{}").await.ok()["event_id"].clone();
    let (first_id, second_id) = (first["id"].clone(), second["id"].clone());
    let since = second["received_at"].as_str().unwrap();
    for (query, expected) in [
        ("user_id=alice".to_owned(), vec![&third, &first_id]),
        ("user_id=bob".to_owned(), vec![&second_id]),
        ("user_id=nobody".to_owned(), vec![]),
        ("type=task.done".to_owned(), vec![&second_id]),
        ("source=github".to_owned(), vec![&third]),
        ("source=api&user_id=alice".to_owned(), vec![&first_id]),
        (format!("since={since}"), vec![&third, &second_id]),
        (format!("until={since}"), vec![&first_id]),
        (format!("since={since}&until={since}"), vec![]),
        (format!("since={}", since.replace('Z', "%2B00:00")), vec![&third, &second_id]),
    ] {
        assert_eq!(ids(&world, &query).await, expected.into_iter().cloned().collect::<Vec<_>>(), "{query}");
    }
    for bad in ["since=yesterday", "limit=0", "limit=201", "limit=x", "cursor=nonsense", "type=No%20Type"] {
        world.admin().get(&format!("/api/events?{bad}")).await.problem(400, "unreadable");
    }
}

async fn a_list_is_read_page_by_page_without_gaps_or_repeats(engine: Engine) {
    let world = World::start(engine).await;
    let batch: Vec<_> = (0..7).map(|n| json!({ "type": "a.b", "user_id": "alice", "data": n })).collect();
    world.admin().post("/api/events", &json!({ "events": batch })).await.ok();
    let whole = ids(&world, "user_id=alice").await;
    let (mut paged, mut sizes, mut query) = (Vec::new(), Vec::new(), "limit=3".to_owned());
    loop {
        let page = world.admin().get(&format!("/api/events?{query}")).await.ok();
        let data = page["data"].as_array().unwrap();
        sizes.push(data.len());
        paged.extend(data.iter().map(|event| event["id"].clone()));
        // What comes in meanwhile is newer than any page that is still to come.
        publish(&world, "c.d", "alice").await;
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("limit=3&cursor={cursor}");
    }
    assert_eq!((paged, sizes), (whole, vec![3, 3, 1]));
}

#[tokio::test]
async fn every_read_says_where_in_the_log_it_was_made() {
    let world = World::start(Engine::Sqlite).await;
    let cursor = async |path: &str| {
        world.admin().get(path).await.header("x-cursor").unwrap_or_else(|| panic!("{path}")).to_owned()
    };
    let before = cursor("/api/events").await;
    assert_eq!(cursor("/api/events").await, before, "nothing has happened");
    world.subscribe(&json!({})).await;
    let event = publish(&world, "task.created", "alice").await;
    let event_id = event["id"].as_str().unwrap();
    let delivery = world.delivery_when(event_id, "success").await;
    let after = cursor("/api/events").await;
    assert_ne!(after, before);
    for path in [
        "/api/deliveries",
        "/api/webhooks",
        &format!("/api/events/{event_id}"),
        &format!("/api/deliveries/{}", delivery["id"].as_str().unwrap()),
        &format!("/api/webhooks/{}", delivery["subscription_id"].as_str().unwrap()),
        &format!("/api/webhooks/{}/deliveries", delivery["subscription_id"].as_str().unwrap()),
    ] {
        assert_eq!(cursor(path).await, after, "{path}");
    }
}

#[tokio::test]
async fn the_raw_bytes_are_never_something_that_a_browser_would_run() {
    let world = World::start(Engine::Sqlite).await;
    let body = b" {\"html\" : \"<script>alert(1)</script>\"} ";
    let id = world.github("1", body).await.ok()["event_id"].as_str().unwrap().to_owned();
    let raw = world.admin().get(&format!("/api/events/{id}/raw")).await;
    assert_eq!(
        (raw.body.as_slice(), raw.header("content-type")),
        (body.as_slice(), Some("application/json"))
    );
    for unknown in ["evt_019aa6b0c7d07b3e8f3c5a1d2e4f6071", "nonsense", "sub_1"] {
        world.admin().get(&format!("/api/events/{unknown}")).await.problem(404, "not_found");
        world.admin().get(&format!("/api/events/{unknown}/raw")).await.problem(404, "not_found");
    }
}

async fn events_are_counted_by_source_and_type(engine: Engine) {
    let world = World::start(engine).await;
    for user in ["alice", "alice", "bob"] {
        publish(&world, "task.created", user).await;
    }
    world.github("1", b"{}").await.ok();
    let count = async |query: &str| {
        let stats = world.admin().get(&format!("/api/stats?{query}")).await.ok();
        let mut counts = std::collections::BTreeMap::<String, i64>::new();
        for row in stats["data"].as_array().unwrap() {
            let bucket = row["bucket"].as_str().unwrap();
            assert!(!query.contains("hour") || bucket.ends_with(":00:00.000Z"), "{bucket}");
            // The test may run across the end of a bucket.
            let name = format!("{} {}", row["source"].as_str().unwrap(), row["type"].as_str().unwrap());
            *counts.entry(name).or_default() += row["count"].as_i64().unwrap();
        }
        counts.into_iter().map(|(name, count)| format!("{name}: {count}")).collect::<Vec<_>>()
    };
    for bucket in ["minute", "hour", "day"] {
        let counts = count(&format!("bucket={bucket}")).await;
        assert_eq!(counts, ["api task.created: 3", "github github.push: 1"]);
    }
    assert_eq!(count("user_id=bob").await, ["api task.created: 1"]);
    assert_eq!(count("until=2020-01-01T00:00:00Z").await, Vec::<String>::new());
    world.admin().get("/api/stats?bucket=year").await.problem(400, "unreadable");
}

#[tokio::test]
async fn deliveries_are_found_by_status_type_subscription_and_time() {
    let world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({})).await;
    let event = publish(&world, "task.created", "alice").await;
    let delivery = world.delivery_when(event["id"].as_str().unwrap(), "success").await;
    let created_at = delivery["created_at"].as_str().unwrap();
    for (query, found) in [
        ("status=success".to_owned(), 1),
        ("status=failed".to_owned(), 0),
        ("event_type=task.created".to_owned(), 1),
        ("event_type=task.done".to_owned(), 0),
        (format!("since={created_at}"), 1),
        (format!("until={created_at}"), 0),
        (format!("subscription_id={}", subscription.id), 1),
        ("user_id=alice".to_owned(), 1),
    ] {
        let deliveries = world.admin().list(&format!("/api/deliveries?{query}")).await;
        assert_eq!(deliveries.len(), found, "{query}");
        let own = world.admin().list(&format!("{}/deliveries?{query}", subscription.path())).await;
        assert_eq!(own, deliveries, "{query}");
    }
    world.admin().get("/api/deliveries?status=unheard_of").await.problem(400, "unreadable");
}
