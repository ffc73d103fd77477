//! `RUSTC_BOOTSTRAP=1 cargo fuzz run github`; without `cargo fuzz`, `cargo xtask fuzz github`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(github);
