//! Who is owed what: every subscription, in memory, as of a known version.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use domain::signing::{KeyPair, Secret};
use domain::subscription::{Signing, Subscription, Target};
use domain::{Event, SubscriptionId, UserId};
use http::{HeaderValue, Uri};
use store::{RoutesVersion, Store, StoreError, StoredSubscription};

use crate::vault::{DoesNotOpen, Vault};

/// A subscription, ready for work.
#[derive(Debug)]
pub struct Route {
    /// The subscription.
    pub subscription: Subscription,
    /// What its requests are signed with.
    pub key: SigningKey,
    /// Where they are sent; `None` for a queue.
    pub endpoint: Option<Endpoint>,
}

/// Where a subscription's requests are sent, in the pieces that a request is made of.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The whole URL.
    pub url: Uri,
    /// Scheme, host and port: what a connection can be used again for.
    pub origin: Arc<str>,
    /// Host and port as the `Host` header names them.
    pub host: HeaderValue,
    /// Path and query.
    pub path: Uri,
}

impl Endpoint {
    /// Takes a URL apart; `None` if it names no host.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let url: Uri = url.parse().ok()?;
        let (scheme, authority) = (url.scheme_str()?, url.authority()?.as_str());
        // A user's name before the host is none of the endpoint's business.
        let named = authority.rsplit('@').next().unwrap_or(authority);
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let host = HeaderValue::from_str(named.strip_suffix(default_port).unwrap_or(named)).ok()?;
        let path = url.path_and_query().map_or("/", |path| path.as_str()).parse().ok()?;
        Some(Self { origin: format!("{scheme}://{authority}").into(), host, path, url })
    }
}

/// What a subscription's requests are signed with.
#[derive(Debug, Clone)]
pub enum SigningKey {
    /// Standard Webhooks v1.
    Secret(Secret),
    /// Standard Webhooks v1a.
    KeyPair(KeyPair),
}

impl SigningKey {
    /// A fresh key of the wanted kind.
    pub fn generate(signing: Signing, rng: &mut impl rand::CryptoRng) -> Self {
        match signing {
            Signing::Standard => Self::Secret(Secret::generate(rng)),
            Signing::Ed25519 => Self::KeyPair(KeyPair::generate(rng)),
        }
    }

    /// Seals the key for the subscription it belongs to.
    #[must_use]
    pub fn seal(&self, vault: &Vault, id: SubscriptionId) -> Vec<u8> {
        let row = id.to_string();
        match self {
            Self::Secret(secret) => vault.seal(&row, secret.reveal().as_bytes()),
            Self::KeyPair(pair) => vault.seal(&row, pair.reveal().as_bytes()),
        }
    }

    /// Opens the key of `stored`.
    ///
    /// # Errors
    /// It was sealed under another key of the vault, or altered.
    pub fn open(vault: &Vault, stored: &StoredSubscription) -> Result<Self, DoesNotOpen> {
        let opened = vault.open(&stored.subscription.id.to_string(), &stored.sealed_key)?;
        let text = std::str::from_utf8(&opened).map_err(|_| DoesNotOpen)?;
        match stored.subscription.terms.signing {
            Signing::Standard => Secret::parse(text).map(Self::Secret),
            Signing::Ed25519 => KeyPair::parse(text).map(Self::KeyPair),
        }
        .map_err(|_| DoesNotOpen)
    }
}

/// Every subscription at one version.
#[derive(Debug)]
pub struct Routes {
    /// Which version.
    pub version: RoutesVersion,
    by_id: HashMap<SubscriptionId, Arc<Route>>,
    of_user: HashMap<UserId, Vec<Arc<Route>>>,
    of_everyone: Vec<Arc<Route>>,
    /// By the name of the queue that they feed.
    of_queue: HashMap<String, Vec<Arc<Route>>>,
}

impl Routes {
    fn new(vault: &Vault, stored: store::Routes) -> Self {
        let mut routes = Self {
            version: stored.version,
            by_id: HashMap::new(),
            of_user: HashMap::new(),
            of_everyone: Vec::new(),
            of_queue: HashMap::new(),
        };
        for stored in stored.subscriptions {
            match SigningKey::open(vault, &stored) {
                Ok(key) => routes.add(stored.subscription, key),
                // One bad row must not keep the program from starting; what it is owed is kept and shown as pending.
                Err(error) => tracing::error!(subscription = %stored.subscription.id, %error, "left out"),
            }
        }
        routes
    }

    fn add(&mut self, subscription: Subscription, key: SigningKey) {
        let endpoint = match &subscription.target {
            Target::Push { url } => Endpoint::parse(url),
            Target::Pull { .. } => None,
        };
        let route = Arc::new(Route { subscription, key, endpoint });
        self.by_id.insert(route.subscription.id, Arc::clone(&route));
        if let Target::Pull { queue } = &route.subscription.target {
            self.of_queue.entry(queue.clone()).or_default().push(Arc::clone(&route));
        }
        match &route.subscription.user_id {
            Some(user) => self.of_user.entry(user.clone()).or_default().push(route),
            None => self.of_everyone.push(route),
        }
    }

    /// One subscription.
    #[must_use]
    pub fn get(&self, id: SubscriptionId) -> Option<&Arc<Route>> {
        self.by_id.get(&id)
    }

    /// The subscriptions that feed the queue of that name: `owner`'s, or whoever's.
    pub fn feeding<'r>(
        &'r self,
        queue: &str,
        owner: Option<&'r UserId>,
    ) -> impl Iterator<Item = &'r Arc<Route>> {
        let feeding = self.of_queue.get(queue).into_iter().flatten();
        feeding.filter(move |route| owner.is_none() || route.subscription.user_id.as_ref() == owner)
    }

    /// The subscriptions that want `event`.
    pub fn wanting<'r>(&'r self, event: &'r Event) -> impl Iterator<Item = &'r Arc<Route>> {
        let users = event.user_id.as_ref().and_then(|user| self.of_user.get(user));
        users.into_iter().flatten().chain(&self.of_everyone).filter(|route| route.subscription.wants(event))
    }
}

/// The current [`Routes`].
#[derive(Debug)]
pub struct RouteTable {
    current: ArcSwap<Routes>,
    store: Arc<dyn Store>,
    vault: Vault,
}

impl RouteTable {
    /// Reads all subscriptions.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn load(store: Arc<dyn Store>, vault: Vault) -> Result<Self, StoreError> {
        let routes = Routes::new(&vault, store.routes().await?);
        Ok(Self { current: ArcSwap::from_pointee(routes), store, vault })
    }

    /// The routes as last read. They may be stale: whoever appends by them is told so.
    #[must_use]
    pub fn current(&self) -> Arc<Routes> {
        self.current.load_full()
    }

    /// Reads all subscriptions again if they have changed, here or at another node.
    ///
    /// # Errors
    /// The store cannot be read; the routes stay as they were.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        if self.store.routes_version().await? == self.current().version {
            Ok(())
        } else {
            self.reload().await
        }
    }

    /// Reads all subscriptions again.
    ///
    /// # Errors
    /// The store cannot be read; the routes stay as they were.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let routes = Arc::new(Routes::new(&self.vault, self.store.routes().await?));
        // Two readings may end in either order; the later version wins.
        self.current
            .rcu(|current| Arc::clone(if current.version > routes.version { current } else { &routes }));
        Ok(())
    }
}
