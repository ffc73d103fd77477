//! `RUSTC_BOOTSTRAP=1 cargo fuzz run scheme`; without `cargo fuzz`, `cargo xtask fuzz scheme`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(scheme);
