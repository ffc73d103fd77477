//! How subscriptions are shown.

use domain::batch::Batch;
use domain::headers::Headers;
use domain::path::Path;
use domain::retry::RetryPolicy;
use domain::subscription::{Signing, Subscription, Target, TypePattern};
use domain::template::Template;
use domain::{ConversationId, JobId, SubscriptionId, Timestamp, UserId};
use engine::keys::{SigningKey, SigningKeys};
use serde::Serialize;
use serde_json::Value;
use store::{Statistics, StoredSubscription};
use utoipa::ToSchema;

use crate::app::App;

/// A subscription.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownSubscription {
    #[schema(value_type = String, example = "sub_019aa6b0c7d07b3e8f3c5a1d2e4f6071")]
    id: SubscriptionId,
    /// Whose events it gets; `null`: every user's.
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// `push` to a URL, or `pull` from a queue.
    #[schema(example = "push")]
    target: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    #[schema(value_type = Vec<String>, example = json!(["github.*"]))]
    event_types: Vec<TypePattern>,
    description: String,
    /// False once it was deactivated, by its owner or by a `410 Gone`.
    is_active: bool,
    /// Whether deliveries are held back for now.
    paused: bool,
    /// What events must hold, beyond being of one of the types.
    #[schema(value_type = Option<Object>, example = json!({"data.amount": {"$gte": 100}}))]
    filter: Option<Value>,
    /// Whose body requests have instead of the event's own.
    #[schema(value_type = Option<String>)]
    template: Option<Template>,
    /// The source of a JavaScript function that makes the body.
    transform: Option<String>,
    /// Headers beside ours.
    #[schema(value_type = Object)]
    headers: Headers,
    /// `exponential`, `standard`, `conversation`, or a list of seconds.
    #[schema(value_type = Object, example = "exponential")]
    retry_policy: RetryPolicy,
    retry_count: u16,
    timeout_seconds: u16,
    max_concurrency: u16,
    rate_limit_per_minute: Option<u16>,
    /// Where events hold what deliveries must be equal in to go one after another.
    #[schema(value_type = Option<String>, example = "data.customer.id")]
    ordering_key: Option<Path>,
    /// How deliveries gather; `null`: each goes by itself.
    batch: Option<ShownBatch>,
    /// The conversation whose callback it is. It is changed and removed with that.
    #[schema(value_type = Option<String>)]
    callback_of: Option<ConversationId>,
    #[schema(value_type = String, example = "standard")]
    signing: Signing,
    /// What checks `v1a` signatures; for `signing: "ed25519"` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    statistics: ShownStatistics,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = String)]
    updated_at: Timestamp,
}

/// How deliveries gather.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownBatch {
    /// A batch has at most so many events, and is sent as soon as so many wait: 1 to 1000.
    max_events: u16,
    /// Milliseconds for which the first of a batch waits for others, 0 to 60000.
    #[schema(default = 1_000)]
    max_wait_ms: u32,
}

impl From<Batch> for ShownBatch {
    fn from(Batch { max_events, max_wait_ms }: Batch) -> Self {
        Self { max_events, max_wait_ms }
    }
}

/// How a subscription's deliveries have ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownStatistics {
    /// All deliveries, whether or not they have ended.
    total: i64,
    successful: i64,
    failed: i64,
    #[schema(value_type = Option<String>)]
    last_delivery_at: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    last_success_at: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    last_failure_at: Option<Timestamp>,
}

impl From<Statistics> for ShownStatistics {
    fn from(statistics: Statistics) -> Self {
        let Statistics {
            total, successful, failed, last_delivery_at, last_success_at, last_failure_at, ..
        } = statistics;
        Self { total, successful, failed, last_delivery_at, last_success_at, last_failure_at }
    }
}

pub(in crate::api) fn show(
    app: &App,
    stored: StoredSubscription,
    statistics: Statistics,
) -> ShownSubscription {
    let keys = SigningKeys::open(&app.engine.vault, &stored);
    let public_key = match keys.map(|keys| keys.newest) {
        Ok(SigningKey::KeyPair(pair)) => Some(pair.public().to_string()),
        _ => None,
    };
    let Subscription { id, user_id, target, terms, is_active, paused, created_at, updated_at } =
        stored.subscription;
    let (target, url, queue) = match target {
        Target::Push { url } => ("push", Some(url), None),
        Target::Pull { queue } => ("pull", None, Some(queue)),
    };
    ShownSubscription {
        id,
        user_id,
        target,
        url,
        queue,
        event_types: terms.event_types,
        description: terms.description,
        is_active,
        paused,
        filter: terms.filter,
        template: terms.template,
        transform: terms.transform.map(|source| source.0),
        headers: terms.headers,
        retry_policy: terms.retry_policy,
        retry_count: terms.retry_count,
        timeout_seconds: terms.timeout_seconds,
        max_concurrency: terms.max_concurrency,
        rate_limit_per_minute: terms.rate_limit_per_minute,
        ordering_key: terms.ordering_key,
        batch: terms.batch.map(Into::into),
        callback_of: terms.callback_of,
        signing: terms.signing,
        public_key,
        statistics: statistics.into(),
        created_at,
        updated_at,
    }
}

/// A new subscription, with its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewSubscription {
    #[serde(flatten)]
    pub(in crate::api) shown: ShownSubscription,
    /// What checks the signatures. It is shown this once. Asymmetric signing has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub(in crate::api) secret: Option<String>,
    /// With `start`: the job that owes it what came in before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(in crate::api) job_id: Option<JobId>,
}

/// What the subscriber checks signatures with, where that is a secret.
pub(in crate::api) fn shared_secret(keys: &SigningKeys) -> Option<String> {
    match &keys.newest {
        SigningKey::Secret(secret) => Some(secret.reveal().to_owned()),
        SigningKey::KeyPair(_) => None,
    }
}
