//! Who is owed what: every subscription, in memory, as of a known version.

use std::hash::Hash;
use std::sync::Arc;

use arc_swap::ArcSwap;
use domain::filter::{Filter, NotAFilter};
use domain::order::OrderingKey;
use domain::subscription::{Subscription, Target};
use domain::{Event, SubscriptionId, UserId};
use http::{HeaderValue, Uri};
use rpds::{HashTrieMapSync, RedBlackTreeMapSync};
use serde_json::Value;
use store::{RouteChanges, RoutesVersion, Store, StoreError, StoredSubscription};
use tokio::sync::Mutex;

use crate::deliver::Shape;
use crate::keys::SigningKeys;
use crate::matching::Answer;
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

    /// Whether what becomes of an event here rests on what it holds.
    #[must_use]
    pub fn looks_inside(&self) -> bool {
        self.filter.is_some() || self.subscription.terms.ordering_key.is_some()
    }

    /// What is to become of an event of a wanted type that holds this. `None` where it takes more than `steps` to tell.
    pub(crate) fn answer(&self, document: &Value, steps: &mut usize) -> Option<Answer> {
        let is_wanted = match &self.filter {
            Some(filter) => filter.decide(document, steps)?,
            None => true,
        };
        let ordering_key = self.subscription.terms.ordering_key.as_ref();
        let line = || ordering_key.and_then(|path| OrderingKey::of(document, path));
        Some(if is_wanted { Answer::Wanted(line()) } else { Answer::Unwanted })
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
///
/// A clone shares all of it, and a change of one subscription copies what leads to that one: making many subscriptions,
/// one after the other, does not take longer for each.
#[derive(Debug, Clone)]
pub struct Routes {
    /// Which version.
    pub version: RoutesVersion,
    by_id: HashTrieMapSync<SubscriptionId, Arc<Route>>,
    of_user: HashTrieMapSync<UserId, InOrder>,
    of_everyone: InOrder,
    /// By the name of the queue that they feed.
    of_queue: HashTrieMapSync<String, InOrder>,
}

/// Some of the subscriptions, the oldest first.
type InOrder = RedBlackTreeMapSync<SubscriptionId, Arc<Route>>;

impl Routes {
    fn new(vault: &Vault, stored: store::Routes) -> Self {
        let mut routes = Self {
            version: stored.version,
            by_id: HashTrieMapSync::new_sync(),
            of_user: HashTrieMapSync::new_sync(),
            of_everyone: InOrder::new_sync(),
            of_queue: HashTrieMapSync::new_sync(),
        };
        for stored in stored.subscriptions {
            routes.put(vault, stored.subscription.id, Some(stored));
        }
        routes
    }

    /// The same after what has changed meanwhile.
    fn after(&self, vault: &Vault, changes: RouteChanges) -> Self {
        let mut routes = Self { version: changes.version, ..self.clone() };
        for (id, stored) in changes.changed {
            routes.put(vault, id, stored);
        }
        routes
    }

    /// Puts a subscription in the place of what it was, or takes it out.
    fn put(&mut self, vault: &Vault, id: SubscriptionId, stored: Option<StoredSubscription>) {
        let before = self.remove(id);
        match stored.map(|stored| Route::new(vault, stored, before.as_ref())) {
            Some(Ok(route)) => self.add(Arc::new(route)),
            // One bad row must not keep the program from starting; what it is owed is kept and shown as pending.
            Some(Err(error)) => tracing::error!(subscription = %id, %error, "left out"),
            None => {}
        }
    }

    fn add(&mut self, route: Arc<Route>) {
        let id = route.subscription.id;
        self.by_id.insert_mut(id, Arc::clone(&route));
        if let Target::Pull { queue } = &route.subscription.target {
            add_to(&mut self.of_queue, queue, &route);
        }
        match &route.subscription.user_id {
            Some(user) => add_to(&mut self.of_user, user, &route),
            None => self.of_everyone.insert_mut(id, route),
        }
    }

    fn remove(&mut self, id: SubscriptionId) -> Option<Arc<Route>> {
        let route = self.by_id.get(&id).cloned()?;
        self.by_id.remove_mut(&id);
        if let Target::Pull { queue } = &route.subscription.target {
            remove_from(&mut self.of_queue, queue, id);
        }
        match &route.subscription.user_id {
            Some(user) => remove_from(&mut self.of_user, user, id),
            None => _ = self.of_everyone.remove_mut(&id),
        }
        Some(route)
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
        let feeding = self.of_queue.get(queue).into_iter().flat_map(InOrder::values);
        feeding.filter(move |route| owner.is_none() || route.subscription.user_id.as_ref() == owner)
    }

    /// The subscriptions that want such an event, by its user and type. Those that look into it may not want this one.
    pub fn concerned<'r>(&'r self, event: &'r Event) -> impl Iterator<Item = &'r Arc<Route>> {
        let users = event.user_id.as_ref().and_then(|user| self.of_user.get(user));
        let users = users.into_iter().flat_map(InOrder::values);
        users.chain(self.of_everyone.values()).filter(|route| route.subscription.wants(event))
    }
}

fn add_to<K: Clone + Eq + Hash>(map: &mut HashTrieMapSync<K, InOrder>, key: &K, route: &Arc<Route>) {
    let mut there = map.get(key).cloned().unwrap_or_else(InOrder::new_sync);
    there.insert_mut(route.subscription.id, Arc::clone(route));
    map.insert_mut(key.clone(), there);
}

fn remove_from<K: Clone + Eq + Hash>(map: &mut HashTrieMapSync<K, InOrder>, key: &K, id: SubscriptionId) {
    let Some(mut left) = map.get(key).cloned() else { return };
    left.remove_mut(&id);
    if left.is_empty() {
        map.remove_mut(key);
    } else {
        map.insert_mut(key.clone(), left);
    }
}

/// The current [`Routes`].
#[derive(Debug)]
pub struct RouteTable {
    current: ArcSwap<Routes>,
    /// Held by who brings them up to date: of many who would, one does it for all.
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
        let routes = Routes::new(&vault, store.routes().await?);
        Ok(Self { current: ArcSwap::from_pointee(routes), reading: Mutex::default(), store, vault })
    }

    /// The routes as last read. They may be stale: whoever appends by them is told so.
    #[must_use]
    pub fn current(&self) -> Arc<Routes> {
        self.current.load_full()
    }

    /// Reads what has changed, here or at another node, since the routes were last read. All of them are read again
    /// only where the store does not remember that far.
    ///
    /// # Errors
    /// The store cannot be read; the routes stay as they were.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _turn = self.reading.lock().await;
        let current = self.current();
        let routes = match self.store.routes_since(current.version).await? {
            Some(changes) if changes.version == current.version => return Ok(()),
            Some(changes) => current.after(&self.vault, changes),
            None => Routes::new(&self.vault, self.store.routes().await?),
        };
        self.current.store(Arc::new(routes));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use domain::event::Json;
    use domain::subscription::{Signing, Terms};
    use domain::{EventId, Timestamp};
    use serde_json::json;
    use store::model::Model;

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
            source: "api".into(),
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
        let every = [&all, &some, &bad];
        let ids = every.map(|stored| stored.subscription.id);
        let changed = every.map(|stored| (stored.subscription.id, Some(stored.clone()))).into();
        let stored = store::Routes { version: RoutesVersion(1), subscriptions: vec![all, some, bad] };
        let first = Routes::new(&vault, stored);
        let again = first.after(&vault, RouteChanges { version: RoutesVersion(2), changed });
        for routes in [first, again] {
            assert!(routes.get(ids[2]).is_none());
            let wanting = |data| {
                let event = event(data);
                let is_wanted = |route: &&Arc<Route>| {
                    route.answer(&event.document(), &mut 100) == Some(Answer::Wanted(None))
                };
                let wanting = routes.concerned(&event).filter(is_wanted);
                wanting.map(|route| route.subscription.id).collect::<HashSet<_>>()
            };
            assert_eq!(wanting(r#"{"n":1}"#), HashSet::from([ids[0], ids[1]]));
            assert_eq!(wanting(r#"{"n":2}"#), HashSet::from([ids[0]]));
        }
    }

    /// All that can be found in them.
    fn seen(routes: &Routes) -> impl PartialEq + std::fmt::Debug + use<> {
        let ids = |of: &InOrder| of.keys().copied().collect::<Vec<_>>();
        let by_id: BTreeMap<_, _> =
            routes.by_id.iter().map(|(id, route)| (*id, route.subscription.clone())).collect();
        let of_user: BTreeMap<_, _> =
            routes.of_user.iter().map(|(user, of)| (user.to_string(), ids(of))).collect();
        let of_queue: BTreeMap<_, _> =
            routes.of_queue.iter().map(|(queue, of)| (queue.clone(), ids(of))).collect();
        (routes.version, by_id, of_user, ids(&routes.of_everyone), of_queue)
    }

    /// How often the store was asked for one thing.
    fn asked(store: &Model, statement: &str) -> u64 {
        store.statements().into_iter().filter(|(name, _)| *name == statement).map(|(_, count)| count).sum()
    }

    #[tokio::test]
    async fn of_many_changes_each_is_read_once_and_the_rest_is_left_as_it_is() {
        let (store, vault) = (Arc::new(Model::new()), Vault::new(&[7; 32]));
        let shared: Arc<dyn Store> = Arc::<Model>::clone(&store);
        let table = RouteTable::load(Arc::clone(&shared), vault.clone()).await.unwrap();
        let at = |seconds| Timestamp::from_seconds(seconds);
        let mut made = Vec::new();
        for number in 0..50 {
            let mut stored = subscription(&vault, Some(json!({ "data.n": number })));
            stored.subscription.user_id =
                (number % 3 > 0).then(|| format!("user{}", number % 3).parse().unwrap());
            if number % 5 == 0 {
                stored.subscription.target = Target::Pull { queue: format!("queue{}", number % 2) };
            }
            store.create_subscription(&stored).await.unwrap();
            let before = table.current();
            table.refresh().await.unwrap();
            let after = table.current();
            let is_untouched = |id: &SubscriptionId| Arc::ptr_eq(&before.by_id[id], &after.by_id[id]);
            assert!(before.by_id.keys().all(is_untouched), "only what has changed is made anew");
            made.push(stored);
        }
        for stored in made.iter_mut().step_by(2) {
            stored.subscription.user_id = None;
            stored.subscription.target = Target::Pull { queue: "another".to_owned() };
            assert!(store.change_subscription(stored, at(1)).await.unwrap());
        }
        for stored in made.iter().step_by(3) {
            assert!(store.delete_subscription(stored.subscription.id, at(2)).await.unwrap());
        }
        table.refresh().await.unwrap();
        assert_eq!((asked(&store, "routes"), asked(&store, "routes_since")), (1, 51));
        let anew = RouteTable::load(shared, vault).await.unwrap();
        assert_eq!(seen(&table.current()), seen(&anew.current()));
    }

    #[tokio::test]
    async fn who_is_too_far_behind_reads_all_of_them() {
        let (store, vault) = (Arc::new(Model::new()), Vault::new(&[7; 32]));
        let shared: Arc<dyn Store> = Arc::<Model>::clone(&store);
        let table = RouteTable::load(shared, vault.clone()).await.unwrap();
        let mut stored = subscription(&vault, None);
        store.create_subscription(&stored).await.unwrap();
        for _ in 0..store::ROUTE_CHANGES_KEPT {
            assert!(store.change_subscription(&stored, Timestamp::from_seconds(1)).await.unwrap());
            stored.revision += 1;
        }
        table.refresh().await.unwrap();
        assert!(table.current().get(stored.subscription.id).is_some());
        assert_eq!(asked(&store, "routes"), 2);
    }
}
