//! Follows a server's log over its API, across whatever happens to the server.
//!
//! It asks for a list again and again. Events are listed by their ids, which are made a little before they are kept: so
//! each time it looks back a little further than it has seen, and leaves out what it knows.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use domain::event::Json;
use domain::subscription::TypePattern;
use domain::{Event, EventId, EventType, Timestamp, UserId};
use engine::remote::{Answer, Caller, NoAnswer};
use futures::stream::{self, Stream};
use http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use url::form_urlencoded::Serializer;

/// How often the server is asked.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// How long to wait for a server that is away, at most.
const AWAY_PAUSE_MAX: Duration = Duration::from_secs(4);

/// An event is kept within ten seconds of being given its id, or not at all.
const LOOK_BACK: Duration = Duration::from_secs(15);

/// Events asked for at once, and bytes of an answer. An event may have 25 MiB, so after an answer that was too long
/// they are asked for one by one.
const PAGE: u32 = 20;
const PAGE_BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// Whose events, and which.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) user: Option<UserId>,
    pub(super) types: Vec<TypePattern>,
}

/// What is heard of the server.
#[derive(Debug)]
pub(super) enum News {
    /// This came in.
    Event(Box<Event>),
    /// It does not answer, for this reason; it is asked again.
    Away(String),
    /// It answers again.
    Back,
}

/// Somebody who follows a log.
#[derive(Debug)]
pub(super) struct Follower {
    caller: Caller,
    url: String,
    key: String,
    wanted: Wanted,
    /// Where the log ended when it was last read to its end.
    head: Option<String>,
    /// What was received before this is known.
    since: Option<Timestamp>,
    /// What was received since then and is known.
    known: HashMap<EventId, Timestamp>,
    is_away: bool,
    pause: Duration,
}

impl Follower {
    /// Follows the log from its end as it is now.
    ///
    /// # Errors
    /// The server is not there, or refuses the key.
    pub(super) async fn open(url: &str, key: &str, wanted: Wanted) -> Result<Self> {
        let mut follower = Self {
            caller: Caller::default(),
            url: url.to_owned(),
            key: key.to_owned(),
            wanted,
            head: None,
            since: None,
            known: HashMap::new(),
            is_away: false,
            pause: ASK_EVERY,
        };
        follower.go_to_end().await?;
        Ok(follower)
    }

    /// What comes in from now on, the oldest first. It ends with an error that asking again will not mend.
    pub(super) fn news(self) -> impl Stream<Item = Result<News>> {
        let state = (Some(self), Vec::new());
        stream::unfold(state, |(follower, mut heard)| async {
            let mut follower = follower?;
            loop {
                if let Some(news) = heard.pop() {
                    return Some((Ok(news), (Some(follower), heard)));
                }
                tokio::time::sleep(follower.pause).await;
                match follower.ask().await {
                    Ok(mut news) => {
                        news.reverse();
                        heard = news;
                    }
                    Err(error) => return Some((Err(error), (None, heard))),
                }
            }
        })
    }

    /// What is there is known, as far back as anything could still turn up.
    async fn go_to_end(&mut self) -> Result<()> {
        let newest = match self.page(None, 1).await {
            Ok(page) => page.events.first().map(|shown| shown.received_at),
            Err(Trouble::Passing(why) | Trouble::Lasting(why)) => bail!(why),
            Err(Trouble::TooLong) => bail!("the newest event is too long to be read"),
        };
        let Some(newest) = newest else { return Ok(()) };
        self.since = Some(newest.minus(LOOK_BACK));
        match self.read_new().await {
            Ok(_) => Ok(()),
            Err(Trouble::Passing(why) | Trouble::Lasting(why)) => bail!(why),
            Err(Trouble::TooLong) => bail!("an event is too long to be read"),
        }
    }

    async fn ask(&mut self) -> Result<Vec<News>> {
        match self.read_new().await {
            Ok(events) => {
                let back = std::mem::take(&mut self.is_away).then_some(News::Back);
                self.pause = ASK_EVERY;
                let types = &self.wanted.types;
                let events =
                    events.into_iter().filter(|event| types.iter().any(|t| t.matches(&event.event_type)));
                Ok(back.into_iter().chain(events.map(|event| News::Event(Box::new(event)))).collect())
            }
            Err(Trouble::Lasting(why)) => bail!(why),
            Err(Trouble::TooLong) => bail!("an event is longer than {PAGE_BYTES_MAX} bytes"),
            Err(Trouble::Passing(why)) => {
                self.pause = (self.pause * 2).min(AWAY_PAUSE_MAX);
                let is_news = !std::mem::replace(&mut self.is_away, true);
                Ok(is_news.then_some(News::Away(why)).into_iter().collect())
            }
        }
    }

