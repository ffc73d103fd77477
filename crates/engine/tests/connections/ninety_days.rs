//! Ninety days of all providers at once: no token is shown after its time, nothing that is set up lapses, each change
//! is told once whether it is pushed, polled or both, by whichever nodes, and a dead grant is found out at the next
//! look.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::connection::State;
use domain::registration::{self, Basis};
use domain::{ConnectionId, Timestamp, UserId};
use engine::Engine;
use engine::ingest::Read;
use engine::registrations::NewRegistration;
use futures::future::join_all;
use providers::register::registrable;
use providers::{Provider, RawRequest, by_name};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use sandbox::Mail;
use sandbox::senders::Parcel;
use serde_json::Value;
use store::{EventFilter, Page, RegistrationFilter};

use crate::world::{BASE_URL, World};

const SEED: u64 = 20_261_122;
const HOUR: i64 = 3_600;
const DAYS: u64 = 90;
/// When all of bob's grants die.
const DEATH_TURN: usize = 120;
/// By then each account is asked for something, or its tokens are to be refreshed.
const LONGEST_UNSEEN: i64 = 12 * HOUR;

const MAILBOX: &str = "alice@example.com";
const CHANNEL: &str = "UCalice";
const REPOSITORY: &str = "octocat/hello-world";

/// Alice's accounts, one at each provider.
const ACCOUNTS: [(&str, &str); 8] = [
    ("github", "alice"),
    ("slack", "U061F7AUR"),
    ("gmail", MAILBOX),
    ("discord", "42"),
    ("spotify", "alice"),
    ("youtube", CHANNEL),
    ("composio", "ca_1"),
    ("unipile", "acc_1"),
];
/// Bob's, at those that grant by tokens.
const DOOMED: [(&str, &str); 6] = [
    ("github", "bob"),
    ("slack", "UBOB"),
    ("gmail", "bob@example.com"),
    ("discord", "43"),
    ("spotify", "bob"),
    ("youtube", "UCbob"),
];
/// Whose pushes may be lost on the way, since what they tell is polled for too.
const POLLED_TOO: [&str; 3] = ["slack", "gmail", "youtube"];

#[tokio::test(flavor = "multi_thread")]
async fn ninety_days_of_all_providers() {
    let mut story = Story::begin().await;
    let doomed = story.connect_doomed().await;
    story.nodes_look().await;
    story.pushes_arrive().await;

    for turn in 0.. {
        story.world.pass(story.rng.random_range(4 * HOUR..18 * HOUR));
        if story.world.now() > story.day(DAYS) {
            break;
        }
        if turn % 2 == 0 {
            story.something_happens(turn / 2).await;
            story.something_goes_wrong();
        }
        // What is on its way while secrets and leases are renewed is believed all the same.
        if story.rng.random() {
            story.pushes_arrive().await;
        }
        if turn > 0 {
            // While nobody was looking.
            story.nothing_has_lapsed().await;
        }
        story.nodes_look().await;
        story.pushes_arrive().await;
        story.nothing_has_lapsed().await;
        if turn == DEATH_TURN {
            assert!(story.are_alive(&doomed).await);
            story.bobs_grants_die();
            story.world.pass(LONGEST_UNSEEN);
            story.nodes_look().await;
            assert!(!story.are_alive(&doomed).await, "a dead grant is found out by the next look");
            story.pushes_arrive().await;
        }
    }
    // What was done last, by all who may have been told to rest until tomorrow.
    for _ in 0..6 {
        story.world.pass(8 * HOUR);
        story.nodes_look().await;
    }
    story.all_is_well().await;
}

struct Story {
    world: World,
    nodes: [Engine; 2],
    rng: SmallRng,
    began_at: Timestamp,
    /// Alice's connections, in the order of [`ACCOUNTS`].
    connections: Vec<ConnectionId>,
    /// What was done at the providers: by event type, what tells one from another.
    done: BTreeMap<&'static str, BTreeSet<String>>,
    /// What was last said in Slack: where and when.
    said: Option<(&'static str, String)>,
}

impl Story {
    /// Alice connects all her accounts; what is not registered by itself is asked for.
    async fn begin() -> Self {
        let world = World::start().await;
        let nodes = [world.node().await, world.node().await];
        let pushing = world.sandbox.world().pushing();
        pushing.send_to("slack", &format!("{BASE_URL}/api/webhooks/slack/alice"));
        pushing.send_to("gmail", &format!("{BASE_URL}/api/webhooks/gmail"));
        nodes[0].registrations.ensure_applications().await.unwrap();
        let mut connections = Vec::new();
        for (provider, account) in ACCOUNTS {
            connections.push(world.connect_for(&nodes[0].connections, "alice", provider, account).await);
        }
        let began_at = world.now();
        let rng = SmallRng::seed_from_u64(SEED);
        let story = Self { world, nodes, rng, began_at, connections, done: BTreeMap::new(), said: None };
        story.want("github", REPOSITORY).await;
        story.want("composio", "gmail_new_gmail_message").await;
        story
    }

