//! What a user has done at GitHub, asked for: a safety net behind hooks, and all there is where none can be made.
//!
//! Sources: docs.github.com, "REST API endpoints for events" (at most 300 events of 30 days, `ETag`, `X-Poll-Interval`;
//! an event may take six hours to appear), "Rate limits for the REST API". Such an event has an id of its own, not that
//! of a hook's delivery: so its type is of its own too, and nobody gets two pushes for one.

use std::sync::LazyLock;
use std::time::Duration;

use domain::event::Json;
use domain::{EventType, Timestamp};
use http::StatusCode;
use http::header::{ETAG, IF_NONE_MATCH};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{GitHub, call};
use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::connect::{Connectable, api_url};
use crate::poll::{Next, Page, Pollable, Walk, path_segment, written};
use crate::{Described, InboundEvent, Owner, Settings};

/// Events of one page, GitHub's limit.
const PAGE_SIZE: usize = 100;
/// GitHub gives no more events than three pages hold.
const PAGES_MAX: u32 = 3;
/// An event may appear so much later than it has happened, and an hour is added to that: what is newer than the newest
/// that was seen, less this, is told again, and known by its id.
const APPEARS_WITHIN: Duration = Duration::from_secs(7 * 3_600);

/// Where the events of a user were left.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Cursor {
    /// When the newest happened that an earlier walk has seen, in seconds since the Unix epoch.
    seen: Option<i64>,
    /// The first page as it was then.
    etag: Option<String>,
    /// Of the walk that is under way: pages that were read, and the newest of them.
    #[serde(default)]
    pages: u32,
    #[serde(default)]
    newest: Option<i64>,
}

impl Pollable for GitHub {
    fn name(&self) -> &'static str {
        Connectable::name(self)
    }

    fn every(&self) -> Duration {
        Duration::from_secs(6 * 3_600)
    }

    fn ask(&self, settings: &Settings, token: &Token, walk: &Walk<'_>) -> ApiCall {
        let Cursor { etag, pages, .. } = walk.cursor();
        let user = path_segment(walk.account_id);
        let path = format!("/users/{user}/events?per_page={PAGE_SIZE}&page={}", pages + 1);
        let call = call(api_url(settings, &path), token);
        match etag.filter(|_| pages == 0) {
            Some(etag) => call.with(IF_NONE_MATCH, etag),
            None => call,
        }
    }

    /// The newest comes first, and there is no other cursor than the page: who walks on sees some twice while new ones
    /// come.
    fn read(&self, walk: &Walk<'_>, answer: &ApiAnswer, now: Timestamp) -> Result<Page, CallFailure> {
        let mut cursor: Cursor = walk.cursor();
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(Page { wait: wait(answer, now), ..Page::done(Vec::new(), &cursor) });
        }
        let said = answer.success(now)?;
        let items = said.as_array().ok_or_else(|| CallFailure::Unreadable("no list of events".to_owned()))?;
        let since = cursor.seen.map_or(walk.connected_at, |seen| {
            Timestamp::from_seconds(seen).minus(APPEARS_WITHIN).max(walk.connected_at)
        });
        let events: Vec<_> = items.iter().rev().filter_map(|item| activity(item, since)).collect();
        let newest = events.iter().filter_map(|event| event.occurred_at).map(Timestamp::as_seconds).max();
        if cursor.pages == 0 {
            cursor.etag = answer.header(ETAG.as_str()).filter(|etag| etag.len() <= 256).map(str::to_owned);
        }
        cursor.newest = cursor.newest.max(newest);
        cursor.pages += 1;
        let is_last = items.len() < PAGE_SIZE || events.len() < items.len() || cursor.pages == PAGES_MAX;
        if is_last {
            cursor = Cursor { seen: cursor.seen.max(cursor.newest), etag: cursor.etag, ..Cursor::default() };
        }
        let next = if is_last { Next::Done } else { Next::More };
        let wait = if is_last { wait(answer, now) } else { answer.rate_resets_after(now) };
        Ok(Page { events, cursor: written(&cursor), next, wait })
    }

    fn event_types(&self) -> &'static [Described] {
        &EVENT_TYPES
    }
}

/// How long GitHub wants to be left alone.
fn wait(answer: &ApiAnswer, now: Timestamp) -> Option<Duration> {
    let interval = answer.header("x-poll-interval").and_then(|seconds| seconds.parse::<u32>().ok());
    let interval = interval.map(|seconds| Duration::from_secs(seconds.min(3_600).into()));
    interval.max(answer.rate_resets_after(now))
}

/// One event of the list; `None` where it happened before `since`.
fn activity(item: &Value, since: Timestamp) -> Option<InboundEvent> {
    let occurred_at = Timestamp::parse(item["created_at"].as_str()?).ok()?;
    let id = item["id"].as_str().filter(|_| occurred_at.as_seconds() >= since.as_seconds())?;
    Some(InboundEvent {
        event_type: EventType::from_words(["github", "activity", &kind(item["type"].as_str()?)]),
        dedupe_id: format!("activity {id}"),
        recurrence: None,
        owner: Owner::Path,
        occurred_at: Some(occurred_at),
        data: Json::trusted(item.to_string()),
        is_whole_body: true,
    })
}

/// `PullRequestReviewEvent` is `pull_request_review`.
fn kind(name: &str) -> String {
    let mut kind = String::new();
    for letter in name.strip_suffix("Event").unwrap_or(name).chars() {
        if letter.is_ascii_uppercase() && !kind.is_empty() {
            kind.push('_');
        }
        kind.push(letter.to_ascii_lowercase());
    }
    kind
}

