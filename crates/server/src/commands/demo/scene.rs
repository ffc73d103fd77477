//! What the demo begins with: settings, accounts, sources and subscriptions, made as anybody would make them.

use anyhow::{Context as _, Result};
use domain::Timestamp;
use sandbox::Sandbox;
use sandbox::receivers::{Habit, Receivers};
use sandbox::traffic::{Traffic, USERS, unipile_account};
use serde_json::{Value, json};

use super::step;
use crate::access::fresh_source_token;
use crate::commands::server::Server;

/// What senders and the server share. Everything is made for one run.
pub(super) struct Secrets {
    github: String,
    slack: String,
    unipile: String,
    stripe: String,
}

impl Secrets {
    pub(super) fn make() -> Self {
        let stripe = format!("whsec_{}", fresh_source_token());
        Self {
            github: fresh_source_token(),
            slack: fresh_source_token(),
            unipile: fresh_source_token(),
            stripe,
        }
    }

    /// What the server is told, beside where the stand-ins are. Everybody is at one address and sends a lot, receivers
    /// are on this machine, and what takes minutes elsewhere should be seen within one.
    pub(super) fn environment(&self) -> impl Iterator<Item = (String, String)> {
        let Self { github, slack, unipile, .. } = self;
        let settings = [
            ("GITHUB_WEBHOOK_SECRET", github.as_str()),
            ("SLACK_SIGNING_SECRET", slack),
            ("UNIPILE_WEBHOOK_SECRET", unipile),
            ("WAYSTATION_DELIVERY__ALLOW_HOSTS", "127.0.0.0/8"),
            ("WAYSTATION_INBOUND__RATE_LIMIT_PER_15_MINUTES", "1000000"),
            ("WAYSTATION_CONNECTIONS__REFRESH_EVERY_SECONDS", "2"),
            ("WAYSTATION_ALERTS__WINDOW", "1m"),
            ("WAYSTATION_ALERTS__ATTEMPTS_MIN", "5"),
        ];
        settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter()
    }

    pub(super) fn traffic(self, stripe_path: String, now: Timestamp) -> Traffic {
        Traffic {
            run: now.as_seconds().unsigned_abs(),
            github_secret: self.github,
            slack_secret: self.slack,
            unipile_secret: self.unipile,
            stripe_secret: self.stripe,
            stripe_path,
        }
    }
}

/// Sets everything up; the path that Stripe sends to.
pub(super) async fn set_up(
    server: &Server,
    providers: &Sandbox,
    receivers: &Receivers,
    secrets: &Secrets,
) -> Result<String> {
    describe_types(server).await?;
    let stripe_path = add_sources(server, secrets).await?;
    step("two sources, and types of our own");
    let connected = connect_accounts(server, providers).await?;
    step(&format!("{connected} connected accounts"));
    let subscribed = subscribe(server, receivers).await?;
    step(&format!("{subscribed} subscriptions: to receivers that are good, moody, slow, gone, absent"));
    for (name, user) in [("Support desk", None), ("Alice's laptop", Some("alice"))] {
        ask(server, "/api/keys", json!({ "name": name, "user_id": user })).await?;
    }
    Ok(stripe_path)
}

async fn ask(server: &Server, path: &str, body: Value) -> Result<Value> {
    let answer = server.post(path, &body).await?;
    serde_json::from_str(&answer).with_context(|| format!("{path} answered with something else than JSON"))
}

async fn describe_types(server: &Server) -> Result<()> {
    let types = [
        (
            "order.paid",
            "A customer has paid an order",
            json!({ "id": 7_001, "amount": 129, "currency": "EUR", "customer": { "id": "cus_1" } }),
        ),
        ("order.refunded", "A customer got their money back", json!({ "id": 7_001, "amount": 129 })),
    ];
    for (kind, description, example) in types {
        let body = json!({ "type": kind, "description": description, "example": example });
        ask(server, "/api/webhooks/event-types", body).await?;
    }
    Ok(())
}

