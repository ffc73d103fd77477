//! WebSockets (RFC 6455).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use engine::limits::{FRAME_BYTES_MAX, PARTING_TAKES};
use engine::realtime::{Bye, Frame, Gone, Heard, Wire};
use futures::{SinkExt as _, StreamExt as _};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame as Fragment};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::app::App;
use crate::problem::{Problem, Result};

/// Bytes that are read, and written, at once. Each connection holds both buffers for all its life, and there are many.
const BUFFER_BYTES: usize = 1_024;
const WRITE_BYTES: usize = 4 * 1_024;

/// Bytes of a fragment. A large event goes in several, since the buffer that one went through stays as large as it was.
const FRAGMENT_BYTES: usize = 16 * 1_024;

/// Bytes that the buffer may hold when the system takes none: what is written at once, and a fragment.
const WRITE_BYTES_MAX: usize = 64 * 1_024;

/// Bytes that the system holds for a client that does not read. It would take up to some megabytes.
const SEND_BUFFER_BYTES: usize = 128 * 1_024;

/// Bytes of what is thrown away at once.
const DISCARDED_BYTES: usize = 4 * 1_024;

/// The types of events that are messages, and what simple front ends call them.
pub(super) const MESSAGES: [(&str, &str); 6] = [
    ("message.new", "message:new"),
    ("message.read", "message:read"),
    ("message.reaction", "message:reaction"),
    ("message.edited", "message:edited"),
    ("message.deleted", "message:deleted"),
    ("message.delivered", "message:delivered"),
];

/// How frames are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// As they are.
    Frames,
    /// Messages alone, in envelopes.
    Messages,
}

/// A request for a WebSocket that can be granted.
#[derive(Debug)]
pub(super) struct Handshake {
    accept: HeaderValue,
    upgrade: OnUpgrade,
}

impl Handshake {
    /// Reads the request.
    ///
    /// # Errors
    /// It is none for a WebSocket of version 13.
    pub(super) fn of(request: &mut Request) -> Result<Self> {
        let headers = request.headers();
        let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
        let asks = request.method() == Method::GET
            && names(headers, &CONNECTION, "upgrade")
            && names(headers, &UPGRADE, "websocket")
            && names(headers, &SEC_WEBSOCKET_VERSION, "13");
        let accept = key.filter(|_| asks).map(|key| derive_accept_key(key.as_bytes()));
        let accept = accept.and_then(|accept| HeaderValue::from_str(&accept).ok());
        let accept = accept.ok_or_else(Problem::upgrade_required)?;
        Ok(Self { accept, upgrade: hyper::upgrade::on(request) })
    }

    /// Grants it, and has `serve` serve the connection.
    pub(super) fn accept<F: Future<Output = ()> + Send + 'static>(
        self,
        app: &Arc<App>,
        dialect: Dialect,
        serve: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> Response {
        let upgrade = self.upgrade;
        app.engine.supervisor.spawn(async move {
            if let Some(socket) = upgrade.await.ok().and_then(Plain::of) {
                serve(socket.speaking(dialect).await).await;
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        response
    }
}

/// Whether a header that is a list names `wanted`.
fn names(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|item| item.trim().eq_ignore_ascii_case(wanted))
}

/// The connection below, as it was accepted.
struct Plain {
    stream: TcpStream,
    read_already: Bytes,
}

impl Plain {
    fn of(upgraded: Upgraded) -> Option<Self> {
        // It is what `connections` serves; only then can the system's buffer be bounded.
        let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
        let stream = parts.io.into_inner();
        let _larger = set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES);
        Some(Self { stream, read_already: parts.read_buf })
    }

    async fn speaking(self, dialect: Dialect) -> Socket {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(WRITE_BYTES)
            .max_write_buffer_size(WRITE_BYTES_MAX)
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        let read_already = self.read_already.to_vec();
        let socket =
            WebSocketStream::from_partially_read(self.stream, read_already, Role::Server, Some(config)).await;
        Socket { socket: Box::new(socket), dialect, is_garbled: false }
    }
}

/// An open WebSocket.
pub(super) struct Socket {
    /// In a box, since a task has room for all moves of what is moved through it.
    socket: Box<WebSocketStream<TcpStream>>,
    dialect: Dialect,
    /// What the client sends has stopped making sense, so that its answers cannot be read either.
    is_garbled: bool,
}

impl Socket {
    async fn write(&mut self, frames: &[Frame]) -> Result<(), Error> {
        for frame in frames {
            match self.dialect.write(frame) {
                Some(Said::Text(text)) if text.len() > FRAGMENT_BYTES => {
                    self.write_in_fragments(text).await?;
                }
                // Without a look at its characters: they are ours.
                Some(Said::Text(text)) => {
                    let whole = Fragment::message(text, OpCode::Data(Data::Text), true);
                    self.socket.feed(Message::Frame(whole)).await?;
                }
                Some(Said::Ping) => self.socket.feed(Message::Ping(Bytes::new())).await?,
                None => {}
            }
        }
        self.socket.flush().await
    }

