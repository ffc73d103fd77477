//! Calls from the command line to a running server: the operator's own, so they pass no guard.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;

/// Bytes of an answer. A page of 50 events may hold some large ones; what is longer is no answer of a Waystation.
const ANSWER_BYTES_MAX: usize = 256 * 1_024 * 1_024;

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// What was to be sent makes no request.
    #[error("this makes no request: {0}")]
    NotARequest(#[from] http::Error),
    /// The server is not there, or does not answer.
    #[error("no answer from {0}: {1}")]
    Unreachable(Uri, String),
}

/// Asks with a bearer, and with a body if there is one, which is JSON; answers with the status and the body.
///
/// # Errors
/// No whole answer came.
#[expect(
    clippy::disallowed_methods,
    reason = "the operator names their own server, on whatever network it is"
)]
pub async fn ask(
    method: Method,
    url: &Uri,
    bearer: &str,
    json: Option<String>,
) -> Result<(StatusCode, Bytes), NoAnswer> {
    let https =
        hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    let client: legacy::Client<_, Full<Bytes>> = legacy::Client::builder(TokioExecutor::new()).build(https);
    let mut request =
        Request::builder().method(method).uri(url.clone()).header(AUTHORIZATION, format!("Bearer {bearer}"));
    if json.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let request = request.body(Full::new(Bytes::from(json.unwrap_or_default())))?;
    let unreachable = |error: &(dyn std::error::Error + 'static)| {
        NoAnswer::Unreachable(url.clone(), crate::deliver::explain(error).message)
    };
    let response = client.request(request).await.map_err(|error| unreachable(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    Ok((status, body.map_err(|error| unreachable(error.as_ref()))?.to_bytes()))
}
