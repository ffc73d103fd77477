//! Who sends what next: traffic such as a host application with a few users has.
//!
//! There is no chance in it. The number of a parcel decides what is in it, so a run can be told from another only by
//! the [`Traffic::run`] that is part of every id.

use serde_json::{Value, json};

use crate::senders::{self, Parcel};

/// The users of the host application.
pub const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

const REPOSITORIES: [&str; 3] = ["acme/storefront", "acme/billing", "acme/infra"];
const TITLES: [&str; 4] =
    ["Mend the door", "Keep late events in order", "Answer the landlord", "Say what a limit is for"];
const PEOPLE: [(&str, &str); 3] = [("bea", "Bea Holm"), ("ivo", "Ivo Lang"), ("noor", "Noor Aziz")];
const TEXTS: [&str; 5] = [
    "Good morning! Is the flat still to be had?",
    "Could we meet on Thursday instead?",
    "The invoice has come, thank you.",
    "I have sent you the drawings. Tell me what you think.",
    "See you there.",
];
const SUBJECTS: [&str; 3] = ["The door", "Drawings for the kitchen", "Your order"];

/// What secrets the senders and the server share, and where Stripe sends to.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// Different for each run, so that nothing is a repeat of another run's.
    pub run: u64,
    /// Of the hooks at GitHub.
    pub github_secret: String,
    /// Of the application at Slack.
    pub slack_secret: String,
    /// In the header of Unipile's requests.
    pub unipile_secret: String,
    /// Of the endpoint at Stripe.
    pub stripe_secret: String,
    /// The path of that endpoint.
    pub stripe_path: String,
}

/// What is sent next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// As its sender signs it.
    Signed(Parcel),
    /// By the host application, which adds its bearer.
    Published(Parcel),
    /// By somebody who does not know the secret, or comes too late.
    Forged(Parcel),
}

/// What happens in a round, over and over.
const ROUND: [Kind; 24] = {
    use Kind::*;
    [
        Order,
        Push,
        Message,
        Task,
        Charge,
        Push,
        Order,
        PullRequest,
        Chat,
        Task,
        Mail,
        Order,
        Message,
        Push,
        Charge,
        Order,
        Task,
        Release,
        Answer,
        Reading,
        Email,
        Chat,
        Push,
        Forgery,
    ]
};

#[derive(Debug, Clone, Copy)]
enum Kind {
    Order,
    Task,
    Push,
    PullRequest,
    Release,
    Chat,
    Charge,
    Message,
    /// The account itself has written.
    Answer,
    /// The answer before was read.
    Reading,
    Mail,
    /// In a mailbox that the host application watches.
    Email,
    Forgery,
}

/// Unipile's account of a user.
#[must_use]
pub fn unipile_account(user: &str) -> String {
    format!("acc_{user}")
}

impl Traffic {
    /// The parcel of this number, sent at `now` in seconds since the Unix epoch.
    #[must_use]
    pub fn nth(&self, number: u64, now: i64) -> Sent {
        let turn = Turn { traffic: self, number, now };
        match at(&ROUND, number) {
            Kind::Order => Sent::Published(turn.order()),
            Kind::Task => Sent::Published(turn.task()),
            Kind::Push => Sent::Signed(turn.github(&self.github_secret, "push", &turn.push())),
            Kind::PullRequest => {
                Sent::Signed(turn.github(&self.github_secret, "pull_request", &turn.pull_request()))
            }
            Kind::Release => Sent::Signed(turn.github(&self.github_secret, "release", &turn.release())),
            Kind::Chat => Sent::Signed(turn.chat(now)),
            Kind::Charge => Sent::Signed(turn.charge()),
            Kind::Message => Sent::Signed(turn.message(false)),
            Kind::Answer => Sent::Signed(turn.message(true)),
            Kind::Reading => Sent::Signed(turn.reading()),
            Kind::Mail => Sent::Signed(turn.mail()),
            Kind::Email => Sent::Published(turn.email()),
            Kind::Forgery => Sent::Forged(turn.forgery()),
        }
    }
}

/// One parcel in the making.
struct Turn<'t> {
    traffic: &'t Traffic,
    number: u64,
    now: i64,
}

