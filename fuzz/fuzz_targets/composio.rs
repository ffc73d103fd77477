//! `cargo +nightly fuzz run composio`; without nightly, `cargo xtask fuzz composio`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(composio);
