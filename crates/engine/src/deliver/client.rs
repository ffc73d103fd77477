//! The only way out: a pooled HTTP client whose connections pass the guard.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use domain::attempt::ErrorCode;
use hickory_resolver::TokioResolver;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service as _;

use super::connection::{Connection, Idle};
use super::guard::Guard;
use crate::routes::Endpoint;

/// Sends requests to addresses that the guard admits.
#[derive(Debug, Clone)]
pub struct Client {
    connector: HttpsConnector<Guarded>,
    guarded: Guarded,
    idle: Idle,
}

/// Why no request could be sent, or no answer read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Why, for programs.
    pub code: ErrorCode,
    /// Why, in words.
    pub message: String,
}

impl Failure {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl Client {
    /// A client behind `guard`.
    ///
    /// # Errors
    /// The system's resolver configuration cannot be read.
    pub fn new(guard: Guard) -> Result<Self, Failure> {
        let resolver = TokioResolver::builder_tokio()
            .and_then(hickory_resolver::ResolverBuilder::build)
            .map_err(|error| Failure::new(ErrorCode::Dns, format!("no resolver: {error}")))?;
        let guarded = Guarded { resolver: Arc::new(resolver), guard };
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(guarded.clone());
        Ok(Self { connector, guarded, idle: Idle::default() })
    }

    /// Sends a request and answers with the head of the response, and the connection that the rest of it comes over.
    pub(super) async fn send(
        &self,
        endpoint: &Endpoint,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Connection, Response<Incoming>), Failure> {
        while let Some(mut connection) = self.idle.take(&endpoint.origin).await {
            match connection.send(request).await {
                Ok(response) => return Ok((connection, response)),
                Err(mut error) => match error.take_message() {
                    // It was closed just then, and nothing was sent.
                    Some(unsent) => request = unsent,
                    None => return Err(explain(error.error())),
                },
            }
        }
        let mut connection = self.connect(&endpoint.url).await?;
        let response = connection.send(request).await.map_err(|error| explain(error.error()))?;
        Ok((connection, response))
    }

    /// Keeps a connection for the next request, if the last answer has been read to its end.
    pub(super) async fn keep(&self, endpoint: &Endpoint, connection: Connection, now: Duration) {
        self.idle.keep(&endpoint.origin, connection, now).await;
    }

    /// Closes connections that have not been used for long.
    pub fn close_idle(&self, now: Duration) {
        self.idle.close_old(now);
    }

    async fn connect(&self, url: &Uri) -> Result<Connection, Failure> {
        let stream = self.connector.clone().call(url.clone()).await.map_err(|error| explain(&*error))?;
        Connection::over(stream).await.map_err(|error| explain(&error))
    }

    /// Resolves the host of `url` and checks it as a connection would.
    ///
    /// # Errors
    /// The name does not resolve, or no address of it may be called.
    pub async fn check(&self, url: &Uri) -> Result<(), Failure> {
        self.guarded.addresses(url).await.map(|_| ())
    }
}

/// Finds the cause that a person can do something about.
pub(crate) fn explain(error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut cause = Some(error);
    let mut last = error.to_string();
    while let Some(error) = cause {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return failure.clone();
        }
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Failure::new(ErrorCode::Tls, format!("the connection could not be secured: {tls}"));
        }
        if let Some(hyper) = error.downcast_ref::<hyper::Error>()
            && hyper.is_parse_too_large()
        {
            return Failure::new(ErrorCode::ResponseTooLarge, "the answer's headers are too long");
        }
        last = error.to_string();
        // An I/O error keeps what it wraps to itself unless asked.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = wrapped.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    Failure::new(ErrorCode::Protocol, format!("the connection broke off or did not speak HTTP: {last}"))
}

/// Opens connections to addresses that the guard admits, and to no others.
#[derive(Debug, Clone)]
struct Guarded {
    resolver: Arc<TokioResolver>,
    guard: Guard,
}

impl Guarded {
    async fn addresses(&self, url: &Uri) -> Result<Vec<SocketAddr>, Failure> {
        let is_encrypted = url.scheme_str() == Some("https");
        let host = url.host().unwrap_or_default();
        let port = url.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
        let found = self.resolve(host).await?;
        let admitted: Vec<_> =
            found.iter().filter(|&&address| self.guard.admits(address, is_encrypted)).collect();
        if admitted.is_empty() {
            let scheme = if is_encrypted { "" } else { " without encryption" };
            let message = format!("{host} is at {}, which may not be called{scheme}", listed(&found));
            return Err(Failure::new(ErrorCode::BlockedAddress, message));
        }
        Ok(admitted.into_iter().map(|&address| SocketAddr::new(address, port)).collect())
    }

    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = literal.parse() {
            return Ok(vec![address]);
        }
        let found = self.resolver.lookup_ip(host).await;
        found
            .map(|addresses| addresses.iter().collect())
            .map_err(|error| Failure::new(ErrorCode::Dns, format!("{host} does not resolve: {error}")))
    }

    async fn connect(self, url: Uri) -> Result<TokioIo<TcpStream>, Failure> {
        let mut failure = Failure::new(ErrorCode::Connect, "there is no address to connect to");
        for address in self.addresses(&url).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Requests are written whole; waiting for more to send only delays them.
                    let _slower = stream.set_nodelay(true);
                    return Ok(TokioIo::new(stream));
                }
                Err(error) => {
                    failure =
                        Failure::new(ErrorCode::Connect, format!("cannot connect to {address}: {error}"));
                }
            }
        }
        Err(failure)
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

impl tower::Service<Uri> for Guarded {
    type Response = TokioIo<TcpStream>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        Box::pin(self.clone().connect(url))
    }
}
