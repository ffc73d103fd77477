//! `RUSTC_BOOTSTRAP=1 cargo fuzz run spelled`; without `cargo fuzz`, `cargo xtask fuzz spelled`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(spelled);
