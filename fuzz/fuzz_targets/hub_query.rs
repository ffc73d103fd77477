//! `cargo +nightly fuzz run hub_query`; without nightly, `cargo xtask fuzz hub_query`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(hub_query);
