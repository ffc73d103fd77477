//! What has come into a mailbox that Composio has the tokens of, asked for with its tool `GMAIL_FETCH_EMAILS`.
//!
//! Sources: the reference of the API, version 3.1 ("Execute tool": 200 even where the tool has failed), and the tool's
//! own schema. It finds messages, and knows nothing of what is done to them. Nobody says which accounts are mailboxes,
//! so it is only asked when somebody wants it.

use std::time::Duration;

use domain::Timestamp;
use http::{HeaderName, Method, StatusCode};
use serde_json::{Value, json};

use super::Composio;
use super::register::API_KEY;
use crate::Settings;
use crate::api::{ApiAnswer, ApiCall, CallFailure, Token, told};
use crate::connect::{Connectable, api_url};
use crate::fetched::{Cursor, PAGE_SIZE};
use crate::poll::{Page, Pollable, Walk};

/// How long Composio is left alone where it does not say.
const RATE_RESTS: Duration = Duration::from_secs(60);

impl Pollable for Composio {
    fn name(&self) -> &'static str {
        Connectable::name(self)
    }

    fn every(&self) -> Duration {
        Duration::ZERO
    }

    fn is_ready(&self, settings: &Settings) -> bool {
        settings.first(API_KEY.key).is_some()
    }

    fn ask(&self, settings: &Settings, _token: &Token, walk: &Walk<'_>) -> ApiCall {
        let cursor: Cursor = walk.cursor();
        let mut arguments = json!({
            "query": format!("after:{}", cursor.since(walk)), "max_results": PAGE_SIZE, "user_id": "me",
            "include_payload": true,
        });
        if let Some(page) = cursor.page {
            arguments["page_token"] = page.into();
        }
        let body = json!({
            "connected_account_id": walk.account_id, "arguments": arguments, "version": "latest",
        });
        let url = api_url(settings, "/api/v3.1/tools/execute/GMAIL_FETCH_EMAILS");
        let key = Token::new(settings.first(API_KEY.key).unwrap_or_default());
        let call = ApiCall::of(Method::POST, url).with_json(&body);
        call.with_secret(HeaderName::from_static("x-api-key"), &key)
    }

    fn read(&self, walk: &Walk<'_>, answer: &ApiAnswer, now: Timestamp) -> Result<Page, CallFailure> {
        let data = result(answer, now)?;
        let dedupe_id = |kind: &str, id: &str| format!("{} {kind} {id}", walk.account_id);
        Ok(walk.cursor::<Cursor>().read(walk, &data, None, dedupe_id))
    }
}

/// What the tool has found. The key is the operator's: that it is refused says nothing about the account.
fn result(answer: &ApiAnswer, now: Timestamp) -> Result<Value, CallFailure> {
    let mut said = match answer.status {
        StatusCode::UNAUTHORIZED => return Err(CallFailure::Refused(told(answer.status))),
        StatusCode::TOO_MANY_REQUESTS => {
            let retry_after = answer.retry_after(now).unwrap_or(RATE_RESTS);
            return Err(CallFailure::Exhausted { reason: told(answer.status), retry_after });
        }
        _ => answer.success(now)?,
    };
    if said["successful"] != true {
        let reason = "the tool GMAIL_FETCH_EMAILS has failed".to_owned();
        return Err(CallFailure::Passing { reason, retry_after: None });
    }
    Ok(said["data"].take())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::Next;
    use crate::testing::answer;

    const CONNECTED: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn walk(cursor: &Value) -> Walk<'_> {
        Walk { user_id: "alice", account_id: "ca_1", connected_at: CONNECTED, cursor }
    }

    fn read(body: &Value) -> Result<Page, CallFailure> {
        Composio.read(&walk(&Value::Null), &answer(200, &[], body), CONNECTED)
    }

    fn message(id: &str, at: &str, labels: &[&str]) -> Value {
        json!({
            "messageId": id, "threadId": "18c0", "messageTimestamp": at, "labelIds": labels,
            "sender": "Bob <bob@example.com>", "to": "alice@example.com, carol@example.com", "subject": "Mend the door",
            "payload": { "headers": [{ "name": "in-reply-to", "value": "<1@example.com>" }] },
        })
    }

    #[test]
    fn a_tool_that_has_failed_is_a_failure_whatever_the_status() {
        let failed = read(&json!({ "successful": false, "error": "planted", "data": {} })).unwrap_err();
        assert!(matches!(failed, CallFailure::Passing { .. }) && !failed.to_string().contains("planted"));
        let keyless = Composio.read(&walk(&Value::Null), &answer(401, &[], &json!({})), CONNECTED);
        assert!(matches!(keyless, Err(CallFailure::Refused(_))), "which costs no user their grant");
    }

    #[test]
    fn what_it_finds_is_mail() {
        let messages = [
            message("18c2", "2023-11-14T23:00:00Z", &["SENT"]),
            message("18c1", "2023-11-14T22:30:00Z", &["INBOX"]),
            message("18c9", "2023-11-14T22:20:00Z", &["DRAFT"]),
            message("18c0", "2023-11-14T22:00:00Z", &["INBOX"]),
        ];
        let found = json!({ "successful": true, "error": null, "data": { "messages": messages } });
        let page = read(&found).unwrap();
        let kinds: Vec<_> = page.events.iter().map(|event| event.event_type.as_str()).collect();
        assert_eq!(kinds, ["email.received", "email.sent"], "what was there before connecting is no news");
        let data: Value = serde_json::from_str(page.events[0].data.as_str()).unwrap();
        assert_eq!(
            (&data["in_reply_to"], &data["thread_has_earlier"]),
            (&json!("<1@example.com>"), &json!(true))
        );
        assert_eq!(data["to"], json!(["alice@example.com", "carol@example.com"]));
        assert_eq!((page.next, &page.cursor["seen"]), (Next::Done, &json!(1_700_002_800)));
    }

    #[test]
    fn the_account_and_the_key_go_along() {
        let settings = Settings::default().with("api_key", ["planted".to_owned()]);
        let call = Composio.ask(&settings, &Token::new(""), &walk(&Value::Null));
        assert_eq!(call.headers["x-api-key"], "planted");
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!(
            (&body["connected_account_id"], &body["arguments"]["query"]),
            (&json!("ca_1"), &json!("after:1700000000"))
        );
        assert!(!format!("{call:?}").contains("planted"));
    }
}
