//! `RUSTC_BOOTSTRAP=1 cargo fuzz run hub_query`; without `cargo fuzz`, `cargo xtask fuzz hub_query`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(hub_query);
