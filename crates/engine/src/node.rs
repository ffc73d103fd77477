//! The engine as one thing: what it needs, how it starts, and how it stops.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use domain::alert::Rules;
use store::{Store, StoreError, one_core};

use crate::clock::Clock;
use crate::connections::{Care, Connections};
use crate::deliver::{Client, Deliverer, Failure, Guard, Settler, Transforms};
use crate::documents::Documents;
use crate::inbox::Inbox;
use crate::ingest::Intake;
use crate::lease::Queues;
use crate::limits::{
    BEAT_EVERY, DEACTIVATED_AT_MOST_EVERY, DUE_POLL_EVERY, IDLE_CONNECTION_KEPT, OWED_NOTED_EVERY,
    SHUTDOWN_GRACE, SOURCES_REFRESHED_EVERY,
};
use crate::log::{Committer, Log};
use crate::maintain::{Ages, Observer, Rescuer, Sweeper};
use crate::matching::Matching;
use crate::news::{Desk, Teller};
use crate::realtime::{self, Hub};
use crate::recover::{Recovery, Runner};
use crate::registrations::Registrations;
use crate::rejections::{Recorder, Rejections};
use crate::routes::RouteTable;
use crate::shared::Shared;
use crate::sources::Sources;
use crate::supervise::Supervisor;
use crate::vault::Vault;

