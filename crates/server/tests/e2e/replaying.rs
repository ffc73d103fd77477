//! Many events are sent once more: replays, work in bulk, and queues that start in the past.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::database::Engine;
use crate::support::receiver::{Delivered, Reply};
use crate::support::world::{World, publish, runs};
use crate::support::{on_each_database, until};

on_each_database! {
    what_a_subscriber_lost_is_replayed
    a_replay_keeps_the_order_of_a_key_and_reads_in_pages
    dead_letters_are_counted_retried_and_called_off_in_bulk
    a_job_goes_on_after_a_kill_and_repeats_nothing
    a_queue_that_starts_at_the_earliest_misses_nothing_and_gets_nothing_twice
}

const EVER: &str = "2020-01-01T00:00:00Z";

/// The job, once it has ended.
async fn ended(client: &Client, begun: &Value) -> Value {
    let path = format!("/api/jobs/{}", begun["job_id"].as_str().unwrap());
    until("the job has ended", || async {
        let job = client.get(&path).await.ok();
        (job["state"] != "running").then_some(job)
    })
    .await
}

/// What matters of how a job has ended.
fn told(job: &Value) -> Value {
    json!([job["kind"], job["state"], job["total"], job["done"], job["failed"]])
}

/// Publishes `count` events of Alice's; their ids.
async fn publish_many(client: &Client, event_type: &str, count: usize) -> Vec<String> {
    let event = |n| json!({ "type": event_type, "user_id": "alice", "data": { "n": n } });
    let events: Vec<_> = (0..count).map(event).collect();
    let kept = client.post("/api/events", &json!({ "events": events })).await.ok();
    let id = |event: &Value| event["event_id"].as_str().unwrap().to_owned();
    kept["events"].as_array().unwrap().iter().map(id).collect()
}

async fn what_a_subscriber_lost_is_replayed(engine: Engine) {
    let mut world = World::start(engine).await;
    let admin = world.admin();
    let before = publish(&admin, &json!({ "n": 5 })).await;
    let terms = json!({ "filter": { "data.n": { "$gte": 1 } }, "retry_count": 0, "event_types": ["task.*"] });
    let subscription = world.subscribe(&terms).await;
    // One fails, one arrives, and two are not wanted.
    world.receiver.then(Reply::Status(500));
    let failed = publish(&admin, &json!({ "n": 1 })).await;
    world.delivery_when(&failed, "failed").await;
    let arrived = publish(&admin, &json!({ "n": 2 })).await;
    world.delivery_when(&arrived, "success").await;
    publish(&admin, &json!({ "n": 0 })).await;
    publish_many(&admin, "other.type", 1).await;
    assert_eq!(world.receiver.rest().len(), 2);

    let path = format!("{}/replay", subscription.path());
    let replay = |only: &str, dry_run: bool| json!({ "since": EVER, "only": only, "dry_run": dry_run });
    for (only, count) in [("all", 3), ("failed", 1), ("missing", 1)] {
        let counted = admin.post(&path, &replay(only, true)).await;
        assert_eq!((counted.status, counted.json()), (200, json!({ "count": count })), "{only}");
    }
    for (only, lost) in [("missing", &before), ("failed", &failed)] {
        let begun = admin.post(&path, &replay(only, false)).await;
        assert_eq!((begun.status, &begun.json()["count"]), (202, &json!(1)));
        assert_eq!(told(&ended(&admin, &begun.json()).await), json!(["replay", "completed", 1, 1, 0]));
        assert_eq!(world.receiver.next().await.id(), lost);
        let again = admin.post(&path, &replay(only, false)).await.ok();
        assert_eq!((&again["count"], told(&ended(&admin, &again).await)[3].clone()), (&json!(0), json!(0)));
    }
    // Everything once more, as often as it is asked for.
    let all: BTreeSet<_> = [&before, &failed, &arrived].into_iter().cloned().collect();
    let begun = admin.post(&path, &json!({ "since": EVER })).await.ok();
    let mut came = BTreeSet::new();
    for _ in 0..3 {
        came.insert(world.receiver.next().await.id().to_owned());
    }
    assert_eq!((came, told(&ended(&admin, &begun).await)[3].clone()), (all, json!(3)));
    let deliveries = admin.list(&format!("{}/deliveries", subscription.path())).await;
    let replayed = deliveries.iter().filter(|delivery| delivery["trigger"] == "replay");
    assert_eq!((deliveries.len(), replayed.count()), (7, 5));
    assert!(world.receiver.rest().is_empty());

    // A span without events, one that ends before it begins, and one who takes nothing.
    let empty = json!({ "since": EVER, "until": "2020-01-02T00:00:00Z", "dry_run": true });
    assert_eq!(admin.post(&path, &empty).await.ok()["count"], 0);
    let backwards = json!({ "since": EVER, "until": EVER, "only": "some", "dry": true });
    let detail = admin.post(&path, &backwards).await.problem(422, "invalid");
    for field in ["until: must be later", "only: must be", "dry: there is no"] {
        assert!(detail.contains(field), "{detail}");
    }
    admin.post(&path, &json!({})).await.problem(422, "invalid");
    admin.patch(&subscription.path(), &json!({ "is_active": false })).await.ok();
    admin.post(&path, &replay("all", true)).await.problem(409, "inactive");
}

