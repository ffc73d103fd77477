//! Work of the dead is taken over.
//!
//! Every node counts up a beat in the store. Whoever sees another's beat stand still for [`DEAD_AFTER`], by its own
//! monotonic clock, takes back what that node had claimed. No two clocks are ever compared, so none of them can lie.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::attempt::ErrorCode;
use domain::delivery::Delivery;
use domain::{NodeId, Timestamp};
use store::{Change, Fence, Store, StoreError};

use crate::clock::Clock;
use crate::deliver::Deliverer;
use crate::lease::pulled_attempt;
use crate::limits::{DEAD_AFTER, LAPSED_PER_SWEEP_MAX};
use crate::shared::Shared;

/// Watches other nodes, and says that this one lives.
#[derive(Debug)]
pub(crate) struct Rescuer {
    node: NodeId,
    store: Arc<dyn Store>,
    deliverer: Deliverer,
    clock: Arc<dyn Clock>,
    /// Every other node's last beat, and since when it has stood still.
    beats: Mutex<HashMap<NodeId, (i64, Duration)>>,
}

impl Rescuer {
    pub(crate) fn new(shared: &Shared, deliverer: Deliverer) -> Self {
        let Shared { node, store, clock, .. } = shared.clone();
        Self { node, store, deliverer, clock, beats: Mutex::default() }
    }

    /// Says that this node lives now. Where the data is ours alone it takes over from all that were here before.
    pub(crate) async fn begin(&self) -> Result<(), StoreError> {
        self.store.beat(self.node).await?;
        if self.store.is_shared() { Ok(()) } else { self.bury_all_others().await }
    }

    /// Says that this node lives, and takes over from nodes that no longer do.
    pub(crate) async fn step(&self) {
        if let Err(error) = self.try_step().await {
            tracing::warn!(%error, "cannot look after other nodes' work");
        }
    }

    async fn try_step(&self) -> Result<(), StoreError> {
        self.store.beat(self.node).await?;
        let nodes = self.store.nodes().await?;
        self.deliverer.note_nodes(nodes.len());
        for (node, beat) in self.dead_among(&nodes) {
            tracing::info!(%node, "is gone: taking its deliveries over");
            self.bury(node, beat).await?;
        }
        self.take_back(None).await.map(|_| ())
    }

    /// Nodes whose beat has stood still for too long.
    fn dead_among(&self, nodes: &[(NodeId, i64)]) -> Vec<(NodeId, i64)> {
        let now = self.clock.elapsed();
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.retain(|known, _| nodes.iter().any(|(node, _)| node == known));
        let mut dead = Vec::new();
        for &(node, beat) in nodes.iter().filter(|&&(node, _)| node != self.node) {
            let (last, since) = beats.entry(node).or_insert((beat, now));
            if *last != beat {
                (*last, *since) = (beat, now);
            } else if now.saturating_sub(*since) >= DEAD_AFTER {
                dead.push((node, beat));
            }
        }
        dead
    }

    /// Takes over from every other node at once: the data is ours alone, so whoever was here before is dead.
    async fn bury_all_others(&self) -> Result<(), StoreError> {
        for (node, beat) in self.store.nodes().await? {
            if node != self.node {
                self.bury(node, beat).await?;
            }
        }
        Ok(())
    }

    async fn bury(&self, node: NodeId, beat: i64) -> Result<(), StoreError> {
        self.take_back(Some(node)).await?;
        // Last, so that a rescuer that dies half-way leaves the rest to the next one.
        self.store.forget_node(node, beat).await.map(|_| ())
    }

    /// Takes back what `dead` held, or what has lapsed by its deadline; how many.
    pub(crate) async fn take_back(&self, dead: Option<NodeId>) -> Result<usize, StoreError> {
        let mut taken_back = 0;
        loop {
            let now = self.clock.now();
            let lapsed = self.store.lapsed(dead, now, LAPSED_PER_SWEEP_MAX).await?;
            let count = lapsed.len();
            let changes: Vec<Change> =
                lapsed.into_iter().filter_map(|delivery| expired(delivery, now)).collect();
            if changes.is_empty() {
                return Ok(taken_back);
            }
            tracing::info!(deliveries = changes.len(), "taken back from a holder that did not come back");
            let written = self.store.change(&changes).await?;
            for (change, _) in changes.iter().zip(written).filter(|&(_, written)| written) {
                self.deliverer.observer().note(change);
                self.deliverer.note_waiting(&change.to);
            }
            taken_back += changes.len();
            if count < LAPSED_PER_SWEEP_MAX as usize {
                return Ok(taken_back);
            }
        }
    }

    /// Leaves nothing to be rescued: hands back what this node still holds, and takes it off the list.
    pub(crate) async fn retire(&self) -> Result<(), StoreError> {
        let nodes = self.store.nodes().await?;
        let own = nodes.into_iter().find(|&(node, _)| node == self.node);
        match own {
            Some((node, beat)) => self.bury(node, beat).await,
            None => Ok(()),
        }
    }
}

/// A worker's lease that lapsed was an attempt. Of a node that died nobody knows whether it had begun.
fn expired(mut delivery: Delivery, now: Timestamp) -> Option<Change> {
    // Who has just been given more time keeps it.
    let (from, lease, trigger) =
        (Fence::with_deadline(&delivery), delivery.lease(), delivery.attempt_trigger());
    delivery.expire(now).ok()?;
    let error = Some(("the lease lapsed before the worker said how it went".to_owned(), ErrorCode::Lapsed));
    let attempt = lease.map(|lease| pulled_attempt(&delivery, &lease, trigger, error, now));
    Some(Change { from, to: delivery, attempt })
}

#[cfg(test)]
mod tests {
    use domain::alert::Rules;
    use domain::delivery::Status;
    use domain::limits::LAPSES_MAX;

    use super::*;
    use crate::chance;
    use crate::testing::{Parts, claimed_by, owe, subscription};

    #[tokio::test]
    async fn what_is_given_up_since_its_nodes_die_is_told_of() {
        let subscription = subscription(None);
        let mut parts = Parts::new(Rules::default(), std::slice::from_ref(&subscription)).await;
        let (now, dead) = (parts.clock.now(), NodeId::new(parts.clock.now(), &mut chance::rng()));
        let with_lapses = |lapses| {
            move |delivery: &mut Delivery| {
                (delivery.state, delivery.lapses) = (claimed_by(dead, now), lapses);
            }
        };
        let to = &subscription.subscription;
        let deadly = owe(&parts.store, to, "a.b", now, with_lapses(LAPSES_MAX - 1)).await;
        let other = owe(&parts.store, to, "a.b", now, with_lapses(0)).await;
        let rescuer = Rescuer::new(&parts.shared, parts.deliverer.clone());
        assert_eq!(rescuer.take_back(Some(dead)).await.unwrap(), 2);
        let told = parts.told();
        assert_eq!(told.len(), 1);
        assert_eq!(
            (told[0].0, &told[0].1["delivery_id"]),
            ("delivery.failed", &deadly.id.to_string().into())
        );
        let left = parts.store.delivery(other.id).await.unwrap().unwrap();
        assert_eq!(left.status(), Status::Pending);
    }
}
