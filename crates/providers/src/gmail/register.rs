//! Watches of mailboxes.
//!
//! Sources: developers.google.com, "Push notifications" and the reference of `users.watch` and `users.stop`. A watch
//! ends after seven days at the latest, and is to be renewed daily. A mailbox has one for each project; where it is on
//! another topic Google wants it to be stopped first.

use domain::registration::SetUp;
use domain::{Timestamp, UserId};
use http::{Method, StatusCode};
use serde_json::json;

use super::Gmail;
use crate::api::{ApiAnswer, ApiCall, CallFailure};
use crate::connect::api_url;
use crate::register::{Done, Key, Registrable, Step, Wanted, ask, need_at, refusal, removed_by};
use crate::{Provider as _, Setting, SettingKind, Settings};

/// `projects/P/topics/T`, or its last part where [`PROJECT`] says the rest.
const TOPIC: Setting = Setting::new("pubsub_topic", "GOOGLE_PUBSUB_TOPIC", SettingKind::Optional);
const PROJECT: Setting = Setting::new("project_id", "GOOGLE_PROJECT_ID", SettingKind::Optional);

/// What Google says where the mailbox is watched on another topic.
const ANOTHER_CLIENT: &str = "Only one user push notification client allowed";

/// Reasons of a 403 that pass.
const PASSING: [&str; 3] = ["rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded"];

impl Registrable for Gmail {
    fn name(&self) -> &'static str {
        self.profile().name
    }

    fn settings(&self) -> &'static [Setting] {
        &[TOPIC, PROJECT]
    }

    fn missing(&self, settings: &Settings) -> Option<&'static str> {
        match settings.first(TOPIC.key) {
            None => Some(TOPIC.environment),
            Some(topic) if topic.contains('/') || settings.first(PROJECT.key).is_some() => None,
            Some(_) => Some(PROJECT.environment),
        }
    }

    fn key(&self) -> Key {
        Key::Connection
    }

    fn path(&self, user: Option<&UserId>) -> String {
        crate::register::below(self.profile().paths[0], user)
    }

    fn of_account(&self, account_id: &str) -> Option<String> {
        Some(account_id.to_owned())
    }

    fn target(&self, text: &str) -> Result<String, &'static str> {
        let is_mailbox =
            text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
        let is_good = is_mailbox && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        is_good.then(|| text.to_lowercase()).ok_or("must be a mailbox")
    }

    /// Whoever watches it, and wherever the notices go: a mailbox has one watch.
    fn place(&self, target: &str, _account_id: &str, _url: &str) -> String {
        target.to_owned()
    }

    fn register(&self, wanted: Wanted) -> Step {
        watch(wanted, true)
    }

    fn remove(&self, wanted: Wanted) -> Step {
        removed_by(call(&wanted, "stop"))
    }
}

fn call(wanted: &Wanted, verb: &str) -> ApiCall {
    ApiCall::of(Method::POST, api_url(&wanted.settings, &format!("/gmail/v1/users/me/{verb}")))
}

fn topic(settings: &Settings) -> String {
    let topic = settings.first(TOPIC.key).unwrap_or_default();
    match settings.first(PROJECT.key) {
        Some(project) if !topic.contains('/') => format!("projects/{project}/topics/{topic}"),
        _ => topic.to_owned(),
    }
}

/// The whole mailbox: with a label nobody would hear that a mail outside of it was read.
fn watch(wanted: Wanted, may_stop: bool) -> Step {
    let watching = call(&wanted, "watch").with_json(&json!({ "topicName": topic(&wanted.settings) }));
    ask(watching, move |answer, now| {
        let is_taken = answer.status == StatusCode::BAD_REQUEST
            && String::from_utf8_lossy(&answer.body).contains(ANOTHER_CLIENT);
        if is_taken && may_stop {
            return Ok(ask(call(&wanted, "stop"), |answer, now| {
                said(answer, now)?;
                Ok(watch(wanted, false))
            }));
        }
        let watched = said(answer, now)?;
        let millis = need_at(&watched, "/expiration")?.parse::<i64>();
        let millis = millis.map_err(|_| CallFailure::Unreadable("the expiration is no number".to_owned()))?;
        let expires_at = Some(Timestamp::from_micros(millis.saturating_mul(1_000)));
        Ok(Step::Done(Done::SetUp(SetUp { external_id: None, expires_at }, None)))
    })
}

