//! `RUSTC_BOOTSTRAP=1 cargo fuzz run youtube`; without `cargo fuzz`, `cargo xtask fuzz youtube`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(youtube);
