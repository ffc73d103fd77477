//! Gmail: mailboxes, and the history of what was done in them.
//!
//! Source: the references of `users.history.list`, `users.messages.list`, `users.messages.get`, `users.threads.get`,
//! `users.getProfile`, and "Usage limits".

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::accounts::{account, google_refusal};
use crate::clock::iso_millis;
use crate::world::World;

/// Units that a user may use up in a minute.
const UNITS_MAX: u32 = 6_000;

/// By address.
pub(crate) type Mailboxes = HashMap<String, Mailbox>;

/// A mailbox.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    messages: Vec<Message>,
    records: Vec<(u64, Value)>,
    /// The last record.
    history_id: u64,
    /// History up to here is forgotten.
    forgotten: u64,
    /// The minute in which it was last called for, and the units of it.
    minute: i64,
    units: u32,
}

#[derive(Debug, Clone)]
struct Message {
    id: String,
    thread: String,
    labels: Vec<String>,
    at: i64,
    headers: Vec<(&'static str, String)>,
}

/// A mail that comes in or goes out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mail<'m> {
    /// `From`.
    pub from: &'m str,
    /// `To`.
    pub to: &'m str,
    /// `Subject`.
    pub subject: &'m str,
    /// The id of the message that it answers, in whose thread it then is.
    pub replies_to: Option<&'m str>,
    /// Its labels, such as `INBOX` and `UNREAD`, or `SENT`.
    pub labels: &'m [&'m str],
}

impl World {
    /// A mail is put into a mailbox; its id.
    pub fn mail(&self, address: &str, mail: &Mail<'_>) -> String {
        let at = self.now();
        let mut data = self.data();
        let mailbox = data.gmail.entry(address.to_owned()).or_default();
        let id = format!("{:016x}", 0x18c3_f2a9_d1e4_0000_u64 + mailbox.messages.len() as u64);
        let answered = mailbox.messages.iter().find(|known| Some(known.id.as_str()) == mail.replies_to);
        let thread = answered.map_or_else(|| id.clone(), |known| known.thread.clone());
        let mut headers = vec![
            ("From", mail.from.to_owned()),
            ("To", mail.to.to_owned()),
            ("Subject", mail.subject.to_owned()),
            ("Message-Id", format!("<{id}@sandbox>")),
        ];
        if let Some(answered) = mail.replies_to {
            headers.push(("in-reply-to", format!("<{answered}@sandbox>")));
        }
        let labels = mail.labels.iter().map(|&label| label.to_owned()).collect();
        mailbox.messages.push(Message { id: id.clone(), thread, labels, at, headers });
        mailbox.record(&id, "messagesAdded", None);
        drop(data);
        self.tell_of_mail(address, &id, mail);
        id
    }

    /// Labels are put on a message. `TRASH` throws it away, `UNREAD` makes it unread.
    pub fn put_labels(&self, mailbox: &str, id: &str, labels: &[&str]) {
        self.data().gmail.entry(mailbox.to_owned()).or_default().label(id, labels, true);
        self.tell_of_mailbox(mailbox);
    }

    /// Labels are taken off a message. Without `UNREAD` it is read.
    pub fn take_labels(&self, mailbox: &str, id: &str, labels: &[&str]) {
        self.data().gmail.entry(mailbox.to_owned()).or_default().label(id, labels, false);
        self.tell_of_mailbox(mailbox);
    }

    /// A message is deleted for good.
    pub fn delete_mail(&self, mailbox: &str, id: &str) {
        let mut data = self.data();
        let deleted_from = data.gmail.entry(mailbox.to_owned()).or_default();
        deleted_from.record(id, "messagesDeleted", None);
        deleted_from.messages.retain(|message| message.id != id);
        drop(data);
        self.tell_of_mailbox(mailbox);
    }

    /// Forgets the history of a mailbox up to now, as happens after a week or so.
    pub fn forget_history(&self, mailbox: &str) {
        let mut data = self.data();
        let mailbox = data.gmail.entry(mailbox.to_owned()).or_default();
        mailbox.history_id += 1;
        mailbox.forgotten = mailbox.history_id;
    }
}

impl World {
    /// The last record of a mailbox.
    pub(crate) fn history_id(&self, mailbox: &str) -> u64 {
        self.data().gmail.get(mailbox).map_or(1, |mailbox| mailbox.history_id)
    }

    /// What came into a mailbox from a time on, in seconds since the Unix epoch, as Composio tells of it; the newest
    /// first.
    pub(crate) fn mails_after(&self, mailbox: &str, after: i64) -> Vec<Value> {
        let data = self.data();
        let messages = data.gmail.get(mailbox).map(|mailbox| mailbox.messages.as_slice()).unwrap_or_default();
        let found = messages.iter().rev().filter(|message| message.at >= after);
        found.map(Message::of_composio).collect()
    }
}

