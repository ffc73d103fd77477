//! What providers have of their own: addresses without a user, answers, and whose an event is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::database::Engine;
use crate::support::sender::{hmac, hmac_hex, now_seconds, slack};
use crate::support::world::{SLACK, World};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// RFC 8032, 7.1, test 2. Discord's vectors are made with it.
const DISCORD_KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

async fn start() -> World {
    World::start_with(Engine::Sqlite, |launch| {
        launch
            .env("COMPOSIO_WEBHOOK_SECRET", SECRET)
            .env("UNIPILE_WEBHOOK_SECRET", SECRET)
            .env("YOUTUBE_WEBHOOK_SECRET", SECRET)
            .env("DISCORD_PUBLIC_KEY", DISCORD_KEY)
    })
    .await
}

fn composio(id: &str, body: &Value) -> Request {
    let (body, timestamp) = (body.to_string(), now_seconds().to_string());
    let signed = format!("{id}.{timestamp}.{body}");
    let signature = BASE64.encode(hmac(SECRET.as_bytes(), signed.as_bytes()));
    Request::post("/api/webhooks/composio")
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", &timestamp)
        .header("webhook-signature", &format!("v1,{signature}"))
        .body(body.as_bytes())
}

fn discord(path: &str, body: &str, signature: &str) -> Request {
    Request::post(path)
        .header("content-type", "application/json")
        .header("x-signature-timestamp", "1729262573")
        .header("x-signature-ed25519", signature)
        .body(body.as_bytes())
}

fn unipile(secret: &str, body: &str) -> Request {
    Request::post("/api/webhooks/unipile/messages")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("unipile-auth", secret)
        .body(body.as_bytes())
}

fn youtube(updated: &str) -> Request {
    let body = format!(
        r#"<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom"><entry>
        <yt:videoId>V</yt:videoId><yt:channelId>C</yt:channelId><title>The door &amp; I</title>
        <published>2026-11-21T09:30:00+00:00</published><updated>{updated}</updated></entry></feed>"#
    );
    Request::post("/api/webhooks/youtube/alice")
        .header("content-type", "application/atom+xml")
        .header("x-hub-signature", &format!("sha256={}", hmac_hex(SECRET, body.as_bytes())))
        .body(body.as_bytes())
}

#[tokio::test]
async fn composio_names_the_user() {
    let world = start().await;
    let body = json!({
        "id": "msg_1", "timestamp": "2026-11-21T09:30:00.125Z", "type": "composio.trigger.message",
        "metadata": {"trigger_slug": "GMAIL_NEW_GMAIL_MESSAGE", "connected_account_id": "ca_1", "user_id": "alice"},
        "data": {"message_id": "18c0"},
    });
    let client = world.program.anyone();
    let first = client.send(composio("msg_1", &body)).await.ok();
    let again = client.send(composio("msg_1", &body)).await.ok();
    assert_eq!(again, json!({ "status": "duplicate", "event_id": first["event_id"] }));
    let [event] = world.events().await.try_into().unwrap();
    assert_eq!(
        (&event["type"], &event["user_id"]),
        (&json!("composio.gmail_new_gmail_message"), &json!("alice"))
    );
    assert_eq!(event["occurred_at"], "2026-11-21T09:30:00.125Z");
    assert_eq!(event["data"], body);
}

