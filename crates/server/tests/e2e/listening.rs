//! `waystation listen`: a running server's events at a URL of whoever listens.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout};

use crate::support::database::Engine;
use crate::support::program::{ADMIN_KEY, send};
use crate::support::proxy::Proxy;
use crate::support::receiver::{Delivered, Reply};
use crate::support::sender::{hmac, hmac_hex};
use crate::support::world::World;
use crate::support::{on_each_database, until, within};

on_each_database! {
    events_are_forwarded_and_none_is_lost
}

/// Somebody who listens, line by line.
struct Listener {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    errors: Lines<BufReader<ChildStderr>>,
    secret: String,
}

impl Listener {
    /// Listens to the server at `url`. What comes in from now on is forwarded.
    async fn start(world: &World, url: &str, arguments: &[&str]) -> Self {
        let forward = world.receiver.url();
        let all = [&["listen", "--forward", &forward, "--url", url, "--key", ADMIN_KEY], arguments].concat();
        let mut child = world.launch.begin(&all, Stdio::null(), Stdio::piped(), Stdio::piped());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut listener = Self { child, lines, errors, secret: String::new() };
        let secret = listener.line().await;
        listener.secret = secret.strip_prefix("Signing with ").unwrap().to_owned();
        assert!(listener.line().await.starts_with(&format!("Listening at {url}, forwarding to {forward}")));
        listener
    }

    async fn line(&mut self) -> String {
        within("a line", self.lines.next_line()).await.unwrap().unwrap()
    }

    async fn error(&mut self) -> String {
        within("a line of errors", self.errors.next_line()).await.unwrap().unwrap()
    }

    /// SIGINT, which ends it well.
    async fn stop(mut self) {
        send(&self.child, Signal::INT);
        assert!(within("its end", self.child.wait()).await.unwrap().success());
    }
}

/// Passes if it is signed under `secret` as a subscriber's delivery is.
fn assert_signed(delivered: &Delivered, secret: &str) {
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let (id, timestamp) = (delivered.id(), delivered.header("webhook-timestamp"));
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", &delivered.body].concat();
    let signature = format!("v1,{}", BASE64.encode(hmac(&key, &signed)));
    assert_eq!(delivered.header("webhook-signature"), signature);
    let older = format!("sha256={}", hmac_hex(secret, &delivered.body));
    assert_eq!(delivered.header("x-webhook-signature"), older);
    assert!(delivered.header("x-webhook-delivery").starts_with("dlv_"));
}

async fn events_are_forwarded_and_none_is_lost(engine: Engine) {
    let mut world = World::start(engine).await;
    let before = world.publish(&json!({ "number": 0 })).await;
    let mut proxy = Proxy::start(world.program.address.to_string()).await;
    let url = format!("http://{}", proxy.address);
    let types = ["--user", "alice", "--types", "task.*,door.opened"];
    let mut listener = Listener::start(&world, &url, &types).await;

    let event = |user: &str, kind: &str, data: Value| json!({ "type": kind, "user_id": user, "data": data });
    let admin = world.admin();
    let publish = async |event: Value| {
        let published = admin.post("/api/events", &event).await.ok();
        published["event_id"].as_str().unwrap().to_owned()
    };
    publish(event("bob", "task.created", json!({}))).await;
    publish(event("alice", "door.closed", json!({}))).await;
    let first = publish(event("alice", "door.opened", json!({ "number": 1 }))).await;
    let delivered = world.receiver.next().await;
    assert_eq!((delivered.id(), delivered.header("x-webhook-event")), (first.as_str(), "door.opened"));
    let body = delivered.json();
    assert_eq!((&body["user_id"], &body["data"]), (&json!("alice"), &json!({ "number": 1 })));
    assert_ne!(first, before);
    assert_signed(&delivered, &listener.secret);
    let line = listener.line().await;
    assert!(line.contains(&first) && line.contains("  200  "), "{line}");

    // The server is out of reach, and goes on taking events in: more of them than come in one answer.
    proxy.cut().await;
    assert!(listener.error().await.contains("asking again"));
    let mut missed = Vec::new();
    for number in 0..45 {
        missed.push(publish(event("alice", "task.created", json!({ "number": number }))).await);
    }
    world.receiver.then(Reply::Status(500));
    proxy.mend().await;
    assert_eq!(listener.error().await, "the server is back");
    for (number, id) in missed.iter().enumerate() {
        let delivered = world.receiver.next().await;
        assert_eq!(delivered.id(), id, "in their order");
        let line = listener.line().await;
        let answer = if number == 0 { "  500  " } else { "  200  " };
        assert!(line.contains(id) && line.contains(answer), "{line}");
    }

    // A restart is the same to it.
    proxy.cut().await;
    assert!(listener.error().await.contains("asking again"));
    world.program.ask_to_stop();
    world.program.ended().await;
    world.program = world.launch.start().await;
    let last = world.publish(&json!({ "number": 99 })).await;
    proxy.lead_to(world.program.address.to_string());
    proxy.mend().await;
    assert_eq!(world.receiver.next().await.id(), last);
    assert!(world.receiver.rest().is_empty());
    listener.stop().await;
}

