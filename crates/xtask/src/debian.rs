//! Debian packages: installed when we may, asked for in one line when we may not.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// Another apt may be at work, for example right after a machine has started.
const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=120";

/// Makes `missing` available by installing `package`, if this machine is a Debian that lets us.
pub(crate) fn install(package: &str, missing: &str) -> Result<()> {
    let Some(privilege) = privilege() else {
        bail!("{missing} not found: install it, on Debian with `sudo apt-get install {package}`");
    };
    eprintln!("   {missing} not found: installing Debian's {package}");
    process::run_quietly(apt_get(privilege, &["update"]))?;
    process::run_quietly(apt_get(privilege, &["install", "--yes", "--no-install-recommends", package]))
}

/// The words before `apt-get` that let it work: none for root, `sudo` if it asks for no password.
fn privilege() -> Option<&'static [&'static str]> {
    process::ask("apt-get", &["--version"])?;
    if rustix::process::geteuid().is_root() {
        return Some(&[]);
    }
    process::ask("sudo", &["-n", "true"]).map(|_| ["sudo", "-n"].as_slice())
}

/// Goes through `env` because sudo does not hand on the environment of its caller.
fn apt_get(privilege: &[&str], arguments: &[&str]) -> Command {
    let fixed = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "-o", LOCK_TIMEOUT];
    let mut words = privilege.iter().chain(&fixed).chain(arguments);
    let mut command = Command::new(words.next().unwrap_or(&"env"));
    command.args(words);
    command
}
