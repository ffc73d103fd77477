//! docs.github.com, "REST API endpoints for repository webhooks".

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::header::{LINK, LOCATION};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::text;
use crate::accounts::{account, github_refusal};
use crate::world::World;

/// A hook of a repository.
#[derive(Debug, Clone)]
pub struct Hook {
    /// GitHub's number for it.
    pub id: u64,
    /// Where it sends to.
    pub url: String,
    /// What it sends.
    pub events: Vec<String>,
    /// What it signs with.
    pub secret: Option<String>,
}

impl super::Pushing {
    /// The hooks of a repository.
    #[must_use]
    pub fn hooks(&self, repository: &str) -> Vec<Hook> {
        self.data().hooks.get(repository).cloned().unwrap_or_default()
    }

    /// Somebody has made a hook by hand.
    pub fn add_hook(&self, repository: &str, url: &str) {
        let mut data = self.data();
        let id = data.next_number();
        let hook = Hook { id, url: url.to_owned(), events: vec!["push".to_owned()], secret: None };
        data.hooks.entry(repository.to_owned()).or_default().push(hook);
    }

    /// Somebody has removed all hooks of a repository by hand.
    pub fn clear_hooks(&self, repository: &str) {
        self.data().hooks.remove(repository);
    }

    /// Nobody here is an administrator of a repository, or is again.
    pub fn forbid(&self, repository: &str, is_forbidden: bool) {
        let mut data = self.data();
        data.forbidden.retain(|known| known != repository);
        data.forbidden.extend(is_forbidden.then(|| repository.to_owned()));
    }
}

/// The repository, if whoever asks may look after its hooks.
fn admitted(world: &World, headers: &HeaderMap, owner: &str, repo: &str) -> Result<String, Box<Response>> {
    if account(world, "github", headers).is_none() {
        return Err(Box::new(github_refusal()));
    }
    let repository = format!("{owner}/{repo}").to_lowercase();
    if world.pushing().data().forbidden.contains(&repository) {
        return Err(Box::new(not_found()));
    }
    Ok(repository)
}

fn not_found() -> Response {
    let body = json!({ "message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404" });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

fn invalid(message: &str) -> Response {
    let errors = json!([{ "resource": "Hook", "code": "custom", "message": message }]);
    let body = json!({ "message": "Validation Failed", "errors": errors, "status": "422" });
    (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
}

fn show(repository: &str, hook: &Hook) -> Value {
    let mut config = json!({ "content_type": "json", "insecure_ssl": "0", "url": hook.url });
    if hook.secret.is_some() {
        config["secret"] = json!("********");
    }
    let url = format!("https://api.github.com/repos/{repository}/hooks/{}", hook.id);
    json!({
        "type": "Repository", "id": hook.id, "name": "web", "active": true, "events": hook.events, "config": config,
        "url": url, "last_response": { "code": null, "status": "unused", "message": null },
    })
}

/// `GET /repos/{owner}/{repo}/hooks`.
pub(crate) async fn list_hooks(
    State(world): State<Arc<World>>,
    Path((owner, repo)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let repository = match admitted(&world, &headers, &owner, &repo) {
        Ok(repository) => repository,
        Err(refusal) => return *refusal,
    };
    let number = |name: &str, default| query.get(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    // A page is never longer, whatever is asked for; here it is shorter, so that there are some.
    let (per_page, page): (usize, usize) = (number("per_page", 30).min(3), number("page", 1));
    let hooks = world.pushing().hooks(&repository);
    let shown: Vec<_> =
        hooks.iter().skip((page - 1) * per_page).take(per_page).map(|hook| show(&repository, hook)).collect();
    if hooks.len() > page * per_page {
        let next = format!("<https://api.github.com/repositories/1/hooks?page={}>; rel=\"next\"", page + 1);
        return ([(LINK, next)], Json(shown)).into_response();
    }
    Json(shown).into_response()
}

/// `POST /repos/{owner}/{repo}/hooks`.
pub(crate) async fn create_hook(
    State(world): State<Arc<World>>,
    Path((owner, repo)): Path<(String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let repository = match admitted(&world, &headers, &owner, &repo) {
        Ok(repository) => repository,
        Err(refusal) => return *refusal,
    };
    let known = ["name", "active", "events", "config"];
    let is_known = body.as_object().is_some_and(|body| body.keys().all(|key| known.contains(&key.as_str())));
    let url = text(&body["config"], "url");
    if !is_known || text(&body, "name") != "web" || url.is_empty() {
        return invalid("Invalid request");
    }
    let events = events(&body).unwrap_or_else(|| vec!["push".to_owned()]);
    let secret = body["config"]["secret"].as_str().map(str::to_owned);
    world.note_secret(secret.as_deref());
    let mut data = world.pushing().data();
    let id = data.next_number();
    let hooks = data.hooks.entry(repository.clone()).or_default();
    let overlaps =
        |hook: &&Hook| hook.url == url && hook.events.iter().any(|one| events.contains(one) || one == "*");
    if hooks.iter().find(overlaps).is_some() {
        return invalid("Hook already exists on this repository");
    }
    let hook = Hook { id, url: url.to_owned(), events, secret };
    hooks.push(hook.clone());
    let location = format!("https://api.github.com/repos/{repository}/hooks/{id}");
    (StatusCode::CREATED, [(LOCATION, location)], Json(show(&repository, &hook))).into_response()
}

fn events(body: &Value) -> Option<Vec<String>> {
    let events = body["events"].as_array()?;
    Some(events.iter().filter_map(|event| event.as_str().map(str::to_owned)).collect())
}

/// `PATCH /repos/{owner}/{repo}/hooks/{id}`. A configuration without a secret takes the secret away.
pub(crate) async fn change_hook(
    State(world): State<Arc<World>>,
    Path((owner, repo, id)): Path<(String, String, u64)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let repository = match admitted(&world, &headers, &owner, &repo) {
        Ok(repository) => repository,
        Err(refusal) => return *refusal,
    };
    let mut data = world.pushing().data();
    let hook = data.hooks.get_mut(&repository).and_then(|hooks| hooks.iter_mut().find(|hook| hook.id == id));
    let Some(hook) = hook else { return not_found() };
    if body["config"].is_object() {
        hook.secret = body["config"]["secret"].as_str().map(str::to_owned);
        text(&body["config"], "url").clone_into(&mut hook.url);
    }
    if let Some(events) = events(&body) {
        hook.events = events;
    }
    Json(show(&repository, hook)).into_response()
}

/// `DELETE /repos/{owner}/{repo}/hooks/{id}`.
pub(crate) async fn delete_hook(
    State(world): State<Arc<World>>,
    Path((owner, repo, id)): Path<(String, String, u64)>,
    headers: HeaderMap,
) -> Response {
    let repository = match admitted(&world, &headers, &owner, &repo) {
        Ok(repository) => repository,
        Err(refusal) => return *refusal,
    };
    let mut data = world.pushing().data();
    let hooks = data.hooks.entry(repository).or_default();
    let before = hooks.len();
    hooks.retain(|hook| hook.id != id);
    if hooks.len() < before { StatusCode::NO_CONTENT.into_response() } else { not_found() }
}
