//! Gmail's notices: believed by a token of Google's, whose keys are fetched from a stand-in.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::client::Request;
use crate::support::database::Engine;
use crate::support::program::Launch;
use crate::support::sender::now_seconds;
use crate::support::until;
use crate::support::world::World;

const ACCOUNT: &str = "push@way.iam.gserviceaccount.com";
const AUDIENCE: &str = "https://hooks.example.com/api/webhooks/gmail";

/// Stands in for Google: signs tokens, and publishes its key under a name.
pub(crate) struct Issuer {
    key: RsaKeyPair,
    address: SocketAddr,
    page: Arc<Mutex<Published>>,
}

/// What is answered, and how often it was asked for.
#[derive(Default)]
struct Published {
    status: u16,
    body: String,
    asked: usize,
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let key =
            RsaKeyPair::from_pkcs8(include_bytes!("../../../providers/src/testing/issuer.pk8")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let issuer = Self { key, address, page: Arc::default() };
        tokio::spawn(publish(listener, Arc::clone(&issuer.page)));
        issuer
    }

    /// Publishes the key by that name, and no other.
    pub(crate) fn publish(&self, name: &str) {
        let ring::rsa::PublicKeyComponents { n, e } =
            ring::rsa::PublicKeyComponents::<Vec<u8>>::from(self.key.public());
        let [n, e] = [n, e].map(|number| URL_SAFE_NO_PAD.encode(number));
        let key = json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": name, "n": n, "e": e });
        self.answer(200, &json!({ "keys": [key] }).to_string());
    }

    fn answer(&self, status: u16, body: &str) {
        let mut page = self.page.lock().unwrap();
        (page.status, page.body) = (status, body.to_owned());
    }

    fn asked(&self) -> usize {
        self.page.lock().unwrap().asked
    }

    async fn world(&self) -> World {
        World::start_with(Engine::Sqlite, |launch| self.known_to(launch)).await
    }

    /// A server that believes it.
    pub(crate) fn known_to(&self, launch: Launch) -> Launch {
        launch
            .env("GOOGLE_PUBSUB_SERVICE_ACCOUNT", ACCOUNT)
            .env("GOOGLE_PUBSUB_AUDIENCE", AUDIENCE)
            .env("GOOGLE_JWKS_URL", &format!("http://{}/certs", self.address))
    }

    /// A token that is signed with the key of that name, and says this beside the usual.
    pub(crate) fn bearer(&self, key: &str, claims: &[(&str, Value)]) -> String {
        let now = now_seconds();
        let mut all = json!({
            "iss": "https://accounts.google.com", "aud": AUDIENCE, "email": ACCOUNT, "email_verified": true,
            "iat": now - 60, "exp": now + 3_540,
        });
        for (name, value) in claims {
            all[name] = value.clone();
        }
        let header = json!({ "alg": "RS256", "kid": key, "typ": "JWT" });
        let [header, claims] = [&header, &all].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let mut signature = vec![0; self.key.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        self.key.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
        format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A notice with a token that is signed with the key of that name.
    pub(crate) fn notice(&self, key: &str, message: &str, claims: &[(&str, Value)]) -> Request {
        let data =
            STANDARD.encode(json!({ "emailAddress": "user@example.com", "historyId": 9_876 }).to_string());
        let body = json!({
            "message": { "data": data, "messageId": message, "publishTime": "2026-11-21T09:30:00.125Z" },
            "subscription": "projects/P/subscriptions/S",
        });
        Request::post("/api/webhooks/gmail").header("authorization", &self.bearer(key, claims)).json(&body)
    }
}

async fn publish(listener: TcpListener, page: Arc<Mutex<Published>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let _request = stream.read(&mut [0; 4_096]).await;
        let answer = {
            let mut page = page.lock().unwrap();
            page.asked += 1;
            let Published { status, body, .. } = &*page;
            format!(
                "HTTP/1.1 {status} As Told\r\ncache-control: public, max-age=3600\r\nconnection: close\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let _gone = stream.write_all(answer.as_bytes()).await;
    }
}

#[tokio::test]
async fn a_notice_is_that_users_who_has_connected_the_mailbox() {
    let issuer = Issuer::start().await;
    issuer.publish("key-1");
    let world = issuer.world().await;
    let connection = json!({ "user_id": "alice", "provider": "gmail", "account_id": "User@Example.com" });
    world.admin().post("/api/connections", &connection).await.ok();
    world.program.anyone().send(issuer.notice("key-1", "1", &[])).await.ok();
    let events = world.admin().list("/api/events?user_id=alice").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["type"], "gmail.notification");
}

#[tokio::test]
async fn a_notice_is_believed_with_keys_that_are_fetched_once() {
    let issuer = Issuer::start().await;
    issuer.publish("one");
    let world = issuer.world().await;
    let client = world.program.anyone();
    let first = client.send(issuer.notice("one", "m1", &[])).await.ok();
    assert_eq!(client.send(issuer.notice("one", "m1", &[])).await.ok()["event_id"], first["event_id"]);
    for claims in [
        [("aud", json!("https://elsewhere.example.com"))],
        [("email", json!("mallory@way.iam.gserviceaccount.com"))],
        [("iss", json!("https://accounts.example.com"))],
    ] {
        client.send(issuer.notice("one", "m2", &claims)).await.problem(401, "invalid_token");
    }
    let expired = issuer.notice("one", "m2", &[("exp", json!(now_seconds() - 1))]);
    client.send(expired).await.problem(401, "invalid_timestamp");
    assert_eq!(issuer.asked(), 1);

    let [event] = world.events().await.try_into().unwrap();
    assert_eq!(event["type"], "gmail.notification");
    assert_eq!(event["data"]["emailAddress"], "user@example.com");
}

#[tokio::test]
async fn a_key_that_is_not_there_is_looked_for_again() {
    let issuer = Issuer::start().await;
    issuer.publish("one");
    let world = issuer.world().await;
    let client = world.program.anyone();
    client.send(issuer.notice("one", "m1", &[])).await.ok();
    issuer.publish("two");
    // Not in the same second: strangers may name keys that nobody has.
    until("the new key", || async {
        let answer = client.send(issuer.notice("two", "m2", &[])).await;
        if answer.status == 401 {
            answer.problem(401, "invalid_token");
            return None;
        }
        Some(answer.ok())
    })
    .await;
    assert_eq!(issuer.asked(), 2);
    client.send(issuer.notice("one", "m3", &[])).await.problem(401, "invalid_token");
}

#[tokio::test]
async fn without_keys_the_sender_is_told_to_come_back() {
    let issuer = Issuer::start().await;
    issuer.answer(500, "");
    let world = issuer.world().await;
    let client = world.program.anyone();
    for _ in 0..3 {
        let refused = client.send(issuer.notice("one", "m1", &[])).await;
        refused.problem(503, "keys_unavailable");
        assert!(refused.header("retry-after").is_some());
    }
    assert_eq!(issuer.asked(), 1, "a failure is remembered for a while");
    issuer.publish("one");
    until("the keys", || async {
        let answer = client.send(issuer.notice("one", "m1", &[])).await;
        (answer.status == 200).then_some(())
    })
    .await;
    assert_eq!(world.events().await.len(), 1);
}
