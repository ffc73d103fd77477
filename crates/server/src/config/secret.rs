//! Values that nobody may read in a log, an error or a listing.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use figment::value::Value;
use serde_json::Value as Json;

use super::kind::Kind;

/// What stands for a secret wherever one is shown.
const SET: &str = "(set)";

/// One secret text.
pub(crate) struct Secret(String);

/// Several secrets of which any one is good, so that one can take over from another.
pub(crate) struct Secrets(Vec<String>);

/// What everything secret is kept under: the newest key seals and signs, and all of them open.
#[derive(Clone)]
pub(crate) struct SecretKeys {
    newest: [u8; 32],
    former: Vec<[u8; 32]>,
}

impl Secret {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl Secrets {
    pub(crate) fn reveal(self) -> Vec<String> {
        self.0
    }
}

impl SecretKeys {
    /// Reads keys of 32 bytes in base64, the newest first, with commas or white space between.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let texts = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|text| !text.is_empty());
        let mut keys = texts.map(|text| BASE64.decode(text).ok()?.try_into().ok());
        Some(Self { newest: keys.next()??, former: keys.collect::<Option<_>>()? })
    }

    /// What [`Self::from_text`] reads.
    pub(crate) fn to_text(&self) -> String {
        let keys = std::iter::once(&self.newest).chain(&self.former);
        keys.map(|key| BASE64.encode(key)).collect::<Vec<_>>().join("\n")
    }

    /// With a newer one in front.
    pub(crate) fn led_by(mut self, newest: [u8; 32]) -> Self {
        self.former.insert(0, std::mem::replace(&mut self.newest, newest));
        self
    }

    /// The newest alone.
    pub(crate) fn without_former(self) -> Self {
        Self { former: Vec::new(), ..self }
    }

    pub(crate) fn newest(&self) -> &[u8; 32] {
        &self.newest
    }

    pub(crate) fn former(&self) -> &[[u8; 32]] {
        &self.former
    }
}

macro_rules! hidden {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}

hidden!(Secret Secrets SecretKeys);

impl Kind for Secret {
    const EXPECTED: &str = "a text that is not empty";
    const MAY_BE_SHOWN: bool = false;

    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    fn show(&self) -> Json {
        SET.into()
    }
}

impl Kind for Secrets {
    const EXPECTED: &str = "a text that is not empty, or a list of such";
    const MAY_BE_SHOWN: bool = false;

    /// The text is one secret, whatever is in it: commas and spaces too.
    fn parse(text: &str) -> Option<Self> {
        Secret::parse(text).map(|Secret(only)| Self(vec![only]))
    }

    fn read(value: &Value) -> Option<Self> {
        let Some(values) = value.as_array() else { return Self::parse(value.as_str()?) };
        let secrets = values.iter().map(|value| Secret::read(value).map(|Secret(one)| one));
        secrets.collect::<Option<Vec<_>>>().filter(|secrets| !secrets.is_empty()).map(Self)
    }

    fn show(&self) -> Json {
        SET.into()
    }
}

impl Kind for SecretKeys {
    const EXPECTED: &str = "32 bytes in base64, such as `openssl rand -base64 32` makes, or several such with commas between, the newest first";
    const MAY_BE_SHOWN: bool = false;

    fn parse(text: &str) -> Option<Self> {
        Self::from_text(text)
    }

    fn show(&self) -> Json {
        SET.into()
    }
}