    async fn write_in_fragments(&mut self, text: Bytes) -> Result<(), Error> {
        let pieces = text.len().div_ceil(FRAGMENT_BYTES);
        for piece in 0..pieces {
            let end = ((piece + 1) * FRAGMENT_BYTES).min(text.len());
            let bytes = text.slice(piece * FRAGMENT_BYTES..end);
            let code = if piece == 0 { OpCode::Data(Data::Text) } else { OpCode::Data(Data::Continue) };
            let fragment = Fragment::message(bytes, code, piece + 1 == pieces);
            self.socket.send(Message::Frame(fragment)).await?;
        }
        Ok(())
    }

    /// Reads on until the client has closed as well. If it is closed with bytes unread the system may take back what has
    /// been sent.
    async fn discard(mut self) {
        while !self.is_garbled {
            match self.socket.next().await {
                Some(Ok(_)) => {}
                Some(Err(Error::Capacity(_) | Error::Protocol(_) | Error::Utf8(_))) => self.is_garbled = true,
                Some(Err(_)) | None => return,
            }
        }
        let stream = self.socket.get_mut();
        let _gone = stream.shutdown().await;
        let mut discarded = [0; DISCARDED_BYTES];
        while stream.read(&mut discarded).await.is_ok_and(|bytes| bytes > 0) {}
    }
}

impl Wire for Socket {
    async fn hear(&mut self) -> Heard {
        loop {
            return match self.socket.next().await {
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                // Simple front ends have nothing to say.
                Some(Ok(Message::Text(_) | Message::Binary(_))) if self.dialect == Dialect::Messages => {
                    continue;
                }
                Some(Ok(Message::Text(text))) => Heard::Text(text.as_str().to_owned()),
                Some(Ok(Message::Binary(_))) => Heard::Wrong(Bye::BadFrame),
                Some(Err(Error::Capacity(_))) => {
                    self.is_garbled = true;
                    Heard::Wrong(Bye::TooLarge)
                }
                Some(Err(Error::Protocol(_) | Error::Utf8(_))) => {
                    self.is_garbled = true;
                    Heard::Wrong(Bye::BadFrame)
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => Heard::Nothing,
            };
        }
    }

    async fn tell(&mut self, frames: &[Frame]) -> Result<(), Gone> {
        self.write(frames).await.map_err(|_| Gone)
    }

    async fn part(mut self, bye: Bye, lingers: Duration) {
        let goodbye = async {
            self.write(&[Frame::Bye(bye)]).await?;
            let close = CloseFrame { code: close_code(bye), reason: bye.as_str().into() };
            self.socket.send(Message::Close(Some(close))).await
        };
        if timeout(lingers, goodbye).await.is_ok_and(|sent| sent.is_ok()) {
            let _in_time = timeout(PARTING_TAKES, self.discard()).await;
        }
    }
}

/// What is said of a frame.
enum Said {
    Text(Bytes),
    Ping,
}

impl Dialect {
    /// A frame as it is sent; `None` where it is not.
    fn write(self, frame: &Frame) -> Option<Said> {
        match (self, frame) {
            (Self::Frames, frame) => Some(Said::Text(frame.to_json())),
            (Self::Messages, Frame::Event { entry, .. }) => {
                let event_type = entry.event.event_type.as_str();
                let (_, kind) = MESSAGES.iter().find(|(name, _)| *name == event_type)?;
                let data = entry.event.data.as_str();
                Some(Said::Text(format!(r#"{{"type":"{kind}","data":{data}}}"#).into()))
            }
            // Browsers answer it by themselves.
            (Self::Messages, Frame::Heartbeat(_)) => Some(Said::Ping),
            (Self::Messages, _) => None,
        }
    }
}

fn close_code(bye: Bye) -> CloseCode {
    match bye {
        Bye::Slow | Bye::Revoked | Bye::Unauthorized | Bye::Expired | Bye::HelloTimeout => CloseCode::Policy,
        Bye::Shutdown => CloseCode::Restart,
        Bye::TooMany => CloseCode::Again,
        Bye::BadFrame => CloseCode::Unsupported,
        Bye::TooLarge => CloseCode::Size,
        Bye::UnsupportedVersion => CloseCode::Protocol,
    }
}
