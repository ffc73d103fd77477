//! Looking at what there is, and sending it once more, from the shell.

use sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::database::Engine;
use crate::support::program::{Ended, Launch};
use crate::support::receiver::Reply;
use crate::support::sender::now_seconds;
use crate::support::until;
use crate::support::world::World;

/// What a command that must work has printed.
fn printed(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout.trim_end()
}

async fn run(launch: &Launch, arguments: &str) -> Ended {
    launch.run(&arguments.split_whitespace().collect::<Vec<_>>()).await
}

async fn json_of(launch: &Launch, arguments: &str) -> Value {
    serde_json::from_str(printed(&run(launch, &format!("{arguments} --json")).await)).unwrap()
}

/// Its lines. Those of a list fit a terminal.
async fn table(launch: &Launch, arguments: &str) -> Vec<String> {
    let ended = run(launch, arguments).await;
    let lines: Vec<_> = printed(&ended).lines().map(str::to_owned).collect();
    let is_list = arguments.contains(" list");
    lines.iter().filter(|_| is_list).for_each(|line| assert!(line.chars().count() <= 120, "{line}"));
    lines
}

#[tokio::test]
async fn what_is_there_is_shown_as_tables_and_as_json() {
    let mut world = World::start(Engine::Sqlite).await;
    let launch = world.launch.clone().env("WAYSTATION_URL", &format!("http://{}", world.program.address));
    let transform = "(event) => ({ body: event.data })";
    let subscription = world.subscribe(&json!({ "retry_count": 0, "transform": transform })).await;
    world.receiver.then(Reply::Status(500));
    let id = world.publish(&json!({ "n": 1.0 })).await;
    let delivery = world.delivery_when(&id, "failed").await["id"].as_str().unwrap().to_owned();
    world.receiver.next().await;

    let subscriptions = table(&launch, "subscriptions list --user alice").await;
    assert!(subscriptions[0].starts_with("ID ") && subscriptions[1].starts_with(&subscription.id));
    assert!(subscriptions[1].contains("active"), "{subscriptions:?}");
    let shown = table(&launch, &format!("subscriptions show {}", subscription.id)).await;
    assert!(shown.iter().any(|line| line.starts_with("url ") && line.ends_with(&world.receiver.url())));
    assert!(!shown.join("").contains("whsec_"));
    assert!(
        shown.iter().any(|line| line.starts_with("transform ") && line.ends_with(transform)),
        "{shown:?}"
    );
    assert!(!shown.iter().any(|line| line.starts_with("headers ")), "there are none: {shown:?}");

    let events = table(&launch, "events list --type task.created --since 1h").await;
    assert!(events[1].starts_with(&id) && events[1].contains("alice"), "{events:?}");
    let shown = table(&launch, &format!("events show {id}")).await;
    assert!(shown.iter().any(|line| line == r#"{"n":1.0}"#), "{shown:?}");
    let last = shown.last().unwrap();
    assert!(last.starts_with(&delivery) && last.contains(&subscription.id), "{shown:?}");
    assert_eq!(json_of(&launch, "events list --until 1h").await, json!({ "data": [] }));

    let deliveries = table(&launch, "deliveries list --status failed").await;
    assert!(deliveries[1].starts_with(&delivery) && deliveries[1].contains("1/1"), "{deliveries:?}");
    let listed = json_of(&launch, "deliveries list").await;
    assert_eq!(listed["data"], json!(world.admin().list("/api/deliveries").await));
    let shown = table(&launch, &format!("deliveries show {delivery}")).await;
    assert!(shown.iter().any(|line| line.contains("initial") && line.contains("500")), "{shown:?}");

    let retried = run(&launch, &format!("deliveries retry {delivery}")).await;
    assert_eq!(printed(&retried), format!("{delivery} is pending"));
    assert_eq!(world.receiver.next().await.id(), id);
    world.delivery_when(&id, "success").await;
    let late = run(&launch, &format!("deliveries cancel {delivery}")).await;
    assert_eq!(late.code, Some(1));
    assert!(late.stderr.contains("409") && late.stderr.contains("is success already"), "{late:?}");
    let again = json_of(&launch, &format!("events resend {id} --subscription {}", subscription.id)).await;
    assert_eq!((&again["event_id"], &again["trigger"]), (&json!(id), &json!("manual")));
    assert_eq!(world.receiver.next().await.id(), id);

    for (wrong, code, said) in [
        ("deliveries list --status lost", 1, "400"),
        ("deliveries list --since yesterday", 2, "or how long ago"),
        ("deliveries show dlv_1", 2, "32 hexadecimal digits"),
        ("subscriptions list --key wrong", 1, "401"),
        ("subscriptions list --url http://127.0.0.1:1", 1, "cannot connect: "),
        ("listen --forward 127.0.0.1:3000", 2, "whole URL"),
        ("listen --forward ftp://127.0.0.1/", 2, "whole URL"),
        ("listen --forward http://127.0.0.1:1 --secret short", 2, "--secret"),
    ] {
        let ended = run(&launch, wrong).await;
        assert_eq!((ended.code, ended.stderr.contains(said)), (Some(code), true), "{ended:?}");
    }
}

#[tokio::test]
async fn many_are_sent_once_more_after_they_were_counted() {
    let mut world = World::start(Engine::Sqlite).await;
    let launch = world.launch.clone().env("WAYSTATION_URL", &format!("http://{}", world.program.address));
    let subscription = world.subscribe(&json!({ "retry_count": 0 })).await;
    world.receiver.always(Reply::Status(500));
    for number in 0..3 {
        let id = world.publish(&json!(number)).await;
        world.delivery_when(&id, "failed").await;
        world.receiver.next().await;
    }
    world.receiver.always(Reply::Status(200));
    let bulk = format!("deliveries bulk retry --since 1h --subscription {}", subscription.id);
    assert_eq!(printed(&run(&launch, &format!("{bulk} --dry-run")).await), "3 deliveries would be retried");
    // Nobody is there to be asked.
    let unasked = run(&launch, &bulk).await;
    assert_eq!(unasked.code, Some(1));
    assert!(unasked.stderr.contains("3 deliveries will be retried: pass --yes"), "{unasked:?}");
    assert_eq!(printed(&run(&launch, &format!("{bulk} --yes")).await), "3 of 3 deliveries retried");
    for _ in 0..3 {
        world.receiver.next().await;
    }

    let replay = format!("replay {} --since 1h", subscription.id);
    assert_eq!(json_of(&launch, &format!("{replay} --dry-run")).await, json!({ "count": 3 }));
    let missing = run(&launch, &format!("{replay} --only missing --yes")).await;
    assert_eq!(printed(&missing), "0 of 0 events replayed");
    let job = json_of(&launch, &format!("{replay} --yes")).await;
    assert_eq!((&job["state"], &job["done"]), (&json!("completed"), &json!(3)));
    for _ in 0..3 {
        world.receiver.next().await;
    }
    let begun = json_of(&launch, &format!("{replay} --yes --no-wait")).await;
    let id = begun["job_id"].as_str().unwrap();
    let jobs = table(&launch, "jobs list").await;
    assert_eq!(jobs.len(), 5);
    assert!(jobs[1].starts_with(id) && jobs[1].contains("replay"), "{jobs:?}");
    assert!(table(&launch, &format!("jobs show {id}")).await[1].ends_with("replay"));
}

/// A server among stand-ins for providers.
async fn world_among(sandbox: &Sandbox) -> World {
    World::start_with(Engine::Sqlite, |launch| {
        let launch = launch.env("WEBHOOK_BASE_URL", "http://way.test");
        sandbox.environment().iter().fold(launch, |launch, (name, value)| launch.env(name, value))
    })
    .await
}

/// Connects an account of Alice's; its id.
async fn connect(world: &World, sandbox: &Sandbox, provider: &str) -> String {
    let pair = sandbox.world().grant(provider, "octo");
    let body = json!({
        "user_id": "alice", "provider": provider, "account_id": "octo", "expires_in": 3_600,
        "access_token": pair.access, "refresh_token": pair.refresh,
    });
    world.admin().post("/api/connections", &body).await.ok()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn accounts_are_shown_asked_for_what_is_new_and_removed() {
    let sandbox = Sandbox::start(now_seconds).await;
    let world = world_among(&sandbox).await;
    let launch = world.launch.clone().env("WAYSTATION_URL", &format!("http://{}", world.program.address));
    let github = connect(&world, &sandbox, "github").await;
    let route = format!("/api/connections/{github}/registrations");
    let registration = world.admin().post(&route, &json!({ "target": "acme/shop" })).await.ok();
    let spotify = connect(&world, &sandbox, "spotify").await;

    let listed = table(&launch, "connections list --user alice").await;
    assert!(listed[1].starts_with(&spotify) && listed[2].starts_with(&github), "{listed:?}");
    assert!(listed[2].contains("github") && listed[2].contains("octo"), "{listed:?}");
    let shown = table(&launch, &format!("connections show {github}")).await;
    assert!(shown.iter().any(|line| line.starts_with("account_id ") && line.ends_with("octo")), "{shown:?}");
    let last = shown.last().unwrap();
    assert!(
        last.starts_with(registration["id"].as_str().unwrap()) && last.contains("acme/shop"),
        "{shown:?}"
    );
    let shown = table(&launch, &format!("connections show {spotify}")).await;
    assert!(!shown.join("").contains("acme/shop"), "that is the other's: {shown:?}");

    until("the provider has been asked", || async {
        let connection = json_of(&launch, &format!("connections show {spotify}")).await;
        connection["last_sync_at"].is_string().then_some(())
    })
    .await;
    sandbox.world().play_at("octo", "spotify:track:1", now_seconds() + 60);
    let asked = run(&launch, &format!("connections sync {spotify}")).await;
    assert_eq!(printed(&asked), "1 new event");

    let removed = run(&launch, &format!("connections remove {spotify}")).await;
    assert_eq!(printed(&removed), format!("{spotify} is removed"));
    let again = run(&launch, &format!("connections remove {spotify}")).await;
    assert!(again.code == Some(1) && again.stderr.contains("404"), "{again:?}");
    assert_eq!(json_of(&launch, "connections list").await["data"].as_array().unwrap().len(), 1);
}

/// What the doctor says of one check.
fn said_of<'a>(lines: &'a [String], check: &str) -> &'a str {
    let line = lines.iter().find(|line| line.split_whitespace().nth(1) == Some(check));
    line.unwrap_or_else(|| panic!("nothing is said of {check}: {lines:?}"))
}

/// Where a server answers that is no Waystation.
async fn somebody_else() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, axum::Router::new().fallback(|| async { "hello" })).into_future());
    url
}

