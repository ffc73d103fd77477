//! Nothing that is secret is shown: not in a log at the finest level, not in an answer of the API, not in the database.
//!
//! The stand-ins remember what they have handed out and were told. All of that is looked for, after accounts were
//! connected, asked, refreshed and lost, providers made to push, pushes taken and refused, and everything sealed under
//! another key.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sandbox::senders::Parcel;
use sandbox::{Fault, Mail, Sandbox};
use serde_json::{Value, json};

use crate::connections::{authorize, files};
use crate::support::client::Request;
use crate::support::database::{Engine, read_all};
use crate::support::program::Launch;
use crate::support::sender::now_seconds;
use crate::support::world::World;
use crate::support::{on_each_database, until};

on_each_database! {
    nothing_secret_is_shown
}

const BASE_URL: &str = "http://way.test";
const OLD_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW_KEY: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// What the operator has set, and nobody is to see again.
const SET: [(&str, &str); 2] = [
    ("GITHUB_WEBHOOK_SECRET", "planted-github-secret"),
    ("UNIPILE_WEBHOOK_SECRET", "planted-unipile-secret"),
];

const MAILBOX: &str = "alice@example.com";

/// What the API shows.
const SHOWN: [&str; 10] = [
    "/api/connections",
    "/api/webhooks/list",
    "/api/webhooks/health",
    "/api/rejections",
    "/api/events",
    "/api/stats",
    "/api/sources",
    "/api/keys",
    "/health",
    "/metrics",
];

