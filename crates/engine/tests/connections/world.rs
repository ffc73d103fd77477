//! Nodes over one store, the stand-ins, and the time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::connection::Granted;
use domain::{ConnectionId, Timestamp};
use engine::clock::Clock;
use engine::connections::{Care, Connections, NewConnection, Tokens};
use engine::deliver::Guard;
use engine::maintain::Ages;
use engine::vault::Vault;
use engine::{Engine, Settings};
use providers::api::Token;
use providers::register::registrable;
use providers::{CONNECTABLE, SettingKind, connectable};
use sandbox::Sandbox;
use store::model::Model;
use store::{EventFilter, Page, Store, StoredConnection};

const BEGINNING: i64 = 1_700_000_000;

/// Where the world reaches the nodes.
pub(crate) const BASE_URL: &str = "http://way.test";

/// A clock that stands until it is moved. Whoever sleeps, sleeps in real time.
#[derive(Debug)]
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    fn seconds(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.seconds())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.seconds().unsigned_abs())
    }

    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

/// What the operator of a node has set otherwise.
#[derive(Default)]
struct Set<'s> {
    client_secret: Option<&'s str>,
    /// Whether the host application's server is asked for e-mails.
    has_backend: bool,
}

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) store: Arc<dyn Store>,
    /// The same, which can be told to be away.
    pub(crate) model: Arc<Model>,
    clock: Arc<ManualClock>,
}

