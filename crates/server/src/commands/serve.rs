//! `waystation serve`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use engine::clock::{Clock, SystemClock};
use engine::deliver::Guard;
use engine::{Engine, Settings};
use providers::register::registrable;
#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use store::Store;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::DatabaseArgs;
use crate::access::Doorkeeper;
use crate::api::keys::make_key;
use crate::app::App;
use crate::config::{Config, Flags, Secret};
use crate::data::{self, Data};
use crate::limit::Limits;
use crate::metrics::Metrics;
use crate::router::Entrance;
use crate::{connections, pages};

/// Keys among which an admin key is looked for.
const KEYS_LOOKED_AT: u32 = 1_000;

/// How long requests may go on once the program was told to stop.
const REQUESTS_GRACE: Duration = Duration::from_secs(10);

/// How often the door forgets who has not come for long.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// Run the server
#[derive(Debug, clap::Args)]
// `check` and the bare `waystation` take these too, and clap would not have two groups of one name.
#[group(skip)]
pub(crate) struct Args {
    /// The address and port to serve on [default: 127.0.0.1:8400]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Args {
    pub(super) fn flags(&self) -> Flags {
        Flags { listen: self.listen.clone(), ..self.database.flags() }
    }
}

pub(super) async fn run(config: Config) -> Result<()> {
    let serving = Serving::start(config).await?;
    greet(serving.address, serving.app.base_url.as_deref(), serving.new_admin_key.as_deref());
    serving.run().await;
    Ok(())
}

/// A server that has everything it needs and takes no requests yet.
pub(super) struct Serving {
    pub(super) app: Arc<App>,
    pub(super) address: SocketAddr,
    /// Where this is the first start and nobody has set one.
    pub(super) new_admin_key: Option<String>,
    listener: TcpListener,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// While it is held nobody else serves from the same data.
    _data: Data,
}

impl Serving {
    pub(super) async fn start(config: Config) -> Result<Self> {
        // The port first: when it is taken, nothing else has happened.
        let listener = listen(&config)?;
        Self::start_at(listener, config).await
    }

    /// The same, where the port is taken already.
    pub(super) async fn start_at(listener: TcpListener, config: Config) -> Result<Self> {
        raise_file_limit();
        leave_no_core();
        let data = data::open_alone(&config).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let new_admin_key = new_admin_key(&config, data.store.as_ref(), clock.as_ref()).await?;
        let address = listener.local_addr()?;
        // Before anybody is told that it runs: from then on it stops in order.
        let stop = Box::pin(stop_signal()?);
        let app = Arc::new(start(config, &data, clock).await?);
        Ok(Self { app, address, new_admin_key, listener, stop, _data: data })
    }

    /// Serves until it is told to stop, and ends in order.
    pub(super) async fn run(self) {
        serve(self.listener, &self.app, self.stop).await;
        tracing::info!("stopping: what is under way may finish");
        self.app.engine.stop().await;
    }
}

/// Takes the port that is configured.
pub(super) fn listen(config: &Config) -> Result<TcpListener> {
    connections::listen(config.listen).with_context(|| {
        format!(
            "cannot listen on {}; is something else there? --listen takes another (of the demo, --port)",
            config.listen
        )
    })
}

/// Opens as many files as the system allows: each connection is one, and shells hand on a low limit for the sake of
/// programs that this is none of.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, limit.current, "the limit of open files stays as it is");
    }
}

/// A core would hold every secret that is open. The limit is for files; where the system hands cores to a program it
/// does not ask for the limit, and only what is marked is left alone.
fn leave_no_core() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    let limited = limited.and(set_dumpable_behavior(DumpableBehavior::NotDumpable));
    if let Err(error) = limited {
        tracing::warn!(%error, "a crash may leave a core, with secrets in it");
    }
}

async fn start(config: Config, data: &Data, clock: Arc<dyn Clock>) -> Result<App> {
    let provider_settings: HashMap<_, _> =
        config.providers.by_name().map(|(name, settings)| (name, settings.clone())).collect();
    tell_who_is_refused(&provider_settings);
    let deactivate_after = config.delivery.deactivate_after.as_std();
    let guard = Guard::new(config.delivery.allow_hosts);
    let transforms =
        transform::Program::this_one([crate::RUN_TRANSFORMS]).context("find this program's own file")?;
    let rejections_kept_for = config.retention.rejections.as_std();
    let (ages, alerts, care) = (config.retention.ages(), config.alerts.rules(), config.connections.care());
    let streams = config.realtime.terms();
    let settings = Settings {
        provider_settings,
        guard,
        rejections_kept_for,
        transforms,
        ages,
        deactivate_after,
        alerts,
        streams,
        care,
        base_url: config.base_url.as_ref().map(ToString::to_string),
    };
    let vault = data.vault();
    let engine = Engine::start(Arc::clone(&data.store), vault.clone(), clock, settings).await?;
    let admin_key = config.admin_key.as_ref().map(Secret::reveal);
    let doorkeeper = Doorkeeper::new(Arc::clone(&data.store), admin_key, data.tokens(), vault);
    let limits = Limits::new(&config.inbound, &config.api, Arc::clone(&engine.clock));
    let base_url = config.base_url.as_ref().map(ToString::to_string);
    let portal_policy = pages::portal_policy(&config.portal.allowed_origins.0)?;
    let (inbound, metrics) = (config.inbound, Metrics::new(&engine.hub.figures));
    Ok(App { engine, doorkeeper, limits, inbound, metrics, portal_policy, base_url })
}

