//! The project's webhook subscription, and triggers of connected accounts.
//!
//! Sources: the reference of the API, version 3.1; the SDKs for what it leaves open: a project has, in effect, one
//! subscription, whose secret signs everything. Setting a trigger up again with the same configuration switches it on.

use domain::UserId;
use domain::registration::SetUp;
use http::{HeaderName, Method, StatusCode};
use serde_json::{Value, json};

use super::{Composio, SECRET};
use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::connect::api_url;
use crate::oauth;
use crate::register::{
    Done, Key, Registrable, Step, Wanted, ask, need_at, refusal, removed_by, set_up, text_at,
};
use crate::{Provider as _, Setting, SettingKind, Settings};

pub(super) const API_KEY: Setting = Setting::new("api_key", "COMPOSIO_API_KEY", SettingKind::Credential);
const API_BASE: Setting =
    Setting::new(oauth::API_BASE, "COMPOSIO_API_BASE", SettingKind::Default("https://backend.composio.dev"));

/// What stands for the subscription among the triggers, whose names are in capitals.
const SUBSCRIPTION: &str = "subscription";
const SUBSCRIPTIONS: &str = "/api/v3.1/webhook_subscriptions";
const TRIGGERS: &str = "/api/v3.1/trigger_instances";

/// The last two have to be asked for.
const EVENTS: [&str; 3] =
    ["composio.trigger.message", "composio.connected_account.expired", "composio.trigger.disabled"];

/// Pages of subscriptions that are looked through.
const PAGES_MAX: u32 = 10;

impl Registrable for Composio {
    fn name(&self) -> &'static str {
        self.profile().name
    }

    fn settings(&self) -> &'static [Setting] {
        &[API_KEY, API_BASE]
    }

    fn missing(&self, settings: &Settings) -> Option<&'static str> {
        settings.first(API_KEY.key).is_none().then_some(API_KEY.environment)
    }

    fn key(&self) -> Key {
        Key::Operator(API_KEY.key)
    }

    fn show_key(&self, call: ApiCall, key: &Token) -> ApiCall {
        call.with_secret(HeaderName::from_static("x-api-key"), key)
    }

    fn path(&self, user: Option<&UserId>) -> String {
        crate::register::below(self.profile().paths[0], user)
    }

    fn keeps_secrets(&self) -> bool {
        true
    }

    fn of_application(&self) -> &'static [&'static str] {
        &[SUBSCRIPTION]
    }

    fn target(&self, text: &str) -> Result<String, &'static str> {
        let is_slug = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_good = (1..=128).contains(&text.len()) && text.chars().all(is_slug);
        is_good.then(|| text.to_ascii_uppercase()).ok_or("must be a trigger, such as GMAIL_NEW_GMAIL_MESSAGE")
    }

    /// All triggers go to the one address of the project.
    fn place(&self, target: &str, account_id: &str, _url: &str) -> String {
        format!("{target} {account_id}")
    }

    fn register(&self, wanted: Wanted) -> Step {
        if wanted.target == SUBSCRIPTION { find(wanted, None, 1, subscribe) } else { switch_on(&wanted) }
    }

    fn remove(&self, wanted: Wanted) -> Step {
        let path = if wanted.target == SUBSCRIPTION {
            SUBSCRIPTIONS.to_owned()
        } else {
            format!("{TRIGGERS}/manage")
        };
        match &wanted.external_id {
            Some(id) => removed_by(call(Method::DELETE, &wanted, &format!("{path}/{id}"))),
            None => Step::Done(Done::Removed),
        }
    }
}

fn call(method: Method, wanted: &Wanted, path: &str) -> ApiCall {
    ApiCall::of(method, api_url(&wanted.settings, path))
}

fn told(answer: &ApiAnswer) -> CallFailure {
    refusal(answer, &["/error/message", "/message", "/error"])
}

