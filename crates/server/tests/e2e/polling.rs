//! What happens in users' accounts at providers that do not tell: it is asked for.

use sandbox::{Mail, Sandbox};
use serde_json::{Value, json};

use crate::gmail::Issuer;
use crate::support::database::Engine;
use crate::support::sender::now_seconds;
use crate::support::world::World;
use crate::support::{on_each_database, until};

on_each_database! {
    what_was_played_is_asked_for_by_itself_and_when_somebody_wants_it
    a_notice_has_its_mailbox_asked_at_once
}

/// A server that is pointed at the stand-ins, and believes the notices of `issuer`.
async fn world(engine: Engine, sandbox: &Sandbox, issuer: &Issuer) -> World {
    World::start_with(engine, |launch| {
        let launch = issuer.known_to(launch);
        sandbox.environment().iter().fold(launch, |launch, (name, value)| launch.env(name, value))
    })
    .await
}

/// Connects alice's account, and waits until it was asked for the first time; its id.
async fn connect(world: &World, sandbox: &Sandbox, provider: &str, account: &str) -> String {
    let pair = sandbox.world().grant(provider, account);
    let body = json!({
        "user_id": "alice", "provider": provider, "expires_in": 3_000,
        "access_token": pair.access, "refresh_token": pair.refresh,
    });
    let id = world.admin().post("/api/connections", &body).await.ok()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/connections/{id}");
    until("the provider has been asked", || async {
        Some(world.admin().get(&path).await.ok()).filter(|connection| connection["last_sync_at"].is_string())
    })
    .await;
    id
}

/// Has a connection's provider asked now; the job when it has ended.
async fn sync(world: &World, id: &str) -> Value {
    let begun = world.admin().post(&format!("/api/connections/{id}/sync"), &json!({})).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let job = begun.json()["job_id"].as_str().unwrap().to_owned();
    until("the job has ended", || async {
        let job = world.admin().get(&format!("/api/jobs/{job}")).await.ok();
        assert_eq!(job["kind"], "sync");
        Some(job).filter(|job| job["state"] != "running")
    })
    .await
}

async fn events(world: &World, event_type: &str) -> Vec<Value> {
    world.admin().list(&format!("/api/events?user_id=alice&type={event_type}")).await
}

async fn what_was_played_is_asked_for_by_itself_and_when_somebody_wants_it(engine: Engine) {
    let sandbox = Sandbox::start(now_seconds).await;
    sandbox.world().play("alice", "spotify:track:before");
    let world = world(engine, &sandbox, &Issuer::start().await).await;
    let id = connect(&world, &sandbox, "spotify", "alice").await;
    let path = format!("/api/connections/{id}");
    assert_eq!(world.admin().get(&path).await.ok()["can_sync"], true);
    assert_eq!(events(&world, "spotify.track.played").await.len(), 0);

    sandbox.world().play_at("alice", "spotify:track:1", now_seconds() + 60);
    let job = sync(&world, &id).await;
    assert_eq!((&job["state"], &job["done"], &job["failed"]), (&json!("completed"), &json!(1), &json!(0)));
    let played = events(&world, "spotify.track.played").await;
    assert_eq!((played.len(), &played[0]["provider"]), (1, &json!("spotify")));
    assert_eq!(sync(&world, &id).await["done"], 0);

    sandbox.world().revoke("spotify", "alice");
    assert_eq!(sync(&world, &id).await["state"], "failed");
    let refused = world.admin().post(&format!("/api/connections/{id}/sync"), &json!({})).await;
    refused.problem(409, "needs_reauth");
    assert_eq!(world.admin().get(&path).await.ok()["can_sync"], false);
    assert_eq!(world.admin().list("/api/events?type=connection.needs_reauth").await.len(), 1);
}

async fn a_notice_has_its_mailbox_asked_at_once(engine: Engine) {
    const MAILBOX: &str = "user@example.com";
    let (sandbox, issuer) = (Sandbox::start(now_seconds).await, Issuer::start().await);
    issuer.publish("key");
    let world = world(engine, &sandbox, &issuer).await;
    connect(&world, &sandbox, "gmail", MAILBOX).await;

    let mail =
        Mail { from: "Bob <bob@example.com>", to: MAILBOX, subject: "Mend the door", ..Mail::default() };
    let received = sandbox.world().mail(MAILBOX, &Mail { labels: &["INBOX", "UNREAD"], ..mail });
    let answer =
        sandbox.world().mail(MAILBOX, &Mail { replies_to: Some(&received), labels: &["SENT"], ..mail });
    sandbox.world().take_labels(MAILBOX, &received, &["UNREAD"]);
    world.program.anyone().send(issuer.notice("key", "m1", &[])).await.ok();
    let read = until("what was done is told", || async {
        let read = events(&world, "email.read").await;
        (!read.is_empty()).then_some(read)
    })
    .await;
    assert_eq!(read[0]["data"]["message_id"], received.as_str());
    let told = &events(&world, "email.received").await[0]["data"];
    assert_eq!((&told["subject"], &told["thread_has_earlier"]), (&json!("Mend the door"), &json!(false)));
    let sent = &events(&world, "email.sent").await[0]["data"];
    assert_eq!((&sent["message_id"], &sent["thread_has_earlier"]), (&json!(answer), &json!(true)));
    assert_eq!(sent["in_reply_to"], format!("<{received}@sandbox>"));

    // The same, told by another notice, is nothing new.
    world.program.anyone().send(issuer.notice("key", "m2", &[])).await.ok();
    sandbox.world().delete_mail(MAILBOX, &received);
    world.program.anyone().send(issuer.notice("key", "m3", &[])).await.ok();
    until("that it is deleted is told", || async {
        (events(&world, "email.deleted").await.len() == 1).then_some(())
    })
    .await;
    assert_eq!(events(&world, "email.received").await.len(), 1);
    assert_eq!(events(&world, "email.read").await.len(), 1);
}
