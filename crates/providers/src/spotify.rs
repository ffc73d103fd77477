//! Spotify: it sends nothing, so what its users have played is asked for.
//!
//! Sources: developer.spotify.com, "Authorization Code Flow", "Refreshing tokens" (a new refresh token comes or does
//! not; six months after consent it is dead, however often it was used), the reference of "Get Recently Played Tracks",
//! "Rate Limits" (they are the application's).

use std::time::Duration;

use domain::event::Json;
use domain::{EventType, Timestamp};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::{ApiAnswer, ApiCall, CallFailure, Token, told};
use crate::connect::{Connectable, api_url, application_settings};
use crate::oauth::{ClientAuth, OAuth, identity};
use crate::poll::{Page, Pollable, Walk};
use crate::{Described, InboundEvent, Owner, Setting, Settings};

pub(crate) struct Spotify;

static OAUTH: OAuth = OAuth {
    scopes: &["user-read-recently-played"],
    scope_separator: " ",
    parameters: &[],
    has_pkce: false,
    client_auth: ClientAuth::Basic,
    rejected: &["invalid_grant"],
    application: &["invalid_client", "unauthorized_client"],
};

impl Connectable for Spotify {
    fn name(&self) -> &'static str {
        "spotify"
    }

    fn settings(&self) -> &'static [Setting] {
        application_settings!("SPOTIFY", "SPOTIFY": "https://accounts.spotify.com/authorize",
            "https://accounts.spotify.com/api/token", "https://api.spotify.com")
    }

    fn oauth(&self) -> Option<&'static OAuth> {
        Some(&OAUTH)
    }

    fn ask_identity(&self, settings: &Settings, token: &Token) -> Option<ApiCall> {
        Some(ApiCall::get(api_url(settings, "/v1/me")).bearer(token))
    }

    fn read_identity(&self, answer: &ApiAnswer, now: Timestamp) -> Result<String, CallFailure> {
        identity(answer, "/id", now)
    }

    /// Six months.
    fn consent_lasts(&self) -> Option<Duration> {
        Some(Duration::from_secs(182 * 86_400))
    }
}

/// As many as Spotify remembers, and answers at once.
const PLAYS_MAX: usize = 50;

/// Spotify counts over 30 s, and does not always say how long to wait.
const RATE_SPAN: Duration = Duration::from_secs(30);
/// A quota that is used up comes back later than that; how much later is not published.
const QUOTA_RESTS: Duration = Duration::from_secs(3_600);

/// The moment of the last play, in milliseconds since the Unix epoch.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Cursor {
    after: Option<i64>,
}

impl Pollable for Spotify {
    fn name(&self) -> &'static str {
        Connectable::name(self)
    }

    /// Fifty plays of the shortest that counts, 30 s, take 25 minutes; of most tracks, more than two hours.
    fn every(&self) -> Duration {
        Duration::from_secs(30 * 60)
    }

    fn ask(&self, settings: &Settings, token: &Token, walk: &Walk<'_>) -> ApiCall {
        let path = format!("/v1/me/player/recently-played?limit={PLAYS_MAX}&after={}", after(walk));
        ApiCall::get(api_url(settings, &path)).bearer(token)
    }

    /// The newest comes first. Where nothing is new there is no cursor, and the old one stays.
    fn read(&self, walk: &Walk<'_>, answer: &ApiAnswer, now: Timestamp) -> Result<Page, CallFailure> {
        check_rate(answer, now)?;
        let said = answer.success(now)?;
        let items = said["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let plays: Vec<_> = items.iter().rev().take(PLAYS_MAX).filter_map(play).collect();
        let newest = plays.iter().filter_map(|play| play.occurred_at).map(Timestamp::as_millis).max();
        let told = said["cursors"]["after"].as_str().and_then(|after| after.parse().ok());
        let after = told.max(newest).max(Some(after(walk)));
        Ok(Page::done(plays, &Cursor { after }))
    }

    fn event_types(&self) -> &'static [Described] {
        EVENT_TYPES
    }
}

fn after(walk: &Walk<'_>) -> i64 {
    walk.cursor::<Cursor>().after.unwrap_or_else(|| walk.connected_at.as_millis())
}

/// Whoever's token it is, the rate is the application's.
fn check_rate(answer: &ApiAnswer, now: Timestamp) -> Result<(), CallFailure> {
    if answer.status != StatusCode::TOO_MANY_REQUESTS {
        return Ok(());
    }
    let is_quota = answer.json::<Value>().is_ok_and(|said| said["reason"] == "QUOTA_EXCEEDED");
    let usual = if is_quota { QUOTA_RESTS } else { RATE_SPAN };
    let retry_after = answer.retry_after(now).unwrap_or(usual);
    Err(CallFailure::Exhausted { reason: told(answer.status), retry_after })
}

