//! Clients of live streams that cost little, since thousands of them run on one thread: a WebSocket (RFC 6455), and a
//! reader of server-sent events.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Poll, ready};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

/// Of no meaning here; a server only has to answer it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const HEAD_BYTES_MAX: usize = 16 * 1024;
const READ_BYTES: usize = 64 * 1024;

/// An open stream of the program's.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    incoming: Vec<u8>,
    /// Up to where `incoming` has been read.
    read: usize,
}

impl Socket {
    /// Opens a stream of what `token` shows, after `cursor`; the cursor that it is ready at.
    pub async fn open(address: SocketAddr, token: &str, user: &str, cursor: &str) -> Result<(Self, String)> {
        let mut socket = Self::connect(address, "/api/realtime/ws").await?;
        let hello = json!({ "t": "hello", "v": 1, "token": token, "user_id": user, "cursor": cursor });
        socket.say(&hello.to_string()).await?;
        let ready: Value = serde_json::from_slice(socket.frame().await?)?;
        ensure!(ready["t"] == "ready", "the first frame is {ready}");
        let cursor = ready["cursor"].as_str().context("ready names a cursor")?.to_owned();
        Ok((socket, cursor))
    }

    async fn connect(address: SocketAddr, path: &str) -> Result<Self> {
        let mut stream =
            TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut socket = Self { stream, incoming: Vec::new(), read: 0 };
        loop {
            ensure!(socket.incoming.len() < HEAD_BYTES_MAX, "a head that never ends");
            socket.read_more().await?;
            if let Some(end) = socket.incoming.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = &socket.incoming[..end];
                ensure!(head.starts_with(b"HTTP/1.1 101"), "refused: {}", String::from_utf8_lossy(head));
                socket.read = end + 4;
                return Ok(socket);
            }
        }
    }

    /// Sends a text. A mask of zeros is a mask.
    async fn say(&mut self, text: &str) -> Result<()> {
        let length = text.len();
        let mut frame = match length {
            0..126 => vec![0x81, 0x80 | length as u8],
            126..0x1_0000 => [&[0x81, 0x80 | 126][..], &(length as u16).to_be_bytes()].concat(),
            _ => bail!("{length} bytes are more than this client says at once"),
        };
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        Ok(self.stream.write_all(&frame).await?)
    }

    /// The next text.
    pub async fn frame(&mut self) -> Result<&[u8]> {
        loop {
            if let Some((opcode, from, to)) = frame_in(&self.incoming[self.read..]) {
                let payload = self.read + from..self.read + to;
                self.read = payload.end;
                match opcode {
                    0x1 => return Ok(&self.incoming[payload]),
                    0x8 => bail!("the server closed: {}", String::from_utf8_lossy(&self.incoming[payload])),
                    _ => continue,
                }
            }
            self.incoming.drain(..self.read);
            self.read = 0;
            self.read_more().await?;
        }
    }

    /// Reads on until the next event.
    pub async fn event(&mut self) -> Result<()> {
        while !is_event(self.frame().await?) {}
        Ok(())
    }

    /// The connection, and what has been read of it and not been looked at.
    pub(crate) fn into_parts(mut self) -> Result<(std::net::TcpStream, Vec<u8>)> {
        Ok((self.stream.into_std()?, self.incoming.split_off(self.read)))
    }

    /// By way of a buffer that all share: one of its own would have to be as large as what comes, or be read into
    /// twice.
    async fn read_more(&mut self) -> Result<()> {
        thread_local!(static READ: RefCell<[u8; READ_BYTES]> = const { RefCell::new([0; READ_BYTES]) });
        let Self { stream, incoming, .. } = self;
        let read = poll_fn(|context| {
            READ.with_borrow_mut(|bytes| {
                let mut read = ReadBuf::new(bytes);
                ready!(Pin::new(&mut *stream).poll_read(context, &mut read))?;
                incoming.extend_from_slice(read.filled());
                Poll::Ready(io::Result::Ok(read.filled().len()))
            })
        });
        ensure!(read.await? > 0, "the server closed the connection");
        Ok(())
    }
}