#[tokio::test]
async fn what_will_not_pass_ends_it() {
    let world = World::start(Engine::Sqlite).await;
    let url = format!("http://{}", world.program.address);
    let listen = async |url: &str, key: &str| {
        let arguments = ["listen", "--forward", "http://127.0.0.1:1", "--url", url, "--key", key];
        world.launch.run(&arguments).await
    };
    let refused = listen(&url, "wrong").await;
    assert!(refused.code == Some(1) && refused.stderr.contains("401"), "{refused:?}");
    let nobody = listen("http://127.0.0.1:1", ADMIN_KEY).await;
    assert!(nobody.code == Some(1) && nobody.stderr.contains("no answer from 127.0.0.1:1"), "{nobody:?}");
}

/// A terminal, and what is on it.
struct Terminal {
    keyboard: File,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    /// The terminal, and its other side, for a process.
    fn open() -> (Self, OwnedFd) {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&near).unwrap();
        unlockpt(&near).unwrap();
        tcsetwinsize(&near, Winsize { ws_row: 24, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let far = ptsname(&near, Vec::new()).unwrap();
        let far = File::options().read(true).write(true).open(far.to_str().unwrap()).unwrap();
        let keyboard = File::from(near);
        let (mut screen, shown) = (keyboard.try_clone().unwrap(), Arc::new(Mutex::new(String::new())));
        let written = Arc::clone(&shown);
        // It ends with the last process that has the other side.
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                written.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        (Self { keyboard, shown }, far.into())
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until that has been shown since it was last waited for.
    async fn shows(&self, text: &str) {
        until(text, || async {
            let mut shown = self.shown.lock().unwrap();
            let end = shown.find(text)? + text.len();
            shown.drain(..end);
            Some(())
        })
        .await;
    }
}

#[tokio::test]
async fn on_a_terminal_an_event_is_looked_at_and_sent_again() {
    let mut world = World::start(Engine::Sqlite).await;
    let (url, forward) = (format!("http://{}", world.program.address), world.receiver.url());
    let (mut terminal, far) = Terminal::open();
    let side = || Stdio::from(far.try_clone().unwrap());
    let arguments = ["listen", "--forward", &forward, "--url", &url, "--key", ADMIN_KEY];
    let mut child = world.launch.begin(&arguments, side(), side(), side());
    drop(far);
    terminal.shows("RECEIVED").await;
    let id = world.publish(&json!({ "title": "Mend the door" })).await;
    let first = world.receiver.next().await;
    assert_eq!(first.id(), id);
    terminal.shows("task.created").await;
    terminal.press("r");
    let again = world.receiver.next().await;
    assert_eq!((again.id(), &again.body), (id.as_str(), &first.body));
    assert_eq!(again.header("x-webhook-delivery"), first.header("x-webhook-delivery"));
    terminal.shows("200 ×2").await;
    terminal.press("\r");
    terminal.shows("Mend the door").await;
    terminal.press("q");
    assert!(within("its end", child.wait()).await.unwrap().success());
}
