//! The inbox: what providers tell becomes conversations, and what users answer reaches the provider.

use sandbox::{Fault, Sandbox};
use serde_json::{Value, json};

use crate::support::client::{Client, Request};
use crate::support::database::Engine;
use crate::support::sender::now_seconds;
use crate::support::stream::{Socket, metric_when};
use crate::support::world::World;
use crate::support::{on_each_database, until, within};

mod mails;
mod slack;

on_each_database! {
    what_unipile_tells_becomes_a_conversation_and_a_frame
    an_answer_is_sent_and_acknowledged
    a_callback_is_told_of_each_message_exactly_so
    mails_are_kept_threaded_and_followed
}

const SECRET: &str = "unipile-secret";

struct Inbox {
    world: World,
    sandbox: Sandbox,
    alice: Client,
    token: String,
}

/// A server with Alice's account at Unipile, which is stood in for.
async fn inbox(engine: Engine) -> Inbox {
    let sandbox = Sandbox::start(now_seconds).await;
    let world = World::start_with(engine, |launch| {
        let launch = launch.env("UNIPILE_WEBHOOK_SECRET", SECRET);
        sandbox.environment().iter().fold(launch, |launch, (name, value)| launch.env(name, value))
    })
    .await;
    let account = json!({ "user_id": "alice", "provider": "unipile", "account_id": "acc_1" });
    world.admin().post("/api/connections", &account).await.ok();
    let token = token(&world, "alice").await;
    let alice = world.program.bearer(&token);
    Inbox { world, sandbox, alice, token }
}

async fn token(world: &World, user: &str) -> String {
    let made = world.admin().post("/api/tokens", &json!({ "user_id": user })).await.ok();
    made["token"].as_str().unwrap().to_owned()
}

impl Inbox {
    /// Unipile tells of a message; the event's id.
    async fn told(&self, event: &str, message: &str, change: Value) -> String {
        let mut body = json!({
            "event": event, "account_id": "acc_1", "account_type": "WHATSAPP",
            "account_info": {"type": "WHATSAPP", "user_id": "own"}, "chat_id": "chat_1", "message_id": message,
            "message": "Good morning", "timestamp": "2026-11-21T09:30:00.125Z", "attachments": [],
            "sender": {"attendee_id": "att_1", "attendee_provider_id": "bob", "attendee_name": "Bob"},
        });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let request = Request::post("/api/webhooks/unipile/messages").header("unipile-auth", SECRET);
        let answer = self.world.program.anyone().send(request.json(&body)).await.ok();
        answer["event_id"].as_str().unwrap().to_owned()
    }

    /// The messages alone, live.
    async fn messages(&self, token: &str) -> Socket {
        let path = format!("/ws/messages?token={token}");
        let socket = Socket::open(self.world.program.address, &path, &[]).await.unwrap();
        metric_when(&self.world.program.anyone(), "waystation_realtime_connections", |open| open > 0.0).await;
        socket
    }

    /// Alice's only conversation, once it holds this.
    async fn conversation_when(&self, holds: impl Fn(&Value) -> bool) -> Value {
        until("the conversation is as it should be", || async {
            let mut all = self.alice.list("/api/conversations").await;
            assert!(all.len() <= 1, "{all:?}");
            all.pop().filter(&holds)
        })
        .await
    }
}

async fn next(socket: &mut Socket) -> Value {
    within("a message", socket.read()).await.expect("the stream goes on")
}

fn path(conversation: &Value) -> String {
    format!("/api/conversations/{}", conversation["id"].as_str().unwrap())
}

