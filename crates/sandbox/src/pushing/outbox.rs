//! What the providers send when something happens: to whom it was set up for, as long as that has not lapsed, and to
//! nobody else.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Pushing, signing, text};
use crate::clock::iso_millis;
use crate::gmail::Mail;
use crate::senders::{self, Parcel};
use crate::world::World;

/// What is sent next, and what nobody heard of.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    parcels: Vec<Parcel>,
    unheard: BTreeMap<&'static str, u32>,
    /// By provider: where it sends to, where that is entered on its pages.
    addresses: HashMap<&'static str, String>,
    /// By mailbox: when there was a notice last, in seconds since the Unix epoch.
    noticed: HashMap<String, i64>,
}

impl Pushing {
    /// The operator has entered on a provider's pages where it is to send to, as there is no call for it: `slack`, the
    /// application's request URL; `gmail`, the endpoint of the Pub/Sub subscription.
    pub fn send_to(&self, vendor: &'static str, url: &str) {
        self.data().outbox.addresses.insert(vendor, url.to_owned());
    }

    /// What the providers have sent since this was last asked. It is for whoever asks to take it where it goes.
    #[must_use]
    pub fn sent(&self) -> Vec<Parcel> {
        std::mem::take(&mut self.data().outbox.parcels)
    }

    /// How often something happened at each provider that it told nobody: there was no hook, no watch, no lease, or it
    /// had lapsed.
    #[must_use]
    pub fn unheard(&self) -> BTreeMap<&'static str, u32> {
        self.data().outbox.unheard.clone()
    }

    fn send(&self, vendor: &'static str, parcels: Vec<Parcel>) {
        let mut data = self.data();
        if parcels.is_empty() {
            *data.outbox.unheard.entry(vendor).or_default() += 1;
        }
        data.outbox.parcels.extend(parcels);
    }

    fn address(&self, vendor: &str) -> Option<String> {
        self.data().outbox.addresses.get(vendor).cloned()
    }

    fn number(&self) -> u64 {
        self.data().next_number()
    }
}

impl World {
    /// GitHub: a repository's hooks are told what somebody did in it.
    pub(crate) fn tell_hooks(&self, repository: &str, login: &str, kind: &str, id: &str) {
        let event = match kind {
            "PushEvent" => "push",
            "IssuesEvent" => "issues",
            "WatchEvent" => "star",
            _ => return,
        };
        let payload = json!({
            "ref": "refs/heads/main", "after": format!("{id:0>40}"), "commits": [],
            "repository": { "id": 1_296_269, "full_name": repository }, "sender": { "id": 583_231, "login": login },
        });
        let mut hooks = self.pushing().hooks(repository);
        hooks.retain(|hook| hook.events.iter().any(|one| one == "*" || one == event));
        let parcel = |hook: &super::github::Hook| {
            let delivery = format!("{id}-{}", hook.id);
            let secret = hook.secret.as_deref().unwrap_or_default();
            senders::github(secret, "", event, &delivery, &payload).to(&hook.url)
        };
        self.pushing().send("github", hooks.iter().map(parcel).collect());
    }

    /// Slack: the application is told of an inner event.
    pub(crate) fn tell_slack(&self, event: &Value) {
        let event_id = format!("Ev{:010}", self.pushing().number());
        let parcel =
            |url: String| senders::slack(signing::SLACK_SECRET, "", &event_id, self.now(), event).to(&url);
        self.pushing().send("slack", self.pushing().address("slack").map(parcel).into_iter().collect());
    }

    /// Whoever watches a mailbox is told of a mail: Google's subscription, or Composio's triggers.
    pub(crate) fn tell_of_mail(&self, mailbox: &str, id: &str, mail: &Mail<'_>) {
        if mailbox.starts_with("ca_") {
            self.tell_triggers(mailbox, id, mail);
        } else {
            self.tell_of_mailbox(mailbox);
        }
    }

    /// Gmail: the topic of a mailbox's watch gets a notice, at most one in a second ("others are dropped").
    pub(crate) fn tell_of_mailbox(&self, mailbox: &str) {
        let (now, number) = (self.now(), self.pushing().number());
        let address = self.pushing().address("gmail").filter(|_| self.watch_of(mailbox).is_some());
        let before = self.pushing().data().outbox.noticed.insert(mailbox.to_owned(), now);
        if before == Some(now) && address.is_some() {
            return;
        }
        let notice = json!({ "emailAddress": mailbox, "historyId": self.history_id(mailbox) });
        let payload = json!({
            "message": {
                "data": STANDARD.encode(notice.to_string()), "messageId": number.to_string(),
                "message_id": number.to_string(), "publishTime": iso_millis(now * 1_000),
            },
            "subscription": "projects/way/subscriptions/mail",
        });
        let parcel = |url: String| senders::pubsub(&signing::google_token(now), &payload).to(&url);
        self.pushing().send("gmail", address.map(parcel).into_iter().collect());
    }

