//! Runs a user's JavaScript function on an event: `(event) => body`, `{ body, headers }`, or `null` to send nothing.
//!
//! **Promise.** Whatever the source does, the caller has its answer within [`RUNNER_HELD_MAX`](limits::RUNNER_HELD_MAX)
//! of its turn, the caller's process lives on and has lost no memory, and the next run starts from the same world as
//! the first. The function sees its event and the language. There is no clock, no chance, no file, no network, no
//! module, no `console`, no time zone but UTC, and no way to make code from text, so one event always makes one
//! request.
//!
//! **What the function returns.** `null` sends nothing. An object whose only fields are `body`, or `body` and
//! `headers`, is an envelope; whatever else is returned is the body itself. (To send such an object as it is, wrap it:
//! `{ body: { body: … } }`.) A body that is a text is sent as it is, anything else as JSON. A half of a surrogate pair
//! becomes U+FFFD in a text and an escape in JSON. `undefined`, functions, symbols, BigInts, promises and cycles cannot
//! be sent. `headers` has a text for each name; see [`Failed::BadHeader`].
//!
//! **How.** QuickJS has limits of its own, and they serve well for honest mistakes: 50 ms, 16 MiB, a stack
//! ([`limits`]). They do not hold against everything, since QuickJS looks at the time only between steps, and only at
//! each ten-thousandth: `new Array(1e9).join()` ran for 51 s, a loop around the product of two large BigInts takes
//! longer, and an assertion in C ends the process. So the language lives in a child process, a runner, that has an
//! empty environment and none of our secrets, and that ends itself when it is held too long. A short run takes some
//! 0.8 ms in all, starting a runner 2 ms more; an idle runner holds 0.4 MiB of its own.
//!
//! Read in this order: [`Transform`] and its errors (`function.rs`), [`Runners`] (`runners.rs`, this side of the pipe),
//! [`serve`] (`runner.rs`, the other side), `run.rs` (one run), `world.rs` and `world.js` (what a run finds),
//! `headers.rs`.
//!
//! **To wire it in.** A program that runs transforms starts [`serve_stdio`] when its own arguments say so, before it
//! does anything else, and hands [`Program::this_one`] with those arguments to [`Runners::new`]. [`Runners::run`]
//! blocks, first for its turn and then for the run, so async code calls it through `spawn_blocking`, or from threads
//! kept for it.

#![warn(missing_docs)]

mod function;
mod headers;
pub mod limits;
mod run;
mod runner;
mod runners;
mod wire;
mod world;

pub use function::{Failed, NotATransform, Transform, Transformed};
pub use runner::{serve, serve_stdio};
pub use runners::{Program, Runners};
