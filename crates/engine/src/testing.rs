//! What tests of the engine share: a clock that they move, and the parts of an engine over a store in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::alert::Rules;
use domain::delivery::{Claim, Delivery, Holder, State, Trigger};
use domain::event::Json;
use domain::subscription::{Signing, Subscription, Target, Terms};
use domain::{DeliveryId, Event, EventId, NodeId, SubscriptionId, Timestamp};
use store::model::Model;
use store::{Append, Appended, NewEvent, Store, StoredSubscription};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::chance;
use crate::clock::Clock;
use crate::deliver::{Client, Deliverer, Guard, Settler, Transforms};
use crate::keys::SigningKeys;
use crate::maintain::Observer;
use crate::matching::Matching;
use crate::news::{Desk, News};
use crate::realtime::Advance;
use crate::routes::RouteTable;
use crate::shared::Shared;
use crate::supervise::Supervisor;
use crate::vault::Vault;

/// A clock that a test moves. Who sleeps is woken by the runtime's time.
#[derive(Debug, Default)]
pub(crate) struct ManualClock(AtomicU64);

impl ManualClock {
    pub(crate) fn move_by(&self, span: Duration) {
        self.0.fetch_add(span.as_millis() as u64, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(0).plus(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

/// A deliverer and what is around it.
pub(crate) struct Parts {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<Model>,
    pub(crate) shared: Shared,
    pub(crate) observer: Observer,
    pub(crate) deliverer: Deliverer,
    pub(crate) news: mpsc::Receiver<News>,
    /// What is settled is written only if a test runs it.
    pub(crate) settler: Settler,
}

impl Parts {
    pub(crate) async fn new(rules: Rules, subscriptions: &[StoredSubscription]) -> Self {
        let store = Arc::new(Model::new());
        for subscription in subscriptions {
            store.create_subscription(subscription).await.unwrap();
        }
        Self::over(store, Arc::default(), rules).await
    }

    /// A node of its own over a store that may be another's too.
    pub(crate) async fn over(store: Arc<Model>, clock: Arc<ManualClock>, rules: Rules) -> Self {
        let shared = shared(Arc::<Model>::clone(&store), Arc::<ManualClock>::clone(&clock)).await;
        let (desk, news) = Desk::new();
        let observer = Observer::new(&shared, rules, desk.clone());
        let (deliverer, settler) = Deliverer::new(&shared, desk, observer.clone(), CancellationToken::new());
        Self { clock, store, shared, observer, deliverer, news, settler }
    }

    /// What has been told since this was last asked, by type and data.
    pub(crate) fn told(&mut self) -> Vec<(&'static str, serde_json::Value)> {
        std::iter::from_fn(|| self.news.try_recv().ok()).map(|news| news.told()).collect()
    }
}

/// What parts stand on, for whom the operator has set nothing.
pub(crate) async fn shared(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Shared {
    let routes = Arc::new(RouteTable::load(Arc::clone(&store), vault()).await.unwrap());
    Shared {
        node: NodeId::new(clock.now(), &mut chance::rng()),
        supervisor: Supervisor::new(Arc::clone(&clock)),
        client: Client::new(Guard::default()).unwrap(),
        transforms: Transforms::new(transform::Program::this_one(["never-run"]).unwrap()),
        matching: Matching::new(Arc::clone(&routes)),
        advance: Advance::default(),
        provider_settings: HashMap::new(),
        vault: vault(),
        store,
        clock,
        routes,
    }
}

pub(crate) fn vault() -> Vault {
    Vault::new(&[7; 32])
}

/// A subscription to everything that is called, or that feeds a queue.
pub(crate) fn subscription(queue: Option<&str>) -> StoredSubscription {
    let now = Timestamp::from_seconds(0);
    let id = SubscriptionId::new(now, &mut chance::rng());
    let target = match queue {
        Some(queue) => Target::Pull { queue: queue.to_owned() },
        None => Target::Push { url: "https://example.com/".to_owned() },
    };
    let subscription = Subscription {
        id,
        user_id: Some("alice".parse().unwrap()),
        target,
        terms: Terms::default(),
        is_active: true,
        paused: false,
        created_at: now,
        updated_at: now,
    };
    let sealed_key = SigningKeys::generate(Signing::Standard, &mut chance::rng()).seal(&vault(), id);
    StoredSubscription { subscription, sealed_key, revision: 0 }
}

pub(crate) fn event(event_type: &str, now: Timestamp) -> Event {
    Event {
        id: EventId::new(now, &mut chance::rng()),
        event_type: event_type.parse().unwrap(),
        user_id: Some("alice".parse().unwrap()),
        source: "api".into(),
        provider: None,
        occurred_at: now,
        received_at: now,
        data: Json::from_text("{}").unwrap(),
        raw: None,
    }
}

/// Keeps an event of that type which is owed to `to`; the delivery is as `make` leaves it.
pub(crate) async fn owe(
    store: &Model,
    to: &Subscription,
    event_type: &str,
    now: Timestamp,
    make: impl FnOnce(&mut Delivery),
) -> Delivery {
    let event = event(event_type, now);
    let id = DeliveryId::new(now, &mut chance::rng());
    let mut delivery = Delivery::owed(id, &event, to, Trigger::Initial, now);
    make(&mut delivery);
    let new = NewEvent { event: Arc::new(event), dedupe_key: None, deliveries: vec![delivery.clone()] };
    let append = Append { events: vec![new], idempotency: None };
    let version = store.routes_version().await.unwrap();
    let appended = store.append([append].into(), version, now).await.unwrap();
    assert!(matches!(appended, Appended::Durable(_)));
    delivery
}

/// As if that node had claimed it until a minute from `now`.
pub(crate) fn claimed_by(node: NodeId, now: Timestamp) -> State {
    let deadline = now.plus(Duration::from_secs(60));
    State::Processing(Claim { holder: Holder::Node(node), deadline })
}
