//! What Waystation knows, without doing anything: the vocabulary and the rules of its state machines.
//!
//! **Promise.** Nothing here reads a clock, draws a random number, opens a socket or touches a disk. Time comes in as
//! a [`Timestamp`] and chance as an [`rand_core::Rng`], so the whole life of a delivery can be replayed from a seed.
//! A rule returns its decision as a value; the crates around this one carry it out.
//!
//! Read in this order: [`event`] (what came in), [`subscription`] (who wants it), [`document`], [`path`] and
//! [`filter`] (what an event holds, and who wants it for that), [`delivery`] and [`attempt`] (what is owed to whom,
//! and how that ends), [`order`] (what waits for what), [`batch`] (what goes together), [`retry`] (when it is tried
//! again), [`template`] and [`headers`] (what a receiver is sent instead of the event, and beside it), [`health`]
//! (whether an endpoint is worth calling), [`alert`] (when somebody should look), [`lease`] (how workers hold what they
//! pulled), [`job`] (what is sent once more, many at a time), [`signing`] (how a subscriber knows that it was us),
//! [`connection`] (a user's account at a provider), [`registration`] (what is set up there so that it pushes),
//! [`conversation`] (messages with others), [`email`] (mail as it lies in a mailbox).

#![warn(missing_docs)]

pub mod access;
pub mod alert;
pub mod attempt;
pub mod batch;
pub mod connection;
pub mod conversation;
pub mod delivery;
pub mod document;
pub mod email;
pub mod event;
pub mod filter;
pub mod headers;
pub mod health;
pub mod id;
pub mod job;
pub mod lease;
pub mod limits;
pub mod mac;
pub mod order;
pub mod path;
pub mod registration;
pub mod retry;
pub mod signing;
pub mod subscription;
pub mod template;
pub mod time;

pub use access::Access;
pub use connection::Connection;
pub use event::{Event, EventType, UserId};
pub use id::{
    ConnectionId, ConversationId, DeliveryId, EmailId, EventId, JobId, KeyId, MessageId, NodeId,
    RegistrationId, RejectionId, SourceId, SubscriptionId,
};
pub use registration::Registration;
pub use time::Timestamp;
