//! `cargo +nightly fuzz run youtube`; without nightly, `cargo xtask fuzz youtube`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(youtube);
