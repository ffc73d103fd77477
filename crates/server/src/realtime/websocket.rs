//! WebSockets (RFC 6455).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::{Buf as _, Bytes};
use engine::limits::{FRAME_BYTES_MAX, PARTING_TAKES};
use engine::realtime::{Bye, Frame, Gone, Heard, Outlet, Sent, Wire};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{Shutdown, shutdown};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, FrameHeader};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::app::App;
use crate::problem::{Problem, Result};

/// Bytes that are read at once. Each connection holds such a buffer for all its life, and there are many.
const BUFFER_BYTES: usize = 1_024;

/// Bytes of a text that is copied, to go out in one go with what is around it. A larger one is shared with other
/// connections.
const COPIED_BYTES_MAX: usize = 16 * 1_024;

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
                serve(socket.speaking(dialect)).await;
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

    fn speaking(self, dialect: Dialect) -> Socket {
        // Nothing is written through it but what it answers by itself.
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        let read_already = self.read_already.to_vec();
        let protocol = WebSocketContext::from_partially_read(read_already, Role::Server, Some(config));
        let way = Arc::new(Way { stream: self.stream, dialect, waiting: Mutex::default() });
        Socket { way, protocol: Box::new(protocol), is_garbled: false }
    }
}

/// The connection, as everything goes out on it, in whole frames of the protocol.
#[derive(Debug)]
struct Way {
    stream: TcpStream,
    dialect: Dialect,
    /// What the system has yet to take.
    waiting: Mutex<VecDeque<Bytes>>,
}

impl Way {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Bytes>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits, and then `pieces`, or has them wait as well.
    fn write(&self, pieces: impl IntoIterator<Item = Bytes>) -> io::Result<Sent> {
        let mut waiting = self.waiting();
        while let Some(first) = waiting.front_mut() {
            self.write_piece(first)?;
            if !first.is_empty() {
                break;
            }
            waiting.pop_front();
        }
        for mut piece in pieces {
            let written = if waiting.is_empty() { self.write_piece(&mut piece) } else { Ok(()) };
            if !piece.is_empty() {
                waiting.push_back(piece);
            }
            written?;
        }
        if !waiting.is_empty() {
            return Ok(Sent::InPart);
        }
        // There are many connections, and few whose client has ever been slow.
        waiting.shrink_to_fit();
        Ok(Sent::Whole)
    }

    /// Writes as much of it as the system takes.
    fn write_piece(&self, piece: &mut Bytes) -> io::Result<()> {
        while !piece.is_empty() {
            match self.stream.try_write(piece) {
                Ok(written) => piece.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until nothing waits.
    async fn cleared(&self) -> io::Result<()> {
        while !self.is_clear() && self.write([])? == Sent::InPart {
            self.stream.writable().await?;
        }
        Ok(())
    }
}

impl Outlet for Way {
    fn send(&self, frames: &[Frame]) -> Result<Sent, Gone> {
        self.write(self.dialect.pieces(frames)).map_err(|_| Gone)
    }

    fn is_clear(&self) -> bool {
        self.waiting().is_empty()
    }
}

/// What the protocol reads and answers by itself, such as pings.
struct Exchange<'w>(&'w Way);

impl io::Read for Exchange<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.stream.try_read(buffer)
    }
}

impl io::Write for Exchange<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _whole = self.0.write([Bytes::copy_from_slice(bytes)])?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An open WebSocket.
pub(super) struct Socket {
    way: Arc<Way>,
    /// In a box, since a task has room for all moves of what is moved through it.
    protocol: Box<WebSocketContext>,
    /// What the client sends has stopped making sense, so that its answers cannot be read either.
    is_garbled: bool,
}

