//! `cargo +nightly fuzz run scheme`; without nightly, `cargo xtask fuzz scheme`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(scheme);
