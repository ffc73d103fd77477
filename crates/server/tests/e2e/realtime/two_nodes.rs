//! Who is there and who types, as it is heard at another node.

use serde_json::{Value, json};

use super::alice;
use crate::support::database::Engine;
use crate::support::program::ADMIN_KEY;
use crate::support::stream::{Stream, Transport, Wanted};
use crate::support::until;
use crate::support::world::World;

/// The next that is passed on of this kind.
async fn ephemeral(stream: &mut Stream, kind: &str) -> Value {
    loop {
        let frame = stream.next().await.expect("the stream goes on");
        if frame["t"] == "ephemeral" && frame["type"] == kind {
            return frame;
        }
    }
}

#[tokio::test]
async fn who_comes_and_who_types_is_heard_at_every_node_on_postgres() {
    let world = World::start(Engine::Postgres).await;
    let second = world.launch.start().await;
    let (alice, admin) = (alice(&world).await, Wanted::of(ADMIN_KEY).types(&["*", "presence"]));
    // Alice comes at one node, and is seen at both. The second may have begun to listen only now, and asks then.
    let mut looking_on = [
        Stream::open(Transport::Socket, world.program.address, &admin).await,
        Stream::open(Transport::Events, second.address, &admin).await,
    ];
    for stream in &mut looking_on {
        stream.expect("ready").await;
    }
    let mut here = Stream::open(Transport::Socket, world.program.address, &alice).await;
    here.expect("ready").await;
    for stream in &mut looking_on {
        let frame = ephemeral(stream, "presence").await;
        assert_eq!((&frame["from"], &frame["data"]), (&json!("alice"), &json!({ "state": "online" })));
    }
    // She types at the one, and her page at the other shows it.
    let mut there = Stream::open(Transport::Socket, second.address, &alice).await;
    there.expect("ready").await;
    let typing = json!({ "type": "typing", "data": { "conversation_id": "c1", "state": "started" } });
    let client = world.program.bearer(&alice.token);
    let heard = async { ephemeral(&mut there, "typing").await };
    let typed = until("typing is taken", || async {
        let answer = client.post("/api/realtime/send", &typing).await;
        (answer.status == 200).then(|| answer.json())
    });
    let (frame, ack) = tokio::join!(heard, typed);
    assert_eq!(ack["ok"], true);
    assert_eq!((&frame["from"], &frame["data"]["conversation_id"]), (&json!("alice"), &json!("c1")));
    second.stop().await;
}
