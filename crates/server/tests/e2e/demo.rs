//! `waystation demo` shows all of it and leaves nothing behind.

use std::collections::HashSet;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout};

use crate::connections::visit;
use crate::support::client::{Client, Request};
use crate::support::database::{Engine, Home};
use crate::support::program::{ADMIN_KEY, Launch, send};
use crate::support::{until, within};

/// A demo that runs, and what it has printed.
struct Demo {
    child: Child,
    rest: BufReader<ChildStdout>,
    address: std::net::SocketAddr,
    code: String,
    key: String,
}

impl Demo {
    /// Waits until it has told all that it has to tell.
    async fn start(home: &Home) -> Self {
        let temporary = home.directory.path().to_str().unwrap();
        let launch = Launch::on(home).env("TMPDIR", temporary);
        let arguments = ["demo", "--port", "0", "--rate", "50"];
        let mut child = launch.begin(&arguments, Stdio::null(), Stdio::piped(), Stdio::inherit());
        let mut rest = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("Ctrl-C") {
            let read = within("what the demo prints", rest.read_line(&mut said)).await.unwrap();
            assert!(read > 0, "it has ended: {said}");
        }
        let word =
            |mark: &str| said.split_whitespace().find_map(|word| Some(word.split_once(mark)?.1.to_owned()));
        let (url, code) = said.split_whitespace().find_map(|word| word.split_once("/sign-in#")).unwrap();
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        let key = format!("wsk_{}", word("wsk_").unwrap());
        Self { address, code: code.to_owned(), key, child, rest }
    }

    fn anyone(&self) -> Client {
        Client::new(self.address, None)
    }

    fn admin(&self) -> Client {
        Client::new(self.address, Some(&self.key))
    }
}

fn left_in(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    names
        .map(|name| name.into_string().unwrap())
        .filter(|name| name.starts_with("waystation-demo-"))
        .collect()
}

#[tokio::test]
async fn a_demo_shows_all_of_it_and_leaves_nothing_behind() {
    let home = Home::make(Engine::Sqlite).await;
    let mut demo = Demo::start(&home).await;
    assert_eq!(left_in(home.directory.path()).len(), 1);
    Client::new(demo.address, Some(ADMIN_KEY)).get("/api/events").await.problem(401, "unauthorized");

    shows_every_kind(&demo.admin()).await;
    let cookie = signs_in_once(&demo).await;
    connects_by_whatever_name(&demo, &cookie).await;

    send(&demo.child, Signal::INT);
    assert!(within("the demo's end", demo.child.wait()).await.unwrap().success());
    let mut last_words = String::new();
    demo.rest.read_to_string(&mut last_words).await.unwrap();
    assert!(last_words.contains("its data are gone"), "{last_words}");
    assert_eq!(left_in(home.directory.path()), Vec::<String>::new());
}

async fn shows_every_kind(admin: &Client) {
    let wanted =
        ["github.", "slack.", "stripe.", "unipile.message", "unipile.mail", "order.", "task.", "connection."];
    until("events of every kind", || async {
        let stats = admin.get("/api/stats?bucket=day").await.ok();
        let types: HashSet<&str> =
            stats["data"].as_array().unwrap().iter().filter_map(|one| one["type"].as_str()).collect();
        wanted.iter().all(|kind| types.iter().any(|one| one.starts_with(kind))).then_some(())
    })
    .await;
    for status in ["success", "failed", "retrying", "held"] {
        let path = format!("/api/deliveries?status={status}");
        until(status, || async { (!admin.list(&path).await.is_empty()).then_some(()) }).await;
    }
    until("forgeries are refused", || async {
        let reasons: HashSet<String> = (admin.list("/api/rejections").await.iter())
            .map(|one| one["reason"].as_str().unwrap().to_owned())
            .collect();
        let wanted = ["invalid_signature", "invalid_timestamp"];
        wanted.iter().all(|reason| reasons.contains(*reason)).then_some(())
    })
    .await;
    let subscription = |all: &[Value], of: &dyn Fn(&Value) -> bool| all.iter().any(of);
    until("a worker works, and who wants nothing is left alone", || async {
        let all = admin.list("/api/webhooks").await;
        let is_pulled = subscription(&all, &|one| {
            one["target"] == "pull" && one["statistics"]["successful"].as_i64() > Some(0)
        });
        (is_pulled && subscription(&all, &|one| one["is_active"] == false)).then_some(())
    })
    .await;
    until("a grant that was taken back is noticed", || async {
        let all = admin.list("/api/connections").await;
        let states: HashSet<&str> = all.iter().filter_map(|one| one["state"].as_str()).collect();
        (states.contains("active") && states.contains("needs_reauth")).then_some(())
    })
    .await;
}

