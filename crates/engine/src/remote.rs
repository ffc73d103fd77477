//! Calls from the command line to a running server: the operator's own, so they pass no guard.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;

use crate::limits::RESPONSE_BYTES_MAX;

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

/// Posts JSON with a bearer, and answers with the status and the body.
///
/// # Errors
/// No whole answer came.
#[expect(
    clippy::disallowed_methods,
    reason = "the operator names their own server, on whatever network it is"
)]
pub async fn post(url: &Uri, bearer: &str, json: String) -> Result<(StatusCode, Bytes), NoAnswer> {
    let https =
        hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    let client: legacy::Client<_, Full<Bytes>> = legacy::Client::builder(TokioExecutor::new()).build(https);
    let request = Request::post(url.clone())
        .header(AUTHORIZATION, format!("Bearer {bearer}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(json)))?;
    let unreachable = |error: &(dyn std::error::Error + 'static)| {
        NoAnswer::Unreachable(url.clone(), crate::deliver::explain(error).message)
    };
    let response = client.request(request).await.map_err(|error| unreachable(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), RESPONSE_BYTES_MAX).collect().await;
    Ok((status, body.map_err(|error| unreachable(error.as_ref()))?.to_bytes()))
}
