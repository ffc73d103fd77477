//! Webhooks of the operator's account: one for each source of events, for all of its users' accounts.
//!
//! Sources: the reference of `POST` and `GET /api/v1/webhooks`; the Node SDK for the pages. Any number may have the
//! same address, and there is no call that changes one, so they are listed first, and replaced where they do not fit.

use domain::UserId;
use http::header::CONTENT_TYPE;
use http::{HeaderName, Method};
use serde_json::{Value, json};

use super::{API_KEY, DSN, SECRET, Unipile, base};
use crate::api::{ApiCall, Token};
use crate::register::{
    Done, Key, Registrable, Step, Wanted, ask, need_at, refusal, removed_by, set_up, text_at,
};
use crate::{Provider as _, Setting, Settings};

/// What is listened to, and the events of each. How an account fares has no names of its own.
const SOURCES: [&str; 3] = ["messaging", "email", "account_status"];
const MESSAGING: &[&str] = &[
    "message_received",
    "message_read",
    "message_reaction",
    "message_edited",
    "message_deleted",
    "message_delivered",
];
const EMAIL: &[&str] = &["mail_received", "mail_sent"];

/// Pages of webhooks that are looked through; a cursor may go round.
const PAGES_MAX: u32 = 20;

impl Registrable for Unipile {
    fn name(&self) -> &'static str {
        self.profile().name
    }

    fn missing(&self, settings: &Settings) -> Option<&'static str> {
        let is_missing = |setting: &Setting| settings.first(setting.key).is_none();
        let missing = [API_KEY, SECRET].into_iter().find(is_missing);
        missing.or_else(|| base(settings).is_none().then_some(DSN)).map(|setting| setting.environment)
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

    fn of_application(&self) -> &'static [&'static str] {
        &SOURCES
    }

    fn target(&self, _text: &str) -> Result<String, &'static str> {
        Err("cannot be chosen: Unipile sends everything of all accounts")
    }

    fn register(&self, wanted: Wanted) -> Step {
        find(wanted, None, 1, |wanted, found| match found {
            Some(hook) if fits(&wanted, &hook) => {
                text_at(&hook, "/id").map_or_else(|| create(&wanted), set_up)
            }
            Some(hook) => replace(wanted, &hook),
            None => create(&wanted),
        })
    }

    fn remove(&self, wanted: Wanted) -> Step {
        find(wanted, None, 1, |wanted, found| match found.and_then(|hook| text_at(&hook, "/id")) {
            Some(id) => removed_by(call(Method::DELETE, &wanted.settings, &format!("/{id}"))),
            None => Step::Done(Done::Removed),
        })
    }
}

fn call(method: Method, settings: &Settings, path: &str) -> ApiCall {
    ApiCall::of(method, format!("{}/api/v1/webhooks{path}", base(settings).unwrap_or_default()))
}

/// Looks through the webhooks for ours: the one that is known by its id, else one of the same source with our address.
fn find(wanted: Wanted, cursor: Option<&str>, page: u32, then: fn(Wanted, Option<Value>) -> Step) -> Step {
    let mut query = url::form_urlencoded::Serializer::new("?limit=100".to_owned());
    query.extend_pairs(cursor.map(|cursor| ("cursor", cursor)));
    let query = query.finish();
    ask(call(Method::GET, &wanted.settings, &query), move |answer, now| {
        let list = answer.success_or(now, |answer| refusal(answer, &["/detail", "/title"]))?;
        let hooks = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ours = hooks.iter().find(|hook| is_ours(&wanted, hook)).cloned();
        let next =
            text_at(&list, "/cursor").filter(|_| ours.is_none() && !hooks.is_empty() && page < PAGES_MAX);
        Ok(match next {
            Some(cursor) => find(wanted, Some(&cursor), page + 1, then),
            None => then(wanted, ours),
        })
    })
}

fn is_ours(wanted: &Wanted, hook: &Value) -> bool {
    let is = |pointer, text: &str| text_at(hook, pointer).as_deref() == Some(text);
    let is_known = wanted.external_id.as_deref().is_some_and(|id| is("/id", id));
    is_known || (is("/request_url", &wanted.url) && is("/source", &wanted.target))
}

/// Whether it would send as we want it: to our address, with our secret. What the list does not tell, or hides, counts
/// as good.
fn fits(wanted: &Wanted, hook: &Value) -> bool {
    let secret = wanted.settings.first(SECRET.key);
    let headers = hook["headers"].as_array().filter(|headers| !headers.is_empty());
    let has_secret = headers.is_none_or(|headers| {
        let ours = headers
            .iter()
            .find(|header| text_at(header, "/key").is_some_and(|key| key.eq_ignore_ascii_case(super::AUTH)));
        let value = ours.map(|header| text_at(header, "/value").unwrap_or_default());
        value.is_some_and(|value| value.chars().all(|c| c == '*') || Some(value.as_str()) == secret)
    });
    let is_ours = text_at(hook, "/request_url").as_deref() == Some(&wanted.url);
    hook["enabled"] != json!(false) && has_secret && is_ours
}

fn replace(wanted: Wanted, hook: &Value) -> Step {
    let Some(id) = text_at(hook, "/id") else { return create(&wanted) };
    ask(call(Method::DELETE, &wanted.settings, &format!("/{id}")), move |answer, now| {
        if answer.status != http::StatusCode::NOT_FOUND {
            answer.done(now)?;
        }
        Ok(create(&wanted))
    })
}

