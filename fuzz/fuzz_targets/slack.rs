//! `RUSTC_BOOTSTRAP=1 cargo fuzz run slack`; without `cargo fuzz`, `cargo xtask fuzz slack`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(slack);
