//! What has happened in a mailbox, asked for: a notice says only that something has.
//!
//! Sources: developers.google.com, the references of `users.history.list` (records after an id, in their order; 404 for
//! one that is too old), `users.messages.list`, `users.messages.get`, `users.threads.get` and `users.getProfile`;
//! "Usage limits" (units for each call, 6,000 a minute for each user).
//!
//! A walk asks for history, page by page, and for the details of each message that a page names. Where history does not
//! reach back, at the first time or after a long silence, it notes where history is now and then lists the messages
//! that have come in since: what comes in between is told by both, and known by its id.

use std::collections::VecDeque;
use std::time::Duration;

use domain::event::Json;
use domain::{EventType, Timestamp};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Gmail;
use super::backend::{Backend, FETCH_EMAILS_URL};
use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::connect::{Connectable, api_url};
use crate::poll::{Next, Page, Pollable, Walk, path_segment, written};
use crate::{Described, InboundEvent, Owner, Settings, google};

/// Records of one page of history, and messages of one page of a list. What they name is remembered until it is
/// fetched.
const PAGE_SIZE: usize = 100;
/// Messages that a page may name. A record may name many: then it was one change of them all.
const TOLD_MAX: usize = 5_000;

/// Units a minute that are used: the limit of 6,000, less the dearest call and some for others who show the same token.
const UNITS_MAX: u32 = 5_000;
const PROFILE_UNITS: u32 = 1;
const HISTORY_UNITS: u32 = 2;
const LIST_UNITS: u32 = 5;
const MESSAGE_UNITS: u32 = 20;
const THREAD_UNITS: u32 = 40;

/// A message's time is that of its arrival, by Google's clock; what is looked for begins so much earlier.
const SKEW_SECONDS: i64 = 600;

/// Headers that are told.
const HEADERS: [&str; 6] = ["From", "To", "Subject", "Date", "In-Reply-To", "References"];

/// Where a mailbox was left.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Cursor {
    /// The record up to which all is told; 0 where history has to begin anew.
    history_id: u64,
    /// When that was, in seconds since the Unix epoch; 0 before the first time.
    at: i64,
    /// What is done next.
    stage: Stage,
    /// The minute in which calls were last made, and the units that they took.
    minute: i64,
    units: u32,
}

/// What a walk asks for next.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// Records of history, of this page.
    #[default]
    History,
    HistoryPage(String),
    /// Where history is, since it does not reach back.
    Profile,
    /// Messages that have come in since, of this page.
    List(Option<String>),
    /// Details of what a page has told.
    Details(Box<Details>),
}

/// What a page has told, and is to be fetched before it can be told on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Details {
    told: VecDeque<Told>,
    /// The message of the first, or of the one before.
    message: Option<Message>,
    /// The page after it.
    then: Then,
}

/// What comes after the details of a page.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Then {
    HistoryPage(String),
    ListPage(String),
    /// Nothing: all is told up to here.
    Done,
}

/// One thing that has happened to a message.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Told {
    id: String,
    thread: String,
    /// The record that says so; 0 for a message that was found by itself.
    record: u64,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Added,
    Read,
    Unread,
    Trashed,
    Deleted(Vec<String>),
    Labels { added: Vec<String>, removed: Vec<String> },
}

/// What is told of a message.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Message {
    id: String,
    thread: String,
    labels: Vec<String>,
    /// When it came in, in milliseconds since the Unix epoch.
    at_ms: i64,
    from: Option<String>,
    to: Vec<String>,
    subject: Option<String>,
    in_reply_to: Option<String>,
}

impl Pollable for Gmail {
    fn name(&self) -> &'static str {
        Connectable::name(self)
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    fn instead(&self, settings: &Settings) -> Option<&'static dyn Pollable> {
        settings.first(FETCH_EMAILS_URL).map(|_| &Backend as &'static dyn Pollable)
    }

    fn ask(&self, settings: &Settings, token: &Token, walk: &Walk<'_>) -> ApiCall {
        let cursor: Cursor = walk.cursor();
        ApiCall::get(api_url(settings, &format!("/gmail/v1/users/me/{}", cursor.path(walk)))).bearer(token)
    }

