//! `RUSTC_BOOTSTRAP=1 cargo fuzz run key_set`; without `cargo fuzz`, `cargo xtask fuzz key_set`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(key_set);
