//! When a subscription's endpoint is called no more: it has said so, or has done nothing but fail for days.

use std::time::Duration;

use domain::SubscriptionId;
use store::StoreError;

use super::Deliverer;
use crate::limits::DEACTIVATED_AT_ONCE_MAX;
use crate::news::{News, Why};

impl Deliverer {
    /// Deactivates the subscriptions that have done nothing but fail for longer than `span`. That is kept in the store:
    /// every node adds to it, and none forgets it.
    pub(crate) async fn deactivate_failing(&self, span: Duration) {
        match self.0.store.failing_for(span, DEACTIVATED_AT_ONCE_MAX).await {
            Ok(failing) => {
                for id in failing {
                    self.deactivate(id, Why::Failing).await;
                }
            }
            Err(error) => tracing::warn!(%error, "cannot look for what has failed for too long"),
        }
    }

    /// The subscriber wants no more, or is no more.
    pub(super) async fn deactivate(&self, id: SubscriptionId, why: Why) {
        match self.try_deactivate(id, why).await {
            Ok(()) => {
                tracing::info!(subscription = %id, "its endpoint is gone, or has failed for too long: deactivated");
            }
            // The next attempt will say so again.
            Err(error) => {
                tracing::warn!(subscription = %id, %error, "could not be deactivated");
            }
        }
    }

    async fn try_deactivate(&self, id: SubscriptionId, why: Why) -> Result<(), StoreError> {
        while let Some(mut stored) = self.0.store.subscription(id).await? {
            if !stored.subscription.is_active {
                break;
            }
            let now = self.0.clock.now();
            stored.subscription.is_active = false;
            stored.subscription.updated_at = now;
            // Else its owner has just changed it; what they wrote is kept.
            if self.0.store.change_subscription(&stored, now).await? {
                self.0.desk.tell(News::deactivated(&stored.subscription, why));
                break;
            }
        }
        self.0.routes.refresh().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::alert::Rules;
    use domain::attempt::{Attempt, ErrorCode};
    use domain::delivery::{Delivery, State, Trigger};
    use domain::subscription::Subscription;
    use store::model::Model;
    use store::{Change, Fence, Store as _};

    use super::*;
    use crate::clock::Clock as _;
    use crate::testing::{Parts, claimed_by, owe, subscription};

    const SPAN: Duration = Duration::from_secs(5 * 24 * 3_600);

    /// An attempt by this node that ends now and, unless it fails, well.
    async fn attempt(node: &Parts, of: &Subscription, failed: Option<ErrorCode>) {
        let now = node.clock.now();
        let claimed = claimed_by(node.deliverer.node(), now);
        let owed = owe(&node.store, of, "a.b", now, |delivery| delivery.state = claimed).await;
        let attempt = Attempt {
            delivery_id: owed.id,
            number: 1,
            at: now,
            trigger: Trigger::Initial,
            duration: Duration::ZERO,
            response_status: None,
            response_headers: None,
            response_body: None,
            error: failed.map(|code| code.as_str().to_owned()),
            error_code: failed,
        };
        let state = if failed.is_some() { State::Failed } else { State::Success };
        let to = Delivery { state, completed_at: Some(now), attempt_count: 1, ..owed.clone() };
        let change = Change { from: Fence::of(&owed), to, attempt: Some(attempt) };
        assert_eq!(node.store.change(&[change]).await.unwrap(), [true]);
    }

    async fn is_active(store: &Model, id: SubscriptionId) -> bool {
        store.subscription(id).await.unwrap().unwrap().subscription.is_active
    }

    #[tokio::test]
    async fn nothing_but_failure_deactivates_over_nodes_and_restarts_and_a_success_on_any_begins_it_anew() {
        let (subscription, failed) = (subscription(None), Some(ErrorCode::Timeout));
        let (subscribed, id) = (&subscription.subscription, subscription.subscription.id);
        let one = Parts::new(Rules::default(), std::slice::from_ref(&subscription)).await;
        let another_node = || Parts::over(Arc::clone(&one.store), Arc::clone(&one.clock), Rules::default());
        attempt(&one, subscribed, failed).await;
        one.clock.move_by(SPAN);
        let two = another_node().await;
        attempt(&two, subscribed, failed).await;
        two.deliverer.deactivate_failing(SPAN).await;
        assert!(is_active(&one.store, id).await, "not for longer yet");
        attempt(&one, subscribed, None).await;
        one.clock.move_by(Duration::from_secs(1));
        attempt(&two, subscribed, failed).await;
        two.deliverer.deactivate_failing(SPAN).await;
        assert!(is_active(&one.store, id).await, "the other node has reached it");
        one.clock.move_by(SPAN + Duration::from_secs(1));
        let mut restarted = another_node().await;
        restarted.deliverer.deactivate_failing(SPAN).await;
        assert!(is_active(&one.store, id).await, "one failure long ago is no span of failures");
        attempt(&restarted, subscribed, failed).await;
        restarted.deliverer.deactivate_failing(SPAN).await;
        restarted.deliverer.deactivate_failing(SPAN).await;
        assert!(!is_active(&one.store, id).await);
        let told = restarted.told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].0, &told[0].1["reason"]), ("subscription.deactivated", &"failing".into()));
    }
}