    fn read(&self, walk: &Walk<'_>, answer: &ApiAnswer, now: Timestamp) -> Result<Page, CallFailure> {
        let mut cursor: Cursor = walk.cursor();
        let since = cursor.since(walk);
        cursor.count_units(now);
        let mut events = Vec::new();
        match cursor.stage() {
            Stage::History | Stage::HistoryPage(_) => cursor.read_history(answer, now)?,
            Stage::Profile => cursor.read_profile(answer, now)?,
            Stage::List(_) => cursor.read_list(answer, now)?,
            Stage::Details(details) => {
                cursor.read_details(details, walk.account_id, since, answer, now, &mut events)?;
            }
        }
        let next = cursor.go_on(walk.account_id, now, &mut events);
        let wait = cursor.wait(now).filter(|_| next == Next::More);
        Ok(Page { events, cursor: written(&cursor), next, wait })
    }

    fn event_types(&self) -> &'static [Described] {
        EVENT_TYPES
    }
}

impl Cursor {
    /// What is asked for next: history, if it is known where it was left.
    fn stage(&self) -> Stage {
        match &self.stage {
            Stage::History if self.history_id == 0 => Stage::Profile,
            stage => stage.clone(),
        }
    }

    fn path(&self, walk: &Walk<'_>) -> String {
        match self.stage() {
            Stage::History => self.history_path(None),
            Stage::HistoryPage(page) => self.history_path(Some(&page)),
            Stage::Profile => "profile".to_owned(),
            Stage::List(page) => {
                let since = self.since(walk);
                format!("messages?maxResults={PAGE_SIZE}&q=after:{since}{}", page_token(page.as_deref()))
            }
            Stage::Details(details) => details.path(),
        }
    }

    fn history_path(&self, page: Option<&str>) -> String {
        let kinds = "historyTypes=messageAdded&historyTypes=messageDeleted&historyTypes=labelAdded&historyTypes=labelRemoved";
        let (start, page) = (self.history_id, page_token(page));
        format!("history?startHistoryId={start}&maxResults={PAGE_SIZE}&{kinds}{page}")
    }

    /// From when on messages are news, in seconds since the Unix epoch, where history does not say.
    fn since(&self, walk: &Walk<'_>) -> i64 {
        (self.at - SKEW_SECONDS).max(walk.connected_at.as_seconds())
    }

    fn count_units(&mut self, now: Timestamp) {
        let units = match self.stage() {
            Stage::History | Stage::HistoryPage(_) => HISTORY_UNITS,
            Stage::Profile => PROFILE_UNITS,
            Stage::List(_) => LIST_UNITS,
            Stage::Details(details) if details.wants_thread() => THREAD_UNITS,
            Stage::Details(_) => MESSAGE_UNITS,
        };
        let minute = now.as_seconds() / 60;
        let before = if minute == self.minute { self.units } else { 0 };
        (self.minute, self.units) = (minute, before + units);
    }

    /// How long it takes until there are units again.
    fn wait(&self, now: Timestamp) -> Option<Duration> {
        let ends_at = Timestamp::from_seconds((self.minute + 1) * 60);
        (self.units > UNITS_MAX).then(|| ends_at.since(now))
    }

    fn read_profile(&mut self, answer: &ApiAnswer, now: Timestamp) -> Result<(), CallFailure> {
        let said = google::success(answer, now)?;
        // Noted before messages are listed: what comes in meanwhile is in both.
        self.history_id = number(&said["historyId"]).ok_or_else(|| unreadable("historyId"))?;
        self.stage = Stage::List(None);
        Ok(())
    }

    fn read_list(&mut self, answer: &ApiAnswer, now: Timestamp) -> Result<(), CallFailure> {
        let said = google::success(answer, now)?;
        let told = |message: &Value| {
            Some(Told { id: id(message)?, thread: thread(message)?, record: 0, what: What::Added })
        };
        // The newest comes first.
        let told = list(&said["messages"]).iter().rev().filter_map(told).take(TOLD_MAX).collect();
        let then = token(&said["nextPageToken"]).map_or(Then::Done, Then::ListPage);
        self.stage = Stage::Details(Box::new(Details { told, message: None, then }));
        Ok(())
    }

