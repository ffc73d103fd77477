//! `RUSTC_BOOTSTRAP=1 cargo fuzz run filter`; without `cargo fuzz`, `cargo xtask fuzz filter`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(filter);