impl Turn<'_> {
    /// Rounds go past the users at another pace than the kinds, so that each user gets of everything.
    fn user(&self) -> &'static str {
        at(&USERS, self.number + self.number / ROUND.len() as u64)
    }

    fn id(&self, prefix: &str) -> String {
        format!("{prefix}{:x}-{}", self.traffic.run, self.number)
    }

    fn order(&self) -> Parcel {
        let (number, customer) = (self.number, self.number % 7);
        let data = json!({
            "id": 7_000 + number, "amount": 20 + 37 * number % 400, "currency": "EUR",
            "customer": { "id": format!("cus_{customer}"), "email": format!("customer{customer}@example.com") },
        });
        let kind = if number % 5 == 1 { "order.refunded" } else { "order.paid" };
        senders::published(self.user(), kind, &data)
    }

    fn task(&self) -> Parcel {
        let priority = if self.number.is_multiple_of(3) { "high" } else { "low" };
        let data = json!({ "title": at(&TITLES, self.number), "priority": priority });
        senders::published(self.user(), "task.created", &data)
    }

    fn github(&self, secret: &str, kind: &str, payload: &Value) -> Parcel {
        senders::github(secret, self.user(), kind, &self.id("demo-"), payload)
    }

    fn repository(&self) -> Value {
        let full_name = at(&REPOSITORIES, self.number / 2);
        json!({ "id": 1_296_269, "full_name": full_name, "html_url": format!("https://github.com/{full_name}") })
    }

    fn push(&self) -> Value {
        let after = format!("{:040x}", u128::from(self.traffic.run) << 32 | u128::from(self.number));
        json!({
            "ref": "refs/heads/main", "after": after, "repository": self.repository(),
            "pusher": { "name": self.user() },
            "commits": [{ "id": after, "message": at(&TITLES, self.number), "author": { "name": self.user() } }],
        })
    }

    fn pull_request(&self) -> Value {
        json!({
            "action": if self.number.is_multiple_of(2) { "opened" } else { "closed" }, "number": 400 + self.number,
            "pull_request": { "title": at(&TITLES, self.number), "user": { "login": self.user() } },
            "repository": self.repository(),
        })
    }

    fn release(&self) -> Value {
        json!({
            "action": "published",
            "release": { "tag_name": format!("v1.{}.0", self.number), "name": at(&TITLES, self.number) },
            "repository": self.repository(),
        })
    }

    fn chat(&self, now: i64) -> Parcel {
        let event = json!({
            "type": "message", "channel": "C061EG9T2", "channel_type": "channel", "user": "U061F7AUR",
            "text": at(&TEXTS, self.number), "ts": format!("{now}.{:06}", self.number % 1_000_000),
        });
        let event_id = self.id("Ev");
        senders::slack(&self.traffic.slack_secret, self.user(), &event_id, now, &event)
    }

    fn charge(&self) -> Parcel {
        let Traffic { stripe_secret, stripe_path, .. } = self.traffic;
        let kind = if self.number.is_multiple_of(4) { "charge.failed" } else { "charge.succeeded" };
        let charge = json!({ "id": self.id("ch_"), "object": "charge", "amount": 4_200, "currency": "eur" });
        senders::stripe(stripe_secret, stripe_path, &self.id("evt_"), kind, self.now, &charge)
    }

    /// Of each user's account, with one of a few people.
    fn message(&self, is_own: bool) -> Parcel {
        let (user, (handle, name)) = (self.user(), at(&PEOPLE, self.number / 3));
        let (account, own) = (unipile_account(user), format!("own_{user}"));
        let sender = if is_own { own.as_str() } else { handle };
        let shown = if is_own { user } else { name };
        senders::unipile(
            &self.traffic.unipile_secret,
            &json!({
                "event": "message_received", "account_id": account, "account_type": "WHATSAPP",
                "account_info": { "type": "WHATSAPP", "user_id": own },
                "chat_id": format!("chat_{user}_{handle}"), "message_id": self.id("msg_"),
                "message": at(&TEXTS, self.number), "timestamp": self.iso(), "is_sender": is_own,
                "sender": { "attendee_id": format!("att_{sender}"), "attendee_provider_id": sender, "attendee_name": shown },
                "attendees": [{ "attendee_id": format!("att_{handle}"), "attendee_provider_id": handle, "attendee_name": name }],
                "attachments": [],
            }),
        )
    }

    fn reading(&self) -> Parcel {
        let answer = Turn { number: self.number.saturating_sub(1), ..*self };
        let (user, (handle, _)) = (answer.user(), at(&PEOPLE, answer.number / 3));
        senders::unipile(
            &self.traffic.unipile_secret,
            &json!({
                "event": "message_read", "account_id": unipile_account(user), "account_type": "WHATSAPP",
                "chat_id": format!("chat_{user}_{handle}"), "message_id": answer.id("msg_"),
                "timestamp": self.iso(),
            }),
        )
    }

    fn mail(&self) -> Parcel {
        let (user, (handle, name)) = (self.user(), at(&PEOPLE, self.number / 3));
        let of = |name: &str, address: String| json!({ "display_name": name, "identifier": address, "identifier_type": "EMAIL_ADDRESS" });
        let text = at(&TEXTS, self.number);
        senders::unipile(
            &self.traffic.unipile_secret,
            &json!({
                "event": "mail_received", "account_id": unipile_account(user), "email_id": self.id("eml_"),
                "message_id": format!("<{}@example.com>", self.id("mail-")), "date": self.iso(),
                "from_attendee": of(name, format!("{handle}@example.com")),
                "to_attendees": [of(user, format!("{user}@acme.example"))],
                "subject": at(&SUBJECTS, self.number), "body": format!("<p>{text}</p>"), "body_plain": text,
                "folders": ["INBOX"], "role": "inbox", "has_attachments": false, "attachments": [],
            }),
        )
    }

    fn email(&self) -> Parcel {
        let round = self.number / ROUND.len() as u64;
        let (user, (handle, name), subject) = (self.user(), at(&PEOPLE, round), at(&SUBJECTS, round));
        let data = json!({
            "message_id": self.id("mail-"), "thread_id": format!("{handle} {subject}"), "date": self.iso(),
            "from": format!("{name} <{handle}@example.com>"), "to": [format!("{user}@acme.example")],
            "subject": subject, "text": at(&TEXTS, round), "labels": ["INBOX", "UNREAD"],
        });
        senders::published(user, "email.received", &data)
    }

    /// Now a wrong signature, now one that is too old.
    fn forgery(&self) -> Parcel {
        let is_stale = (self.number / ROUND.len() as u64).is_multiple_of(2);
        if is_stale { self.chat(self.now - 3_600) } else { self.github("a wrong one", "push", &self.push()) }
    }

    fn iso(&self) -> String {
        let time = jiff::Timestamp::from_second(self.now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        format!("{time:.3}")
    }
}