    fn read_history(&mut self, answer: &ApiAnswer, now: Timestamp) -> Result<(), CallFailure> {
        // What it says to a record that is too old, and to a page of one that has become so meanwhile.
        if matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST) {
            (self.history_id, self.stage) = (0, Stage::Profile);
            return Ok(());
        }
        let said = google::success(answer, now)?;
        let mut told = VecDeque::new();
        list(&said["history"]).iter().for_each(|record| tell_record(record, &mut told));
        if told.len() > TOLD_MAX {
            return Err(unreadable("a page of history that is so long"));
        }
        let then = match token(&said["nextPageToken"]) {
            Some(page) => Then::HistoryPage(page),
            None => {
                // All of it is remembered in what is still to be told.
                self.history_id = number(&said["historyId"]).unwrap_or(self.history_id);
                Then::Done
            }
        };
        self.stage = Stage::Details(Box::new(Details { told, message: None, then }));
        Ok(())
    }

    /// Reads a message, or the thread that says whether it is the first.
    fn read_details(
        &mut self,
        mut details: Box<Details>,
        mailbox: &str,
        since: i64,
        answer: &ApiAnswer,
        now: Timestamp,
        events: &mut Vec<InboundEvent>,
    ) -> Result<(), CallFailure> {
        let is_gone = answer.status == StatusCode::NOT_FOUND;
        if details.wants_thread() {
            let said = if is_gone { Value::Null } else { google::success(answer, now)? };
            details.tell_reply(mailbox, &said, events);
        } else if is_gone {
            details.tell_gone(mailbox, events);
        } else {
            details.take(message(&google::success(answer, now)?));
            details.drop_old(since);
        }
        self.stage = Stage::Details(details);
        Ok(())
    }

    /// Tells what needs no call, and finds what is next.
    fn go_on(&mut self, mailbox: &str, now: Timestamp, events: &mut Vec<InboundEvent>) -> Next {
        let Stage::Details(details) = &mut self.stage else { return Next::More };
        if details.tell_known(mailbox, events) {
            return Next::More;
        }
        self.stage = match details.then.clone() {
            Then::HistoryPage(page) => Stage::HistoryPage(page),
            Then::ListPage(page) => Stage::List(Some(page)),
            Then::Done => {
                (self.at, self.stage) = (now.as_seconds(), Stage::History);
                return Next::Done;
            }
        };
        Next::More
    }
}

impl Details {
    fn path(&self) -> String {
        let Some(first) = self.told.front() else { return "profile".to_owned() };
        if self.wants_thread() {
            return format!("threads/{}?format=minimal", path_segment(&first.thread));
        }
        let headers: String = HEADERS.iter().map(|name| format!("&metadataHeaders={name}")).collect();
        format!("messages/{}?format=metadata{headers}", path_segment(&first.id))
    }

    /// The message of the first, if it is known already.
    fn known(&self) -> Option<(&Told, &Message)> {
        let first = self.told.front()?;
        self.message.as_ref().filter(|message| message.id == first.id).map(|message| (first, message))
    }

    /// Whether it has to be found out if the thread has earlier messages. The first of a thread has the thread's id.
    fn wants_thread(&self) -> bool {
        self.known().is_some_and(|(first, message)| {
            first.what == What::Added && message.kind().is_some() && message.id != message.thread
        })
    }

    /// Tells what needs no call; whether one is needed for what is left.
    fn tell_known(&mut self, mailbox: &str, events: &mut Vec<InboundEvent>) -> bool {
        loop {
            let Some(first) = self.told.front() else { return false };
            if let What::Deleted(labels) = &first.what {
                let message = Message { labels: labels.clone(), ..Message::nothing_of(first) };
                events.push(first.event(mailbox, "email.deleted", &message, None));
            } else if self.wants_thread() || self.known().is_none() {
                return true;
            } else {
                self.tell_first(mailbox, None, events);
            }
            self.told.pop_front();
        }
    }

    fn tell_first(&self, mailbox: &str, thread: Option<&Value>, events: &mut Vec<InboundEvent>) {
        let Some((first, message)) = self.known() else { return };
        let Some(kind) = message.kind() else { return };
        let kind = first.what.event_type(kind);
        let earlier = (first.what == What::Added).then(|| has_earlier(message, thread));
        events.push(first.event(mailbox, kind, message, earlier));
    }

    fn tell_reply(&mut self, mailbox: &str, thread: &Value, events: &mut Vec<InboundEvent>) {
        self.tell_first(mailbox, Some(thread), events);
        self.told.pop_front();
    }

    /// Takes what was asked for, whatever it calls itself.
    fn take(&mut self, message: Message) {
        let Some(first) = self.told.front() else { return };
        self.message = Some(Message { id: first.id.clone(), thread: first.thread.clone(), ..message });
    }

