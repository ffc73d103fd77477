//! What is said in Slack's conversations, asked for: a safety net behind its events, which it drops when they are late.
//!
//! Sources: docs.slack.dev, the references of `auth.test`, `users.conversations`, `conversations.history` (the newest
//! first; threads are not in it, but each message says when the last reply to it came) and `conversations.replies` (the
//! oldest first, and before them the message that the thread begins with), "Rate limits" (each method has its own, for
//! each workspace and application), and the change of May 2025: applications outside the marketplace may ask for
//! history, and for replies, once a minute, and get fifteen messages each time. Nobody tells which of these an
//! application is, so all keep to that.
//!
//! A walk lists the conversations that the token can read, and reads each from where it was left: first its messages,
//! and then the threads in which something was said since. That is seen of threads that begin on the pages that are
//! read; so these reach back a week. A reply in an older thread is told by events alone, and so is what becomes of a
//! message.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use domain::EventType;
use domain::Timestamp;
use domain::event::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::messages::time;
use super::{Slack, check_ok, message_id};
use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::connect::{Connectable, api_url};
use crate::poll::{Next, Pace, Page, Pollable, Walk, path_segment, written};
use crate::{InboundEvent, Owner, Settings};

/// Calls for history, and calls for replies, for each workspace.
const CALLS_EVERY: Duration = Duration::from_secs(60);
/// Messages, or conversations, of one page. It may have fewer.
const PAGE_SIZE: usize = 200;
/// Conversations that are read for one account.
const CONVERSATIONS_MAX: usize = 1_000;
/// Threads of one conversation that are read with it: an hour's calls. Of more, those in which something was said last.
const THREADS_MAX: usize = 60;
/// How far back messages are looked at again for replies. A page is asked for anyway, and has room for them.
const LOOKED_BACK: Duration = Duration::from_secs(7 * 86_400);
/// Characters of what Slack calls a conversation or a page.
const NAME_BYTES_MAX: usize = 512;

/// What Slack says of a conversation that cannot be read, or not any more. The others can.
const UNREADABLE: [&str; 5] =
    ["channel_not_found", "not_in_channel", "missing_scope", "no_permission", "not_allowed_token_type"];
/// What it says of a thread that is gone.
const NO_THREAD: &str = "thread_not_found";

/// Where a workspace was left.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Cursor {
    /// What it is called; empty before that is known.
    team: String,
    /// By conversation, the moment of the newest message or reply that was told.
    told: BTreeMap<String, String>,
    /// Whether the token may see public conversations alone: an older grant.
    is_narrow: bool,
    /// What is asked for next.
    stage: Stage,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// Conversations: those that were found, and the page that is next.
    List { found: Vec<String>, page: Option<String> },
    /// Messages of the conversation that is read.
    History(Place),
    /// Replies: in the first of the threads that were seen there.
    Replies(Place),
}

/// How far the conversations are read.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Place {
    /// Those that are left. The first is the one that is read.
    left: VecDeque<String>,
    /// The page that is next.
    page: Option<String>,
    /// What the pages before it have shown.
    seen: Seen,
}

/// What the pages of a conversation have shown.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    /// The newest moment that the first of them knows of. Later ones are of a later time: between the two somebody may
    /// have said something that none of them has.
    newest: Option<String>,
    /// Threads in which something was said since, by the moments of the messages that they begin with, each with that
    /// of its last reply.
    threads: VecDeque<(String, String)>,
}

impl Default for Stage {
    fn default() -> Self {
        Self::List { found: Vec::new(), page: None }
    }
}

