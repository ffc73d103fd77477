//! Subscriptions: made, read, changed, tried out, held back and let go.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::receiver::Reply;
use crate::support::sender::{hmac, hmac_hex};
use crate::support::world::World;

on_each_database! {
    a_subscription_is_made_read_changed_and_deleted
    what_is_held_while_paused_is_let_go_in_order
}

async fn a_subscription_is_made_read_changed_and_deleted(engine: Engine) {
    let world = World::start(engine).await;
    let made = world.subscribe(&json!({ "event_types": ["github.*", "task.created"] })).await;
    assert!(made.secret.starts_with("whsec_"), "{}", made.shown);
    let mut expected = json!({
        "id": made.id, "user_id": "alice", "target": "push", "url": world.receiver.url(), "description": "",
        "event_types": ["github.*", "task.created"], "is_active": true, "paused": false,
        "filter": null, "template": null, "transform": null, "headers": {}, "batch": null, "ordering_key": null,
        "retry_policy": "exponential", "retry_count": 3, "timeout_seconds": 10, "max_concurrency": 10,
        "rate_limit_per_minute": null, "signing": "standard", "created_at": made.shown["created_at"], "updated_at": made.shown["updated_at"],
        "statistics": {
            "total": 0, "successful": 0, "failed": 0,
            "last_delivery_at": null, "last_success_at": null, "last_failure_at": null,
        },
    });
    let read = world.admin().get(&made.path()).await;
    assert!(read.header("x-cursor").is_some());
    assert_eq!(read.ok(), expected, "and the secret is not shown again");
    assert_eq!(world.admin().list("/api/webhooks").await, [expected.clone()]);

    let terms = json!({
        "description": "Türen", "retry_policy": [5, 60], "timeout_seconds": 60, "max_concurrency": 1,
        "rate_limit_per_minute": 100, "event_types": ["*"],
    });
    let changed = world.admin().patch(&made.path(), &terms).await.ok();
    let fields = expected.as_object_mut().unwrap();
    fields.extend(terms.as_object().unwrap().clone());
    fields.insert("retry_count".to_owned(), json!(2));
    fields.insert("updated_at".to_owned(), changed["updated_at"].clone());
    assert_eq!(changed, expected);
    let nulls = json!({ "description": null, "retry_policy": null, "timeout_seconds": null });
    let cleared = world.admin().patch(&made.path(), &nulls).await.ok();
    let told = [&cleared["description"], &cleared["retry_policy"], &cleared["timeout_seconds"]];
    assert_eq!(told, [&json!(""), &json!("exponential"), &json!(10)]);

    assert_eq!(world.admin().delete(&made.path()).await.status, 204);
    world.admin().get(&made.path()).await.problem(404, "not_found");
    world.admin().delete(&made.path()).await.problem(404, "not_found");
    assert_eq!(world.admin().list("/api/webhooks").await, Vec::<Value>::new());
}

#[tokio::test]
async fn all_that_is_wrong_with_a_subscription_is_said_at_once() {
    let world = World::start(Engine::Sqlite).await;
    let bad = json!({
        "url": "ftp://example.com", "event_types": ["Not A Type"], "retry_policy": "never", "retry_count": 11,
        "timeout_seconds": 0, "max_concurrency": 0, "rate_limit_per_minute": 6_001, "signing": "rsa", "user_id": "",
        "colour": "red",
    });
    let answer = world.admin().post("/api/webhooks", &bad).await;
    let detail = answer.problem(422, "invalid");
    for field in bad.as_object().unwrap().keys() {
        assert!(detail.contains(&format!("{field}: ")), "{field}: {detail}");
    }
    assert_eq!(answer.json()["errors"].as_array().unwrap().len(), 10);
    let detail = world.admin().post("/api/webhooks", &json!({})).await.problem(422, "invalid");
    assert!(detail.contains("url: ") && detail.contains("event_types: "), "{detail}");
    for url in ["nonsense", "https://", "https://user:secret@example.com/", "file:///etc/passwd"] {
        let terms = json!({ "url": url, "event_types": ["*"], "user_id": "alice" });
        world.admin().post("/api/webhooks", &terms).await.problem(422, "invalid");
    }
    assert_eq!(world.admin().list("/api/webhooks").await, Vec::<Value>::new());
}