/// How a stream comes.
#[derive(Clone, Copy, Debug)]
pub enum Transport {
    Socket,
    Events,
}

/// A stream that comes either way.
#[derive(Debug)]
pub enum Follow {
    Socket(Socket),
    Events(Events),
}

/// An answer of server-sent events.
#[derive(Debug)]
pub struct Events {
    stream: TcpStream,
    /// Bytes of chunks that are not whole.
    raw: Vec<u8>,
    text: String,
    has_ended: bool,
}

impl Follow {
    /// Opens a stream of what `token` shows of `user`, after `cursor`.
    pub async fn open(
        transport: Transport,
        address: SocketAddr,
        token: &str,
        user: &str,
        cursor: &str,
    ) -> Result<Self> {
        Ok(match transport {
            Transport::Socket => Self::Socket(Socket::open(address, token, user, cursor).await?.0),
            Transport::Events => Self::Events(Events::open(address, token, user, cursor).await?),
        })
    }

    /// The next frame.
    pub async fn frame(&mut self) -> Result<Value> {
        match self {
            Self::Socket(socket) => Ok(serde_json::from_slice(socket.frame().await?)?),
            Self::Events(events) => events.frame().await,
        }
    }
}

impl Events {
    async fn open(address: SocketAddr, token: &str, user: &str, cursor: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "GET /api/realtime/sse?user_id={user}&cursor={cursor} HTTP/1.1\r\nHost: {address}\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut raw = Vec::new();
        loop {
            ensure!(raw.len() < HEAD_BYTES_MAX, "a head that never ends");
            ensure!(stream.read_buf(&mut raw).await? > 0, "no answer");
            if let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&raw[..end]).into_owned();
                ensure!(head.starts_with("HTTP/1.1 200"), "refused: {head}");
                raw.drain(..end + 4);
                return Ok(Self { stream, raw, text: String::new(), has_ended: false });
            }
        }
    }

    /// May be dropped while it waits, and called again.
    async fn frame(&mut self) -> Result<Value> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let data: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
                return Ok(serde_json::from_str(&data.join("\n"))?);
            }
            while let Some(chunk) = take_chunk(&mut self.raw)? {
                self.has_ended |= chunk.is_empty();
                self.text += std::str::from_utf8(&chunk)?;
            }
            if !self.text.contains("\n\n") {
                ensure!(!self.has_ended, "the answer has ended");
                ensure!(self.stream.read_buf(&mut self.raw).await? > 0, "the answer broke off");
            }
        }
    }
}

/// Takes the first chunk, if it is whole. The last is empty.
fn take_chunk(raw: &mut Vec<u8>) -> Result<Option<Vec<u8>>> {
    let Some(line) = raw.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
    let length = usize::from_str_radix(std::str::from_utf8(&raw[..line])?, 16)?;
    let end = line + 2 + length;
    if raw.len() < end + 2 {
        return Ok(None);
    }
    let chunk = raw[line + 2..end].to_vec();
    raw.drain(..end + 2);
    Ok(Some(chunk))
}

/// Whether a text shows an event.
pub(crate) fn is_event(text: &[u8]) -> bool {
    text.starts_with(br#"{"t":"event""#)
}

/// The first whole frame: its opcode, and where its payload begins and ends.
pub(crate) fn frame_in(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (length, from) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
        length => (u64::from(length), 2),
    };
    let to = from + usize::try_from(length).ok()?;
    (bytes.len() >= to).then_some((first & 0x0f, from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_only_when_whole() {
        let short = [&[0x81, 3][..], b"abc", b"rest"].concat();
        assert_eq!(frame_in(&short), Some((1, 2, 5)));
        let long = [&[0x81, 126, 1, 0][..], &[7; 256]].concat();
        assert_eq!(frame_in(&long), Some((1, 4, 260)));
        for cut in 0..long.len() {
            assert_eq!(frame_in(&long[..cut]), None, "cut at {cut}");
        }
    }
}
