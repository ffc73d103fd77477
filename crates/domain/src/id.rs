//! Ids: a prefix that says what it names, and a UUID of version 7, so that ids sort by the time they were made.

use std::fmt;
use std::str::FromStr;

use rand_core::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::Timestamp;

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id here is {prefix:?} and 32 hexadecimal digits")]
pub struct NotAnId {
    prefix: &'static str,
}

/// A fresh UUID v7. Its first twelve free bits are the part of the millisecond that has passed (RFC 9562, section 6.2,
/// method 3), so ids sort by the microsecond; of those made in the same one, in no order.
fn fresh(now: Timestamp, rng: &mut impl Rng) -> Uuid {
    let mut random = [0; 10];
    rng.fill_bytes(&mut random);
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    let micros = now.as_micros().rem_euclid(1_000) as u16;
    random[..2].copy_from_slice(&(micros * 4).to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

fn parse(prefix: &'static str, text: &str) -> Result<Uuid, NotAnId> {
    let digits = text.strip_prefix(prefix).filter(|digits| digits.len() == 32);
    let canonical =
        digits.filter(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    canonical.and_then(|digits| Uuid::try_parse(digits).ok()).ok_or(NotAnId { prefix })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &str = $prefix;

            /// The least id that can be made at `moment`: with it a span of time is a span of ids.
            #[must_use]
            pub fn first_at(moment: Timestamp) -> Self {
                let millis = u128::try_from(moment.as_millis()).unwrap_or(0);
                Self(Uuid::from_u128(millis << 80))
            }

            /// A fresh id.
            pub fn new(now: Timestamp, rng: &mut impl Rng) -> Self {
                Self(fresh(now, rng))
            }
        }

        /// Any sixteen bytes are an id: for those that were written down by [`Into`].
        impl From<[u8; 16]> for $name {
            fn from(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        /// Sorts as the id does.
        impl From<$name> for [u8; 16] {
            fn from(id: $name) -> Self {
                id.0.into_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse($prefix, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// Names an event.
    EventId,
    "evt_"
);
id!(
    /// Names a delivery.
    DeliveryId,
    "dlv_"
);
id!(
    /// Names a subscription.
    SubscriptionId,
    "sub_"
);
id!(
    /// Names an API key. It is not the key.
    KeyId,
    "key_"
);
id!(
    /// Names a custom source.
    SourceId,
    "src_"
);
id!(
    /// Names a connection: a user's account at a provider.
    ConnectionId,
    "con_"
);
id!(
    /// Names a registration: what is set up at a provider so that it pushes.
    RegistrationId,
    "reg_"
);
id!(
    /// Names a request that was refused.
    RejectionId,
    "rej_"
);
id!(
    /// Names work that goes on for a while.
    JobId,
    "job_"
);
id!(
    /// Names a conversation.
    ConversationId,
    "cnv_"
);
id!(
    /// Names a message of a conversation.
    MessageId,
    "msg_"
);
id!(
    /// Names an e-mail.
    EmailId,
    "eml_"
);
id!(
    /// Names one run of the program: a restart is another node.
    NodeId,
    "nod_"
);

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let id = EventId::new(Timestamp::from_seconds(1_700_000_000), &mut SmallRng::seed_from_u64(1));
        let text = id.to_string();
        assert_eq!(EventId::from(<[u8; 16]>::from(id)), id);
        assert_eq!(text.parse(), Ok(id));
        for wrong in
            ["", "evt_", &text[4..], &text.to_uppercase(), &text.replace("evt_", "dlv_"), &format!("{text}0")]
        {
            assert!(wrong.parse::<EventId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn sorts_by_the_time_it_was_made() {
        let rng = &mut SmallRng::seed_from_u64(1);
        let ids: Vec<_> =
            (0..5_000).map(|us| EventId::new(Timestamp::from_micros(us), rng).to_string()).collect();
        assert!(ids.is_sorted());
        let id = EventId::new(Timestamp::from_seconds(5), rng);
        assert!(EventId::first_at(Timestamp::from_seconds(5)) <= id);
        assert!(id < EventId::first_at(Timestamp::from_micros(5_001_000)));
    }
}
