//! What Waystation does all day: takes events in, keeps them, and passes them on.
//!
//! **Promise.** This crate performs what `domain` decides, through `store` and over the network. It knows no web
//! framework. Time comes from a [`clock::Clock`], chance from [`chance`], tasks from [`supervise`], and outgoing
//! connections from [`deliver`]'s guarded client; nothing here has another way to any of them.
//!
//! Read in this order: [`ingest`] (a request becomes an event), [`sources`] (the same for senders without a route of
//! their own), [`log`] (many events become durable in one commit), [`routes`] (who is owed them), [`matching`] (who
//! wants them for what they hold), [`deliver`] (how they get there), [`lease`] (how workers fetch them), [`realtime`]
//! (how browsers follow), [`recover`] (how they are sent once more), [`maintain`] (what happens by itself),
//! [`rejections`] (what was refused), [`news`] (what is told of all that), [`connections`] (users' accounts at
//! providers, whose tokens stay fresh), [`registrations`] (what is set up there so that they push), [`inbox`]
//! (conversations and their messages), [`vault`] and [`reseal`] (how secrets lie, and how they get a new key).

pub mod chance;
pub mod clock;
pub mod connections;
pub mod deliver;
pub mod documents;
pub mod inbox;
pub mod ingest;
pub mod keys;
pub mod lease;
pub mod limits;
pub mod log;
pub mod maintain;
pub mod matching;
pub mod news;
mod node;
pub mod realtime;
pub mod recover;
pub mod registrations;
pub mod rejections;
pub mod remote;
pub mod reseal;
pub mod routes;
mod shared;
pub mod sources;
pub mod supervise;
mod tasks;
#[cfg(test)]
mod testing;
mod turns;
pub mod vault;

pub use node::{Engine, Settings};