/// Looks through the project's subscriptions for ours: the one that is known by its id, else one with our address.
fn find(wanted: Wanted, cursor: Option<&str>, page: u32, then: fn(Wanted, Option<&Value>) -> Step) -> Step {
    let mut query = url::form_urlencoded::Serializer::new(format!("{SUBSCRIPTIONS}?limit=50"));
    query.extend_pairs(cursor.map(|cursor| ("cursor", cursor)));
    let query = query.finish();
    ask(call(Method::GET, &wanted, &query), move |answer, now| {
        let list = answer.success_or(now, told)?;
        let all = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is = |one: &Value, pointer, text: &str| text_at(one, pointer).as_deref() == Some(text);
        let ours = all.iter().find(|one| {
            wanted.external_id.as_deref().is_some_and(|id| is(one, "/id", id))
                || is(one, "/webhook_url", &wanted.url)
        });
        let ours = ours.cloned();
        let next = text_at(&list, "/next_cursor").filter(|_| ours.is_none() && page < PAGES_MAX);
        Ok(match next {
            Some(cursor) => find(wanted, Some(&cursor), page + 1, then),
            None => then(wanted, ours.as_ref()),
        })
    })
}

fn subscribe(wanted: Wanted, found: Option<&Value>) -> Step {
    let body = json!({ "webhook_url": wanted.url, "enabled_events": EVENTS, "version": "V3" });
    let Some(id) = found.and_then(|found| text_at(found, "/id")) else {
        let creating = call(Method::POST, &wanted, SUBSCRIPTIONS).with_json(&body);
        return ask(creating, |answer, now| {
            let made = answer.success_or(now, told)?;
            Ok(subscribed(need_at(&made, "/id")?, text_at(&made, "/secret")))
        });
    };
    let changing = call(Method::PATCH, &wanted, &format!("{SUBSCRIPTIONS}/{id}")).with_json(&body);
    let known = found.and_then(|found| text_at(found, "/secret"));
    ask(changing, move |answer, now| {
        let changed = answer.success_or(now, told)?;
        match text_at(&changed, "/secret").or(known) {
            // Only a new one can be learned, and a change of it is not made without need.
            None if wanted.settings.first(SECRET.key).is_none() && wanted.secret.is_none() => {
                Ok(rotate(&wanted, id))
            }
            secret => Ok(subscribed(id, secret)),
        }
    })
}

fn rotate(wanted: &Wanted, id: String) -> Step {
    ask(call(Method::POST, wanted, &format!("{SUBSCRIPTIONS}/{id}/rotate_secret")), move |answer, now| {
        let rotated = answer.success_or(now, told)?;
        Ok(subscribed(id, Some(need_at(&rotated, "/secret")?)))
    })
}

fn subscribed(id: String, secret: Option<String>) -> Step {
    Step::Done(Done::SetUp(SetUp { external_id: Some(id), expires_at: None }, secret.map(Token::new)))
}

