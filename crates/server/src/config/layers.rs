//! Where settings come from, one above the other. Figment merges them and remembers where each value came from.

use std::collections::BTreeMap;

use figment::util::nest;
use figment::value::{Dict, Map, Value};
use figment::{Error, Figment, Metadata, Profile, Provider};

use super::Flags;
use super::environment::{self, Variable};
use super::file::File;
use super::problem::Problem;

pub(super) struct Layers {
    merged: Figment,
    file: Option<File>,
    variables: Vec<Variable>,
}

impl Layers {
    pub(super) fn gather(
        flags: &Flags,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Problem> {
        // An empty variable counts as unset: that is how many tools clear one.
        let env: BTreeMap<String, String> = env.filter(|(_, value)| !value.is_empty()).collect();
        let file = File::find(flags, &env)?;
        let variables = environment::variables(&env);
        let mut merged = Figment::new();
        if let Some(file) = &file {
            merged = merged.merge(file);
        }
        for Variable { name, key, value } in &variables {
            merged = merged.merge(Given { key, value, origin: environment::origin(name) });
        }
        let flags =
            [("--listen", "listen", &flags.listen), ("--database-url", "database_url", &flags.database_url)];
        for (flag, key, value) in flags {
            if let Some(value) = value {
                merged = merged.merge(Given { key, value, origin: format!("flag {flag}") });
            }
        }
        Ok(Self { merged, file, variables })
    }

    /// The value that counts, and where it was given.
    pub(super) fn find(&self, key: &str) -> Option<(Value, String)> {
        let value = self.merged.find_value(key).ok()?;
        let metadata = self.merged.get_metadata(value.tag())?;
        let origin = match &self.file {
            // Figment knows that it was the file, and we find the line.
            Some(file) if metadata.source.is_some() => file.origin(key),
            _ => metadata.name.to_string(),
        };
        Some((value, origin))
    }

    /// Whatever was given that is none of the `known` keys.
    pub(super) fn unknown(&self, known: &[&str]) -> Vec<Problem> {
        let variables = self.variables.iter().filter(|variable| !known.contains(&variable.key.as_str()));
        let in_environment = variables.map(|Variable { name, key, .. }| {
            Problem::unknown(key, environment::origin(name), known, environment::name_of)
        });
        let in_file = self.file.iter().flat_map(|file| file.keys_other_than(known));
        let in_file = in_file.map(|(key, origin)| Problem::unknown(&key, origin, known, str::to_owned));
        in_environment.chain(in_file).collect()
    }
}

/// One value from one place, so that figment knows the place of each value and not only of each layer.
struct Given<'g> {
    key: &'g str,
    value: &'g str,
    origin: String,
}

impl Provider for Given<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        // Without a key there is no dictionary; such a variable is reported as unknown.
        let nested = nest(self.key, Value::from(self.value)).into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(nested))
    }
}
