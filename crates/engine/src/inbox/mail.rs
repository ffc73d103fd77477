//! What an event tells of an e-mail, and the threads that follow from it.

use domain::email::{Content, Email, Told, What};
use domain::{EmailId, Event, Timestamp, UserId};
use serde_json::{Map, Value};
use store::{Page, StoreError, StoredEmail};

use super::work::Work;
use super::{Inbox, data_of};
use crate::limits::{EMAILS_FOUND_MAX, EMAILS_PER_READ, EMAILS_SEARCHED_MAX, EMAILS_THREADED_MAX};

/// Bytes of an id that a provider gives to an e-mail or a thread, or that an e-mail has itself (RFC 5322, 2.1.1).
const ID_BYTES_MAX: usize = 998;

/// What `event` tells of an e-mail, a provider's own or one of `email.*`; `None` where it tells of none.
pub(super) fn told(event: &Event) -> Option<Told> {
    if !event.event_type.as_str().starts_with("email.") {
        return providers::inbox::told_mail(event);
    }
    let data = data_of(event);
    let labels = texts(&data, "labels");
    let is_unread = labels.iter().flatten().any(|label| label == "UNREAD");
    let what = match event.event_type.as_str() {
        // Gmail has a label for what has not been read, and so a word for what has.
        "email.received" => {
            What::Received { says_unread: is_unread || event.provider.as_deref() == Some("gmail") }
        }
        "email.sent" => What::Sent,
        "email.read" => What::Read,
        "email.unread" => What::Unread,
        "email.trashed" | "email.deleted" => What::Deleted,
        "email.labels_changed" => What::Labelled,
        _ => return None,
    };
    let id = |name: &str| text(&data, name).filter(|id| (1..=ID_BYTES_MAX).contains(&id.len()));
    let id = |name: &str| id(name).filter(|id| !id.contains(char::is_control));
    let date = text(&data, "date").and_then(|date| Timestamp::parse(&date).ok());
    let is_first = matches!(what, What::Received { .. } | What::Sent);
    Some(Told {
        what,
        at: event.received_at,
        mailbox: id("mailbox"),
        message_id: id("message_id")?,
        thread_id: id("thread_id"),
        in_reply_to: id("in_reply_to"),
        content: Content {
            subject: text(&data, "subject"),
            from: text(&data, "from"),
            to: texts(&data, "to"),
            cc: texts(&data, "cc"),
            date: date.or(Some(event.occurred_at).filter(|_| is_first)),
            text: text(&data, "text"),
            html: text(&data, "html"),
            labels,
        },
    })
}

fn text(data: &Map<String, Value>, name: &str) -> Option<String> {
    data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A list of texts; one text is a list of one.
fn texts(data: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    match data.get(name)? {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(texts) => Some(texts.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    }
}

impl Work<'_> {
    /// What is told of an e-mail. Of one that is not known only that counts which says what it is.
    pub(super) async fn take_email(&mut self, user: &UserId, told: &Told) -> Result<(), StoreError> {
        if let Some(mut known) = self.email(told.email_id(user)).await? {
            known.email.apply(told);
            self.emails.insert(known.email.id, known);
            return Ok(());
        }
        if !told.is_whole() {
            return Ok(());
        }
        let thread_id = self.thread(user, told).await?;
        if told.thread_id.is_none() && thread_id != told.message_id {
            self.rethread(user, &told.message_id, &thread_id).await?;
        }
        let email = Email::new(user.clone(), thread_id, told);
        self.emails.insert(email.id, StoredEmail { email, revision: 0 });
        Ok(())
    }

    /// The thread of what is new: its provider's, else that of what it answers, if that is here.
    async fn thread(&self, user: &UserId, told: &Told) -> Result<String, StoreError> {
        if let (None, Some(parent)) = (&told.thread_id, &told.in_reply_to) {
            let is_it =
                |stored: &&StoredEmail| stored.email.user_id == *user && stored.email.provider_id == *parent;
            let parent = match self.emails.values().find(is_it) {
                Some(known) => Some(known.clone()),
                None => self.store.email_called(user, parent).await?,
            };
            if let Some(parent) = parent {
                return Ok(parent.email.thread_id);
            }
        }
        Ok(told.thread().to_owned())
    }

    /// Answers that came before what they answer were in a thread of its name. They join its own.
    async fn rethread(&mut self, user: &UserId, from: &str, to: &str) -> Result<(), StoreError> {
        let stored = self.store.emails(Some(user), Some(from), &Page::first(EMAILS_THREADED_MAX)).await?;
        for answer in stored {
            self.emails.entry(answer.email.id).or_insert(answer);
        }
        let is_answer =
            |stored: &&mut StoredEmail| stored.email.user_id == *user && stored.email.thread_id == from;
        for answer in self.emails.values_mut().filter(is_answer) {
            to.clone_into(&mut answer.email.thread_id);
        }
        Ok(())
    }

    async fn email(&self, id: EmailId) -> Result<Option<StoredEmail>, StoreError> {
        match self.emails.get(&id) {
            Some(known) => Ok(Some(known.clone())),
            None => self.store.email(id).await,
        }
    }
}

impl Inbox {
    /// The latest of a user's e-mails that mention these words.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn find_emails(&self, user: &UserId, words: &str) -> Result<Vec<StoredEmail>, StoreError> {
        let words = words.to_lowercase();
        let (mut found, mut page) = (Vec::new(), Page::first(EMAILS_PER_READ));
        for _ in 0..EMAILS_SEARCHED_MAX / EMAILS_PER_READ {
            let read = self.store.emails(Some(user), None, &page).await?;
            page.before = read.last().map(StoredEmail::place);
            let is_last = read.len() < EMAILS_PER_READ as usize;
            found.extend(read.into_iter().filter(|stored| stored.email.mentions(&words)));
            if is_last || found.len() >= EMAILS_FOUND_MAX {
                break;
            }
        }
        found.truncate(EMAILS_FOUND_MAX);
        Ok(found)
    }
}
