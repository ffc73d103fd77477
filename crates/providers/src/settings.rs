//! What the operator sets for a provider, and how it is asked for.

use std::collections::BTreeMap;
use std::fmt;

/// A configuration key of a provider, and the short name that it has in the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The key in `[providers.<name>]`.
    pub key: &'static str,
    /// The environment variable that sets it too.
    pub environment: &'static str,
    /// Another name that it has there.
    pub also: Option<&'static str>,
    /// What becomes of it.
    pub kind: SettingKind,
}

/// What a setting is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    /// Nothing is believed without it, and nobody may see it.
    Secret,
    /// Nothing is believed without it.
    Required,
    /// It may be left out.
    Optional,
    /// It may be left out, and nobody may see it.
    Credential,
    /// It is this where it is left out.
    Default(&'static str),
}

impl Setting {
    pub(crate) const fn new(key: &'static str, environment: &'static str, kind: SettingKind) -> Self {
        Self { key, environment, also: None, kind }
    }

    /// The same, by another name in the environment too.
    pub(crate) const fn or(self, name: &'static str) -> Self {
        Self { also: Some(name), ..self }
    }

    /// Whether nothing is believed without it.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        matches!(self.kind, SettingKind::Secret | SettingKind::Required)
    }
}

/// What is set for one provider: texts by key. Of several secrets any one is good, so that one can take over from
/// another.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<&'static str, Vec<String>>);

impl Settings {
    /// These settings, and `texts` for `key` besides those that are there.
    #[must_use]
    pub fn with(mut self, key: &'static str, texts: impl IntoIterator<Item = String>) -> Self {
        self.0.entry(key).or_default().extend(texts);
        self
    }

    /// What is set for `key`; nothing where it is not set.
    #[must_use]
    pub fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// The first text for `key`.
    #[must_use]
    pub fn first(&self, key: &str) -> Option<&str> {
        self.get(key).first().map(String::as_str)
    }
}

/// Says which keys are set, and nothing of what they are set to.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_texts_may_be_set_and_none_is_shown() {
        let settings =
            Settings::default().with("secret", ["old".to_owned()]).with("secret", ["new".to_owned()]);
        assert_eq!(settings.get("secret"), ["old", "new"]);
        assert_eq!(settings.first("secret"), Some("old"));
        assert!(settings.get("other").is_empty());
        assert_eq!(format!("{settings:?}"), r#"{"secret"}"#);
    }
}
