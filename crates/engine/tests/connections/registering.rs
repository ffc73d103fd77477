//! What is set up at providers is set up once, renewed before it lapses, and goes with its connection.

use std::time::Duration;

use domain::registration::{Basis, State};
use domain::{ConnectionId, Registration, UserId};
use engine::Engine;
use engine::ingest::Refused;
use engine::registrations::NewRegistration;
use providers::register::registrable;
use providers::{RawRequest, Unsigned, by_name};
use store::{Page, RegistrationFilter};

use crate::world::World;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const HOOK_URL: &str = "http://way.test/api/webhooks/github/alice";

/// What is wanted for a connection.
async fn want(world: &World, node: &Engine, id: ConnectionId, target: &str, events: &[&str]) -> Registration {
    let connection = world.connection(id).await.connection;
    let provider = registrable(&connection.provider).unwrap();
    let new = NewRegistration {
        provider,
        basis: Basis::Connection(id),
        user_id: Some(connection.user_id),
        account_id: connection.account_id,
        target: provider.target(target).unwrap(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        config: None,
        secret: None,
    };
    let stored = node.registrations.want(new).await.unwrap();
    node.registrations.work_all().await.unwrap();
    let current = world.store.registration(stored.registration.id).await.unwrap();
    current.unwrap().registration
}

async fn registrations(world: &World) -> Vec<Registration> {
    let all = world.store.registrations(&RegistrationFilter::default(), &Page::first(100)).await.unwrap();
    all.into_iter().map(|stored| stored.registration).collect()
}

/// The only registration.
async fn only(world: &World) -> Registration {
    let [only] = registrations(world).await.try_into().unwrap();
    only
}

/// What happens at a node while time goes by: tokens are refreshed, and registrations looked after.
async fn tick(world: &World, node: &Engine, seconds: i64) {
    world.pass(seconds);
    node.connections.refresh_all().await.unwrap();
    node.registrations.work_all().await.unwrap();
}

async fn disconnect(world: &World, node: &Engine, id: ConnectionId) {
    assert!(node.connections.disconnect(&world.connection(id).await).await.unwrap());
    node.registrations.work_all().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_is_made_once_put_right_daily_and_removed_with_its_connection() {
    let world = World::start().await;
    let (node, pushing) = (world.node().await, world.sandbox.world().pushing());
    // Others are on the first pages.
    (0..4).for_each(|other| pushing.add_hook("acme/shop", &format!("https://else.test/{other}")));
    let id = world.connect_for(&node.connections, "alice", "github", "octo").await;
    let made = want(&world, &node, id, "Acme/Shop", &[]).await;
    assert_eq!((made.state, made.target.as_str(), made.url.as_str()), (State::Active, "acme/shop", HOOK_URL));
    let ours =
        || pushing.hooks("acme/shop").into_iter().filter(|hook| hook.url == HOOK_URL).collect::<Vec<_>>();
    assert_eq!((ours().len(), made.external_id), (1, Some(ours()[0].id.to_string())));
    assert_eq!(ours()[0].secret.as_deref(), Some("hook-secret"));

    // Wanted otherwise, it is changed; the same hook.
    let changed = want(&world, &node, id, "acme/shop", &["push", "issues"]).await;
    assert_eq!((changed.id, changed.state), (made.id, State::Active));
    assert_eq!(
        (ours().len(), ours()[0].events.as_slice()),
        (1, ["push".to_owned(), "issues".to_owned()].as_slice())
    );

    // Removed by hand, it is there again within a day.
    pushing.clear_hooks("acme/shop");
    for _ in 0..24 {
        tick(&world, &node, HOUR).await;
    }
    assert_eq!((ours().len(), ours()[0].secret.is_some()), (1, true));

    // The provider is away when the connection goes; its tokens stay good until the hook is gone.
    pushing.fail_next("github", 503);
    disconnect(&world, &node, id).await;
    assert_eq!((only(&world).await.state, ours().len()), (State::Removing, 1));
    assert!(world.store.connections(None, &Page::first(10)).await.unwrap().is_empty());
    tick(&world, &node, 40).await;
    assert!(registrations(&world).await.is_empty() && ours().is_empty());
    assert_eq!(world.store.connection(id).await.unwrap(), None);
    assert_eq!(world.store.next_task_at("registration github").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_is_found_and_not_made_again() {
    let world = World::start().await;
    let (node, pushing) = (world.node().await, world.sandbox.world().pushing());
    (0..4).for_each(|other| pushing.add_hook("acme/shop", &format!("https://else.test/{other}")));
    pushing.add_hook("acme/shop", HOOK_URL);
    let id = world.connect_for(&node.connections, "alice", "github", "octo").await;
    let found = want(&world, &node, id, "acme/shop", &[]).await;
    let hooks = pushing.hooks("acme/shop");
    assert_eq!((hooks.len(), found.external_id), (5, Some(hooks[4].id.to_string())));
    assert_eq!((hooks[4].events.as_slice(), hooks[4].secret.is_some()), (["*".to_owned()].as_slice(), true));
    assert!(pushing.calls("POST /github").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_set_nothing_up_twice() {
    let world = World::start().await;
    let (one, other) = (world.node().await, world.node().await);
    let pushing = world.sandbox.world().pushing();
    let id = world.connect_for(&one.connections, "alice", "github", "octo").await;
    let repositories: Vec<_> = (0..20).map(|number| format!("acme/shop-{number}")).collect();
    let github = registrable("github").unwrap();
    let wanted = |node: &Engine, target: &str| {
        let new = NewRegistration {
            provider: github,
            basis: Basis::Connection(id),
            user_id: Some("alice".parse().unwrap()),
            account_id: "octo".to_owned(),
            target: target.to_owned(),
            events: Vec::new(),
            config: None,
            secret: None,
        };
        let registrations = std::sync::Arc::clone(&node.registrations);
        async move { registrations.want(new).await.unwrap() }
    };
    for repository in &repositories {
        tokio::join!(wanted(&one, repository), wanted(&other, repository));
    }
    let start = |node: &Engine| {
        let registrations = std::sync::Arc::clone(&node.registrations);
        tokio::spawn(async move {
            registrations.ensure_applications().await.unwrap();
            registrations.work_all().await.unwrap();
        })
    };
    let (first, second) = (start(&one), start(&other));
    first.await.unwrap();
    second.await.unwrap();
    for repository in &repositories {
        assert_eq!(pushing.hooks(repository).len(), 1);
    }
    assert_eq!(pushing.calls("POST /github").len(), 20);
    assert_eq!(pushing.unipile_webhooks().len(), 3);
    assert_eq!(pushing.calls("POST /unipile").len(), 3);
    assert_eq!(pushing.calls("POST /composio").len(), 1);
    let all = registrations(&world).await;
    assert_eq!(all.len(), 20 + 3 + 1 + 1);
    assert!(all.iter().all(|registration| registration.state == State::Active), "{all:?}");

    // A restart, and a month.
    let again = world.node().await;
    again.registrations.ensure_applications().await.unwrap();
    again.registrations.work_all().await.unwrap();
    for _ in 0..30 {
        tick(&world, &again, DAY).await;
    }
    assert_eq!((pushing.calls("POST /github").len(), pushing.calls("POST /unipile").len()), (20, 3));
    assert_eq!(pushing.calls("POST /composio").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applications_webhooks_are_ensured_at_each_start_and_daily() {
    let world = World::start().await;
    let pushing = world.sandbox.world().pushing();
    let nowhere = world.node_at(None).await;
    nowhere.registrations.ensure_applications().await.unwrap();
    nowhere.registrations.work_all().await.unwrap();
    assert!(pushing.calls("").is_empty(), "nobody can be told where to push to");

    let node = world.node().await;
    node.registrations.ensure_applications().await.unwrap();
    node.registrations.work_all().await.unwrap();
    let webhooks = pushing.unipile_webhooks();
    let mut sources: Vec<_> = webhooks.iter().map(|webhook| webhook["source"].as_str().unwrap()).collect();
    sources.sort_unstable();
    assert_eq!(sources, ["account_status", "email", "messaging"]);
    assert!(webhooks.iter().all(|w| w["request_url"] == "http://way.test/api/webhooks/unipile/messages"));
    assert_eq!(pushing.composio_subscriptions()[0]["webhook_url"], "http://way.test/api/webhooks/composio");
    let application = pushing.discord_application();
    assert_eq!(application["event_webhooks_url"], "http://way.test/api/webhooks/discord");
    assert_eq!(application["event_webhooks_status"], 2);

    // Composio signs with a secret of its own, which nobody has set here.
    let secret = pushing.composio_subscriptions()[0]["secret"].as_str().unwrap().to_owned();
    assert!(is_believed(&world, &node, "composio", None, &secret, br#"{"type":"composio.x"}"#).await);
    assert!(!is_believed(&world, &node, "composio", None, "another", br#"{"type":"composio.x"}"#).await);

    pushing.disable_discord();
    tick(&world, &node, DAY).await;
    assert_eq!(pushing.discord_application()["event_webhooks_status"], 2);

    // The address has changed: what is there is told so, or replaced.
    let moved = world.node_at(Some("http://moved.test")).await;
    moved.registrations.ensure_applications().await.unwrap();
    moved.registrations.work_all().await.unwrap();
    let webhooks = pushing.unipile_webhooks();
    assert_eq!(webhooks.len(), 3);
    assert!(webhooks.iter().all(|w| w["request_url"] == "http://moved.test/api/webhooks/unipile/messages"));
    let subscriptions = pushing.composio_subscriptions();
    assert_eq!(
        (subscriptions.len(), &subscriptions[0]["webhook_url"]),
        (1, &"http://moved.test/api/webhooks/composio".into())
    );
    assert_eq!(pushing.discord_application()["event_webhooks_url"], "http://moved.test/api/webhooks/discord");
    assert!(registrations(&world).await.iter().all(|registration| registration.state == State::Active));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_never_lapses_and_ends_with_the_last_who_wants_it() {
    let world = World::start().await;
    let (node, gmail) = (world.node().await, world.sandbox.world());
    let mailbox = "alice@example.com";
    gmail.watch_elsewhere(mailbox, "projects/way/topics/old");
    let alices = world.connect_for(&node.connections, "alice", "gmail", mailbox).await;
    node.registrations.work_all().await.unwrap();
    let watch = gmail.watch_of(mailbox).unwrap();
    assert_eq!((watch.topic.as_str(), watch.count), ("projects/way/topics/mail", 1));
    assert_eq!(gmail.pushing().calls("POST /gmail").len(), 3, "watch, stop, watch");
    assert_eq!((only(&world).await.target, only(&world).await.state), (mailbox.to_owned(), State::Active));

    for hour in 0..(21 * 24) {
        tick(&world, &node, HOUR).await;
        let left = gmail.watch_of(mailbox).unwrap().until - world.now().as_seconds();
        assert!(left > 5 * DAY, "{left} s are left in hour {hour}");
    }
    let count = gmail.watch_of(mailbox).unwrap().count;
    assert!((21..=26).contains(&count), "it was renewed daily, not {count} times");

    // Google is away for two days.
    for _ in 0..48 {
        gmail.pushing().fail_next("gmail", 500);
        tick(&world, &node, HOUR).await;
        assert!(gmail.watch_of(mailbox).is_some());
    }
    assert_eq!(only(&world).await.state, State::Active);
    assert!(only(&world).await.state_reason.is_some());
    gmail.pushing().recover("gmail");
    for _ in 0..200 {
        tick(&world, &node, HOUR).await;
    }
    assert_eq!((only(&world).await.state_reason, gmail.watch_of(mailbox).is_some()), (None, true));

    // Two share it.
    let bobs = world.connect_for(&node.connections, "bob", "gmail", mailbox).await;
    node.registrations.work_all().await.unwrap();
    disconnect(&world, &node, alices).await;
    assert!(gmail.watch_of(mailbox).is_some() && world.store.connection(alices).await.unwrap().is_none());
    disconnect(&world, &node, bobs).await;
    assert!(gmail.watch_of(mailbox).is_none() && registrations(&world).await.is_empty());
}

/// Whether a provider that signs with `secret` is believed.
async fn is_believed(
    world: &World,
    node: &Engine,
    provider: &str,
    user: Option<&UserId>,
    secret: &str,
    body: &'static [u8],
) -> bool {
    let provider = by_name(provider).unwrap();
    let unsigned = Unsigned { id: None, body, at: world.now() };
    let headers = provider.sign(secret, &unsigned).unwrap();
    let headers = headers.into_iter().map(|(name, value)| (name, value.parse().unwrap())).collect();
    let request = RawRequest { headers, ..RawRequest::post("", body) };
    !matches!(node.intake.read(provider, user, &request).await, Err(Refused::Unverified(_)))
}

/// The hub asks back whatever it has to.
async fn let_hub_ask(world: &World, node: &Engine, user: &UserId) {
    for question in world.sandbox.world().hub_questions() {
        let reply =
            node.intake.confirm(by_name("youtube").unwrap(), Some(user), &question.query).await.unwrap();
        world.sandbox.world().answer_hub(&question, &reply.map(|reply| reply.body).unwrap_or_default());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_renewed_in_time_with_another_secret() {
    let world = World::start().await;
    let (node, hub) = (world.node().await, world.sandbox.world());
    let user: UserId = "alice".parse().unwrap();
    let callback = "http://way.test/api/webhooks/youtube/alice";
    let topic = "https://www.youtube.com/xml/feeds/videos.xml?channel_id=UC1";
    let id = world.connect_for(&node.connections, "alice", "youtube", "UC1").await;
    node.registrations.work_all().await.unwrap();
    assert_eq!(only(&world).await.state, State::Pending, "the hub has not asked back");

    // Somebody else's questions are not ours.
    let forged = "hub.mode=subscribe&hub.challenge=1&hub.lease_seconds=9&hub.topic=https%3A%2F%2Fwww.youtube.com%2Fxml%2Ffeeds%2Fvideos.xml%3Fchannel_id%3DUC2";
    let youtube = by_name("youtube").unwrap();
    assert_eq!(node.intake.confirm(youtube, Some(&user), forged).await.unwrap(), None);
    let bob: UserId = "bob".parse().unwrap();
    let ours = forged.replace("UC2", "UC1");
    assert_eq!(node.intake.confirm(youtube, Some(&bob), &ours).await.unwrap(), None);

    let_hub_ask(&world, &node, &user).await;
    let registration = only(&world).await;
    assert_eq!(registration.state, State::Active);
    assert_eq!(registration.expires_at, Some(world.now().plus(Duration::from_secs(432_000))));
    let secret = |world: &World| {
        let alive = world.sandbox.world().hub_subscriptions(callback);
        alive.get(topic).unwrap_or_else(|| panic!("it has lapsed at {}", world.now())).clone().unwrap()
    };
    let mut secrets = vec![secret(&world)];
    for _ in 0..(28 * 4) {
        tick(&world, &node, 6 * HOUR).await;
        // The old one signs until the new one is confirmed, and what was on its way then is believed as well.
        assert!(is_believed(&world, &node, "youtube", Some(&user), &secret(&world), b"").await);
        let before = secret(&world);
        let_hub_ask(&world, &node, &user).await;
        for secret in [&before, &secret(&world)] {
            assert!(is_believed(&world, &node, "youtube", Some(&user), secret, b"").await);
        }
        if secret(&world) != before {
            secrets.push(secret(&world));
        }
    }
    assert!((7..=9).contains(&secrets.len()), "every four days or a little earlier, not {}", secrets.len());
    assert!(!is_believed(&world, &node, "youtube", Some(&user), &secrets[0], b"").await, "a month old");
    assert!(
        !is_believed(&world, &node, "youtube", Some(&bob), &secret(&world), b"").await,
        "that is alice's"
    );

    // The word of a stranger that it is over makes us ask again.
    let calls = hub.pushing().calls("POST /hub").len();
    let denied = format!("hub.mode=denied&hub.reason=no&{}", ours.rsplit_once('&').unwrap().1);
    assert!(node.intake.confirm(youtube, Some(&user), &denied).await.unwrap().is_some());
    tick(&world, &node, 60).await;
    assert_eq!(hub.pushing().calls("POST /hub").len(), calls + 1);
    let_hub_ask(&world, &node, &user).await;
    assert_eq!((only(&world).await.state, only(&world).await.state_reason), (State::Active, None));

    disconnect(&world, &node, id).await;
    assert_eq!(only(&world).await.state, State::Removing);
    let_hub_ask(&world, &node, &user).await;
    assert!(registrations(&world).await.is_empty() && hub.hub_subscriptions(callback).is_empty());
    assert_eq!(world.store.connection(id).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_never_asks_back_is_asked_again_and_left_in_the_end() {
    let world = World::start().await;
    let (node, hub) = (world.node().await, world.sandbox.world().pushing());
    let id = world.connect_for(&node.connections, "alice", "youtube", "UC1").await;
    node.registrations.work_all().await.unwrap();
    for _ in 0..24 {
        tick(&world, &node, HOUR).await;
    }
    let calls = hub.calls("POST /hub").len();
    assert!((6..=12).contains(&calls), "{calls} in a day");
    let pending = only(&world).await;
    assert_eq!(pending.state, State::Pending);
    assert!(pending.state_reason.unwrap().contains("has not asked back"));
    disconnect(&world, &node, id).await;
    for _ in 0..8 {
        assert_eq!(registrations(&world).await.len(), 1);
        tick(&world, &node, DAY).await;
        if world.store.connection(id).await.unwrap().is_none() {
            break;
        }
    }
    assert!(registrations(&world).await.is_empty(), "after a week people have to");
    assert_eq!(world.store.connection(id).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_says_so_and_a_provider_is_left_alone_for_as_long_as_it_asks() {
    let world = World::start().await;
    let (node, pushing) = (world.node().await, world.sandbox.world().pushing());
    let id = world.connect_for(&node.connections, "alice", "github", "octo").await;
    pushing.fail_next("github", 429);
    let busy = want(&world, &node, id, "acme/busy", &[]).await;
    assert_eq!(busy.state, State::Pending);
    assert!(busy.state_reason.unwrap().contains("429"));
    tick(&world, &node, HOUR - 1).await;
    assert_eq!(pushing.calls("GET /github").len(), 1, "it asked for an hour");
    tick(&world, &node, 2).await;
    assert_eq!(pushing.hooks("acme/busy").len(), 1);

    pushing.forbid("acme/secret", true);
    let failed = want(&world, &node, id, "acme/secret", &[]).await;
    assert_eq!(failed.state, State::Failed);
    assert!(failed.state_reason.unwrap().contains("Not Found"));
    // Authorising again may have changed that.
    pushing.forbid("acme/secret", false);
    let again = world.connect_for(&node.connections, "alice", "github", "octo").await;
    assert_eq!(again, id);
    tick(&world, &node, 1).await;
    assert_eq!(pushing.hooks("acme/secret").len(), 1);
    assert!(registrations(&world).await.iter().all(|registration| registration.state == State::Active));

    // A grant that is dead: nothing can be removed in its name any more.
    world.sandbox.world().revoke("github", "octo");
    disconnect(&world, &node, id).await;
    tick(&world, &node, 60).await;
    assert!(registrations(&world).await.is_empty());
    assert_eq!(world.store.connection(id).await.unwrap(), None);
    assert!(
        world.events("connection.needs_reauth").await.is_empty(),
        "nobody is to authorise what was removed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_is_set_up_for_an_account_and_goes_with_it() {
    let world = World::start().await;
    let (node, pushing) = (world.node().await, world.sandbox.world().pushing());
    let id = world.connect_for(&node.connections, "alice", "composio", "ca_1").await;
    let trigger = want(&world, &node, id, "gmail_new_gmail_message", &[]).await;
    assert_eq!((trigger.state, trigger.target.as_str()), (State::Active, "GMAIL_NEW_GMAIL_MESSAGE"));
    assert_eq!(pushing.composio_triggers().len(), 1);
    assert_eq!(pushing.composio_triggers()[0]["connected_account_id"], "ca_1");
    disconnect(&world, &node, id).await;
    assert!(pushing.composio_triggers().is_empty() && registrations(&world).await.is_empty());
}
