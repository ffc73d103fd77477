//! Feeds of channels, asked of Google's hub.
//!
//! Sources: W3C WebSub, section 5 (the hub says 202, and asks back whether it was us; asking again renews, and may
//! change the secret); developers.google.com, "Subscribe to Push Notifications" (the hub, and the address of a feed,
//! which the feeds themselves write otherwise).

use domain::UserId;

use super::YouTube;
use crate::api::{ApiCall, Token};
use crate::register::{Done, Key, Registrable, Step, Wanted, ask};
use crate::{Provider as _, Setting, SettingKind, Settings};

const HUB: Setting = Setting::new(
    "hub_url",
    "YOUTUBE_HUB_URL",
    SettingKind::Default("https://pubsubhubbub.appspot.com/subscribe"),
);
const FEED: Setting = Setting::new(
    "feed_url",
    "YOUTUBE_FEED_URL",
    SettingKind::Default("https://www.youtube.com/xml/feeds/videos.xml"),
);

/// What is asked for, in seconds: ten days, the longest that the hub grants. It says itself what it grants.
const LEASE_SECONDS: &str = "864000";

impl Registrable for YouTube {
    fn name(&self) -> &'static str {
        self.profile().name
    }

    fn settings(&self) -> &'static [Setting] {
        &[HUB, FEED]
    }

    fn missing(&self, _settings: &Settings) -> Option<&'static str> {
        None
    }

    fn key(&self) -> Key {
        Key::Nobodys
    }

    fn path(&self, user: Option<&UserId>) -> String {
        crate::register::below(self.profile().paths[0], user)
    }

    /// The user's own channel.
    fn of_account(&self, account_id: &str) -> Option<String> {
        self.target(account_id).ok()
    }

    fn target(&self, text: &str) -> Result<String, &'static str> {
        let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let is_channel = text.starts_with("UC") && text.len() <= 64 && text.chars().all(is_good);
        is_channel.then(|| text.to_owned()).ok_or("must be a channel's id: UC…")
    }

    /// The address of a channel's feed.
    fn topic(&self, settings: &Settings, target: &str) -> Option<String> {
        let feed = settings.first(FEED.key).unwrap_or_default();
        Some(format!("{feed}?channel_id={target}"))
    }

    fn keeps_secrets(&self) -> bool {
        true
    }

    fn register(&self, wanted: Wanted) -> Step {
        ask_hub(&wanted, "subscribe")
    }

    fn remove(&self, wanted: Wanted) -> Step {
        ask_hub(&wanted, "unsubscribe")
    }
}

fn ask_hub(wanted: &Wanted, mode: &str) -> Step {
    let topic = YouTube.topic(&wanted.settings, &wanted.target).unwrap_or_default();
    let mut fields = vec![
        ("hub.callback", wanted.url.as_str()),
        ("hub.mode", mode),
        ("hub.topic", &topic),
        ("hub.verify", "async"),
    ];
    if mode == "subscribe" {
        fields.push(("hub.lease_seconds", LEASE_SECONDS));
        fields.extend(wanted.secret.as_ref().map(|secret: &Token| ("hub.secret", secret.reveal())));
    }
    let hub = wanted.settings.first(HUB.key).unwrap_or_default();
    ask(ApiCall::form(hub, &fields), |answer, now| {
        answer.done(now)?;
        Ok(Step::Done(Done::Asked))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::register::testing::{NOW, answer, wanted};

    fn asked(step: Step) -> HashMap<String, String> {
        let Step::Ask(ask) = step else { panic!() };
        assert_eq!(ask.call.url, "https://hub.test/");
        let fields = url::form_urlencoded::parse(&ask.call.body).into_owned().collect();
        assert!(matches!(ask.answered(&answer(202, &[], ""), NOW), Ok(Step::Done(Done::Asked))));
        fields
    }

    #[test]
    fn the_hub_is_asked_for_a_channels_feed() {
        let url = "https://way.test/api/webhooks/youtube/alice";
        let settings =
            [("hub_url", "https://hub.test/"), ("feed_url", "https://www.youtube.com/feeds/videos.xml")];
        let wanted = Wanted { secret: Some(Token::new("planted")), ..wanted("UC1", url, &settings) };
        let fields = asked(YouTube.register(wanted.clone()));
        assert_eq!(fields["hub.topic"], "https://www.youtube.com/feeds/videos.xml?channel_id=UC1");
        assert_eq!((fields["hub.callback"].as_str(), fields["hub.mode"].as_str()), (url, "subscribe"));
        assert_eq!(
            (fields["hub.secret"].as_str(), fields["hub.lease_seconds"].as_str()),
            ("planted", "864000")
        );
        let fields = asked(YouTube.remove(wanted));
        assert_eq!(fields["hub.mode"], "unsubscribe");
        assert!(!fields.contains_key("hub.secret"));
    }

    #[test]
    fn a_target_is_a_channel() {
        assert_eq!(YouTube.target("UC_x5XG1OV2P6uZZ5FSM9Ttw"), Ok("UC_x5XG1OV2P6uZZ5FSM9Ttw".to_owned()));
        for wrong in ["", "alice", "@alice", "UC1&channel_id=UC2", "UC1/"] {
            assert!(YouTube.target(wrong).is_err(), "{wrong}");
        }
    }
}
