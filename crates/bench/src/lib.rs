//! Measures the real `waystation` binary, and tries to break it, from outside.
//!
//! Promise: nothing here links against the program. It is a black box that is started as a process and spoken
//! to over HTTP, so what holds here holds for what a user runs. The checkers (signatures, ledgers) share no
//! code with what they check, for shared code would agree with its own mistakes. All traffic stays on
//! 127.0.0.1, every loop has a bound, and no child outlives the harness.
//!
//! Two binaries use it: `bench` prints one table of rates beside a bare HTTP server's in the same run, and
//! `crash` kills the program at random moments and compares ledgers.
//!
//! In reading order: [`program`] runs a server, [`load`] sends to it, [`receiver`] takes what it delivers;
//! [`measure`] and [`crash`] put the three together.
//!
//! To add a measurement: 1. a file in `measure/` with one function that takes the [`measure::Site`] and
//! returns rows; 2. a name in [`measure::Part`]; 3. a line in `measure::measure_site`.

#![expect(
    clippy::disallowed_methods,
    reason = "a harness lives in real time: it measures with the real clock, chooses at random and spawns its own tasks"
)]

pub mod api;
pub mod audience;
pub mod bare;
pub mod crash;
pub mod github;
pub mod http;
pub mod interrupt;
pub mod load;
pub mod machine;
pub mod measure;
pub mod program;
pub mod receiver;
pub mod scratch;
pub mod signature;
pub mod socket;
