//! `cargo +nightly fuzz run verify`; without nightly, `cargo xtask fuzz verify`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(verify);
