//! `RUSTC_BOOTSTRAP=1 cargo fuzz run gmail`; without `cargo fuzz`, `cargo xtask fuzz gmail`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(gmail);