    /// The message has been deleted since. That it came in is not told any more, what was done to it is.
    fn tell_gone(&mut self, mailbox: &str, events: &mut Vec<InboundEvent>) {
        let Some(first) = self.told.pop_front() else { return };
        if first.what != What::Added {
            let kind = first.what.event_type("");
            events.push(first.event(mailbox, kind, &Message::nothing_of(&first), None));
        }
    }

    /// What a list finds that was there before is no news.
    fn drop_old(&mut self, since: i64) {
        let is_old = self
            .known()
            .is_some_and(|(first, message)| first.record == 0 && message.at_ms < since.saturating_mul(1_000));
        if is_old {
            self.told.pop_front();
        }
    }
}

impl What {
    fn event_type(&self, added: &'static str) -> &'static str {
        match self {
            Self::Added => added,
            Self::Read => "email.read",
            Self::Unread => "email.unread",
            Self::Trashed => "email.trashed",
            Self::Deleted(_) => "email.deleted",
            Self::Labels { .. } => "email.labels_changed",
        }
    }
}

impl Message {
    /// What is known of a message that cannot be fetched.
    fn nothing_of(told: &Told) -> Self {
        Self { id: told.id.clone(), thread: told.thread.clone(), ..Self::default() }
    }

    /// What its coming in is: received or sent; `None` for drafts and chats, which are nobody's mail. One that somebody
    /// has sent to themselves is both, and is told as received.
    fn kind(&self) -> Option<&'static str> {
        let has = |label: &str| self.labels.iter().any(|known| known == label);
        match () {
            () if has("DRAFT") || has("CHAT") => None,
            () if has("SENT") && !has("INBOX") => Some("email.sent"),
            () => Some("email.received"),
        }
    }
}

impl Told {
    fn event(&self, mailbox: &str, kind: &str, message: &Message, earlier: Option<bool>) -> InboundEvent {
        let at = Some(message.at_ms).filter(|&at| at > 0);
        let at = at.map(|at| Timestamp::from_micros(at.saturating_mul(1_000)));
        let mut data = json!({
            "message_id": message.id, "thread_id": message.thread, "mailbox": mailbox,
            "from": message.from, "to": message.to, "subject": message.subject, "date": at,
            "labels": message.labels, "in_reply_to": message.in_reply_to, "thread_has_earlier": earlier,
        });
        if let What::Labels { added, removed } = &self.what {
            (data["added"], data["removed"]) = (json!(added), json!(removed));
        }
        // A message comes in once, whoever says so.
        let record = if self.what == What::Added { 0 } else { self.record };
        InboundEvent {
            event_type: EventType::from_words([kind]),
            dedupe_id: format!("{mailbox} {kind} {} {record}", self.id),
            recurrence: None,
            owner: Owner::Path,
            occurred_at: at.filter(|_| self.what == What::Added),
            data: Json::trusted(data.to_string()),
            is_whole_body: true,
        }
    }
}

/// What a record says, in the order of its lists; `messages` only repeats them.
fn tell_record(record: &Value, told: &mut VecDeque<Told>) {
    let number = number(&record["id"]).unwrap_or_default();
    let mut each = |field: &str, what: &dyn Fn(&Value) -> Vec<What>| {
        for entry in list(&record[field]) {
            let message = &entry["message"];
            let (Some(id), Some(thread)) = (id(message), thread(message)) else { continue };
            let is_draft = labels(&message["labelIds"]).iter().any(|label| label == "DRAFT");
            for what in what(entry).into_iter().filter(|_| !is_draft) {
                told.push_back(Told { id: id.clone(), thread: thread.clone(), record: number, what });
            }
        }
    };
    each("messagesAdded", &|_| vec![What::Added]);
    each("messagesDeleted", &|entry| vec![What::Deleted(labels(&entry["message"]["labelIds"]))]);
    each("labelsAdded", &|entry| changes(labels(&entry["labelIds"]), true));
    each("labelsRemoved", &|entry| changes(labels(&entry["labelIds"]), false));
}