    async fn connect_doomed(&self) -> Vec<ConnectionId> {
        let mut ids = Vec::new();
        for (provider, account) in DOOMED {
            ids.push(self.world.connect_for(&self.nodes[0].connections, "bob", provider, account).await);
        }
        ids
    }

    fn bobs_grants_die(&self) {
        let at = self.world.sandbox.world();
        DOOMED.iter().for_each(|(provider, account)| at.revoke(provider, account));
    }

    async fn want(&self, provider: &str, target: &str) {
        let provider = registrable(provider).unwrap();
        let index = ACCOUNTS.iter().position(|(name, _)| *name == provider.name()).unwrap();
        let new = NewRegistration {
            provider,
            basis: Basis::Connection(self.connections[index]),
            user_id: Some("alice".parse().unwrap()),
            account_id: ACCOUNTS[index].1.to_owned(),
            target: provider.target(target).unwrap(),
            events: Vec::new(),
            config: None,
            secret: None,
        };
        self.nodes[0].registrations.want(new).await.unwrap();
    }

    fn day(&self, day: u64) -> Timestamp {
        self.began_at.plus(Duration::from_secs(day * 86_400))
    }

    async fn are_alive(&self, ids: &[ConnectionId]) -> bool {
        let mut states = Vec::new();
        for id in ids {
            states.push(self.world.connection(*id).await.connection.state);
        }
        let alive = states.iter().filter(|state| **state != State::NeedsReauth).count();
        assert!(alive == 0 || alive == ids.len(), "{states:?}");
        alive > 0
    }

    /// One of the nodes, or both at once, look at all that is due, as they do by themselves.
    async fn nodes_look(&mut self) {
        let looking = match self.rng.random_range(0..4) {
            0 => &self.nodes[..1],
            1 => &self.nodes[1..],
            _ => &self.nodes[..],
        };
        let looking: Vec<_> = looking.iter().map(|node| (node, self.rng.random())).collect();
        join_all(looking.iter().map(|(node, is_poll_first)| look(node, *is_poll_first))).await;
        self.registrations_are_looked_after(&looking).await;
        // A minute later: what has just failed, and what may be asked for but once a minute.
        self.world.pass(61);
        join_all(looking.iter().map(|(node, _)| node.connections.poll_all())).await;
        self.registrations_are_looked_after(&looking).await;
    }

    /// The hub asks back a moment after it was asked.
    async fn registrations_are_looked_after(&self, looking: &[(&Engine, bool)]) {
        let worked = join_all(looking.iter().map(|(node, _)| node.registrations.work_all())).await;
        worked.into_iter().for_each(|worked| assert!(worked.is_ok(), "{worked:?}"));
        for question in self.world.sandbox.world().hub_questions() {
            let (youtube, user) = addressed(question.callback.strip_prefix(BASE_URL).unwrap());
            let (node, _) = looking[0];
            let reply = node.intake.confirm(youtube, user.as_ref(), &question.query).await.unwrap();
            let answer = reply.map(|reply| reply.body).unwrap_or_default();
            self.world.sandbox.world().answer_hub(&question, &answer);
        }
    }

