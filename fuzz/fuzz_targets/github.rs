//! `cargo +nightly fuzz run github`; without nightly, `cargo xtask fuzz github`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(github);
