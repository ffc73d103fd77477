//! `cargo +nightly fuzz run gmail`; without nightly, `cargo xtask fuzz gmail`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(gmail);
