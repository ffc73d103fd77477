//! Reads settings one by one out of the layers, and notes what is wrong instead of stopping there.

use serde_json::Value as Json;

use super::kind::{self, Kind};
use super::layers::Layers;
use super::problem::{ConfigErrors, Problem};

/// The origin of what nobody gave.
const DEFAULT: &str = "default";

/// A setting as it is shown to people.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its key, such as `inbound.body_bytes_max`.
    pub(crate) key: String,
    /// What it is set to: `(set)` for a secret, null where nothing is.
    pub(crate) value: Json,
    /// Where that was said.
    pub(crate) origin: String,
}

pub(super) struct Reader<'l> {
    layers: &'l Layers,
    settings: Vec<Setting>,
    problems: Vec<Problem>,
}

impl<'l> Reader<'l> {
    pub(super) fn new(layers: &'l Layers) -> Self {
        Self { layers, settings: Vec::new(), problems: Vec::new() }
    }

    /// What `key` is set to, else `default`: also where it is ill-formed, so that reading goes on to the next problem.
    pub(super) fn value<T: Kind>(&mut self, key: &str, default: T) -> T {
        let (value, origin) = self.given(key).unwrap_or_else(|| (default, DEFAULT.to_owned()));
        self.settings.push(Setting { key: key.to_owned(), value: value.show(), origin });
        value
    }

    /// What `key` is set to.
    pub(super) fn optional<T: Kind>(&mut self, key: &str) -> Option<T> {
        let (value, origin) = self.given::<T>(key).unzip();
        let shown = value.as_ref().map_or(Json::Null, T::show);
        let origin = origin.unwrap_or_else(|| DEFAULT.to_owned());
        self.settings.push(Setting { key: key.to_owned(), value: shown, origin });
        value
    }

    pub(super) fn refuse(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Every setting that was read.
    ///
    /// # Errors
    /// All the problems there were. What was given and never read is one of them.
    pub(super) fn finish(mut self) -> Result<Vec<Setting>, ConfigErrors> {
        let known: Vec<&str> = self.settings.iter().map(|setting| setting.key.as_str()).collect();
        self.problems.extend(self.layers.unknown(&known));
        if self.problems.is_empty() { Ok(self.settings) } else { Err(ConfigErrors(self.problems)) }
    }

    fn given<T: Kind>(&mut self, key: &str) -> Option<(T, String)> {
        let (value, origin) = self.layers.find(key)?;
        if value.as_str().is_some_and(|text| text.contains(char::REPLACEMENT_CHARACTER)) {
            self.problems.push(Problem::NotUtf8 { key: key.to_owned(), origin });
            return None;
        }
        if let Some(read) = T::read(&value) {
            return Some((read, origin));
        }
        let found = T::MAY_BE_SHOWN.then(|| kind::describe(&value));
        self.problems.push(Problem::IllFormed { key: key.to_owned(), origin, expected: T::EXPECTED, found });
        None
    }
}
