//! Steps of a task: each announced, timed, and remembered for the summary at the end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::interrupt::{self, Interrupted};

#[derive(Debug)]
pub(crate) struct Steps {
    begun: Instant,
    taken: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    took: Duration,
    passed: bool,
}

impl Steps {
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), taken: Vec::new() }
    }

    /// Runs one step and says how it went. `None` means that it failed, or that the developer has
    /// interrupted the task and nothing new should start; either way [`Self::verdict`] knows.
    pub(crate) fn run<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Option<T> {
        if interrupt::received().is_some() {
            return None;
        }
        eprintln!("── {name}");
        let begun = Instant::now();
        let result = work();
        let took = begun.elapsed();
        match &result {
            Ok(_) => eprintln!("── {name}: passed in {}", seconds(took)),
            Err(error) => eprintln!("── {name}: FAILED after {}: {error:#}", seconds(took)),
        }
        self.taken.push(Step { name, took, passed: result.is_ok() });
        result.ok()
    }

    pub(crate) fn print_summary(&self) {
        let width = self.taken.iter().map(|step| step.name.len()).max().unwrap_or_default();
        eprintln!();
        for Step { name, took, passed } in &self.taken {
            let outcome = if *passed { "passed" } else { "FAILED" };
            eprintln!("  {name:width$}  {:>8}  {outcome}", seconds(*took));
        }
        eprintln!("  {:width$}  {:>8}", "in all", seconds(self.begun.elapsed()));
    }

    /// The task's result: an error that names the failed steps, if there are any.
    pub(crate) fn verdict(&self) -> Result<()> {
        if let Some(signal) = interrupt::received() {
            return Err(Interrupted { signal }.into());
        }
        let failed: Vec<_> = self.taken.iter().filter(|step| !step.passed).map(|step| step.name).collect();
        if failed.is_empty() {
            return Ok(());
        }
        bail!("{} of {} steps failed: {}", failed.len(), self.taken.len(), failed.join(", "))
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_does_not_stop_the_next_but_fails_the_task() {
        let mut steps = Steps::begin();
        assert_eq!(steps.run("first", || -> Result<u8> { bail!("no") }), None);
        assert_eq!(steps.run("second", || Ok(2)), Some(2));
        let verdict = steps.verdict().unwrap_err();
        assert_eq!(verdict.to_string(), "1 of 2 steps failed: first");
    }
}
