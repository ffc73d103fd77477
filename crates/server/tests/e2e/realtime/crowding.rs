//! How many streams there may be.

use serde_json::json;

use super::{alice, token};
use crate::support::client::Client;
use crate::support::database::Engine;
use crate::support::program::ADMIN_KEY;
use crate::support::stream::{Events, Socket, Stream, TRANSPORTS, Transport, Wanted};
use crate::support::until;
use crate::support::world::World;

#[tokio::test]
async fn a_user_has_so_many_streams_and_a_server_so_many_in_all() {
    let world = World::start_with(Engine::Sqlite, |launch| {
        launch
            .env("WAYSTATION_REALTIME__STREAMS_MAX", "5")
            .env("WAYSTATION_REALTIME__STREAMS_PER_USER_MAX", "2")
    })
    .await;
    let (address, alice) = (world.program.address, alice(&world).await);
    let mut alices = Vec::new();
    for transport in TRANSPORTS {
        let mut stream = Stream::open(transport, address, &alice).await;
        stream.expect("ready").await;
        alices.push(stream);
    }
    // Told before the stream begins, where it is known by then whose it is.
    let refused = Client::new(address, Some(&alice.token)).get("/api/realtime/sse").await;
    assert_eq!(refused.header("retry-after"), Some("5"));
    refused.problem(429, "too_many_streams");
    let bearer = format!("Bearer {}", alice.token);
    let shown = Socket::open(address, "/api/realtime/ws", &[("authorization", bearer.as_str())]).await;
    assert_eq!(shown.unwrap_err(), 429);
    let mut greeted = Stream::open(Transport::Socket, address, &alice).await;
    assert_eq!(greeted.bye().await, json!({ "t": "bye", "code": "too_many", "retry": true }));
    drop(greeted);
    // One user's crowd keeps nobody else out.
    let bob = Wanted::of(&token(&world, json!({ "user_id": "bob" })).await);
    let others = [bob, Wanted::of(ADMIN_KEY), Wanted::of(ADMIN_KEY)];
    let mut streams = Vec::new();
    for wanted in &others {
        let opened = || async { Events::open(address, wanted, &[]).await.ok() };
        streams.push(until("a place", opened).await);
    }
    Client::new(address, Some(ADMIN_KEY)).get("/api/realtime/sse").await.problem(503, "too_many_streams");
    assert_eq!(Socket::open(address, "/api/realtime/ws", &[]).await.unwrap_err(), 503);
    // Places are given back.
    alices.pop();
    until("a place", || async { Events::open(address, &alice, &[]).await.ok() }).await;
}
