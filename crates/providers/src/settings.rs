//! What the operator sets for a provider, and how it is asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use domain::mac::Mac;

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
pub struct Settings(BTreeMap<&'static str, Texts>);

#[derive(Clone, Default)]
struct Texts {
    texts: Vec<String>,
    /// Keyed with the texts: once, since every request is checked with them.
    macs: OnceLock<Vec<Mac>>,
}

impl PartialEq for Texts {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Eq for Texts {}

impl Settings {
    /// These settings, and `texts` for `key` besides those that are there.
    #[must_use]
    pub fn with(mut self, key: &'static str, texts: impl IntoIterator<Item = String>) -> Self {
        let set = self.0.entry(key).or_default();
        set.texts.extend(texts);
        set.macs.take();
        self
    }

    /// What is set for `key`; nothing where it is not set.
    #[must_use]
    pub fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], |set| &set.texts)
    }

    /// What codes are made with under each of the secrets that are set for `key`.
    pub(crate) fn macs(&self, key: &str) -> &[Mac] {
        let keyed = |set: &Texts| set.texts.iter().map(|secret| Mac::new(secret.as_bytes())).collect();
        self.0.get(key).map_or(&[], |set| set.macs.get_or_init(|| keyed(set)))
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
    fn codes_are_made_under_each_secret_that_is_set() {
        let codes = |settings: &Settings| -> Vec<_> {
            settings.macs("secret").iter().map(|mac| mac.sign(&[b"said"])).collect()
        };
        let code = |secret: &str| Mac::new(secret.as_bytes()).sign(&[b"said"]);
        let old = Settings::default().with("secret", ["old".to_owned()]);
        assert_eq!(codes(&old), [code("old")]);
        let both = old.clone().with("secret", ["new".to_owned()]);
        assert_eq!(codes(&both), [code("old"), code("new")]);
        assert_eq!(codes(&old), [code("old")]);
        assert!(old != both && both.macs("other").is_empty());
    }

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