async fn add_sources(server: &Server, secrets: &Secrets) -> Result<String> {
    let stripe =
        json!({ "name": "Stripe", "user_id": "alice", "sender": "stripe", "secret": secrets.stripe });
    let shop =
        json!({ "name": "Shopify, Berlin", "user_id": "bob", "sender": "shopify", "secret": secrets.stripe });
    ask(server, "/api/sources", shop).await?;
    let made = ask(server, "/api/sources", stripe).await?;
    let url: url::Url = made["url"].as_str().unwrap_or_default().parse().context("a source has no URL")?;
    Ok(url.path().to_owned())
}

/// Accounts of every kind, one of whom has taken the grant back.
async fn connect_accounts(server: &Server, providers: &Sandbox) -> Result<usize> {
    let grants = [
        ("github", "alice"),
        ("slack", "alice"),
        ("gmail", "bob"),
        ("discord", "carol"),
        ("youtube", "carol"),
        ("spotify", "dave"),
    ];
    for (provider, user) in grants {
        let tokens = providers.world().grant(provider, user);
        let is_taken_back = provider == "spotify";
        let expires_in = if is_taken_back { 1 } else { 3_600 };
        let account = json!({
            "user_id": user, "provider": provider, "account_id": user, "access_token": tokens.access,
            "refresh_token": tokens.refresh, "expires_in": expires_in,
        });
        if is_taken_back {
            providers.world().revoke(provider, user);
        }
        ask(server, "/api/connections", account).await?;
    }
    for user in USERS {
        let account = json!({ "user_id": user, "provider": "unipile", "account_id": unipile_account(user) });
        ask(server, "/api/connections", account).await?;
    }
    Ok(grants.len() + USERS.len())
}

async fn subscribe(server: &Server, receivers: &Receivers) -> Result<usize> {
    let all = subscriptions(receivers);
    for terms in &all {
        ask(server, "/api/webhooks", terms.clone()).await?;
    }
    Ok(all.len())
}

/// One for each thing that a subscription can be.
fn subscriptions(receivers: &Receivers) -> Vec<Value> {
    let url = |habit| receivers.url(habit);
    vec![
        json!({ "description": "CI runner", "url": url(Habit::Good), "event_types": ["github.*"] }),
        json!({
            "description": "Order mirror, in each customer's order", "url": url(Habit::Moody),
            "event_types": ["order.*"], "ordering_key": "data.customer.id", "retry_policy": [1, 2, 4],
        }),
        json!({
            "description": "Finance: large orders", "url": url(Habit::Good), "event_types": ["order.paid"],
            "filter": { "data.amount": { "$gte": 200 } },
            "transform": "(event) => ({ text: `Order ${event.data.id}: ${event.data.amount} ${event.data.currency}` })",
        }),
        json!({
            "description": "Release notes, as Slack wants them", "url": url(Habit::Good),
            "event_types": ["github.release.*"], "template": "slack",
        }),
        json!({
            "description": "Warehouse, in batches", "url": url(Habit::Good), "event_types": ["*"],
            "batch": { "max_events": 25, "max_wait_ms": 3_000 },
        }),
        json!({
            "description": "Ledger, signed with Ed25519, tried once", "url": url(Habit::Moody),
            "event_types": ["stripe.*"], "signing": "ed25519", "retry_count": 0,
        }),
        json!({
            "description": "Chat archive, slow", "url": url(Habit::Slow), "event_types": ["slack.*", "unipile.*"],
            "max_concurrency": 4, "timeout_seconds": 5,
        }),
        json!({
            "description": "Old task board: nobody is there", "url": url(Habit::Absent),
            "event_types": ["task.*"], "retry_policy": [1, 3], "retry_count": 2,
        }),
        json!({
            "description": "Bob's old phone: wants nothing any more", "url": url(Habit::Gone), "user_id": "bob",
            "event_types": ["unipile.message_received"],
        }),
        json!({
            "description": "Carol's backup, paused", "url": url(Habit::Good), "user_id": "carol",
            "event_types": ["*"], "paused": true,
        }),
        json!({
            "description": "Alice's own hook", "url": url(Habit::Good), "user_id": "alice",
            "event_types": ["github.*", "stripe.*", "message.new"],
        }),
        json!({
            "description": "Night shift's alarm", "url": url(Habit::Good), "template": "teams",
            "event_types": ["alert.*", "delivery.*", "connection.*"],
        }),
        json!({
            "description": "Reports", "target": "pull", "queue": "reports", "event_types": ["order.*", "task.*"],
        }),
    ]
}
