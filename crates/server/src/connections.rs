//! TCP in: accepts connections and serves HTTP/1.1 on each until the program is told to stop.
//!
//! A connection that has begun a request and does not go on with it is closed, one that asks for nothing as well: neither
//! may hold a place for ever. A panic in a handler is a bug, and costs the one request that met it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tower::Service as _;

use crate::problem::Problem;

/// How long a connection may take from being ready for a request to the end of that request's headers.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Bytes of a request's line and headers that are waited for; what has come with them is read too. There are at most 100 headers, which is what hyper looks at unless it is told
/// otherwise, and is then fastest. What is more is answered 431.
const HEAD_BYTES_MAX: usize = 64 * 1_024;

/// How long to wait when no connection can be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Serves `router` until `stop` ends, and then until all requests are answered that were under way, but no longer than
/// `grace`; false if some were not.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
    grace: Duration,
) -> bool {
    let open = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => serve_connection(stream, peer, router.clone(), &open),
                Err(error) => pause_after(&error).await,
            },
            () = &mut stop => break,
        }
    }
    drop(listener);
    tokio::time::timeout(grace, open.shutdown()).await.is_ok()
}

/// A client that has gone before it was accepted is its own affair; anything else will not pass at once.
async fn pause_after(error: &std::io::Error) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "cannot accept connections");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the graceful shutdown waits for each of these tasks")]
fn serve_connection(stream: TcpStream, peer: SocketAddr, router: Router, open: &GracefulShutdown) {
    // Answers are small, and each is written at once.
    let _slower = stream.set_nodelay(true);
    let service = service_fn(move |request| handle(router.clone(), peer, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let connection = open.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%peer, %error, "a connection broke off");
        }
    });
}

async fn handle(
    mut router: Router,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    match AssertUnwindSafe(router.call(request)).catch_unwind().await {
        Ok(answer) => answer,
        Err(_panic) => Ok(Problem::internal().into_response()),
    }
}
