//! TCP in: accepts connections and serves HTTP/1.1 on each until the program is told to stop.
//!
//! A connection that has begun a request and does not go on with it is closed, one that asks for nothing as well: neither
//! may hold a place for ever. A panic in a handler is a bug, and costs the one request that met it.

mod patience;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

use self::patience::Patience;
use crate::problem::Problem;
use crate::router::Entrance;

/// How long a connection may take from being ready for a request to the end of that request's headers.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Bytes of a request's line and headers that are waited for; what has come with them is read too. There are at most
/// 100 headers, which is what hyper looks at unless it is told otherwise, and is then fastest. What is more is
/// answered 431.
const HEAD_BYTES_MAX: usize = 64 * 1_024;

/// Clients that wait to be accepted. Whoever comes when so many do is not heard, and tries again after a second: a thousand
/// browsers that come back at once, or a sender that catches up. The system may allow fewer.
const WAITING_MAX: u32 = 4_096;

/// How long to wait when no connection can be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Takes the port at `address`.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // What an earlier program has left of its connections is no reason to wait.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

/// Serves `entrance` until `stop` ends, and then until all requests are answered that were under way, but no longer than
/// `grace`; false if some were not.
pub(crate) async fn serve(
    listener: TcpListener,
    entrance: Entrance,
    stop: impl Future<Output = ()>,
    grace: Duration,
) -> bool {
    let open = Open::default();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => serve_connection(stream, peer, entrance.clone(), &open),
                Err(error) => pause_after(&error).await,
            },
            () = &mut stop => break,
        }
    }
    drop(listener);
    open.stopping.tell();
    open.connections.close();
    tokio::time::timeout(grace, open.connections.wait()).await.is_ok()
}

/// The connections that are open, as far as they are HTTP: one that has become a WebSocket is its stream's.
#[derive(Debug, Default)]
struct Open {
    stopping: Arc<Stopping>,
    connections: TaskTracker,
}

/// That the program is told to stop. Every connection looks here each time it is woken, so a look is one load.
#[derive(Debug, Default)]
struct Stopping {
    is_told: AtomicBool,
    told: Notify,
}

impl Stopping {
    fn tell(&self) {
        self.is_told.store(true, Ordering::Release);
        self.told.notify_waiters();
    }
}

/// Closes a connection whose client reads no more, and to whom nothing more can be said. It is with each request.
#[derive(Debug, Clone, Default)]
pub(crate) struct HangUp(Arc<OnceLock<AbortHandle>>);

impl HangUp {
    /// Closes it, whatever is still to be sent.
    pub(crate) fn now(&self) {
        if let Some(task) = self.0.get() {
            task.abort();
        }
    }
}

/// A client that has gone before it was accepted is its own affair; anything else will not pass at once.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "cannot accept connections");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

fn serve_connection(stream: TcpStream, peer: SocketAddr, entrance: Entrance, open: &Open) {
    // Answers are small, and each is written at once.
    let _slower = stream.set_nodelay(true);
    let hang_up = HangUp::default();
    let of_connection = (peer, hang_up.clone());
    let service = service_fn(move |request| handle(entrance.clone(), of_connection.clone(), request));
    let connection = http1::Builder::new()
        .timer(Patience::default())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        // Most answers are shorter than what it costs to send their heads and bodies from two places.
        .writev(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let stopping = Arc::clone(&open.stopping);
    let task = open.connections.spawn(async move {
        let mut connection = pin!(connection);
        let mut told = pin!(stopping.told.notified());
        let (mut is_woken_by_it, mut is_told) = (false, false);
        let ended = poll_fn(|context| {
            // Asked once, it wakes this task ever after; whether it has is found in the flag.
            if !is_woken_by_it {
                is_woken_by_it = true;
                let _see_the_flag = told.as_mut().poll(context);
            }
            if !is_told && stopping.is_told.load(Ordering::Acquire) {
                is_told = true;
                connection.as_mut().graceful_shutdown();
            }
            connection.as_mut().poll(context)
        });
        if let Err(error) = ended.await {
            tracing::debug!(%peer, %error, "a connection broke off");
        }
    });
    hang_up.0.get_or_init(|| task.abort_handle());
}

fn handle(
    entrance: Entrance,
    (peer, hang_up): (SocketAddr, HangUp),
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response, Infallible>> {
    let answer = AssertUnwindSafe(entrance.answer(peer, hang_up, request)).catch_unwind();
    answer.map(|answer| Ok(answer.unwrap_or_else(|_panic| Problem::internal().into_response())))
}
