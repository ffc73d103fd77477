//! The kinds of values that settings have: how each is written, and how it is shown.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::str::FromStr;

use domain::subscription::TypePattern;
use figment::value::Value;
use ipnet::IpNet;
use serde_json::Value as Json;
use url::Url;

use super::duration::Duration;

/// Characters of a wrong value that an error repeats.
const SHOWN_CHARS_MAX: usize = 200;

/// A kind of value. The environment and flags hold text; TOML may hold more.
pub(super) trait Kind: Sized {
    /// What it must be: "a whole number".
    const EXPECTED: &str;

    /// Whether an error may repeat a wrong value. A wrong secret is still nearly one.
    const MAY_BE_SHOWN: bool = true;

    fn parse(text: &str) -> Option<Self>;

    fn read(value: &Value) -> Option<Self> {
        value.as_str().and_then(Self::parse)
    }

    /// The value for people, without its secrets.
    fn show(&self) -> Json;
}

impl Kind for SocketAddr {
    const EXPECTED: &str = "an IP address and a port such as 127.0.0.1:8400";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn show(&self) -> Json {
        self.to_string().into()
    }
}

impl Kind for usize {
    const EXPECTED: &str = "a whole number";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn read(value: &Value) -> Option<Self> {
        read_number(value)
    }

    fn show(&self) -> Json {
        (*self).into()
    }
}

impl Kind for NonZeroU32 {
    const EXPECTED: &str = "a whole number from 1 to 4294967295";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn read(value: &Value) -> Option<Self> {
        read_number(value)
    }

    fn show(&self) -> Json {
        self.get().into()
    }
}

/// A share of a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Percent(pub(crate) u8);

impl Kind for Percent {
    const EXPECTED: &str = "a whole number from 0 to 100";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|percent| *percent <= 100).map(Self)
    }

    fn read(value: &Value) -> Option<Self> {
        read_number(value).filter(|percent| *percent <= 100).map(Self)
    }

    fn show(&self) -> Json {
        self.0.into()
    }
}

/// A number is a number in TOML and text elsewhere.
fn read_number<T: FromStr>(value: &Value) -> Option<T> {
    let text = value.to_i128().map(|number| number.to_string());
    text.as_deref().or_else(|| value.as_str())?.parse().ok()
}

impl Kind for Vec<IpNet> {
    const EXPECTED: &str = "a list of networks such as 10.0.0.0/8 or addresses such as 10.0.0.1";

    /// Text holds a list as JSON, or with commas or spaces between.
    fn parse(text: &str) -> Option<Self> {
        if text.starts_with('[') {
            let texts: Vec<&str> = serde_json::from_str(text).ok()?;
            return texts.into_iter().map(network).collect();
        }
        text.split([',', ' ']).filter(|text| !text.is_empty()).map(network).collect()
    }

    fn read(value: &Value) -> Option<Self> {
        let Some(values) = value.as_array() else { return Self::parse(value.as_str()?) };
        values.iter().map(|value| network(value.as_str()?)).collect()
    }

    fn show(&self) -> Json {
        self.iter().map(ToString::to_string).collect::<Vec<_>>().into()
    }
}

/// A bare address is a network of one.
fn network(text: &str) -> Option<IpNet> {
    text.parse().or_else(|_| text.parse().map(|address: IpAddr| address.into())).ok()
}

/// An address of this server, without the final slash: paths are appended to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    /// That of a server which is reached where it listens.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self(format!("http://{address}"))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Kind for BaseUrl {
    const EXPECTED: &str = "an http or https URL such as https://hooks.example.com";

    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let takes_a_path = url.query().is_none() && url.fragment().is_none();
        takes_a_path.then(|| Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    fn show(&self) -> Json {
        self.to_string().into()
    }
}

/// Types of events, each with how long it is kept: `github.*=7d, task.created=90d`. The first that fits counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct AgesByType(pub(crate) Vec<(TypePattern, Duration)>);

impl Kind for AgesByType {
    const EXPECTED: &str = "types with a time each, such as github.*=7d, task.created=90d";

    fn parse(text: &str) -> Option<Self> {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (pattern, age) = pair.split_once('=')?;
            Some((pattern.trim().parse().ok()?, age.trim().parse().ok()?))
        };
        pairs.map(pair).collect::<Option<_>>().map(Self)
    }

    fn show(&self) -> Json {
        let pairs = self.0.iter().map(|(pattern, age)| format!("{pattern}={age}"));
        pairs.collect::<Vec<_>>().join(", ").into()
    }
}

/// Some texts that anybody may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Texts(pub(super) Vec<String>);

impl Kind for Texts {
    const EXPECTED: &str = "a text that is not empty, or a list of such";

    /// Commas separate; none of the texts that are set like this has one in it.
    fn parse(text: &str) -> Option<Self> {
        let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        Some(Self(texts.map(str::to_owned).collect())).filter(|texts| !texts.0.is_empty())
    }

    fn read(value: &Value) -> Option<Self> {
        let Some(values) = value.as_array() else { return Self::parse(value.as_str()?) };
        let texts = values.iter().map(|value| value.as_str().filter(|text| !text.is_empty()));
        texts.map(|text| text.map(str::to_owned)).collect::<Option<_>>().map(Self)
    }

    /// One alone is shown as itself, as it is mostly written.
    fn show(&self) -> Json {
        match self.0.as_slice() {
            [only] => only.as_str().into(),
            texts => texts.into(),
        }
    }
}

/// Origins of pages (RFC 6454), as policies name them: `https://app.example.com`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origins(pub(crate) Vec<String>);

impl Origins {
    /// Nothing but a scheme, a host and a port gets into a policy.
    fn of(texts: Vec<String>) -> Option<Self> {
        let origin = |text: String| {
            let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
            let origin = url.origin().ascii_serialization();
            (text.trim_end_matches('/').eq_ignore_ascii_case(&origin)).then_some(origin)
        };
        texts.into_iter().map(origin).collect::<Option<_>>().map(Self)
    }
}

impl Kind for Origins {
    const EXPECTED: &str = "an origin such as https://app.example.com, or a list of such";

    fn parse(text: &str) -> Option<Self> {
        Texts::parse(text).and_then(|texts| Self::of(texts.0))
    }

    fn read(value: &Value) -> Option<Self> {
        Texts::read(value).and_then(|texts| Self::of(texts.0))
    }

    fn show(&self) -> Json {
        Texts(self.0.clone()).show()
    }
}

/// A wrong value in a few words.
pub(super) fn describe(value: &Value) -> String {
    let text = match value {
        Value::String(_, text) => format!("{text:?}"),
        Value::Bool(_, truth) => truth.to_string(),
        Value::Num(_, number) => number.to_i128().map_or_else(|| "a fraction".to_owned(), |n| n.to_string()),
        Value::Array(_, values) => {
            format!("[{}]", values.iter().map(describe).collect::<Vec<_>>().join(", "))
        }
        _ => "a section".to_owned(),
    };
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_can_be_appended_to_a_base_url() {
        let read = |text| BaseUrl::parse(text).map(|url| url.to_string());
        assert_eq!(read("https://Example.com").as_deref(), Some("https://example.com"));
        assert_eq!(read("http://example.com:8400/way/").as_deref(), Some("http://example.com:8400/way"));
        for text in
            ["example.com", "https://", "ftp://example.com", "https://example.com/?a=1", "http://x/#a"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
