//! Hooks of repositories.
//!
//! Sources: docs.github.com, "REST API endpoints for repository webhooks". A second hook with the same address is
//! refused without saying which is the first, so it is looked for. A change of the address or the media type that
//! leaves the secret out takes the secret away.

use domain::UserId;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{GitHub, SECRET, headed};
use crate::api::{ApiAnswer, ApiCall};
use crate::connect::api_url;
use crate::register::{Key, Registrable, Step, Wanted, ask, need_at, refusal, removed_by, set_up, text_at};
use crate::{Provider as _, Settings};

/// Pages of hooks that are looked through. A repository has at most 20 hooks for each event.
const PAGES_MAX: u32 = 20;
const PER_PAGE: u32 = 100;

/// Everything that happens.
const ALL_EVENTS: &str = "*";

impl Registrable for GitHub {
    fn name(&self) -> &'static str {
        self.profile().name
    }

    fn missing(&self, settings: &Settings) -> Option<&'static str> {
        settings.first(SECRET.key).is_none().then_some(SECRET.environment)
    }

    fn key(&self) -> Key {
        Key::Connection
    }

    fn path(&self, user: Option<&UserId>) -> String {
        crate::register::below(self.profile().paths[0], user)
    }

    /// A repository is the same in any case.
    fn target(&self, text: &str) -> Result<String, &'static str> {
        let is_name = |name: &str| {
            let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            (1..=100).contains(&name.len()) && name.chars().all(is_good) && !matches!(name, "." | "..")
        };
        let parts = text.split_once('/').filter(|(owner, name)| is_name(owner) && is_name(name));
        parts.map(|_| text.to_ascii_lowercase()).ok_or("must be a repository: owner/name")
    }

    fn register(&self, wanted: Wanted) -> Step {
        match wanted.external_id.clone() {
            Some(id) => change(wanted, id),
            None => find(wanted, 1, create, change),
        }
    }

    fn remove(&self, wanted: Wanted) -> Step {
        match wanted.external_id.clone() {
            Some(id) => removed_by(call(Method::DELETE, &wanted, &format!("/{id}"))),
            None => find(
                wanted,
                1,
                |_| Step::Done(crate::register::Done::Removed),
                |wanted, id| removed_by(call(Method::DELETE, &wanted, &format!("/{id}"))),
            ),
        }
    }
}

fn call(method: Method, wanted: &Wanted, path: &str) -> ApiCall {
    let path = format!("/repos/{}/hooks{path}", wanted.target);
    headed(ApiCall::of(method, api_url(&wanted.settings, &path)))
}

/// Looks through the hooks, from `page` on, for ours, and goes on with its id, or without one.
fn find(wanted: Wanted, page: u32, absent: fn(&Wanted) -> Step, present: fn(Wanted, String) -> Step) -> Step {
    let listing = call(Method::GET, &wanted, &format!("?per_page={PER_PAGE}&page={page}"));
    ask(listing, move |answer, now| {
        let hooks = answer.success_or(now, |answer| refusal(answer, &["/message"]))?;
        let hooks = hooks.as_array().map(Vec::as_slice).unwrap_or_default();
        let ours = hooks.iter().find(|hook| text_at(hook, "/config/url").as_deref() == Some(&wanted.url));
        match ours {
            Some(hook) => {
                let id = need_at(hook, "/id")?;
                Ok(present(wanted, id))
            }
            None if has_next(answer) && page < PAGES_MAX => Ok(find(wanted, page + 1, absent, present)),
            None => Ok(absent(&wanted)),
        }
    })
}

/// The pages are counted by us: an address that somebody else names is nowhere to take a token.
fn has_next(answer: &ApiAnswer) -> bool {
    let links = answer.headers.get_all(http::header::LINK);
    links.iter().any(|link| link.to_str().is_ok_and(|link| link.contains("rel=\"next\"")))
}

fn create(wanted: &Wanted) -> Step {
    let mut body = hook(wanted);
    body["name"] = "web".into();
    ask(call(Method::POST, wanted, "").with_json(&body), |answer, now| {
        let made = answer.success_or(now, |answer| refusal(answer, &["/errors/0/message", "/message"]))?;
        Ok(set_up(need_at(&made, "/id")?))
    })
}

/// One that was removed by hand is looked for, and made anew.
fn change(wanted: Wanted, id: String) -> Step {
    let changing = call(Method::PATCH, &wanted, &format!("/{id}")).with_json(&hook(&wanted));
    ask(changing, move |answer, now| {
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(find(wanted, 1, create, |_, id| set_up(id)));
        }
        answer.success_or(now, |answer| refusal(answer, &["/errors/0/message", "/message"]))?;
        Ok(set_up(id))
    })
}