async fn what_unipile_tells_becomes_a_conversation_and_a_frame(engine: Engine) {
    let mut inbox = inbox(engine).await;
    let bob = token(&inbox.world, "bob").await;
    let (mut socket, mut bobs) = (inbox.messages(&inbox.token).await, inbox.messages(&bob).await);
    inbox.told("message_edited", "m1", json!({ "message": "Good evening" })).await;
    inbox.told("message_received", "m1", json!({})).await;
    let frame = next(&mut socket).await;
    assert_eq!((&frame["type"], &frame["data"]["chat_id"]), (&json!("message:new"), &json!("chat_1")));
    let shown = &frame["data"]["message"];
    assert_eq!((&shown["content"], &shown["is_own"]), (&json!("Good evening"), &json!(false)));
    assert_eq!(shown["metadata"], json!({ "sender_name": "Bob" }));

    let conversation = inbox.conversation_when(|conversation| conversation["unread_count"] == 1).await;
    assert_eq!(frame["data"]["conversation_id"], conversation["id"]);
    let source = json!({ "provider": "unipile", "account_id": "acc_1", "chat_id": "chat_1" });
    assert_eq!((&conversation["source"], &conversation["channel"]), (&source, &json!("WHATSAPP")));
    assert_eq!(conversation["last_message_at"], "2026-11-21T09:30:00.125Z");

    // What comes late, twice, or of one's own.
    let own = json!({ "sender": {"attendee_provider_id": "own"}, "timestamp": "2026-11-21T09:29:00.000Z" });
    inbox.told("message_received", "m0", own).await;
    assert_eq!(next(&mut socket).await["data"]["message"]["is_own"], true);
    inbox.told("message_delivered", "m0", json!({ "timestamp": "2026-11-21T09:29:01.000Z" })).await;
    inbox
        .told(
            "message_reaction",
            "m0",
            json!({ "reaction": "👍", "reaction_sender": {"attendee_id": "bob"} }),
        )
        .await;
    inbox.told("message_deleted", "m1", json!({})).await;
    for (kind, field, value) in [
        ("message:delivered", "delivered_at", json!("2026-11-21T09:29:01.000Z")),
        ("message:reaction", "reactions", json!([{ "emoji": "👍", "by": "bob" }])),
        ("message:deleted", "content", Value::Null),
    ] {
        let frame = next(&mut socket).await;
        assert_eq!((&frame["type"], &frame["data"]["message"][field]), (&json!(kind), &value));
    }
    let conversation = inbox.conversation_when(|conversation| conversation["unread_count"] == 0).await;
    assert_eq!(conversation["last_message_at"], "2026-11-21T09:30:00.125Z");
    let listed = inbox.alice.list(&format!("{}/messages", path(&conversation))).await;
    let contents: Vec<_> = listed.iter().map(|message| &message["content"]).collect();
    assert_eq!(contents, [&Value::Null, &json!("Good morning")], "the latest first");

    // Nothing of it is anybody else's.
    let others = inbox.world.program.bearer(&bob);
    assert_eq!(others.list("/api/conversations").await, Vec::<Value>::new());
    others.get(&path(&conversation)).await.problem(403, "forbidden");
    others.get(&format!("{}/messages", path(&conversation))).await.problem(403, "forbidden");
    others.get("/api/conversations?user_id=alice").await.problem(403, "forbidden");
    let post = others.post(&format!("{}/messages", path(&conversation)), &json!({ "content": "Hi" })).await;
    post.problem(403, "forbidden");
    let bobs_message = json!({ "type": "message.new", "user_id": "bob", "data": { "n": 1 } });
    inbox.world.admin().post("/api/events", &bobs_message).await.ok();
    assert_eq!(next(&mut bobs).await["data"], json!({ "n": 1 }), "the first that Bob sees");

    // What comes in while the program is killed is taken when it is there again.
    inbox.told("message_received", "m2", json!({ "timestamp": "2026-11-21T10:00:00.000Z" })).await;
    inbox.world.program.kill().await;
    inbox.world.program = inbox.world.launch.start().await;
    inbox.alice = inbox.world.program.bearer(&inbox.token);
    inbox.conversation_when(|conversation| conversation["unread_count"] == 1).await;
    let told = inbox.alice.list("/api/events?type=message.new").await;
    let kept = told.iter().filter(|event| event["source"] == "inbox").count();
    assert_eq!(kept, 3, "each message is new once: {told:?}");
    let read = inbox.alice.post(&format!("{}/read", path(&conversation)), &json!({})).await.ok();
    assert_eq!(read["unread_count"], 0);
}