/// One line for all of them: somebody who has just begun has set none.
fn tell_who_is_refused(settings: &HashMap<&'static str, providers::Settings>) {
    let missing = refused_until(settings);
    if !missing.is_empty() {
        tracing::info!("every request of these is refused until these are set: {}", missing.join("; "));
    }
}

/// The providers of which nothing is believed as things are, each with what has to be set.
fn refused_until(settings: &HashMap<&'static str, providers::Settings>) -> Vec<String> {
    let nothing = providers::Settings::default();
    let missing = providers::ALL.iter().filter_map(|provider| {
        let settings = settings.get(provider.name()).unwrap_or(&nothing);
        let required = provider.settings().iter().filter(|setting| setting.is_required());
        let missing = required.filter(|setting| settings.get(setting.key).is_empty());
        let mut names: Vec<_> = missing.map(|setting| setting.environment).collect();
        // A secret that comes with a registration is nobody's to set, once something can be registered.
        if let Some(registrable) = registrable(provider.name()).filter(|one| one.keeps_secrets()) {
            names = registrable.missing(settings).filter(|_| !names.is_empty()).into_iter().collect();
        }
        (!names.is_empty()).then(|| format!("{} ({})", provider.name(), names.join(", ")))
    });
    missing.collect()
}

/// The admin key, if this is the first start and the configuration sets none.
async fn new_admin_key(config: &Config, store: &dyn Store, clock: &dyn Clock) -> Result<Option<String>> {
    let has_one =
        store.keys(&store::Page::first(KEYS_LOOKED_AT)).await?.iter().any(|key| key.user_id.is_none());
    if config.admin_key.is_some() || has_one {
        return Ok(None);
    }
    let (key, text) = make_key("admin".to_owned(), None, clock.now());
    store.create_key(&key).await?;
    Ok(Some(text))
}

/// What somebody who has just started it needs to know, on stdout.
fn greet(address: SocketAddr, base_url: Option<&str>, new_admin_key: Option<&str>) {
    let url = format!("http://{address}");
    println!("Waystation is at {url}");
    if let Some(base_url) = base_url {
        println!("Senders reach it at {base_url}/api/webhooks/<provider>/<user>");
    }
    let key = match new_admin_key {
        Some(key) => {
            println!("\nThe admin key, shown this once:\n  {key}");
            key
        }
        None => "$ADMIN_KEY",
    };
    println!(
        "\nTry it:\n  curl -X POST {url}/api/events -H 'Authorization: Bearer {key}' \\\n    \
         -d '{{\"type\":\"task.created\",\"user_id\":\"alice\",\"data\":{{\"title\":\"Mend the door\"}}}}'"
    );
}

/// Serves until it is told to stop.
async fn serve(listener: TcpListener, app: &Arc<App>, stop: impl Future<Output = ()>) {
    let entrance = Entrance::new(Arc::clone(app));
    let forgetting = Arc::clone(app);
    app.engine.supervisor.repeat("forget idle callers", FORGET_EVERY, move || {
        let app = Arc::clone(&forgetting);
        async move { app.limits.forget_idle() }
    });
    // Workers that wait for events, and streams, are sent home first: they would hold up the end.
    let stop = async {
        stop.await;
        app.engine.queues.close();
        app.engine.hub.close();
    };
    if !connections::serve(listener, entrance, stop, REQUESTS_GRACE).await {
        tracing::warn!("some requests did not end in time");
    }
    if tokio::time::timeout(REQUESTS_GRACE, app.engine.hub.closed()).await.is_err() {
        tracing::warn!("some streams did not end in time");
    }
}

/// Ends at SIGINT or SIGTERM.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_comes_with_a_registration_is_nobodys_to_set() {
        let nothing = refused_until(&HashMap::new()).join("; ");
        assert!(nothing.contains("github (GITHUB_WEBHOOK_SECRET)"), "{nothing}");
        assert!(nothing.contains("composio (COMPOSIO_API_KEY)") && !nothing.contains("youtube"), "{nothing}");
        let key = providers::Settings::default().with("api_key", ["k".to_owned()]);
        let with_key = refused_until(&HashMap::from([("composio", key)])).join("; ");
        assert!(!with_key.contains("composio"), "{with_key}");
        let secret = providers::Settings::default().with("webhook_secret", ["s".to_owned()]);
        let chosen = refused_until(&HashMap::from([("composio", secret)])).join("; ");
        assert!(!chosen.contains("composio") && chosen.contains("discord"), "{chosen}");
    }
}
