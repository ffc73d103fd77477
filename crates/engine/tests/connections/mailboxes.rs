//! What happens in a mailbox is told once, in its order, with what is needed to understand it.

use std::time::Duration;

use domain::connection::{Granted, State};
use domain::{ConnectionId, job};
use engine::Engine;
use engine::connections::{NewConnection, Tokens};
use sandbox::Mail;
use serde_json::{Value, json};
use store::Position;

use crate::world::World;

const ALICE: &str = "alice@example.com";
/// The usual hour, and the tenth that is put on top.
const HOUR: i64 = 3_960;

const IN: Mail<'static> = Mail {
    from: "Bob <bob@example.com>",
    to: "\"Liddell, Alice\" <alice@example.com>, carol@example.com",
    subject: "Mend the door",
    replies_to: None,
    labels: &["INBOX", "UNREAD"],
};
const OUT: Mail<'static> = Mail {
    from: ALICE,
    to: "bob@example.com",
    subject: "Re: Mend the door",
    replies_to: None,
    labels: &["SENT"],
};

async fn world() -> (World, Engine, ConnectionId) {
    let world = World::start().await;
    let node = world.node().await;
    world.sandbox.world().mail(ALICE, &IN);
    world.pass(1);
    let expires_at = world.now().plus(Duration::from_secs(3_600));
    let id = world.connect(&node.connections, "gmail", ALICE, expires_at).await;
    (world, node, id)
}

async fn look_after(world: &World, node: &Engine, seconds: i64) {
    world.pass(seconds);
    node.connections.refresh_all().await.unwrap();
    node.connections.poll_all().await.unwrap();
}

/// The data of events of a kind, in the order of the log.
async fn told(world: &World, kind: &str) -> Vec<Value> {
    let log = world.store.read_log(Position::START, 10_000).await.unwrap();
    let of_kind = log.iter().filter(|logged| logged.event.event_type.as_str() == format!("email.{kind}"));
    of_kind.map(|logged| serde_json::from_str(logged.event.data.as_str()).unwrap()).collect()
}