#[tokio::test]
async fn addresses_that_may_not_be_called_are_refused_with_the_way_out() {
    let without =
        |launch: crate::support::program::Launch| launch.without("WAYSTATION_DELIVERY__ALLOW_HOSTS");
    let world = World::start_with(Engine::Sqlite, without).await;
    let mut urls = vec![world.receiver.url()];
    for host in [
        "127.0.0.1",
        "localhost",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0x7f.1",
        "0",
        "127.1",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.1.",
        "localhost.",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:a00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
    ] {
        urls.push(format!("https://{host}/hook"));
    }
    urls.push("http://1.1.1.1/".to_owned());
    for url in urls {
        let terms = json!({ "url": url, "event_types": ["*"], "user_id": "alice" });
        let detail = world.admin().post("/api/webhooks", &terms).await.problem(422, "invalid");
        assert!(detail.contains("WAYSTATION_DELIVERY__ALLOW_HOSTS"), "{url}: {detail}");
    }
    let public = json!({ "url": "https://1.1.1.1/", "event_types": ["*"], "user_id": "alice" });
    let made = world.admin().post("/api/webhooks", &public).await.ok();
    let path = format!("/api/webhooks/{}", made["id"].as_str().unwrap());
    let detail = world.admin().patch(&path, &json!({ "url": world.receiver.url() })).await;
    assert!(detail.problem(422, "invalid").contains("WAYSTATION_DELIVERY__ALLOW_HOSTS"));
}

async fn what_is_held_while_paused_is_let_go_in_order(engine: Engine) {
    let mut world = World::start(engine).await;
    let subscription = world.subscribe(&json!({ "max_concurrency": 1 })).await;
    world.admin().patch(&subscription.path(), &json!({ "paused": true })).await.ok();
    let mut ids = Vec::new();
    for number in 0..10 {
        ids.push(world.publish(&json!(number)).await);
        // What came in within one millisecond is in no order.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for id in &ids {
        let delivery = world.delivery_when(id, "held").await;
        assert_eq!((&delivery["attempt_count"], &delivery["next_attempt_at"]), (&json!(0), &Value::Null));
    }
    assert!(world.receiver.rest().is_empty());
    world.admin().patch(&subscription.path(), &json!({ "paused": false })).await.ok();
    for id in &ids {
        assert_eq!(world.receiver.next().await.id(), id);
    }
    world.delivery_when(&ids[9], "success").await;
}

#[tokio::test]
async fn a_pause_holds_what_waits_for_its_retry_too() {
    let mut world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({ "retry_policy": [3_600] })).await;
    world.receiver.then(Reply::Status(500));
    let id = world.publish(&json!({})).await;
    world.delivery_when(&id, "retrying").await;
    world.admin().patch(&subscription.path(), &json!({ "paused": true })).await.ok();
    world.delivery_when(&id, "held").await;
    world.admin().patch(&subscription.path(), &json!({ "paused": false })).await.ok();
    assert_eq!(world.delivery_when(&id, "success").await["attempt_count"], 2);
    assert_eq!(world.receiver.rest().len(), 2);
}

#[tokio::test]
async fn changes_that_are_made_at_once_are_all_made() {
    let world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({})).await;
    for round in 1..=20 {
        let change = async |terms: Value| world.admin().patch(&subscription.path(), &terms).await.ok();
        tokio::join!(
            change(json!({ "timeout_seconds": round })),
            change(json!({ "max_concurrency": round })),
            change(json!({ "description": round.to_string() })),
        );
        let read = world.admin().get(&subscription.path()).await.ok();
        let told = [&read["timeout_seconds"], &read["max_concurrency"], &read["description"]];
        assert_eq!(told, [&json!(round), &json!(round), &json!(round.to_string())]);
    }
}

