//! Small documents from elsewhere, and providers' APIs: through the guard, without redirects, and bounded in size and
//! time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use domain::attempt::ErrorCode;
use http::header::{ACCEPT, CACHE_CONTROL, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use providers::api::{ApiAnswer, ApiCall};

use super::client::{Client, Failure, explain};
use crate::routes::Endpoint;

/// A document as it was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its bytes.
    pub body: Bytes,
    /// How long it may be kept, where its server says (RFC 9111, 5.2.2.1).
    pub max_age: Option<Duration>,
}

impl Client {
    /// Fetches the document at `url`, of at most `bytes_max`, within a time.
    ///
    /// # Errors
    /// It could not be had, or was answered with anything but a 200.
    pub async fn fetch(&self, url: &str, bytes_max: usize, within: Duration) -> Result<Page, Failure> {
        let endpoint = Endpoint::parse(url)
            .ok_or_else(|| Failure::new(ErrorCode::Connect, format!("{url} is no URL of a document")))?;
        let fetched = tokio::time::timeout(within, self.fetch_from(&endpoint, bytes_max)).await;
        fetched.unwrap_or_else(|_| {
            let message = format!("no whole answer came within {} seconds", within.as_secs());
            Err(Failure::new(ErrorCode::Timeout, message))
        })
    }

    async fn fetch_from(&self, endpoint: &Endpoint, bytes_max: usize) -> Result<Page, Failure> {
        let (mut connection, response) = self.send(endpoint, request(endpoint)).await?;
        let status = response.status();
        if status.is_redirection() {
            return Err(Failure::new(ErrorCode::Redirect, format!("the answer was a redirect ({status})")));
        }
        if status != StatusCode::OK {
            return Err(Failure::new(ErrorCode::Status, format!("the answer was {status}")));
        }
        let max_age = max_age(response.headers());
        let body = connection.drive(read(response.into_body(), bytes_max)).await?;
        Ok(Page { body, max_age })
    }
}

/// Why a provider's API gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing was sent.
    #[error("{0}")]
    NotSent(Failure),
    /// It was sent, or part of it; nobody knows what became of it.
    #[error("{0}")]
    Lost(Failure),
}

impl Client {
    /// Makes a call to a provider's API. Any status is an answer.
    ///
    /// # Errors
    /// There is none, or none within the time, or it is longer than `bytes_max`.
    pub async fn call(
        &self,
        call: ApiCall,
        bytes_max: usize,
        within: Duration,
    ) -> Result<ApiAnswer, NoAnswer> {
        let Some(endpoint) = Endpoint::parse(&call.url) else {
            let failure = Failure::new(ErrorCode::Connect, format!("{call:?} goes nowhere"));
            return Err(NoAnswer::NotSent(failure));
        };
        let answered = tokio::time::timeout(within, self.answer_to(&endpoint, call, bytes_max)).await;
        answered
            .unwrap_or_else(|_| {
                let message = format!("no whole answer came within {} seconds", within.as_secs());
                Err(Failure::new(ErrorCode::Timeout, message))
            })
            .map_err(|failure| match failure.code {
                ErrorCode::Dns | ErrorCode::Connect | ErrorCode::Tls | ErrorCode::BlockedAddress => {
                    NoAnswer::NotSent(failure)
                }
                _ => NoAnswer::Lost(failure),
            })
    }

    async fn answer_to(
        &self,
        endpoint: &Endpoint,
        call: ApiCall,
        bytes_max: usize,
    ) -> Result<ApiAnswer, Failure> {
        let mut request = Request::new(Full::new(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = endpoint.path.clone();
        *request.headers_mut() = call.headers;
        request.headers_mut().insert(HOST, endpoint.host.clone());
        let (mut connection, response) = self.send(endpoint, request).await?;
        let (head, body) = response.into_parts();
        let body = connection.drive(read(body, bytes_max)).await?;
        Ok(ApiAnswer { status: head.status, headers: head.headers, body })
    }
}

fn request(endpoint: &Endpoint) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = endpoint.path.clone();
    let headers = request.headers_mut();
    headers.insert(HOST, endpoint.host.clone());
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("Waystation/", env!("CARGO_PKG_VERSION"))));
    request
}

async fn read(mut body: Incoming, bytes_max: usize) -> Result<Bytes, Failure> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| explain(&error))?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > bytes_max {
            let message = format!("the answer is longer than {bytes_max} bytes");
            return Err(Failure::new(ErrorCode::ResponseTooLarge, message));
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes.freeze())
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut directives = directives.flat_map(|text| text.split(',')).map(str::trim);
    let seconds = directives.find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"').parse().ok())?
    });
    seconds.map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_read_as_servers_write_it() {
        let age = |text: &'static str| {
            max_age(&HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(text))]))
        };
        assert_eq!(age("public, max-age=19823, must-revalidate"), Some(Duration::from_secs(19_823)));
        assert_eq!(age("Max-Age=\"5\""), Some(Duration::from_secs(5)));
        for none in ["", "no-store", "max-age", "max-age=soon", "s-maxage=5", "max-age=-1"] {
            assert_eq!(age(none), None, "{none}");
        }
    }
}
