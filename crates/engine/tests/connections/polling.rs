//! What is new at a provider is an event once, whatever happens on the way.

use std::time::Duration;

use domain::ConnectionId;
use domain::connection::State;
use domain::job;
use engine::Engine;
use futures::future::join_all;

use crate::world::World;

const HOUR: i64 = 3_600;
/// The usual half hour, and the tenth that is put on top.
const HALF_AN_HOUR: i64 = 1_980;

async fn world() -> (World, Engine, ConnectionId) {
    let world = World::start().await;
    let node = world.node().await;
    world.sandbox.world().play("alice", "spotify:track:before");
    world.pass(1);
    let id = world.connect(&node.connections, "spotify", "alice", in_an_hour(&world)).await;
    world.pass(1);
    (world, node, id)
}

fn in_an_hour(world: &World) -> domain::Timestamp {
    world.now().plus(Duration::from_secs(3_600))
}

/// Looks, as it would by itself.
async fn look(node: &Engine) {
    node.connections.refresh_all().await.unwrap();
    node.connections.poll_all().await.unwrap();
}

async fn heard(world: &World) -> usize {
    world.events("spotify.track.played").await.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_play_is_an_event_once_and_none_from_before() {
    let (world, node, id) = world().await;
    look(&node).await;
    assert_eq!(heard(&world).await, 0, "what was there before connecting is no news");
    for day in 1..=3 {
        for play in 0..40 {
            world.pass(45);
            world.sandbox.world().play("alice", &format!("spotify:track:{day}x{play}"));
            look(&node).await;
        }
        world.pass(HALF_AN_HOUR);
        look(&node).await;
        assert_eq!(heard(&world).await, day * 40);
    }
    let calls = world.sandbox.world().api_calls("spotify");
    assert!((4..=8).contains(&calls), "it is asked every half hour: {calls}");
    assert_eq!(world.sandbox.world().stale_calls(), 0);
    assert!(world.connection(id).await.connection.last_sync_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_moves_once_the_events_before_it_are_durable() {
    let (world, node, _) = world().await;
    look(&node).await;
    world.sandbox.world().play("alice", "spotify:track:1");
    world.pass(HALF_AN_HOUR);
    world.model.fail("append", 0..1);
    look(&node).await;
    assert_eq!(heard(&world).await, 0, "there was nowhere to keep it");
    world.pass(61);
    look(&node).await;
    assert_eq!(heard(&world).await, 1, "it is asked for again once the claim has lapsed");

    // It dies between the two. Then the page is read again, and its events are known.
    world.sandbox.world().play("alice", "spotify:track:2");
    world.pass(HALF_AN_HOUR);
    world.model.fail("finish_sync", 0..1);
    look(&node).await;
    assert_eq!(heard(&world).await, 2);
    let calls = world.sandbox.world().api_calls("spotify");
    world.pass(61);
    look(&world.node().await).await;
    assert_eq!((world.sandbox.world().api_calls("spotify"), heard(&world).await), (calls + 1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_ask_once() {
    let (world, node, _) = world().await;
    let other = world.node().await;
    for account in 0..40 {
        world.connect(&node.connections, "spotify", &account.to_string(), in_an_hour(&world)).await;
    }
    let polls = [&node, &other].map(|node| node.connections.poll_all());
    join_all(polls).await.into_iter().for_each(|polled| polled.unwrap());
    assert_eq!(world.sandbox.world().api_calls("spotify"), 41);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_that_is_used_up_is_left_alone_by_all_of_the_application() {
    let (world, node, id) = world().await;
    world.connect(&node.connections, "spotify", "bob", in_an_hour(&world)).await;
    look(&node).await;
    world.sandbox.world().play("alice", "spotify:track:1");
    world.pass(HALF_AN_HOUR);
    world.sandbox.world().fail_next_api_call("spotify", 429);
    let calls = world.sandbox.world().api_calls("spotify");
    look(&node).await;
    let asked = world.sandbox.world().api_calls("spotify") - calls;
    assert!(asked <= 2, "no more than were under way");
    world.pass(29);
    look(&node).await;
    assert_eq!(world.sandbox.world().api_calls("spotify"), calls + asked, "it wants to be left alone");
    world.pass(2);
    look(&node).await;
    assert_eq!((world.sandbox.world().api_calls("spotify"), heard(&world).await), (calls + 3, 1));
    assert_eq!(world.connection(id).await.connection.state, State::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_poll_is_tried_again_within_a_minute_and_told_if_it_goes_on_failing() {
    let (world, node, id) = world().await;
    world.sandbox.world().play("alice", "spotify:track:1");
    (0..4).for_each(|_| world.sandbox.world().fail_next_api_call("spotify", 503));
    look(&node).await;
    world.pass(6);
    look(&node).await;
    assert_eq!(world.sandbox.world().api_calls("spotify"), 2);
    assert_eq!(world.connection(id).await.connection.state, State::Active, "a hiccup is nobody's business");
    for _ in 0..2 {
        world.pass(30);
        look(&node).await;
    }
    assert_eq!(world.connection(id).await.connection.state, State::Degraded);
    world.pass(60);
    look(&node).await;
    assert_eq!((world.connection(id).await.connection.state, heard(&world).await), (State::Active, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_taken_is_replaced_and_nothing_is_missed() {
    let (world, node, id) = world().await;
    look(&node).await;
    world.sandbox.world().forget_access("spotify", "alice");
    world.sandbox.world().play("alice", "spotify:track:1");
    world.pass(HALF_AN_HOUR);
    look(&node).await;
    assert_eq!(heard(&world).await, 1);
    assert_eq!(world.sandbox.world().refreshes("spotify")["alice"], 1);
    assert_eq!(world.connection(id).await.connection.state, State::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_takes_no_token_however_fresh_ends_in_needs_reauth() {
    let (world, node, id) = world().await;
    look(&node).await;
    (0..20).for_each(|_| world.sandbox.world().fail_next_api_call("spotify", 401));
    world.pass(HALF_AN_HOUR);
    look(&node).await;
    assert_eq!(world.connection(id).await.connection.state, State::Active, "the first try says little");
    for _ in 0..6 {
        world.pass(60);
        look(&node).await;
    }
    assert_eq!(world.connection(id).await.connection.state, State::NeedsReauth);
    assert_eq!(world.events("connection.needs_reauth").await.len(), 1);
    let (calls, refreshes) =
        (world.sandbox.world().api_calls("spotify"), world.sandbox.world().token_calls("spotify"));
    for _ in 0..24 {
        world.pass(HOUR);
        look(&node).await;
    }
    assert_eq!(world.sandbox.world().api_calls("spotify"), calls);
    assert_eq!(world.sandbox.world().token_calls("spotify"), refreshes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_grant_is_not_polled_and_goes_on_where_it_was() {
    let (world, node, id) = world().await;
    look(&node).await;
    world.sandbox.world().revoke("spotify", "alice");
    world.pass(HALF_AN_HOUR);
    look(&node).await;
    assert_eq!(world.connection(id).await.connection.state, State::NeedsReauth, "the first poll finds out");
    let calls = world.sandbox.world().api_calls("spotify");
    world.sandbox.world().play("alice", "spotify:track:meanwhile");
    for _ in 0..24 {
        world.pass(HOUR);
        look(&node).await;
    }
    assert_eq!(world.sandbox.world().api_calls("spotify"), calls);

    assert_eq!(world.connect(&node.connections, "spotify", "alice", in_an_hour(&world)).await, id);
    look(&node).await;
    assert_eq!(heard(&world).await, 1, "what was played meanwhile is not missed");
    assert_eq!(world.events("connection.needs_reauth").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_asks_now_and_ends_with_the_poll() {
    let (world, node, id) = world().await;
    look(&node).await;
    world.sandbox.world().play("alice", "spotify:track:1");
    world.pass(1);
    let stored = world.connection(id).await;
    let job = node.connections.sync(&stored).await.unwrap();
    assert_eq!(node.connections.sync(&stored).await.unwrap(), job, "one is under way");
    look(&node).await;
    let ended = world.store.job(job).await.unwrap().unwrap().job;
    assert_eq!((ended.state, ended.done, ended.total), (job::State::Completed, 1, Some(1)));
    assert_eq!(heard(&world).await, 1);

    // The provider wants to be left alone: the job waits for that.
    let job = node.connections.sync(&stored).await.unwrap();
    world.sandbox.world().fail_next_api_call("spotify", 429);
    look(&node).await;
    let state = |job| world_job(&world.store, job);
    assert_eq!(state(job).await, job::State::Running);
    world.pass(31);
    look(&node).await;
    assert_eq!(state(job).await, job::State::Completed);

    // What cannot be asked any more fails.
    let job = node.connections.sync(&stored).await.unwrap();
    world.sandbox.world().revoke("spotify", "alice");
    look(&node).await;
    assert_eq!(state(job).await, job::State::Failed);
    let dead = world.connection(id).await;
    assert!(node.connections.sync(&dead).await.is_err());
}

async fn world_job(store: &std::sync::Arc<dyn store::Store>, id: domain::JobId) -> job::State {
    store.job(id).await.unwrap().unwrap().job.state
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_does_at_github_is_told_once_and_costs_little_when_nothing_is_new() {
    let world = World::start().await;
    let node = world.node().await;
    let github = world.sandbox.world();
    github.act("octo", "PushEvent");
    world.pass(1);
    let id = world.connect(&node.connections, "github", "octo", in_an_hour(&world)).await;
    look(&node).await;
    for _ in 0..250 {
        world.pass(1);
        github.act("octo", "IssuesEvent");
    }
    for _ in 0..4 {
        world.pass(7 * HOUR);
        look(&node).await;
    }
    assert_eq!(world.events("github.activity.issues").await.len(), 250);
    assert!(world.events("github.activity.push").await.is_empty());
    assert_eq!(github.api_calls("github"), 1 + 3 + 3, "three pages once, and then one that has not changed");

    github.act("octo", "WatchEvent");
    github.fail_next_api_call("github", 403);
    world.pass(7 * HOUR);
    look(&node).await;
    world.pass(890);
    look(&node).await;
    assert!(world.events("github.activity.watch").await.is_empty(), "its rate is not back");
    world.pass(11);
    look(&node).await;
    assert_eq!(world.events("github.activity.watch").await.len(), 1);
    assert_eq!(world.connection(id).await.connection.state, State::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_channel_publishes_and_likes_is_told_once_and_a_quota_is_left_alone() {
    let world = World::start().await;
    let node = world.node().await;
    let youtube = world.sandbox.world();
    youtube.publish_video("UC1", "before");
    world.pass(1);
    world.connect(&node.connections, "youtube", "UC1", in_an_hour(&world)).await;
    look(&node).await;
    for video in 0..120 {
        world.pass(1);
        youtube.publish_video("UC1", &video.to_string());
    }
    youtube.like_video("UC1", "liked");
    for _ in 0..3 {
        world.pass(3 * HOUR);
        look(&node).await;
    }
    assert_eq!(world.events("youtube.video.published").await.len(), 120);
    assert_eq!(world.events("youtube.video.liked").await.len(), 1);

    youtube.like_video("UC1", "another");
    youtube.fail_next_api_call("youtube", 403);
    let calls = youtube.api_calls("youtube");
    for _ in 0..30 {
        world.pass(HOUR);
        look(&node).await;
    }
    assert_eq!(world.events("youtube.video.liked").await.len(), 2);
    let asked = youtube.api_calls("youtube") - calls;
    assert!(asked < 30, "it rests until midnight: {asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_that_is_used_up_rests_the_polls_of_every_node() {
    let (world, node, _) = world().await;
    let spotify = world.sandbox.world();
    spotify.fail_next_api_call("spotify", 429);
    look(&node).await;
    assert_eq!(spotify.api_calls("spotify"), 1);
    world.connect(&node.connections, "spotify", "bob", in_an_hour(&world)).await;
    world.pass(29);
    for node in [&node, &world.node().await] {
        look(node).await;
    }
    assert_eq!(spotify.api_calls("spotify"), 1, "half a minute was asked for");
    world.pass(2);
    look(&world.node().await).await;
    assert_eq!(spotify.api_calls("spotify"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_around_a_discord_user_is_told_each_time_it_does() {
    let world = World::start().await;
    let node = world.node().await;
    let discord = world.sandbox.world();
    discord.join_guild("42", "1", "Before");
    world.connect(&node.connections, "discord", "42", world.now().plus(Duration::from_secs(500_000))).await;
    look(&node).await;
    for _ in 0..3 {
        discord.join_guild("42", "2", "Now");
        world.pass(5 * HOUR);
        look(&node).await;
        discord.leave_guild("42", "2");
        world.pass(5 * HOUR);
        look(&node).await;
    }
    discord.join_guild("42", "1", "Afterwards");
    discord.rename_discord_user("42", "Nelly");
    world.pass(5 * HOUR);
    look(&node).await;
    let count = |event_type: &'static str| {
        let world = &world;
        async move { world.events(event_type).await.len() }
    };
    assert_eq!((count("discord.guild.joined").await, count("discord.guild.left").await), (3, 3));
    assert_eq!((count("discord.guild.updated").await, count("discord.user.updated").await), (1, 1));
    let updated = &world.events("discord.guild.updated").await[0];
    assert!(updated.contains("Before") && updated.contains("Afterwards"), "{updated}");
}

/// Looks once a minute, for so long, at nodes that take turns.
async fn look_each_minute(world: &World, nodes: &[Engine], minutes: usize) {
    for minute in 0..minutes {
        world.pass(61);
        look(&nodes[minute % nodes.len()]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_in_slack_is_told_once_and_so_are_replies_however_late() {
    let world = World::start().await;
    let nodes = [world.node().await, world.node().await];
    let slack = world.sandbox.world();
    let before = slack.say("C1", "U2", "before");
    slack.open_channel("C2");
    slack.open_channel("C3");
    world.pass(1);
    let id = world.connect_for(&nodes[0].connections, "alice", "slack", "U1").await;
    let mut said = Vec::new();
    for number in 0..20 {
        world.pass(1);
        said.push(slack.say("C1", "U2", &number.to_string()));
    }
    // To one of the last, and to one from before the account was connected.
    for to in [&before, &said[18].clone()] {
        world.pass(1);
        (0..20).for_each(|number| said.push(slack.reply("C1", to, "U3", &number.to_string())));
    }
    look_each_minute(&world, &nodes, 12).await;
    assert_eq!(moments(&world).await, sorted(&said));

    world.pass(3 * 24 * HOUR);
    said.push(slack.reply("C1", &said[18].clone(), "U3", "late"));
    said.push(slack.say("C3", "U2", "elsewhere"));
    let calls = slack.api_calls("slack");
    look_each_minute(&world, &nodes, 8).await;
    assert_eq!(moments(&world).await, sorted(&said));
    let asked = slack.api_calls("slack") - calls;
    assert_eq!(asked, 2 + 3 + 1, "two pages of channels, the three, and one thread");
    let connection = world.connection(id).await.connection;
    assert_eq!((connection.state, connection.state_reason), (State::Active, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_rings_for_a_provider_that_wants_to_be_left_alone_waits_too() {
    let world = World::start().await;
    let nodes = [world.node().await, world.node().await, world.node().await];
    let slack = world.sandbox.world();
    slack.open_channel("C1");
    let id = world.connect_for(&nodes[0].connections, "alice", "slack", "U1").await.to_string();
    look(&nodes[0]).await;
    world.pass(10);
    // Each node keeps to the pace by itself; another hears from Slack that the minute is not over.
    assert!(world.store.ring_task("poll slack", &id, world.now()).await.unwrap());
    look(&nodes[1]).await;
    let calls = slack.api_calls("slack");
    world.pass(10);
    assert!(world.store.ring_task("poll slack", &id, world.now()).await.unwrap());
    look(&nodes[2]).await;
    assert_eq!(slack.api_calls("slack"), calls, "it is to be left alone for a minute");
    world.pass(41);
    look(&nodes[2]).await;
    assert_eq!(slack.api_calls("slack"), calls + 1);
}

/// When each message was posted that was told.
async fn moments(world: &World) -> Vec<String> {
    let told = world.events("slack.message").await;
    let ts = |data: &String| {
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        data["event"]["ts"].as_str().unwrap().to_owned()
    };
    sorted(&told.iter().map(ts).collect::<Vec<_>>())
}

fn sorted(moments: &[String]) -> Vec<String> {
    let mut sorted = moments.to_vec();
    sorted.sort_unstable();
    sorted
}