async fn an_answer_is_sent_and_acknowledged(engine: Engine) {
    let inbox = inbox(engine).await;
    inbox.told("message_received", "m1", json!({})).await;
    let conversation = inbox.conversation_when(|_| true).await;
    let id = conversation["id"].as_str().unwrap();
    let address = inbox.world.program.address;
    let mut socket = Socket::open(address, "/api/realtime/ws", &[]).await.unwrap();
    let hello = json!({ "t": "hello", "v": 1, "token": inbox.token, "types": ["message.*", "read.mark"] });
    socket.say(&hello).await;
    inbox.sandbox.world().fail_next("unipile", Fault::Status(429));
    let send = |n: u64, content: &str| {
        let data = json!({ "conversation_id": id, "content": content });
        json!({ "t": "send", "id": n, "key": format!("key {n}"), "type": "message.send", "data": data })
    };
    socket.say(&send(1, "Good evening")).await;
    let ack = socket.ack(1).await;
    assert_eq!(ack["ok"], true, "{ack}");
    socket.say(&send(1, "Good evening")).await;
    assert_eq!(socket.ack(1).await["cursor"], ack["cursor"], "the same again is the first");
    let sent = event(&mut socket, "message.sent").await;
    let message = &sent["data"]["message"];
    assert_eq!((&message["content"], &message["status"]), (&json!("Good evening"), &json!("PROCESSED")));
    assert_eq!(message["metadata"]["key"], "key 1");
    // It comes back from the provider, and is the same message.
    let sent_by_us = inbox.sandbox.world().sent();
    assert_eq!(sent_by_us.len(), 1, "{sent_by_us:?}");
    let own = json!({ "sender": {"attendee_provider_id": "own"}, "message": "Good evening" });
    inbox.told("message_received", &sent_by_us[0].message_id, own).await;
    let delivered = json!({ "timestamp": "2026-11-21T09:31:00.000Z" });
    inbox.told("message_delivered", &sent_by_us[0].message_id, delivered).await;
    let news = event(&mut socket, "message.delivered").await;
    assert_eq!(news["data"]["message"]["id"], message["id"]);

    // The answer is lost; what comes back tells that it was sent.
    inbox.sandbox.world().fail_next("unipile", Fault::AnswerLost);
    let post = json!({ "content": "Are you there?", "metadata": { "n": 7 }, "key": "k" });
    let messages = format!("{}/messages", path(&conversation));
    let posted = inbox.alice.post(&messages, &post).await;
    assert_eq!(posted.status, 201);
    let posted = posted.ok();
    assert_eq!((&posted["status"], &posted["type"]), (&json!("RECEIVED"), &json!("USER_INPUT")));
    assert_eq!(inbox.alice.post(&messages, &post).await.ok()["id"], posted["id"]);
    let other = json!({ "content": "Where?", "key": "k" });
    inbox.alice.post(&messages, &other).await.problem(409, "key_reused");
    until("it was sent", || async { (inbox.sandbox.world().sent().len() == 2).then_some(()) }).await;
    let own = json!({ "sender": {"attendee_provider_id": "own"}, "message": "Are you there?" });
    inbox.told("message_received", "sent-2", own).await;
    let sent = event(&mut socket, "message.sent").await;
    assert_eq!(sent["data"]["message"]["id"], posted["id"]);

    // One that is refused has failed.
    inbox.sandbox.world().fail_next("unipile", Fault::Status(422));
    socket.say(&send(3, "Too much")).await;
    let failed = event(&mut socket, "message.failed").await;
    assert_eq!(failed["data"]["message"]["status"], "FAILED");
    socket
        .say(&json!({ "t": "send", "id": 4, "type": "read.mark", "data": { "conversation_id": id } }))
        .await;
    assert_eq!(socket.ack(4).await["ok"], true);
    inbox.conversation_when(|conversation| conversation["unread_count"] == 0).await;
    let all = inbox.alice.list(&messages).await;
    assert_eq!(all.len(), 4, "{all:?}");
    assert_eq!(inbox.sandbox.world().sent().len(), 2, "nothing was sent twice");
    let unknown = json!({ "conversation_id": "cnv_1", "content": "x" });
    socket.say(&json!({ "t": "send", "id": 5, "type": "message.send", "data": unknown })).await;
    assert_eq!(socket.ack(5).await["error"]["code"], "unknown_conversation");
}

/// The next event of this type, whatever is said before.
async fn event(socket: &mut Socket, event_type: &str) -> Value {
    let reading = async {
        loop {
            let frame = socket.read().await.expect("the stream goes on");
            if frame["event"]["type"] == event_type {
                return frame["event"].clone();
            }
        }
    };
    within(event_type, reading).await
}