impl Mailbox {
    fn label(&mut self, id: &str, labels: &[&str], is_added: bool) {
        let Some(message) = self.messages.iter_mut().find(|message| message.id == id) else { return };
        message.labels.retain(|known| !labels.contains(&known.as_str()));
        if is_added {
            message.labels.extend(labels.iter().map(|&label| label.to_owned()));
        }
        self.record(id, if is_added { "labelsAdded" } else { "labelsRemoved" }, Some(labels));
    }

    fn record(&mut self, id: &str, kind: &str, labels: Option<&[&str]>) {
        let Some(message) = self.messages.iter().find(|message| message.id == id) else { return };
        let short = json!({ "id": message.id, "threadId": message.thread, "labelIds": message.labels });
        let mut entry = json!({ "message": short });
        if let Some(labels) = labels {
            entry["labelIds"] = json!(labels);
        }
        // Ids grow, and not by one.
        self.history_id += 7;
        let id = self.history_id;
        let bare = json!([{ "id": message.id, "threadId": message.thread }]);
        self.records.push((id, json!({ "id": id.to_string(), "messages": bare, kind: [entry] })));
    }

    /// Uses up units; whether there were any left.
    fn spend(&mut self, units: u32, minute: i64) -> bool {
        let before = if minute == self.minute { self.units } else { 0 };
        (self.minute, self.units) = (minute, before + units);
        self.units <= UNITS_MAX
    }
}

type Answered = Result<Value, StatusCode>;

/// Answers what `answer` makes of the mailbox of a token, if there are units left.
fn with_mailbox(
    world: &World,
    headers: &HeaderMap,
    units: u32,
    answer: impl FnOnce(&str, &Mailbox) -> Answered,
) -> Response {
    let Some(account) = account(world, "gmail", headers) else { return google_refusal() };
    if let Some(status) = world.count_api_call("gmail") {
        return refused(status, "backendError");
    }
    let minute = world.now() / 60;
    let mut data = world.data();
    let mailbox =
        data.gmail.entry(account.clone()).or_insert_with(|| Mailbox { history_id: 1, ..Mailbox::default() });
    if !mailbox.spend(units, minute) {
        return refused(StatusCode::FORBIDDEN, "userRateLimitExceeded");
    }
    match answer(&account, mailbox) {
        Ok(body) => Json(body).into_response(),
        Err(StatusCode::NOT_FOUND) => refused(StatusCode::NOT_FOUND, "notFound"),
        Err(status) => refused(status, "invalidArgument"),
    }
}

fn refused(status: StatusCode, reason: &str) -> Response {
    let code = status.as_u16();
    let errors = json!([{ "message": "No.", "domain": "global", "reason": reason }]);
    (status, Json(json!({ "error": { "code": code, "message": "No.", "errors": errors } }))).into_response()
}

/// `GET /gmail/v1/users/me/profile`.
pub(crate) async fn profile(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    with_mailbox(&world, &headers, 1, |address, mailbox| {
        Ok(json!({
            "emailAddress": address, "messagesTotal": mailbox.messages.len(), "threadsTotal": 0,
            "historyId": mailbox.history_id.to_string(),
        }))
    })
}

/// `GET /gmail/v1/users/me/history`: records after one, in their order.
pub(crate) async fn history(
    State(world): State<Arc<World>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    with_mailbox(&world, &headers, 2, |_, mailbox| {
        let query = Fields::parse(query.as_deref());
        let start: u64 =
            query.one("startHistoryId").and_then(|id| id.parse().ok()).ok_or(StatusCode::BAD_REQUEST)?;
        if start < mailbox.forgotten {
            return Err(StatusCode::NOT_FOUND);
        }
        let wanted = query.all("historyTypes");
        let is_wanted = |record: &Value| {
            let kinds = [
                ("messageAdded", "messagesAdded"),
                ("messageDeleted", "messagesDeleted"),
                ("labelAdded", "labelsAdded"),
                ("labelRemoved", "labelsRemoved"),
            ];
            wanted.is_empty()
                || kinds.iter().any(|(kind, field)| wanted.contains(kind) && record.get(field).is_some())
        };
        let records = mailbox.records.iter().filter(|(id, record)| *id > start && is_wanted(record));
        let records: Vec<_> = records.map(|(_, record)| record.clone()).collect();
        let (page, next) = query.page(&records, 500)?;
        let mut body = json!({ "historyId": mailbox.history_id.to_string() });
        // Left out where it is empty.
        if !page.is_empty() {
            body["history"] = json!(page);
        }
        Ok(with_next(body, next))
    })
}