impl Pollable for Slack {
    fn name(&self) -> &'static str {
        Connectable::name(self)
    }

    fn every(&self) -> Duration {
        Duration::from_secs(4 * 3_600)
    }

    fn pace(&self, walk: &Walk<'_>) -> Option<Pace> {
        let Cursor { team, stage, .. } = walk.cursor();
        let method = match stage {
            Stage::List { .. } => return None,
            Stage::History(_) => "history",
            Stage::Replies(_) => "replies",
        };
        Some(Pace { shared_by: format!("{team} {method}"), every: CALLS_EVERY })
    }

    fn ask(&self, settings: &Settings, token: &Token, walk: &Walk<'_>) -> ApiCall {
        let cursor: Cursor = walk.cursor();
        let get = |path: &str, page: &Option<String>| {
            let page = page.as_deref().map(|page| format!("&cursor={}", path_segment(page)));
            let url =
                api_url(settings, &format!("/api/{path}&limit={PAGE_SIZE}{}", page.unwrap_or_default()));
            ApiCall::get(url).bearer(token)
        };
        match &cursor.stage {
            _ if cursor.team.is_empty() => {
                ApiCall::form(&api_url(settings, "/api/auth.test"), &[]).bearer(token)
            }
            Stage::List { page, .. } => {
                let all = if cursor.is_narrow { "" } else { ",private_channel,mpim,im" };
                get(&format!("users.conversations?exclude_archived=true&types=public_channel{all}"), page)
            }
            Stage::History(Place { left, page, .. }) => {
                let channel = left.front().map(String::as_str).unwrap_or_default();
                let oldest = written_time(cursor.told_until(channel, walk).minus(LOOKED_BACK));
                get(&format!("conversations.history?channel={}&oldest={oldest}", path_segment(channel)), page)
            }
            Stage::Replies(Place { left, page, seen }) => {
                let channel = left.front().map(String::as_str).unwrap_or_default();
                let thread = seen.threads.front().map(|(ts, _)| ts.as_str()).unwrap_or_default();
                let oldest = written_time(cursor.told_until(channel, walk));
                let channel = path_segment(channel);
                get(&format!("conversations.replies?channel={channel}&ts={thread}&oldest={oldest}"), page)
            }
        }
    }

    fn read(&self, walk: &Walk<'_>, answer: &ApiAnswer, now: Timestamp) -> Result<Page, CallFailure> {
        let mut cursor: Cursor = walk.cursor();
        let said = check_ok(answer, now);
        let mut events = Vec::new();
        match std::mem::take(&mut cursor.stage) {
            _ if cursor.team.is_empty() => {
                cursor.team = name(&said?["team_id"]).ok_or_else(|| unreadable("team_id"))?;
            }
            Stage::List { found, page } => cursor.read_list(found, page.as_deref(), said)?,
            Stage::History(place) => events = cursor.read_history(place, walk, said)?,
            Stage::Replies(place) => events = cursor.read_replies(place, walk, said)?,
        }
        let is_done = matches!(&cursor.stage, Stage::History(place) if place.left.is_empty());
        if is_done {
            cursor.stage = Stage::default();
        }
        let next = if is_done { Next::Done } else { Next::More };
        Ok(Page { events, cursor: written(&cursor), next, wait: None })
    }
}

impl Cursor {
    /// Up to when a conversation is told: what was said before connecting is no news.
    fn told_until(&self, conversation: &str, walk: &Walk<'_>) -> Timestamp {
        self.told.get(conversation).and_then(|ts| time(ts)).unwrap_or(walk.connected_at)
    }

    fn read_list(
        &mut self,
        mut found: Vec<String>,
        page: Option<&str>,
        said: Result<Value, CallFailure>,
    ) -> Result<(), CallFailure> {
        let said = match said {
            Err(CallFailure::Refused(word)) if word == "missing_scope" && !self.is_narrow => {
                (self.is_narrow, self.stage) = (true, Stage::default());
                return Ok(());
            }
            said => said?,
        };
        found.extend(list(&said["channels"]).iter().filter_map(|conversation| name(&conversation["id"])));
        found.truncate(CONVERSATIONS_MAX);
        let next = next_page(&said, page).filter(|_| found.len() < CONVERSATIONS_MAX);
        self.stage = if next.is_some() {
            Stage::List { found, page: next }
        } else {
            self.told.retain(|conversation, _| found.contains(conversation));
            Stage::History(Place { left: found.into(), ..Place::default() })
        };
        Ok(())
    }

    fn read_history(
        &mut self,
        mut place: Place,
        walk: &Walk<'_>,
        said: Result<Value, CallFailure>,
    ) -> Result<Vec<InboundEvent>, CallFailure> {
        let Some(conversation) = place.left.front().cloned() else { return Ok(Vec::new()) };
        let said = match said {
            Err(CallFailure::Refused(word)) if UNREADABLE.contains(&word.as_str()) => Value::Null,
            said => said?,
        };
        let since = self.told_until(&conversation, walk);
        let messages = list(&said["messages"]);
        let is_new = |message: &&Value| moment(message).is_some_and(|at| at > since);
        let news = messages.iter().rev().filter(is_new);
        let events = news.filter_map(|message| self.event(&conversation, walk, message)).collect();
        place.seen.look_at(messages, since);
        // The last is the oldest: what is older was told.
        let reaches_back = messages.last().is_some_and(|message| !is_new(&message));
        let next = next_page(&said, place.page.as_deref());
        let next = next.filter(|_| said["has_more"] == true && !reaches_back);
        self.stage = match next {
            Some(next) => Stage::History(Place { page: Some(next), ..place }),
            None => self.read_on(place),
        };
        Ok(events)
    }

