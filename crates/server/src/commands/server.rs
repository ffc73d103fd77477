//! The server that a command speaks to.

use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use domain::{Timestamp, UserId};
use engine::clock::{Clock as _, SystemClock};
use engine::remote;
use http::{Method, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;
use url::form_urlencoded::Serializer;

use super::ConfigArgs;
use crate::config::{Config, Duration, Flags, Secret};

/// For commands that work through a running server.
#[derive(Debug, clap::Args)]
pub(super) struct ServerArgs {
    /// The server [default: the one that this configuration describes]
    #[arg(long, env = "WAYSTATION_URL")]
    url: Option<Url>,
    /// An API key [default: the admin key of this configuration]
    #[arg(long, env = "WAYSTATION_KEY", hide_env_values = true)]
    key: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// For those of them that show something.
#[derive(Debug, clap::Args)]
pub(super) struct Output {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// For those of them that list what belongs to users.
#[derive(Debug, clap::Args)]
pub(super) struct OfUser {
    /// Whose [default: all that the key may see]
    #[arg(long)]
    user: Option<UserId>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    pub(super) output: Output,
}

impl OfUser {
    /// The list at `path`, narrowed to what was asked for.
    pub(super) async fn list(&self, config: &Config, path: &str) -> Result<Vec<Box<RawValue>>> {
        let query = Query::default().and("user_id", self.user.as_ref());
        self.output.server.connect(config)?.list(path, &query, self.limit).await
    }
}

/// A server, and the key that opens it.
pub(super) struct Server {
    base: String,
    key: String,
}

impl ServerArgs {
    pub(super) fn flags(&self) -> Flags {
        self.config.flags()
    }

    /// Whether it is the server that this configuration describes.
    pub(super) fn is_of_configuration(&self) -> bool {
        self.url.is_none()
    }

    pub(super) fn connect(&self, config: &Config) -> Result<Server> {
        let url = self.url.as_ref().map_or_else(|| format!("http://{}", config.listen), ToString::to_string);
        let key = self.key.as_deref().or(config.admin_key.as_ref().map(Secret::reveal));
        let key = key.context("which key? set WAYSTATION_KEY, or pass --key")?;
        Ok(Server { base: url.trim_end_matches('/').to_owned(), key: key.to_owned() })
    }
}

/// A page of a list, each item as it was written.
#[derive(Deserialize)]
struct Page {
    data: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

/// Items of a list that are asked for at once.
const PAGE: usize = 50;

impl Server {
    /// The one at `base`, which ends without a slash.
    pub(super) fn at(base: String, key: String) -> Self {
        Self { base, key }
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// What is at `path`, as it was written.
    pub(super) async fn get(&self, path: &str) -> Result<String> {
        self.ask(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &impl Serialize) -> Result<String> {
        self.ask(Method::POST, path, Some(serde_json::to_string(body)?)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<String> {
        self.ask(Method::DELETE, path, None).await
    }

    /// The first `limit` items of a list.
    pub(super) async fn list(&self, path: &str, query: &Query, limit: usize) -> Result<Vec<Box<RawValue>>> {
        let (mut items, mut query) = (Vec::new(), query.clone());
        while items.len() < limit {
            let page = query.clone().and("limit", Some((limit - items.len()).min(PAGE)));
            let page: Page = serde_json::from_str(&self.get(&page.at(path)).await?)
                .context("the server's answer is no list: is it a Waystation?")?;
            items.extend(page.data);
            let Some(cursor) = page.next_cursor else { break };
            query = query.without("cursor").and("cursor", Some(cursor));
        }
        Ok(items)
    }

    /// The first `limit` items of a list, read.
    pub(super) async fn values(&self, path: &str, query: &Query, limit: usize) -> Result<Vec<Value>> {
        let items = self.list(path, query, limit).await?;
        Ok(items.iter().map(|item| serde_json::from_str(item.get())).collect::<Result<_, _>>()?)
    }

    async fn ask(&self, method: Method, path: &str, body: Option<String>) -> Result<String> {
        let (status, answer) = self.exchange(method, path, body).await?;
        if !status.is_success() {
            let problem: Value = serde_json::from_str(&answer).unwrap_or_default();
            let detail = problem["detail"].as_str().unwrap_or("is it a Waystation?");
            bail!("{}{path} answered {status}: {detail}", self.base);
        }
        Ok(answer)
    }

    /// What is at `path`, whatever the status is with which it is answered.
    pub(super) async fn look(&self, path: &str) -> Result<(StatusCode, String)> {
        self.exchange(Method::GET, path, None).await
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<(StatusCode, String)> {
        let url: Uri = format!("{}{path}", self.base).parse().context("--url makes no address")?;
        let (status, body) = remote::ask(method, &url, &self.key, body).await?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    pub(super) fn and(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.0.extend(value.map(|value| (name, value.to_string())));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| *known != name);
        self
    }

    fn at(&self, path: &str) -> String {
        if self.0.is_empty() {
            return path.to_owned();
        }
        format!("{path}?{}", Serializer::new(String::new()).extend_pairs(&self.0).finish())
    }
}

/// A moment: an ISO 8601 time, the beginning of a day (UTC), or how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(Timestamp);

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if let Ok(ago) = text.parse::<Duration>() {
            return Ok(Self(SystemClock::new().now().minus(ago.as_std())));
        }
        let moment = Timestamp::parse(text).or_else(|_| Timestamp::parse(&format!("{text}T00:00:00Z")));
        moment.map(Self).map_err(|_| {
            "it must be a time such as 2026-11-21T09:30:00Z, a day such as 2026-11-21, or how long ago, such as 30d, 12h, \
             15m or 6s"
        })
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_utc() {
        let moment = |text: &str| text.parse::<Moment>();
        assert_eq!(moment("2026-11-21"), moment("2026-11-21T00:00:00Z"));
        assert_eq!(moment("2026-11-21T01:00:00+01:00"), moment("2026-11-21"));
        for wrong in ["2026-11-31", "21.11.2026", "yesterday", "2026-11-21T09:30:00", ""] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
