//! `cargo +nightly fuzz run unipile`; without nightly, `cargo xtask fuzz unipile`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(unipile);
