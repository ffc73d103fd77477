//! What is said in Slack's conversations, asked for: a safety net behind its events, which it drops when they are late.
//!
//! Sources: docs.slack.dev, the references of `auth.test`, `users.conversations` and `conversations.history` (the newest
//! first; threads are not in it), "Rate limits" (each method has its own, for each workspace and application), and the change
//! of May 2025: applications outside the marketplace may ask for history once a minute, and get fifteen messages each time.
//! Nobody tells which of these an application is, so all keep to that.
//!
//! A walk lists the conversations that the token can read, and reads each from where it was left. What is said in a thread
//! is told by events alone, and so is what becomes of a message.

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

/// Calls for history, for each workspace.
const HISTORY_EVERY: Duration = Duration::from_secs(60);
/// Messages, or conversations, of one page. It may have fewer.
const PAGE_SIZE: usize = 200;
/// Conversations that are read for one account.
const CONVERSATIONS_MAX: usize = 1_000;
/// Characters of what Slack calls a conversation or a page.
const NAME_BYTES_MAX: usize = 512;

/// What Slack says of a conversation that cannot be read, or not any more. The others can.
const UNREADABLE: [&str; 4] = ["channel_not_found", "not_in_channel", "missing_scope", "no_permission"];

/// Where a workspace was left.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Cursor {
    /// What it is called; empty before that is known.
    team: String,
    /// By conversation, the moment of the newest message that was told.
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
    /// Messages: of the first of these, of that page, with the moment of the newest of the pages before.
    History { left: VecDeque<String>, page: Option<String>, newest: Option<String> },
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
        let cursor: Cursor = walk.cursor();
        let is_history = matches!(cursor.stage, Stage::History { .. });
        is_history.then_some(Pace { shared_by: cursor.team, every: HISTORY_EVERY })
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
            Stage::History { left, page, .. } => {
                let channel = left.front().map(String::as_str).unwrap_or_default();
                let (channel, oldest) = (path_segment(channel), cursor.oldest(channel, walk));
                get(&format!("conversations.history?channel={channel}&oldest={oldest}"), page)
            }
        }
    }

    fn read(&self, walk: &Walk<'_>, answer: &ApiAnswer, now: Timestamp) -> Result<Page, CallFailure> {
        let mut cursor: Cursor = walk.cursor();
        let mut events = Vec::new();
        match std::mem::take(&mut cursor.stage) {
            _ if cursor.team.is_empty() => {
                let said = check_ok(answer, now)?;
                cursor.team = name(&said["team_id"]).ok_or_else(|| unreadable("team_id"))?;
            }
            Stage::List { found, page } => cursor.read_list(found, page.as_deref(), answer, now)?,
            Stage::History { left, page, newest } => {
                events = cursor.read_history(left, page.as_deref(), newest, walk, answer, now)?;
            }
        }
        let is_done = matches!(&cursor.stage, Stage::History { left, .. } if left.is_empty());
        if is_done {
            cursor.stage = Stage::default();
        }
        let next = if is_done { Next::Done } else { Next::More };
        Ok(Page { events, cursor: written(&cursor), next, wait: None })
    }
}

impl Cursor {
    /// The moment up to which a conversation is told: what was said before connecting is no news.
    fn oldest(&self, conversation: &str, walk: &Walk<'_>) -> String {
        let micros = walk.connected_at.as_micros();
        let connected = || format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        self.told.get(conversation).cloned().unwrap_or_else(connected)
    }

    fn read_list(
        &mut self,
        mut found: Vec<String>,
        page: Option<&str>,
        answer: &ApiAnswer,
        now: Timestamp,
    ) -> Result<(), CallFailure> {
        let said = match check_ok(answer, now) {
            Err(CallFailure::Refused(word)) if word == "missing_scope" && !self.is_narrow => {
                (self.is_narrow, self.stage) = (true, Stage::default());
                return Ok(());
            }
            said => said?,
        };
        let listed = said["channels"].as_array().map(Vec::as_slice).unwrap_or_default();
        found.extend(listed.iter().filter_map(|conversation| name(&conversation["id"])));
        found.truncate(CONVERSATIONS_MAX);
        let next = next_page(&said, page).filter(|_| found.len() < CONVERSATIONS_MAX);
        self.stage = if next.is_some() {
            Stage::List { found, page: next }
        } else {
            self.told.retain(|conversation, _| found.contains(conversation));
            Stage::History { left: found.into(), page: None, newest: None }
        };
        Ok(())
    }