#[tokio::test]
async fn what_is_held_is_called_off_with_its_subscription() {
    let mut world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({ "paused": true })).await;
    let id = world.publish(&json!({})).await;
    world.delivery_when(&id, "held").await;
    world.admin().delete(&subscription.path()).await.ok();
    let delivery = world.delivery_when(&id, "cancelled").await;
    let retry = format!("/api/deliveries/{}/retry", delivery["id"].as_str().unwrap());
    world.admin().post(&retry, &json!({})).await.problem(409, "conflict");
    assert!(world.receiver.rest().is_empty());
}

#[tokio::test]
async fn each_subscription_gets_the_types_and_the_user_it_asked_for() {
    let mut world = World::start(Engine::Sqlite).await;
    world.subscribe(&json!({ "event_types": ["task.*"], "description": "Alice's tasks" })).await;
    world.subscribe(&json!({ "event_types": ["order.paid"], "user_id": null })).await;
    let publish = async |event_type: &str, user: Option<&str>| {
        let body = json!({ "type": event_type, "user_id": user, "data": {} });
        world.admin().post("/api/events", &body).await.ok()["event_id"].as_str().unwrap().to_owned()
    };
    let wanted = [
        publish("task.created", Some("alice")).await,
        publish("task.sub.done", Some("alice")).await,
        publish("order.paid", Some("bob")).await,
        publish("order.paid", None).await,
    ];
    let unwanted = [
        publish("task.created", Some("bob")).await,
        publish("task", Some("alice")).await,
        publish("order.paid.late", Some("alice")).await,
        publish("task.created", None).await,
    ];
    for id in &wanted {
        world.delivery_when(id, "success").await;
    }
    for id in &unwanted {
        let event = world.admin().get(&format!("/api/events/{id}")).await.ok();
        assert_eq!(event["deliveries"], json!([]), "{event}");
    }
    assert_eq!(world.receiver.rest().len(), wanted.len());
}

#[tokio::test]
async fn a_star_leaves_out_what_tells_of_our_own_work() {
    let mut world = World::start(Engine::Sqlite).await;
    world.subscribe(&json!({ "event_types": ["*"] })).await;
    let named = world.subscribe(&json!({ "event_types": ["delivery.*"], "description": "named" })).await;
    let body = json!({ "type": "delivery.failed", "user_id": "alice", "data": {} });
    let id = world.admin().post("/api/events", &body).await.ok()["event_id"].as_str().unwrap().to_owned();
    assert_eq!(world.delivery_when(&id, "success").await["subscription_id"], named.id.as_str());
    assert_eq!(world.receiver.next().await.id(), id);
}

#[tokio::test]
async fn a_subscription_can_be_tried_out() {
    let mut world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({ "event_types": ["order.paid"], "paused": true })).await;
    let path = format!("{}/test", subscription.path());
    world.receiver.then(Reply::WithBody(201, b"thank you".to_vec()));
    let trial = world.admin().post(&path, &json!({})).await.ok();
    assert_eq!((&trial["status"], &trial["response_status"]), (&json!("success"), &json!(201)));
    assert_eq!(trial["response_body"], "thank you");
    assert!(trial["duration_ms"].as_f64().unwrap() > 0.0);
    let delivered = world.receiver.next().await;
    assert_eq!(
        (delivered.header("x-webhook-event"), delivered.id()),
        ("webhook.test", trial["event_id"].as_str().unwrap())
    );
    world.receiver.then(Reply::Status(500));
    let trial = world.admin().post(&path, &json!({})).await.ok();
    assert_eq!((&trial["status"], &trial["error_code"]), (&json!("failed"), &json!("status")));
    let delivery = world.delivery_when(trial["event_id"].as_str().unwrap(), "failed").await;
    assert_eq!((&delivery["trigger"], &delivery["max_attempts"]), (&json!("test"), &json!(1)));
}