impl Socket {
    /// What the client says next.
    async fn next(&mut self) -> Result<Message, Error> {
        loop {
            // Who does not read the answers to its pings is not asked for more of them.
            self.way.cleared().await?;
            match self.protocol.read(&mut Exchange(&self.way)) {
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    self.way.stream.readable().await?;
                }
                read => return read,
            }
        }
    }

    async fn say_goodbye(&mut self, bye: Bye) -> Result<(), Error> {
        let _whole = self.way.write(self.way.dialect.pieces(&[Frame::Bye(bye)]))?;
        let close = CloseFrame { code: close_code(bye), reason: bye.as_str().into() };
        self.protocol.close(&mut Exchange(&self.way), Some(close))?;
        Ok(self.way.cleared().await?)
    }

    /// Reads on until the client has closed as well. If it is closed with bytes unread the system may take back what
    /// has been sent.
    async fn discard(mut self) -> io::Result<()> {
        while !self.is_garbled {
            match self.next().await {
                Ok(_) => {}
                Err(Error::Capacity(_) | Error::Protocol(_) | Error::Utf8(_)) => self.is_garbled = true,
                Err(_) => return Ok(()),
            }
        }
        let stream = &self.way.stream;
        shutdown(stream, Shutdown::Write)?;
        let mut discarded = [0; DISCARDED_BYTES];
        loop {
            stream.readable().await?;
            match stream.try_read(&mut discarded) {
                Ok(0) => return Ok(()),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }
}

impl Wire for Socket {
    fn outlet(&self) -> Arc<dyn Outlet> {
        Arc::<Way>::clone(&self.way)
    }

    async fn hear(&mut self) -> Heard {
        loop {
            return match self.next().await {
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
                // Simple front ends have nothing to say.
                Ok(Message::Text(_) | Message::Binary(_)) if self.way.dialect == Dialect::Messages => {
                    continue;
                }
                Ok(Message::Text(text)) => Heard::Text(text.as_str().to_owned()),
                Ok(Message::Binary(_)) => Heard::Wrong(Bye::BadFrame),
                Err(Error::Capacity(_)) => {
                    self.is_garbled = true;
                    Heard::Wrong(Bye::TooLarge)
                }
                // It has gone without a word.
                Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Heard::Nothing,
                Err(Error::Protocol(_) | Error::Utf8(_)) => {
                    self.is_garbled = true;
                    Heard::Wrong(Bye::BadFrame)
                }
                Ok(Message::Close(_)) => {
                    let _answered = self.protocol.flush(&mut Exchange(&self.way));
                    Heard::Nothing
                }
                Err(_) => Heard::Nothing,
            };
        }
    }

    async fn cleared(&self) -> Result<(), Gone> {
        self.way.cleared().await.map_err(|_| Gone)
    }

    async fn part(mut self, bye: Bye, lingers: Duration) {
        if timeout(lingers, self.say_goodbye(bye)).await.is_ok_and(|said| said.is_ok()) {
            let _in_time = timeout(PARTING_TAKES, self.discard()).await;
        }
    }
}

/// What is said of a frame.
enum Said<'f> {
    Text(Cow<'f, Bytes>),
    Ping,
}

impl Dialect {
    /// Frames as they go out.
    fn pieces(self, frames: &[Frame]) -> Vec<Bytes> {
        let (mut pieces, mut copied) = (Vec::with_capacity(1), Vec::new());
        for frame in frames {
            match self.write(frame) {
                Some(Said::Text(text)) if text.len() > COPIED_BYTES_MAX => {
                    write_head(&mut copied, OpCode::Data(Data::Text), text.len());
                    pieces.extend([std::mem::take(&mut copied).into(), text.into_owned()]);
                }
                Some(Said::Text(text)) => {
                    // Mostly it is the only one, and what has no room to spare is shared without another allocation.
                    copied.reserve_exact(head_bytes(text.len()) + text.len());
                    write_head(&mut copied, OpCode::Data(Data::Text), text.len());
                    copied.extend_from_slice(&text);
                }
                Some(Said::Ping) => write_head(&mut copied, OpCode::Control(Control::Ping), 0),
                None => {}
            }
        }
        if !copied.is_empty() {
            pieces.push(copied.into());
        }
        pieces
    }

    /// A frame as it is sent; `None` where it is not.
    fn write(self, frame: &Frame) -> Option<Said<'_>> {
        match (self, frame) {
            (Self::Frames, frame) => Some(Said::Text(frame.to_json())),
            (Self::Messages, Frame::Event { entry, .. }) => {
                let event_type = entry.event.event_type.as_str();
                let (_, kind) = MESSAGES.iter().find(|(name, _)| *name == event_type)?;
                let data = entry.event.data.as_str();
                let envelope = format!(r#"{{"type":"{kind}","data":{data}}}"#);
                Some(Said::Text(Cow::Owned(envelope.into())))
            }
            // Browsers answer it by themselves.
            (Self::Messages, Frame::Heartbeat(_)) => Some(Said::Ping),
            (Self::Messages, _) => None,
        }
    }
}

/// Bytes of what comes before a text of this length.
fn head_bytes(length: usize) -> usize {
    FrameHeader::default().len(length as u64)
}

fn write_head(to: &mut Vec<u8>, opcode: OpCode, length: usize) {
    let head = FrameHeader { opcode, ..FrameHeader::default() };
    // Writing to a vector does not fail.
    let _ = head.format(length as u64, to);
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
