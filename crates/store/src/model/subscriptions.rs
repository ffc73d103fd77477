//! Who wants which events.

use std::time::Duration;

use domain::delivery::Delivery;
use domain::subscription::Target;
use domain::{SubscriptionId, Timestamp, UserId};

use super::{Data, paged};
use crate::{
    Page, ROUTE_CHANGES_KEPT, Result, RouteChanges, Routes, RoutesVersion, StoreError, StoredSubscription,
};

impl Data {
    pub(super) fn routes(&self) -> Routes {
        Routes {
            version: RoutesVersion(self.routes_version),
            subscriptions: self.subscriptions.values().cloned().collect(),
        }
    }

    pub(super) fn routes_since(&self, known: RoutesVersion) -> Option<RouteChanges> {
        let version = RoutesVersion(self.routes_version);
        let is_remembered = (0..=ROUTE_CHANGES_KEPT).contains(&(version.0 - known.0));
        is_remembered.then(|| {
            let changed = self.route_changes.range(known.0 + 1..).map(|(_, id)| *id);
            let changed = changed.map(|id| (id, self.subscriptions.get(&id).cloned())).collect();
            RouteChanges { version, changed }
        })
    }

    fn move_routes(&mut self, of: SubscriptionId) {
        self.routes_version += 1;
        self.route_changes.insert(self.routes_version, of);
        self.route_changes.remove(&(self.routes_version - ROUTE_CHANGES_KEPT));
    }

    pub(super) fn routes_version(&self) -> RoutesVersion {
        RoutesVersion(self.routes_version)
    }

    pub(super) fn create_subscription(&mut self, created: &StoredSubscription) -> Result<()> {
        let id = created.subscription.id;
        if self.subscriptions.contains_key(&id) {
            return Err(StoreError::Refused(format!("{id} exists already")));
        }
        self.subscriptions.insert(id, created.clone());
        self.move_routes(id);
        Ok(())
    }

    pub(super) fn subscriptions(
        &self,
        user: Option<&UserId>,
        page: &Page<SubscriptionId>,
    ) -> Vec<StoredSubscription> {
        let is_meant = |stored: &&StoredSubscription| {
            user.is_none_or(|user| stored.subscription.user_id.as_ref() == Some(user))
        };
        let newest_first = self.subscriptions.values().rev().filter(is_meant).cloned();
        paged(newest_first, page, |stored| stored.subscription.id)
    }

    pub(super) fn change_subscription(&mut self, changed: &StoredSubscription, now: Timestamp) -> bool {
        let id = changed.subscription.id;
        let Some(current) = self.subscriptions.get_mut(&id) else { return false };
        if current.revision != changed.revision {
            return false;
        }
        let is_switched = current.subscription.is_active != changed.subscription.is_active;
        *current = StoredSubscription { revision: changed.revision + 1, ..changed.clone() };
        self.move_routes(id);
        if let Some(statistics) = self.statistics.get_mut(&id).filter(|_| is_switched) {
            statistics.failing_since = None;
        }
        for delivery in self.deliveries_of(id) {
            if changed.subscription.holds() {
                delivery.hold();
            } else {
                delivery.release(now);
            }
        }
        true
    }

    pub(super) fn failing_for(&self, span: Duration, limit: u32) -> Vec<SubscriptionId> {
        let is_called = |id: &SubscriptionId| {
            let known = self.subscriptions.get(id).map(|stored| &stored.subscription);
            known.is_some_and(|known| known.is_active && matches!(known.target, Target::Push { .. }))
        };
        let mut failing: Vec<_> = self
            .statistics
            .iter()
            .filter_map(|(&id, statistics)| {
                Some((statistics.failing_since?, statistics.last_failure_at?, id))
            })
            .filter(|(since, until, id)| until.since(*since) > span && is_called(id))
            .collect();
        failing.sort_unstable();
        failing.into_iter().map(|(.., id)| id).take(limit as usize).collect()
    }

    pub(super) fn delete_subscription(&mut self, id: SubscriptionId, now: Timestamp) -> bool {
        if self.subscriptions.remove(&id).is_none() {
            return false;
        }
        self.move_routes(id);
        for delivery in self.deliveries_of(id) {
            // What has ended already stays as it ended.
            let _ = delivery.cancel(now);
        }
        true
    }

    fn deliveries_of(&mut self, id: SubscriptionId) -> impl Iterator<Item = &mut Delivery> {
        self.deliveries.values_mut().filter(move |delivery| delivery.subscription_id == id)
    }
}
