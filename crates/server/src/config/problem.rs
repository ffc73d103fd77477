//! What can be wrong with a configuration. Each problem is one sentence that names the key and where it came from,
//! and none of them repeats a secret.

use std::fmt;
use std::io;

/// Everything that is wrong with the configuration: at least one problem.
#[derive(Debug)]
pub(crate) struct ConfigErrors(pub(crate) Vec<Problem>);

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{path} ({origin}) cannot be read: {error}")]
    NoFile { path: String, origin: String, error: io::Error },
    #[error("{path}, line {line}, is not TOML: {error}")]
    NotToml { path: String, line: usize, error: String },
    #[error("{key} ({origin}) must be {expected}{}", but_found(.found.as_deref()))]
    IllFormed { key: String, origin: String, expected: &'static str, found: Option<String> },
    #[error("{key} ({origin}) must be UTF-8")]
    NotUtf8 { key: String, origin: String },
    #[error("{key} ({origin}) is not a known key{}", did_you_mean(.hint.as_deref()))]
    Unknown { key: String, origin: String, hint: Option<String> },
    #[error("{key} ({origin}) is a section and not a key")]
    Section { key: String, origin: String },
    #[error("secret_key is not set, and must be with PostgreSQL: every server on it needs the same key")]
    NoSecretKey,
}

impl Problem {
    /// `key` is none of the `known` ones. `spelled` writes a key as it would be written where this one was found.
    pub(super) fn unknown(key: &str, origin: String, known: &[&str], spelled: fn(&str) -> String) -> Self {
        let key = key.to_owned();
        if is_section(&key, known) {
            return Self::Section { key, origin };
        }
        let hint = most_alike(&key, known).map(spelled);
        Self::Unknown { key, origin, hint }
    }
}

/// Whether one of the `known` keys lies in the section `name`.
pub(super) fn is_section(name: &str, known: &[&str]) -> bool {
    known.iter().any(|key| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

/// The known key that was probably meant.
fn most_alike<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    /// Of 1: high enough that a hint is more often right than wrong.
    const LIKENESS_MIN: f64 = 0.8;
    let likeness = known.iter().map(|known| (strsim::jaro(key, known), *known));
    let (likeness, known) = likeness.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (likeness >= LIKENESS_MIN).then_some(known)
}

fn but_found(found: Option<&str>) -> String {
    found.map(|found| format!(", not {found}")).unwrap_or_default()
}

fn did_you_mean(hint: Option<&str>) -> String {
    hint.map(|hint| format!("; did you mean {hint}?")).unwrap_or_default()
}

impl fmt::Display for ConfigErrors {
    /// One problem a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<Problem> for ConfigErrors {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}
