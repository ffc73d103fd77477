//! What Linux says about this machine and its processes.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit};
use serde::Serialize;

/// What a number must be read beside.
#[derive(Debug, Serialize)]
pub struct Machine {
    pub cores: usize,
    pub cpu: String,
    pub kernel: String,
    pub memory_mib: u64,
}

impl Machine {
    pub fn look() -> Result<Self> {
        let cpus = fs::read_to_string("/proc/cpuinfo")?;
        let memory = fs::read_to_string("/proc/meminfo")?;
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            cpu: field(&cpus, "model name").unwrap_or("unknown").to_owned(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            memory_mib: kibibytes(&memory, "MemTotal")? / 1024,
        })
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} cores, {}, {} MiB, Linux {}", self.cores, self.cpu, self.memory_mib, self.kernel)
    }
}

/// Resident memory of a process, in MiB.
pub fn resident_mib(process_id: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process_id}/status")).context("is the process alive?")?;
    Ok(kibibytes(&status, "VmRSS")? as f64 / 1024.0)
}

/// User and system time that a process has used so far, all its threads together.
pub fn cpu_time(process_id: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process_id}/stat")).context("is the process alive?")?;
    // The second field is the command in parentheses and may hold anything, so count from the last
    // parenthesis: utime and stime are fields 14 and 15.
    let after_command = stat.rsplit_once(')').context("an odd /proc/PID/stat")?.1;
    let ticks: u64 = after_command
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>())
        .sum::<Result<u64, _>>()?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Lets this process, and those it starts, open as many files as the system allows them: each socket is one.
pub fn raise_file_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    // Where it cannot be raised the sockets that are too many will tell.
    let _as_it_was = rustix::process::setrlimit(Resource::Nofile, raised);
}

fn kibibytes(table: &str, name: &str) -> Result<u64> {
    let value = field(table, name).with_context(|| format!("no {name}"))?;
    Ok(value.trim_end_matches(" kB").trim().parse()?)
}

fn field<'a>(table: &'a str, name: &str) -> Option<&'a str> {
    table.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    })
}
