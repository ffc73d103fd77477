//! Subscriptions: who wants which events, and where they go.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use domain::batch::Batch;
use domain::headers::Headers;
use domain::limits::{
    DESCRIPTION_BYTES_MAX, EVENT_TYPES_PER_SUBSCRIPTION_MAX, MAX_CONCURRENCY_MAX, RATE_LIMIT_PER_MINUTE_MAX,
    RETRY_COUNT_MAX, TIMEOUT_SECONDS_MAX, URL_BYTES_MAX,
};
use domain::path::Path;
use domain::retry::RetryPolicy;
use domain::signing::{KeyPair, Secret};
use domain::subscription::{Signing, Subscription, Target, Terms, TypePattern};
use domain::template::Template;
use domain::{ConversationId, JobId, SubscriptionId, Timestamp, UserId};
use engine::keys::{SigningKey, SigningKeys};
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Statistics, StoredSubscription};
use utoipa::{IntoParams, ToSchema};

use super::fields::{Fields, Said};
use super::list::{At, Listed, Params, page, parsed};
use super::owned::OwnedSubscription;
use super::queues::{take_pull_target, take_queue};
use super::shape::{take_order, take_shape};
use crate::access::Bearer;
use crate::app::App;
use crate::problem::{Problem, Result};

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

pub(super) fn show(app: &App, stored: StoredSubscription, statistics: Statistics) -> ShownSubscription {
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

/// What a subscription is to be.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is what the document shows; the body is read field by field")]
pub(crate) struct SubscriptionTerms {
    /// Whose events it gets. A user's key may leave it out; with the admin key, left out or `null` means every user's.
    user_id: Option<String>,
    /// `push` to a URL, or `pull` from a queue.
    #[schema(default = "push")]
    target: Option<String>,
    /// For `push`: where requests are sent: `https://`, or `http://` to an address that the configuration allows.
    #[schema(example = "https://example.com/hook")]
    url: Option<String>,
    /// For `pull`: the queue's name, at most 128 bytes.
    #[schema(default = "default")]
    queue: Option<String>,
    /// For `pull`: from when on events are wanted: `now`, `earliest`, or a time.
    #[schema(default = "now")]
    start: Option<String>,
    /// Types, exactly (`github.push`), with a trailing wildcard (`github.*`), or all (`*`).
    #[schema(example = json!(["github.*"]))]
    event_types: Vec<String>,
    description: Option<String>,
    /// A secret that receivers know already: `whsec_` and 24 to 64 bytes, or the `whsk_` of a key pair. Without it one is made.
    secret: Option<String>,
    /// What events must hold, beyond being of one of the types: an object of paths and conditions.
    #[schema(value_type = Option<Object>, example = json!({"data.amount": {"$gte": 100}}))]
    filter: Option<Value>,
    /// `slack`, `discord`, `teams` or `generic`: requests then have that body instead of the event's own.
    template: Option<String>,
    /// A JavaScript function, `(event) => body`: it gets the event as the API shows it and returns the body, `{ body,
    /// headers }`, or `null` to send nothing. It takes the place of a template.
    #[schema(example = "(event) => ({ text: event.data.title })")]
    transform: Option<String>,
    /// Headers beside ours: at most 32, with 4 KiB in all. Those that say how a request travels and those that begin with
    /// `webhook-` or `X-Webhook-` are ours.
    #[schema(value_type = Option<Object>, example = json!({"X-Team": "billing"}))]
    headers: Option<BTreeMap<String, String>>,
    #[schema(default = true)]
    is_active: Option<bool>,
    #[schema(default = false)]
    paused: Option<bool>,
    /// `exponential` (2 s, doubling, at most 1 h), `standard` (5 s to 24 h), `conversation` (4, 8, 10 s), or a list of
    /// seconds.
    #[schema(value_type = Object, default = "exponential")]
    retry_policy: Option<RetryPolicy>,
    /// Retries after the first attempt, 0 to 10: 3, or as many as the named policy has.
    retry_count: Option<u16>,
    /// Seconds that an attempt may take, 1 to 60.
    #[schema(default = 10)]
    timeout_seconds: Option<u16>,
    /// Attempts under way at once, 1 to 1000.
    #[schema(default = 10)]
    max_concurrency: Option<u16>,
    /// Attempts that may begin within any minute: 1 to 6000, or `null` for as many as can.
    rate_limit_per_minute: Option<u16>,
    /// A path into the event. Deliveries of events that hold the same there go one after another, in the order of the log;
    /// one that is to be retried holds those behind it back. Where an event holds nothing there its delivery waits for no
    /// other.
    #[schema(example = "data.customer.id")]
    ordering_key: Option<String>,
    /// Several events in one signed request, `{"events":[…]}`. It goes with neither a transform nor a template, and is for
    /// `push` only.
    batch: Option<ShownBatch>,
    /// `standard`, or `ed25519` for asymmetric signatures.
    #[schema(default = "standard")]
    signing: Option<String>,
}

/// A new subscription, with its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewSubscription {
    #[serde(flatten)]
    pub(super) shown: ShownSubscription,
    /// What checks the signatures. It is shown this once. Asymmetric signing has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub(super) secret: Option<String>,
    /// With `start`: the job that owes it what came in before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) job_id: Option<JobId>,
}