async fn a_replay_keeps_the_order_of_a_key_and_reads_in_pages(engine: Engine) {
    let mut world = World::start(engine).await;
    let admin = world.admin();
    // More than a step takes; every thirteenth has a key, and those are wanted.
    let event = |n: u64| {
        let key = if n.is_multiple_of(2) { "a" } else { "b" };
        let data = if n.is_multiple_of(13) { json!({ "n": n, "key": key }) } else { json!({ "n": n }) };
        json!({ "type": "task.created", "user_id": "alice", "data": data })
    };
    let events: Vec<_> = (0..300).map(event).collect();
    admin.post("/api/events", &json!({ "events": events })).await.ok();
    let terms = json!({ "ordering_key": "data.key", "filter": { "data.key": { "$exists": true } } });
    let subscription = world.subscribe(&terms).await;
    let read = async || (runs(&admin, "event").await, runs(&admin, "events_of").await);
    let before = read().await;
    let path = format!("{}/replay", subscription.path());
    let go = world.receiver.then_when_told();
    let begun = admin.post(&path, &json!({ "since": EVER })).await.ok();
    assert_eq!(begun["count"], 24);

    let told = |delivered: &Delivered| {
        let data = &delivered.json()["data"];
        (data["key"].as_str().unwrap().to_owned(), data["n"].as_u64().unwrap())
    };
    let (held, first) = told(&world.receiver.next().await);
    assert!(first < 26, "the first of its key: {first}");
    let mut arrived: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for count in 1..24 {
        let (key, n) = told(&world.receiver.next().await);
        if count <= 12 {
            assert_ne!(key, held, "its first has not ended");
        }
        arrived.entry(key).or_default().push(n);
        if count == 12 {
            go.notify_one();
        }
    }
    arrived.get_mut(&held).unwrap().insert(0, first);
    for (key, expected) in [("a", 0), ("b", 13)] {
        assert!(arrived[key].iter().copied().eq((expected..300).step_by(26)), "{arrived:?}");
    }
    ended(&admin, &begun).await;
    // Two pages to count them, and two to owe them.
    assert_eq!(read().await, (before.0, before.1 + 4));
}

