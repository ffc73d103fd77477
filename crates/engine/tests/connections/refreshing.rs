//! Tokens stay fresh, are refreshed once, and a grant that is dead is given up once.

use std::sync::Arc;
use std::time::Duration;

use domain::connection::State;
use sandbox::Fault;

use crate::world::World;

const HOUR: i64 = 3_600;

fn in_an_hour(world: &World) -> domain::Timestamp {
    world.now().plus(Duration::from_secs(3_600))
}

/// Waits for what comes at once, unless something is wrong.
async fn soon<T>(coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), coming).await.expect("within a minute")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tokens_are_refreshed_once_each_though_a_node_dies_half_way() {
    let world = World::start().await;
    let (one, other) = (world.node().await, world.node().await);
    let expires_at = in_an_hour(&world);
    let (mut ids, half) = (Vec::new(), 500);
    for number in 0..half {
        ids.push(world.connect(&one.connections, "github", &format!("octo-{number}"), expires_at).await);
    }
    world.pass(HOUR - 600);
    let refresh = |node: &engine::Engine| {
        let connections = Arc::clone(&node.connections);
        tokio::spawn(async move { connections.refresh_all().await })
    };
    for node in [refresh(&one), refresh(&other)] {
        soon(node).await.unwrap().unwrap();
    }
    assert_eq!(world.sandbox.world().refreshes("github").len(), half);
    for number in half..1_000 {
        ids.push(world.connect(&one.connections, "github", &format!("octo-{number}"), expires_at).await);
    }
    world.sandbox.world().hold_after(0);
    let dying = tokio::runtime::Runtime::new().unwrap();
    let connections = Arc::clone(&one.connections);
    dying.spawn(async move { connections.refresh_all().await });
    let living = refresh(&other);
    // Each has claimed eight, and the provider has acted on none of them.
    soon(world.sandbox.world().held(16)).await;
    dying.shutdown_background();
    soon(world.sandbox.world().held(8)).await;
    world.sandbox.world().release();
    soon(living).await.unwrap().unwrap();
    let refreshes = world.sandbox.world().refreshes("github");
    assert_eq!(refreshes.len(), 992, "the rest are in dead hands");

    world.pass(61);
    other.connections.refresh_all().await.unwrap();
    let refreshes = world.sandbox.world().refreshes("github");
    assert_eq!(refreshes.len(), 1_000);
    assert!(refreshes.values().all(|&count| count == 1), "{refreshes:?}");
    assert_eq!(world.sandbox.world().token_calls("github"), 1_008);
    for id in ids {
        let stored = world.connection(id).await;
        assert_eq!(stored.connection.state, State::Active);
        assert!(stored.connection.expires_at > Some(expires_at));
    }
}

