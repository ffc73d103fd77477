//! Deliveries: what is owed to a subscription, and the only ways in which that changes.
//!
//! ```text
//!            claim                settle: success
//! pending ─────────▶ processing ─────────────────▶ success        (settle: skipped ──▶ cancelled)
//!    ▲                │  │   ▲
//!    │ expire         │  │   │ claim
//!    ├────────────────┘  └──▶ retrying             settle, expire: no attempts left
//!    │                        (settle: failure) ──────────────────────────────────▶ failed
//!    │ release                                                                        │
//!   held ◀── hold ── pending, retrying          cancel: anything not terminal ──▶ cancelled
//!    ▲                                                                                │
//!    └─────────────────────────── retry by hand: pending ◀────────────────────────────┘
//! ```
//!
//! **Invariant.** A delivery is terminal, held, due at a known time, or claimed until a known time. The states carry
//! those times, so there is no way to write down a delivery that nobody would ever look at again.

use std::cell::LazyCell;
use std::time::Duration;

use rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::attempt::{Outcome, Verdict};
use crate::lease::{Lease, LeaseToken};
use crate::limits::{LAPSES_MAX, RETRY_AFTER_SECONDS_MAX};
use crate::order::OrderingKey;
use crate::retry::RetryPolicy;
use crate::subscription::Subscription;
use crate::{DeliveryId, Event, EventId, EventType, NodeId, SubscriptionId, Timestamp, UserId};

/// An event owed to a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its name, the same over all attempts.
    pub id: DeliveryId,
    /// What is owed.
    pub event_id: EventId,
    /// The event's type, kept beside it so that lists need not read events.
    pub event_type: EventType,
    /// The event's user.
    pub user_id: Option<UserId>,
    /// The subscription's user: whose this delivery is. `None`: the operator's.
    pub owner_id: Option<UserId>,
    /// Who is owed it.
    pub subscription_id: SubscriptionId,
    /// Where it stands.
    pub state: State,
    /// Attempts that have come to an end.
    pub attempt_count: u16,
    /// Attempts it may have in all.
    pub max_attempts: u16,
    /// How often its owner died before the attempt came to an end.
    pub lapses: u16,
    /// Why it was made, or last set going by hand.
    pub trigger: Trigger,
    /// In which line of its subscription's it stands. `None`: it waits for no other.
    pub ordering_key: Option<OrderingKey>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it became terminal.
    pub completed_at: Option<Timestamp>,
    /// HTTP status of the last answer.
    pub response_status: Option<u16>,
    /// What went wrong last.
    pub error: Option<String>,
}

/// Where a delivery stands, with the time at which something will happen to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Owed, and not tried since it was made, set going by hand, or let go.
    Pending {
        /// When it may be claimed.
        due_at: Timestamp,
    },
    /// Claimed: somebody is trying.
    Processing(Claim),
    /// The last attempt failed; another follows.
    Retrying {
        /// When it may be claimed.
        due_at: Timestamp,
    },
    /// Its subscription is paused or inactive.
    Held,
    /// The subscriber has it.
    Success,
    /// Given up: a dead letter.
    Failed,
    /// Called off: by hand, with its subscription, or by its transform, which had nothing to send.
    Cancelled,
}

/// The name of a [`State`], as the API shows it and the store keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is described at the state of its name")]
pub enum Status {
    Pending,
    Processing,
    Retrying,
    Held,
    Success,
    Failed,
    Cancelled,
}

/// Somebody's word that they are trying, until a deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who.
    pub holder: Holder,
    /// After this it lapses, and the delivery is anybody's again.
    pub deadline: Timestamp,
}

/// Who has claimed a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A running node, which pushes.
    Node(NodeId),
    /// A worker, which pulled it.
    Worker(LeaseToken),
}

/// What set an attempt going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// The event came in.
    Initial,
    /// The attempt before it failed.
    Automatic,
    /// Somebody retried this delivery.
    Manual,
    /// Somebody retried many.
    Bulk,
    /// Somebody replayed a span of time.
    Replay,
    /// Somebody tried their endpoint.
    Test,
}

/// A change that the delivery's state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Only what is pending or retrying, and due, can be claimed.
    #[error("the delivery is not due")]
    NotDue,
    /// Only what is claimed can be settled or expire.
    #[error("the delivery is not being processed")]
    NotClaimed,
    /// What is under way or still to come need not be set going.
    #[error("the delivery is {0}: only what has failed or was cancelled can be retried")]
    NotEnded(Status),
    /// What has ended cannot be called off.
    #[error("the delivery is {0} already")]
    Ended(Status),
}

/// What an attempt's end made of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The subscriber has it.
    Success,
    /// It will be tried again at this time.
    Retrying(Timestamp),
    /// It is a dead letter.
    Failed,
    /// It is called off: there is nothing to send.
    Skipped,
    /// It is a dead letter, and the subscriber wants no more of any kind: its subscription is to be deactivated.
    Gone,
}