    fn read_replies(
        &mut self,
        mut place: Place,
        walk: &Walk<'_>,
        said: Result<Value, CallFailure>,
    ) -> Result<Vec<InboundEvent>, CallFailure> {
        let Some(conversation) = place.left.front().cloned() else { return Ok(Vec::new()) };
        let said = match said {
            Err(CallFailure::Refused(word)) if word == NO_THREAD => Value::Null,
            Err(CallFailure::Refused(word)) if UNREADABLE.contains(&word.as_str()) => {
                // Nor can the others of this conversation: Slack lets a bot read no thread of a channel.
                place.seen.threads.clear();
                Value::Null
            }
            said => said?,
        };
        let since = self.told_until(&conversation, walk);
        let is_new = |message: &&Value| moment(message).is_some_and(|at| at > since);
        let is_reply = |message: &&Value| message["thread_ts"] != message["ts"];
        let news = list(&said["messages"]).iter().filter(is_new).filter(is_reply);
        let events = news.filter_map(|message| self.event(&conversation, walk, message)).collect();
        let next = next_page(&said, place.page.as_deref()).filter(|_| said["has_more"] == true);
        self.stage = match next {
            Some(next) => Stage::Replies(Place { page: Some(next), ..place }),
            None => {
                place.seen.threads.pop_front();
                self.read_on(place)
            }
        };
        Ok(events)
    }

    /// What is read next: the threads of the first conversation, and then the other conversations.
    fn read_on(&mut self, Place { mut left, seen, .. }: Place) -> Stage {
        if !seen.threads.is_empty() {
            return Stage::Replies(Place { left, page: None, seen });
        }
        self.told.extend(left.pop_front().zip(seen.newest));
        Stage::History(Place { left, ..Place::default() })
    }

    /// A message as the event of it would tell it, without the id that only an event has.
    fn event(&self, conversation: &str, walk: &Walk<'_>, message: &Value) -> Option<InboundEvent> {
        let at = moment(message)?;
        let ts = message["ts"].as_str()?;
        // What is left of one that was deleted and had replies.
        if message["subtype"] == "tombstone" {
            return None;
        }
        let mut event = message.clone();
        (event["channel"], event["event_ts"]) = (conversation.into(), ts.into());
        let data = json!({
            "type": "event_callback", "team_id": self.team, "event_time": at.as_seconds(), "event": event,
            "authorizations": [{ "team_id": self.team, "user_id": walk.account_id }],
        });
        Some(InboundEvent {
            event_type: EventType::from_words(["slack", "message"]),
            dedupe_id: message_id(&self.team, conversation, ts),
            recurrence: None,
            owner: Owner::Path,
            occurred_at: Some(at),
            data: Json::trusted(data.to_string()),
            is_whole_body: true,
        })
    }
}

impl Seen {
    /// Notes what a page knows of that is newer than `since`.
    fn look_at(&mut self, messages: &[Value], since: Timestamp) {
        let last_reply = |message: &Value| message["latest_reply"].as_str().map(str::to_owned);
        let moments = messages.iter().flat_map(|message| {
            let own = moment(message).and_then(|_| message["ts"].as_str());
            own.map(str::to_owned).into_iter().chain(last_reply(message))
        });
        let newest = moments.max_by_key(|ts| time(ts)).filter(|ts| time(ts) > Some(since));
        self.newest = self.newest.take().or(newest);
        let moved = messages.iter().filter_map(|message| {
            moment(message)?;
            Some((message["ts"].as_str()?.to_owned(), last_reply(message)?))
        });
        self.threads.extend(moved.filter(|(_, reply)| time(reply) > Some(since)));
        self.threads.make_contiguous().sort_by_key(|(_, reply)| Reverse(time(reply)));
        self.threads.truncate(THREADS_MAX);
    }
}

/// When a message was posted. That is its id in its conversation.
fn moment(message: &Value) -> Option<Timestamp> {
    time(message["ts"].as_str()?).filter(|_| message["type"] == "message")
}

/// As Slack writes it.
fn written_time(at: Timestamp) -> String {
    let micros = at.as_micros().max(0);
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn name(value: &Value) -> Option<String> {
    value.as_str().filter(|name| (1..=NAME_BYTES_MAX).contains(&name.len())).map(str::to_owned)
}

/// The next page, unless it is the one that was just read.
fn next_page(said: &Value, page: Option<&str>) -> Option<String> {
    name(&said["response_metadata"]["next_cursor"]).filter(|next| Some(next.as_str()) != page)
}

fn unreadable(what: &str) -> CallFailure {
    CallFailure::Unreadable(format!("there is no {what}"))
}

#[cfg(test)]
mod tests;
