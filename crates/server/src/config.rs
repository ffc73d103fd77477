//! What the program runs with: flags over environment over `waystation.toml` over the defaults below.
//!
//! To add a setting: 1. its field; 2. its line in [`Config::load`], with its default. Its variable in the environment,
//! its line in `waystation check` and the errors about it follow from those two. A short name in the environment is
//! one more line, in [`mod@environment`]; a new kind of value implements [`kind::Kind`].

mod database_url;
mod duration;
mod environment;
mod file;
mod kind;
mod layers;
mod problem;
mod reader;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use ipnet::IpNet;
use providers::register::REGISTRABLE;
use providers::{SettingKind, Settings};

pub(crate) use database_url::DatabaseUrl;
pub(crate) use duration::Duration;
pub(crate) use environment::environment;
pub(crate) use kind::{AgesByType, BaseUrl, Origins, Percent, Texts};
use layers::Layers;
pub(crate) use problem::ConfigErrors;
use problem::Problem;
use reader::Reader;
pub(crate) use reader::Setting;
pub(crate) use secret::{Secret, SecretKeys, Secrets};

/// Everything that can be set, checked.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where to serve.
    pub(crate) listen: SocketAddr,
    pub(crate) database_url: DatabaseUrl,
    /// Set: the admin key. Not set: one is made on the first start.
    pub(crate) admin_key: Option<Secret>,
    /// Encrypts secrets at rest and signs tokens. Always set on PostgreSQL; on SQLite a key file can stand in.
    pub(crate) secret_key: Option<SecretKeys>,
    /// Where the world reaches this server.
    pub(crate) base_url: Option<BaseUrl>,
    pub(crate) inbound: Inbound,
    pub(crate) api: Api,
    pub(crate) delivery: Delivery,
    pub(crate) retention: Retention,
    pub(crate) alerts: Alerts,
    pub(crate) realtime: Realtime,
    pub(crate) portal: Portal,
    pub(crate) connections: Connections,
    pub(crate) backend: Backend,
    pub(crate) providers: Providers,
    settings: Vec<Setting>,
}

/// What comes in from senders.
#[derive(Debug)]
pub(crate) struct Inbound {
    /// Requests per source address and route.
    pub(crate) rate_limit_per_15_minutes: NonZeroU32,
    /// Requests that one source address may have under way, over all routes.
    pub(crate) concurrency_per_address_max: NonZeroU32,
    /// For senders that have no limit of their own.
    pub(crate) body_bytes_max: usize,
    /// Proxies in front whose forwarding headers are believed.
    pub(crate) trusted_proxy_depth: usize,
}

/// What users ask.
#[derive(Debug)]
pub(crate) struct Api {
    /// Requests per user key or token.
    pub(crate) rate_limit_per_minute: NonZeroU32,
}

/// What goes out to subscribers.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Networks that are delivered to although they are private, and over plain HTTP too.
    pub(crate) allow_hosts: Vec<IpNet>,
    /// How long an endpoint may do nothing but fail.
    pub(crate) deactivate_after: Duration,
}

/// How long things are kept.
#[derive(Debug)]
pub(crate) struct Retention {
    pub(crate) events: Duration,
    /// Events of these types are kept for longer, or not so long.
    pub(crate) by_type: AgesByType,
    pub(crate) deliveries: Duration,
    pub(crate) attempts: Duration,
    pub(crate) rejections: Duration,
}

/// When somebody is told that something should be looked at.
#[derive(Debug)]
pub(crate) struct Alerts {
    /// What is measured is measured over this span, and told at most once in it.
    pub(crate) window: Duration,
    /// With fewer attempts in it nothing is told.
    pub(crate) attempts_min: NonZeroU32,
    /// Of a hundred attempts; 0 is never.
    pub(crate) error_rate_percent: Percent,
    /// On the average; 0 is never.
    pub(crate) latency_ms: usize,
    /// Times as many retries as usual; 0 is never.
    pub(crate) retry_spike_factor: usize,
    /// Deliveries of one subscription that are due and wait; 0 is never.
    pub(crate) backlog: usize,
}

/// Live streams.
#[derive(Debug)]
pub(crate) struct Realtime {
    pub(crate) heartbeat_seconds: NonZeroU32,
    /// Streams at this node.
    pub(crate) streams_max: NonZeroU32,
    /// Of them, under one user's keys, tokens and sessions.
    pub(crate) streams_per_user_max: NonZeroU32,
}

/// The dashboard as users of the host application see it.
#[derive(Debug)]
pub(crate) struct Portal {
    /// Whose pages may hold it in a frame.
    pub(crate) allowed_origins: Origins,
}

/// Users' accounts at providers.
#[derive(Debug)]
pub(crate) struct Connections {
    pub(crate) refresh_every_seconds: NonZeroU32,
    /// How long before they expire tokens are refreshed.
    pub(crate) refresh_ahead_seconds: NonZeroU32,
    /// By provider: how often it is asked for what is new; 0 is only when somebody asks for it.
    pub(crate) poll_seconds: BTreeMap<&'static str, usize>,
}