/// Create a subscription
#[utoipa::path(post, path = "/api/webhooks", tag = "Subscriptions", request_body = SubscriptionTerms,
    responses((status = 201, body = NewSubscription), (status = 422, body = Problem)))]
pub(crate) async fn create_subscription(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    request: Request,
) -> Result<(StatusCode, Json<NewSubscription>)> {
    let (parts, body) = request.into_parts();
    let mut fields = Fields::read(&parts.headers, body).await?;
    let user_id = fields.take_parsed("user_id");
    let target = take_new_target(&mut fields);
    let start = take_start(&mut fields, &target);
    let event_types = take_event_types(&mut fields);
    let event_types = fields.need("event_types", event_types, "which events are wanted? [\"*\"] are all");
    let mut terms = Terms { event_types: event_types.unwrap_or_default(), ..Terms::default() };
    let (mut is_active, mut paused) = (true, false);
    take_signing(&mut fields, &mut terms);
    let brought = take_secret(&mut fields, terms.signing);
    take_terms(&mut fields, &mut terms, Said::Null);
    take_shape(&app, access.user(), &mut fields, &mut terms).await;
    take_order(&mut fields, &target, &mut terms);
    take_switches(&mut fields, &mut is_active, &mut paused);
    if start != Start::Now && !is_active {
        fields.refuse("start", "needs is_active: nothing is owed to what is inactive");
    }
    if let Target::Push { url } = &target {
        check_endpoint(&app, &mut fields, Some(url)).await;
    }
    fields.finish()?;
    let user_id = match user_id {
        Said::Value(user) => Some(user),
        Said::Nothing | Said::Null => None,
    };
    let user_id = access.narrow(user_id)?;
    let now = app.engine.clock.now();
    let id = SubscriptionId::new(now, &mut engine::chance::rng());
    let generated = || SigningKeys::generate(terms.signing, &mut engine::chance::rng());
    let keys = brought.map_or_else(generated, SigningKeys::only);
    let subscription =
        Subscription { id, user_id, target, terms, is_active, paused, created_at: now, updated_at: now };
    let stored =
        StoredSubscription { subscription, sealed_key: keys.seal(&app.engine.vault, id), revision: 0 };
    let job_id = match start {
        Start::Now => app.engine.store.create_subscription(&stored).await.map(|()| None)?,
        Start::Earliest => Some(app.engine.recovery.create_started(&stored, None).await?),
        Start::At(since) => Some(app.engine.recovery.create_started(&stored, Some(since)).await?),
    };
    reload(&app).await;
    let shown = show(&app, stored, Statistics::default());
    Ok((StatusCode::CREATED, Json(NewSubscription { shown, secret: shared_secret(&keys), job_id })))
}

/// What the subscriber checks signatures with, where that is a secret.
pub(super) fn shared_secret(keys: &SigningKeys) -> Option<String> {
    match &keys.newest {
        SigningKey::Secret(secret) => Some(secret.reveal().to_owned()),
        SigningKey::KeyPair(_) => None,
    }
}

