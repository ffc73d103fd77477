//! The senders that are known, from `senders.toml`.

use std::sync::LazyLock;

use domain::{EventType, Timestamp};
use serde::Deserialize;

use super::challenge::{Answer, Answered, Challenge, Handshake};
use super::request::Scope;
use super::{Keys, Refusal, Verification, Verified, verify};
use crate::RawRequest;

/// Somebody who sends webhooks, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Sender {
    /// Its name in the API and in event types: lower case with hyphens.
    pub name: String,
    /// Other names that people know it by.
    pub aliases: Vec<String>,
    /// What it calls itself.
    pub title: String,
    /// Whether a vector of its own, or its own library, is a witness to this entry. If not, the entry rests on what was
    /// read about it.
    pub confirmed: bool,
    /// What a person who sets it up has to know.
    pub note: Option<String>,
    /// How its requests are verified.
    pub verification: Verification,
    /// Its handshake, if it has one.
    pub challenge: Option<Challenge>,
    /// What it wants to hear once an event is kept, if that is more than a 200.
    answer: Option<Answered>,
}

/// Every sender that is known, in the order of the file.
#[must_use]
pub fn senders() -> &'static [Sender] {
    static SENDERS: LazyLock<Vec<Sender>> =
        LazyLock::new(|| read(include_str!("../../senders.toml")).expect("a test reads the same file"));
    &SENDERS
}

/// The sender of that name, or known by it.
#[must_use]
pub fn sender(name: &str) -> Option<&'static Sender> {
    senders().iter().find(|sender| sender.name == name || sender.aliases.iter().any(|alias| alias == name))
}

impl Sender {
    /// Checks that this sender sent the request, at about `now`.
    ///
    /// # Errors
    /// Why it is not to be believed.
    pub fn verify<'r>(
        &'r self,
        request: &'r RawRequest,
        keys: &Keys<'_>,
        now: Timestamp,
    ) -> Result<Verified<'r>, Refusal> {
        verify(&self.verification, request, keys, now)
    }

    /// Recognises the sender's handshake and answers it. To be asked before [`Self::verify`].
    ///
    /// # Errors
    /// Why the handshake is not to be believed.
    pub fn meet(
        &self,
        request: &RawRequest,
        keys: &Keys<'_>,
        now: Timestamp,
    ) -> Result<Option<Handshake>, Refusal> {
        let Some(challenge) = &self.challenge else { return Ok(None) };
        challenge.meet(&self.verification, request, keys, now)
    }

    /// The type of an event of this sender: its name, and its own words for the event.
    #[must_use]
    pub fn event_type(&self, verified: &Verified<'_>) -> EventType {
        EventType::from_words([&*self.name, &verified.event_type()])
    }

    /// The answer that it wants once an event is kept; `None` where any 200 will do.
    #[must_use]
    pub fn answer(&self, verified: &Verified<'_>) -> Option<Answer> {
        self.answer.as_ref()?.fill(&Scope::of(verified.request()))
    }
}

/// An entry of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
    title: String,
    confirmed: bool,
    note: Option<String>,
    /// The sender above whose verification, handshake and answer these are.
    like: Option<String>,
    verification: Option<Verification>,
    challenge: Option<Challenge>,
    answer: Option<Answered>,
}

/// Reads a file of senders, or says what is wrong with it.
fn read(file: &str) -> Result<Vec<Sender>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        sender: Vec<Entry>,
    }
    let file: File = toml::from_str(file).map_err(|error| error.to_string())?;
    let mut senders: Vec<Sender> = Vec::new();
    for entry in file.sender {
        let sender = entry.resolve(&senders)?;
        senders.push(sender);
    }
    Ok(senders)
}

impl Entry {
    fn resolve(self, above: &[Sender]) -> Result<Sender, String> {
        let (verification, challenge, answer) = match (self.verification, self.like) {
            (Some(verification), None) => (verification, self.challenge, self.answer),
            (None, Some(like)) => {
                let model = above.iter().find(|sender| sender.name == like);
                let model =
                    model.ok_or_else(|| format!("{}: like: there is no {like:?} above", self.name))?;
                (model.verification.clone(), model.challenge.clone(), model.answer.clone())
            }
            _ => return Err(format!("{}: has either a verification or a like", self.name)),
        };
        let Self { name, aliases, title, confirmed, note, .. } = self;
        Ok(Sender { name, aliases, title, confirmed, note, verification, challenge, answer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the research that the entries rest on.
    const KNOWN: [&str; 89] = [
        "github",
        "gitlab",
        "bitbucket",
        "gitea",
        "gogs",
        "azure-devops",
        "slack",
        "stripe",
        "shopify",
        "twilio",
        "zoom",
        "linear",
        "discord",
        "typeform",
        "intercom",
        "hubspot-v1",
        "hubspot-v2",
        "hubspot-v3",
        "square",
        "paddle",
        "lemon-squeezy",
        "resend",
        "clerk",
        "svix",
        "openai",
        "replicate",
        "dodo",
        "polar",
        "composio",
        "vercel",
        "sentry",
        "pagerduty",
        "notion",
        "airtable",
        "calendly",
        "cal-com",
        "asana",
        "jira",
        "trello",
        "zendesk",
        "mailgun",
        "mandrill",
        "sendgrid",
        "postmark",
        "chargebee",
        "twitch",
        "meta",
        "whatsapp",
        "telegram",
        "x",
        "paypal",
        "adyen",
        "razorpay",
        "paystack",
        "plaid",
        "xero",
        "docusign",
        "dropbox",
        "box",
        "microsoft-graph",
        "okta",
        "circleci",
        "npm",
        "netlify",
        "fusionauth",
        "google-calendar",
        "google-drive",
        "customer-io",
        "onfleet",
        "acuity",
        "attio",
        "checkr",
        "jobber",
        "highlevel",
        "workos",
        "mux",
        "elevenlabs",
        "sanity",
        "webflow",
        "grafana",
        "klaviyo",
        "woocommerce",
        "line",
        "doppler",
        "cursor",
        "pusher",
        "fal-ai",
        "telnyx",
        "aws-sns",
    ];

    #[test]
    fn every_known_sender_has_an_entry_and_one_name() {
        for name in KNOWN {
            assert!(sender(name).is_some_and(|sender| sender.name == name), "{name}");
        }
        let mut names: Vec<_> =
            senders().iter().flat_map(|sender| sender.aliases.iter().chain([&sender.name])).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "a name is used twice");
        for name in names {
            let is_plain = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
            assert!(is_plain && sender(name).is_some(), "{name}");
        }
        assert!(sender("nobody").is_none());
    }
}
