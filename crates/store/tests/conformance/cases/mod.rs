//! What a store guarantees, a sentence each.

pub(crate) mod batches;
pub(crate) mod calling;
pub(crate) mod changing;
pub(crate) mod claiming;
pub(crate) mod connections;
pub(crate) mod deliveries;
pub(crate) mod event_types;
pub(crate) mod events;
pub(crate) mod inbox;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod lines;
pub(crate) mod log;
pub(crate) mod nodes;
pub(crate) mod owing;
pub(crate) mod registrations;
pub(crate) mod rejections;
pub(crate) mod reopening;
pub(crate) mod repeats;
pub(crate) mod retention;
pub(crate) mod routing;
pub(crate) mod sharing;
pub(crate) mod sources;
pub(crate) mod statistics;
pub(crate) mod subscriptions;
pub(crate) mod tasks;