#[tokio::test]
async fn a_doctor_finds_what_is_well_and_what_is_not() {
    let sandbox = Sandbox::start(now_seconds).await;
    let mut world = world_among(&sandbox).await;
    let launch = world.launch.clone().env("WAYSTATION_LISTEN", &world.program.address.to_string());
    until("what is the application's own is registered", || async {
        let registered = world.admin().list("/api/webhooks/list").await;
        (registered.len() == 1 && registered[0]["state"] == "active").then_some(())
    })
    .await;
    let lines = table(&launch, "doctor").await;
    for (check, verdict, detail) in [
        ("server", "ok", "with its store in reach"),
        ("key", "ok", "operator"),
        ("clock", "ok", "agrees"),
        ("address", "warning", "http://way.test is not reached from here"),
        ("connections", "ok", "there are none"),
        ("registrations", "ok", "1, all well"),
        ("endpoints", "ok", "there are none"),
        ("door", "ok", "nobody was refused"),
    ] {
        let line = said_of(&lines, check);
        assert!(line.starts_with(verdict) && line.contains(detail), "{line}");
    }

    world.subscribe(&json!({ "retry_count": 0 })).await;
    world.receiver.always(Reply::Status(500));
    let id = world.publish(&json!(1)).await;
    world.delivery_when(&id, "failed").await;
    world.receiver.next().await;
    let unsigned = world.program.anyone().post("/api/webhooks/github/alice", &json!({})).await;
    assert_eq!(unsigned.status, 401);
    let github = connect(&world, &sandbox, "github").await;
    let route = format!("/api/connections/{github}/registrations");
    world.admin().post(&route, &json!({ "target": "acme/shop" })).await.ok();
    until("the refusal is written down", || async {
        let lines = table(&launch, "doctor").await;
        let is_seen =
            said_of(&lines, "door").starts_with("warning  door           1 refused in the last hour: ");
        is_seen.then_some(())
    })
    .await;
    let lines = table(&launch, "doctor").await;
    let endpoints = said_of(&lines, "endpoints");
    assert!(endpoints.starts_with("warning") && endpoints.contains("1 of 1: "), "{endpoints}");
    assert!(endpoints.contains(&world.receiver.url()) && endpoints.contains("failing since"), "{endpoints}");
    assert!(said_of(&lines, "connections").ends_with("1, all well"), "{lines:?}");

    // What is one user's says nothing of the others', and of another server this configuration knows nothing.
    let key = world.admin().post("/api/keys", &json!({ "name": "bob", "user_id": "bob" })).await.ok();
    let url = format!("http://{}", world.program.address);
    let of_bob = format!("doctor --url {url} --key {}", key["key"].as_str().unwrap());
    let checks = json_of(&launch, &of_bob).await;
    let found: Vec<_> =
        checks["checks"].as_array().unwrap().iter().map(|it| (&it["check"], &it["verdict"])).collect();
    let names = ["server", "key", "clock", "connections", "registrations", "endpoints", "door"];
    assert_eq!(found.len(), names.len());
    for ((check, verdict), name) in found.into_iter().zip(names) {
        assert_eq!((check, verdict), (&json!(name), &json!("ok")), "{checks}");
    }

    let elsewhere = somebody_else().await;
    for (arguments, said) in [
        ("doctor --key wrong".to_owned(), "failed   key            it is answered 401"),
        ("doctor --url http://127.0.0.1:1".to_owned(), "failed   server         no answer from "),
        (format!("doctor --url {elsewhere}"), "is no Waystation"),
    ] {
        let ended = run(&launch, &arguments).await;
        assert_eq!((ended.code, ended.stdout.contains(said)), (Some(1), true), "{ended:?}");
        assert!(ended.stderr.contains("checks failed"), "{ended:?}");
    }
}
