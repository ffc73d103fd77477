//! `cargo +nightly fuzz run key_set`; without nightly, `cargo xtask fuzz key_set`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(key_set);