fn create(wanted: &Wanted) -> Step {
    let secret = wanted.settings.first(SECRET.key).unwrap_or_default();
    // Unless it is told, it sends JSON as a form's.
    let headers = json!([
        { "key": "Unipile-Auth", "value": secret },
        { "key": CONTENT_TYPE.as_str(), "value": "application/json" },
    ]);
    let mut body = json!({
        "source": wanted.target, "request_url": wanted.url, "format": "json", "enabled": true,
        "name": format!("Waystation {}", wanted.target), "headers": headers,
    });
    let events = match wanted.target.as_str() {
        "messaging" => MESSAGING,
        "email" => EMAIL,
        _ => &[],
    };
    if !events.is_empty() {
        body["events"] = json!(events);
    }
    ask(call(Method::POST, &wanted.settings, "").with_json(&body), |answer, now| {
        let made = answer.success_or(now, |answer| refusal(answer, &["/detail", "/title"]))?;
        Ok(set_up(need_at(&made, "/webhook_id")?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::testing::{answer, done, then, told_then, wanted};

    const URL: &str = "https://way.test/api/webhooks/unipile/messages";
    const HOOKS: &str = "https://api8.test:13851/api/v1/webhooks";

    fn ours() -> Wanted {
        let settings = [("dsn", "api8.test:13851"), ("api_key", "key"), ("webhook_secret", "planted")];
        wanted("messaging", URL, &settings)
    }

    fn listed(hooks: &Value, cursor: Option<&str>) -> String {
        json!({ "object": "WebhookList", "items": hooks, "cursor": cursor }).to_string()
    }

    fn hook(id: &str, source: &str, url: &str, secret: &str) -> Value {
        let headers = json!([{ "key": "Unipile-Auth", "value": secret }]);
        json!({ "id": id, "source": source, "request_url": url, "enabled": true, "headers": headers })
    }

    #[test]
    fn what_is_there_by_address_and_source_is_not_made_again() {
        let others =
            json!([hook("1", "email", URL, "planted"), hook("2", "messaging", "https://else.test", "x")]);
        let first = format!("GET {HOOKS}?limit=100");
        let step = then(Unipile.register(ours()), &first, &answer(200, &[], &listed(&others, Some("a b"))));
        let hooks = listed(&json!([hook("3", "messaging", URL, "planted")]), None);
        let step = then(step, &format!("GET {HOOKS}?limit=100&cursor=a+b"), &answer(200, &[], &hooks));
        assert_eq!(done(step), done(set_up("3")));
    }

    #[test]
    fn what_is_not_there_is_made_with_the_secret_in_a_header() {
        let first = format!("GET {HOOKS}?limit=100");
        let step = then(Unipile.register(ours()), &first, &answer(200, &[], &listed(&json!([]), None)));
        for status in [200, 201] {
            let made = answer(status, &[], r#"{"object":"WebhookCreated","webhook_id":"4"}"#);
            let again = then(Unipile.register(ours()), &first, &answer(200, &[], &listed(&json!([]), None)));
            let (sent, step) = told_then(again, &format!("POST {HOOKS}"), &made);
            assert_eq!((&sent["source"], &sent["request_url"]), (&json!("messaging"), &json!(URL)));
            assert_eq!(sent["headers"][0], json!({ "key": "Unipile-Auth", "value": "planted" }));
            assert_eq!(sent["headers"][1]["value"], "application/json");
            assert_eq!(sent["events"].as_array().unwrap().len(), 6);
            assert_eq!(done(step.unwrap()), done(set_up("4")));
        }
        drop(step);
    }

    #[test]
    fn one_with_another_secret_or_switched_off_or_from_a_former_address_is_replaced() {
        let mut off = hook("3", "messaging", URL, "planted");
        off["enabled"] = json!(false);
        let known = Wanted { external_id: Some("3".to_owned()), ..ours() };
        for (wanted, hook) in [
            (ours(), hook("3", "messaging", URL, "old")),
            (ours(), off),
            (known, hook("3", "messaging", "https://former.test", "planted")),
        ] {
            let first = format!("GET {HOOKS}?limit=100");
            let step =
                then(Unipile.register(wanted), &first, &answer(200, &[], &listed(&json!([hook]), None)));
            let step =
                then(step, &format!("DELETE {HOOKS}/3"), &answer(200, &[], r#"{"object":"WebhookDeleted"}"#));
            let step = then(step, &format!("POST {HOOKS}"), &answer(201, &[], r#"{"webhook_id":"4"}"#));
            assert_eq!(done(step), done(set_up("4")));
        }
    }

    #[test]
    fn a_cursor_that_goes_round_is_left() {
        let page = answer(200, &[], &listed(&json!([hook("1", "email", URL, "planted")]), Some("c")));
        let mut step = then(Unipile.register(ours()), &format!("GET {HOOKS}?limit=100"), &page);
        for _ in 1..PAGES_MAX {
            step = then(step, &format!("GET {HOOKS}?limit=100&cursor=c"), &page);
        }
        assert!(matches!(step, Step::Ask(ask) if ask.call.method == Method::POST));
    }

    #[test]
    fn what_is_missing_is_named() {
        let with = |keys: &[&'static str]| {
            keys.iter().fold(Settings::default(), |all, key| all.with(key, ["x".to_owned()]))
        };
        assert_eq!(Unipile.missing(&with(&[])), Some("UNIPILE_API_KEY"));
        assert_eq!(Unipile.missing(&with(&["api_key"])), Some("UNIPILE_WEBHOOK_SECRET"));
        assert_eq!(Unipile.missing(&with(&["api_key", "webhook_secret"])), Some("UNIPILE_DSN"));
        assert_eq!(Unipile.missing(&with(&["api_key", "webhook_secret", "api_base"])), None);
        assert_eq!(Unipile.missing(&ours().settings), None);
    }
}
