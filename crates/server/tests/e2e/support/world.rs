//! A server, one who subscribes to it, and what a story does with them.

use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::database::{Engine, Home};
use super::program::{Launch, Program};
use super::receiver::Receiver;
use super::sender::github;
use super::until;

pub(crate) const GITHUB: &str = "/api/webhooks/github/alice";
pub(crate) const SLACK: &str = "/api/webhooks/slack/alice";

/// Dropped in this order: the program must be gone before its data.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) program: Program,
    pub(crate) receiver: Receiver,
    pub(crate) launch: Launch,
    pub(crate) home: Home,
}

impl World {
    pub(crate) async fn start(engine: Engine) -> Self {
        Self::start_with(engine, |launch| launch).await
    }

    pub(crate) async fn start_with(engine: Engine, settings: impl FnOnce(Launch) -> Launch) -> Self {
        let home = Home::make(engine).await;
        let launch = settings(Launch::on(&home));
        let program = launch.start().await;
        Self { program, receiver: Receiver::start().await, launch, home }
    }

    pub(crate) fn admin(&self) -> Client {
        self.program.admin()
    }

    /// Subscribes the receiver to all of Alice's events, on these terms.
    pub(crate) async fn subscribe(&self, terms: &Value) -> Subscription {
        subscribe(&self.admin(), &self.receiver, terms).await
    }

    /// A push to Alice's repository.
    pub(crate) async fn github(&self, delivery: &str, body: &[u8]) -> Answer {
        self.program.anyone().send(github(GITHUB, delivery, body)).await
    }

    /// Publishes an event of Alice's; its id.
    pub(crate) async fn publish(&self, data: &Value) -> String {
        publish(&self.admin(), data).await
    }

    /// The event's only delivery, once it has this status.
    pub(crate) async fn delivery_when(&self, event_id: &str, status: &str) -> Value {
        delivery_when(&self.admin(), event_id, status).await
    }

    /// The event's `count` deliveries, once all have this status.
    pub(crate) async fn deliveries_when(&self, event_id: &str, count: usize, status: &str) -> Vec<Value> {
        let (admin, path) = (self.admin(), format!("/api/events/{event_id}"));
        let what = format!("all of {event_id} are {status}");
        let ids = until(&what, || async {
            let event = admin.get(&path).await.ok();
            let deliveries = event["deliveries"].as_array().unwrap();
            assert_eq!(deliveries.len(), count, "{event}");
            let are_all = deliveries.iter().all(|delivery| delivery["status"] == status);
            are_all.then(|| {
                deliveries.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
            })
        });
        let mut deliveries = Vec::new();
        for id in ids.await {
            deliveries.push(admin.get(&format!("/api/deliveries/{id}")).await.ok());
        }
        deliveries
    }

    /// The attempts of the event's only delivery, once it has this status.
    pub(crate) async fn attempts_when(&self, event_id: &str, status: &str) -> Vec<Value> {
        self.delivery_when(event_id, status).await["attempts"].as_array().unwrap().clone()
    }

    pub(crate) async fn events(&self) -> Vec<Value> {
        self.admin().list("/api/events").await
    }
}

/// How often the store has run a statement.
pub(crate) async fn runs(client: &Client, statement: &str) -> u64 {
    measured(client, &format!("waystation_store_statements_total{{statement=\"{statement}\"}}")).await
}

/// What `/metrics` says of one measure; 0 where it says nothing.
pub(crate) async fn measured(client: &Client, measure: &str) -> u64 {
    let text = String::from_utf8(client.get("/metrics").await.body).unwrap();
    let value = |line: &str| line.strip_prefix(measure)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

/// A subscription of a receiver's.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    /// Empty where signatures are asymmetric.
    pub(crate) secret: String,
    pub(crate) shown: Value,
}

impl Subscription {
    pub(crate) fn path(&self) -> String {
        format!("/api/webhooks/{}", self.id)
    }
}

pub(crate) async fn subscribe(client: &Client, receiver: &Receiver, terms: &Value) -> Subscription {
    let mut body = json!({ "user_id": "alice", "url": receiver.url(), "event_types": ["*"] });
    body.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
    let shown = client.post("/api/webhooks", &body).await.ok();
    let text = |field: &str| shown[field].as_str().unwrap_or_default().to_owned();
    Subscription { id: text("id"), secret: text("secret"), shown }
}

pub(crate) async fn publish(client: &Client, data: &Value) -> String {
    let event = json!({ "type": "task.created", "user_id": "alice", "data": data });
    let published = client.post("/api/events", &event).await.ok();
    assert_eq!(published["status"], "accepted");
    published["event_id"].as_str().unwrap().to_owned()
}

pub(crate) async fn delivery_when(client: &Client, event_id: &str, status: &str) -> Value {
    let path = format!("/api/events/{event_id}");
    let what = format!("{event_id} is {status}");
    let id = until(&what, || async {
        let event = client.get(&path).await.ok();
        let deliveries = event["deliveries"].as_array().unwrap();
        assert_eq!(deliveries.len(), 1, "{event}");
        (deliveries[0]["status"] == status).then(|| deliveries[0]["id"].as_str().unwrap().to_owned())
    });
    client.get(&format!("/api/deliveries/{}", id.await)).await.ok()
}
