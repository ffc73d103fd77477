//! Mailboxes that the host application's backend has the grants of: it is asked in Gmail's place.
//!
//! `POST {backend}/actions/fetch_emails` with whose mailbox, what to look for, how many messages and from which page;
//! it answers as Composio's tool does, and with 200 also where that has failed: then it says `successful: false`.

use std::time::Duration;

use domain::Timestamp;
use http::{Method, StatusCode};
use serde_json::json;
use url::Url;

use super::Gmail;
use crate::api::{ApiAnswer, ApiCall, CallFailure, Token, told};
use crate::connect::Connectable;
use crate::fetched::{Cursor, PAGE_SIZE};
use crate::poll::{Page, Pollable, Walk};
use crate::{Described, Settings};

/// Among Gmail's settings, the address of the backend, or of that route of it.
pub const FETCH_EMAILS_URL: &str = "fetch_emails_url";

/// What is called, where the address names no path.
const ROUTE: &str = "/actions/fetch_emails";

pub(super) struct Backend;

impl Pollable for Backend {
    fn name(&self) -> &'static str {
        Connectable::name(&Gmail)
    }

    fn every(&self) -> Duration {
        Pollable::every(&Gmail)
    }

    fn needs_token(&self) -> bool {
        false
    }

    fn ask(&self, settings: &Settings, _token: &Token, walk: &Walk<'_>) -> ApiCall {
        let cursor: Cursor = walk.cursor();
        let mut body = json!({
            "user_id": walk.user_id, "email": walk.account_id,
            "query": format!("after:{}", cursor.since(walk)), "max_results": PAGE_SIZE,
        });
        if let Some(page) = cursor.page {
            body["page_token"] = page.into();
        }
        ApiCall::of(Method::POST, route(settings.first(FETCH_EMAILS_URL).unwrap_or_default()))
            .with_json(&body)
    }

    fn read(&self, walk: &Walk<'_>, answer: &ApiAnswer, now: Timestamp) -> Result<Page, CallFailure> {
        let said = match answer.status {
            // No user's grant is meant: the backend does not know us.
            StatusCode::UNAUTHORIZED => return Err(CallFailure::Refused(told(answer.status))),
            _ => answer.success(now)?,
        };
        if said["successful"] != true {
            let reason = "the backend could not fetch the e-mails".to_owned();
            return Err(CallFailure::Passing { reason, retry_after: None });
        }
        let mailbox = walk.account_id;
        // As Gmail's own history has it, so that a message is one event whoever is asked.
        let dedupe_id = |kind: &str, id: &str| format!("{mailbox} {kind} {id} 0");
        Ok(walk.cursor::<Cursor>().read(walk, &said["data"], Some(mailbox), dedupe_id))
    }

    fn event_types(&self) -> &'static [Described] {
        Pollable::event_types(&Gmail)
    }
}

fn route(address: &str) -> String {
    match Url::parse(address) {
        Ok(mut url) if url.path() == "/" => {
            url.set_path(ROUTE);
            url.into()
        }
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::poll::Next;
    use crate::testing::answer;

    const CONNECTED: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn walk(cursor: &Value) -> Walk<'_> {
        Walk { user_id: "alice", account_id: "alice@example.com", connected_at: CONNECTED, cursor }
    }

    fn read(status: u16, body: &Value) -> Result<Page, CallFailure> {
        Backend.read(&walk(&Value::Null), &answer(status, &[], body), CONNECTED)
    }

    #[test]
    fn the_backend_is_asked_for_what_is_new() {
        for address in ["https://app.test", "https://app.test/", "https://app.test/actions/fetch_emails"] {
            let settings = Settings::default().with(FETCH_EMAILS_URL, [address.to_owned()]);
            assert!(Gmail.instead(&settings).is_some() && Gmail.instead(&Settings::default()).is_none());
            let call = Backend.ask(&settings, &Token::new("planted"), &walk(&Value::Null));
            assert_eq!(
                (call.method, call.url.as_str()),
                (Method::POST, "https://app.test/actions/fetch_emails")
            );
            let body: Value = serde_json::from_slice(&call.body).unwrap();
            assert_eq!((&body["user_id"], &body["email"]), (&json!("alice"), &json!("alice@example.com")));
            assert_eq!((&body["query"], &body["max_results"]), (&json!("after:1700000000"), &json!(25)));
            assert!(
                call.headers.values().all(|value| value != "Bearer planted"),
                "it is no business of theirs"
            );
        }
    }

    #[test]
    fn what_was_not_successful_is_a_failure_whatever_the_status() {
        let failed = json!({ "successful": false, "error": "planted", "data": { "messages": [] } });
        assert!(matches!(read(200, &failed), Err(CallFailure::Passing { .. })));
        assert!(matches!(read(200, &json!({ "data": {} })), Err(CallFailure::Passing { .. })));
        assert!(
            matches!(read(401, &json!({})), Err(CallFailure::Refused(_))),
            "which costs no user their grant"
        );
    }

    #[test]
    fn what_it_finds_is_what_gmail_itself_would_tell() {
        let message = json!({
            "messageId": "18c1", "threadId": "18c1", "messageTimestamp": "2023-11-14T22:30:00Z",
            "labelIds": ["INBOX"], "sender": "bob@example.com", "subject": "Mend the door",
        });
        let found = json!({ "messages": [message], "nextPageToken": "2" });
        let page = read(200, &json!({ "successful": true, "data": found })).unwrap();
        assert_eq!(page.events[0].dedupe_id, "alice@example.com email.received 18c1 0");
        let data: Value = serde_json::from_str(page.events[0].data.as_str()).unwrap();
        assert_eq!((&data["mailbox"], page.next), (&json!("alice@example.com"), Next::More));
        let settings = Settings::default().with(FETCH_EMAILS_URL, ["https://app.test".to_owned()]);
        let next = Backend.ask(&settings, &Token::new(""), &walk(&page.cursor));
        assert!(std::str::from_utf8(&next.body).unwrap().contains(r#""page_token":"2""#));
    }
}