    /// What the providers have sent comes in, at any node: in any order, some of it twice, and some not at all.
    async fn pushes_arrive(&mut self) {
        let mut parcels = self.world.sandbox.world().pushing().sent();
        if self.rng.random() {
            parcels.reverse();
        }
        for parcel in parcels {
            let (provider, user) = addressed(&parcel.path);
            let times = match self.rng.random_range(0..6) {
                0 if POLLED_TOO.contains(&provider.name()) => 0,
                1 => 2,
                _ => 1,
            };
            for _ in 0..times {
                let node = &self.nodes[self.rng.random_range(0..2)];
                let read = node.intake.read(provider, user.as_ref(), &request(&parcel)).await;
                if let Read::Events(unkept) = read.unwrap_or_else(|it| panic!("{}: {it}", provider.name())) {
                    node.intake.keep(unkept).await.unwrap();
                }
            }
            if provider.name() == "gmail" && times > 0 {
                let body: Value = serde_json::from_str(&parcel.body).unwrap();
                let id = body["message"]["messageId"].as_str().unwrap().to_owned();
                self.done.entry("gmail.notification").or_default().insert(id);
            }
        }
    }

    /// Something happens at each provider.
    async fn something_happens(&mut self, turn: usize) {
        let (at, name) = (self.world.sandbox.world(), format!("n{turn}"));
        let mut note = |event_type, id: String| self.done.entry(event_type).or_default().insert(id);

        at.play("alice", &format!("spotify:track:{name}"));
        note("spotify.track.played", format!("spotify:track:{name}"));
        let pushed = at.act("alice", "PushEvent");
        note("github.push", pushed.clone());
        note("github.activity.push", pushed);
        let channel = if turn.is_multiple_of(3) { "C1" } else { "C2" };
        if let Some((channel, said)) = &self.said {
            note("slack.message", at.reply(channel, said, "U3", &name));
        }
        let said = at.say(channel, "U2", &name);
        note("slack.message", said.clone());
        self.said = Some((channel, said));
        at.publish_video(CHANNEL, &name);
        note("youtube.video.published", name.clone());
        at.like_video(CHANNEL, &name);
        note("youtube.video.liked", name.clone());
        at.write_to("acc_1", &name, "Good morning");
        note("unipile.message_received", name.clone());
        at.authorize_discord("42");
        note("discord.application_authorized", seconds(&self.world.now().to_string()));
        at.join_guild("42", &name, "A server");
        note("discord.guild.joined", name.clone());

        let mail = Mail { from: "bob@example.com", to: MAILBOX, subject: &name, ..Mail::default() };
        let mail = Mail { labels: &["INBOX", "UNREAD"], ..mail };
        let received = at.mail(MAILBOX, &mail);
        at.take_labels(MAILBOX, &received, &["UNREAD"]);
        let sent = at.mail(MAILBOX, &Mail { labels: &["SENT"], replies_to: Some(&received), ..mail });
        at.put_labels(MAILBOX, &received, &["TRASH"]);
        for kind in ["email.received", "email.read", "email.trashed"] {
            note(kind, format!("{MAILBOX} {received}"));
        }
        note("email.sent", format!("{MAILBOX} {sent}"));
        let elsewhere = at.mail("ca_1", &mail);
        note("email.received", format!("elsewhere {elsewhere}"));
        note("composio.gmail_new_gmail_message", elsewhere);
        // Composio's mailboxes are polled when somebody asks for it.
        let composio = self.world.connection(self.connections[6]).await;
        self.nodes[0].connections.sync(&composio).await.unwrap();
    }

    /// Now and then a provider fails, or asks to be left alone, or forgets a token.
    fn something_goes_wrong(&mut self) {
        let at = self.world.sandbox.world();
        match self.rng.random_range(0..30) {
            0 => at.fail_next_api_call("spotify", 429),
            1 => at.fail_next_api_call("gmail", 503),
            2 => at.fail_next_api_call("youtube", 403),
            3 => at.fail_next_api_call("github", 403),
            4 => at.fail_next_api_call("discord", 429),
            5 => at.forget_access("gmail", MAILBOX),
            6 => at.forget_access("discord", "42"),
            provider @ 7..12 => {
                let names = ["gmail", "hub", "github", "unipile", "composio"];
                at.pushing().fail_next(names[provider - 7], 503);
            }
            _ => {}
        }
    }

    async fn nothing_has_lapsed(&self) {
        let (at, now) = (self.world.sandbox.world(), self.world.now());
        let pushing = at.pushing();
        assert!(at.watch_of(MAILBOX).is_some(), "the watch has lapsed at {now}");
        let callback = format!("{BASE_URL}/api/webhooks/youtube/alice");
        assert_eq!(at.hub_subscriptions(&callback).len(), 1, "the lease has lapsed at {now}");
        assert_eq!(pushing.hooks(REPOSITORY).len(), 1);
        assert_eq!((pushing.unipile_webhooks().len(), pushing.composio_subscriptions().len()), (3, 1));
        assert_eq!(pushing.composio_triggers().len(), 1);
        assert_eq!(pushing.discord_application()["event_webhooks_status"], 2);
    }