/// A play is known by its moment and its track.
fn play(item: &Value) -> Option<InboundEvent> {
    let played_at = item["played_at"].as_str()?;
    let uri = item["track"]["uri"].as_str()?;
    Some(InboundEvent {
        event_type: EventType::from_words(["spotify", "track", "played"]),
        dedupe_id: format!("{played_at} {uri}"),
        recurrence: None,
        owner: Owner::Path,
        occurred_at: Some(Timestamp::parse(played_at).ok()?),
        data: Json::trusted(item.to_string()),
        is_whole_body: true,
    })
}

const EVENT_TYPES: &[Described] = &[Described::new(
    "spotify.track.played",
    "A track was played at Spotify",
    r#"{"played_at":"2026-11-21T09:30:00.125Z","track":{"id":"11dFghVXANMlKmJXsNCbNl","uri":"spotify:track:11dFghVXANMlKmJXsNCbNl","name":"Cut To The Feeling","duration_ms":207959},"context":null}"#,
)];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::answer;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_260_000);

    fn read_after(after: i64, answer: &ApiAnswer) -> Result<Page, CallFailure> {
        let cursor = json!({ "after": after });
        let walk = Walk {
            user_id: "alice",
            account_id: "alice",
            connected_at: Timestamp::from_seconds(0),
            cursor: &cursor,
        };
        Spotify.read(&walk, answer, NOW)
    }

    fn read(body: &Value, after: i64) -> Page {
        read_after(after, &answer(200, &[], body)).unwrap()
    }

    fn item(played_at: &str, uri: &str) -> Value {
        json!({ "played_at": played_at, "track": { "uri": uri, "name": "A song" }, "context": null })
    }

    #[test]
    fn plays_come_in_the_order_in_which_they_were_heard() {
        let body = json!({
            "items": [item("2026-11-21T09:35:00.500Z", "spotify:track:2"), item("2026-11-21T09:30:00.125Z", "spotify:track:1")],
            "cursors": { "after": "1795253700500", "before": "1795253400125" }, "limit": 50,
        });
        let page = read(&body, 1_795_253_000_000);
        let ids: Vec<_> = page.events.iter().map(|event| event.dedupe_id.as_str()).collect();
        assert_eq!(
            ids,
            ["2026-11-21T09:30:00.125Z spotify:track:1", "2026-11-21T09:35:00.500Z spotify:track:2"]
        );
        assert_eq!(page.cursor, json!({ "after": 1_795_253_700_500_i64 }));
        assert_eq!(page.events[0].event_type.as_str(), "spotify.track.played");
        let data: Value = serde_json::from_str(page.events[0].data.as_str()).unwrap();
        assert_eq!(data["track"]["name"], "A song");
    }

    #[test]
    fn where_nothing_is_new_the_cursor_stays_and_it_never_goes_back() {
        let old = json!({ "items": [item("2020-01-01T00:00:00.000Z", "spotify:track:1")], "cursors": { "after": "5" } });
        for body in
            [json!({ "items": [], "cursors": null }), json!({}), json!({ "items": [{ "track": null }] }), old]
        {
            assert_eq!(read(&body, 1_795_253_000_000).cursor["after"], 1_795_253_000_000_i64, "{body}");
        }
    }

    #[test]
    fn the_first_walk_begins_where_the_account_was_connected() {
        let connected_at = Timestamp::from_micros(1_700_000_000_123_456);
        let walk = Walk { user_id: "alice", account_id: "alice", connected_at, cursor: &Value::Null };
        let call = Spotify.ask(&Settings::default(), &Token::new("t"), &walk);
        assert!(call.url.ends_with("?limit=50&after=1700000000123"), "{}", call.url);
    }

    #[test]
    fn a_rate_that_is_used_up_is_the_applications() {
        let busy =
            |headers: &[(&'static str, &str)], body: Value| match read_after(0, &answer(429, headers, &body))
            {
                Err(CallFailure::Exhausted { retry_after, .. }) => retry_after.as_secs(),
                other => panic!("{other:?}"),
            };
        assert_eq!(busy(&[("retry-after", "7")], json!({})), 7);
        assert_eq!(busy(&[], json!({ "error": { "status": 429 } })), 30);
        assert_eq!(busy(&[], json!({ "status": 429, "reason": "QUOTA_EXCEEDED" })), 3_600);
        let refused = read_after(0, &answer(401, &[], &json!({})));
        assert!(matches!(refused, Err(CallFailure::TokenRefused(_))));
    }
}
