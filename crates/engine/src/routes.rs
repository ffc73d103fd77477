//! Who is owed what: every subscription, in memory, as of a known version.

use std::cell::LazyCell;
use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use domain::filter::{Filter, NotAFilter};
use domain::subscription::{Subscription, Target};
use domain::{Event, SubscriptionId, UserId};
use http::{HeaderValue, Uri};
use serde_json::Value;
use store::{RoutesVersion, Store, StoreError, StoredSubscription};
use tokio::sync::Mutex;

use crate::deliver::Shape;
use crate::keys::SigningKeys;
use crate::vault::{DoesNotOpen, Vault};

/// A subscription, ready for work.
#[derive(Debug)]
pub struct Route {
    /// The subscription.
    pub subscription: Subscription,
    /// What events must hold, beyond being of a wanted type.
    pub filter: Option<Filter>,
    /// What its requests hold.
    pub shape: Shape,
    /// What its requests are signed with.
    pub keys: SigningKeys,
    /// Where they are sent; `None` for a queue.
    pub endpoint: Option<Endpoint>,
}

impl Route {
    fn new(vault: &Vault, stored: StoredSubscription, before: Option<&Arc<Self>>) -> Result<Self, Unusable> {
        let keys = SigningKeys::open(vault, &stored)?;
        let subscription = stored.subscription;
        let filter = match (&subscription.terms.filter, before.and_then(|before| before.filter.as_ref())) {
            (Some(source), Some(filter)) if filter.source() == source => Some(filter.clone()),
            (Some(source), _) => Some(Filter::parse(source)?),
            (None, _) => None,
        };
        let endpoint = match &subscription.target {
            Target::Push { url } => Endpoint::parse(url),
            Target::Pull { .. } => None,
        };
        Ok(Self { filter, shape: Shape::of(&subscription.terms), keys, endpoint, subscription })
    }

    /// Whether `event` is to be delivered here. `document` is the event's, which is made only when somebody looks.
    pub fn wants<D: FnOnce() -> Value>(&self, event: &Event, document: &LazyCell<Value, D>) -> bool {
        self.subscription.wants(event) && self.filter.as_ref().is_none_or(|filter| filter.matches(document))
    }
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

/// Why a subscription is left out.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Key(#[from] DoesNotOpen),
    #[error("its filter cannot be read: {0}")]
    Filter(#[from] NotAFilter),
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
    /// Of the routes `before`, filters are used again: most subscriptions have not changed.
    fn new(vault: &Vault, stored: store::Routes, before: Option<&Self>) -> Self {
        let mut routes = Self {
            version: stored.version,
            by_id: HashMap::new(),
            of_user: HashMap::new(),
            of_everyone: Vec::new(),
            of_queue: HashMap::new(),
        };
        for stored in stored.subscriptions {
            let id = stored.subscription.id;
            match Route::new(vault, stored, before.and_then(|before| before.get(id))) {
                Ok(route) => routes.add(route),
                // One bad row must not keep the program from starting; what it is owed is kept and shown as pending.
                Err(error) => tracing::error!(subscription = %id, %error, "left out"),
            }
        }
        routes
    }

    fn add(&mut self, route: Route) {
        let route = Arc::new(route);
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

    /// The subscriptions that want `event`. Its document is made once, and only if one of them looks into it.
    pub fn wanting<'r, D: FnOnce() -> Value>(
        &'r self,
        event: &'r Event,
        document: &'r LazyCell<Value, D>,
    ) -> impl Iterator<Item = &'r Arc<Route>> {
        let users = event.user_id.as_ref().and_then(|user| self.of_user.get(user));
        users.into_iter().flatten().chain(&self.of_everyone).filter(move |route| route.wants(event, document))
    }
}

/// The current [`Routes`].
#[derive(Debug)]
pub struct RouteTable {
    current: ArcSwap<Routes>,
    /// Held by who reads them all: of many who would, one does it for all.
    reading: Mutex<()>,
    store: Arc<dyn Store>,
    vault: Vault,
}

impl RouteTable {
    /// Reads all subscriptions.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn load(store: Arc<dyn Store>, vault: Vault) -> Result<Self, StoreError> {
        let routes = Routes::new(&vault, store.routes().await?, None);
        Ok(Self { current: ArcSwap::from_pointee(routes), reading: Mutex::default(), store, vault })
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

    /// Reads all subscriptions again, unless somebody else has while this waited for its turn.
    ///
    /// # Errors
    /// The store cannot be read; the routes stay as they were.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let _turn = self.reading.lock().await;
        if self.store.routes_version().await? == self.current().version {
            return Ok(());
        }
        let stored = self.store.routes().await?;
        let routes = Arc::new(Routes::new(&self.vault, stored, Some(&self.current())));
        // Two readings may end in either order; the later version wins.
        self.current
            .rcu(|current| Arc::clone(if current.version > routes.version { current } else { &routes }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use domain::event::Json;
    use domain::subscription::{Signing, Terms};
    use domain::{EventId, Timestamp};
    use serde_json::json;

    use super::*;
    use crate::chance;

    fn subscription(vault: &Vault, filter: Option<Value>) -> StoredSubscription {
        let now = Timestamp::from_seconds(0);
        let id = SubscriptionId::new(now, &mut chance::rng());
        let subscription = Subscription {
            id,
            user_id: None,
            target: Target::Push { url: "https://example.com/".to_owned() },
            terms: Terms { filter, ..Terms::default() },
            is_active: true,
            paused: false,
            created_at: now,
            updated_at: now,
        };
        let sealed_key = SigningKeys::generate(Signing::Standard, &mut chance::rng()).seal(vault, id);
        StoredSubscription { subscription, sealed_key, revision: 0 }
    }

    fn event(data: &str) -> Event {
        let now = Timestamp::from_seconds(0);
        Event {
            id: EventId::new(now, &mut chance::rng()),
            event_type: "task.created".parse().unwrap(),
            user_id: None,
            source: "api".to_owned(),
            provider: None,
            occurred_at: now,
            received_at: now,
            data: Json::from_text(data).unwrap(),
            raw: None,
        }
    }

    #[test]
    fn one_whose_filter_cannot_be_read_is_left_out_and_takes_no_others_with_it() {
        let vault = Vault::new(&[7; 32]);
        let all = subscription(&vault, None);
        let some = subscription(&vault, Some(json!({ "data.n": 1 })));
        let bad = subscription(&vault, Some(json!({ "data.n": { "$near": 1 } })));
        let ids = [&all, &some, &bad].map(|stored| stored.subscription.id);
        let stored = store::Routes { version: RoutesVersion(1), subscriptions: vec![all, some, bad] };
        let first = Routes::new(&vault, stored.clone(), None);
        let again = Routes::new(&vault, stored, Some(&first));
        for routes in [first, again] {
            assert!(routes.get(ids[2]).is_none());
            let wanting = |data| {
                let event = event(data);
                let document = LazyCell::new(|| event.document());
                routes.wanting(&event, &document).map(|route| route.subscription.id).collect::<Vec<_>>()
            };
            assert_eq!(wanting(r#"{"n":1}"#), ids[..2]);
            assert_eq!(wanting(r#"{"n":2}"#), ids[..1]);
        }
    }
}
