//! `cargo +nightly fuzz run spelled`; without nightly, `cargo xtask fuzz spelled`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(spelled);
