//! Settings in environment variables: `WAYSTATION_SECTION__KEY` for each key, and short names for some.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::{provider_key, provider_settings};

const PREFIX: &str = "WAYSTATION_";

/// Where the configuration file is. It cannot be set in that file.
pub(super) const FILE: &str = "WAYSTATION_CONFIG";

/// Variables of our prefix that are no settings: the file's path, and how client commands reach a server.
const NOT_SETTINGS: [&str; 3] = [FILE, "WAYSTATION_URL", "WAYSTATION_KEY"];

/// What tests tell each other.
const TEST_PREFIX: &str = "WAYSTATION_TEST_";

/// A setting that was found in the environment.
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) key: String,
    pub(super) value: String,
}

/// The process's environment, for [`Config::load`](super::Config::load). What is not UTF-8 arrives with replacement
/// characters in it, and is refused where it is read.
#[expect(clippy::disallowed_methods, reason = "this is the one place where the environment is read")]
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    let lossy = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (lossy(name), lossy(value)))
}

/// The settings in `env`, each after those that it overrules.
pub(super) fn variables(env: &BTreeMap<String, String>) -> Vec<Variable> {
    let short = short_names().filter_map(|(name, key)| {
        let value = env.get(name)?.clone();
        Some(Variable { name: name.to_owned(), key, value })
    });
    let full = env.iter().filter_map(|(name, value)| {
        let rest = name.strip_prefix(PREFIX).filter(|_| is_setting(name))?;
        let key = rest.replace("__", ".").to_lowercase();
        Some(Variable { name: name.clone(), key, value: value.clone() })
    });
    short.chain(full).collect()
}

/// Names that stand for a key besides its own. Of several for one key the last counts.
fn short_names() -> impl Iterator<Item = (&'static str, String)> {
    let of_providers = provider_settings().flat_map(|(provider, settings)| {
        settings.iter().flat_map(move |setting| {
            let names = [Some(setting.environment), setting.also.filter(|also| *also != setting.environment)];
            names.into_iter().flatten().map(move |name| (name, provider_key(provider, *setting)))
        })
    });
    [("API_URL", "base_url".to_owned()), ("WEBHOOK_BASE_URL", "base_url".to_owned())]
        .into_iter()
        .chain(of_providers)
}

fn is_setting(name: &str) -> bool {
    !NOT_SETTINGS.contains(&name) && !name.starts_with(TEST_PREFIX)
}

/// The variable that sets `key`.
pub(super) fn name_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// How an error says where a value came from.
pub(super) fn origin(name: &str) -> String {
    format!("environment variable {name}")
}
