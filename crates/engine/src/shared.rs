//! What the parts of one engine have in common.

use std::collections::HashMap;
use std::sync::Arc;

use domain::NodeId;
use store::Store;

use crate::chance;
use crate::clock::Clock;
use crate::deliver::{Client, Transforms};
use crate::matching::Matching;
use crate::node::{NotStarted, Settings};
use crate::realtime::Advance;
use crate::routes::RouteTable;
use crate::supervise::Supervisor;
use crate::vault::Vault;

/// Exists once in each engine; a part copies of it what it needs.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    /// This run of the program.
    pub(crate) node: NodeId,
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// Seals secrets.
    pub(crate) vault: Vault,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// The way out.
    pub(crate) client: Client,
    /// By provider: what the operator has set.
    pub(crate) provider_settings: HashMap<&'static str, providers::Settings>,
    /// Who is owed what.
    pub(crate) routes: Arc<RouteTable>,
    /// Asks subscriptions' filters.
    pub(crate) matching: Matching,
    /// Runs subscriptions' transforms.
    pub(crate) transforms: Transforms,
    /// Says that the log has advanced.
    pub(crate) advance: Advance,
    /// Runs tasks, and says when they are to stop.
    pub(crate) supervisor: Supervisor,
}

impl Shared {
    /// Reads who is owed what.
    ///
    /// # Errors
    /// The store cannot be read, or the system's resolver is not configured.
    pub(crate) async fn load(
        store: Arc<dyn Store>,
        vault: Vault,
        clock: Arc<dyn Clock>,
        settings: &Settings,
    ) -> Result<Self, NotStarted> {
        let client = Client::new(settings.guard.clone())?;
        let routes = Arc::new(RouteTable::load(Arc::clone(&store), vault.clone()).await?);
        Ok(Self {
            node: NodeId::new(clock.now(), &mut chance::rng()),
            supervisor: Supervisor::new(Arc::clone(&clock)),
            matching: Matching::new(Arc::clone(&routes)),
            transforms: Transforms::new(settings.transforms.clone()),
            advance: Advance::default(),
            provider_settings: settings.provider_settings.clone(),
            store,
            vault,
            clock,
            client,
            routes,
        })
    }
}