impl Delivery {
    /// What `subscription` is owed since `event` came in at `now`.
    #[must_use]
    pub fn owed(
        id: DeliveryId,
        event: &Event,
        subscription: &Subscription,
        trigger: Trigger,
        now: Timestamp,
    ) -> Self {
        let ordering_key = subscription.ordering_key(&LazyCell::new(|| event.document()));
        Self::owed_in_line(id, event, subscription, ordering_key, trigger, now)
    }

    /// The same, for a caller who knows in which line it stands: [`Subscription::ordering_key`] of a document that
    /// serves many subscriptions.
    #[must_use]
    pub fn owed_in_line(
        id: DeliveryId,
        event: &Event,
        subscription: &Subscription,
        ordering_key: Option<OrderingKey>,
        trigger: Trigger,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            event_id: event.id,
            event_type: event.event_type.clone(),
            user_id: event.user_id.clone(),
            owner_id: subscription.user_id.clone(),
            subscription_id: subscription.id,
            state: if subscription.holds() {
                State::Held
            } else {
                State::Pending { due_at: subscription.due_at(now) }
            },
            attempt_count: 0,
            max_attempts: subscription.max_attempts(),
            lapses: 0,
            trigger,
            ordering_key,
            created_at: now,
            completed_at: None,
            response_status: None,
            error: None,
        }
    }

    /// The name of its state.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.state.status()
    }

    /// Whether the next of its line may go, since this one has ended.
    #[must_use]
    pub const fn lets_next_go(&self) -> bool {
        self.ordering_key.is_some() && self.status().is_terminal()
    }

    /// When it may be claimed next, where it waits for that.
    #[must_use]
    pub const fn due_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Pending { due_at } | State::Retrying { due_at } => Some(due_at),
            _ => None,
        }
    }

    /// Who has claimed it, and until when.
    #[must_use]
    pub const fn claimed(&self) -> Option<&Claim> {
        match &self.state {
            State::Processing(claim) => Some(claim),
            _ => None,
        }
    }

    /// The lease under which a worker holds it.
    #[must_use]
    pub fn lease(&self) -> Option<Lease> {
        match self.claimed()? {
            Claim { holder: Holder::Worker(token), deadline } => {
                Some(Lease { token: token.clone(), deadline: *deadline })
            }
            Claim { holder: Holder::Node(_), .. } => None,
        }
    }

    /// What set its next (or, once claimed, its running) attempt going.
    #[must_use]
    pub const fn attempt_trigger(&self) -> Trigger {
        // A retry by hand grants one attempt; what follows failures by itself is automatic.
        let by_hand = matches!(self.trigger, Trigger::Manual | Trigger::Bulk);
        if self.attempt_count == 0 || by_hand { self.trigger } else { Trigger::Automatic }
    }

    /// Hands it to somebody who will try it.
    ///
    /// # Errors
    /// It is not waiting, or not yet due.
    pub fn claim(&mut self, claim: Claim, now: Timestamp) -> Result<(), Refused> {
        match self.due_at() {
            Some(due_at) if due_at <= now => {
                self.state = State::Processing(claim);
                Ok(())
            }
            _ => Err(Refused::NotDue),
        }
    }

    /// Hands it to somebody who will try it together with others, for which it need not be due.
    ///
    /// # Errors
    /// It is not waiting.
    pub fn claim_with_others(&mut self, claim: Claim) -> Result<(), Refused> {
        self.due_at().ok_or(Refused::NotDue)?;
        self.state = State::Processing(claim);
        Ok(())
    }

    /// Takes in how the running attempt ended, and decides what follows.
    ///
    /// # Errors
    /// Nobody has claimed it.
    pub fn settle(
        &mut self,
        outcome: &Outcome,
        policy: &RetryPolicy,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Result<Settled, Refused> {
        self.claimed().ok_or(Refused::NotClaimed)?;
        let verdict = outcome.verdict();
        self.attempt_count += u16::from(verdict != Verdict::Skip);
        self.response_status = outcome.status();
        self.error = outcome.error();
        let settled = match verdict {
            Verdict::Success => Settled::Success,
            Verdict::Skip => Settled::Skipped,
            Verdict::GiveUp => Settled::Failed,
            Verdict::Gone => Settled::Gone,
            Verdict::Retry(_) | Verdict::RetryIn(_) if self.attempt_count >= self.max_attempts => {
                Settled::Failed
            }
            Verdict::Retry(after) => {
                Settled::Retrying(policy.next_attempt(self.attempt_count, now, after, rng))
            }
            Verdict::RetryIn(span) => {
                Settled::Retrying(now.plus(span.min(Duration::from_secs(RETRY_AFTER_SECONDS_MAX.into()))))
            }
        };
        match settled {
            Settled::Success => self.end(State::Success, now),
            Settled::Skipped => self.end(State::Cancelled, now),
            Settled::Failed | Settled::Gone => self.end(State::Failed, now),
            Settled::Retrying(due_at) => self.state = State::Retrying { due_at },
        }
        Ok(settled)
    }

    /// Takes it back from a holder who died or ran out of time, and makes it due at once.
    ///
    /// A worker that lets its lease lapse has used up an attempt. A node that died has not, since nobody knows whether
    /// it had begun; but a delivery that is found in dead hands [`LAPSES_MAX`] times is given up.
    ///
    /// # Errors
    /// Nobody has claimed it.
    pub fn expire(&mut self, now: Timestamp) -> Result<Status, Refused> {
        let claim = self.claimed().ok_or(Refused::NotClaimed)?;
        let pulled = matches!(claim.holder, Holder::Worker(_));
        self.lapses += 1;
        self.attempt_count += u16::from(pulled);
        if self.attempt_count >= self.max_attempts || self.lapses >= LAPSES_MAX {
            self.error = Some("whoever tried it last did not come back in time".to_owned());
            self.end(State::Failed, now);
        } else {
            self.hand_back(now)?;
        }
        Ok(self.status())
    }

    /// Takes it back from a holder who will not try it after all, such as a node that is about to stop. It is due at
    /// once and no worse for it.
    ///
    /// # Errors
    /// Nobody has claimed it.
    pub fn hand_back(&mut self, now: Timestamp) -> Result<(), Refused> {
        self.claimed().ok_or(Refused::NotClaimed)?;
        self.state = if self.attempt_count == 0 {
            State::Pending { due_at: now }
        } else {
            State::Retrying { due_at: now }
        };
        Ok(())
    }

    /// Holds it back while its subscription is paused or inactive. What is under way, held or ended stays as it is.
    pub fn hold(&mut self) {
        if self.due_at().is_some() {
            self.state = State::Held;
        }
    }

    /// Lets it go when its subscription goes on: it is due at once.
    pub fn release(&mut self, now: Timestamp) {
        if self.state == State::Held {
            self.state = State::Pending { due_at: now };
        }
    }

    /// Calls it off. An attempt that is under way may still reach the subscriber; its end is not awaited.
    ///
    /// # Errors
    /// It has ended already.
    pub fn cancel(&mut self, now: Timestamp) -> Result<(), Refused> {
        if self.status().is_terminal() {
            return Err(Refused::Ended(self.status()));
        }
        self.end(State::Cancelled, now);
        Ok(())
    }

    /// Sets a dead letter going once more: the same delivery, its history kept, with one attempt added to what it may
    /// have. It stands in no line any more: those behind it have gone on without it.
    ///
    /// # Errors
    /// It has not ended, or ended well.
    pub fn retry(&mut self, trigger: Trigger, now: Timestamp) -> Result<(), Refused> {
        if !matches!(self.state, State::Failed | State::Cancelled) {
            return Err(Refused::NotEnded(self.status()));
        }
        self.state = State::Pending { due_at: now };
        self.max_attempts = self.attempt_count + 1;
        self.lapses = 0;
        self.trigger = trigger;
        self.ordering_key = None;
        self.completed_at = None;
        Ok(())
    }

    fn end(&mut self, state: State, now: Timestamp) {
        self.state = state;
        self.completed_at = Some(now);
    }
}

