//! Mails of Unipile: what its events tell of them.
//!
//! Sources: developer.unipile.com, "New emails webhook"; bodies that others have recorded. A mail is named by Unipile's
//! own id, and what it answers by the same where Unipile knows it. Unipile tells of no reading: a mail that was read
//! before it is told of has a `read_date`.

use domain::Event;
use domain::email::{Content, Told, What};
use serde::Deserialize;
use serde_json::Value;

use crate::lenient;

#[derive(Deserialize)]
struct Body {
    #[serde(default, deserialize_with = "lenient::text")]
    account_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    email_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    subject: Option<String>,
    #[serde(default, deserialize_with = "lenient::object")]
    from_attendee: Option<Attendee>,
    #[serde(default)]
    to_attendees: Value,
    #[serde(default)]
    cc_attendees: Value,
    #[serde(default, deserialize_with = "lenient::text")]
    body: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    body_plain: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    read_date: Option<String>,
    #[serde(default, deserialize_with = "lenient::object")]
    in_reply_to: Option<Answered>,
    #[serde(default)]
    folders: Value,
    #[serde(default, deserialize_with = "lenient::text")]
    role: Option<String>,
}

#[derive(Deserialize)]
struct Attendee {
    #[serde(default, deserialize_with = "lenient::text")]
    display_name: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    identifier: Option<String>,
}

/// What a mail answers: by Unipile's own id, and by the mail's (RFC 5322).
#[derive(Deserialize)]
struct Answered {
    #[serde(default, deserialize_with = "lenient::text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    message_id: Option<String>,
}

pub(crate) fn told(event: &Event) -> Option<Told> {
    let kind = event.event_type.as_str();
    if !matches!(kind, "unipile.mail_received" | "unipile.mail_sent" | "unipile.mail_moved") {
        return None;
    }
    let body: Body = serde_json::from_str(event.data.as_str()).ok()?;
    let what = match kind {
        "unipile.mail_received" => What::Received { says_unread: body.read_date.is_some() },
        "unipile.mail_sent" => What::Sent,
        _ => What::Labelled,
    };
    let date = (what != What::Labelled).then_some(event.occurred_at);
    let labels = body.labels();
    Some(Told {
        what,
        at: event.received_at,
        mailbox: Some(body.account_id?),
        message_id: body.email_id?,
        thread_id: None,
        in_reply_to: body.in_reply_to.and_then(|answered| answered.id.or(answered.message_id)),
        content: Content {
            subject: body.subject,
            from: body.from_attendee.as_ref().and_then(Attendee::shown),
            to: attendees(&body.to_attendees),
            cc: attendees(&body.cc_attendees),
            date,
            text: body.body_plain,
            html: body.body,
            labels,
        },
    })
}

impl Body {
    /// Its folders, and the role of the one that it is in, in the words of the other mailboxes.
    fn labels(&self) -> Option<Vec<String>> {
        let folders = self.folders.as_array()?;
        let mut labels: Vec<String> = folders.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let role = match self.role.as_deref() {
            Some("inbox") => Some("INBOX"),
            Some("sent") => Some("SENT"),
            Some("trash") => Some("TRASH"),
            _ => None,
        };
        if let Some(role) = role.filter(|role| !labels.iter().any(|label| label == role)) {
            labels.push(role.to_owned());
        }
        Some(labels)
    }
}

impl Attendee {
    /// As a mail's head names somebody.
    fn shown(&self) -> Option<String> {
        let address = self.identifier.as_deref()?;
        Some(match &self.display_name {
            Some(name) if name != address => format!("{name} <{address}>"),
            _ => address.to_owned(),
        })
    }
}

fn attendees(listed: &Value) -> Option<Vec<String>> {
    let read = |one: &Value| serde_json::from_value::<Attendee>(one.clone()).ok()?.shown();
    Some(listed.as_array()?.iter().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::testing::kept;

    fn read(kind: &str, body: &Value) -> Option<Told> {
        crate::inbox::told_mail(&kept("unipile", kind, (1_700_000_000, 1_700_000_009), body))
    }

    fn received() -> Value {
        json!({
            "event": "mail_received", "account_id": "acc_2", "email_id": "eml_2", "message_id": "<b@a.test>",
            "from_attendee": {"display_name": "Bob", "identifier": "bob@a.test", "identifier_type": "EMAIL_ADDRESS"},
            "to_attendees": [{"display_name": "", "identifier": "alice@a.test"}, {"display_name": "Nobody"}],
            "cc_attendees": [], "subject": "Re: The door", "body": "<p>It squeaks.</p>", "body_plain": "It squeaks.",
            "read_date": null, "in_reply_to": {"message_id": "<a@a.test>", "id": "eml_1"}, "folders": ["INBOX"],
            "role": "inbox",
        })
    }

    #[test]
    fn a_mail_is_told_with_all_that_it_holds() {
        let told = read("unipile.mail_received", &received()).unwrap();
        assert_eq!((told.mailbox.as_deref(), told.message_id.as_str()), (Some("acc_2"), "eml_2"));
        assert_eq!((told.in_reply_to.as_deref(), told.thread_id.as_deref()), (Some("eml_1"), None));
        assert_eq!(told.what, What::Received { says_unread: false });
        let content = Content {
            subject: Some("Re: The door".to_owned()),
            from: Some("Bob <bob@a.test>".to_owned()),
            to: Some(vec!["alice@a.test".to_owned()]),
            cc: Some(Vec::new()),
            date: Some(Timestamp::from_seconds(1_700_000_000)),
            text: Some("It squeaks.".to_owned()),
            html: Some("<p>It squeaks.</p>".to_owned()),
            labels: Some(vec!["INBOX".to_owned()]),
        };
        assert_eq!(told.content, content);
        let mut known = received();
        known["read_date"] = json!("2026-11-21T09:31:00.000Z");
        known["in_reply_to"] = json!({"message_id": "<a@a.test>", "id": null});
        let told = read("unipile.mail_received", &known).unwrap();
        assert_eq!(told.what, What::Received { says_unread: true });
        assert_eq!(told.in_reply_to.as_deref(), Some("<a@a.test>"));
        assert_eq!(read("unipile.mail_sent", &received()).unwrap().what, What::Sent);
    }

    #[test]
    fn a_move_tells_of_the_folder_and_not_of_the_time() {
        let moved = json!({"account_id": "acc_2", "email_id": "eml_2", "folders": ["Bin"], "role": "trash"});
        let told = read("unipile.mail_moved", &moved).unwrap();
        assert_eq!((told.what, told.content.date), (What::Labelled, None));
        assert_eq!(told.content.labels, Some(vec!["Bin".to_owned(), "TRASH".to_owned()]));
    }

    #[test]
    fn what_names_no_mail_tells_of_none() {
        for field in ["account_id", "email_id"] {
            for wrong in [json!(null), json!(""), json!("a\u{7}"), json!("x".repeat(999)), json!({})] {
                let mut body = received();
                body[field] = wrong;
                assert_eq!(read("unipile.mail_received", &body), None);
            }
        }
        for other in ["unipile.mail_opened", "unipile.mail_link_clicked", "unipile.message_received"] {
            assert_eq!(read(other, &received()), None);
        }
    }
}