async fn dead_letters_are_counted_retried_and_called_off_in_bulk(engine: Engine) {
    let mut world = World::start(engine).await;
    let admin = world.admin();
    world.receiver.always(Reply::Status(500));
    let subscription = world.subscribe(&json!({ "retry_count": 0 })).await;
    let gone = world.subscribe(&json!({ "retry_count": 0, "event_types": ["task.lost"] })).await;
    publish_many(&admin, "task.created", 5).await;
    publish_many(&admin, "task.lost", 1).await;
    let statistics =
        async |field: &str| admin.get(&subscription.path()).await.ok()["statistics"][field].clone();
    until("all are dead letters", || async { (statistics("failed").await == 6).then_some(()) }).await;
    let lost_one = format!("{}/deliveries?status=failed", gone.path());
    until("so is the other's", || async { (admin.list(&lost_one).await.len() == 1).then_some(()) }).await;
    admin.delete(&gone.path()).await.ok();
    world.receiver.rest();

    let bulk = |action: &str, filter: Value, dry_run: bool| json!({ "action": action, "filter": filter, "dry_run": dry_run });
    let created = json!({ "subscription_id": subscription.id, "event_type": "task.created" });
    let counted = admin.post("/api/deliveries/bulk", &bulk("retry", created.clone(), true)).await;
    assert_eq!((counted.status, counted.json()), (200, json!({ "count": 5 })));
    world.receiver.always(Reply::Status(200));
    let begun = admin.post("/api/deliveries/bulk", &bulk("retry", created, false)).await;
    assert_eq!(begun.status, 202);
    assert_eq!(told(&ended(&admin, &begun.json()).await), json!(["bulk_retry", "completed", 5, 5, 0]));
    for _ in 0..5 {
        assert_eq!(world.receiver.next().await.json()["type"], "task.created");
    }
    until("they have arrived", || async { (statistics("successful").await == 5).then_some(()) }).await;
    let list = format!("{}/deliveries?status=success", subscription.path());
    let one = admin.list(&list).await.remove(0);
    let one = admin.get(&format!("/api/deliveries/{}", one["id"].as_str().unwrap())).await.ok();
    let triggers: Vec<_> = one["attempts"].as_array().unwrap().iter().map(|a| a["trigger"].clone()).collect();
    assert_eq!(triggers, ["initial", "bulk"], "it keeps its history");

    // Whose subscription is gone cannot be retried, and that is said.
    let begun = admin.post("/api/deliveries/bulk", &bulk("retry", json!({}), false)).await.ok();
    assert_eq!(told(&ended(&admin, &begun).await), json!(["bulk_retry", "completed", 2, 1, 1]));
    assert_eq!(world.receiver.next().await.json()["type"], "task.lost");

    // What is held is called off.
    admin.patch(&subscription.path(), &json!({ "paused": true })).await.ok();
    publish_many(&admin, "task.created", 4).await;
    let begun = admin.post("/api/deliveries/bulk", &bulk("cancel", json!({ "status": "held" }), false)).await;
    let job = ended(&admin, &begun.ok()).await;
    assert_eq!(told(&job), json!(["bulk_cancel", "completed", 4, 4, 0]));
    admin.patch(&subscription.path(), &json!({ "paused": false })).await.ok();
    let last = publish(&admin, &json!("last")).await;
    assert_eq!(world.receiver.next().await.id(), last, "the others do not come");
    let cancel = format!("/api/jobs/{}/cancel", job["id"].as_str().unwrap());
    admin.post(&cancel, &json!({})).await.problem(409, "conflict");

    let wrong = json!({ "action": "cancel", "filter": { "status": "failed", "since": "today", "x": 1 } });
    let detail = admin.post("/api/deliveries/bulk", &wrong).await.problem(422, "invalid");
    for field in ["filter.status: must be one of pending", "filter.since", "filter.x: there is no such"] {
        assert!(detail.contains(field), "{detail}");
    }
}

async fn a_job_goes_on_after_a_kill_and_repeats_nothing(engine: Engine) {
    let mut world = World::start(engine).await;
    let admin = world.admin();
    for _ in 0..3 {
        publish_many(&admin, "task.created", 500).await;
    }
    let terms = json!({ "target": "pull", "user_id": "alice", "event_types": ["*"] });
    let queue = admin.post("/api/webhooks", &terms).await.ok();
    let path = format!("/api/webhooks/{}", queue["id"].as_str().unwrap());
    let replay = json!({ "since": EVER, "only": "all" });
    let begun = admin.post(&format!("{path}/replay"), &replay).await.ok();
    let job = format!("/api/jobs/{}", begun["job_id"].as_str().unwrap());
    until("it has begun", || async { (admin.get(&job).await.ok()["done"] != 0).then_some(()) }).await;
    world.program.kill().await;
    world.program = world.launch.start().await;

    let admin = world.admin();
    assert_eq!(told(&ended(&admin, &begun).await), json!(["replay", "completed", 1_500, 1_500, 0]));
    let owed = admin.list(&format!("{path}/deliveries")).await;
    let events: BTreeSet<_> = owed.iter().map(|delivery| delivery["event_id"].as_str().unwrap()).collect();
    assert_eq!((owed.len(), events.len()), (1_500, 1_500), "each once");

    // A job that is called off keeps what it has done.
    let begun = admin.post(&format!("{path}/replay"), &replay).await.ok();
    let cancel = format!("/api/jobs/{}/cancel", begun["job_id"].as_str().unwrap());
    let cancelled = admin.post(&cancel, &json!({})).await;
    let job = ended(&admin, &begun).await;
    let owed = admin.list(&format!("{path}/deliveries")).await.len();
    assert_eq!(json!(owed), json!(1_500 + job["done"].as_u64().unwrap()));
    assert_eq!(cancelled.status == 200, job["state"] == "cancelled", "{job}");
}

