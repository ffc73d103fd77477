//! The OAuth endpoints: where users are asked, and where codes and refresh tokens become tokens.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::{Url, form_urlencoded};

use crate::vendor::{Basic, CLIENT_ID, CLIENT_SECRET, Vendor};
use crate::world::{Asked, Fault, Given, World};

type Fields = HashMap<String, String>;

/// Where users are asked. Here they always agree.
pub(crate) async fn authorize(
    State(world): State<Arc<World>>,
    Path(application): Path<String>,
    Query(query): Query<Fields>,
) -> Response {
    let field = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let Some(vendor) = Vendor::asked(&application, field("scope")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(mut back) = Url::parse(field("redirect_uri")) else {
        return (StatusCode::BAD_REQUEST, "redirect_uri is no URL").into_response();
    };
    if field("client_id") != CLIENT_ID || field("response_type") != "code" {
        return (StatusCode::BAD_REQUEST, "this application is not known here").into_response();
    }
    let is_s256 = field("code_challenge_method") == "S256";
    let asked = Asked {
        vendor,
        account: world.account_asked(vendor.name),
        redirect_uri: field("redirect_uri").to_owned(),
        challenge: query.get("code_challenge").filter(|_| is_s256).cloned(),
        scope: field("scope").to_owned(),
        expires_at: world.code_expires_at(),
    };
    let code = world.issue_code(asked);
    world.note_secret(query.get("state").map(String::as_str));
    back.query_pairs_mut().append_pair("code", &code).append_pair("state", field("state"));
    Redirect::to(back.as_str()).into_response()
}

/// Where codes and refresh tokens become tokens.
pub(crate) async fn token(
    State(world): State<Arc<World>>,
    Path(application): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    // Of several that share an application all have the same words.
    let Some(vendor) = Vendor::asked(&application, "") else { return StatusCode::NOT_FOUND.into_response() };
    world.count_call(vendor.application);
    world.take_turn().await;
    let fault = world.next_fault(vendor.application);
    if let Some(Fault::Status(status)) = fault {
        return failed(status);
    }
    // JSON is refused; GitHub alone takes what is in the query too.
    let is_form = headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    let fields: Fields = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    if !is_form {
        return refused(vendor, "invalid_request");
    }
    world.note_secret(fields.get("code_verifier").map(String::as_str));
    if fault == Some(Fault::UnknownApplication) || !knows(vendor, &headers, &fields) {
        return refused(vendor, vendor.words.bad_client);
    }
    match grant(&world, vendor, &fields) {
        Err(word) => refused(vendor, word),
        Ok(_) if fault == Some(Fault::AnswerLost) => lost(),
        Ok(Given { access, refresh, scope, account }) => {
            Json(vendor.grant(&access, refresh.as_deref(), &scope, &account)).into_response()
        }
    }
}

fn grant(world: &World, vendor: &Vendor, fields: &Fields) -> Result<Given, &'static str> {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    match field("grant_type") {
        "authorization_code" => {
            let asked = world.take_code(vendor.application, field("code")).ok_or(vendor.words.bad_code)?;
            let is_bound = asked.challenge.as_ref().is_none_or(|challenge| {
                *challenge == URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier")))
            });
            let is_same = asked.redirect_uri == field("redirect_uri");
            (is_bound && is_same).then(|| world.grant_asked(&asked)).ok_or(vendor.words.bad_code)
        }
        "refresh_token" => {
            world.refresh(vendor.application, field("refresh_token")).ok_or(vendor.words.bad_refresh_token)
        }
        _ => Err("unsupported_grant_type"),
    }
}

/// Whether the application has shown itself as this provider wants.
fn knows(vendor: &Vendor, headers: &HeaderMap, fields: &Fields) -> bool {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let basic = header.and_then(|value| value.strip_prefix("Basic "));
    let is_pair = basic.is_some_and(|basic| basic == STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}")));
    let field = |name: &str| fields.get(name).map(String::as_str);
    let is_in_fields = field("client_id") == Some(CLIENT_ID) && field("client_secret") == Some(CLIENT_SECRET);
    match vendor.basic {
        Basic::No => is_in_fields,
        Basic::Also => is_pair || is_in_fields,
        Basic::Only => is_pair,
    }
}

fn refused(vendor: &Vendor, word: &str) -> Response {
    let (status, body): (u16, Value) = vendor.refusal(word);
    (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), Json(body)).into_response()
}

fn failed(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match status {
        StatusCode::TOO_MANY_REQUESTS => (status, [(RETRY_AFTER, "120")]).into_response(),
        _ => status.into_response(),
    }
}

/// An answer that breaks off.
fn lost() -> Response {
    let broken = std::io::Error::other("the sandbox was told to break off");
    Response::new(Body::from_stream(futures::stream::once(async { Err::<Vec<u8>, _>(broken) })))
}
