//! Deliveries, as they are claimed, changed and counted.

use std::sync::Arc;

use domain::attempt::Attempt;
use domain::delivery::{Delivery, Status};
use domain::{Event, EventId, EventType, SubscriptionId, Timestamp, UserId};

/// Which deliveries are meant; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are those of a delivery")]
pub struct DeliveryFilter {
    pub owner_id: Option<UserId>,
    pub subscription_id: Option<SubscriptionId>,
    pub event_id: Option<EventId>,
    pub status: Option<Status>,
    pub event_type: Option<EventType>,
    /// Made at or after.
    pub since: Option<Timestamp>,
    /// Made before.
    pub until: Option<Timestamp>,
}

/// A subscription with room for deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane {
    /// Whose deliveries.
    pub subscription_id: SubscriptionId,
    /// At most so many.
    pub room: u32,
}

/// A delivery that is now the claimant's, with what is to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The delivery, processing.
    pub delivery: Delivery,
    /// The event it carries.
    pub event: Arc<Event>,
}

/// A subscription for which deliveries wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Whose.
    pub subscription_id: SubscriptionId,
    /// When the first of them is due.
    pub due_at: Timestamp,
}

/// A decision about a delivery.
#[derive(Debug, Clone)]
pub struct Change {
    /// How the decision found it.
    pub from: Fence,
    /// How it is to be.
    pub to: Delivery,
    /// The attempt that led to it.
    pub attempt: Option<Attempt>,
}

/// What must still be so for a decision to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The delivery's status.
    pub status: Status,
    /// Who holds it, if it is claimed.
    pub holder: Option<String>,
    /// Until when, where that matters.
    pub deadline: Option<Timestamp>,
}

impl Fence {
    /// Nobody else has touched `delivery`.
    #[must_use]
    pub fn of(delivery: &Delivery) -> Self {
        let holder = delivery.claimed().map(|claim| claim.holder.to_text());
        Self { status: delivery.status(), holder, deadline: None }
    }

    /// Nobody else has touched `delivery`, nor has who holds it been given more time.
    #[must_use]
    pub fn with_deadline(delivery: &Delivery) -> Self {
        Self { deadline: delivery.claimed().map(|claim| claim.deadline), ..Self::of(delivery) }
    }

    /// Whether `delivery` is as the decision found it.
    pub(crate) fn holds_for(&self, delivery: &Delivery) -> bool {
        let now = Self::with_deadline(delivery);
        self.status == now.status
            && self.holder == now.holder
            && (self.deadline.is_none() || self.deadline == now.deadline)
    }
}

/// Which hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourFilter {
    /// Whose subscriptions, of those that are still there; `None`: everyone's, also those that are gone.
    pub user_id: Option<UserId>,
    /// Begun at or after.
    pub since: Timestamp,
    /// Begun before.
    pub until: Timestamp,
}

/// What became of deliveries within an hour: that in which an attempt ended, or where there was none, the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hour {
    /// When it began.
    pub begins_at: Timestamp,
    /// Deliveries that arrived.
    pub successful: i64,
    /// Deliveries that were given up.
    pub failed: i64,
    /// Attempts.
    pub attempts: i64,
    /// Those of them that failed.
    pub errors: i64,
    /// Those of them that were answered with a status.
    pub answers: i64,
    /// How long these took together, in microseconds.
    pub answer_micros: i64,
    /// How long the longest of these took, in microseconds.
    pub answer_micros_max: i64,
    /// Deliveries that had not ended when that was last noted within the hour; see
    /// [`note_owed`](crate::Store::note_owed).
    pub owed: i64,
}
