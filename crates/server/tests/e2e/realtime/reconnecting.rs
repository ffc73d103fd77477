//! Breaking off and coming back, again and again, while events come in.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{alice, text};
use crate::support::client::{Client, Request};
use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::program::ADMIN_KEY;
use crate::support::stream::{Stream, TRANSPORTS, Transport, Wanted};
use crate::support::world::World;

on_each_database! {
    a_server_that_stops_says_so_and_the_next_goes_on
    a_client_that_breaks_off_again_and_again_sees_each_event_once
}

/// Events of one story.
const EVENTS: u64 = 250;

/// Publishes [`EVENTS`] of Alice's, numbered; again wherever the answer does not come, under the same id.
fn publishing(addresses: impl Fn() -> SocketAddr + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        for n in 0..EVENTS {
            let event = json!({ "type": "a.b", "user_id": "alice", "data": n, "id": n.to_string() });
            let request = Request::post("/api/events")
                .header("authorization", &format!("Bearer {ADMIN_KEY}"))
                .json(&event)
                .bytes();
            loop {
                let answer = Client::new(addresses(), None).exchange(&request).await;
                if answer.is_some_and(|answer| answer.status == 200) {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    })
}

/// One who follows Alice's events, breaks off whenever chance has it, and goes on from the last cursor.
struct Follower {
    transport: Transport,
    wanted: Wanted,
    rng: SmallRng,
    seen: Vec<u64>,
    breaks: u32,
}

impl Follower {
    fn new(transport: Transport, wanted: &Wanted, seed: u64) -> Self {
        let wanted = wanted.from("earliest");
        Self { transport, wanted, rng: SmallRng::seed_from_u64(seed), seen: Vec::new(), breaks: 0 }
    }

    /// Reads a few frames from one of `addresses`, and breaks off.
    async fn visit(&mut self, addresses: &[SocketAddr]) {
        let address = addresses[self.rng.random_range(0..addresses.len())];
        let Some(mut stream) = Stream::try_open(self.transport, address, &self.wanted).await else {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            return;
        };
        self.breaks += 1;
        let mut previous = None;
        for _ in 0..self.rng.random_range(1..40_u32) {
            if self.is_done() {
                return;
            }
            let Some(frame) = stream.next().await else { return };
            assert_ne!(frame["t"], "reset", "{frame}");
            if frame["t"] == "event" {
                assert_eq!(Some(&frame["previous"]), previous.as_ref(), "nothing is left out between");
                self.seen.push(frame["event"]["data"].as_u64().unwrap());
            }
            if let Value::String(cursor) = &frame["cursor"] {
                previous = Some(json!(cursor));
                self.wanted.cursor = Some(cursor.clone());
            }
        }
    }

    fn is_done(&self) -> bool {
        self.seen.len() as u64 >= EVENTS
    }

    fn check(&self) {
        assert!(self.seen.iter().copied().eq(0..EVENTS), "{:?}", self.seen);
        assert!(self.breaks > 5, "{}", self.breaks);
    }
}

async fn a_server_that_stops_says_so_and_the_next_goes_on(engine: Engine) {
    let mut world = World::start(engine).await;
    let alice = alice(&world).await;
    let (mut streams, mut cursors) = (Vec::new(), BTreeSet::new());
    for transport in TRANSPORTS {
        for _ in 0..10 {
            let mut stream = Stream::open(transport, world.program.address, &alice).await;
            cursors.insert(text(&stream.expect("ready").await["cursor"]).to_owned());
            streams.push(stream);
        }
    }
    world.program.ask_to_stop();
    for stream in &mut streams {
        assert_eq!(stream.bye().await, json!({ "t": "bye", "code": "shutdown", "retry": true }));
    }
    assert!(world.program.ended().await.success());
    world.program = world.launch.start().await;
    world.publish(&json!(1)).await;
    assert_eq!(cursors.len(), 1);
    for transport in TRANSPORTS {
        let wanted = alice.from(cursors.first().unwrap());
        let mut stream = Stream::open(transport, world.program.address, &wanted).await;
        assert_eq!(stream.event().await["event"]["data"], 1);
    }
}

async fn a_client_that_breaks_off_again_and_again_sees_each_event_once(engine: Engine) {
    let mut world = World::start(engine).await;
    let alice = alice(&world).await;
    let address = std::sync::Arc::new(std::sync::Mutex::new(world.program.address));
    let current = std::sync::Arc::clone(&address);
    let publishing = publishing(move || *current.lock().unwrap());
    let mut followers = TRANSPORTS.map(|transport| Follower::new(transport, &alice, 7));
    let mut restarts = 2;
    while !followers.iter().all(Follower::is_done) {
        for follower in &mut followers {
            follower.visit(&[world.program.address]).await;
        }
        // Once killed, once stopped, in the middle of it.
        if restarts > 0 && followers[0].seen.len() as u64 > EVENTS / 3 * (3 - restarts) {
            restarts -= 1;
            match restarts {
                1 => world.program.kill().await,
                _ => {
                    world.program.ask_to_stop();
                    world.program.ended().await;
                }
            }
            world.program = world.launch.start().await;
            *address.lock().unwrap() = world.program.address;
        }
    }
    publishing.await.unwrap();
    followers.iter().for_each(Follower::check);
}

#[tokio::test]
async fn a_client_may_go_on_at_another_node_on_postgres() {
    let world = World::start(Engine::Postgres).await;
    let second = world.launch.start().await;
    let alice = alice(&world).await;
    let addresses = [world.program.address, second.address];
    let turn = std::sync::atomic::AtomicUsize::new(0);
    let publishing = publishing(move || {
        addresses[turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % addresses.len()]
    });
    let mut followers = TRANSPORTS.map(|transport| Follower::new(transport, &alice, 8));
    for follower in &mut followers {
        while !follower.is_done() {
            follower.visit(&addresses).await;
        }
    }
    publishing.await.unwrap();
    followers.iter().for_each(Follower::check);
    second.stop().await;
}