async fn a_queue_that_starts_at_the_earliest_misses_nothing_and_gets_nothing_twice(engine: Engine) {
    let world = World::start(engine).await;
    let admin = world.admin();
    let mut all: BTreeSet<String> = publish_many(&admin, "task.created", 600).await.into_iter().collect();
    publish_many(&admin, "other.type", 10).await;
    let terms =
        json!({ "target": "pull", "user_id": "alice", "event_types": ["task.*"], "start": "earliest" });
    // More comes in before, while and after it is made.
    let publishing = async {
        let mut ids = Vec::new();
        for _ in 0..20 {
            ids.extend(publish_many(&admin, "task.created", 10).await);
        }
        ids
    };
    let (queue, live) = tokio::join!(admin.post("/api/webhooks", &terms), publishing);
    all.extend(live);
    let job = ended(&admin, &queue.ok()).await;
    assert_eq!(
        (&job["kind"], &job["state"], &job["total"]),
        (&json!("start"), &json!("completed"), &job["done"])
    );

    let mut pulled: BTreeMap<String, usize> = BTreeMap::new();
    loop {
        let leased = admin.get("/api/webhooks/events/pending?limit=100&lease_seconds=600").await.ok();
        let leased = leased["events"].as_array().unwrap();
        for event in leased {
            *pulled.entry(event["event_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        if leased.is_empty() {
            break;
        }
    }
    assert!(pulled.values().all(|&times| times == 1), "nothing twice");
    assert_eq!(pulled.into_keys().collect::<BTreeSet<_>>(), all, "nothing missed");

    // From a time on, and not at all.
    let from = |start: &str| {
        let mut terms = terms.clone();
        (terms["start"], terms["queue"]) = (json!(start), json!(format!("from {start}")));
        terms
    };
    let past = admin.post("/api/webhooks", &from(EVER)).await.ok();
    assert_eq!(ended(&admin, &past).await["done"], 800);
    let now = admin.post("/api/webhooks", &from("now")).await.ok();
    assert_eq!((&now["job_id"], &now["statistics"]["total"]), (&Value::Null, &json!(0)));
    admin.post("/api/webhooks", &from("tomorrow")).await.problem(422, "invalid");
    let push =
        json!({ "user_id": "alice", "url": world.receiver.url(), "event_types": ["*"], "start": "earliest" });
    admin.post("/api/webhooks", &push).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_user_sees_their_own_jobs_only() {
    let world = World::start(Engine::Sqlite).await;
    let admin = world.admin();
    let user = async |name: &str| {
        let made = world.launch.run(&["keys", "create", "--name", name, "--user", name]).await;
        world.program.bearer(made.stdout.trim())
    };
    let (alice, bob) = (user("alice").await, user("bob").await);
    let subscription = world.subscribe(&json!({})).await;
    publish(&admin, &json!({})).await;
    let replay = format!("{}/replay", subscription.path());
    let span = json!({ "since": EVER, "only": "missing" });
    bob.post(&replay, &span).await.problem(403, "forbidden");
    let begun = alice.post(&replay, &span).await.ok();
    let path = format!("/api/jobs/{}", begun["job_id"].as_str().unwrap());
    assert_eq!(ended(&alice, &begun).await["user_id"], "alice");
    bob.get(&path).await.problem(403, "forbidden");
    bob.post(&format!("{path}/cancel"), &json!({})).await.problem(403, "forbidden");
    admin.get(&format!("/api/jobs/job_{}", "0".repeat(32))).await.problem(404, "not_found");

    let of_alice = json!({ "action": "retry", "filter": { "user_id": "alice" } });
    bob.post("/api/deliveries/bulk", &of_alice).await.problem(403, "forbidden");
    let by_id = json!({ "action": "retry", "filter": { "subscription_id": subscription.id } });
    bob.post("/api/deliveries/bulk", &by_id).await.problem(403, "forbidden");
    let own = bob.post("/api/deliveries/bulk", &json!({ "action": "cancel" })).await.ok();
    assert_eq!((&own["count"], ended(&bob, &own).await["user_id"].clone()), (&json!(0), json!("bob")));
    let ids = async |client: &Client| client.list("/api/jobs").await.len();
    assert_eq!((ids(&alice).await, ids(&bob).await, ids(&admin).await), (1, 1, 2));
}
