//! W3C WebSub, section 5, as Google's hub does it: it says 202, and asks back later.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::form_urlencoded;

use crate::world::World;

/// What the hub knows.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    /// By callback and topic.
    subscriptions: HashMap<(String, String), Subscription>,
    questions: Vec<Question>,
}

#[derive(Debug, Clone)]
struct Subscription {
    secret: Option<String>,
    until: i64,
}

/// What the hub asks back.
#[derive(Debug, Clone)]
pub struct Question {
    /// Whom.
    pub callback: String,
    /// With this query.
    pub query: String,
    challenge: String,
    topic: String,
    is_subscribing: bool,
    secret: Option<String>,
    lease_seconds: i64,
}

/// What the hub grants, whatever is asked for beyond it.
const LEASE_SECONDS_MAX: i64 = 432_000;

impl World {
    /// What the hub has to ask back, where it cannot do so by itself. Each is to be answered by [`World::answer_hub`].
    #[must_use]
    pub fn hub_questions(&self) -> Vec<Question> {
        std::mem::take(&mut self.pushing().data().hub.questions)
    }

    /// Somebody has answered the hub. Anything but the challenge counts as no.
    pub fn answer_hub(&self, question: &Question, answer: &str) {
        if answer != question.challenge {
            return;
        }
        let key = (question.callback.clone(), question.topic.clone());
        let until = self.now() + question.lease_seconds;
        let subscriptions = &mut self.pushing().data().hub.subscriptions;
        if question.is_subscribing {
            subscriptions.insert(key, Subscription { secret: question.secret.clone(), until });
        } else {
            subscriptions.remove(&key);
        }
    }

    /// What the hub signs with for a callback, for each topic of which the lease has not ended.
    #[must_use]
    pub fn hub_subscriptions(&self, callback: &str) -> HashMap<String, Option<String>> {
        let data = self.pushing().data();
        let alive = data
            .hub
            .subscriptions
            .iter()
            .filter(|(key, alive)| key.0 == callback && self.now() < alive.until);
        alive.map(|(key, alive)| (key.1.clone(), alive.secret.clone())).collect()
    }
}

impl World {
    /// Who has a lease on topics with this ending: callbacks, with what is signed with.
    pub(crate) fn hub_leases(&self, ending: &str) -> Vec<(String, Option<String>)> {
        let data = self.pushing().data();
        let alive = data.hub.subscriptions.iter();
        let alive = alive.filter(|(key, alive)| key.1.ends_with(ending) && self.now() < alive.until);
        alive.map(|(key, alive)| (key.0.clone(), alive.secret.clone())).collect()
    }
}

/// `POST /subscribe`.
pub(crate) async fn subscribe(State(world): State<Arc<World>>, body: String) -> Response {
    let fields: HashMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let (callback, topic, mode) = (field("hub.callback"), field("hub.topic"), field("hub.mode"));
    if callback.is_empty() || topic.is_empty() || !matches!(mode.as_str(), "subscribe" | "unsubscribe") {
        return (StatusCode::BAD_REQUEST, "Invalid parameter").into_response();
    }
    let secret = fields.get("hub.secret").cloned();
    if secret.as_ref().is_some_and(|secret| secret.len() >= 200) {
        return (StatusCode::BAD_REQUEST, "Invalid parameter: hub.secret").into_response();
    }
    world.note_secret(secret.as_deref());
    let asked: i64 = field("hub.lease_seconds").parse().unwrap_or(LEASE_SECONDS_MAX);
    let lease_seconds = asked.min(LEASE_SECONDS_MAX);
    let is_subscribing = mode == "subscribe";
    let challenge = format!("challenge-{}", world.pushing().data().next_number());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("hub.mode", &mode)
        .append_pair("hub.topic", &topic)
        .append_pair("hub.challenge", &challenge);
    if is_subscribing {
        query.append_pair("hub.lease_seconds", &lease_seconds.to_string());
    }
    let question =
        Question { callback, query: query.finish(), challenge, topic, is_subscribing, secret, lease_seconds };
    ask_back(&world, question);
    StatusCode::ACCEPTED.into_response()
}

#[expect(clippy::disallowed_methods, reason = "it links none of our crates; the hub asks when it likes")]
fn ask_back(world: &Arc<World>, question: Question) {
    let reached_at = world.pushing().data().reached_at.clone();
    let path = reached_at.as_ref().and_then(|(base, _)| question.callback.strip_prefix(base.as_str()));
    let (Some((_, address)), Some(path)) = (&reached_at, path) else {
        world.pushing().data().hub.questions.push(question);
        return;
    };
    let (world, address, path) = (Arc::clone(world), *address, format!("{path}?{}", question.query));
    tokio::spawn(async move {
        let answered = visit(address, &path).await.unwrap_or_default();
        world.answer_hub(&question, &answered);
    });
}

/// The body of a success.
async fn visit(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: way.test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.split_once("\r\n\r\n").filter(|(head, _)| head.starts_with("HTTP/1.1 2"));
    Ok(body.map(|(_, body)| body.to_owned()).unwrap_or_default())
}