fn hook(wanted: &Wanted) -> Value {
    let events = match wanted.events.as_slice() {
        [] => json!([ALL_EVENTS]),
        events => json!(events),
    };
    let secret = wanted.settings.first(SECRET.key).unwrap_or_default();
    json!({
        "active": true, "events": events,
        "config": { "url": wanted.url, "content_type": "json", "insecure_ssl": "0", "secret": secret },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::CallFailure;
    use crate::register::Done;
    use crate::register::testing::{answer, done, then, told_then, wanted};

    const URL: &str = "https://way.test/api/webhooks/github/alice";
    const HOOKS: &str = "https://api.test/repos/acme/shop/hooks";

    fn ours() -> Wanted {
        wanted("acme/shop", URL, &[("api_base", "https://api.test"), ("webhook_secret", "planted")])
    }

    fn page(number: u32) -> String {
        format!("GET {HOOKS}?per_page=100&page={number}")
    }

    fn hook_7() -> String {
        format!(
            r#"[{{"id":6,"config":{{"url":"https://else.test/"}}}},{{"id":7,"config":{{"url":"{URL}"}}}}]"#
        )
    }

    fn of_7() -> Done {
        done(set_up("7"))
    }

    #[test]
    fn what_is_not_there_on_any_page_is_made() {
        let next =
            [("link", r#"<https://api.test/x?page=2>; rel="next", <https://api.test/x?page=2>; rel="last""#)];
        let step = then(GitHub.register(ours()), &page(1), &answer(200, &next, "[]"));
        let step = then(step, &page(2), &answer(200, &[], "[]"));
        let (sent, step) = told_then(step, &format!("POST {HOOKS}"), &answer(201, &[], r#"{"id":7}"#));
        let config = json!({ "url": URL, "content_type": "json", "insecure_ssl": "0", "secret": "planted" });
        assert_eq!(sent, json!({ "name": "web", "active": true, "events": ["*"], "config": config }));
        assert_eq!(done(step.unwrap()), of_7());
    }

    #[test]
    fn what_is_there_is_changed_with_its_secret() {
        let found = then(GitHub.register(ours()), &page(1), &answer(200, &[], &hook_7()));
        let (sent, step) = told_then(found, &format!("PATCH {HOOKS}/7"), &answer(200, &[], r#"{"id":7}"#));
        assert_eq!(sent["config"]["secret"], "planted");
        assert_eq!(done(step.unwrap()), of_7());
        let known = Wanted { external_id: Some("7".to_owned()), events: vec!["push".to_owned()], ..ours() };
        let (sent, step) =
            told_then(GitHub.register(known), &format!("PATCH {HOOKS}/7"), &answer(200, &[], r#"{"id":7}"#));
        assert_eq!(sent["events"], json!(["push"]));
        assert_eq!(done(step.unwrap()), of_7());
    }

    #[test]
    fn one_that_was_removed_by_hand_is_made_anew() {
        let known = Wanted { external_id: Some("5".to_owned()), ..ours() };
        let step = then(GitHub.register(known), &format!("PATCH {HOOKS}/5"), &answer(404, &[], "{}"));
        let step = then(step, &page(1), &answer(200, &[], "[]"));
        let step = then(step, &format!("POST {HOOKS}"), &answer(201, &[], r#"{"id":7}"#));
        assert_eq!(done(step), of_7());
    }

    #[test]
    fn a_refusal_is_told_in_githubs_words() {
        let step = then(GitHub.register(ours()), &page(1), &answer(200, &[], "[]"));
        let body = r#"{"message":"Validation Failed","errors":[{"message":"Hook already exists on this repository"}]}"#;
        let (_, step) = told_then(step, &format!("POST {HOOKS}"), &answer(422, &[], body));
        assert!(step.unwrap_err().to_string().ends_with("Hook already exists on this repository"));
        let (_, step) =
            told_then(GitHub.register(ours()), &page(1), &answer(404, &[], r#"{"message":"Not Found"}"#));
        assert!(matches!(step, Err(CallFailure::Refused(why)) if why.ends_with("Not Found")));
    }

    #[test]
    fn it_is_removed_by_its_id_or_by_its_address() {
        for status in [204, 404] {
            let known = Wanted { external_id: Some("7".to_owned()), ..ours() };
            let step = then(GitHub.remove(known), &format!("DELETE {HOOKS}/7"), &answer(status, &[], ""));
            assert_eq!(done(step), Done::Removed);
        }
        let found = then(GitHub.remove(ours()), &page(1), &answer(200, &[], &hook_7()));
        let step = then(found, &format!("DELETE {HOOKS}/7"), &answer(204, &[], ""));
        assert_eq!(done(step), Done::Removed);
        let step = then(GitHub.remove(ours()), &page(1), &answer(200, &[], "[]"));
        assert_eq!(done(step), Done::Removed);
    }

    #[test]
    fn a_target_is_a_repository() {
        assert_eq!(GitHub.target("Acme/Shop.js"), Ok("acme/shop.js".to_owned()));
        for wrong in ["", "acme", "acme/", "/shop", "acme/shop/x", "acme/..", "acme/sh op", "acme/shop?x"] {
            assert!(GitHub.target(wrong).is_err(), "{wrong}");
        }
    }
}
