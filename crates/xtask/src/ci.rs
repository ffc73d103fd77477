//! `cargo xtask ci`: what stands between a change and the main branch.

use anyhow::Result;

use crate::steps::Steps;
use crate::{check, fuzz, test};

pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::begin();
    check::check(&mut steps, check::Options { strict: true });
    test::test(&mut steps, &test::Options::default());
    fuzz::fuzz(&mut steps);
    steps.print_summary();
    steps.verdict()
}