impl World {
    pub(crate) async fn start() -> Self {
        let clock = Arc::new(ManualClock(AtomicI64::new(BEGINNING)));
        let of_sandbox = Arc::clone(&clock);
        let sandbox = Sandbox::start(move || of_sandbox.seconds()).await;
        let model = Arc::new(Model::new());
        Self { sandbox, store: Arc::<Model>::clone(&model), model, clock }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn pass_until(&self, moment: Timestamp) {
        self.clock.0.fetch_max(moment.as_seconds() + 1, Ordering::SeqCst);
    }

    /// Another node.
    pub(crate) async fn node(&self) -> Engine {
        self.node_at(Some(BASE_URL)).await
    }

    /// A node that the world reaches there.
    pub(crate) async fn node_at(&self, base_url: Option<&str>) -> Engine {
        self.node_with(base_url, &Set::default()).await
    }

    /// A node that shows this client secret wherever one is to be shown.
    pub(crate) async fn node_under(&self, client_secret: &str) -> Engine {
        let set = Set { client_secret: Some(client_secret), ..Set::default() };
        self.node_with(Some(BASE_URL), &set).await
    }

    /// A node for which mailboxes are asked for at the host application's server.
    pub(crate) async fn node_with_backend(&self) -> Engine {
        self.node_with(Some(BASE_URL), &Set { has_backend: true, ..Set::default() }).await
    }

    async fn node_with(&self, base_url: Option<&str>, set: &Set<'_>) -> Engine {
        // Nothing that was told is forgotten before the test has looked.
        let kept = Duration::from_secs(400 * 86_400);
        let settings = Settings {
            deactivate_after: Duration::from_secs(5 * 24 * 3_600),
            streams: engine::realtime::Terms {
                heartbeat: Duration::from_secs(25),
                streams_max: 10,
                streams_per_user_max: 10,
            },
            provider_settings: CONNECTABLE
                .iter()
                .map(|provider| (provider.name(), self.provider_settings(provider.name(), set)))
                .collect(),
            guard: Guard::new(vec!["127.0.0.0/8".parse().unwrap()]),
            rejections_kept_for: kept,
            transforms: transform::Program::this_one([""; 0]).unwrap(),
            ages: Ages { events: kept, by_type: Vec::new(), deliveries: kept, attempts: kept },
            alerts: domain::alert::Rules::default(),
            // The test says when it looks.
            base_url: base_url.map(str::to_owned),
            care: Care {
                refresh_every: Duration::ZERO,
                refresh_ahead: Duration::from_secs(600),
                poll_every: HashMap::new(),
            },
        };
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        Engine::start(Arc::clone(&self.store), Vault::new(&[7; 32]), clock, settings).await.unwrap()
    }

    /// As the environment would set them.
    fn provider_settings(&self, provider: &str, set: &Set<'_>) -> providers::Settings {
        let mut environment = self.sandbox.environment();
        environment.extend(self.sandbox.inbound_environment());
        let secrets = environment.iter_mut().filter(|(name, _)| name.ends_with("_CLIENT_SECRET"));
        for ((_, text), secret) in secrets.zip(set.client_secret.into_iter().cycle()) {
            secret.clone_into(text);
        }
        let secret = |name: &str| (name.to_owned(), "hook-secret".to_owned());
        let secrets = ["GITHUB_WEBHOOK_SECRET", "UNIPILE_WEBHOOK_SECRET"].map(secret);
        let called = connectable(provider).unwrap().settings();
        let inbound = providers::by_name(provider).map(|provider| provider.settings());
        let registered = registrable(provider).map(|provider| provider.settings());
        let all = called.iter().chain(inbound.into_iter().flatten()).chain(registered.into_iter().flatten());
        let backend = self.sandbox.url("/backend/actions/fetch_emails");
        let backend = (provider == "gmail" && set.has_backend).then_some(backend);
        let settings = providers::Settings::default().with(providers::FETCH_EMAILS_URL, backend);
        all.fold(settings, |settings, setting| {
            let set = environment.iter().chain(&secrets).find(|(name, _)| name == setting.environment);
            let text = match (set, setting.kind) {
                (Some((_, text)), _) => text.clone(),
                (None, SettingKind::Default(text)) => text.to_owned(),
                (None, _) => return settings,
            };
            settings.with(setting.key, [text])
        })
    }

    /// Connects an account whose access token expires at `expires_at`.
    pub(crate) async fn connect(
        &self,
        node: &Connections,
        provider: &'static str,
        account: &str,
        expires_at: Timestamp,
    ) -> ConnectionId {
        let pair = self.sandbox.world().grant(provider, account);
        self.connect_pair(node, provider, account, pair, expires_at).await
    }

    /// Connects an account for a user, with tokens that live for as long as the provider's do.
    pub(crate) async fn connect_for(
        &self,
        node: &Connections,
        user: &str,
        provider: &'static str,
        account: &str,
    ) -> ConnectionId {
        let tokens = sandbox::vendor::Vendor::named(provider).map(|vendor| {
            let pair = self.sandbox.world().grant(provider, account);
            let expires_at = self.now().plus(Duration::from_secs(vendor.access_seconds.unsigned_abs()));
            (pair, expires_at)
        });
        let expires_at = tokens.as_ref().map(|(_, expires_at)| *expires_at);
        let tokens = tokens.map(|(pair, _)| Tokens {
            access_token: Some(Token::new(pair.access)),
            refresh_token: Some(Token::new(pair.refresh)),
        });
        let new = NewConnection {
            user_id: user.parse().unwrap(),
            provider: connectable(provider).unwrap(),
            account_id: Some(account.to_owned()),
            tokens: tokens.unwrap_or_default(),
            granted: Granted { expires_at, scopes: None },
            settings: None,
        };
        node.connect(new).await.unwrap().connection.id
    }

    /// The same, with tokens that were granted before.
    pub(crate) async fn connect_pair(
        &self,
        node: &Connections,
        provider: &'static str,
        account: &str,
        pair: sandbox::Pair,
        expires_at: Timestamp,
    ) -> ConnectionId {
        let new = NewConnection {
            user_id: "alice".parse().unwrap(),
            provider: connectable(provider).unwrap(),
            account_id: Some(account.to_owned()),
            tokens: Tokens {
                access_token: Some(Token::new(pair.access)),
                refresh_token: Some(Token::new(pair.refresh)),
            },
            granted: Granted { expires_at: Some(expires_at), scopes: None },
            settings: None,
        };
        node.connect(new).await.unwrap().connection.id
    }

    pub(crate) async fn connection(&self, id: ConnectionId) -> StoredConnection {
        self.store.connection(id).await.unwrap().unwrap()
    }

    /// The data of all events of a type.
    pub(crate) async fn events(&self, event_type: &str) -> Vec<String> {
        let filter = EventFilter { event_type: Some(event_type.parse().unwrap()), ..EventFilter::default() };
        let events = self.store.events(&filter, &Page::first(1_000)).await.unwrap();
        events.into_iter().map(|logged| logged.event.data.as_str().to_owned()).collect()
    }
}
