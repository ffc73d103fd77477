//! Owing past events: by hand, one to one subscription.

use std::sync::Arc;

use domain::delivery::{Delivery, Trigger};
use domain::{DeliveryId, Event, SubscriptionId};
use store::{Store, StoreError};

use crate::chance;
use crate::clock::Clock;
use crate::deliver::Deliverer;
use crate::routes::RouteTable;

/// Owes what has been in the log for a while.
#[derive(Debug, Clone)]
pub struct Recovery {
    store: Arc<dyn Store>,
    routes: Arc<RouteTable>,
    deliverer: Deliverer,
    clock: Arc<dyn Clock>,
}

impl Recovery {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        routes: Arc<RouteTable>,
        deliverer: Deliverer,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, routes, deliverer, clock }
    }

    /// Owes `event` to a subscription once more, whether or not it wants such events: a delivery of its own, with all
    /// attempts. `None` where the event or the subscription has just gone.
    ///
    /// # Errors
    /// It is not known to be owed.
    pub async fn resend(&self, event: &Event, to: SubscriptionId) -> Result<Option<Delivery>, StoreError> {
        loop {
            let (routes, now) = (self.routes.current(), self.clock.now());
            let Some(route) = routes.get(to) else {
                if self.store.routes_version().await? == routes.version {
                    return Ok(None);
                }
                self.routes.reload().await?;
                continue;
            };
            let id = DeliveryId::new(now, &mut chance::rng());
            let delivery = Delivery::owed(id, event, &route.subscription, Trigger::Manual, now);
            match self.store.owe(std::slice::from_ref(&delivery), false, routes.version).await? {
                Some(owed) if owed.is_empty() => return Ok(None),
                Some(_) => {
                    self.deliverer.note_waiting(&delivery);
                    return Ok(Some(delivery));
                }
                None => self.routes.reload().await?,
            }
        }
    }
}
