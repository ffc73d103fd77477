//! Live streams: nothing missed, nothing twice, nothing of anybody else's.

use serde_json::{Value, json};

use crate::support::client::{Client, Request};
use crate::support::database::Engine;
use crate::support::program::ADMIN_KEY;
use crate::support::stream::{Events, Socket, Stream, TRANSPORTS, Transport, Wanted, metric_when};
use crate::support::world::World;
use crate::support::{on_each_database, until, within};

mod crowding;
mod reconnecting;
mod two_nodes;

on_each_database! {
    what_comes_in_is_streamed_in_order_and_resumed_from_any_cursor
    a_cursor_whose_events_have_gone_is_reset
    a_revoked_key_ends_its_streams
}

/// Publishes this many of Alice's events, numbered from `first`.
async fn publish(client: &Client, first: u64, count: u64) {
    let event = |n| json!({ "type": "task.created", "user_id": "alice", "data": { "n": n } });
    let events: Vec<Value> = (first..first + count).map(event).collect();
    client.post("/api/events", &json!({ "events": events })).await.ok();
}

async fn token(world: &World, terms: Value) -> String {
    let made = world.admin().post("/api/tokens", &terms).await.ok();
    made["token"].as_str().unwrap().to_owned()
}

async fn alice(world: &World) -> Wanted {
    Wanted::of(&token(world, json!({ "user_id": "alice" })).await)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

async fn what_comes_in_is_streamed_in_order_and_resumed_from_any_cursor(engine: Engine) {
    let world = World::start(engine).await;
    let (address, alice) = (world.program.address, alice(&world).await);
    let mut first = 0;
    for transport in TRANSPORTS {
        let mut stream = Stream::open(transport, address, &alice).await;
        let ready = stream.expect("ready").await;
        assert_eq!(ready["heartbeat_seconds"], 25);
        publish(&world.admin(), first, 3).await;
        let (mut previous, mut cursors) = (ready["cursor"].clone(), vec![text(&ready["cursor"]).to_owned()]);
        for n in first..first + 3 {
            let frame = stream.expect("event").await;
            assert_eq!((&frame["event"]["data"]["n"], &frame["previous"]), (&json!(n), &previous));
            previous = frame["cursor"].clone();
            cursors.push(text(&previous).to_owned());
            let mut shown =
                world.admin().get(&format!("/api/events/{}", text(&frame["event"]["id"]))).await.ok();
            shown.as_object_mut().unwrap().remove("deliveries");
            assert_eq!(frame["event"], shown, "an event looks the same everywhere");
        }
        drop(stream);
        publish(&world.admin(), first + 3, 200).await;
        for (seen, cursor) in cursors.iter().enumerate() {
            let mut stream = Stream::open(transport, address, &alice.from(cursor)).await;
            for n in first + seen as u64..first + 203 {
                assert_eq!(stream.event().await["event"]["data"]["n"], n);
            }
        }
        first += 203;
        let mut all = Stream::open(transport, address, &alice.from("earliest")).await;
        assert_eq!(all.event().await["event"]["data"]["n"], 0);
    }
    // The state as it is read, and then what comes after it.
    let listed = world.admin().get("/api/events?limit=1").await;
    publish(&world.admin(), first, 1).await;
    let wanted = alice.from(listed.header("x-cursor").unwrap());
    let mut stream = Stream::open(Transport::Socket, address, &wanted).await;
    assert_eq!(stream.event().await["event"]["data"]["n"], first);
    // What a browser has seen last counts for more than what its page has asked for.
    let last_seen = [("last-event-id", listed.header("x-cursor").unwrap())];
    let mut events = Events::open(address, &alice.from("earliest"), &last_seen).await.unwrap();
    within("ready", events.read()).await.unwrap();
    assert_eq!(within("an event", events.read()).await.unwrap()["event"]["data"]["n"], first);
}

#[tokio::test]
async fn each_sees_their_own_events_of_the_types_they_asked_for() {
    let world = World::start(Engine::Sqlite).await;
    let address = world.program.address;
    let narrow = token(&world, json!({ "user_id": "alice", "types": ["message.*"] })).await;
    let bobs = world.admin().post("/api/keys", &json!({ "name": "a key", "user_id": "bob" })).await.ok();
    let (alice, admin) = (alice(&world).await, Wanted::of(ADMIN_KEY));
    let cases: Vec<(Wanted, &[&str])> = vec![
        (alice.clone(), &["alice task.created", "alice message.new", "alice done"]),
        (alice.types(&["message.*", "done"]), &["alice message.new", "alice done"]),
        (alice.types(&["delivery.*", "done"]), &["alice delivery.failed", "alice done"]),
        (Wanted::of(&narrow), &["alice message.new"]),
        (Wanted::of(&narrow).types(&["*"]), &["alice message.new"]),
        (Wanted::of(text(&bobs["key"])), &["bob message.new", "bob done"]),
        (
            admin.types(&["message.new", "done"]),
            &["alice message.new", "bob message.new", "null message.new", "alice done", "bob done"],
        ),
        (Wanted { user: Some("bob"), ..admin }, &["bob message.new", "bob done"]),
    ];
    let mut streams = Vec::new();
    for transport in TRANSPORTS {
        for (wanted, expected) in &cases {
            let mut stream = Stream::open(transport, address, wanted).await;
            stream.expect("ready").await;
            streams.push((stream, wanted.clone(), *expected));
        }
    }
    let event = |user: Option<&str>, kind: &str| json!({ "type": kind, "user_id": user, "data": 0 });
    let events = json!({ "events": [
        event(Some("alice"), "task.created"),
        event(Some("alice"), "message.new"),
        event(Some("bob"), "message.new"),
        event(Some("alice"), "delivery.failed"),
        event(None, "message.new"),
        event(Some("alice"), "done"),
        event(Some("bob"), "done"),
    ] });
    world.admin().post("/api/events", &events).await.ok();
    for (mut stream, wanted, expected) in streams {
        for expected in expected {
            let event = stream.event().await["event"].clone();
            let user = event["user_id"].as_str().unwrap_or("null");
            assert_eq!(format!("{user} {}", text(&event["type"])), *expected, "{wanted:?}");
        }
    }
    for transport in TRANSPORTS {
        let foreign = Wanted { user: Some("bob"), ..alice.clone() };
        match transport {
            Transport::Socket => {
                let mut stream = Stream::open(transport, address, &foreign).await;
                assert_eq!(stream.bye().await, json!({ "t": "bye", "code": "unauthorized", "retry": false }));
            }
            Transport::Events => assert_eq!(Events::open(address, &foreign, &[]).await.unwrap_err(), 403),
        }
    }
    for (wanted, status) in [(Wanted::of("wrong"), 401), (Wanted::default(), 401), (alice.types(&["A"]), 400)]
    {
        assert_eq!(Events::open(address, &wanted, &[]).await.unwrap_err(), status);
    }
}

async fn a_cursor_whose_events_have_gone_is_reset(engine: Engine) {
    let world = World::start_with(engine, |launch| {
        launch.env("WAYSTATION_RETENTION__EVENTS", "2s").env("WAYSTATION_REALTIME__HEARTBEAT_SECONDS", "1")
    })
    .await;
    let (address, alice) = (world.program.address, alice(&world).await);
    let old = world.admin().get("/api/events").await.header("x-cursor").unwrap().to_owned();
    let mut live = Stream::open(Transport::Socket, address, &alice).await;
    live.expect("ready").await;
    publish(&world.admin(), 0, 2).await;
    assert_eq!(live.event().await["event"]["data"]["n"], 0);
    assert_eq!(live.event().await["event"]["data"]["n"], 1);
    until("the events have gone", || async { world.events().await.is_empty().then_some(()) }).await;
    for transport in TRANSPORTS {
        for (cursor, reason) in
            [(old.as_str(), "expired"), ("nonsense", "unknown"), ("cur_00000000ffffffff", "unknown")]
        {
            let mut stream = Stream::open(transport, address, &alice.from(cursor)).await;
            let ready = stream.expect("ready").await;
            let reset = stream.expect("reset").await;
            assert_eq!((&reset["reason"], &reset["cursor"]), (&json!(reason), &ready["cursor"]));
        }
        let mut stream = Stream::open(transport, address, &alice.from(&old)).await;
        stream.expect("ready").await;
        stream.expect("reset").await;
        publish(&world.admin(), 7, 1).await;
        assert_eq!(stream.event().await["event"]["data"]["n"], 7, "it goes on from there");
        // What has seen all is not reset, however old it is: heartbeats move it on.
        assert_eq!(live.event().await["event"]["data"]["n"], 7);
    }
    let beat = loop {
        let frame = live.next().await.unwrap();
        if frame["t"] == "heartbeat" {
            break text(&frame["cursor"]).to_owned();
        }
    };
    let mut resumed = Stream::open(Transport::Socket, address, &alice.from(&beat)).await;
    resumed.expect("ready").await;
    let next = resumed.next().await.unwrap();
    assert_ne!(next["t"], "reset", "{next}");
}

#[tokio::test]
async fn bad_frames_get_a_clear_bye_and_nothing_else_suffers() {
    let world = World::start(Engine::Sqlite).await;
    let (address, alice) = (world.program.address, alice(&world).await);
    let mut other = Stream::open(Transport::Socket, address, &alice).await;
    other.expect("ready").await;
    let hello = json!({ "t": "hello", "v": 1, "token": alice.token });
    let long = "x".repeat(1_024 * 1_024);
    let cases: Vec<(Vec<String>, &str)> = vec![
        (vec!["not JSON".to_owned()], "bad_frame"),
        (vec![json!({ "t": "nonsense" }).to_string()], "bad_frame"),
        (vec![json!({ "t": "pong" }).to_string()], "bad_frame"),
        (vec![json!({ "t": "hello", "v": 2, "token": alice.token }).to_string()], "unsupported_version"),
        (vec![json!({ "t": "hello", "v": 1 }).to_string()], "unauthorized"),
        (vec![json!({ "t": "hello", "v": 1, "token": "wrong" }).to_string()], "unauthorized"),
        (vec![json!({ "t": "hello", "v": 1, "token": long }).to_string()], "too_large"),
        (vec![hello.to_string(), "{".to_owned()], "bad_frame"),
        (vec![hello.to_string(), hello.to_string()], "bad_frame"),
        (vec![hello.to_string(), json!({ "t": "send", "data": long }).to_string()], "too_large"),
    ];
    for (said, code) in cases {
        let mut socket = Socket::open(address, "/api/realtime/ws", &[]).await.unwrap();
        for frame in &said {
            use futures::SinkExt as _;
            let _refused = socket.0.send(frame.as_str().into()).await;
        }
        let bye = Stream::Socket(Box::new(socket)).bye().await;
        assert_eq!((&bye["code"], &bye["retry"]), (&json!(code), &json!(false)), "{:.60}", said[0]);
    }
    publish(&world.admin(), 5, 1).await;
    assert_eq!(other.event().await["event"]["data"]["n"], 5);
    let plain = world.program.anyone().get("/api/realtime/ws").await;
    plain.problem(426, "upgrade_required");
    // A slip of the pen would show other events than were asked for.
    for path in ["/api/realtime/ws?types=a.b", "/api/realtime/sse?type=a.b", "/ws/messages?from=now"] {
        let detail = world.admin().get(path).await.problem(400, "unreadable");
        assert!(detail.contains("unknown field"), "{path}: {detail}");
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_token_does_unless_another_is_shown() {
    let world = World::start(Engine::Sqlite).await;
    let address = world.program.address;
    let brief = Wanted::of(&token(&world, json!({ "user_id": "alice", "ttl_seconds": 2 })).await);
    let lasting = alice(&world).await;
    let bobs = token(&world, json!({ "user_id": "bob" })).await;
    let mut renewed = Socket::open(address, "/api/realtime/ws", &[]).await.unwrap();
    renewed.hello(&brief).await;
    renewed.say(&json!({ "t": "auth", "token": lasting.token })).await;
    let mut streams = Vec::new();
    for transport in TRANSPORTS {
        streams.push(Stream::open(transport, address, &brief).await);
    }
    for stream in &mut streams {
        let bye = stream.bye().await;
        assert_eq!(bye, json!({ "t": "bye", "code": "expired", "retry": true }));
    }
    publish(&world.admin(), 3, 1).await;
    let mut renewed = Stream::Socket(Box::new(renewed));
    assert_eq!(renewed.event().await["event"]["data"]["n"], 3);
    let Stream::Socket(mut socket) = renewed else { unreachable!() };
    socket.say(&json!({ "t": "auth", "token": bobs })).await;
    assert_eq!(Stream::Socket(socket).bye().await["code"], "unauthorized");
}

async fn a_revoked_key_ends_its_streams(engine: Engine) {
    let world = World::start(engine).await;
    let made = world.admin().post("/api/keys", &json!({ "name": "a key", "user_id": "alice" })).await.ok();
    let key = Wanted::of(text(&made["key"]));
    let mut streams = Vec::new();
    for transport in TRANSPORTS {
        streams.push(Stream::open(transport, world.program.address, &key).await);
        streams.last_mut().unwrap().expect("ready").await;
    }
    world.admin().delete(&format!("/api/keys/{}", text(&made["id"]))).await.ok();
    for stream in &mut streams {
        assert_eq!(stream.bye().await, json!({ "t": "bye", "code": "revoked", "retry": false }));
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_is_sent_away_and_delays_nobody() {
    const EVENTS: u64 = 150;
    let world = World::start(Engine::Sqlite).await;
    let (address, alice) = (world.program.address, alice(&world).await);
    let mut idle = Vec::new();
    for transport in TRANSPORTS {
        idle.push(Stream::open(transport, address, &alice).await);
        idle.last_mut().unwrap().expect("ready").await;
    }
    let mut reading = Stream::open(Transport::Socket, address, &alice).await;
    reading.expect("ready").await;
    let padding = "x".repeat(100_000);
    for n in 0..EVENTS {
        let event = json!({ "type": "a.b", "user_id": "alice", "data": { "n": n, "padding": padding } });
        world.admin().post("/api/events", &event).await.ok();
        assert_eq!(reading.event().await["event"]["data"]["n"], n);
    }
    let disconnects = "waystation_realtime_disconnects_total{code=\"slow\"}";
    metric_when(&world.admin(), disconnects, |count| count == 2.0).await;
    // The cursor of what it has read loses nothing.
    let mut stalled = idle.remove(0);
    let mut last = (None, 0);
    while let Some(frame) = stalled.next().await {
        match text(&frame["t"]) {
            "event" => {
                let n = frame["event"]["data"]["n"].as_u64().unwrap();
                last = (Some(text(&frame["cursor"]).to_owned()), n);
            }
            "bye" => assert_eq!(frame["code"], "slow"),
            other => assert_eq!(other, "heartbeat"),
        }
    }
    let mut resumed = Stream::open(Transport::Socket, address, &alice.from(&last.0.unwrap())).await;
    for n in last.1 + 1..EVENTS {
        assert_eq!(resumed.event().await["event"]["data"]["n"], n);
    }
    let peak = world.program.memory_peak_mib();
    assert!(peak < 250, "{peak} MiB");
}

#[tokio::test]
async fn what_is_typed_reaches_the_users_other_connections() {
    let world = World::start(Engine::Sqlite).await;
    let (address, wanted) = (world.program.address, alice(&world).await);
    let mut typing = Socket::open(address, "/api/realtime/ws", &[]).await.unwrap();
    typing.hello(&wanted).await;
    within("ready", typing.read()).await.unwrap();
    let mut others = Vec::new();
    for transport in TRANSPORTS {
        others.push(Stream::open(transport, address, &wanted).await);
        others.last_mut().unwrap().expect("ready").await;
    }
    let mut presence =
        Stream::open(Transport::Socket, address, &Wanted::of(ADMIN_KEY).types(&["presence"])).await;
    presence.expect("ready").await;
    let send = |id: u64, kind: &str, data: Value| json!({ "t": "send", "id": id, "key": "k", "type": kind, "data": data });
    let data = json!({ "conversation_id": "c1", "state": "started" });
    typing.say(&send(1, "typing", data.clone())).await;
    assert_eq!(typing.ack(1).await, json!({ "t": "ack", "id": 1, "ok": true }));
    for other in &mut others {
        let heard = other.expect("ephemeral").await;
        assert_eq!(heard, json!({ "t": "ephemeral", "type": "typing", "from": "alice", "data": data }));
    }
    for (id, kind, data, code) in [
        (2, "message.send", json!({ "conversation_id": "c1", "content": "hi" }), "unknown_conversation"),
        (3, "read.mark", json!({ "conversation_id": "c1" }), "unknown_conversation"),
        (4, "message.send", json!({ "conversation_id": "c1" }), "invalid"),
        (5, "dance", json!({}), "unknown_type"),
    ] {
        let frame = send(id, kind, data);
        typing.say(&frame).await;
        let ack = typing.ack(id).await;
        assert_eq!((&ack["ok"], &ack["error"]["code"]), (&json!(false), &json!(code)), "{ack}");
        let alice = world.program.bearer(&wanted.token);
        assert_eq!(alice.post("/api/realtime/send", &frame).await.ok(), ack, "the same over HTTP");
    }
    let mut bob = Stream::open(
        Transport::Socket,
        address,
        &Wanted::of(&token(&world, json!({ "user_id": "bob" })).await),
    )
    .await;
    bob.expect("ready").await;
    loop {
        let heard = presence.expect("ephemeral").await;
        if heard["type"] == "presence" {
            assert_eq!((&heard["from"], &heard["data"]["state"]), (&json!("bob"), &json!("online")));
            break;
        }
    }
}

#[tokio::test]
async fn a_browsers_session_opens_streams_from_our_own_pages() {
    let world = World::start(Engine::Sqlite).await;
    let address = world.program.address;
    let began = world.program.anyone().post("/api/session", &json!({ "key": ADMIN_KEY })).await;
    let cookie = began.header("set-cookie").unwrap().split_once(';').unwrap().0.to_owned();
    let own = format!("http://{address}");
    for (origin, is_let_in) in [(own.as_str(), true), ("https://evil.example", false)] {
        let headers = [("cookie", cookie.as_str()), ("origin", origin)];
        let mut socket = Socket::open(address, "/api/realtime/ws", &headers).await.unwrap();
        socket.hello(&Wanted::default()).await;
        let first = within("a frame", socket.read()).await.unwrap();
        assert_eq!(first["t"], if is_let_in { "ready" } else { "bye" });
        assert_eq!(Events::open(address, &Wanted::default(), &headers).await.is_ok(), is_let_in);
        assert_eq!(Socket::open(address, "/ws/messages", &headers).await.is_ok(), is_let_in);
    }
}

#[tokio::test]
async fn messages_alone_come_in_envelopes() {
    let world = World::start(Engine::Sqlite).await;
    let address = world.program.address;
    let alice = alice(&world).await.token;
    let mut by_query = Socket::open(address, &format!("/ws/messages?token={alice}"), &[]).await.unwrap();
    let bearer = format!("Bearer {alice}");
    let mut by_header =
        Socket::open(address, "/ws/messages", &[("authorization", bearer.as_str())]).await.unwrap();
    for wrong in ["/ws/messages", "/ws/messages?token=wrong"] {
        assert_eq!(Socket::open(address, wrong, &[]).await.unwrap_err(), 401);
    }
    metric_when(&world.admin(), "waystation_realtime_resumes_total{result=\"now\"}", |count| count == 2.0)
        .await;
    let data = json!({ "chat_id": "c", "conversation_id": null, "message": { "content": "hi" } });
    for (user, kind) in [
        ("bob", "message.new"),
        ("alice", "task.created"),
        ("alice", "message.new"),
        ("alice", "message.read"),
    ] {
        let event = json!({ "type": kind, "user_id": user, "data": data });
        world.admin().post("/api/events", &event).await.ok();
    }
    for socket in [&mut by_query, &mut by_header] {
        for kind in ["message:new", "message:read"] {
            let envelope = within("an envelope", socket.read()).await.unwrap();
            assert_eq!(envelope, json!({ "type": kind, "data": data }));
        }
    }
}

#[tokio::test]
async fn streams_are_counted_and_no_user_is_named() {
    let world = World::start(Engine::Sqlite).await;
    let (address, alice) = (world.program.address, alice(&world).await);
    let admin = world.admin();
    let mut stream = Stream::open(Transport::Events, address, &alice).await;
    stream.expect("ready").await;
    publish(&admin, 0, 2).await;
    stream.event().await;
    stream.event().await;
    metric_when(&admin, "waystation_realtime_connections", |count| count == 1.0).await;
    metric_when(&admin, "waystation_realtime_frames_total{t=\"event\"}", |count| count == 2.0).await;
    metric_when(&admin, "waystation_realtime_append_to_socket_seconds_count", |count| count > 0.0).await;
    metric_when(&admin, "waystation_realtime_resumes_total{result=\"now\"}", |count| count == 1.0).await;
    drop(stream);
    metric_when(&admin, "waystation_realtime_connections", |count| count == 0.0).await;
    metric_when(&admin, "waystation_realtime_disconnects_total{code=\"gone\"}", |count| count == 1.0).await;
    let metrics = admin.get("/metrics").await;
    assert!(!String::from_utf8_lossy(&metrics.body).contains("alice"));
    // An event whose sender has written it on several lines is one event.
    let mut stream = Stream::open(Transport::Events, address, &alice).await;
    stream.expect("ready").await;
    let body = "{\"type\":\"a.b\",\"user_id\":\"alice\",\"data\":{\r\n\"n\":\r1}}";
    let request = Request::post("/api/events").header("content-type", "application/json").body(body);
    admin.send(request).await.ok();
    assert_eq!(stream.event().await["event"]["data"], json!({ "n": 1 }));
}
