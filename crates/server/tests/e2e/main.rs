//! The program as the world sees it: the real binary, real sockets, a real receiver.
//!
//! Each story starts servers of its own, on free ports and data of their own, so that all may run side by side. They
//! wait for signals (an answer, a delivery, the end of a process); where there is none they ask again and again, within
//! a bound.
//!
//! PostgreSQL and the stock library that signatures are checked with are prepared by `cargo xtask test`.
#![expect(
    clippy::disallowed_methods,
    reason = "tests are outside of the product: they read the clock and the environment, and start tasks"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod support;

mod access;
mod alerting;
mod answers;
mod bad_input;
mod batching;
mod catalogue;
mod command_line;
mod connections;
mod dashboard;
mod delivering;
mod demo;
mod disconnects;
mod door;
mod events;
mod fanning_out;
mod gmail;
mod health;
mod inbox;
mod listening;
mod matrix;
mod new_secret_key;
mod openapi;
mod ordering;
mod polling;
mod providers;
mod publishing;
mod pulling;
mod realtime;
mod receiving;
mod recovering;
mod refusing;
mod registering;
mod rejections;
mod replaying;
mod retention;
mod rotating;
mod secrecy;
mod sessions;
mod shaping;
mod sharing;
mod shell;
mod sources;
mod starting;
mod statistics;
mod stopping;
mod store_away;
mod subscriptions;
mod transforming;
mod two_nodes;
mod witness;