fn switch_on(wanted: &Wanted) -> Step {
    let config =
        wanted.config.as_ref().and_then(|config| serde_json::from_str::<Value>(config.as_str()).ok());
    let body = json!({
        "connected_account_id": wanted.account_id, "trigger_config": config.unwrap_or_else(|| json!({})),
        "toolkit_versions": "latest",
    });
    let path = format!("{TRIGGERS}/{}/upsert", wanted.target);
    let known = wanted.external_id.clone();
    ask(call(Method::POST, wanted, &path).with_json(&body), move |answer, now| {
        // An answer without a body is documented as well, and says that it is as it was.
        if let (StatusCode::NO_CONTENT, Some(id)) = (answer.status, known) {
            return Ok(set_up(id));
        }
        let made = answer.success_or(now, told)?;
        Ok(set_up(need_at(&made, "/trigger_id")?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::testing::{answer, done, then, told_then, wanted};

    const URL: &str = "https://way.test/api/webhooks/composio";
    const BASE: &str = "https://co.test/api/v3.1";

    fn ours(target: &str) -> Wanted {
        wanted(target, URL, &[("api_base", "https://co.test"), ("api_key", "key")])
    }

    fn listed(items: &Value) -> ApiAnswer {
        answer(200, &[], &json!({ "items": items, "next_cursor": null, "total_pages": 1 }).to_string())
    }

    fn with_secret(id: &str, secret: Option<&str>) -> Done {
        done(subscribed(id.to_owned(), secret.map(str::to_owned)))
    }

    #[test]
    fn the_subscription_is_made_and_its_secret_taken() {
        let first = format!("GET {BASE}/webhook_subscriptions?limit=50");
        let others = listed(&json!([{ "id": "ws_1", "webhook_url": "https://else.test", "secret": "no" }]));
        let step = then(Composio.register(ours(SUBSCRIPTION)), &first, &others);
        let made = answer(201, &[], r#"{"id":"ws_2","secret":"planted"}"#);
        let (sent, step) = told_then(step, &format!("POST {BASE}/webhook_subscriptions"), &made);
        assert_eq!((&sent["webhook_url"], &sent["version"]), (&json!(URL), &json!("V3")));
        assert_eq!(done(step.unwrap()), with_secret("ws_2", Some("planted")));
    }

    #[test]
    fn one_that_is_there_is_changed_and_its_secret_changed_only_where_nobody_knows_it() {
        let first = format!("GET {BASE}/webhook_subscriptions?limit=50");
        let patch = format!("PATCH {BASE}/webhook_subscriptions/ws_1");
        let found = |wanted| {
            let step = then(
                Composio.register(wanted),
                &first,
                &listed(&json!([{ "id": "ws_1", "webhook_url": URL }])),
            );
            then(step, &patch, &answer(200, &[], r#"{"id":"ws_1"}"#))
        };
        let rotated = answer(200, &[], r#"{"id":"ws_1","secret":"fresh"}"#);
        let step = then(
            found(ours(SUBSCRIPTION)),
            &format!("POST {BASE}/webhook_subscriptions/ws_1/rotate_secret"),
            &rotated,
        );
        assert_eq!(done(step), with_secret("ws_1", Some("fresh")));
        let mut told = ours(SUBSCRIPTION);
        told.settings = told.settings.with("webhook_secret", ["set".to_owned()]);
        assert_eq!(done(found(told)), with_secret("ws_1", None));
        let known = Wanted { secret: Some(Token::new("kept")), ..ours(SUBSCRIPTION) };
        assert_eq!(done(found(known)), with_secret("ws_1", None));
    }

    #[test]
    fn a_trigger_is_switched_on_for_an_account_and_removed() {
        let config = Some(domain::event::Json::from_text(r#"{"interval":5}"#).unwrap());
        let slug = Wanted { config, ..ours("GMAIL_NEW_GMAIL_MESSAGE") };
        let line = format!("POST {BASE}/trigger_instances/GMAIL_NEW_GMAIL_MESSAGE/upsert");
        let (sent, step) =
            told_then(Composio.register(slug.clone()), &line, &answer(201, &[], r#"{"trigger_id":"ti_1"}"#));
        let expected = json!({ "connected_account_id": "octo", "trigger_config": { "interval": 5 }, "toolkit_versions": "latest" });
        assert_eq!(sent, expected);
        assert_eq!(done(step.unwrap()), done(set_up("ti_1")));
        let known = Wanted { external_id: Some("ti_1".to_owned()), ..slug };
        let step = then(Composio.register(known.clone()), &line, &answer(204, &[], ""));
        assert_eq!(done(step), done(set_up("ti_1")));
        let line = format!("DELETE {BASE}/trigger_instances/manage/ti_1");
        assert_eq!(done(then(Composio.remove(known), &line, &answer(200, &[], "{}"))), Done::Removed);
        assert_eq!(Composio.target("gmail_new_gmail_message"), Ok("GMAIL_NEW_GMAIL_MESSAGE".to_owned()));
        assert!(Composio.target("a/b").is_err() && Composio.target("").is_err());
    }
}
