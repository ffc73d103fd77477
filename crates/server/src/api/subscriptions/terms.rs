//! What subscriptions are to be, read from a body field by field.

use std::collections::BTreeMap;

use domain::limits::{
    DESCRIPTION_BYTES_MAX, EVENT_TYPES_PER_SUBSCRIPTION_MAX, MAX_CONCURRENCY_MAX, RATE_LIMIT_PER_MINUTE_MAX,
    RETRY_COUNT_MAX, TIMEOUT_SECONDS_MAX,
};
use domain::retry::RetryPolicy;
use domain::signing::{KeyPair, Secret};
use domain::subscription::{Signing, Subscription, Target, Terms, TypePattern};
use domain::{Access, Timestamp, UserId};
use engine::keys::SigningKey;
use serde_json::Value;
use utoipa::ToSchema;

use super::shown::ShownBatch;
use crate::api::endpoint::{check_address, check_url};
use crate::api::fields::{Fields, Said};
use crate::api::queues::{take_pull_target, take_queue};
use crate::api::shape::{take_order, take_shape};
use crate::app::App;
use crate::problem::Result;

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
    /// A secret that receivers know already: `whsec_` and 24 to 64 bytes, or the `whsk_` of a key pair. Without it one
    /// is made.
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
    /// Headers beside ours: at most 32, with 4 KiB in all. Those that say how a request travels and those that begin
    /// with `webhook-` or `X-Webhook-` are ours.
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
    /// A path into the event. Deliveries of events that hold the same there go one after another, in the order of the
    /// log; one that is to be retried holds those behind it back. Where an event holds nothing there its delivery waits
    /// for no other.
    #[schema(example = "data.customer.id")]
    ordering_key: Option<String>,
    /// Several events in one signed request, `{"events":[…]}`. It goes with neither a transform nor a template, and is
    /// for `push` only.
    batch: Option<ShownBatch>,
    /// `standard`, or `ed25519` for asymmetric signatures.
    #[schema(default = "standard")]
    signing: Option<String>,
}

/// What a new subscription is to be.
pub(super) struct New {
    pub(super) user_id: Option<UserId>,
    pub(super) target: Target,
    pub(super) start: Start,
    pub(super) terms: Terms,
    /// What it signs with, where receivers know that already.
    pub(super) key: Option<SigningKey>,
    pub(super) is_active: bool,
    pub(super) paused: bool,
}

/// From when on a queue gets events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Now,
    Earliest,
    At(Timestamp),
}

impl New {
    /// Takes all of it, on behalf of `access`.
    pub(super) async fn take(app: &App, access: &Access, mut fields: Fields) -> Result<Self> {
        let user_id = fields.take_parsed("user_id").value();
        let target = take_new_target(&mut fields);
        let start = take_start(&mut fields, &target);
        let event_types = take_event_types(&mut fields);
        let event_types = fields.need("event_types", event_types, "which events are wanted? [\"*\"] are all");
        let mut terms = Terms { event_types: event_types.unwrap_or_default(), ..Terms::default() };
        let (mut is_active, mut paused) = (true, false);
        take_signing(&mut fields, &mut terms);
        let key = take_secret(&mut fields, terms.signing);
        take_terms(&mut fields, &mut terms, Said::Null);
        take_shape(app, access.user(), &mut fields, &mut terms).await;
        take_order(&mut fields, &target, &mut terms);
        take_switches(&mut fields, &mut is_active, &mut paused);
        if start != Start::Now && !is_active {
            fields.refuse("start", "needs is_active: nothing is owed to what is inactive");
        }
        if let Target::Push { url } = &target {
            check_address(app, &mut fields, "url", Some(url)).await;
        }
        fields.finish()?;
        let user_id = access.narrow(user_id)?;
        Ok(Self { user_id, target, start, terms, key, is_active, paused })
    }
}

/// Changes a subscription as `fields` say.
pub(super) async fn change(app: &App, mut fields: Fields, subscription: &mut Subscription) -> Result<()> {
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
        check_address(app, &mut fields, "url", Some(&url)).await;
        subscription.target = Target::Push { url };
    }
    fields.finish()
}

/// What a subscription shows, and nobody changes.
const UNCHANGEABLE: [&str; 8] =
    ["id", "user_id", "target", "start", "public_key", "statistics", "created_at", "updated_at"];

/// Takes where deliveries go: a URL, or a queue.
fn take_new_target(fields: &mut Fields) -> Target {
    if let Some(queue) = take_pull_target(fields) {
        return queue;
    }
    let url = take_url(fields);
    Target::Push { url: fields.need("url", url, "where are the requests sent?").unwrap_or_default() }
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
