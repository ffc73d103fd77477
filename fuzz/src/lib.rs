//! What strangers can have parsed, thrown at its parsers.
//!
//! A target takes any bytes, must not panic whatever they are, and says what came of them. `cargo xtask fuzz` runs
//! [`drive`] on any compiler: it alters known requests, and goes on from those of which something new came.
//! `cargo fuzz` runs the programs in `fuzz_targets/`, each of which is one target, and goes on from what reaches new
//! code, with a nightly compiler or with `RUSTC_BOOTSTRAP=1`:
//!
//! ```sh
//! cargo run -p fuzz -- --beginnings fuzz/corpus
//! RUSTC_BOOTSTRAP=1 CARGO_PROFILE_RELEASE_LTO=off cargo fuzz run github -- -max_total_time=60
//! ```
//!
//! To add a target: 1. its function in [`targets`]; 2. its line in [`TARGETS`]; 3. its file in `fuzz_targets/`, and its
//! entry in `Cargo.toml`.
#![expect(
    clippy::disallowed_methods,
    reason = "a tool for developers reads the clock and has chance of its own; the rules are for the product"
)]
#![expect(clippy::unwrap_used, reason = "a target that cannot begin should stop there")]

pub mod corpus;
pub mod drive;
pub mod targets;

use targets as t;

/// A parser with bytes to begin from.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also its program's.
    pub name: &'static str,
    /// Takes any bytes. What came of them in words, without what stands in the bytes.
    pub run: fn(&[u8]) -> String,
    /// Bytes from which something comes.
    pub corpus: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "github", run: t::github, corpus: || corpus::of_provider("github") },
    Target { name: "slack", run: t::slack, corpus: || corpus::of_provider("slack") },
    Target { name: "gmail", run: t::gmail, corpus: || corpus::of_provider("gmail") },
    Target { name: "composio", run: t::composio, corpus: || corpus::of_provider("composio") },
    Target { name: "unipile", run: t::unipile, corpus: || corpus::of_provider("unipile") },
    Target { name: "discord", run: t::discord, corpus: || corpus::of_provider("discord") },
    Target { name: "youtube", run: t::youtube, corpus: || corpus::of_provider("youtube") },
    Target { name: "verify", run: t::verify, corpus: corpus::of_requests },
    Target { name: "hub_query", run: t::hub_query, corpus: corpus::of_queries },
    Target { name: "key_set", run: t::key_set, corpus: corpus::of_key_sets },
    Target { name: "scheme", run: t::scheme, corpus: corpus::of_senders },
    Target { name: "spelled", run: t::spelled, corpus: corpus::of_verifications },
    Target { name: "filter", run: t::filter, corpus: corpus::of_filters },
];

/// Makes a program of a target: for `cargo fuzz` where that compiles it, else for a run of its own.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
            $crate::targets::$name(bytes);
        });

        #[cfg(not(fuzzing))]
        fn main() -> std::process::ExitCode {
            $crate::drive::main_of(stringify!($name))
        }
    };
}