async fn nothing_secret_is_shown(engine: Engine) {
    let sandbox = Sandbox::start(now_seconds).await;
    let settings = |launch: Launch| {
        let launch = launch.env("RUST_LOG", "trace").env("WEBHOOK_BASE_URL", BASE_URL);
        let launch = launch.env("WAYSTATION_SECRET_KEY", OLD_KEY);
        let launch = SET.iter().fold(launch, |launch, (name, value)| launch.env(name, value));
        let all = sandbox.environment().into_iter().chain(sandbox.inbound_environment());
        all.fold(launch, |launch, (name, value)| launch.env(&name, &value))
    };
    let mut world = World::start_with(engine, settings).await;
    let mut shown = Shown::default();
    let pushing = sandbox.world().pushing();
    pushing.reach(BASE_URL, world.program.address);
    pushing.send_to("slack", &format!("{BASE_URL}/api/webhooks/slack/alice"));
    // The watch itself brings the first notice, and there is at most one in a second.
    pushing.send_to("gmail", &format!("{BASE_URL}/api/webhooks/gmail"));

    connect_all(&world, &sandbox, &mut shown).await;
    register(&world, &mut shown).await;
    push(&world, &sandbox).await;
    refresh_and_lose(&world, &sandbox, &mut shown).await;
    sync(&world, &mut shown).await;
    look(&world, &mut shown).await;

    // Everything is sealed under another key, and goes on.
    let both = world.launch.clone().env("WAYSTATION_SECRET_KEY", &format!("{NEW_KEY},{OLD_KEY}"));
    world.program.kill().await;
    world.program = both.start().await;
    let ended = both.run(&["rotate-key"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    shown.add(&ended.stdout);
    shown.add(&ended.stderr);
    sandbox.world().pushing().reach(BASE_URL, world.program.address);
    sync(&world, &mut shown).await;
    look(&world, &mut shown).await;
    shown.add(&world.program.said());

    let mut secrets = sandbox.world().secrets();
    assert!(secrets.len() > 30, "there is something to look for: {}", secrets.len());
    let set = [sandbox::vendor::CLIENT_SECRET, sandbox::pushing::OPERATOR_KEY, OLD_KEY, NEW_KEY];
    secrets.extend(set.map(str::to_owned));
    secrets.extend(SET.map(|(_, secret)| secret.to_owned()));
    let inbound = sandbox.inbound_environment();
    secrets.extend(
        inbound.into_iter().filter(|(name, _)| name == "SLACK_SIGNING_SECRET").map(|(_, value)| value),
    );
    assert_none_of(&secrets, &world, engine, &shown).await;
}

/// What was answered, in whatever order.
#[derive(Default)]
struct Shown(String);

impl Shown {
    fn add(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }
}

/// By asking the user, with a state, a code and a verifier; and with tokens that somebody else was granted.
async fn connect_all(world: &World, sandbox: &Sandbox, shown: &mut Shown) {
    for (provider, account) in [
        ("github", "octocat"),
        ("slack", "U061F7AUR"),
        ("gmail", MAILBOX),
        ("youtube", "UCalice"),
        ("discord", "42"),
        ("spotify", "alice"),
    ] {
        sandbox.world().next_account(provider, account);
        shown.add(&authorize(world, provider, "").await.ok().to_string());
    }
    for (provider, account) in [("composio", "ca_1"), ("unipile", "acc_1")] {
        let body = json!({ "user_id": "alice", "provider": provider, "account_id": account });
        shown.add(&world.admin().post("/api/connections", &body).await.ok().to_string());
    }
}

/// The id of Alice's connection to a provider.
async fn connection(world: &World, provider: &str) -> String {
    let all = world.admin().list("/api/connections?user_id=alice").await;
    let found = all.iter().find(|connection| connection["provider"] == provider).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

/// Hooks with our secret, a lease with one that is made for it, a subscription that hands one out.
async fn register(world: &World, shown: &mut Shown) {
    for (provider, target) in [("github", "octocat/hello-world"), ("composio", "gmail_new_gmail_message")] {
        let path = format!("/api/connections/{}/registrations", connection(world, provider).await);
        shown.add(&world.admin().post(&path, &json!({ "target": target })).await.ok().to_string());
    }
    // Three of Unipile's, one of each other application, and one for each account that has any.
    let list = until("all is registered", || async {
        let list = world.admin().list("/api/webhooks/list").await;
        let are_active = list.iter().all(|one| one["state"] == "active");
        (list.len() == 9 && are_active).then_some(list)
    })
    .await;
    shown.add(&Value::from(list).to_string());
}

/// What the providers push is taken once, and refused when it was altered.
async fn push(world: &World, sandbox: &Sandbox) {
    let at = sandbox.world();
    at.act("octocat", "PushEvent");
    at.say("C1", "U2", "Good morning");
    at.mail(MAILBOX, &Mail { subject: "The door", labels: &["INBOX"], ..Mail::default() });
    at.mail("ca_1", &Mail { subject: "The door", ..Mail::default() });
    at.publish_video("UCalice", "video1");
    at.authorize_discord("42");
    at.write_to("acc_1", "message1", "Good morning");
    let sent = at.pushing().sent();
    let paths: Vec<_> = sent.iter().map(|parcel| &parcel.path).collect();
    assert!(sent.len() >= 7, "each has pushed: {paths:?}");
    for parcel in sent {
        let taken = world.program.anyone().send(request(&parcel)).await;
        assert!(matches!(taken.status, 200 | 204), "{}: {taken:?}", parcel.path);
        // As one that somebody else has made: believed by none, or not to be read.
        let forged = Parcel { body: format!("{} ?", parcel.body), ..parcel };
        world.program.anyone().send(request(&forged)).await;
    }
}

fn request(parcel: &Parcel) -> Request {
    let request = Request::post(&parcel.path).body(parcel.body.clone());
    parcel.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// A token that is about to expire, answers that fail, and a grant that dies.
async fn refresh_and_lose(world: &World, sandbox: &Sandbox, shown: &mut Shown) {
    let at = sandbox.world();
    at.fail_next("discord", Fault::Status(503));
    let pair = at.grant("discord", "43");
    let body = json!({
        "user_id": "bob", "provider": "discord", "account_id": "43", "expires_in": 5,
        "access_token": pair.access, "refresh_token": pair.refresh,
    });
    let mut refused = body.clone();
    refused["bogus"] = json!(pair.access);
    shown.add(&world.admin().post("/api/connections", &refused).await.problem(422, "invalid"));
    let pair = at.grant("gmail", "bob@example.com");
    at.revoke("gmail", "bob@example.com");
    shown.add(&world.admin().post("/api/connections", &body).await.ok().to_string());
    let dead = json!({
        "user_id": "bob", "provider": "gmail", "account_id": "bob@example.com", "expires_in": 5,
        "access_token": pair.access, "refresh_token": pair.refresh,
    });
    shown.add(&world.admin().post("/api/connections", &dead).await.ok().to_string());
    until("the dead grant is told of", || async {
        let all = world.admin().list("/api/connections?user_id=bob").await;
        all.iter().any(|connection| connection["state"] == "needs_reauth").then_some(())
    })
    .await;
    at.forget_access("spotify", "alice");
}

/// Asks Spotify now, with a token that may have to be refreshed first.
async fn sync(world: &World, shown: &mut Shown) {
    let path = format!("/api/connections/{}/sync", connection(world, "spotify").await);
    let job = world.admin().post(&path, &json!({})).await.json();
    let path = format!("/api/jobs/{}", job["job_id"].as_str().unwrap());
    let ended = until("the job has ended", || async {
        Some(world.admin().get(&path).await.ok()).filter(|job| job["state"] != "running")
    })
    .await;
    assert_eq!(ended["state"], "completed");
    shown.add(&ended.to_string());
}

/// All that the API shows, lists and each thing by itself.
async fn look(world: &World, shown: &mut Shown) {
    for path in SHOWN {
        let answer = world.admin().get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        shown.add(&String::from_utf8_lossy(&answer.body));
    }
    for (list, one) in [("/api/connections", "/api/connections"), ("/api/events", "/api/events")] {
        for item in world.admin().list(list).await {
            let path = format!("{one}/{}", item["id"].as_str().unwrap());
            shown.add(&world.admin().get(&path).await.ok().to_string());
        }
    }
}

async fn assert_none_of(secrets: &[String], world: &World, engine: Engine, shown: &Shown) {
    let kept = match engine {
        Engine::Sqlite => files(world.home.directory.path()),
        Engine::Postgres => read_all(&world.home.database_url()).await,
    };
    let (kept, log) = (String::from_utf8_lossy(&kept), world.program.logged());
    assert!(log.contains("TRACE"), "there is a log to look at");
    for secret in secrets {
        let spelled = [hex::encode(secret), STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret)];
        assert!(!spelled.iter().any(|spelled| kept.contains(spelled)), "{secret} is in the database");
        assert!(!kept.contains(secret), "{secret} is in the database");
        assert!(!log.contains(secret), "{secret} is in the log");
        assert!(!shown.0.contains(secret), "{secret} is shown");
    }
}
