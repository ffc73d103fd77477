//! Connections against stand-ins for the providers, on a clock that the test moves.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "a test starts tasks as it likes, and waits for them")]

mod calling;
mod mailboxes;
mod ninety_days;
mod polling;
mod refreshing;
mod registering;
mod world;
