//! `cargo +nightly fuzz run filter`; without nightly, `cargo xtask fuzz filter`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(filter);
