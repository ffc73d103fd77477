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

fn said(ts: &str) -> Value {
    json!({ "type": "message", "user": "U2", "text": "Hi", "ts": ts })
}

/// One that somebody has replied to.
fn replied_to(ts: &str, latest: &str) -> Value {
    let mut message = said(ts);
    (message["thread_ts"], message["reply_count"], message["latest_reply"]) =
        (json!(ts), json!(1), json!(latest));
    message
}

fn reply(to: &str, ts: &str) -> Value {
    let mut message = said(ts);
    message["thread_ts"] = json!(to);
    message
}

fn history(messages: &[Value]) -> Value {
    json!({ "ok": true, "messages": messages })
}

fn ids(page: &Page) -> Vec<&str> {
    page.events.iter().map(|event| event.dedupe_id.as_str()).collect()
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
    let first = "https://slack.test/api/conversations.history?channel=C1&oldest=1699395200.000000&limit=200";
    assert_eq!(url(&cursor), first);
    let page = json!({
        "ok": true, "messages": [said("1700000009.000200"), said("1700000005.000100")], "has_more": true,
        "response_metadata": { "next_cursor": "older=" },
    });
    let page = read(&cursor, &page).unwrap();
    assert_eq!(ids(&page), ["message:T1:C1:1700000005.000100", "message:T1:C1:1700000009.000200"]);
    assert_eq!(url(&page.cursor), format!("{first}&cursor=older%3D"));
    let page = read(&page.cursor, &json!({ "ok": true, "messages": [said("1700000003.000000")] })).unwrap();
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
fn a_thread_in_which_something_was_said_is_read_from_where_it_was_left() {
    let page = read(&listed(&["C1", "C2"]), &history(&[said("1700000020.000000")])).unwrap();
    let cursor = read(&page.cursor, &history(&[])).unwrap().cursor;
    assert_eq!(cursor["told"], json!({ "C1": "1700000020.000000" }));

    // The next walk: of three threads one has not moved, and one began before the account was connected.
    let cursor = read(&cursor, &json!({ "ok": true, "channels": [{ "id": "C1" }, { "id": "C2" }] })).unwrap();
    let messages = [
        said("1700000060.000000"),
        replied_to("1700000020.000000", "1700000090.000000"),
        replied_to("1700000010.000000", "1700000015.000000"),
        replied_to("1699999000.000000", "1700000070.000000"),
    ];
    let mut page = history(&messages);
    (page["has_more"], page["response_metadata"]) = (json!(true), json!({ "next_cursor": "older" }));
    let page = read(&cursor.cursor, &page).unwrap();
    assert_eq!(ids(&page), ["message:T1:C1:1700000060.000000"], "the others were told");
    let first = "https://slack.test/api/conversations.replies?channel=C1&ts=1700000020.000000&oldest=1700000020.000000&limit=200";
    assert_eq!(url(&page.cursor), first, "and so was what is on older pages");
    let pace = Slack.pace(&walk(&page.cursor)).unwrap();
    assert_eq!((pace.shared_by.as_str(), pace.every), ("T1 replies", Duration::from_secs(60)));

    let replies = |to: &str, times: &[&str]| -> Vec<Value> { times.iter().map(|ts| reply(to, ts)).collect() };
    let mut thread = vec![replied_to("1700000020.000000", "1700000090.000000")];
    thread.extend(replies("1700000020.000000", &["1700000025.000000"]));
    let mut answer = history(&thread);
    (answer["has_more"], answer["response_metadata"]) = (json!(true), json!({ "next_cursor": "newer" }));
    let page = read(&page.cursor, &answer).unwrap();
    assert_eq!(ids(&page), ["message:T1:C1:1700000025.000000"], "the message itself is no reply");
    assert_eq!(url(&page.cursor), format!("{first}&cursor=newer"));
    let page = read(&page.cursor, &history(&replies("1700000020.000000", &["1700000090.000000"]))).unwrap();
    assert_eq!(ids(&page), ["message:T1:C1:1700000090.000000"]);
    assert!(url(&page.cursor).contains("ts=1699999000.000000&"), "{}", url(&page.cursor));
    let page = read(&page.cursor, &history(&replies("1699999000.000000", &["1700000070.000000"]))).unwrap();
    assert_eq!((ids(&page), page.next), (vec!["message:T1:C1:1700000070.000000"], Next::More));
    assert_eq!(page.cursor["told"], json!({ "C1": "1700000090.000000" }));
    assert!(url(&page.cursor).contains("conversations.history?channel=C2&"), "{}", url(&page.cursor));
}

#[test]
fn a_reply_tells_nothing_of_the_time_before_it_on_a_page_that_was_read_earlier() {
    let mut first = history(&[said("1700000030.000000")]);
    (first["has_more"], first["response_metadata"]) = (json!(true), json!({ "next_cursor": "older" }));
    let page = read(&listed(&["C1"]), &first).unwrap();
    // A minute later. Meanwhile somebody may have said something that neither page has.
    let page = read(&page.cursor, &history(&[replied_to("1700000010.000000", "1700000080.000000")])).unwrap();
    let page = read(&page.cursor, &history(&[reply("1700000010.000000", "1700000080.000000")])).unwrap();
    assert_eq!(ids(&page), ["message:T1:C1:1700000080.000000"]);
    assert_eq!((page.next, &page.cursor["told"]), (Next::Done, &json!({ "C1": "1700000030.000000" })));
}

#[test]
fn a_thread_that_cannot_be_read_holds_nothing_up() {
    let moved = |thread: &str| replied_to(thread, "1700000090.000000");
    let messages = [moved("1700000003.000000"), moved("1700000002.000000"), moved("1700000001.000000")];
    let page = read(&listed(&["C1"]), &history(&messages)).unwrap();
    let gone = read(&page.cursor, &json!({ "ok": false, "error": "thread_not_found" })).unwrap();
    assert!(url(&gone.cursor).contains("ts=1700000002.000000&"), "{}", url(&gone.cursor));
    // Not to this token, whatever the thread.
    let done = read(&gone.cursor, &json!({ "ok": false, "error": "not_allowed_token_type" })).unwrap();
    assert_eq!((done.next, &done.cursor["told"]), (Next::Done, &json!({ "C1": "1700000090.000000" })));
}

#[test]
fn of_many_threads_those_are_read_in_which_something_was_said_last() {
    let moved = |number: usize| {
        replied_to(&format!("17000000{number:02}.000000"), &format!("17000001{number:02}.000000"))
    };
    let messages: Vec<_> = (0..THREADS_MAX + 1).rev().map(moved).collect();
    let page = read(&listed(&["C1"]), &history(&messages)).unwrap();
    let threads = page.cursor["stage"]["replies"]["seen"]["threads"].as_array().unwrap();
    assert_eq!((threads.len(), &threads[0][0]), (THREADS_MAX, &json!("1700000060.000000")));
    assert!(!threads.iter().any(|thread| thread[0] == "1700000000.000000"));
}

#[test]
fn history_has_a_pace_of_its_own_in_each_workspace() {
    assert!(Slack.pace(&walk(&Value::Null)).is_none());
    let cursor = listed(&["C1"]);
    let pace = Slack.pace(&walk(&cursor)).unwrap();
    assert_eq!((pace.shared_by.as_str(), pace.every), ("T1 history", Duration::from_secs(60)));
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