impl State {
    /// Its name.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Pending { .. } => Status::Pending,
            Self::Processing(_) => Status::Processing,
            Self::Retrying { .. } => Status::Retrying,
            Self::Held => Status::Held,
            Self::Success => Status::Success,
            Self::Failed => Status::Failed,
            Self::Cancelled => Status::Cancelled,
        }
    }
}

impl Status {
    /// Every status, in the order of a delivery's life.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Processing,
        Self::Retrying,
        Self::Held,
        Self::Success,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether nothing follows by itself.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Cancelled)
    }

    /// The status as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Retrying => "retrying",
            Self::Held => "held",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Lease> for Claim {
    fn from(lease: Lease) -> Self {
        Self { holder: Holder::Worker(lease.token), deadline: lease.deadline }
    }
}

impl Holder {
    /// The holder as it is kept: a node's id, or a lease's token.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Node(node) => node.to_string(),
            Self::Worker(token) => token.as_str().to_owned(),
        }
    }

    /// Reads what [`Holder::to_text`] wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Worker(LeaseToken::known(text)), Self::Node)
    }
}

impl Trigger {
    /// Every trigger.
    pub const ALL: [Self; 6] =
        [Self::Initial, Self::Automatic, Self::Manual, Self::Bulk, Self::Replay, Self::Test];

    /// The trigger as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Automatic => "automatic",
            Self::Manual => "manual",
            Self::Bulk => "bulk",
            Self::Replay => "replay",
            Self::Test => "test",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
