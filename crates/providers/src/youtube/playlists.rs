//! What a channel has published and liked, asked for: a safety net behind the hub, and all there is without a lease.
//!
//! Sources: developers.google.com, the references of `channels.list` (`relatedPlaylists`) and `playlistItems.list` (the
//! newest first, 404 where the list is not there), "Quota and compliance audits" (a unit for each call, by the day). A
//! video that was published is the same event whether the hub tells of it or this.

use std::time::Duration;

use domain::event::Json;
use domain::{EventType, Timestamp};
use http::StatusCode;
use http::header::{ETAG, IF_NONE_MATCH};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::YouTube;
use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::connect::{Connectable, api_url};
use crate::poll::{Next, Page, Pollable, Walk, path_segment, written};
use crate::{Described, InboundEvent, Owner, Settings, google};

/// Items of one page, the API's limit.
const PAGE_SIZE: usize = 50;
/// Pages that a walk reads of one list. Nobody adds so many videos in two hours.
const PAGES_MAX: u32 = 10;
/// What is newer than the newest that was seen, less this, is told again, and known by its id: items appear late.
const APPEARS_WITHIN: Duration = Duration::from_secs(24 * 3_600);

/// Where the lists of a channel were left.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Cursor {
    /// What was published, and what was liked; empty before it is known where they are.
    lists: Vec<List>,
    /// Which of them is read, and of that the page and how many were read before.
    current: usize,
    page: Option<String>,
    pages: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct List {
    id: String,
    kind: Kind,
    /// When the newest was added that an earlier walk has seen, in seconds since the Unix epoch.
    seen: Option<i64>,
    /// The same of the walk that is under way.
    newest: Option<i64>,
    /// The first page as it was then.
    etag: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Published,
    Liked,
}

impl Pollable for YouTube {
    fn name(&self) -> &'static str {
        Connectable::name(self)
    }

    fn every(&self) -> Duration {
        Duration::from_secs(2 * 3_600)
    }

    fn ask(&self, settings: &Settings, token: &Token, walk: &Walk<'_>) -> ApiCall {
        let cursor: Cursor = walk.cursor();
        let get = |path: String| ApiCall::get(api_url(settings, &path)).bearer(token);
        let Some(list) = cursor.lists.get(cursor.current) else {
            return get("/youtube/v3/channels?part=contentDetails&mine=true".to_owned());
        };
        let page = cursor.page.as_deref().map(|page| format!("&pageToken={}", path_segment(page)));
        let (id, page) = (path_segment(&list.id), page.unwrap_or_default());
        let call = get(format!(
            "/youtube/v3/playlistItems?part=snippet,contentDetails&playlistId={id}&maxResults={PAGE_SIZE}{page}"
        ));
        match list.etag.as_deref().filter(|_| cursor.pages == 0) {
            Some(etag) => call.with(IF_NONE_MATCH, etag),
            None => call,
        }
    }

    fn read(&self, walk: &Walk<'_>, answer: &ApiAnswer, now: Timestamp) -> Result<Page, CallFailure> {
        let mut cursor: Cursor = walk.cursor();
        let events = if cursor.lists.is_empty() {
            cursor.lists = lists(&google::success(answer, now)?)?;
            Vec::new()
        } else {
            cursor.read_items(answer, walk.connected_at, now)?
        };
        let is_done = cursor.current >= cursor.lists.len();
        if is_done {
            cursor.current = 0;
        }
        let next = if is_done { Next::Done } else { Next::More };
        Ok(Page { events, cursor: written(&cursor), next, wait: None })
    }

    fn event_types(&self) -> &'static [Described] {
        EVENT_TYPES
    }
}

/// Where a channel's lists are.
fn lists(said: &Value) -> Result<Vec<List>, CallFailure> {
    let related = &said["items"][0]["contentDetails"]["relatedPlaylists"];
    let list = |name: &str, kind| {
        let id = related[name].as_str().filter(|id| !id.is_empty() && id.len() <= 64)?.to_owned();
        Some(List { id, kind, ..List::default() })
    };
    let lists: Vec<_> =
        [list("uploads", Kind::Published), list("likes", Kind::Liked)].into_iter().flatten().collect();
    let missing = || CallFailure::Unreadable("there is no channel with lists".to_owned());
    (!lists.is_empty()).then_some(lists).ok_or_else(missing)
}