/// What the engine needs to be told.
#[derive(Debug)]
pub struct Settings {
    /// By provider: what its requests are checked against.
    pub provider_settings: HashMap<&'static str, providers::Settings>,
    /// Which addresses may be called.
    pub guard: Guard,
    /// How long what was refused is kept.
    pub rejections_kept_for: Duration,
    /// What runs subscriptions' transforms: this program, with arguments that say so.
    pub transforms: transform::Program,
    /// How long things are kept.
    pub ages: Ages,
    /// How long an endpoint may do nothing but fail before its subscription is deactivated.
    pub deactivate_after: Duration,
    /// How connections are looked after.
    pub care: Care,
    /// Where the world reaches this server. Without it nothing can be told to push here.
    pub base_url: Option<String>,
    /// When somebody is to be told that something should be looked at.
    pub alerts: Rules,
    /// How streams are served.
    pub streams: realtime::Terms,
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing can be sent.
    #[error(transparent)]
    Client(#[from] Failure),
    /// Nothing can be kept.
    #[error("no thread to commit with: {0}")]
    Thread(#[from] io::Error),
}

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    /// Where events come in.
    pub intake: Intake,
    /// The log, for those who append to it by themselves.
    pub log: Log,
    /// What delivers.
    pub deliverer: Deliverer,
    /// Where workers pull from.
    pub queues: Queues,
    /// Where others than the providers' events come in.
    pub sources: Arc<Sources>,
    /// Conversations and their messages.
    pub inbox: Arc<Inbox>,
    /// Users' accounts at providers.
    pub connections: Arc<Connections>,
    /// What is set up at providers so that they push.
    pub registrations: Arc<Registrations>,
    /// What was refused.
    pub rejections: Rejections,
    /// Owes past events.
    pub recovery: Recovery,
    /// Live streams.
    pub hub: Arc<Hub>,
    /// Who is owed what.
    pub routes: Arc<RouteTable>,
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Seals secrets.
    pub vault: Vault,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The way out, for checking a URL before it is used.
    pub client: Client,
    /// Asks subscriptions' filters.
    pub matching: Matching,
    /// Runs subscriptions' transforms.
    pub transforms: Transforms,
    /// Runs what a request has begun and must finish.
    pub supervisor: Supervisor,
    /// Runs the settler alone: it goes on until all others have ended.
    last: Supervisor,
    rescuer: Arc<Rescuer>,
}

/// What works by itself once the engine runs, and is nobody's to call.
struct Tasks {
    /// Writes what the log has gathered.
    committer: Committer,
    /// Writes how attempts have ended.
    settler: Settler,
    /// Does the jobs that owe past events.
    runner: Runner,
    /// Looks at how it goes.
    observer: Observer,
    /// Tells what there is to tell of it.
    teller: Teller,
    /// Writes what was refused.
    recorder: Recorder,
    /// Removes what is old.
    sweeper: Sweeper,
}

impl Engine {
    /// Starts the engine over `store`.
    ///
    /// # Errors
    /// The store cannot be read, or the system's resolver is not configured.
    pub async fn start(
        store: Arc<dyn Store>,
        vault: Vault,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Self, NotStarted> {
        let shared = Shared::load(store, vault, clock, &settings).await?;
        let deactivate_after = settings.deactivate_after;
        let (engine, tasks) = Self::assemble(shared, settings).await?;
        engine.keep_committing(tasks.committer)?;
        engine.keep_delivering(tasks.settler, tasks.runner);
        engine.keep_connections();
        engine.keep_watching(deactivate_after, tasks.observer, tasks.teller);
        engine.keep_house(tasks.recorder, tasks.sweeper);
        Ok(engine)
    }

    /// The parts, each with those that it works with, and what keeps them going.
    async fn assemble(shared: Shared, settings: Settings) -> Result<(Self, Tasks), NotStarted> {
        // The log, and what delivers what it holds.
        let (desk, news) = Desk::new();
        let observer = Observer::new(&shared, settings.alerts, desk.clone());
        let last = Supervisor::new(Arc::clone(&shared.clock));
        let (deliverer, settler) = Deliverer::new(&shared, desk, observer.clone(), last.stopping());
        let (log, committer) = Log::new(&shared, deliverer.clone());
        let recovery = Recovery::new(&shared, deliverer.clone());
        let rescuer = Arc::new(Rescuer::new(&shared, deliverer.clone()));
        rescuer.begin().await?;

        // What several ways in, or out, have in common.
        let documents = Arc::new(Documents::new(shared.client.clone(), Arc::clone(&shared.clock)));
        let connections = Arc::new(Connections::new(&shared, log.clone(), settings.care));
        let registrations =
            Arc::new(Registrations::new(&shared, Arc::clone(&connections), settings.base_url));
        let accounts = (Arc::clone(&connections), Arc::clone(&registrations));
        let inbox = Arc::new(Inbox::new(&shared, Arc::clone(&connections), log.clone()));
        let (rejections, recorder) = Rejections::new(&shared, settings.rejections_kept_for);

        let tasks = Tasks {
            committer,
            settler,
            runner: Runner::new(recovery.clone(), shared.supervisor.stopping()),
            observer,
            teller: Teller::new(&shared, news, log.clone()),
            recorder,
            sweeper: Sweeper::new(&shared, settings.ages),
        };
        let engine = Self {
            intake: Intake::new(&shared, log.clone(), Arc::clone(&documents), accounts),
            queues: Queues::new(&shared, deliverer.clone(), Arc::clone(&rescuer)),
            sources: Arc::new(Sources::load(&shared, documents, log.clone()).await?),
            hub: Hub::start(&shared, log.clone(), Arc::clone(&inbox) as _, settings.streams),
            log,
            deliverer,
            inbox,
            connections,
            registrations,
            rejections,
            recovery,
            routes: shared.routes,
            store: shared.store,
            vault: shared.vault,
            clock: shared.clock,
            client: shared.client,
            matching: shared.matching,
            transforms: shared.transforms,
            supervisor: shared.supervisor,
            last,
            rescuer,
        };
        Ok((engine, tasks))
    }

    /// Every request waits for a commit, and the workers are busy with requests.
    fn keep_committing(&self, committer: Committer) -> io::Result<()> {
        let committer = Arc::new(committer);
        self.supervisor.keep_apart_with("commit", committer, |committer| async move {
            one_core::stay();
            committer.run().await;
        })
    }

    fn keep_delivering(&self, settler: Settler, runner: Runner) {
        let Self { supervisor, deliverer, rescuer, .. } = self;
        self.last.keep_with("settle", Arc::new(settler), |settler| async move { settler.run().await });
        supervisor.keep_with("refill", deliverer.clone(), |deliverer| async move {
            deliverer.refill().await;
        });
        supervisor.repeat_with("rescue", BEAT_EVERY, Arc::clone(rescuer), |rescuer| async move {
            rescuer.step().await;
        });
        supervisor.keep_with("run jobs", Arc::new(runner), |runner| async move { runner.run().await });
    }

    /// Looks after users' accounts, unless nothing is to be asked for by itself.
    fn keep_connections(&self) {
        let Self { supervisor, connections, registrations, .. } = self;
        if connections.look_by_themselves() {
            connections.keep_fresh(supervisor);
            connections.keep_polling(supervisor);
            registrations.keep_alive(supervisor);
        }
    }

    /// Looks at how it goes, and tells.
    fn keep_watching(&self, deactivate_after: Duration, observer: Observer, teller: Teller) {
        let supervisor = &self.supervisor;
        supervisor.keep_with("tell news", Arc::new(teller), |teller| async move { teller.run().await });
        let often = (deactivate_after / 10).clamp(DUE_POLL_EVERY, DEACTIVATED_AT_MOST_EVERY);
        let deliverer = self.deliverer.clone();
        supervisor.repeat_with(
            "deactivate what fails for good",
            often,
            deliverer,
            move |deliverer| async move { deliverer.deactivate_failing(deactivate_after).await },
        );
        let shared = (Arc::clone(&self.store), Arc::clone(&self.clock));
        supervisor.repeat_with("note what is owed", OWED_NOTED_EVERY, shared, |(store, clock)| async move {
            if let Err(error) = store.note_owed(clock.now()).await {
                tracing::warn!(%error, "cannot note what is owed; it is tried again");
            }
        });
        let often = observer.look_every();
        supervisor.repeat_with("watch", often, observer, |observer| async move { observer.look().await });
    }

    /// Keeps what comes from elsewhere current, and what is here within bounds.
    fn keep_house(&self, recorder: Recorder, sweeper: Sweeper) {
        let supervisor = &self.supervisor;
        supervisor.repeat_with(
            "refresh sources",
            SOURCES_REFRESHED_EVERY,
            Arc::clone(&self.sources),
            refresh,
        );
        self.inbox.keep(supervisor);
        supervisor.keep_with("record rejections", Arc::new(recorder), |recorder| async move {
            recorder.run().await;
        });
        let often = sweeper.sweep_every();
        supervisor.repeat_with("remove what is old", often, Arc::new(sweeper), |sweeper| async move {
            sweeper.sweep().await;
        });
        let (client, since_start) = (self.client.clone(), Arc::clone(&self.clock));
        supervisor.repeat("close idle connections", IDLE_CONNECTION_KEPT, move || {
            client.close_idle(since_start.elapsed());
            std::future::ready(())
        });
    }

    /// Stops: what is under way may finish within a bound, the rest is given back for others, or for the next start.
    /// Nothing must be appended any more.
    pub async fn stop(&self) {
        self.supervisor.stop();
        // Without the store nothing can be handed back; then it is taken over once the store is there again.
        let _in_time = tokio::time::timeout(SHUTDOWN_GRACE, self.deliverer.hand_back_queued()).await;
        if !self.supervisor.ended_within(SHUTDOWN_GRACE).await {
            tracing::warn!("some attempts did not end in time; they are left to whoever comes next");
        }
        self.last.stop();
        if !self.last.ended_within(SHUTDOWN_GRACE).await {
            tracing::warn!(
                "not all that was delivered could be written down; some of it will be delivered again"
            );
        }
        if let Err(error) = self.rescuer.retire().await {
            tracing::warn!(%error, "could not give back what was claimed; it will be taken over");
        }
        self.store.close().await;
    }
}

async fn refresh(sources: Arc<Sources>) {
    if let Err(error) = sources.refresh().await {
        tracing::warn!(%error, "the sources could not be read again");
    }
}
