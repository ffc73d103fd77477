//! What the API answers when something is wrong: problem documents (RFC 9457), each with a stable `code`.
//!
//! Every error of the crates below becomes one of these here, and nowhere else.

use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::access::Forbidden;
use engine::connections::{NotAuthorized, NotConnected, NotSynced, WhyNot};
use engine::inbox::NotPosted;
use engine::ingest::Refused;
use engine::log::NotKept;
use engine::realtime::Full;
use engine::recover::{NotBegun, NotCancelled};
use engine::registrations::NotRegistered;
use engine::sources;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use providers::Refusal;
use providers::api::CallFailure;
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

/// Seconds after which a sender should come back when nothing can be kept.
const COME_BACK_AFTER_SECONDS: u64 = 5;

/// The code of what cannot be read.
pub(crate) const UNREADABLE: &str = "unreadable";

/// A problem document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the code says which problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// Which problem, for programs. It does not change between versions.
    code: &'static str,
    /// What is wrong, and what to do about it.
    detail: String,
    /// For `invalid`: each field with what is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    #[serde(skip)]
    retry_after_seconds: Option<u64>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FieldProblem {
    /// The field, as a path from the top of the document.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) message: String,
}

/// What handlers answer.
pub(crate) type Result<T, E = Problem> = std::result::Result<T, E>;

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_seconds: None,
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, UNREADABLE, detail)
    }

    /// Which problem, for programs.
    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }

    /// The status, and it in words.
    pub(crate) fn status(&self) -> (StatusCode, &'static str) {
        (StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), self.title)
    }

    /// What is wrong, for people.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether it lies with who has sent the request, and not here.
    pub(crate) const fn is_of_sender(&self) -> bool {
        self.status < 500
    }

    /// Whether the same request would always meet it. Who is not believed today may be tomorrow, once a secret is set
    /// right.
    pub(crate) const fn is_final(&self) -> bool {
        matches!(self.status, 400 | 413 | 415)
    }

    pub(crate) fn unauthorized(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// A session of a browser, used from a page of somebody else's.
    pub(crate) fn foreign_origin() -> Self {
        let detail = "a browser's session may only be used from this server's own pages";
        Self::new(StatusCode::FORBIDDEN, "foreign_origin", detail)
    }

    /// A request that should have been one for a WebSocket.
    pub(crate) fn upgrade_required() -> Self {
        let detail = "this address is for WebSockets (version 13)";
        Self::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", detail)
    }

    /// A token that names types opens streams of them, and nothing that would show more.
    pub(crate) fn only_for_streams() -> Self {
        let detail = "this token names types of events, and is only good for streams of them";
        Self::new(StatusCode::FORBIDDEN, "only_for_streams", detail)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// Fields that cannot be taken, all of them at once.
    pub(crate) fn invalid(errors: Vec<FieldProblem>) -> Self {
        let told = errors.iter().map(|error| format!("{}: {}", error.field, error.message));
        let detail = told.collect::<Vec<_>>().join("; ");
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail) }
    }

    pub(crate) fn too_large(bytes_max: usize) -> Self {
        let detail = format!("the body is longer than {bytes_max} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
    }

    pub(crate) fn rate_limited(retry_after_seconds: u64) -> Self {
        let detail = format!("too many requests; come back in {retry_after_seconds} s");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        Self { retry_after_seconds: Some(retry_after_seconds), ..problem }
    }

    /// One address has as many requests under way as it may have, or keeps us waiting for as many bodies.
    pub(crate) fn too_many_under_way(retry_after_seconds: u64) -> Self {
        let detail =
            format!("too many requests of this address are under way; come back in {retry_after_seconds} s");
        Self { detail, ..Self::rate_limited(retry_after_seconds) }
    }

    /// Nothing was kept, or nobody can tell. What went wrong inside is for the log, not for a stranger.
    pub(crate) fn unavailable() -> Self {
        let detail = "the store is not available; nothing was accepted, send it again later";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        Self { retry_after_seconds: Some(COME_BACK_AFTER_SECONDS), ..problem }
    }

    /// There are as many live streams as there may be: of the user, or here at all.
    pub(crate) fn too_many_streams(full: Full) -> Self {
        let (status, detail) = match full {
            Full::User => {
                (StatusCode::TOO_MANY_REQUESTS, "this user has as many live streams as one may have")
            }
            Full::Node => {
                (StatusCode::SERVICE_UNAVAILABLE, "this server serves as many live streams as it may")
            }
        };
        let problem = Self::new(status, "too_many_streams", detail);
        Self { retry_after_seconds: Some(COME_BACK_AFTER_SECONDS), ..problem }
    }

    /// What a request is checked against cannot be had now.
    pub(crate) fn unverifiable() -> Self {
        let detail = "the sender's keys cannot be fetched now; nothing was accepted, send it again later";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable", detail);
        Self { retry_after_seconds: Some(COME_BACK_AFTER_SECONDS), ..problem }
    }

    pub(crate) fn internal() -> Self {
        let detail = "something went wrong here; the server's log has more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, _) = self.status();
        let retry_after = self.retry_after_seconds;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "a request was turned away");
                Self::unavailable()
            }
            _ => {
                tracing::error!(%error, "a request failed");
                Self::internal()
            }
        }
    }
}

impl From<NotKept> for Problem {
    fn from(error: NotKept) -> Self {
        match error {
            NotKept::Store(error @ StoreError::Refused(_)) => {
                tracing::error!(%error, "an event was refused by the store");
                Self::internal()
            }
            // The log has told of it once for the whole batch.
            NotKept::Store(_) | NotKept::Busy => Self::unavailable(),
        }
    }
}

