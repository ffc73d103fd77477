//! E-mails that somebody else fetches for us, in the shape of Composio's tool `GMAIL_FETCH_EMAILS`: what to ask for
//! from a cursor on, and what a page of messages says.
//!
//! Source: the tool's own schema. It finds messages, and knows nothing of what is done to them.

use domain::event::Json;
use domain::{EventType, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::poll::{Next, Page, Walk, written};
use crate::{InboundEvent, Owner};

/// Messages of one page: they come with their texts.
pub(crate) const PAGE_SIZE: u32 = 25;
/// Pages that a walk reads.
const PAGES_MAX: u32 = 40;
/// What is newer than the newest that was seen, less this, is told again, and known by its id.
const SKEW_SECONDS: i64 = 600;

/// Where a mailbox was left.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Cursor {
    /// When the newest message came in that an earlier walk has seen, in seconds since the Unix epoch.
    seen: Option<i64>,
    /// The same of the walk that is under way, with the next page and how many were read.
    newest: Option<i64>,
    pub(crate) page: Option<String>,
    pages: u32,
}

impl Cursor {
    /// From when on messages are news, in seconds since the Unix epoch.
    pub(crate) fn since(&self, walk: &Walk<'_>) -> i64 {
        let connected_at = walk.connected_at.as_seconds();
        self.seen.map_or(connected_at, |seen| (seen - SKEW_SECONDS).max(connected_at))
    }

    /// Reads what was found. An event is known by what `dedupe_id` makes of its type and the message's id.
    pub(crate) fn read(
        mut self,
        walk: &Walk<'_>,
        data: &Value,
        mailbox: Option<&str>,
        dedupe_id: impl Fn(&str, &str) -> String,
    ) -> Page {
        let since = self.since(walk);
        let messages = data["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let told = messages.iter().rev().filter_map(|message| email(message, mailbox, &dedupe_id));
        let told: Vec<_> = told.filter(|(at, _)| *at >= since).collect();
        self.newest = self.newest.max(told.iter().map(|(at, _)| *at).max());
        self.pages += 1;
        self.page = data["nextPageToken"].as_str().filter(|page| !page.is_empty()).map(str::to_owned);
        let is_last = self.page.is_none() || told.is_empty() || self.pages >= PAGES_MAX;
        if is_last {
            self = Self { seen: self.seen.max(self.newest), ..Self::default() };
        }
        let next = if is_last { Next::Done } else { Next::More };
        let events = told.into_iter().map(|(_, event)| event).collect();
        Page { events, cursor: written(&self), next, wait: None }
    }
}

/// When a message came in, and what is told of it; `None` for a draft.
fn email(
    message: &Value,
    mailbox: Option<&str>,
    dedupe_id: &impl Fn(&str, &str) -> String,
) -> Option<(i64, InboundEvent)> {
    let text = |field: &str| message[field].as_str().filter(|text| !text.is_empty());
    let (id, thread) = (text("messageId")?, text("threadId").or_else(|| text("messageId"))?);
    let at = Timestamp::parse(text("messageTimestamp")?).ok()?;
    let labels: Vec<_> =
        message["labelIds"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let kind = match () {
        () if labels.contains(&"DRAFT") => return None,
        () if labels.contains(&"SENT") && !labels.contains(&"INBOX") => "email.sent",
        () => "email.received",
    };
    let data = json!({
        "message_id": id, "thread_id": thread, "mailbox": mailbox, "from": text("sender"),
        "to": text("to").map(crate::gmail::addresses).unwrap_or_default(), "subject": text("subject"),
        "date": at, "labels": labels, "in_reply_to": in_reply_to(message),
        // The first message of a thread has the thread's id.
        "thread_has_earlier": id != thread,
    });
    let event = InboundEvent {
        event_type: EventType::from_words([kind]),
        dedupe_id: dedupe_id(kind, id),
        recurrence: None,
        owner: Owner::Path,
        occurred_at: Some(at),
        data: Json::trusted(data.to_string()),
        is_whole_body: true,
    };
    Some((at.as_seconds(), event))
}

fn in_reply_to(message: &Value) -> Option<&str> {
    let headers = message["payload"]["headers"].as_array()?;
    let is_it = |header: &&Value| {
        header["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case("In-Reply-To"))
    };
    headers.iter().find(is_it)?["value"].as_str()
}
