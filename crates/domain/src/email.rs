//! E-mails, as they follow from what is told of them.
//!
//! What tells of a mailbox is told in its order. So an e-mail is what was last said of it; only threads have to be put
//! together from what comes in any order.

use serde::{Deserialize, Serialize};

use crate::event::DedupeKey;
use crate::time::micros;
use crate::{EmailId, Timestamp, UserId};

/// An e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// Its name.
    pub id: EmailId,
    /// Whose mailbox it is in.
    pub user_id: UserId,
    /// Its own id at the provider.
    pub provider_id: String,
    /// What it has in common with those that it answers, and with their answers.
    pub thread_id: String,
    /// What it is about.
    pub subject: Option<String>,
    /// Who wrote it.
    pub from: Option<String>,
    /// Whom it is to.
    pub to: Vec<String>,
    /// Whom it is also to.
    pub cc: Vec<String>,
    /// When it was written.
    #[serde(with = "micros")]
    pub date: Timestamp,
    /// What it says.
    pub text: Option<String>,
    /// The same, with its looks.
    pub html: Option<String>,
    /// What it is filed under.
    pub labels: Vec<String>,
    /// Whether its user has read it.
    pub is_read: bool,
    /// Which way it went.
    pub direction: Direction,
    /// Since when it is in the trash, or gone.
    #[serde(with = "micros::option")]
    pub deleted_at: Option<Timestamp>,
}

/// Which way an e-mail went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the user.
    Inbound,
    /// From them.
    Outbound,
}

/// What an event tells of an e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What happened.
    pub what: What,
    /// When that came in.
    pub at: Timestamp,
    /// In which mailbox, where it says.
    pub mailbox: Option<String>,
    /// Its own id at the provider.
    pub message_id: String,
    /// Its thread there, where there is such a thing.
    pub thread_id: Option<String>,
    /// What it answers.
    pub in_reply_to: Option<String>,
    /// What it holds, as far as it says.
    pub content: Content,
}

/// What may happen to an e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It came in; whether its mailbox says by a label that it has not been read.
    Received {
        /// Then it has been read where that label is missing.
        says_unread: bool,
    },
    /// It was sent.
    Sent,
    /// It was read.
    Read,
    /// It is as if it had not been.
    Unread,
    /// It was put into the trash, or deleted for good.
    Deleted,
    /// Its labels are others.
    Labelled,
}

/// What an e-mail holds, as far as an event says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the fields are those of an e-mail")]
pub struct Content {
    pub subject: Option<String>,
    pub from: Option<String>,
    pub to: Option<Vec<String>>,
    pub cc: Option<Vec<String>>,
    pub date: Option<Timestamp>,
    pub text: Option<String>,
    pub html: Option<String>,
    pub labels: Option<Vec<String>>,
}

/// The label of what has not been read.
const UNREAD: &str = "UNREAD";
/// The label of what is in the trash.
const TRASH: &str = "TRASH";
/// The label of what its user has written.
const SENT: &str = "SENT";

impl Told {
    /// The e-mail that it tells `user` of. It is the same whoever finds it out first.
    #[must_use]
    pub fn email_id(&self, user: &UserId) -> EmailId {
        let place = serde_json::json!([self.mailbox, self.message_id]).to_string();
        (*DedupeKey::new("email", Some(user), &place).as_bytes()).into()
    }

    /// The thread that it would be in if nothing else were known: its provider's, else that of what it answers, else
    /// its own.
    #[must_use]
    pub fn thread(&self) -> &str {
        self.thread_id.as_deref().or(self.in_reply_to.as_deref()).unwrap_or(&self.message_id)
    }

    /// Whether it says what the e-mail is, and not only what was done to it.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(self.what, What::Received { .. } | What::Sent) || self.content.from.is_some()
    }
}

impl Email {
    /// An e-mail of which only this is known, in `thread_id`.
    #[must_use]
    pub fn new(user_id: UserId, thread_id: String, told: &Told) -> Self {
        let has = |label: &str| told.content.labels.iter().flatten().any(|known| known == label);
        let is_outbound = told.what == What::Sent || (has(SENT) && !has("INBOX"));
        let mut email = Self {
            id: told.email_id(&user_id),
            user_id,
            provider_id: told.message_id.clone(),
            thread_id,
            subject: None,
            from: None,
            to: Vec::new(),
            cc: Vec::new(),
            date: told.at,
            text: None,
            html: None,
            labels: Vec::new(),
            is_read: is_outbound,
            direction: if is_outbound { Direction::Outbound } else { Direction::Inbound },
            deleted_at: None,
        };
        if matches!(told.what, What::Received { says_unread: true } | What::Labelled | What::Deleted) {
            email.is_read = !has(UNREAD);
        }
        email.apply(told);
        email
    }