    async fn all_is_well(&self) {
        let at = self.world.sandbox.world();
        assert_eq!(at.stale_calls(), 0, "a token was shown after its time");
        assert_eq!(at.pushing().unheard(), BTreeMap::new(), "something happened that nobody was told of");
        for id in &self.connections {
            let connection = self.world.connection(*id).await.connection;
            assert_eq!(
                connection.state,
                State::Active,
                "{}: {:?}",
                connection.provider,
                connection.state_reason
            );
        }
        let of_alice =
            RegistrationFilter { user_id: Some("alice".parse().unwrap()), ..RegistrationFilter::default() };
        for stored in self.world.store.registrations(&of_alice, &Page::first(100)).await.unwrap() {
            let registration = stored.registration;
            assert_eq!(registration.state, registration::State::Active, "{registration:?}");
        }
        assert_eq!(self.world.events("connection.needs_reauth").await.len(), DOOMED.len());
        for (event_type, expected) in &self.done {
            let told = self.told(event_type).await;
            let unique: BTreeSet<_> = told.iter().cloned().collect();
            assert_eq!(told.len(), unique.len(), "{event_type} was told twice");
            assert_eq!(&unique, expected, "{event_type}");
            assert!(expected.len() > 50, "{event_type}: {}", expected.len());
        }
        assert_eq!(self.done.len(), 15);
    }

    /// What tells the events of a type from each other.
    async fn told(&self, event_type: &str) -> Vec<String> {
        let mut told = Vec::new();
        // Bob hears the same in the channels that they share.
        let user_id = event_type.starts_with("slack.").then(|| "alice".parse().unwrap());
        let filter =
            EventFilter { event_type: Some(event_type.parse().unwrap()), user_id, ..EventFilter::default() };
        for logged in self.world.store.events(&filter, &Page::first(1_000)).await.unwrap() {
            let data: Value = serde_json::from_str(logged.event.data.as_str()).unwrap();
            let id = match event_type {
                "spotify.track.played" => &data["track"]["uri"],
                "youtube.video.published" | "youtube.video.liked" => &data["video_id"],
                "github.push" => &data["after"],
                "slack.message" => &data["event"]["ts"],
                "discord.application_authorized" => &data["event"]["timestamp"],
                "composio.gmail_new_gmail_message" => &data["data"]["message_id"],
                "gmail.notification" => &data["message"]["messageId"],
                _ if event_type.starts_with("email.") || event_type.starts_with("unipile.") => {
                    &data["message_id"]
                }
                _ => &data["id"],
            };
            let id = id.as_str().unwrap();
            told.push(match event_type {
                "github.push" => id.trim_start_matches('0').to_owned(),
                "discord.application_authorized" => seconds(id),
                _ if event_type.starts_with("email.") => {
                    format!("{} {id}", data["mailbox"].as_str().unwrap_or("elsewhere"))
                }
                _ => id.to_owned(),
            });
        }
        told
    }
}

/// Whichever comes first: a poll does not trust a token that has expired.
async fn look(node: &Engine, is_poll_first: bool) {
    if is_poll_first {
        node.connections.poll_all().await.unwrap();
    }
    node.connections.refresh_all().await.unwrap();
    node.connections.poll_all().await.unwrap();
}

/// A moment without the part that each writes in its own way.
fn seconds(moment: &str) -> String {
    moment.split('.').next().unwrap_or_default().to_owned()
}

/// Whose path it is, and for which user.
fn addressed(path: &str) -> (&'static dyn Provider, Option<UserId>) {
    let mut parts = path.strip_prefix("/api/webhooks/").unwrap().split('/');
    let provider = by_name(parts.next().unwrap()).unwrap();
    let has_user = provider.paths().iter().all(|path| path.ends_with("{user}"));
    (provider, parts.next().filter(|_| has_user).map(|user| user.parse().unwrap()))
}

fn request(parcel: &Parcel) -> RawRequest {
    let headers = parcel.headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    RawRequest { headers: headers.collect(), ..RawRequest::post("", parcel.body.clone()) }
}