async fn a_callback_is_told_of_each_message_exactly_so(engine: Engine) {
    let Inbox { mut world, alice, .. } = inbox(engine).await;
    let body = json!({
        "channel": "api", "usecase": "support",
        "config": { "workflow_id": "wf_1", "callback_url": world.receiver.url() },
    });
    let conversation = alice.post("/api/conversations", &body).await.ok();
    assert_eq!((&conversation["channel"], &conversation["unread_count"]), (&json!("API"), &json!(0)));
    let subscriptions = alice.list("/api/webhooks").await;
    let [subscription] = &subscriptions[..] else { panic!("{subscriptions:?}") };
    assert_eq!(subscription["callback_of"], conversation["id"]);
    for (field, value) in [
        ("retry_policy", json!("conversation")),
        ("retry_count", json!(3)),
        ("timeout_seconds", json!(30)),
        ("max_concurrency", json!(10)),
        ("rate_limit_per_minute", json!(100)),
    ] {
        assert_eq!(subscription[field], value, "{field}");
    }
    let of_callback = format!("/api/webhooks/{}", subscription["id"].as_str().unwrap());
    alice.delete(&of_callback).await.problem(409, "is_callback");
    alice.patch(&of_callback, &json!({ "paused": true })).await.problem(409, "is_callback");

    let messages = format!("{}/messages", path(&conversation));
    let post = json!({ "content": "Hi", "type": "BOT", "metadata": { "b": 1, "a": [2] } });
    let posted = alice.post(&messages, &post).await.ok();
    let delivered = world.receiver.next().await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let expected = |status: &str, updated_at: &Value, timestamp: &Value| {
        format!(
            concat!(
                r#"{{"conversation_id":"{}","data":{{"id":"{}","content":"Hi","content_type":"TEXT","type":"BOT","#,
                r#""channel":"API","status":"{}","metadata":{{"a":[2],"b":1}},"created_by":"alice","#,
                r#""updated_by":"alice","created_at":"{}","updated_at":"{}"}},"timestamp":"{}"}}"#
            ),
            text(&conversation["id"]),
            text(&posted["id"]),
            status,
            text(&posted["created_at"]),
            text(updated_at),
            text(timestamp),
        )
    };
    let body = String::from_utf8(delivered.body.clone()).unwrap();
    assert_eq!(body, expected("RECEIVED", &posted["updated_at"], &posted["occurred_at"]));
    assert_eq!(delivered.header("content-type"), "application/json");

    let one = format!("{messages}/{}", text(&posted["id"]));
    let changed = alice.patch(&one, &json!({ "status": "PROCESSED" })).await.ok();
    assert_eq!(changed["status"], "PROCESSED");
    let delivered = world.receiver.next().await;
    let body = String::from_utf8(delivered.body.clone()).unwrap();
    assert_eq!(body, expected("PROCESSED", &changed["updated_at"], &changed["updated_at"]));
    // What changes nothing calls nobody; what is said elsewhere is not for this one.
    alice.patch(&one, &json!({ "status": "PROCESSED" })).await.ok();
    let elsewhere = alice.post("/api/conversations", &json!({})).await.ok();
    alice.post(&format!("{}/messages", path(&elsewhere)), &post).await.ok();

    // Without an address nobody is told, and with one again they are.
    let clear = json!({ "config": { "callback_url": null } });
    let cleared = alice.patch(&path(&conversation), &clear).await.ok();
    assert_eq!(cleared["config"], json!({ "workflow_id": "wf_1", "callback_url": null }));
    assert_eq!(alice.list("/api/webhooks").await, Vec::<Value>::new());
    alice.post(&messages, &post).await.ok();
    let again = json!({ "config": { "callback_url": world.receiver.url() } });
    alice.patch(&path(&conversation), &again).await.ok();
    let last = alice
        .post(&messages, &json!({ "content": "Ho", "content_type": "IMAGE", "filename": "a.png" }))
        .await
        .ok();
    let delivered = world.receiver.next().await.json();
    assert_eq!((&delivered["data"]["id"], &delivered["data"]["filename"]), (&last["id"], &json!("a.png")));
    assert_eq!(world.receiver.rest().len(), 0);

    // Only https, unless the operator has said otherwise.
    let insecure = json!({ "config": { "callback_url": "http://192.0.2.1/" } });
    let detail = alice.post("/api/conversations", &insecure).await.problem(422, "invalid");
    assert!(detail.contains("config.callback_url"), "{detail}");
    for (body, field) in [
        (json!({ "content": "" }), "content"),
        (json!({ "content": "x", "type": "HUMAN" }), "type"),
        (json!({ "content": "x", "content_type": "text" }), "content_type"),
        (json!({ "content": "x", "metadata": [] }), "metadata"),
        (json!({ "content": "x", "bogus": 1 }), "bogus"),
    ] {
        let detail = alice.post(&messages, &body).await.problem(422, "invalid");
        assert!(detail.contains(field), "{body}: {detail}");
    }
    alice.patch(&one, &json!({ "status": "DONE" })).await.problem(422, "invalid");
    alice.get("/api/conversations/cnv_1").await.problem(404, "not_found");
    alice.patch(&format!("{messages}/msg_1"), &json!({ "status": "FAILED" })).await.problem(404, "not_found");
}

