//! Conversations that came from Slack: what is said there, and what is answered in a user's name.

use sandbox::Fault;
use serde_json::json;

use super::{Inbox, event, inbox, path};
use crate::support::database::Engine;
use crate::support::sender::slack;
use crate::support::stream::Socket;
use crate::support::world::SLACK;
use crate::support::{on_each_database, until, within};

on_each_database! { an_answer_is_posted_to_the_channel_that_it_answers }

impl Inbox {
    /// Slack tells of a message in a channel.
    async fn slack_tells(&self, event_id: &str, ts: &str, more: serde_json::Value) {
        let mut said = json!({ "type": "message", "channel": "C1", "channel_type": "channel", "ts": ts });
        said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let outer = json!({
            "type": "event_callback", "team_id": "T9TK3CUKW", "api_app_id": "A0KRD7HC3", "event_id": event_id,
            "event_time": 1_700_000_000, "authorizations": [{ "team_id": "T9TK3CUKW", "user_id": "U0KRQLJ9H" }],
            "event": said,
        });
        let request = slack(SLACK, 0, outer.to_string().as_bytes());
        self.world.program.anyone().send(request).await.ok();
    }
}

async fn an_answer_is_posted_to_the_channel_that_it_answers(engine: Engine) {
    let inbox = inbox(engine).await;
    let pair = inbox.sandbox.world().grant("slack", "U0KRQLJ9H");
    let said = json!({ "user": "U2", "text": "Is the door &lt;open&gt;? <https://a.test/door>" });
    inbox.slack_tells("Ev1", "1700000000.000100", said).await;
    let conversation = inbox.conversation_when(|conversation| conversation["unread_count"] == 1).await;
    assert_eq!(conversation["source"]["chat_id"], "C1");
    let messages = format!("{}/messages", path(&conversation));
    let listed = inbox.alice.list(&messages).await;
    assert_eq!(listed[0]["content"], "Is the door <open>? https://a.test/door");

    let mut socket = Socket::open(inbox.world.program.address, "/api/realtime/ws", &[]).await.unwrap();
    socket.say(&json!({ "t": "hello", "v": 1, "token": inbox.token, "types": ["message.*"] })).await;
    assert_eq!(within("the beginning", socket.read()).await.unwrap()["t"], "ready");
    let answer = async |content: &str| {
        let posted = inbox.alice.post(&messages, &json!({ "content": content })).await;
        assert_eq!(posted.status, 201);
        posted.ok()["id"].clone()
    };

    // Nobody has connected a workspace yet.
    let unsent = answer("Who is there?").await;
    let failed = event(&mut socket, "message.failed").await;
    assert_eq!(failed["data"]["message"]["id"], unsent);

    // Without polling: it would meet what is to go wrong with the answers.
    let account = json!({
        "user_id": "alice", "provider": "slack", "access_token": pair.access, "settings": { "poll_seconds": 0 },
    });
    inbox.world.admin().post("/api/connections", &account).await.ok();
    inbox.sandbox.world().fail_next("slack", Fault::Status(429));
    let answered = answer("Yes <!channel> & wide").await;
    let sent = event(&mut socket, "message.sent").await;
    assert_eq!(sent["data"]["message"]["id"], answered);
    let posted = inbox.sandbox.world().sent();
    assert_eq!(posted.len(), 1, "{posted:?}");
    assert_eq!(
        (posted[0].chat_id.as_str(), posted[0].text.as_str()),
        ("C1", "Yes &lt;!channel&gt; &amp; wide")
    );

    // It comes back from Slack, and is the same message.
    let own = json!({ "bot_id": "B0KRD7HC3", "app_id": "A0KRD7HC3", "text": posted[0].text });
    inbox.slack_tells("Ev2", &posted[0].message_id, own).await;
    // The answer is lost; what comes back tells that it was posted.
    inbox.sandbox.world().fail_next("slack", Fault::AnswerLost);
    let lost = answer("Come in").await;
    let post_again = || async { inbox.sandbox.world().sent().get(1).cloned() };
    let posted = until("it was posted", post_again).await;
    let own = json!({ "bot_id": "B0KRD7HC3", "app_id": "A0KRD7HC3", "text": posted.text });
    inbox.slack_tells("Ev3", &posted.message_id, own).await;
    let sent = event(&mut socket, "message.sent").await;
    assert_eq!(sent["data"]["message"]["id"], lost);
    assert_eq!(inbox.alice.list(&messages).await.len(), 4, "each is there once");
    assert_eq!(inbox.sandbox.world().sent().len(), 2, "and was posted once");
}
