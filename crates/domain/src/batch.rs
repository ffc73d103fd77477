//! Batches: several deliveries of a subscription in one request.

use std::fmt;
use std::time::Duration;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::delivery::Delivery;

/// How deliveries of a subscription gather.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// A batch has at most so many events, and is sent as soon as so many wait.
    pub max_events: u16,
    /// Milliseconds for which the first of a batch waits for others.
    #[serde(default = "Batch::usual_wait_ms")]
    pub max_wait_ms: u32,
}

impl Batch {
    /// How long the first waits for others.
    #[must_use]
    pub fn max_wait(self) -> Duration {
        Duration::from_millis(self.max_wait_ms.into())
    }

    /// A second, where nobody says.
    const fn usual_wait_ms() -> u32 {
        1_000
    }
}

/// The `webhook-id` of a batch: it follows from the subscription and from which events are in it. So the same batch has
/// the same one whenever and by whomever it is sent, and no other batch has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchId([u8; 16]);

impl BatchId {
    /// The id of the batch of these deliveries, in the order in which it holds them.
    #[must_use]
    pub fn of<'d>(deliveries: impl IntoIterator<Item = &'d Delivery>) -> Self {
        let mut context = Context::new(&SHA256);
        for delivery in deliveries {
            // Ids are all of one length: no two lists are one text.
            context.update(delivery.subscription_id.to_string().as_bytes());
            context.update(delivery.event_id.to_string().as_bytes());
        }
        let mut id = [0; 16];
        id.copy_from_slice(&context.finish().as_ref()[..16]);
        Self(id)
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bat_{}", hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::delivery::tests::owed;
    use crate::{EventId, Timestamp};

    /// A delivery of the event of that number.
    fn delivery(number: u8) -> Delivery {
        Delivery {
            event_id: EventId::first_at(Timestamp::from_seconds(number.into())),
            ..owed(&crate::delivery::tests::subscription(0))
        }
    }

    proptest! {
        #[test]
        fn an_id_says_which_events_are_in_a_batch(one in vec_of_numbers(), other in vec_of_numbers()) {
            let of = |numbers: &[u8]| BatchId::of(&numbers.iter().copied().map(delivery).collect::<Vec<_>>());
            prop_assert_eq!(one == other, of(&one) == of(&other));
        }
    }

    fn vec_of_numbers() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(0..3_u8, 1..4)
    }

    #[test]
    fn whatever_leaves_a_batch_makes_another_of_it() {
        let whole: Vec<_> = (0..6).map(delivery).collect();
        let mut ids = HashSet::from([BatchId::of(&whole)]);
        for left in 0..whole.len() {
            let mut rest = whole.clone();
            rest.remove(left);
            assert!(ids.insert(BatchId::of(&rest)));
        }
        let elsewhere = crate::SubscriptionId::first_at(Timestamp::from_seconds(9));
        let moved =
            whole.iter().map(|d| Delivery { subscription_id: elsewhere, ..d.clone() }).collect::<Vec<_>>();
        assert!(ids.insert(BatchId::of(&moved)));
        assert!(BatchId::of(&whole).to_string().starts_with("bat_"));
    }

    #[test]
    fn the_wait_has_a_default() {
        let batch: Batch = serde_json::from_str(r#"{"max_events": 5}"#).unwrap();
        assert_eq!(batch, Batch { max_events: 5, max_wait_ms: 1_000 });
        assert!(serde_json::from_str::<Batch>(r#"{"max_events": 5, "more": 1}"#).is_err());
    }
}
