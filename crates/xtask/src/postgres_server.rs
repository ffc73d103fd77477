//! Finds PostgreSQL's server programs, and the account to run them under.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{debian, process};

/// Where Debian keeps the programs of each major version, out of everybody's `PATH`.
const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";
/// Both must be there: a directory with only client programs is common.
const PROGRAMS: [&str; 2] = ["initdb", "postgres"];

#[derive(Debug)]
pub(crate) struct Server {
    programs: PathBuf,
    account: Option<Account>,
}

/// A system account, by number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

impl Server {
    /// Installs the server first if the machine has none and lets us.
    pub(crate) fn find() -> Result<Self> {
        let programs = match find_programs() {
            Some(programs) => programs,
            None => {
                debian::install("postgresql", "PostgreSQL server")?;
                find_programs().context("Debian's postgresql is installed, yet has no server programs")?
            }
        };
        Ok(Self { programs, account: account()? })
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Who owns the data; `None` is ourselves.
    pub(crate) fn account(&self) -> Option<Account> {
        self.account
    }

    /// One of the server's own programs, as the right user, in a directory that this user may enter.
    pub(crate) fn command(&self, name: &str, directory: &Path) -> Command {
        self.plain_command(&self.program(name), directory)
    }

    /// Any program under the same circumstances.
    pub(crate) fn plain_command(&self, program: &Path, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(directory).env("LC_ALL", "C");
        if let Some(Account { user, group }) = self.account {
            command.uid(user).gid(group);
        }
        command
    }
}

fn find_programs() -> Option<PathBuf> {
    let told = process::ask("pg_config", &["--bindir"]).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    told.into_iter()
        .chain(newest_first(DEBIAN_VERSIONS.as_ref()))
        .chain(std::env::split_paths(&path))
        .find(|directory| PROGRAMS.iter().all(|program| directory.join(program).is_file()))
}

/// The `bin` directories below a directory of versions, compared as numbers: 9.6 is older than 15.
fn newest_first(versions: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(versions).into_iter().flatten().flatten();
    let mut found: Vec<(Vec<u32>, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let numbers = name.to_str()?.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
            Some((numbers, entry.path().join("bin")))
        })
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, directory)| directory).collect()
}

/// PostgreSQL refuses to run as root, so root hands it to the account that its package makes.
fn account() -> Result<Option<Account>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let number = |kind| process::ask("id", &[kind, "postgres"]).and_then(|number| number.parse().ok());
    let account = number("-u").zip(number("-g")).map(|(user, group)| Account { user, group });
    account
        .map(Some)
        .context("PostgreSQL does not run as root: make an account for it with `useradd --system postgres`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let versions = tempfile::tempdir().unwrap();
        for name in ["9.6", "15", "17", "common"] {
            fs::create_dir(versions.path().join(name)).unwrap();
        }
        let expected = ["17", "15", "9.6"].map(|version| versions.path().join(version).join("bin"));
        assert_eq!(newest_first(versions.path()), expected);
    }
}
