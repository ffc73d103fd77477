//! Spotify: it sends nothing, so what its users have played is asked for.
//!
//! Sources: developer.spotify.com, "Authorization Code Flow", "Refreshing tokens" (a new refresh token comes or does not;
//! six months after consent it is dead, however often it was used).

use domain::Timestamp;

use crate::api::{ApiAnswer, ApiCall, CallFailure, Token};
use crate::connect::{Connectable, api_url, application_settings};
use crate::oauth::{ClientAuth, OAuth, identity};
use crate::{Setting, Settings};

pub(crate) struct Spotify;

static OAUTH: OAuth = OAuth {
    scopes: &["user-read-recently-played"],
    scope_separator: " ",
    parameters: &[],
    has_pkce: false,
    client_auth: ClientAuth::Basic,
    rejected: &["invalid_grant"],
    application: &["invalid_client", "unauthorized_client"],
};

impl Connectable for Spotify {
    fn name(&self) -> &'static str {
        "spotify"
    }

    fn settings(&self) -> &'static [Setting] {
        application_settings!("SPOTIFY", "SPOTIFY": "https://accounts.spotify.com/authorize",
            "https://accounts.spotify.com/api/token", "https://api.spotify.com")
    }

    fn oauth(&self) -> Option<&'static OAuth> {
        Some(&OAUTH)
    }

    fn ask_identity(&self, settings: &Settings, token: &Token) -> Option<ApiCall> {
        Some(ApiCall::get(api_url(settings, "/v1/me")).bearer(token))
    }

    fn read_identity(&self, answer: &ApiAnswer, now: Timestamp) -> Result<String, CallFailure> {
        identity(answer, "/id", now)
    }
}
