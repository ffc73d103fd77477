//! Calls from the command line to a running server, and to whatever its operator names: their own, so they pass no
//! guard.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::limits::RESPONSE_BYTES_MAX;

/// Bytes of an answer. A page of 50 events may hold some large ones; what is longer is no answer of a Waystation.
const ANSWER_BYTES_MAX: usize = 256 * 1_024 * 1_024;

/// How long a server may take for a whole answer. Nobody looks on for longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// What was to be sent makes no request.
    #[error("this makes no request: {0}")]
    NotARequest(#[from] http::Error),
    /// The server is not there, or does not answer.
    #[error("no answer from {0}: {1}")]
    Unreachable(Uri, String),
    /// The answer is longer than is read.
    #[error("the answer from {0} is longer than {1} bytes")]
    TooLong(Uri, usize),
}

/// Somebody at a command line who calls servers. Connections are used again.
#[derive(Debug, Clone)]
pub struct Caller(legacy::Client<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>>);

/// What is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Default for Caller {
    #[expect(
        clippy::disallowed_methods,
        reason = "the operator names their own server, on whatever network it is"
    )]
    fn default() -> Self {
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        Self(legacy::Client::builder(TokioExecutor::new()).build(https))
    }
}

impl Caller {
    /// Asks for `url`, with a bearer if there is one. Up to `bytes_max` of the answer are read.
    ///
    /// # Errors
    /// No whole answer came.
    pub async fn get(&self, url: &Uri, bearer: Option<&str>, bytes_max: usize) -> Result<Answer, NoAnswer> {
        let mut headers = HeaderMap::new();
        if let Some(bearer) = bearer {
            headers.insert(AUTHORIZATION, bearer_of(bearer)?);
        }
        self.call(Method::GET, url, headers, Bytes::new(), bytes_max).await
    }

    /// Posts `body` with these headers.
    ///
    /// # Errors
    /// No whole answer came.
    pub async fn post(&self, url: &Uri, headers: HeaderMap, body: Bytes) -> Result<Answer, NoAnswer> {
        self.call(Method::POST, url, headers, body, RESPONSE_BYTES_MAX).await
    }

    async fn call(
        &self,
        method: Method,
        url: &Uri,
        headers: HeaderMap,
        body: Bytes,
        bytes_max: usize,
    ) -> Result<Answer, NoAnswer> {
        let mut request = Request::builder().method(method).uri(url.clone()).body(Full::new(body))?;
        request.headers_mut().extend(headers);
        match tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(request, bytes_max)).await {
            Ok(answer) => answer,
            Err(_) => {
                let why = format!("none within {} s", ANSWER_TIMEOUT.as_secs());
                Err(NoAnswer::Unreachable(url.clone(), why))
            }
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, bytes_max: usize) -> Result<Answer, NoAnswer> {
        let url = request.uri().clone();
        let unreachable = |error: &(dyn std::error::Error + 'static)| {
            NoAnswer::Unreachable(url.clone(), crate::deliver::explain(error).message)
        };
        let response = self.0.request(request).await.map_err(|error| unreachable(&error))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, bytes_max).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                NoAnswer::TooLong(url.clone(), bytes_max)
            } else {
                unreachable(error.as_ref())
            }
        })?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }
}

fn bearer_of(key: &str) -> Result<HeaderValue, NoAnswer> {
    let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(http::Error::from)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Asks with a bearer, and with a body if there is one, which is JSON; answers with the status and the body.
///
/// # Errors
/// No whole answer came.
pub async fn ask(
    method: Method,
    url: &Uri,
    bearer: &str,
    json: Option<String>,
) -> Result<(StatusCode, Bytes), NoAnswer> {
    let mut headers = HeaderMap::from_iter([(AUTHORIZATION, bearer_of(bearer)?)]);
    if json.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let body = Bytes::from(json.unwrap_or_default());
    let answer = Caller::default().call(method, url, headers, body, ANSWER_BYTES_MAX).await?;
    Ok((answer.status, answer.body))
}