/// One looks for tokens that have expired, the other meets them on its way to ask for what is new.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_refreshed_once_by_one_who_looks_and_one_who_needs_it() {
    let world = World::start().await;
    let (looks, needs) = (world.node().await.connections, world.node().await.connections);
    let (mut ids, rounds) = (Vec::new(), 100);
    for number in 0..16 {
        ids.push(world.connect(&looks, "github", &format!("octo-{number}"), in_an_hour(&world)).await);
    }
    for _ in 0..rounds {
        world.pass(10 * HOUR);
        let looking = Arc::clone(&looks);
        let looking = tokio::spawn(async move { looking.refresh_all().await });
        needs.poll_all().await.unwrap();
        looking.await.unwrap().unwrap();
    }
    let refreshes = world.sandbox.world().refreshes("github");
    assert_eq!(refreshes.len(), ids.len());
    assert!(refreshes.values().all(|&count| count == rounds), "{refreshes:?}");
    assert!(world.events("connection.needs_reauth").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_tokens_are_written_down_before_anybody_uses_them() {
    let world = World::start().await;
    let node = world.node().await;
    let id = world.connect(&node.connections, "github", "octo", in_an_hour(&world)).await;
    world.pass(HOUR);
    // That it is about to be refreshed can be written down; what comes cannot.
    world.model.fail("change_connection", 1..u64::MAX);
    let connections = Arc::clone(&node.connections);
    let refreshing = tokio::spawn(async move { connections.refresh_all().await });
    soon(async {
        while world.sandbox.world().refreshes("github").is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let github = providers::connectable("github").unwrap();
    let who = || {
        let ask = |settings: &_, token: &_| github.ask_identity(settings, token).unwrap();
        node.connections.call_for(id, 10_000, ask, |answer, now| github.read_identity(answer, now))
    };
    let called = who().await;
    assert!(called.is_err(), "nobody has a token that is good: {called:?}");

    world.model.fail("change_connection", 0..0);
    soon(refreshing).await.unwrap().unwrap();
    assert_eq!(who().await.unwrap(), "octo");
    assert_eq!(world.sandbox.world().refreshes("github")["octo"], 1, "it was not asked for twice");
    assert_eq!(world.sandbox.world().stale_calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_goes_on_though_whoever_wanted_the_token_has_gone() {
    let world = World::start().await;
    let node = world.node().await;
    let id = world.connect(&node.connections, "github", "octo", in_an_hour(&world)).await;
    world.pass(HOUR);
    world.sandbox.world().hold_after(0);
    let connections = Arc::clone(&node.connections);
    let wanted = tokio::spawn(async move { connections.refresh_all().await });
    soon(world.sandbox.world().held(1)).await;
    wanted.abort();
    assert!(wanted.await.unwrap_err().is_cancelled());
    world.sandbox.world().release();
    soon(async {
        while world.connection(id).await.connection.expires_at <= Some(world.now()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(world.sandbox.world().refreshes("github")["octo"], 1);
    assert_eq!(world.connection(id).await.connection.state, State::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_ends_in_needs_reauth_and_in_no_storm() {
    let world = World::start().await;
    let node = world.node().await;
    let id = world.connect(&node.connections, "github", "octo", in_an_hour(&world)).await;
    world.sandbox.world().fail_next("github", Fault::AnswerLost);
    world.pass(HOUR - 600);
    node.connections.refresh_all().await.unwrap();
    assert_eq!(world.connection(id).await.connection.state, State::Degraded);
    node.connections.refresh_all().await.unwrap();
    assert_eq!(world.sandbox.world().token_calls("github"), 1, "not at once again");

    world.pass(60);
    node.connections.refresh_all().await.unwrap();
    let connection = world.connection(id).await.connection;
    assert_eq!(connection.state, State::NeedsReauth);
    let reason = connection.state_reason.unwrap();
    assert!(reason.contains("the answer to a refresh was lost"), "{reason}");
    let events = world.events("connection.needs_reauth").await;
    assert_eq!(events.len(), 1);
    assert!(events[0].contains(&id.to_string()) && events[0].contains("was lost"), "{}", events[0]);

    for _ in 0..48 {
        world.pass(HOUR);
        node.connections.refresh_all().await.unwrap();
    }
    assert_eq!(world.sandbox.world().token_calls("github"), 2);
    assert_eq!(world.events("connection.needs_reauth").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_was_taken_back_is_given_up_at_once_at_every_provider() {
    let world = World::start().await;
    let node = world.node().await;
    let google = "google";
    for (provider, application) in [
        ("github", "github"),
        ("slack", "slack"),
        ("gmail", google),
        ("youtube", google),
        ("discord", "discord"),
        ("spotify", "spotify"),
    ] {
        let calls = world.sandbox.world().token_calls(application);
        let id = world.connect(&node.connections, provider, "alice", in_an_hour(&world)).await;
        world.sandbox.world().revoke(provider, "alice");
        world.pass(HOUR);
        node.connections.refresh_all().await.unwrap();
        assert_eq!(world.connection(id).await.connection.state, State::NeedsReauth, "{provider}");
        world.pass(HOUR);
        node.connections.refresh_all().await.unwrap();
        assert_eq!(world.sandbox.world().token_calls(application), calls + 1, "{provider}");
    }
    assert_eq!(world.events("connection.needs_reauth").await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_application_stops_its_refreshes_and_costs_no_user_their_grant() {
    let world = World::start().await;
    let node = world.node().await;
    let mut ids = Vec::new();
    for number in 0..40 {
        let account = format!("alice-{number}");
        ids.push(world.connect(&node.connections, "slack", &account, in_an_hour(&world)).await);
    }
    let other = world.connect(&node.connections, "discord", "bob", in_an_hour(&world)).await;
    (0..8).for_each(|_| world.sandbox.world().fail_next("slack", Fault::UnknownApplication));
    world.pass(HOUR - 600);
    node.connections.refresh_all().await.unwrap();
    assert!(world.sandbox.world().token_calls("slack") <= 8, "no more than were under way");
    assert_eq!(world.sandbox.world().refreshes("discord").len(), 1, "another application's go on");
    assert_eq!(world.connection(other).await.connection.state, State::Active);
    for id in &ids {
        assert_ne!(world.connection(*id).await.connection.state, State::NeedsReauth);
    }
    assert!(world.events("connection.needs_reauth").await.is_empty());

    // The operator has put it right. A fault that nobody has met is still to come; then all is well.
    for _ in 0..3 {
        world.pass(700);
        node.connections.refresh_all().await.unwrap();
    }
    let refreshes = world.sandbox.world().refreshes("slack");
    assert_eq!(refreshes.len(), 40);
    assert!(refreshes.values().all(|&count| count == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_application_rests_on_every_node_until_it_is_put_right() {
    let world = World::start().await;
    let node = world.node_under("a wrong secret").await;
    for account in ["alice", "bob"] {
        world.connect(&node.connections, "spotify", account, in_an_hour(&world)).await;
    }
    world.pass(HOUR - 600);
    node.connections.refresh_all().await.unwrap();
    let calls = world.sandbox.world().token_calls("spotify");
    let soon = world.now().plus(Duration::from_secs(900));
    world.connect(&node.connections, "spotify", "carol", soon).await;
    world.pass(590);

    // The same node as it starts again, and another.
    for node in [&node, &world.node_under("a wrong secret").await] {
        node.connections.wake_applications().await.unwrap();
        node.connections.refresh_all().await.unwrap();
    }
    assert_eq!(world.sandbox.world().token_calls("spotify"), calls, "it rests for ten minutes");

    let right = world.node().await;
    right.connections.wake_applications().await.unwrap();
    right.connections.refresh_all().await.unwrap();
    assert!(world.sandbox.world().refreshes("spotify").contains_key("carol"), "it does not wait for that");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_provider_is_left_alone_for_as_long_as_it_asks() {
    let world = World::start().await;
    let node = world.node().await;
    let id = world.connect(&node.connections, "spotify", "alice", in_an_hour(&world)).await;
    world.sandbox.world().fail_next("spotify", Fault::Status(429));
    world.sandbox.world().fail_next("spotify", Fault::Status(503));
    world.pass(HOUR - 600);
    node.connections.refresh_all().await.unwrap();
    world.pass(119);
    node.connections.refresh_all().await.unwrap();
    assert_eq!(world.sandbox.world().token_calls("spotify"), 1, "it asked for two minutes");
    let connection = world.connection(id).await.connection;
    assert_eq!((connection.state, connection.refresh.failures), (State::Degraded, 1));

    world.pass(2);
    node.connections.refresh_all().await.unwrap();
    world.pass(67);
    node.connections.refresh_all().await.unwrap();
    assert_eq!(world.sandbox.world().token_calls("spotify"), 3);
    let connection = world.connection(id).await.connection;
    assert_eq!((connection.state, connection.state_reason), (State::Active, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_refresh_token_it_ends_when_the_token_does() {
    let world = World::start().await;
    let node = world.node().await;
    let new = engine::connections::NewConnection {
        user_id: "alice".parse().unwrap(),
        provider: providers::connectable("github").unwrap(),
        account_id: Some("octo".to_owned()),
        tokens: engine::connections::Tokens::default(),
        granted: domain::connection::Granted { expires_at: Some(in_an_hour(&world)), scopes: None },
        settings: None,
    };
    let id = node.connections.connect(new).await.unwrap().connection.id;
    world.pass(HOUR - 600);
    node.connections.refresh_all().await.unwrap();
    assert_eq!(world.connection(id).await.connection.state, State::Active);
    world.pass(600);
    node.connections.refresh_all().await.unwrap();
    assert_eq!(world.connection(id).await.connection.state, State::NeedsReauth);
    assert_eq!(world.sandbox.world().token_calls("github"), 0);
}

/// Some days of every provider: whenever anybody looks, the token that is kept opens the API.
#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_ever_stale() {
    let world = World::start().await;
    let node = world.node().await;
    let providers = [
        ("github", 28_800),
        ("slack", 43_200),
        ("gmail", 3_599),
        ("youtube", 3_599),
        ("discord", 604_800),
        ("spotify", 3_600),
    ];
    let mut ids = Vec::new();
    for (provider, lives) in providers {
        let expires_at = world.now().plus(Duration::from_secs(lives));
        ids.push((provider, world.connect(&node.connections, provider, "alice", expires_at).await));
    }
    let end = world.now().plus(Duration::from_secs(3 * 86_400));
    while world.now() < end {
        for (provider, id) in &ids {
            let stored = world.connection(*id).await;
            let token = node.connections.tokens_of(&stored).unwrap().access_token.unwrap();
            assert!(world.sandbox.world().opens(provider, token.reveal()), "{provider} at {}", world.now());
        }
        // The check comes every five minutes.
        world.pass(300);
        node.connections.refresh_all().await.unwrap();
    }
    assert!(world.events("connection.needs_reauth").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_consent_is_told_fourteen_and_three_days_ahead() {
    let world = World::start().await;
    let node = world.node().await;
    world.connect(&node.connections, "spotify", "alice", in_an_hour(&world)).await;
    world.connect(&node.connections, "gmail", "alice", in_an_hour(&world)).await;
    let told = || async { world.events("connection.expiring").await };
    let mut at_day = 0;
    for (day, count) in [(167, 0), (168, 1), (169, 1), (178, 1), (179, 2), (181, 2)] {
        world.pass((day - at_day) * 24 * HOUR);
        at_day = day;
        node.connections.refresh_all().await.unwrap();
        assert_eq!(told().await.len(), count, "day {day}");
    }
    let told: Vec<serde_json::Value> =
        told().await.iter().map(|data| serde_json::from_str(data).unwrap()).collect();
    let mut days: Vec<_> = told.iter().map(|data| data["days_ahead"].as_u64().unwrap()).collect();
    days.sort_unstable();
    assert_eq!(days, [3, 14]);
    assert!(told.iter().all(|data| data["provider"] == "spotify" && data["expires_at"].is_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn spotifys_six_months_end_in_needs_reauth() {
    let world = World::start().await;
    let node = world.node().await;
    let end = world.now().plus(Duration::from_secs(182 * 86_400));
    let pair = world.sandbox.world().grant("spotify", "alice");
    world.pass(181 * 86_400);
    let id = world.connect_pair(&node.connections, "spotify", "alice", pair, in_an_hour(&world)).await;
    while world.connection(id).await.connection.state == State::Active {
        let due = world.store.next_task_at("refresh spotify").await.unwrap().unwrap();
        world.pass_until(due);
        node.connections.refresh_all().await.unwrap();
    }
    assert!(world.now() >= end);
    assert!(world.sandbox.world().refreshes("spotify")["alice"] >= 20);
    let connection = world.connection(id).await.connection;
    assert_eq!(connection.state_reason.as_deref(), Some("invalid_grant"));
}