/// What it means that labels were put on a message, or taken off.
fn changes(labels: Vec<String>, is_added: bool) -> Vec<What> {
    let mut changes = Vec::new();
    let (known, others): (Vec<_>, Vec<_>) =
        labels.into_iter().partition(|label| label == "UNREAD" || (label == "TRASH" && is_added));
    for label in known {
        changes.push(match (label.as_str(), is_added) {
            ("TRASH", _) => What::Trashed,
            (_, true) => What::Unread,
            (_, false) => What::Read,
        });
    }
    if !others.is_empty() {
        let (added, removed) = if is_added { (others, Vec::new()) } else { (Vec::new(), others) };
        changes.push(What::Labels { added, removed });
    }
    changes
}

/// Whether a thread has a message that came in before this one.
fn has_earlier(message: &Message, thread: Option<&Value>) -> bool {
    let is_earlier = |other: &Value| {
        let at = number(&other["internalDate"]).and_then(|at| i64::try_from(at).ok());
        id(other).is_some_and(|id| id != message.id) && at.is_some_and(|at| at <= message.at_ms)
    };
    thread.is_some_and(|thread| list(&thread["messages"]).iter().any(is_earlier))
}

fn message(said: &Value) -> Message {
    let header = |wanted: &str| {
        let headers = list(&said["payload"]["headers"]);
        let is_it =
            |header: &&Value| header["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
        headers.iter().find(is_it)?["value"].as_str().map(str::trim).filter(|text| !text.is_empty())
    };
    let last_reference = || header("References").and_then(|all| all.split_whitespace().last());
    Message {
        id: id(said).unwrap_or_default(),
        thread: thread(said).unwrap_or_default(),
        labels: labels(&said["labelIds"]),
        at_ms: number(&said["internalDate"]).and_then(|at| i64::try_from(at).ok()).unwrap_or_default(),
        from: header("From").map(str::to_owned),
        to: header("To").map(addresses).unwrap_or_default(),
        subject: header("Subject").map(str::to_owned),
        in_reply_to: header("In-Reply-To").or_else(last_reference).map(str::to_owned),
    }
}

/// Splits a list of addresses at its commas, but not at those in names or in angle brackets (RFC 5322, 3.4).
pub(crate) fn addresses(text: &str) -> Vec<String> {
    let (mut is_quoted, mut is_escaped, mut depth) = (false, false, 0_u32);
    let parts = text.split(|c: char| {
        let is_plain = !is_quoted && depth == 0;
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '<' | '(' if !is_quoted => depth += 1,
            '>' | ')' if !is_quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && is_plain
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn labels(value: &Value) -> Vec<String> {
    list(value).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn id(message: &Value) -> Option<String> {
    message["id"].as_str().map(str::to_owned)
}

fn thread(message: &Value) -> Option<String> {
    message["threadId"].as_str().map(str::to_owned)
}

fn token(value: &Value) -> Option<String> {
    value.as_str().filter(|token| !token.is_empty()).map(str::to_owned)
}

/// Google writes numbers of 64 bits as texts, mostly.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn page_token(page: Option<&str>) -> String {
    page.map(|page| format!("&pageToken={}", path_segment(page))).unwrap_or_default()
}

fn unreadable(what: &str) -> CallFailure {
    CallFailure::Unreadable(format!("{what} is not what Gmail answers"))
}

const EVENT_TYPES: &[Described] = &[
    Described::new("email.read", "An email was marked as read", EXAMPLE),
    Described::new("email.unread", "An email was marked as unread", EXAMPLE),
    Described::new("email.trashed", "An email was put into the trash", EXAMPLE),
    Described::new("email.deleted", "An email was deleted for good; only its ids are known", EXAMPLE),
    Described::new(
        "email.labels_changed",
        "Labels were put on an email, or taken off; `added` and `removed` name them",
        r#"{"message_id":"18c3f2a9d1e4b7a0","thread_id":"18c3f2a9d1e4b700","mailbox":"alice@example.com","from":"Bob <bob@example.com>","to":["alice@example.com"],"subject":"Mend the door","date":"2026-11-21T09:30:00.125Z","labels":["Label_1"],"in_reply_to":null,"thread_has_earlier":null,"added":[],"removed":["INBOX"]}"#,
    ),
];

const EXAMPLE: &str = r#"{"message_id":"18c3f2a9d1e4b7a0","thread_id":"18c3f2a9d1e4b700","mailbox":"alice@example.com","from":"Bob <bob@example.com>","to":["alice@example.com"],"subject":"Mend the door","date":"2026-11-21T09:30:00.125Z","labels":["INBOX"],"in_reply_to":null,"thread_has_earlier":null}"#;
