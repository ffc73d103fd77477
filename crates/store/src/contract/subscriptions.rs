//! Subscriptions, what they are owed under, and the types they may name.

use std::collections::BTreeMap;

use domain::event::Json;
use domain::subscription::Subscription;
use domain::{EventType, SubscriptionId, Timestamp, UserId};

/// Which set of subscriptions a decision was made under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoutesVersion(pub i64);

/// A subscription with its secret, which only the vault can open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSubscription {
    /// What everyone may see.
    pub subscription: Subscription,
    /// The signing key, sealed.
    pub sealed_key: Vec<u8>,
    /// How often it has been changed.
    pub revision: i64,
}

/// Every subscription, at one moment.
#[derive(Debug, Clone)]
pub struct Routes {
    /// Which moment.
    pub version: RoutesVersion,
    /// The subscriptions.
    pub subscriptions: Vec<StoredSubscription>,
}

/// Changes of subscriptions that are remembered for [`Store::routes_since`](crate::Store::routes_since). A node that
/// looks once a second is never that far behind, and remembering one takes 30 bytes.
pub const ROUTE_CHANGES_KEPT: i64 = 10_000;

/// What has become of subscriptions between two moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteChanges {
    /// The later moment.
    pub version: RoutesVersion,
    /// Each that was created, changed or removed, as it is at that moment; `None`: gone.
    pub changed: BTreeMap<SubscriptionId, Option<StoredSubscription>>,
}

/// How a subscription's deliveries have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// All of them, whether or not they have ended.
    pub total: i64,
    /// Those that arrived.
    pub successful: i64,
    /// Those that were given up.
    pub failed: i64,
    /// When one last arrived or was given up.
    pub last_delivery_at: Option<Timestamp>,
    /// When one last arrived.
    pub last_success_at: Option<Timestamp>,
    /// When an attempt last failed.
    pub last_failure_at: Option<Timestamp>,
    /// When the first attempt failed at the endpoint since one last succeeded.
    pub failing_since: Option<Timestamp>,
}

/// An event type that somebody has described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedType {
    /// Whose catalogue it is in; `None`: everyone's.
    pub owner_id: Option<UserId>,
    /// The type.
    pub event_type: EventType,
    /// When such events happen.
    pub description: String,
    /// An example of their data.
    pub example: Option<Json>,
    /// The JSON Schema of their data.
    pub schema: Option<Json>,
    /// When it was added.
    pub created_at: Timestamp,
}
