//! A subscription together with the receiver behind it, and the wait until everything owed to it has settled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;
use tokio::time::sleep;

use super::arrivals::Arrivals;
use crate::api::{Api, Subscription};
use crate::receiver::Receiver;
use crate::signature::Verifier;

/// No arrival and no settlement for this long is a stall.
const STALLED_AFTER: Duration = Duration::from_secs(60);
const ARRIVAL_POLL: Duration = Duration::from_millis(5);
/// Asked only once all has arrived, so that the asking takes nothing from what is measured.
const SETTLEMENT_POLL: Duration = Duration::from_millis(10);

pub(super) struct Endpoint {
    api: Api,
    subscription: Subscription,
    pub(super) arrivals: Arc<Arrivals>,
    _receiver: Receiver,
}

impl Endpoint {
    pub(super) async fn open(api: &Api, user: &str, max_concurrency: usize) -> Result<Self> {
        let arrivals = Arc::new(Arrivals::default());
        let receiver = Receiver::start(Arc::clone(&arrivals)).await?;
        let options = json!({ "max_concurrency": max_concurrency });
        let subscription = api.subscribe(user, &receiver.url(), options).await?;
        arrivals.verify_with(Verifier::new(&subscription.secret)?);
        Ok(Self { api: api.clone(), subscription, arrivals, _receiver: receiver })
    }

    /// Waits until `count` events have arrived and the program says that each is settled; when that was.
    pub(super) async fn settled(&self, count: u64) -> Result<Instant> {
        self.all_arrived(count).await?;
        let mut last = (0, Instant::now());
        loop {
            let statistics = self.api.statistics(&self.subscription.id).await?;
            let now = Instant::now();
            if statistics.successful >= count {
                return Ok(now);
            }
            if statistics.successful > last.0 {
                last = (statistics.successful, now);
            }
            if now - last.1 > STALLED_AFTER {
                bail!("all {count} events arrived, but settlement stalled at {statistics:?}");
            }
            sleep(SETTLEMENT_POLL).await;
        }
    }

    async fn all_arrived(&self, count: u64) -> Result<()> {
        let mut last = (0, Instant::now());
        loop {
            let arrived = self.arrivals.distinct();
            if arrived >= count {
                return Ok(());
            }
            if arrived > last.0 {
                last = (arrived, Instant::now());
            }
            if last.1.elapsed() > STALLED_AFTER {
                bail!("deliveries stalled: {arrived} of {count} accepted events arrived");
            }
            sleep(ARRIVAL_POLL).await;
        }
    }

    pub(super) async fn close(self) -> Result<()> {
        self.api.unsubscribe(&self.subscription.id).await
    }
}
