//! `cargo +nightly fuzz run slack`; without nightly, `cargo xtask fuzz slack`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(slack);