    /// Events that are not known yet, the oldest first. Only once all of them are read do they count as known.
    async fn read_new(&mut self) -> Result<Vec<Event>, Trouble> {
        let (mut new, mut cursor, mut head) = (Vec::<Event>::new(), None, None);
        loop {
            let page = match self.page(cursor.as_deref(), PAGE).await {
                Err(Trouble::TooLong) => self.page(cursor.as_deref(), 1).await?,
                page => page?,
            };
            // Nothing was kept since, so there is nothing to look for.
            if new.is_empty() && head.is_none() && page.head.is_some() && page.head == self.head {
                return Ok(new);
            }
            head = head.or(page.head);
            for shown in page.events {
                if !self.known.contains_key(&shown.id) {
                    new.push(shown.into_event()?);
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        new.sort_by_key(|event| event.id);
        self.head = head;
        self.know(&new);
        Ok(new)
    }

    fn know(&mut self, new: &[Event]) {
        self.known.extend(new.iter().map(|event| (event.id, event.received_at)));
        let Some(newest) = self.known.values().max() else { return };
        let since = newest.minus(LOOK_BACK);
        self.known.retain(|_, received_at| *received_at >= since);
        self.since = Some(since);
    }

    async fn page(&self, cursor: Option<&str>, limit: u32) -> Result<Page, Trouble> {
        let mut query = Serializer::new(String::new());
        query.append_pair("limit", &limit.to_string());
        if let Some(user) = &self.wanted.user {
            query.append_pair("user_id", user.as_str());
        }
        if let Some(since) = self.since {
            query.append_pair("since", &since.to_string());
        }
        if let Some(cursor) = cursor {
            query.append_pair("cursor", cursor);
        }
        let url = format!("{}/api/events?{}", self.url, query.finish());
        let url: Uri = url.parse().map_err(|_| Trouble::Lasting(format!("{} is no URL", self.url)))?;
        let answer = self.caller.get(&url, Some(&self.key), PAGE_BYTES_MAX).await?;
        Page::read(&self.url, &answer)
    }
}

/// Why nothing could be read.
#[derive(Debug)]
enum Trouble {
    /// It may pass.
    Passing(String),
    /// It will not.
    Lasting(String),
    /// The answer was longer than is read.
    TooLong,
}

impl From<NoAnswer> for Trouble {
    fn from(error: NoAnswer) -> Self {
        match error {
            NoAnswer::TooLong(..) => Self::TooLong,
            NoAnswer::NotARequest(_) => Self::Lasting(error.to_string()),
            NoAnswer::Unreachable(url, why) => {
                let server = url.authority().map(ToString::to_string).unwrap_or_default();
                Self::Passing(format!("no answer from {server}: {why}"))
            }
        }
    }
}

/// A page of the list.
struct Page {
    events: Vec<Shown>,
    next: Option<String>,
    head: Option<String>,
}

impl Page {
    fn read(server: &str, answer: &Answer) -> Result<Self, Trouble> {
        #[derive(Deserialize)]
        struct Listed {
            data: Vec<Shown>,
            next_cursor: Option<String>,
        }
        let Answer { status, headers, body } = answer;
        if !status.is_success() {
            let why = format!("{server} answered {status}: {}", detail(body));
            let may_pass = status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS;
            return Err(if may_pass { Trouble::Passing(why) } else { Trouble::Lasting(why) });
        }
        let listed: Listed = serde_json::from_slice(body)
            .map_err(|error| Trouble::Lasting(format!("{server} answered with something else: {error}")))?;
        let head = headers.get("x-cursor").and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Self { events: listed.data, next: listed.next_cursor, head })
    }
}

/// What a problem document says, or what else was answered.
fn detail(body: &Bytes) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    problem["detail"].as_str().unwrap_or(&text).to_owned()
}

/// An event as the API shows it.
#[derive(Deserialize)]
struct Shown {
    #[serde(deserialize_with = "parsed")]
    id: EventId,
    #[serde(rename = "type", deserialize_with = "parsed")]
    event_type: EventType,
    user_id: Option<String>,
    source: String,
    provider: Option<String>,
    occurred_at: Timestamp,
    received_at: Timestamp,
    data: Box<RawValue>,
}

fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

impl Shown {
    fn into_event(self) -> Result<Event, Trouble> {
        let odd = |what: &dyn std::fmt::Display| Trouble::Lasting(format!("{}: {what}", self.id));
        let user_id = self.user_id.as_deref().map(str::parse).transpose().map_err(|error| odd(&error))?;
        Ok(Event {
            id: self.id,
            event_type: self.event_type,
            user_id,
            data: Json::from_text(self.data.get()).map_err(|error| odd(&error))?,
            source: self.source.into(),
            provider: self.provider.map(Into::into),
            occurred_at: self.occurred_at,
            received_at: self.received_at,
            raw: None,
        })
    }
}