/// Its session's cookie.
async fn signs_in_once(demo: &Demo) -> String {
    let anyone = demo.anyone();
    let link = format!("/sign-in?code={}", demo.code);
    let looked_at = anyone.exchange(&Request::new("HEAD", &link).bytes()).await;
    assert!(looked_at.is_none_or(|answer| answer.header("set-cookie").is_none()), "a look spends nothing");
    let wrong = anyone.get("/sign-in?code=wrong").await;
    assert_eq!((wrong.status, wrong.header("set-cookie")), (410, None));

    let followed = anyone.get(&link).await;
    assert_eq!((followed.status, followed.header("location")), (303, Some("/")));
    assert_eq!(followed.header("cache-control"), Some("no-store"));
    let (cookie, attributes) = followed.header("set-cookie").unwrap().split_once("; ").unwrap();
    assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Strict"), "{attributes}");
    let cookie = cookie.to_owned();
    anyone.send(Request::new("GET", "/api/keys").header("cookie", &cookie)).await.ok();

    let again = anyone.get(&link).await;
    assert_eq!((again.status, again.header("set-cookie")), (410, None));
    anyone.post("/api/session", &json!({ "code": demo.code })).await.problem(401, "unauthorized");
    anyone.post("/api/session", &json!({ "code": demo.code, "key": demo.key })).await.problem(422, "invalid");
    cookie
}

/// The demo says that it is at `127.0.0.1`. Many will open it at `localhost`, whose cookies are others.
async fn connects_by_whatever_name(demo: &Demo, session: &str) {
    let (anyone, port) = (demo.anyone(), demo.address.port());
    let start = |host: &str, session: &str| {
        let page = format!("http://{host}:{port}/connections");
        let path = format!("/api/oauth/github/start?user_id=alice&redirect={page}");
        Request::new("GET", &path)
            .header("host", &format!("{host}:{port}"))
            .header("accept", "application/json")
            .header("cookie", session)
    };
    let begin = |request: Request| async {
        let started = anyone.send(request).await;
        let cookie = started.header("set-cookie").map(|cookie| cookie.split(';').next().unwrap().to_owned());
        (visit(started.ok()["url"].as_str().unwrap()).await, cookie)
    };
    let finish = |callback: String, cookie: Option<String>| async move {
        let path = callback.strip_prefix(&format!("http://{}", demo.address)).unwrap().to_owned();
        let back = Request::new("GET", &path).header("cookie", &cookie.unwrap_or_default());
        demo.anyone().send(back).await.header("location").unwrap().to_owned()
    };

    // The operator's own session, under either name.
    let (callback, cookie) = begin(start("localhost", session)).await;
    assert_eq!(cookie, None, "it would not come back");
    let went_on = finish(callback, cookie).await;
    let done = format!("http://localhost:{port}/connections?connection_id=con_");
    assert!(went_on.starts_with(&done), "{went_on}");
    let (callback, cookie) = begin(start("127.0.0.1", session)).await;
    assert!(cookie.is_some());
    let went_on = finish(callback, cookie).await;
    assert!(went_on.contains("connection_id=con_"), "{went_on}");

    // A user's session needs the cookie, and is told where it counts.
    let key = demo.admin().post("/api/keys", &json!({ "name": "alice", "user_id": "alice" })).await.ok();
    let signed_in = anyone.post("/api/session", &json!({ "key": key["key"] })).await;
    let alice = signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let told = anyone.send(start("localhost", &alice)).await.problem(409, "other_address");
    assert!(told.contains(&format!("open http://{} and begin again", demo.address)), "{told}");
    let (callback, cookie) = begin(start("127.0.0.1", &alice)).await;
    let went_on = finish(callback, Some(cookie.expect("it comes back there"))).await;
    assert!(went_on.contains("connection_id=con_"), "{went_on}");
}
