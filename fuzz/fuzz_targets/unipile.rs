//! `RUSTC_BOOTSTRAP=1 cargo fuzz run unipile`; without `cargo fuzz`, `cargo xtask fuzz unipile`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(unipile);