static EVENT_TYPES: LazyLock<Vec<Described>> = LazyLock::new(|| {
    let described = |&(name, about): &(&str, &str)| {
        Described {
        event_type: format!("github.activity.{}", kind(name)).into(),
        description: format!("{about}, as the user's list of events says").into(),
        example: format!(
            r#"{{"id":"22249084964","type":"{name}","actor":{{"id":583231,"login":"octocat"}},"repo":{{"id":1296269,"name":"octocat/hello-world"}},"payload":{{}},"public":true,"created_at":"2026-11-21T09:30:00Z"}}"#
        )
        .into(),
    }
    };
    KINDS.iter().map(described).collect()
});

/// docs.github.com, "GitHub event types".
const KINDS: &[(&str, &str)] = &[
    ("CommitCommentEvent", "A commit was commented on"),
    ("CreateEvent", "A branch or tag was created"),
    ("DeleteEvent", "A branch or tag was deleted"),
    ("ForkEvent", "A repository was forked"),
    ("GollumEvent", "A page of a wiki was written"),
    ("IssueCommentEvent", "An issue or pull request was commented on"),
    ("IssuesEvent", "Something was done with an issue"),
    ("MemberEvent", "A collaborator was added to a repository"),
    ("PublicEvent", "A repository was made public"),
    ("PullRequestEvent", "Something was done with a pull request"),
    ("PullRequestReviewEvent", "A pull request was reviewed"),
    ("PullRequestReviewCommentEvent", "A pull request's code was commented on"),
    ("PushEvent", "Commits were pushed"),
    ("ReleaseEvent", "Something was done with a release"),
    ("SponsorshipEvent", "Something was done with a sponsorship"),
    ("WatchEvent", "A repository was starred"),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::answer;

    const CONNECTED: i64 = 1_700_000_000;

    fn item(id: u32, seconds: i64) -> Value {
        let at = Timestamp::from_seconds(CONNECTED + seconds).to_string();
        json!({ "id": id.to_string(), "type": "PullRequestReviewEvent", "created_at": at, "payload": {} })
    }

    fn walk(cursor: &Value) -> Walk<'_> {
        Walk {
            user_id: "alice",
            account_id: "octo cat/..",
            connected_at: Timestamp::from_seconds(CONNECTED),
            cursor,
        }
    }

    fn read(cursor: &Value, headers: &[(&'static str, &str)], items: &[Value]) -> Page {
        let answer = answer(200, headers, &Value::from(items.to_vec()));
        GitHub.read(&walk(cursor), &answer, Timestamp::from_seconds(CONNECTED + 99_999)).unwrap()
    }

    #[test]
    fn what_happened_before_connecting_is_no_news() {
        let page = read(&Value::Null, &[("etag", "\"one\"")], &[item(3, 20), item(2, 10), item(1, -10)]);
        let ids: Vec<_> = page.events.iter().map(|event| event.dedupe_id.as_str()).collect();
        assert_eq!(ids, ["activity 2", "activity 3"]);
        assert_eq!(page.events[0].event_type.as_str(), "github.activity.pull_request_review");
        assert_eq!((page.next, &page.cursor["seen"]), (Next::Done, &json!(CONNECTED + 20)));
    }

    #[test]
    fn a_page_that_has_not_changed_costs_nothing() {
        let cursor = read(&Value::Null, &[("etag", "\"one\"")], &[item(3, 20)]).cursor;
        let call = GitHub.ask(&Settings::default(), &Token::new("t"), &walk(&cursor));
        assert_eq!(call.headers[IF_NONE_MATCH], "\"one\"");
        assert!(call.url.starts_with("/users/octo%20cat%2F../events?"), "{}", call.url);
        let same = answer(304, &[("x-poll-interval", "60")], &json!(null));
        let page = GitHub.read(&walk(&cursor), &same, Timestamp::from_seconds(CONNECTED)).unwrap();
        assert_eq!((page.cursor, page.wait), (cursor, Some(Duration::from_secs(60))));
    }

    #[test]
    fn a_full_page_of_news_is_followed_by_the_next_and_the_third_is_the_last() {
        let mut cursor = read(&Value::Null, &[], &[item(1, 0)]).cursor;
        for page in 1..=3_u32 {
            let items: Vec<_> =
                (0..100).rev().map(|n| item(n + 1_000 * (4 - page), i64::from(40_000 - page))).collect();
            let read = read(&cursor, &[], &items);
            assert_eq!(read.events.len(), 100);
            assert_eq!(read.next, if page < 3 { Next::More } else { Next::Done });
            cursor = read.cursor;
        }
        assert_eq!(cursor["seen"], CONNECTED + 39_999);
    }

    #[test]
    fn what_appears_late_is_told_all_the_same() {
        let cursor = read(&Value::Null, &[], &[item(1, 50_000)]).cursor;
        let page = read(&cursor, &[], &[item(3, 60_000), item(1, 50_000), item(2, 30_000), item(0, 20_000)]);
        assert_eq!(page.events.len(), 3, "with one that was told before, which is known by its id");
    }

    #[test]
    fn a_rate_that_is_used_up_says_when_it_is_back() {
        let at = (CONNECTED + 300).to_string();
        let headers = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", at.as_str())];
        let refused = answer(403, &headers, &json!({ "message": "API rate limit exceeded" }));
        let failure =
            GitHub.read(&walk(&Value::Null), &refused, Timestamp::from_seconds(CONNECTED)).unwrap_err();
        let CallFailure::Passing { retry_after, .. } = failure else { panic!("{failure:?}") };
        assert_eq!(retry_after, Some(Duration::from_secs(300)));
        let forbidden = answer(403, &[], &json!({ "message": "Resource not accessible" }));
        let failure =
            GitHub.read(&walk(&Value::Null), &forbidden, Timestamp::from_seconds(CONNECTED)).unwrap_err();
        assert!(matches!(failure, CallFailure::Refused(_)));
    }
}
