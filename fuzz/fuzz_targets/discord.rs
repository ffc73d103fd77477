//! `RUSTC_BOOTSTRAP=1 cargo fuzz run discord`; without `cargo fuzz`, `cargo xtask fuzz discord`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(discord);