async fn ids(world: &World, kind: &str) -> Vec<String> {
    told(world, kind).await.iter().map(|data| data["message_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_happens_in_a_mailbox_is_told_once() {
    let (world, node, _) = world().await;
    let gmail = world.sandbox.world();
    // Before anybody has asked, and after it was connected: it must not fall between the two.
    let first = gmail.mail(ALICE, &IN);
    look_after(&world, &node, 0).await;
    assert_eq!(ids(&world, "received").await, [first.as_str()], "what was there before is no news");

    world.pass(5);
    let reply = gmail.mail(ALICE, &Mail { replies_to: Some(&first), ..OUT });
    let answer = gmail.mail(ALICE, &Mail { replies_to: Some(&reply), ..IN });
    gmail.mail(ALICE, &Mail { labels: &["DRAFT"], ..OUT });
    gmail.take_labels(ALICE, &first, &["UNREAD"]);
    gmail.put_labels(ALICE, &first, &["UNREAD"]);
    gmail.take_labels(ALICE, &answer, &["UNREAD", "INBOX"]);
    gmail.put_labels(ALICE, &answer, &["Label_1"]);
    gmail.put_labels(ALICE, &first, &["TRASH"]);
    let gone = gmail.mail(ALICE, &IN);
    gmail.delete_mail(ALICE, &gone);
    for _ in 0..3 {
        look_after(&world, &node, HOUR).await;
    }

    assert_eq!(
        ids(&world, "received").await,
        [first.as_str(), &answer],
        "one was gone before it could be told"
    );
    assert_eq!(ids(&world, "sent").await, [reply.as_str()]);
    assert_eq!(ids(&world, "read").await, [first.as_str(), &answer]);
    assert_eq!(ids(&world, "unread").await, [first.as_str()]);
    assert_eq!(ids(&world, "trashed").await, [first.as_str()]);
    assert_eq!(ids(&world, "deleted").await, [gone.as_str()]);
    let changes = told(&world, "labels_changed").await;
    let changes: Vec<_> = changes.iter().map(|data| (&data["added"], &data["removed"])).collect();
    assert_eq!(changes, [(&json!([]), &json!(["INBOX"])), (&json!(["Label_1"]), &json!([]))]);

    let answered = &told(&world, "received").await[1];
    assert_eq!(answered["in_reply_to"], format!("<{reply}@sandbox>"));
    assert_eq!((&answered["thread_has_earlier"], &answered["thread_id"]), (&json!(true), &json!(first)));
    assert_eq!(answered["to"], json!(["\"Liddell, Alice\" <alice@example.com>", "carol@example.com"]));
    assert_eq!((&answered["from"], &answered["subject"]), (&json!(IN.from), &json!(IN.subject)));
    let opening = &told(&world, "received").await[0];
    assert_eq!((&opening["in_reply_to"], &opening["thread_has_earlier"]), (&json!(null), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_history_is_forgotten_no_mail_is_missed_or_told_twice() {
    let (world, node, id) = world().await;
    let gmail = world.sandbox.world();
    look_after(&world, &node, 0).await;
    let mut sent = Vec::new();
    for day in 0..4 {
        for _ in 0..60 {
            world.pass(30);
            sent.push(gmail.mail(ALICE, &IN));
        }
        if day % 2 == 1 {
            gmail.forget_history(ALICE);
        }
        for _ in 0..3 {
            look_after(&world, &node, HOUR).await;
        }
        assert_eq!(ids(&world, "received").await, sent, "day {day}");
    }
    assert!(world.connection(id).await.connection.last_sync_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_mail_is_told_within_the_quota_and_on_another_node() {
    let (world, node, id) = world().await;
    let other = world.node().await;
    let gmail = world.sandbox.world();
    look_after(&world, &node, 0).await;
    let sent: Vec<_> = (0..700).map(|_| gmail.mail(ALICE, &IN)).collect();
    look_after(&world, &node, HOUR).await;
    let told_first = ids(&world, "received").await.len();
    assert!((100..300).contains(&told_first), "a minute's units: {told_first}");
    for _ in 0..4 {
        look_after(&world, &other, 61).await;
    }
    assert_eq!(ids(&world, "received").await, sent);
    let connection = world.connection(id).await.connection;
    assert_eq!(connection.state_reason, None, "Gmail never had to say no");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_breaks_off_goes_on_where_it_was() {
    let (world, node, _) = world().await;
    let gmail = world.sandbox.world();
    look_after(&world, &node, 0).await;
    let sent: Vec<_> = (0..20).map(|_| gmail.mail(ALICE, &IN)).collect();
    world.pass(HOUR);
    for status in [500, 503, 500] {
        // Each time it comes a few calls further.
        gmail.pass_api_calls("gmail", 6);
        gmail.fail_next_api_call("gmail", status);
        look_after(&world, &node, 60).await;
    }
    let told = ids(&world, "received").await.len();
    assert!((10..20).contains(&told), "{told}");
    look_after(&world, &node, 60).await;
    assert_eq!(ids(&world, "received").await, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_composio_holds_is_asked_when_somebody_wants_it() {
    let world = World::start().await;
    let node = world.node().await;
    let composio = world.sandbox.world();
    composio.mail("ca_1", &IN);
    world.pass(1);
    let new = NewConnection {
        user_id: "alice".parse().unwrap(),
        provider: providers::connectable("composio").unwrap(),
        account_id: Some("ca_1".to_owned()),
        tokens: Tokens::default(),
        granted: Granted::default(),
        settings: None,
    };
    let connection = node.connections.connect(new).await.unwrap();
    let sent: Vec<_> = (0..60).map(|_| composio.mail("ca_1", &IN)).collect();
    look_after(&world, &node, 86_400).await;
    assert_eq!(composio.api_calls("composio"), 0, "nobody has asked for it");

    composio.fail_next_api_call("composio", 500);
    let job = node.connections.sync(&connection).await.unwrap();
    look_after(&world, &node, 1).await;
    let state = || async { world.store.job(job).await.unwrap().unwrap().job.state };
    assert_eq!(state().await, job::State::Running, "it is tried again");
    look_after(&world, &node, 59).await;
    assert_eq!(state().await, job::State::Completed);
    let mut told = ids(&world, "received").await;
    told.sort_unstable();
    assert_eq!(told, sent);
    let connection = world.connection(connection.connection.id).await.connection;
    assert_eq!((connection.state, connection.last_sync_at.is_some()), (State::Active, true));
}