async fn mails_are_kept_threaded_and_followed(engine: Engine) {
    let Inbox { world, alice, .. } = inbox(engine).await;
    let told = async |kind: &str, message_id: &str, more: Value| {
        let mut data =
            json!({ "message_id": message_id, "from": "Bob <bob@example.com>", "to": ["alice@example.com"] });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let event = json!({ "type": kind, "user_id": "alice", "data": data });
        world.admin().post("/api/events", &event).await.ok();
    };
    let at = |minute: u32| format!("2026-11-21T09:{minute:02}:00.000Z");
    // The answer to an answer comes first, then the first, and the one between them last.
    let third = json!({ "in_reply_to": "m2", "subject": "Re: The door", "date": at(3), "labels": ["INBOX", "UNREAD"] });
    told("email.received", "m3", third).await;
    told(
        "email.received",
        "m1",
        json!({ "subject": "The door", "date": at(1), "labels": ["INBOX", "UNREAD"] }),
    )
    .await;
    let second = json!({ "in_reply_to": "m1", "subject": "Re: The door", "date": at(2), "labels": ["SENT"] });
    told("email.sent", "m2", second).await;
    told("email.read", "m1", json!({ "labels": ["INBOX"] })).await;
    told("email.labels_changed", "m3", json!({ "labels": ["INBOX", "UNREAD", "Label_1"] })).await;
    told("email.trashed", "m2", json!({ "labels": ["TRASH", "SENT"] })).await;
    told("email.read", "unknown", json!({ "from": null })).await;
    let listed = until("all of it is kept", || async {
        let listed = alice.list("/api/emails").await;
        listed.iter().any(|email| email["deleted_at"].is_string()).then_some(listed)
    })
    .await;
    let field = |name: &str| listed.iter().map(|email| email[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("message_id"), ["m3", "m2", "m1"]);
    assert_eq!(field("thread_id"), ["m1", "m1", "m1"]);
    assert_eq!(field("is_read"), [false, true, true]);
    assert_eq!(field("direction"), ["inbound", "outbound", "inbound"]);
    assert_eq!(field("labels")[0], json!(["INBOX", "UNREAD", "Label_1"]));
    assert_eq!(alice.list("/api/emails?thread_id=m1").await, listed);
    let one = format!("/api/emails/{}", listed[0]["id"].as_str().unwrap());
    assert_eq!(alice.get(&one).await.ok(), listed[0]);

    let fetch = async |body: Value| alice.post("/actions/fetch_emails", &body).await;
    assert_eq!(fetch(json!({ "query": "THE DOOR" })).await.ok()["emails"], json!(listed));
    assert_eq!(fetch(json!({ "query": "window" })).await.ok()["emails"], json!([]));
    for id in ["m2", listed[1]["id"].as_str().unwrap()] {
        assert_eq!(
            fetch(json!({ "email_id": id, "user_id": "alice" })).await.ok()["emails"],
            json!([listed[1]])
        );
    }
    fetch(json!({ "email_id": "m9" })).await.problem(404, "not_found");
    fetch(json!({ "email_id": "m1", "query": "x" })).await.problem(422, "invalid");
    fetch(json!({})).await.problem(422, "invalid");
    fetch(json!({ "user_id": "bob", "query": "x" })).await.problem(403, "forbidden");
    let bob = world.program.bearer(&token(&world, "bob").await);
    bob.get(&one).await.problem(403, "forbidden");
    assert_eq!(bob.list("/api/emails").await, Vec::<Value>::new());
    alice.get("/api/emails/eml_1").await.problem(404, "not_found");
}