/// Takes where deliveries go: a URL, or a queue.
fn take_new_target(fields: &mut Fields) -> Target {
    if let Some(queue) = take_pull_target(fields) {
        return queue;
    }
    let url = take_url(fields);
    Target::Push { url: fields.need("url", url, "where are the requests sent?").unwrap_or_default() }
}

/// From when on a queue gets events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Now,
    Earliest,
    At(Timestamp),
}

fn take_start(fields: &mut Fields, target: &Target) -> Start {
    let start = fields.take("start", "a text", |text: String| match text.as_str() {
        "now" => Ok(Start::Now),
        "earliest" => Ok(Start::Earliest),
        time => {
            Timestamp::parse(time).map(Start::At).map_err(|_| "must be now, earliest, or an ISO 8601 time")
        }
    });
    let start = start.or(Start::Now);
    if start != Start::Now && matches!(target, Target::Push { .. }) {
        fields.refuse("start", "is for target \"pull\": replay to a URL once it is subscribed");
    }
    start
}

fn take_url(fields: &mut Fields) -> Said<String> {
    fields.take("url", "a URL", |url: String| check_url(&url))
}

/// A URL that can be called, in the spelling that counts.
pub(super) fn check_url(url: &str) -> Result<String, String> {
    if url.len() > URL_BYTES_MAX {
        return Err(format!("must be at most {URL_BYTES_MAX} bytes long"));
    }
    let parsed = url::Url::parse(url).map_err(|error| format!("is no URL: {error}"))?;
    if !matches!(parsed.scheme(), "https" | "http") {
        return Err("must begin with https://".to_owned());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("must not hold a user name or password: check the signature instead".to_owned());
    }
    // What an HTTP client makes of it must be what a browser would.
    parsed.as_str().parse::<Uri>().map_err(|error| format!("is no URL: {error}"))?;
    Ok(parsed.as_str().split('#').next().unwrap_or_default().to_owned())
}

fn take_event_types(fields: &mut Fields) -> Said<Vec<TypePattern>> {
    fields.take("event_types", "a list of event types", |types: Vec<String>| {
        if types.is_empty() || types.len() > EVENT_TYPES_PER_SUBSCRIPTION_MAX {
            return Err(format!("must name 1 to {EVENT_TYPES_PER_SUBSCRIPTION_MAX} types"));
        }
        let patterns =
            types.iter().map(|text| text.parse::<TypePattern>().map_err(|error| error.to_string()));
        patterns.collect::<Result<Vec<_>, _>>()
    })
}

fn take_signing(fields: &mut Fields, terms: &mut Terms) {
    fields
        .take("signing", "\"standard\" or \"ed25519\"", Ok::<Signing, String>)
        .change(&mut terms.signing, Signing::default());
}

/// Takes a key that receivers know from elsewhere, so that they need not notice that it is us now.
fn take_secret(fields: &mut Fields, signing: Signing) -> Option<SigningKey> {
    let secret = fields.take_text("secret", SECRET_BYTES_MAX).value()?;
    let key = match signing {
        Signing::Standard => Secret::brought(&secret).map(SigningKey::Secret),
        Signing::Ed25519 => KeyPair::parse(&secret).map(SigningKey::KeyPair),
    };
    if key.is_err() {
        let expected = match signing {
            Signing::Standard => "must be whsec_ and the base64 of 24 to 64 bytes",
            Signing::Ed25519 => "must be whsk_ and the base64 of the 32 bytes of a private key",
        };
        fields.refuse("secret", format!("{expected}; without it one is made"));
    }
    key.ok()
}

/// Bytes of a secret that is brought along: 64 in base64, with a prefix and room for padding.
const SECRET_BYTES_MAX: usize = 128;

