//! `RUSTC_BOOTSTRAP=1 cargo fuzz run composio`; without `cargo fuzz`, `cargo xtask fuzz composio`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(composio);