/// `GET /gmail/v1/users/me/messages`, the newest first. Of queries only `after:` is understood.
pub(crate) async fn messages(
    State(world): State<Arc<World>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    with_mailbox(&world, &headers, 5, |_, mailbox| {
        let query = Fields::parse(query.as_deref());
        let after =
            query.one("q").and_then(|q| q.strip_prefix("after:")).and_then(|at| at.parse::<i64>().ok());
        let is_thrown =
            |message: &Message| message.labels.iter().any(|label| label == "TRASH" || label == "SPAM");
        let found = mailbox.messages.iter().rev();
        let found =
            found.filter(|message| after.is_none_or(|after| message.at >= after) && !is_thrown(message));
        let found: Vec<_> =
            found.map(|message| json!({ "id": message.id, "threadId": message.thread })).collect();
        let (page, next) = query.page(&found, 500)?;
        let mut body = json!({ "resultSizeEstimate": found.len() });
        if !page.is_empty() {
            body["messages"] = json!(page);
        }
        Ok(with_next(body, next))
    })
}

/// `GET /gmail/v1/users/me/messages/{id}`.
pub(crate) async fn message(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    with_mailbox(&world, &headers, 20, |_, mailbox| {
        let query = Fields::parse(query.as_deref());
        let message =
            mailbox.messages.iter().find(|message| message.id == id).ok_or(StatusCode::NOT_FOUND)?;
        let wanted = query.all("metadataHeaders");
        let is_wanted =
            |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        let shown = message.headers.iter().filter(|(name, _)| is_wanted(name));
        let shown: Vec<_> = shown.map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let mut body = message.minimal();
        if query.one("format") != Some("minimal") {
            body["payload"] = json!({ "mimeType": "text/plain", "headers": shown });
        }
        Ok(body)
    })
}

/// `GET /gmail/v1/users/me/threads/{id}`.
pub(crate) async fn thread(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    with_mailbox(&world, &headers, 40, |_, mailbox| {
        let messages = mailbox.messages.iter().filter(|message| message.thread == id);
        let messages: Vec<_> = messages.map(Message::minimal).collect();
        let is_there = !messages.is_empty();
        is_there.then(|| json!({ "id": id, "messages": messages })).ok_or(StatusCode::NOT_FOUND)
    })
}

impl Message {
    fn of_composio(&self) -> Value {
        let header = |wanted: &str| {
            let is_it = |(name, _): &&(&str, String)| name.eq_ignore_ascii_case(wanted);
            self.headers.iter().find(is_it).map(|(_, value)| value.as_str())
        };
        let headers = self.headers.iter().map(|(name, value)| json!({ "name": name, "value": value }));
        json!({
            "messageId": self.id, "threadId": self.thread, "labelIds": self.labels,
            "messageTimestamp": iso_millis(self.at * 1_000).replace(".000Z", "Z"), "sender": header("from"),
            "to": header("to"), "subject": header("subject"), "messageText": "", "attachmentList": [],
            "payload": { "mimeType": "text/plain", "headers": headers.collect::<Vec<_>>() },
        })
    }

    fn minimal(&self) -> Value {
        json!({
            "id": self.id, "threadId": self.thread, "labelIds": self.labels, "snippet": "",
            "internalDate": (self.at * 1_000).to_string(), "sizeEstimate": 1_024,
        })
    }
}

fn with_next(mut body: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        body["nextPageToken"] = next.into();
    }
    body
}

/// A query whose fields may come more than once.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(query: Option<&str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    fn all(&self, wanted: &str) -> Vec<&str> {
        self.0.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str()).collect()
    }

    fn one(&self, wanted: &str) -> Option<&str> {
        self.all(wanted).first().copied()
    }

    /// A page, and the token of the next.
    fn page<'v>(
        &self,
        all: &'v [Value],
        size_max: usize,
    ) -> Result<(&'v [Value], Option<String>), StatusCode> {
        let number = |name: &str, usual: usize| match self.one(name) {
            Some(text) => text.trim_start_matches("page-").parse().map_err(|_| StatusCode::BAD_REQUEST),
            None => Ok(usual),
        };
        let (size, from) = (number("maxResults", 100)?.min(size_max), number("pageToken", 0)?.min(all.len()));
        let to = (from + size).min(all.len());
        Ok((&all[from..to], (to < all.len()).then(|| format!("page-{to}"))))
    }
}
