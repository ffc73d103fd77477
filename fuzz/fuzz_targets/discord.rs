//! `cargo +nightly fuzz run discord`; without nightly, `cargo xtask fuzz discord`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(discord);