#[tokio::test]
async fn discord_is_answered_with_204_and_probes_with_401() {
    const PING: &str = r#"{"version":1,"application_id":"1234560123453231555","type":0}"#;
    const PING_SIGNATURE: &str = "8cf1f3e3414de24e026d8049dceb6f3d35f1eec1943decc5b6f5d67bca2955ee5fd6eeb010222fcd03d01ec4440940ba89e810b45de7435a2028e4a8c5ad6e07";
    const EVENT: &str = r#"{"version":1,"application_id":"1234560123453231555","type":1,"event":{"type":"APPLICATION_AUTHORIZED","timestamp":"2024-10-18T14:42:53.064834","data":{"integration_type":1,"scopes":["applications.commands"],"user":{"id":"111178765189277770","username":"u"}}}}"#;
    const EVENT_SIGNATURE: &str = "980a3c1400c4cd60b8f5fc5ce65b7ab336bedf869acdef361a9f9b617646302cd2cf227ceaf1cdfedd92fc7e8229796d25ad77515337e39d764c345c14a53500";
    let world = start().await;
    let client = world.program.anyone();
    for path in ["/api/webhooks/discord/alice", "/api/webhooks/discord", "/webhooks/discord"] {
        for (body, signature) in [(PING, PING_SIGNATURE), (EVENT, EVENT_SIGNATURE)] {
            let answer = client.send(discord(path, body, signature)).await;
            assert_eq!((answer.status, answer.body.as_slice()), (204, b"".as_slice()));
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
        client.send(discord(path, PING, EVENT_SIGNATURE)).await.problem(401, "invalid_signature");
    }
    let events = world.events().await;
    let users: Vec<_> = events.iter().map(|event| &event["user_id"]).collect();
    assert_eq!(users, [&Value::Null, &json!("alice")], "the newest first, and the third is the second again");
}

#[tokio::test]
async fn slack_is_told_not_to_repeat_what_will_never_be_read() {
    let world = start().await;
    let client = world.program.anyone();
    let unreadable = client.send(slack(SLACK, 0, b"{}")).await;
    unreadable.problem(400, "unreadable");
    assert_eq!(unreadable.header("x-slack-no-retry"), Some("1"));
    let large = client.send(Request::post(SLACK).body(vec![b' '; 5 * 1_024 * 1_024 + 1])).await;
    assert_eq!((large.status, large.header("x-slack-no-retry")), (413, Some("1")));
    // A secret may be put right before the next try.
    let forged = client.send(slack(SLACK, 0, b"{}").header("x-slack-signature", "v0=00")).await;
    assert_eq!((forged.status, forged.header("x-slack-no-retry")), (401, None));
    let unsigned = Request::post(SLACK).header("content-type", "application/x-www-form-urlencoded");
    let probe = client.send(unsigned.clone().body("ssl_check=1&token=xyz")).await;
    assert_eq!((probe.status, probe.body.as_slice()), (200, b"".as_slice()));
    client.send(unsigned.body("ssl_check=0&token=xyz")).await.problem(401, "missing_signature");
    assert_eq!(world.events().await, Vec::<Value>::new());
}

#[tokio::test]
async fn unipile_hears_200_once_it_is_believed() {
    let world = start().await;
    let client = world.program.anyone();
    let message = r#"{"event":"message_received","account_id":"acc_1","message_id":"m1","timestamp":"2026-11-21T09:30:00.125Z"}"#;
    assert_eq!(client.send(unipile(SECRET, message)).await.ok()["status"], "accepted");
    assert_eq!(client.send(unipile(SECRET, message)).await.ok()["status"], "duplicate");
    assert_eq!(client.send(unipile(SECRET, "not JSON")).await.ok(), json!({ "status": "ignored" }));
    client.send(unipile("another", message)).await.problem(401, "invalid_signature");
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn a_hub_that_nobody_asked_finds_nothing() {
    let world = start().await;
    let client = world.program.anyone();
    let topic = "https%3A%2F%2Fwww.youtube.com%2Fxml%2Ffeeds%2Fvideos.xml%3Fchannel_id%3DC";
    let query = format!("hub.mode=subscribe&hub.topic={topic}&hub.challenge=c&hub.lease_seconds=432000");
    for path in ["/api/webhooks/youtube/alice", "/webhooks/youtube/alice"] {
        client.get(&format!("{path}?{query}")).await.problem(404, "not_found");
        client.get(path).await.problem(404, "not_found");
    }
    client.get("/api/webhooks/composio").await.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn a_video_is_published_once_and_then_updated() {
    let world = start().await;
    let client = world.program.anyone();
    let send = async |updated: &str| client.send(youtube(updated)).await.ok();
    let published = send("2026-11-21T09:30:20+00:00").await;
    let updated = send("2026-11-21T10:00:00+00:00").await;
    assert_eq!((&published["status"], &updated["status"]), (&json!("accepted"), &json!("accepted")));
    // In whatever order they are sent again.
    for (at, known) in [("2026-11-21T10:00:00Z", &updated), ("2026-11-21T09:30:20Z", &published)] {
        assert_eq!(send(at).await, json!({ "status": "duplicate", "event_id": known["event_id"] }));
    }
    let [second, first] = world.events().await.try_into().unwrap();
    assert_eq!((&first["type"], &first["id"]), (&json!("youtube.video.published"), &published["event_id"]));
    assert_eq!((&second["type"], &second["id"]), (&json!("youtube.video.updated"), &updated["event_id"]));
    assert_eq!(second["data"]["title"], "The door & I");
    assert_eq!(second["user_id"], "alice");
}