/// Takes what may be set at any time. `count` says what a `retry_count` that is not there means: for a new subscription
/// the policy's own number, for a change what was there, unless the policy changes.
fn take_terms(fields: &mut Fields, terms: &mut Terms, count: Said<u16>) {
    let defaults = Terms::default();
    fields.take_text("description", DESCRIPTION_BYTES_MAX).change(&mut terms.description, String::new());
    let expected = "\"exponential\", \"standard\", \"conversation\" or a list of seconds";
    let policy = fields.take("retry_policy", expected, |policy: RetryPolicy| policy.check().map(|()| policy));
    let count = if matches!(policy, Said::Nothing) { count } else { Said::Null };
    policy.change(&mut terms.retry_policy, defaults.retry_policy);
    let natural = terms.retry_policy.natural_count();
    count.change(&mut terms.retry_count, natural);
    fields.take_number("retry_count", 0, RETRY_COUNT_MAX).change(&mut terms.retry_count, natural);
    fields
        .take_number("timeout_seconds", 1, TIMEOUT_SECONDS_MAX)
        .change(&mut terms.timeout_seconds, defaults.timeout_seconds);
    fields
        .take_number("max_concurrency", 1, MAX_CONCURRENCY_MAX)
        .change(&mut terms.max_concurrency, defaults.max_concurrency);
    fields
        .take_number("rate_limit_per_minute", 1, RATE_LIMIT_PER_MINUTE_MAX)
        .map(Some)
        .change(&mut terms.rate_limit_per_minute, defaults.rate_limit_per_minute);
}

fn take_switches(fields: &mut Fields, is_active: &mut bool, paused: &mut bool) {
    fields.take("is_active", "true or false", Ok::<bool, String>).change(is_active, true);
    fields.take("paused", "true or false", Ok::<bool, String>).change(paused, false);
}

async fn check_endpoint(app: &App, fields: &mut Fields, url: Option<&str>) {
    check_address(app, fields, "url", url).await;
}

/// Refuses a URL whose address could never be called. A name that does not resolve now may do so later.
pub(super) async fn check_address(app: &App, fields: &mut Fields, name: &str, url: Option<&str>) {
    let Some(Ok(uri)) = url.map(str::parse::<Uri>) else { return };
    let checked = app.engine.client.check(&uri).await;
    let refused = match checked {
        Err(failure) if failure.code == domain::attempt::ErrorCode::BlockedAddress => failure.message,
        Err(failure) if uri.scheme_str() == Some("http") => failure.message,
        _ => return,
    };
    let advice = "use https:// to a public address, or allow it with WAYSTATION_DELIVERY__ALLOW_HOSTS";
    fields.refuse(name, format!("{refused}: {advice}"));
}

/// Makes this node route by what was just written. It would find out by itself at its next append; this is sooner.
pub(super) async fn reload(app: &App) {
    if let Err(error) = app.engine.routes.refresh().await {
        tracing::warn!(%error, "subscriptions could not be read again yet");
    }
}

/// Which subscriptions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SubscriptionsQuery {
    /// Whose.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// At most so many, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List subscriptions, the newest first
#[utoipa::path(get, path = "/api/webhooks", tag = "Subscriptions", params(SubscriptionsQuery),
    responses((status = 200, body = Listed<ShownSubscription>)))]
pub(crate) async fn list_subscriptions(
    State(app): State<Arc<App>>,
    Bearer(access): Bearer,
    Params(query): Params<SubscriptionsQuery>,
) -> Result<At<Listed<ShownSubscription>>> {
    let page = page(query.limit, query.cursor.as_deref())?;
    let user = access.narrow(query.user_id)?;
    let store = &app.engine.store;
    let head = store.head().await?;
    let mut found = Vec::new();
    for stored in store.subscriptions(user.as_ref(), &page).await? {
        let statistics = store.statistics(stored.subscription.id).await?;
        found.push((stored, statistics));
    }
    let id = |(stored, _): &(StoredSubscription, Statistics)| stored.subscription.id.to_string();
    Ok(At(head, Listed::new(found, page.limit, id, |(stored, statistics)| show(&app, stored, statistics))))
}

/// Read one subscription
#[utoipa::path(get, path = "/api/webhooks/{id}", tag = "Subscriptions", params(("id" = String, Path)),
    responses((status = 200, body = ShownSubscription), (status = 404, body = Problem)))]
pub(crate) async fn read_subscription(
    State(app): State<Arc<App>>,
    OwnedSubscription(stored): OwnedSubscription,
) -> Result<At<ShownSubscription>> {
    let head = app.engine.store.head().await?;
    let statistics = app.engine.store.statistics(stored.subscription.id).await?;
    Ok(At(head, show(&app, stored, statistics)))
}