    /// Takes what is told of it.
    pub fn apply(&mut self, told: &Told) {
        let Content { subject, from, to, cc, date, text, html, labels } = told.content.clone();
        self.subject = subject.or(self.subject.take());
        self.from = from.or(self.from.take());
        self.text = text.or(self.text.take());
        self.html = html.or(self.html.take());
        self.to = to.unwrap_or_else(|| std::mem::take(&mut self.to));
        self.cc = cc.unwrap_or_else(|| std::mem::take(&mut self.cc));
        self.date = date.unwrap_or(self.date);
        if let Some(labels) = labels {
            self.labels = labels;
        }
        match told.what {
            What::Read | What::Unread => {
                self.is_read = told.what == What::Read;
                self.mark_unread(!self.is_read);
            }
            What::Deleted => _ = self.deleted_at.get_or_insert(told.at),
            // It may have been taken out of the trash.
            What::Labelled => self.deleted_at = self.deleted_at.filter(|_| self.has(TRASH)),
            What::Received { .. } | What::Sent => {}
        }
        if self.has(TRASH) {
            self.deleted_at.get_or_insert(told.at);
        }
    }

    fn mark_unread(&mut self, is_unread: bool) {
        self.labels.retain(|known| known != UNREAD);
        if is_unread {
            self.labels.push(UNREAD.to_owned());
        }
    }

    fn has(&self, label: &str) -> bool {
        self.labels.iter().any(|known| known == label)
    }

    /// Whether `words`, in small letters, stand in what it is about, who wrote it, whom it is to, or what it says.
    #[must_use]
    pub fn mentions(&self, words: &str) -> bool {
        let texts = [&self.subject, &self.from, &self.text].into_iter().flatten();
        texts.chain(&self.to).chain(&self.cc).any(|text| text.to_lowercase().contains(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000 + second)
    }

    fn told(what: What, labels: &[&str], second: i64) -> Told {
        Told {
            what,
            at: at(second),
            mailbox: None,
            message_id: "m1".to_owned(),
            thread_id: None,
            in_reply_to: None,
            content: Content {
                from: Some("bob@example.com".to_owned()),
                subject: Some("The Door".to_owned()),
                labels: Some(labels.iter().map(|label| (*label).to_owned()).collect()),
                ..Content::default()
            },
        }
    }

    fn new(told: &Told) -> Email {
        Email::new("alice".parse().unwrap(), told.thread().to_owned(), told)
    }

    const RECEIVED: What = What::Received { says_unread: true };

    #[test]
    fn reading_follows_what_the_mailbox_says() {
        let mut email = new(&told(RECEIVED, &["INBOX", "UNREAD"], 0));
        assert_eq!((email.is_read, email.direction), (false, Direction::Inbound));
        email.apply(&told(What::Read, &["INBOX"], 1));
        assert!(email.is_read && !email.has(UNREAD));
        email.apply(&Told { content: Content::default(), ..told(What::Unread, &[], 2) });
        assert_eq!(
            (email.is_read, email.labels.as_slice()),
            (false, &["INBOX".to_owned(), UNREAD.to_owned()][..])
        );
        assert!(new(&told(RECEIVED, &["INBOX"], 0)).is_read, "its mailbox would say");
        assert!(!new(&told(What::Received { says_unread: false }, &["INBOX"], 0)).is_read);
        let sent = new(&told(What::Sent, &["SENT"], 0));
        assert_eq!((sent.is_read, sent.direction), (true, Direction::Outbound));
    }

    #[test]
    fn the_trash_can_be_left_again() {
        let mut email = new(&told(RECEIVED, &["INBOX"], 0));
        email.apply(&told(What::Deleted, &["TRASH"], 5));
        assert_eq!(email.deleted_at, Some(at(5)));
        email.apply(&told(What::Labelled, &["TRASH", "Label_1"], 6));
        assert_eq!(email.deleted_at, Some(at(5)));
        email.apply(&told(What::Labelled, &["INBOX"], 7));
        assert_eq!((email.deleted_at, email.subject.as_deref()), (None, Some("The Door")));
    }

    #[test]
    fn a_thread_is_named_by_its_provider_or_by_what_is_answered() {
        let alone = told(RECEIVED, &[], 0);
        assert_eq!(alone.thread(), "m1");
        let reply = Told { in_reply_to: Some("m0".to_owned()), ..alone.clone() };
        assert_eq!(reply.thread(), "m0");
        assert_eq!(Told { thread_id: Some("t".to_owned()), ..reply }.thread(), "t");
        let elsewhere = Told { mailbox: Some("a@b".to_owned()), ..alone.clone() };
        let user = "alice".parse().unwrap();
        assert_ne!(alone.email_id(&user), elsewhere.email_id(&user));
        assert!(new(&alone).mentions("door") && !new(&alone).mentions("window"));
    }
}