/// The host application's own server.
#[derive(Debug)]
pub(crate) struct Backend {
    /// Where it fetches e-mails; then it is asked for what is new in mailboxes, and Gmail is not.
    pub(crate) fetch_emails_url: Option<BaseUrl>,
}

/// What providers' requests are checked against, and what their APIs are called with.
#[derive(Debug)]
pub(crate) struct Providers(BTreeMap<&'static str, Settings>);

/// What the command line says about the configuration.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    pub(crate) config: Option<PathBuf>,
    pub(crate) listen: Option<String>,
    pub(crate) database_url: Option<String>,
}

impl Config {
    /// Reads all that is set. `env` is [`environment()`], except in tests.
    ///
    /// # Errors
    /// Everything that is wrong, not just the first.
    pub(crate) fn load(
        flags: &Flags,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let layers = Layers::gather(flags, env)?;
        let mut read = Reader::new(&layers);
        let mut config = Self {
            listen: read.value("listen", SocketAddr::from(([127, 0, 0, 1], 8400))),
            database_url: read
                .value("database_url", DatabaseUrl::Sqlite("waystation-data/waystation.db".into())),
            admin_key: read.optional("admin_key"),
            secret_key: read.optional("secret_key"),
            base_url: read.optional("base_url"),
            inbound: Inbound::read(&mut read),
            api: Api { rate_limit_per_minute: read.value("api.rate_limit_per_minute", at_least_one(6_000)) },
            delivery: Delivery {
                allow_hosts: read.value("delivery.allow_hosts", Vec::new()),
                // A long weekend, and time to read one's mail after it.
                deactivate_after: read.value("delivery.deactivate_after", Duration::from_days(5)),
            },
            retention: Retention::read(&mut read),
            alerts: Alerts::read(&mut read),
            realtime: Realtime::read(&mut read),
            portal: Portal { allowed_origins: read.value("portal.allowed_origins", Origins::default()) },
            connections: Connections::read(&mut read),
            backend: Backend { fetch_emails_url: read.optional("backend.fetch_emails_url") },
            providers: Providers::read(&mut read),
            settings: Vec::new(),
        };
        if matches!(config.database_url, DatabaseUrl::Postgres(_)) && layers.find("secret_key").is_none() {
            read.refuse(Problem::NoSecretKey);
        }
        if let Some(url) = &config.backend.fetch_emails_url {
            config.providers.set("gmail", providers::FETCH_EMAILS_URL, url.to_string());
        }
        config.settings = read.finish()?;
        Ok(config)
    }

    /// Every setting in the order above, as `waystation check` shows it.
    pub(crate) fn settings(&self) -> &[Setting] {
        &self.settings
    }
}

impl Inbound {
    fn read(read: &mut Reader<'_>) -> Self {
        Self {
            rate_limit_per_15_minutes: read.value("inbound.rate_limit_per_15_minutes", at_least_one(1_000)),
            // More than a sender has that sends from one place, and an eighth of what may wait for a commit.
            concurrency_per_address_max: read
                .value("inbound.concurrency_per_address_max", at_least_one(1_024)),
            body_bytes_max: read.value("inbound.body_bytes_max", 5 * 1_024 * 1_024),
            trusted_proxy_depth: read.value("inbound.trusted_proxy_depth", 0),
        }
    }
}

impl Realtime {
    fn read(read: &mut Reader<'_>) -> Self {
        Self {
            heartbeat_seconds: read.value("realtime.heartbeat_seconds", at_least_one(25)),
            // At the most some 300 MiB, and as many files.
            streams_max: read.value("realtime.streams_max", at_least_one(25_000)),
            // A user may be a whole application whose pages all show the same; some places are left to others even
            // then.
            streams_per_user_max: read.value("realtime.streams_per_user_max", at_least_one(20_000)),
        }
    }

    pub(crate) fn terms(&self) -> engine::realtime::Terms {
        let number = |number: NonZeroU32| usize::try_from(number.get()).unwrap_or(usize::MAX);
        engine::realtime::Terms {
            heartbeat: std::time::Duration::from_secs(self.heartbeat_seconds.get().into()),
            streams_max: number(self.streams_max),
            streams_per_user_max: number(self.streams_per_user_max),
        }
    }
}

impl Retention {
    fn read(read: &mut Reader<'_>) -> Self {
        Self {
            events: read.value("retention.events", Duration::from_days(30)),
            by_type: read.value("retention.by_type", AgesByType::default()),
            deliveries: read.value("retention.deliveries", Duration::from_days(30)),
            attempts: read.value("retention.attempts", Duration::from_days(30)),
            rejections: read.value("retention.rejections", Duration::from_days(7)),
        }
    }
}