#[tokio::test]
async fn every_known_event_type_is_described() {
    let world = World::start(Engine::Sqlite).await;
    let types = world.admin().get("/api/webhooks/event-types").await.ok();
    let types = types["data"].as_array().unwrap();
    for wanted in ["github.push", "slack.message"] {
        let known = types.iter().find(|known| known["type"] == wanted).unwrap();
        assert!(known["description"].as_str().is_some_and(|text| !text.is_empty()), "{known}");
        assert!(known["example"].is_object() && known["schema"]["type"] == "object", "{known}");
        assert_eq!(known["operational"], false);
    }
}

#[tokio::test]
async fn a_secret_from_elsewhere_goes_on_signing() {
    let mut world = World::start(Engine::Sqlite).await;
    let secret = format!("whsec_{}", BASE64.encode([7; 32]));
    let subscription = world.subscribe(&json!({ "secret": secret })).await;
    assert_eq!(subscription.secret, secret);
    world.publish(&json!({})).await;
    let delivered = world.receiver.next().await;
    let of_body = format!("sha256={}", hmac_hex(&secret, &delivered.body));
    assert_eq!(delivered.header("x-webhook-signature"), of_body);
    let signed = format!("{}.{}.", delivered.id(), delivered.header("webhook-timestamp"));
    let signed = [signed.as_bytes(), &delivered.body].concat();
    let expected = format!("v1,{}", BASE64.encode(hmac(&[7; 32], &signed)));
    assert_eq!(delivered.header("webhook-signature"), expected);

    // The seed of RFC 8032's second vector, and its public half.
    let seed = "TM0Imyj/ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs=";
    let pair = world.subscribe(&json!({ "signing": "ed25519", "secret": format!("whsk_{seed}") })).await;
    assert_eq!(pair.shown["public_key"], "whpk_PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=");
    assert!(pair.shown.get("secret").is_none(), "{}", pair.shown);
    for (signing, wrong) in [
        ("standard", "whsec_c2hvcnQ="),
        ("standard", "a word"),
        ("standard", ""),
        ("ed25519", secret.as_str()),
    ] {
        let terms =
            json!({ "url": world.receiver.url(), "event_types": ["*"], "signing": signing, "secret": wrong });
        let detail = world.admin().post("/api/webhooks", &terms).await.problem(422, "invalid");
        assert!(
            detail.starts_with("secret: must be whs") && !detail.contains(&BASE64.encode([7; 32])),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_changed_or_asked_for_is_said() {
    let world = World::start(Engine::Sqlite).await;
    let subscription = world.subscribe(&json!({})).await;
    let change = json!({ "id": "sub_1", "user_id": "bob", "target": "pull", "secret": "whsec_", "statistics": {}, "colour": 1 });
    let detail = world.admin().patch(&subscription.path(), &change).await.problem(422, "invalid");
    for said in [
        "id: cannot be changed",
        "user_id: cannot be changed",
        "target: cannot be changed",
        "statistics: cannot be changed",
        "secret: is replaced by POST /api/webhooks/{id}/rotate-secret",
        "colour: there is no such field",
    ] {
        assert!(detail.contains(said), "{said}: {detail}");
    }
    let test = format!("{}/test", subscription.path());
    let detail = world.admin().post(&test, &json!({ "type": "a.b" })).await.problem(422, "invalid");
    assert!(detail.starts_with("type: there is no such field"), "{detail}");
    // A filter with a slip of the pen would show what was not asked for.
    for path in [
        "/api/deliveries?statuz=failed",
        "/api/events?event_type=a.b",
        "/api/webhooks?user=alice",
        "/api/jobs?status=running",
        "/api/rejections?since=2020-01-01T00:00:00Z",
        "/api/stats?by=hour",
        "/api/webhooks/event-types?q=a",
        "/api/webhooks/events/pending?lease=10",
    ] {
        let detail = world.admin().get(path).await.problem(400, "unreadable");
        assert!(detail.contains("unknown field") && !detail.contains("deserialize"), "{path}: {detail}");
    }
    let detail = world.admin().get("/api/deliveries?status=lost").await.problem(400, "unreadable");
    assert!(detail.starts_with("status: ") && detail.contains("`failed`"), "{detail}");
}
