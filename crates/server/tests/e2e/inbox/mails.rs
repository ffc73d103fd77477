//! Mails that Unipile tells of.

use serde_json::{Value, json};

use super::{Inbox, SECRET, inbox};
use crate::support::client::Request;
use crate::support::database::Engine;
use crate::support::on_each_database;
use crate::support::until;

on_each_database! { what_unipile_tells_of_mails_is_kept_as_emails }

impl Inbox {
    /// Unipile tells of a mail.
    async fn mail(&self, event: &str, email: &str, more: Value) {
        let mut body = json!({
            "event": event, "account_id": "acc_1", "email_id": email, "date": "2026-11-21T09:30:00.000Z",
            "from_attendee": {"display_name": "Bob", "identifier": "bob@a.test"}, "subject": "The door",
            "to_attendees": [{"display_name": "Alice", "identifier": "alice@a.test"}], "cc_attendees": [],
            "body": "<p>It squeaks.</p>", "body_plain": "It squeaks.", "read_date": null, "in_reply_to": null,
            "folders": ["INBOX"], "role": "inbox",
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = Request::post("/api/webhooks/unipile/messages").header("unipile-auth", SECRET);
        self.world.program.anyone().send(request.json(&body)).await.ok();
    }
}

async fn what_unipile_tells_of_mails_is_kept_as_emails(engine: Engine) {
    let inbox = inbox(engine).await;
    // The answer comes before what it answers.
    let answer = json!({
        "date": "2026-11-21T09:40:00.000Z", "in_reply_to": {"id": "eml_1", "message_id": "<a@a.test>"},
        "from_attendee": {"display_name": "", "identifier": "alice@a.test"}, "folders": ["Sent"], "role": "sent",
    });
    inbox.mail("mail_sent", "eml_2", answer).await;
    inbox.mail("mail_received", "eml_1", json!({})).await;
    inbox.mail("mail_received", "eml_1", json!({})).await;
    inbox.mail("mail_received", "eml_0", json!({ "read_date": "2026-11-21T09:31:00.000Z" })).await;
    inbox.mail("mail_moved", "eml_0", json!({ "folders": ["Bin"], "role": "trash" })).await;
    let emails = until("all of it is kept", || async {
        let emails = inbox.alice.list("/api/emails").await;
        emails.iter().any(|email| email["deleted_at"].is_string()).then_some(emails)
    })
    .await;
    let of = |id: &str| emails.iter().find(|email| email["message_id"] == id).unwrap();
    assert_eq!(emails.len(), 3, "{emails:?}");
    let (received, sent, moved) = (of("eml_1"), of("eml_2"), of("eml_0"));
    assert_eq!(
        (&received["from"], &received["to"]),
        (&json!("Bob <bob@a.test>"), &json!(["Alice <alice@a.test>"]))
    );
    assert_eq!((&received["text"], &received["html"]), (&json!("It squeaks."), &json!("<p>It squeaks.</p>")));
    assert_eq!(received["date"], "2026-11-21T09:30:00.000Z");
    for (email, is_read, direction, labels) in [
        (received, false, "inbound", json!(["INBOX"])),
        (sent, true, "outbound", json!(["Sent", "SENT"])),
        (moved, true, "inbound", json!(["Bin", "TRASH"])),
    ] {
        assert_eq!((&email["is_read"], &email["direction"]), (&json!(is_read), &json!(direction)), "{email}");
        assert_eq!(email["labels"], labels);
    }
    assert_eq!(sent["thread_id"], received["thread_id"]);
    assert_ne!(moved["thread_id"], received["thread_id"]);
    let found = json!({ "email_id": "eml_1" });
    let found = inbox.alice.post("/actions/fetch_emails", &found).await.ok();
    assert_eq!(found["emails"], json!([received]));
}