impl Retention {
    pub(crate) fn ages(&self) -> engine::maintain::Ages {
        engine::maintain::Ages {
            events: self.events.as_std(),
            by_type: self.by_type.0.iter().map(|(kind, age)| (kind.clone(), age.as_std())).collect(),
            deliveries: self.deliveries.as_std(),
            attempts: self.attempts.as_std(),
        }
    }
}

impl Connections {
    fn read(read: &mut Reader<'_>) -> Self {
        Self {
            refresh_every_seconds: read.value("connections.refresh_every_seconds", at_least_one(300)),
            refresh_ahead_seconds: read.value("connections.refresh_ahead_seconds", at_least_one(600)),
            poll_seconds: Self::read_polls(read),
        }
    }

    fn read_polls(read: &mut Reader<'_>) -> BTreeMap<&'static str, usize> {
        let seconds = |provider: &&dyn providers::Pollable| {
            let usual = usize::try_from(provider.every().as_secs()).unwrap_or(usize::MAX);
            (provider.name(), read.value(&format!("poll.{}_seconds", provider.name()), usual))
        };
        providers::POLLABLE.iter().map(seconds).collect()
    }

    pub(crate) fn care(&self) -> engine::connections::Care {
        let span = |seconds: NonZeroU32| std::time::Duration::from_secs(seconds.get().into());
        engine::connections::Care {
            refresh_every: span(self.refresh_every_seconds),
            refresh_ahead: span(self.refresh_ahead_seconds),
            poll_every: self
                .poll_seconds
                .iter()
                .map(|(&provider, &seconds)| (provider, std::time::Duration::from_secs(seconds as u64)))
                .collect(),
        }
    }
}

impl Alerts {
    fn read(read: &mut Reader<'_>) -> Self {
        Self {
            window: read.value("alerts.window", Duration::from_minutes(5)),
            attempts_min: read.value("alerts.attempts_min", at_least_one(20)),
            error_rate_percent: read.value("alerts.error_rate_percent", Percent(50)),
            latency_ms: read.value("alerts.latency_ms", 5_000),
            retry_spike_factor: read.value("alerts.retry_spike_factor", 5),
            backlog: read.value("alerts.backlog", 1_000),
        }
    }

    pub(crate) fn rules(&self) -> domain::alert::Rules {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        domain::alert::Rules {
            span: self.window.as_std(),
            attempts_min: self.attempts_min.get(),
            error_rate_percent: self.error_rate_percent.0.into(),
            latency: std::time::Duration::from_millis(self.latency_ms as u64),
            retry_spike_factor: number(self.retry_spike_factor),
            backlog: number(self.backlog),
        }
    }
}

impl Providers {
    fn read(read: &mut Reader<'_>) -> Self {
        let mut all: BTreeMap<_, Settings> = BTreeMap::new();
        for (provider, of_provider) in provider_settings() {
            let settings = all.remove(provider).unwrap_or_default();
            all.insert(
                provider,
                of_provider.iter().fold(settings, |all, one| set(read, provider, *one, all)),
            );
        }
        Self(all)
    }

    /// What is set for one provider, and this too.
    pub(crate) fn set(&mut self, provider: &'static str, key: &'static str, text: String) {
        let settings = self.0.remove(provider).unwrap_or_default();
        self.0.insert(provider, settings.with(key, [text]));
    }

    /// By provider, what is set. Where a required setting is not, nothing it sends is believed.
    pub(crate) fn by_name(&self) -> impl Iterator<Item = (&'static str, &Settings)> {
        self.0.iter().map(|(name, settings)| (*name, settings))
    }
}

/// By provider: what it is believed by, then what it is called with, and then what it is told to push with.
fn provider_settings() -> impl Iterator<Item = (&'static str, &'static [providers::Setting])> {
    let inbound = providers::ALL.iter().map(|provider| (provider.name(), provider.settings()));
    let called = providers::CONNECTABLE.iter().map(|provider| (provider.name(), provider.settings()));
    let registered = REGISTRABLE.iter().map(|provider| (provider.name(), provider.settings()));
    inbound.chain(called).chain(registered)
}

fn set(read: &mut Reader<'_>, provider: &str, setting: providers::Setting, settings: Settings) -> Settings {
    let key = provider_key(provider, setting);
    let texts = match setting.kind {
        SettingKind::Secret | SettingKind::Credential => read.optional::<Secrets>(&key).map(Secrets::reveal),
        SettingKind::Required | SettingKind::Optional => read.optional::<Texts>(&key).map(|texts| texts.0),
        SettingKind::Default(text) => Some(read.value(&key, Texts(vec![text.to_owned()])).0),
    };
    settings.with(setting.key, texts.unwrap_or_default())
}

fn provider_key(provider: &str, setting: providers::Setting) -> String {
    format!("providers.{provider}.{}", setting.key)
}

const fn at_least_one(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}