    fn read_history(
        &mut self,
        mut left: VecDeque<String>,
        page: Option<&str>,
        newest: Option<String>,
        walk: &Walk<'_>,
        answer: &ApiAnswer,
        now: Timestamp,
    ) -> Result<Vec<InboundEvent>, CallFailure> {
        let Some(conversation) = left.front().cloned() else { return Ok(Vec::new()) };
        let said = match check_ok(answer, now) {
            Err(CallFailure::Refused(word)) if UNREADABLE.contains(&word.as_str()) => Value::Null,
            said => said?,
        };
        let messages = said["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let events = messages.iter().rev().filter_map(|message| self.event(&conversation, walk, message));
        let events = events.collect();
        let moments = messages.iter().filter_map(|message| moment(message).map(str::to_owned));
        let newest = newest.into_iter().chain(moments).max_by_key(|ts| time(ts));
        let next = next_page(&said, page).filter(|_| said["has_more"] == true);
        self.stage = if next.is_some() {
            Stage::History { left, page: next, newest }
        } else {
            self.told.extend(newest.map(|newest| (conversation, newest)));
            left.pop_front();
            Stage::History { left, page: None, newest: None }
        };
        Ok(events)
    }

    /// A message as the event of it would tell it, without the id that only an event has.
    fn event(&self, conversation: &str, walk: &Walk<'_>, message: &Value) -> Option<InboundEvent> {
        let ts = moment(message)?;
        let at = time(ts)?;
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

/// The moment of a message, which is its id in its conversation.
fn moment(message: &Value) -> Option<&str> {
    message["ts"].as_str().filter(|ts| time(ts).is_some() && message["type"] == "message")
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
mod tests {
    use super::*;
    use crate::testing::answer;

    const CONNECTED: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn walk(cursor: &Value) -> Walk<'_> {
        Walk { user_id: "alice", account_id: "U1", connected_at: CONNECTED, cursor }
    }

    fn url(cursor: &Value) -> String {
        let settings = Settings::default().with("api_base", ["https://slack.test".to_owned()]);
        Slack.ask(&settings, &Token::new("planted"), &walk(cursor)).url
    }

    fn read(cursor: &Value, body: &Value) -> Result<Page, CallFailure> {
        Slack.read(&walk(cursor), &answer(200, &[], body), CONNECTED)
    }

    fn listed(ids: &[&str]) -> Value {
        let team = read(&Value::Null, &json!({ "ok": true, "team_id": "T1" })).unwrap().cursor;
        let channels: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
        read(&team, &json!({ "ok": true, "channels": channels })).unwrap().cursor
    }

    #[test]
    fn a_walk_reads_each_conversation_from_where_it_was_left() {
        assert_eq!(url(&Value::Null), "https://slack.test/api/auth.test");
        let cursor = listed(&["C1", "D2"]);
        let first =
            "https://slack.test/api/conversations.history?channel=C1&oldest=1700000000.000000&limit=200";
        assert_eq!(url(&cursor), first);
        let said = |ts: &str| json!({ "type": "message", "user": "U2", "text": "Hi", "ts": ts });
        let page = json!({
            "ok": true, "messages": [said("1700000009.000200"), said("1700000005.000100")], "has_more": true,
            "response_metadata": { "next_cursor": "older=" },
        });
        let page = read(&cursor, &page).unwrap();
        let ids: Vec<_> = page.events.iter().map(|event| event.dedupe_id.as_str()).collect();
        assert_eq!(ids, ["message:T1:C1:1700000005.000100", "message:T1:C1:1700000009.000200"]);
        assert_eq!(url(&page.cursor), format!("{first}&cursor=older%3D"));
        let page =
            read(&page.cursor, &json!({ "ok": true, "messages": [said("1700000003.000000")] })).unwrap();
        assert_eq!((page.events.len(), page.next), (1, Next::More));
        let page = read(&page.cursor, &json!({ "ok": false, "error": "not_in_channel" })).unwrap();
        assert_eq!((page.next, &page.cursor["told"]), (Next::Done, &json!({ "C1": "1700000009.000200" })));
        assert!(url(&page.cursor).contains("/users.conversations?"), "the next walk looks for new ones");
    }

    #[test]
    fn a_message_is_told_as_its_event_would_tell_it() {
        let message = json!({ "type": "message", "user": "U2", "text": "Hi", "ts": "1700000009.000200" });
        let gone = json!({ "type": "message", "subtype": "tombstone", "ts": "1700000010.000200" });
        let page = read(&listed(&["C1"]), &json!({ "ok": true, "messages": [gone, message] })).unwrap();
        let [event] = page.events.try_into().unwrap();
        assert_eq!(event.event_type.as_str(), "slack.message");
        let data: Value = serde_json::from_str(event.data.as_str()).unwrap();
        assert_eq!((&data["team_id"], &data["event"]["channel"]), (&json!("T1"), &json!("C1")));
        assert_eq!((&data["event"]["text"], &data["event_id"]), (&json!("Hi"), &Value::Null));
        assert_eq!(data["authorizations"][0]["user_id"], "U1");
        let pushed = crate::testing::event_of(&Slack, &[], &{
            let mut pushed = data;
            pushed["event_id"] = json!("Ev1");
            pushed.to_string()
        });
        assert_eq!(pushed.unwrap().dedupe_id, event.dedupe_id, "it is one event however it is told");
    }

    #[test]
    fn history_has_a_pace_of_its_own_in_each_workspace() {
        assert!(Slack.pace(&walk(&Value::Null)).is_none());
        let cursor = listed(&["C1"]);
        let pace = Slack.pace(&walk(&cursor)).unwrap();
        assert_eq!((pace.shared_by.as_str(), pace.every), ("T1", Duration::from_secs(60)));
    }

    #[test]
    fn an_older_grant_sees_public_conversations_alone() {
        let team = read(&Value::Null, &json!({ "ok": true, "team_id": "T1" })).unwrap().cursor;
        assert!(url(&team).contains("types=public_channel,private_channel,mpim,im&"));
        let missing = json!({ "ok": false, "error": "missing_scope" });
        let narrow = read(&team, &missing).unwrap();
        assert!(url(&narrow.cursor).contains("types=public_channel&") && narrow.next == Next::More);
        assert!(read(&narrow.cursor, &missing).is_err());
        let dead = read(&narrow.cursor, &json!({ "ok": false, "error": "token_revoked" }));
        assert!(matches!(dead, Err(CallFailure::TokenRefused(_))));
    }

    #[test]
    fn pages_that_go_round_come_to_an_end() {
        let mut cursor = listed(&["C1"]);
        let round = json!({
            "ok": true, "messages": [], "has_more": true, "response_metadata": { "next_cursor": "same" },
        });
        let mut pages = 0;
        loop {
            let page = read(&cursor, &round).unwrap();
            pages += 1;
            if page.next == Next::Done {
                break;
            }
            cursor = page.cursor;
        }
        assert_eq!(pages, 2);
    }
}
