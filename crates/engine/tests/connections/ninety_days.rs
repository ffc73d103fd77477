//! Ninety days of all accounts that are asked: nothing stale is ever shown, and each change is told once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::ConnectionId;
use domain::connection::State;
use engine::Engine;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use sandbox::Mail;
use serde_json::Value;

use crate::world::World;

const SEED: u64 = 20_261_122;
const DAYS: i64 = 90;
const MAILBOX: &str = "alice@example.com";
const CHANNEL: &str = "UCalice";

/// What is asked, with the account and the seconds that its tokens live.
const ACCOUNTS: [(&str, &str, u64); 5] = [
    ("github", "alice", 28_800),
    ("gmail", MAILBOX, 3_599),
    ("youtube", CHANNEL, 3_599),
    ("discord", "42", 604_800),
    ("spotify", "alice", 3_600),
];

/// What was done at the providers: by event type, what tells one from another.
type Done = BTreeMap<&'static str, BTreeSet<String>>;

#[tokio::test(flavor = "multi_thread")]
async fn ninety_days_of_all_accounts() {
    let world = World::start().await;
    let nodes = [world.node().await, world.node().await];
    let mut rng = SmallRng::seed_from_u64(SEED);
    let mut ids = Vec::new();
    for (provider, account, lives) in ACCOUNTS {
        ids.push(connect(&world, &nodes[0], provider, account, lives).await);
    }
    let doomed = connect(&world, &nodes[0], "spotify", "bob", 3_600).await;
    look(&nodes[0]).await;

    let (beginning, mut done) = (world.now(), Done::new());
    let mut revoked_at = None;
    for turn in 0.. {
        world.pass(rng.random_range(3 * 3_600..12 * 3_600));
        if world.now() > beginning.plus(days(DAYS)) {
            break;
        }
        if turn % 2 == 0 {
            act(&world, &mut rng, &mut done, turn / 2);
        }
        if revoked_at.is_none() && world.now() > beginning.plus(days(60)) {
            world.sandbox.world().revoke("spotify", "bob");
            revoked_at = Some(world.now());
        }
        let node = &nodes[rng.random_range(0..2)];
        // Whichever comes first: a poll does not trust a token that has expired.
        if rng.random() {
            node.connections.poll_all().await.unwrap();
        }
        look(node).await;
        let is_reported = world.connection(doomed).await.connection.state == State::NeedsReauth;
        assert_eq!(is_reported, revoked_at.is_some(), "a dead grant is found out by the next look");
    }
    // What was done last, by all who may have been told to rest until tomorrow.
    for _ in 0..4 {
        world.pass(8 * 3_600);
        look(&nodes[0]).await;
    }

    assert_eq!(world.sandbox.world().stale_calls(), 0, "a token was shown after its time");
    for id in ids {
        let connection = world.connection(id).await.connection;
        assert_eq!(connection.state, State::Active, "{}: {:?}", connection.provider, connection.state_reason);
    }
    assert_eq!(world.events("connection.needs_reauth").await.len(), 1);
    for (event_type, expected) in &done {
        let told = told(&world, event_type).await;
        let unique: BTreeSet<_> = told.iter().cloned().collect();
        assert_eq!(told.len(), unique.len(), "{event_type} was told twice");
        assert_eq!(&unique, expected, "{event_type}");
        assert!(expected.len() > 50, "{event_type}: {}", expected.len());
    }
    assert_eq!(done.len(), 9);
}

const fn days(count: i64) -> Duration {
    Duration::from_secs(count.unsigned_abs() * 86_400)
}

async fn connect(
    world: &World,
    node: &Engine,
    provider: &'static str,
    account: &str,
    lives: u64,
) -> ConnectionId {
    let expires_at = world.now().plus(Duration::from_secs(lives));
    world.connect(&node.connections, provider, account, expires_at).await
}

/// Looks, as a node does by itself.
async fn look(node: &Engine) {
    node.connections.refresh_all().await.unwrap();
    node.connections.poll_all().await.unwrap();
}

/// Something happens at each provider, and now and then something goes wrong.
fn act(world: &World, rng: &mut SmallRng, done: &mut Done, turn: usize) {
    let at = world.sandbox.world();
    let mut note = |event_type, id: String| done.entry(event_type).or_default().insert(id);
    let name = format!("n{turn}");

    at.play("alice", &format!("spotify:track:{name}"));
    note("spotify.track.played", format!("spotify:track:{name}"));
    note("github.activity.push", at.act("alice", "PushEvent"));
    at.publish_video(CHANNEL, &name);
    note("youtube.video.published", name.clone());
    at.like_video(CHANNEL, &name);
    note("youtube.video.liked", name.clone());

    let mail = Mail {
        from: "bob@example.com",
        to: MAILBOX,
        subject: &name,
        labels: &["INBOX", "UNREAD"],
        ..Mail::default()
    };
    let received = at.mail(MAILBOX, &mail);
    at.take_labels(MAILBOX, &received, &["UNREAD"]);
    note("email.read", received.clone());
    let sent = Mail { labels: &["SENT"], replies_to: Some(&received), ..mail };
    note("email.sent", at.mail(MAILBOX, &sent));
    at.put_labels(MAILBOX, &received, &["TRASH"]);
    note("email.trashed", received.clone());
    note("email.received", received);

    if turn.is_multiple_of(2) {
        at.join_guild("42", &name, "A server");
        note("discord.guild.joined", name);
    }
    match rng.random_range(0..20) {
        0 => at.fail_next_api_call("spotify", 429),
        1 => at.fail_next_api_call("gmail", 503),
        2 => at.fail_next_api_call("youtube", 403),
        3 => at.fail_next_api_call("github", 403),
        4 => at.fail_next_api_call("discord", 429),
        5 => at.forget_access("gmail", MAILBOX),
        6 => at.forget_access("discord", "42"),
        _ => {}
    }
}

/// What tells the events of a type from each other.
async fn told(world: &World, event_type: &str) -> Vec<String> {
    let mut told = Vec::new();
    for data in world.events(event_type).await {
        let data: Value = serde_json::from_str(&data).unwrap();
        let id = match event_type {
            "spotify.track.played" => &data["track"]["uri"],
            "youtube.video.published" | "youtube.video.liked" => &data["video_id"],
            _ if event_type.starts_with("email.") => &data["message_id"],
            _ => &data["id"],
        };
        told.push(id.as_str().unwrap().to_owned());
    }
    told
}