    /// Discord: the application is told of something about a user, while its events are switched on.
    pub(crate) fn tell_application(&self, kind: &str, user: &str) {
        let (application, now) = (self.pushing().discord_application(), self.now());
        let types = application["event_webhooks_types"].as_array().cloned().unwrap_or_default();
        let is_on = application["event_webhooks_status"] == 2 && types.contains(&json!(kind));
        // Its times have no zone.
        let at = iso_millis(now * 1_000).replace(".000Z", ".000000");
        let payload = json!({
            "version": 1, "application_id": "1234560123453231555", "type": 1,
            "event": { "type": kind, "timestamp": at, "data": { "user": { "id": user }, "scopes": ["guilds"] } },
        });
        let parcel = senders::discord(now, &payload).to(text(&application, "event_webhooks_url"));
        self.pushing().send("discord", is_on.then_some(parcel).into_iter().collect());
    }

    /// YouTube: the hub tells all who have a lease on a channel's feed of a video.
    pub(crate) fn tell_subscribers(&self, channel: &str, video: &str) {
        let at = iso_millis(self.now() * 1_000).replace(".000Z", "+00:00");
        let feed = format!(
            "<feed xmlns:yt=\"http://www.youtube.com/xml/schemas/2015\" xmlns=\"http://www.w3.org/2005/Atom\">\
             <entry><id>yt:video:{video}</id><yt:videoId>{video}</yt:videoId><yt:channelId>{channel}</yt:channelId>\
             <title>Video {video}</title><published>{at}</published><updated>{at}</updated></entry></feed>"
        );
        let leases = self.hub_leases(&format!("channel_id={channel}"));
        let parcel = |(callback, secret): (String, Option<String>)| {
            senders::hub(secret.as_deref(), &feed).to(&callback)
        };
        self.pushing().send("youtube", leases.into_iter().map(parcel).collect());
    }

    /// Composio: the project's subscription is told of a mail in an account that has a trigger for it.
    fn tell_triggers(&self, account: &str, id: &str, mail: &Mail<'_>) {
        let triggers = self.pushing().composio_triggers();
        let is_it = |trigger: &&Value| {
            text(trigger, "connected_account_id") == account
                && text(trigger, "slug") == "GMAIL_NEW_GMAIL_MESSAGE"
        };
        let data = json!({ "message_id": id, "thread_id": id, "subject": mail.subject, "sender": mail.from });
        let mut parcels = Vec::new();
        for _ in triggers.iter().filter(is_it) {
            let (message, now) = (format!("msg_{}", self.pushing().number()), self.now());
            let payload = json!({
                "id": message, "timestamp": iso_millis(now * 1_000), "type": "composio.trigger.message",
                "metadata": { "trigger_slug": "GMAIL_NEW_GMAIL_MESSAGE", "connected_account_id": account },
                "data": data,
            });
            let to = |subscription: &Value| {
                let url = text(subscription, "webhook_url");
                senders::composio(text(subscription, "secret"), &message, now, &payload).to(url)
            };
            parcels.extend(self.pushing().composio_subscriptions().iter().map(to));
        }
        self.pushing().send("composio", parcels);
    }

    /// Unipile: all webhooks of a source of events are told.
    pub(crate) fn tell_webhooks(&self, source: &str, payload: &Value) {
        let mut webhooks = self.pushing().unipile_webhooks();
        webhooks.retain(|webhook| text(webhook, "source") == source && webhook["enabled"] == true);
        let parcel = |webhook: &Value| {
            let headers = webhook["headers"].as_array().cloned().unwrap_or_default();
            let is_secret = |header: &&Value| text(header, "key").eq_ignore_ascii_case("unipile-auth");
            let secret = headers.iter().find(is_secret).map(|header| text(header, "value").to_owned());
            senders::unipile(&secret.unwrap_or_default(), payload).to(text(webhook, "request_url"))
        };
        self.pushing().send("unipile", webhooks.iter().map(parcel).collect());
    }
}