/// Change a subscription
///
/// What is left out stays as it is; `null` goes back to the default.
#[utoipa::path(patch, path = "/api/webhooks/{id}", tag = "Subscriptions", params(("id" = String, Path)),
    request_body = SubscriptionTerms,
    responses((status = 200, body = ShownSubscription), (status = 422, body = Problem)))]
pub(crate) async fn change_subscription(
    State(app): State<Arc<App>>,
    OwnedSubscription(mut stored): OwnedSubscription,
    request: Request,
) -> Result<Json<ShownSubscription>> {
    check_is_no_callback(&stored)?;
    let (parts, body) = request.into_parts();
    let fields = Fields::read(&parts.headers, body).await?;
    let (id, store) = (stored.subscription.id, &app.engine.store);
    for _ in 0..CHANGE_TRIES {
        apply(&app, fields.clone(), &mut stored.subscription).await?;
        let now = app.engine.clock.now();
        stored.subscription.updated_at = now;
        if store.change_subscription(&stored, now).await? {
            reload(&app).await;
            app.engine.deliverer.note_released(id);
            let statistics = store.statistics(id).await?;
            return Ok(Json(show(&app, stored, statistics)));
        }
        // Somebody else was faster: what they changed stays, and ours goes on top.
        stored = store.subscription(id).await?.ok_or_else(|| Problem::not_found("subscription"))?;
    }
    Err(Problem::conflict("conflict", "the subscription is changing too fast; try again"))
}

/// A conversation's callback is the conversation's to change.
fn check_is_no_callback(stored: &StoredSubscription) -> Result<()> {
    match stored.subscription.terms.callback_of {
        Some(conversation) => {
            let detail =
                format!("it is the callback of {conversation}: change that one's config.callback_url");
            Err(Problem::conflict("is_callback", detail))
        }
        None => Ok(()),
    }
}

/// What a subscription shows, and nobody changes.
const UNCHANGEABLE: [&str; 8] =
    ["id", "user_id", "target", "start", "public_key", "statistics", "created_at", "updated_at"];

/// How often a change is made again because somebody else was faster.
pub(super) const CHANGE_TRIES: usize = 20;

/// Changes a subscription as `fields` say.
async fn apply(app: &App, mut fields: Fields, subscription: &mut Subscription) -> Result<()> {
    let url = match &mut subscription.target {
        Target::Push { .. } => take_url(&mut fields),
        Target::Pull { queue } => {
            take_queue(&mut fields).change(queue, "default".to_owned());
            Said::Nothing
        }
    };
    if matches!(url, Said::Null) {
        fields.refuse("url", "cannot be cleared");
    }
    let event_types = take_event_types(&mut fields);
    event_types.change(&mut subscription.terms.event_types, vec![TypePattern::All]);
    take_terms(&mut fields, &mut subscription.terms, Said::Nothing);
    fields.refuse_all(&["secret"], "is replaced by POST /api/webhooks/{id}/rotate-secret");
    fields.refuse_all(&UNCHANGEABLE, "cannot be changed");
    take_shape(app, subscription.user_id.as_ref(), &mut fields, &mut subscription.terms).await;
    take_order(&mut fields, &subscription.target, &mut subscription.terms);
    take_switches(&mut fields, &mut subscription.is_active, &mut subscription.paused);
    if let Said::Value(url) = url {
        check_endpoint(app, &mut fields, Some(&url)).await;
        subscription.target = Target::Push { url };
    }
    fields.finish()
}

/// Delete a subscription
///
/// Its open deliveries are cancelled; its history stays.
#[utoipa::path(delete, path = "/api/webhooks/{id}", tag = "Subscriptions", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn delete_subscription(
    State(app): State<Arc<App>>,
    OwnedSubscription(stored): OwnedSubscription,
) -> Result<StatusCode> {
    check_is_no_callback(&stored)?;
    let now = app.engine.clock.now();
    if !app.engine.store.delete_subscription(stored.subscription.id, now).await? {
        return Err(Problem::not_found("subscription"));
    }
    reload(&app).await;
    Ok(StatusCode::NO_CONTENT)
}
