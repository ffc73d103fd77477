//! Where the database is.

use std::fmt;
use std::path::PathBuf;

use serde_json::Value as Json;
use url::Url;

use super::kind::Kind;

/// Which database, and where.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum DatabaseUrl {
    /// A file, which is made if it is not there.
    Sqlite(PathBuf),
    /// A server, with its password.
    Postgres(Url),
}

impl Kind for DatabaseUrl {
    const EXPECTED: &str = "sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE";
    // It may hold a password.
    const MAY_BE_SHOWN: bool = false;

    fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            // Options and memory databases, which other programs write like this, would become odd file names.
            let is_file = !path.is_empty() && !path.contains('?') && !path.starts_with(':');
            return is_file.then(|| Self::Sqlite(path.into()));
        }
        let url = Url::parse(text).ok()?;
        let is_server = matches!(url.scheme(), "postgres" | "postgresql") && !url.cannot_be_a_base();
        is_server.then_some(Self::Postgres(url))
    }

    fn show(&self) -> Json {
        self.to_string().into()
    }
}

/// The URL without its password.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(without_password(url).as_str()),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A password stands before the host or among the parameters.
fn without_password(url: &Url) -> Url {
    const HIDDEN: &str = "***";
    let mut shown = url.clone();
    if url.password().is_some() {
        // Fails only for URLs without a host, which have no password either.
        let _ = shown.set_password(Some(HIDDEN));
    }
    if url.query().is_some() {
        let hide = |(name, value)| if name == "password" { (name, HIDDEN.into()) } else { (name, value) };
        shown.query_pairs_mut().clear().extend_pairs(url.query_pairs().map(hide));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_file_or_a_server() {
        for (text, path) in [
            ("sqlite:data/way.db", "data/way.db"),
            ("sqlite:/data/way.db", "/data/way.db"),
            ("sqlite://way.db", "way.db"),
            ("sqlite:///data/way.db", "/data/way.db"),
        ] {
            assert_eq!(DatabaseUrl::parse(text), Some(DatabaseUrl::Sqlite(path.into())));
        }
        for text in ["postgres://way:pw@db:5432/way", "postgresql:///way?host=/run/postgresql"] {
            assert_eq!(DatabaseUrl::parse(text), Some(DatabaseUrl::Postgres(Url::parse(text).unwrap())));
        }
    }

    #[test]
    fn is_nothing_else() {
        for text in [
            "",
            "way.db",
            "sqlite:",
            "sqlite::memory:",
            "sqlite:way.db?mode=ro",
            "mysql://db",
            "postgres:way",
        ] {
            assert_eq!(DatabaseUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn shows_all_but_the_password() {
        for (text, shown) in [
            ("sqlite:way.db", "sqlite:way.db"),
            ("postgres://way@db/way", "postgres://way@db/way"),
            ("postgres://way:pw@db/way?sslmode=require", "postgres://way:***@db/way?sslmode=require"),
            ("postgres://db/way?user=u&password=pw", "postgres://db/way?user=u&password=***"),
        ] {
            assert_eq!(DatabaseUrl::parse(text).unwrap().to_string(), shown);
        }
    }
}
