//! `RUSTC_BOOTSTRAP=1 cargo fuzz run verify`; without `cargo fuzz`, `cargo xtask fuzz verify`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(verify);