impl Cursor {
    fn read_items(
        &mut self,
        answer: &ApiAnswer,
        connected_at: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<InboundEvent>, CallFailure> {
        // A list that has not changed, or is not there while nothing is in it.
        if matches!(answer.status, StatusCode::NOT_MODIFIED | StatusCode::NOT_FOUND) {
            self.pass();
            return Ok(Vec::new());
        }
        let said = google::success(answer, now)?;
        let list = &mut self.lists[self.current];
        if self.pages == 0 {
            list.etag = answer.header(ETAG.as_str()).filter(|etag| etag.len() <= 256).map(str::to_owned);
        }
        let since = list.seen.map_or(connected_at, |seen| {
            Timestamp::from_seconds(seen).minus(APPEARS_WITHIN).max(connected_at)
        });
        let items = said["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let added: Vec<_> = items.iter().filter_map(|item| Some((added_at(item)?, item))).collect();
        list.newest = list.newest.max(added.iter().map(|(at, _)| at.as_seconds()).max());
        let news: Vec<_> = added.iter().filter(|(at, _)| at.as_seconds() >= since.as_seconds()).collect();
        let events = news.iter().rev().filter_map(|(at, item)| list.kind.event(*at, item)).collect();
        let is_all_news = news.len() == items.len();
        self.page = said["nextPageToken"].as_str().filter(|_| is_all_news).map(str::to_owned);
        self.pages += 1;
        if self.page.is_none() || self.pages == PAGES_MAX {
            self.pass();
        }
        Ok(events)
    }

    /// Goes on to the next list.
    fn pass(&mut self) {
        let list = &mut self.lists[self.current];
        list.seen = list.seen.max(list.newest.take());
        (self.page, self.pages) = (None, 0);
        self.current += 1;
    }
}

fn added_at(item: &Value) -> Option<Timestamp> {
    Timestamp::parse(item["snippet"]["publishedAt"].as_str()?).ok()
}

impl Kind {
    fn event(self, added_at: Timestamp, item: &Value) -> Option<InboundEvent> {
        let (snippet, details) = (&item["snippet"], &item["contentDetails"]);
        let video_id = details["videoId"].as_str()?;
        let owner = match self {
            Self::Published => &snippet["channelId"],
            Self::Liked => &snippet["videoOwnerChannelId"],
        };
        let published = details["videoPublishedAt"].as_str();
        let mut data = json!({
            "video_id": video_id, "channel_id": owner, "title": snippet["title"], "published": published,
        });
        let (kind, dedupe_id) = match self {
            Self::Published => {
                data["updated"] = json!(published);
                // As the hub's: whichever is first.
                ("youtube.video.published", format!("video:{video_id}"))
            }
            Self::Liked => {
                data["liked"] = json!(added_at);
                ("youtube.video.liked", format!("liked:{}", item["id"].as_str()?))
            }
        };
        let published_at = published.and_then(|text| Timestamp::parse(text).ok());
        Some(InboundEvent {
            event_type: EventType::from_words([kind]),
            dedupe_id,
            recurrence: None,
            owner: Owner::Path,
            occurred_at: if matches!(self, Self::Liked) {
                Some(added_at)
            } else {
                published_at.or(Some(added_at))
            },
            data: Json::trusted(data.to_string()),
            is_whole_body: true,
        })
    }
}

const EVENT_TYPES: &[Described] = &[Described::new(
    "youtube.video.liked",
    "A user liked a video",
    r#"{"video_id":"dQw4w9WgXcQ","channel_id":"UC2","title":"The door","published":"2026-11-20T09:30:00Z","liked":"2026-11-21T09:30:00.000Z"}"#,
)];
