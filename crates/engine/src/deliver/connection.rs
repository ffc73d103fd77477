//! Connections to endpoints: one in use, and those that wait for their next request.
//!
//! A connection is driven by whoever uses it. Request, answer and connection make progress in one task, so an exchange
//! costs no message to another task and none back. While it waits nobody drives it; whether the endpoint has closed it
//! meanwhile is found out before it is used again.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::limits::{IDLE_CONNECTION_KEPT, IDLE_CONNECTIONS_PER_HOST_MAX, RESPONSE_HEAD_BYTES_MAX};

pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A connection that speaks HTTP/1.1.
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
}

/// What moves the bytes. It ends when the connection does.
struct Driver {
    moving: Pin<Box<http1::Connection<Stream, Full<Bytes>>>>,
    has_ended: bool,
}

impl Connection {
    pub(super) async fn over(stream: Stream) -> hyper::Result<Self> {
        let builder = http1::Builder::new().max_buf_size(RESPONSE_HEAD_BYTES_MAX).handshake(stream);
        let (sender, moving) = builder.await?;
        Ok(Self { sender, driver: Driver { moving: Box::pin(moving), has_ended: false } })
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        self.driver.while_doing(self.sender.try_send_request(request)).await
    }

    /// Moves bytes until `work` is done, which waits for some of them.
    pub(super) async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.driver.while_doing(work).await
    }

    /// Whether it can take a request now: the last answer is whole, and the endpoint has not closed it.
    pub(super) async fn is_ready(&mut self) -> bool {
        poll_fn(|context| {
            self.driver.advance(context);
            Poll::Ready(())
        })
        .await;
        !self.driver.has_ended && self.sender.is_ready()
    }
}

impl Driver {
    async fn while_doing<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            self.advance(context);
            // What has just come in may be what it waited for.
            work.as_mut().poll(context)
        })
        .await
    }

    fn advance(&mut self, context: &mut Context<'_>) {
        // An error reaches whoever waits for the answer.
        self.has_ended = self.has_ended || self.moving.as_mut().poll(context).is_ready();
    }
}

/// Connections without a request, by origin; the last that was used is the first to be used again.
#[derive(Clone, Default)]
pub(super) struct Idle(Arc<Mutex<HashMap<Arc<str>, Vec<Waiting>>>>);

struct Waiting {
    connection: Connection,
    since: Duration,
}

impl Idle {
    /// A connection to `origin` that is still open.
    pub(super) async fn take(&self, origin: &str) -> Option<Connection> {
        loop {
            let mut connection = self.waiting().get_mut(origin)?.pop()?.connection;
            if connection.is_ready().await {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request, if it can take one.
    pub(super) async fn keep(&self, origin: &Arc<str>, mut connection: Connection, now: Duration) {
        if !connection.is_ready().await {
            return;
        }
        let mut waiting = self.waiting();
        let of_origin = waiting.entry(Arc::clone(origin)).or_default();
        if of_origin.len() < IDLE_CONNECTIONS_PER_HOST_MAX {
            of_origin.push(Waiting { connection, since: now });
        }
    }

    /// Closes what has waited for long.
    pub(super) fn close_old(&self, now: Duration) {
        self.waiting().retain(|_, of_origin| {
            of_origin.retain(|waiting| now.saturating_sub(waiting.since) < IDLE_CONNECTION_KEPT);
            !of_origin.is_empty()
        });
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "connections to {} origins", self.waiting().len())
    }
}