/// What a success says; an empty one says nothing.
fn said(answer: &ApiAnswer, now: Timestamp) -> Result<serde_json::Value, CallFailure> {
    let reason = answer.json::<serde_json::Value>().ok();
    let reason = reason.as_ref().and_then(|said| said.pointer("/error/errors/0/reason")?.as_str());
    if answer.status == StatusCode::FORBIDDEN && reason.is_some_and(|reason| PASSING.contains(&reason)) {
        let reason = format!("the provider answered 403: {}", reason.unwrap_or_default());
        return Err(CallFailure::Passing { reason, retry_after: answer.retry_after(now) });
    }
    answer.success_or(now, |answer| refusal(answer, &["/error/message"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::testing::{NOW, answer, done, then, told_then, wanted};

    const WATCH: &str = "POST https://gmail.test/gmail/v1/users/me/watch";
    const STOP: &str = "POST https://gmail.test/gmail/v1/users/me/stop";

    fn mailbox(topic: &str) -> Wanted {
        let settings = [("api_base", "https://gmail.test"), ("pubsub_topic", topic), ("project_id", "way")];
        wanted("alice@example.com", "https://way.test/api/webhooks/gmail", &settings)
    }

    fn in_seven_days() -> Done {
        let expires_at = Some(NOW.plus(std::time::Duration::from_secs(604_800)));
        Done::SetUp(SetUp { external_id: None, expires_at }, None)
    }

    #[test]
    fn a_mailbox_is_watched_as_a_whole_until_google_says() {
        for (topic, named) in
            [("mail", "projects/way/topics/mail"), ("projects/p/topics/t", "projects/p/topics/t")]
        {
            // The guide prints numbers, the API sends texts.
            for body in [
                r#"{"historyId":"9","expiration":"1700604800000"}"#,
                r#"{"historyId":9,"expiration":1700604800000}"#,
            ] {
                let (sent, step) = told_then(Gmail.register(mailbox(topic)), WATCH, &answer(200, &[], body));
                assert_eq!(sent, json!({ "topicName": named }));
                assert_eq!(done(step.unwrap()), in_seven_days());
            }
        }
    }

    #[test]
    fn one_on_another_topic_is_stopped_first_and_once() {
        let taken = r#"{"error":{"code":400,"message":"Only one user push notification client allowed per developer (call /stop then try again)"}}"#;
        let step = then(Gmail.register(mailbox("mail")), WATCH, &answer(400, &[], taken));
        let step = then(step, STOP, &answer(204, &[], ""));
        let (_, step) = told_then(step, WATCH, &answer(400, &[], taken));
        assert!(matches!(step, Err(CallFailure::Refused(why)) if why.contains("Only one user")));
    }

    #[test]
    fn rates_pass_and_missing_rights_do_not() {
        let refused = |reason: &str| {
            let body = format!(r#"{{"error":{{"message":"No","errors":[{{"reason":"{reason}"}}]}}}}"#);
            told_then(Gmail.register(mailbox("mail")), WATCH, &answer(403, &[], &body)).1.unwrap_err()
        };
        assert!(matches!(refused("userRateLimitExceeded"), CallFailure::Passing { .. }));
        assert!(
            matches!(refused("insufficientPermissions"), CallFailure::Refused(why) if why.ends_with("No"))
        );
        let (_, step) = told_then(Gmail.register(mailbox("mail")), WATCH, &answer(401, &[], "{}"));
        assert!(matches!(step, Err(CallFailure::TokenRefused(_))));
    }

    #[test]
    fn stopping_removes_it() {
        let step = then(Gmail.remove(mailbox("mail")), STOP, &answer(204, &[], ""));
        assert_eq!(done(step), Done::Removed);
    }

    #[test]
    fn without_a_topic_nothing_can_be_watched() {
        let settings = |keys: &[&'static str]| {
            keys.iter().fold(Settings::default(), |all, key| all.with(key, ["mail".to_owned()]))
        };
        assert_eq!(Gmail.missing(&settings(&[])), Some("GOOGLE_PUBSUB_TOPIC"));
        assert_eq!(Gmail.missing(&settings(&["pubsub_topic"])), Some("GOOGLE_PROJECT_ID"));
        assert_eq!(Gmail.missing(&settings(&["pubsub_topic", "project_id"])), None);
        assert_eq!(Gmail.missing(&mailbox("projects/p/topics/t").settings), None);
    }
}