impl From<NotPosted> for Problem {
    fn from(error: NotPosted) -> Self {
        match error {
            NotPosted::CannotSend(_) => Self::conflict("cannot_send", error.to_string()),
            NotPosted::KeyTaken => Self::conflict("key_reused", error.to_string()),
            NotPosted::NotKept(error) => error.into(),
            NotPosted::Store(error) => error.into(),
        }
    }
}

impl From<NotBegun> for Problem {
    fn from(error: NotBegun) -> Self {
        match error {
            NotBegun::NoSubscription => Self::not_found("subscription"),
            NotBegun::Inactive => Self::conflict("inactive", error.to_string()),
            NotBegun::TooMuch => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many", error.to_string()),
            NotBegun::TooManyJobs => Self::conflict("too_many_jobs", error.to_string()),
            NotBegun::Store(error) => error.into(),
        }
    }
}

impl From<NotCancelled> for Problem {
    fn from(error: NotCancelled) -> Self {
        match error {
            NotCancelled::Ended(ended) => Self::conflict("conflict", ended.to_string()),
            NotCancelled::Gone => Self::not_found("job"),
            NotCancelled::Store(error) => error.into(),
        }
    }
}

impl From<Forbidden> for Problem {
    fn from(error: Forbidden) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", error.to_string())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unverified(refusal) => refusal.into(),
            Refused::Unreadable(unreadable) => Self::bad_request(unreadable.to_string()),
            Refused::NoDocument(_) => Self::unverifiable(),
            Refused::NotKept(not_kept) => not_kept.into(),
        }
    }
}

impl From<sources::Refused> for Problem {
    fn from(refused: sources::Refused) -> Self {
        match refused {
            sources::Refused::Unverified(refusal) => refusal.into(),
            sources::Refused::NoHandshake => {
                Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", refused.to_string())
            }
            sources::Refused::Unreadable(unreadable) => Self::bad_request(unreadable.to_string()),
            sources::Refused::NoDocument(_) => Self::unverifiable(),
            sources::Refused::NotKept(not_kept) => not_kept.into(),
        }
    }
}

impl From<NotConnected> for Problem {
    fn from(error: NotConnected) -> Self {
        match error {
            NotConnected::NoAccount => Self::invalid(vec![FieldProblem {
                field: "account_id".to_owned(),
                message: error.to_string(),
            }]),
            NotConnected::NoIdentity(CallFailure::TokenRefused(_) | CallFailure::Refused(_)) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "token_refused", error.to_string())
            }
            NotConnected::NoIdentity(_) => {
                Self::new(StatusCode::BAD_GATEWAY, "provider_unavailable", error.to_string())
            }
            NotConnected::Store(error) => error.into(),
        }
    }
}

impl From<NotRegistered> for Problem {
    fn from(error: NotRegistered) -> Self {
        match error {
            NotRegistered::NoAddress => Self::conflict("no_base_url", error.to_string()),
            NotRegistered::NotSet(_) => Self::conflict("not_configured", error.to_string()),
            NotRegistered::Store(error) => error.into(),
        }
    }
}

impl From<NotSynced> for Problem {
    fn from(error: NotSynced) -> Self {
        match error {
            NotSynced::NotPolled(_) => Self::conflict("not_polled", error.to_string()),
            NotSynced::NotSet(_) => Self::conflict("not_configured", error.to_string()),
            NotSynced::NoTokens => Self::conflict("no_tokens", error.to_string()),
            NotSynced::NotInUse(_) => Self::conflict("needs_reauth", error.to_string()),
            NotSynced::Store(error) => error.into(),
        }
    }
}

impl From<NotAuthorized> for Problem {
    fn from(error: NotAuthorized) -> Self {
        let code = match error {
            NotAuthorized::NoOAuth(_) => "no_oauth",
            NotAuthorized::NoApplication(_) => "no_application",
        };
        Self::conflict(code, error.to_string())
    }
}

impl From<WhyNot> for Problem {
    fn from(why: WhyNot) -> Self {
        match why {
            WhyNot::OtherBrowser => Self::new(StatusCode::FORBIDDEN, "other_browser", why.to_string()),
            WhyNot::BadState => Self::new(StatusCode::BAD_REQUEST, "invalid_state", why.to_string()),
            WhyNot::Denied(_) => Self::new(StatusCode::FORBIDDEN, "access_denied", why.to_string()),
            WhyNot::NoTokens(_) => Self::new(StatusCode::BAD_GATEWAY, "no_tokens", why.to_string()),
            WhyNot::NotAuthorized(error) => error.into(),
            WhyNot::NotConnected(error) => error.into(),
            WhyNot::Store(error) => error.into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        use Refusal::*;
        let code = match refusal {
            NoKey | BadKey(_) => "no_secret_configured",
            MissingHeader(_) => "missing_signature",
            RepeatedHeader(_) | UnreadableHeader(_) | UnreadableBody | BadToken | OtherBody
            | BadSignature => "invalid_signature",
            NotAToken | WrongClaim(_) | ForeignCertificate | UnknownKey => "invalid_token",
            NoTimestamp | Stale(_) | Expired => "invalid_timestamp",
            NotAllowed(_) => "not_allowed",
            KeyNeeded(_) => return Self::unverifiable(),
        };
        Self::new(StatusCode::UNAUTHORIZED, code, refusal.to_string())
    }
}