fn at<T: Copy, const N: usize>(list: &[T; N], number: u64) -> T {
    list[(number % N as u64) as usize]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn traffic() -> Traffic {
        let text = |text: &str| text.to_owned();
        Traffic {
            run: 9,
            github_secret: text("g"),
            slack_secret: text("s"),
            unipile_secret: text("u"),
            stripe_secret: text("t"),
            stripe_path: text("/in/token"),
        }
    }

    #[test]
    fn every_kind_comes_in_a_round_and_none_twice() {
        let all: Vec<_> = (0..2_000).map(|number| traffic().nth(number, 1_700_000_000)).collect();
        let parcels: HashSet<_> = all
            .iter()
            .map(|sent| match sent {
                Sent::Signed(parcel) | Sent::Published(parcel) | Sent::Forged(parcel) => &parcel.body,
            })
            .collect();
        // The host application may well say the same again.
        let published = all.iter().filter(|sent| matches!(sent, Sent::Published(_))).count();
        assert!(parcels.len() >= all.len() - published);
        let paths: HashSet<_> = all[..96]
            .iter()
            .filter_map(|sent| match sent {
                Sent::Signed(parcel) | Sent::Published(parcel) => Some(parcel.path.as_str()),
                Sent::Forged(_) => None,
            })
            .collect();
        for path in ["/api/events", "/in/token", "/api/webhooks/unipile/messages"] {
            assert!(paths.contains(path), "{path}");
        }
        for user in USERS {
            assert!(paths.contains(format!("/api/webhooks/github/{user}").as_str()), "{user}");
        }
        assert!(all[..48].iter().filter(|sent| matches!(sent, Sent::Forged(_))).count() == 2);
    }
}
