//! Settings in a TOML file.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Map};
use figment::{Error, Metadata, Profile, Provider};
use toml_edit::{ImDocument, TableLike};

use super::Flags;
use super::environment;
use super::problem::{Problem, is_section};

/// The file that is read where none is named, if it is there.
const DEFAULT_PATH: &str = "waystation.toml";

pub(super) struct File {
    path: PathBuf,
    /// The text, and the place of everything in it.
    document: ImDocument<String>,
}

impl File {
    /// The file that the flag names, or the environment, or else the default one.
    pub(super) fn find(flags: &Flags, env: &BTreeMap<String, String>) -> Result<Option<Self>, Problem> {
        if let Some(path) = &flags.config {
            return Self::read(path, "flag --config").map(Some);
        }
        if let Some(path) = env.get(environment::FILE) {
            return Self::read(Path::new(path), &environment::origin(environment::FILE)).map(Some);
        }
        match Self::read(Path::new(DEFAULT_PATH), "default") {
            Err(Problem::NoFile { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    fn read(path: &Path, origin: &str) -> Result<Self, Problem> {
        let text = std::fs::read_to_string(path).map_err(|error| Problem::NoFile {
            path: path.display().to_string(),
            origin: origin.to_owned(),
            error,
        })?;
        let document = ImDocument::parse(text.clone()).map_err(|error| Problem::NotToml {
            path: path.display().to_string(),
            line: line_at(&text, error.span()),
            // The parser writes what it expected on a line of its own.
            error: error.message().replace('\n', ", "),
        })?;
        Ok(Self { path: path.to_owned(), document })
    }

    /// Where in the file `key` stands.
    pub(super) fn origin(&self, key: &str) -> String {
        self.line(place(self.document.as_table(), key))
    }

    /// Whatever is set here beyond the `known` keys, and where.
    pub(super) fn keys_other_than(&self, known: &[&str]) -> Vec<(String, String)> {
        let mut unknown = Vec::new();
        collect_unknown(self.document.as_table(), "", known, &mut unknown);
        unknown.into_iter().map(|(key, place)| (key, self.line(place))).collect()
    }

    fn line(&self, place: Option<Range<usize>>) -> String {
        format!("{}, line {}", self.path.display(), line_at(self.document.raw(), place))
    }
}

impl Provider for &File {
    fn metadata(&self) -> Metadata {
        Metadata::from("TOML file", self.path.as_path())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Toml::string(self.document.raw()).data()
    }
}

fn collect_unknown(
    table: &dyn TableLike,
    prefix: &str,
    known: &[&str],
    unknown: &mut Vec<(String, Option<Range<usize>>)>,
) {
    for (name, item) in table.iter() {
        // A quoted name with a dot in it must not pass for a key in a section: it sets nothing.
        let key = if name.contains('.') { format!("{prefix}{name:?}") } else { format!("{prefix}{name}") };
        match item.as_table_like() {
            _ if known.contains(&key.as_str()) => {}
            Some(section) if !section.is_empty() => {
                collect_unknown(section, &format!("{key}."), known, unknown);
            }
            Some(_) if is_section(&key, known) => {}
            _ => unknown.push((key, table.get_key_value(name).and_then(|(name, _)| name.span()))),
        }
    }
}

/// Where `key` is set, or else the innermost section of it that is.
fn place(table: &dyn TableLike, key: &str) -> Option<Range<usize>> {
    let (name, rest) = key.split_once('.').unwrap_or((key, ""));
    let (name, item) = table.get_key_value(name)?;
    item.as_table_like().and_then(|section| place(section, rest)).or_else(|| name.span())
}

/// The line of a place in `text`, counted from one.
fn line_at(text: &str, place: Option<Range<usize>>) -> usize {
    let before = text.get(..place.map_or(0, |place| place.start)).unwrap_or_default();
    before.matches('\n').count() + 1
}
