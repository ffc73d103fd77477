//! The webhook events of the operator's application.
//!
//! Sources: docs.discord.com, "Application Resource" (the fields) and "Webhook Events". An application has one address.
//! Discord tries it out when it is saved, and switches it off where too much fails.

use domain::UserId;
use http::Method;
use http::header::{AUTHORIZATION, USER_AGENT};
use serde_json::{Value, json};

use super::{AGENT, Discord};
use crate::api::{ApiCall, CallFailure, Token};
use crate::connect::api_url;
use crate::register::{Done, Key, Registrable, Step, Wanted, ask, refusal, set_up, text_at};
use crate::{Provider as _, Setting, SettingKind, Settings};

const BOT_TOKEN: Setting = Setting::new("bot_token", "DISCORD_BOT_TOKEN", SettingKind::Credential);

const APPLICATION: &str = "application";
const OFF: u64 = 1;
const ON: u64 = 2;

/// Those that any application may have.
const EVENTS: [&str; 5] = [
    "APPLICATION_AUTHORIZED",
    "APPLICATION_DEAUTHORIZED",
    "ENTITLEMENT_CREATE",
    "ENTITLEMENT_UPDATE",
    "ENTITLEMENT_DELETE",
];

impl Registrable for Discord {
    fn name(&self) -> &'static str {
        self.profile().name
    }

    fn settings(&self) -> &'static [Setting] {
        &[BOT_TOKEN]
    }

    fn missing(&self, settings: &Settings) -> Option<&'static str> {
        let is_missing = |setting: &Setting| settings.first(setting.key).is_none();
        [BOT_TOKEN, super::PUBLIC_KEY].into_iter().find(is_missing).map(|setting| setting.environment)
    }

    fn key(&self) -> Key {
        Key::Operator(BOT_TOKEN.key)
    }

    fn show_key(&self, call: ApiCall, key: &Token) -> ApiCall {
        call.with_secret(AUTHORIZATION, &Token::new(format!("Bot {}", key.reveal())))
    }

    /// The address for all users of the application.
    fn path(&self, user: Option<&UserId>) -> String {
        crate::register::below(self.profile().paths[1], user)
    }

    fn of_application(&self) -> &'static [&'static str] {
        &[APPLICATION]
    }

    fn target(&self, _text: &str) -> Result<String, &'static str> {
        Err("cannot be chosen: Discord sends the events of the whole application")
    }

    fn place(&self, target: &str, _account_id: &str, _url: &str) -> String {
        target.to_owned()
    }

    fn register(&self, wanted: Wanted) -> Step {
        ask(call(Method::GET, &wanted), move |answer, now| {
            let application = answer.success_or(now, |answer| refusal(answer, &["/message"]))?;
            if is_as_wanted(&application, &wanted.url) {
                return Ok(set_up(wanted.url));
            }
            match text_at(&application, "/event_webhooks_url") {
                // The application may be used elsewhere too, and then two would take it from each other for ever.
                Some(url) if url != wanted.url && Some(&url) != wanted.external_id.as_ref() => Err(
                    CallFailure::Refused(format!("the application's events go to {url}: clear that first")),
                ),
                _ => Ok(change(wanted, ON)),
            }
        })
    }

    fn remove(&self, wanted: Wanted) -> Step {
        match change(wanted, OFF) {
            Step::Ask(off) => ask(off.call.clone(), move |answer, now| {
                off.answered(answer, now)?;
                Ok(Step::Done(Done::Removed))
            }),
            done => done,
        }
    }
}

fn call(method: Method, wanted: &Wanted) -> ApiCall {
    ApiCall::of(method, api_url(&wanted.settings, "/api/v10/applications/@me")).with(USER_AGENT, AGENT)
}

fn is_as_wanted(application: &Value, url: &str) -> bool {
    let types = application["event_webhooks_types"].as_array().map(Vec::as_slice).unwrap_or_default();
    text_at(application, "/event_webhooks_url").as_deref() == Some(url)
        && application["event_webhooks_status"] == json!(ON)
        && EVENTS.iter().all(|event| types.contains(&json!(event)))
}

/// Its own name for it is the address: there is but one.
fn change(wanted: Wanted, status: u64) -> Step {
    let mut body = json!({ "event_webhooks_status": status });
    if status == ON {
        body["event_webhooks_url"] = json!(wanted.url);
        body["event_webhooks_types"] = json!(EVENTS);
    }
    ask(call(Method::PATCH, &wanted).with_json(&body), |answer, now| {
        answer.success_or(now, |answer| refusal(answer, &["/message"]))?;
        Ok(set_up(wanted.url))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::testing::{answer, done, then, told_then, wanted};

    const URL: &str = "https://way.test/api/webhooks/discord";
    const ME: &str = "https://discord.test/api/v10/applications/@me";

    fn ours() -> Wanted {
        wanted(APPLICATION, URL, &[("api_base", "https://discord.test"), ("bot_token", "bot")])
    }

    fn application(url: Option<&str>, status: u64) -> String {
        json!({ "id": "1", "event_webhooks_url": url, "event_webhooks_status": status, "event_webhooks_types": EVENTS })
            .to_string()
    }

    #[test]
    fn what_is_as_wanted_is_left_and_all_else_is_put_right() {
        let get = format!("GET {ME}");
        let step = then(Discord.register(ours()), &get, &answer(200, &[], &application(Some(URL), ON)));
        assert_eq!(done(step), done(set_up(URL)));
        // 3: Discord has switched it off.
        for said in [application(None, OFF), application(Some(URL), 3), r#"{"id":"1"}"#.to_owned()] {
            let step = then(Discord.register(ours()), &get, &answer(200, &[], &said));
            let (sent, step) = told_then(step, &format!("PATCH {ME}"), &answer(200, &[], "{}"));
            assert_eq!(
                (&sent["event_webhooks_url"], &sent["event_webhooks_status"]),
                (&json!(URL), &json!(ON))
            );
            assert_eq!(done(step.unwrap()), done(set_up(URL)));
        }
    }

    #[test]
    fn an_application_that_is_used_elsewhere_is_left_alone() {
        let elsewhere = answer(200, &[], &application(Some("https://else.test/"), ON));
        let (_, step) = told_then(Discord.register(ours()), &format!("GET {ME}"), &elsewhere);
        assert!(matches!(step, Err(CallFailure::Refused(why)) if why.contains("else.test")));
        let moved = Wanted { external_id: Some("https://else.test/".to_owned()), ..ours() };
        let step = then(Discord.register(moved), &format!("GET {ME}"), &elsewhere);
        assert!(matches!(step, Step::Ask(ask) if ask.call.method == Method::PATCH), "that was ours");
    }

    #[test]
    fn it_calls_as_a_bot() {
        let Step::Ask(ask) = Discord.register(ours()) else { panic!() };
        let shown = Discord.show_key(ask.call, &Token::new("planted"));
        assert_eq!(shown.headers[AUTHORIZATION], "Bot planted");
        assert!(shown.headers[USER_AGENT].to_str().unwrap().starts_with("DiscordBot ("));
        assert!(!format!("{shown:?} {:?}", shown.headers).contains("planted"));
    }

    #[test]
    fn removing_switches_it_off() {
        let (sent, step) = told_then(Discord.remove(ours()), &format!("PATCH {ME}"), &answer(200, &[], "{}"));
        assert_eq!(sent, json!({ "event_webhooks_status": OFF }));
        assert_eq!(done(step.unwrap()), Done::Removed);
    }
}
