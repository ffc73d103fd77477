//! The API, a file for each subject. A handler loads, acts and answers; what it may touch comes as an argument.

pub(crate) mod catalogue;
pub(crate) mod connections;
pub(crate) mod conversations;
pub(crate) mod deliveries;
pub(crate) mod emails;
pub(crate) mod events;
mod fields;
pub(crate) mod health;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod messages;
pub(crate) mod oauth;
mod owned;
pub(crate) mod preview;
pub(crate) mod publish;
pub(crate) mod queues;
pub(crate) mod recovery;
pub(crate) mod registrations;
pub(crate) mod rejections;
pub(crate) mod rotation;
pub(crate) mod sessions;
mod shape;
pub(crate) mod sources;
pub(crate) mod statistics;
pub(crate) mod subscriptions;
pub(crate) mod trial;
