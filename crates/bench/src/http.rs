//! HTTP/1.1 over one keep-alive TCP connection, no more than the harness needs.
//!
//! A load generator that shares two cores with the server it loads must cost little: one write and one read
//! per request, one buffer per connection, nothing allocated once warm.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// More header fields than any answer of ours has.
const HEADER_FIELDS_MAX: usize = 32;
/// A page of 200 events is far below this; a server that sends more is broken.
const RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Larger than any answer or request on the hot path, so that a read is nearly always a partial one: tokio
/// then knows that the socket is drained and spares the read that would only say "would block".
pub(crate) const BUFFER_BYTES: usize = 16 * 1024;

/// A client's end of a connection; requests go one at a time.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    incoming: Vec<u8>,
}

/// A whole response; the body borrows the connection's buffer until the next request.
#[derive(Debug)]
pub struct Response<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, incoming: Vec::with_capacity(BUFFER_BYTES) })
    }

    /// From an address of this machine's own, such as 127.3.2.1.
    pub async fn open_from(source: IpAddr, address: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(source, 0)).with_context(|| format!("bind to {source}"))?;
        let stream = socket.connect(address).await.with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, incoming: Vec::with_capacity(BUFFER_BYTES) })
    }

    /// Sends prebuilt request bytes and reads the whole answer.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Response<'_>> {
        self.incoming.clear();
        self.stream.write_all(request).await.context("send the request")?;
        let head = self.read_head().await?;
        let end = head.body_at + head.body_bytes;
        ensure!(end <= RESPONSE_BYTES_MAX, "an answer of {end} bytes");
        self.incoming.reserve(end.saturating_sub(self.incoming.len()));
        while self.incoming.len() < end {
            self.read_more().await?;
        }
        Ok(Response { status: head.status, body: &self.incoming[head.body_at..end] })
    }

    /// The bare stream, for those who mean to misuse it.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    async fn read_head(&mut self) -> Result<Head> {
        loop {
            self.read_more().await?;
            if let Some(head) = Head::parse(&self.incoming)? {
                return Ok(head);
            }
            ensure!(self.incoming.len() < RESPONSE_BYTES_MAX, "an answer whose head never ends");
        }
    }

    async fn read_more(&mut self) -> Result<()> {
        let read = self.stream.read_buf(&mut self.incoming).await.context("read the answer")?;
        ensure!(read > 0, "the server closed the connection before its answer was whole");
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
struct Head {
    status: u16,
    body_at: usize,
    body_bytes: usize,
}

impl Head {
    /// `None` while the head is incomplete.
    fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let mut fields = [httparse::EMPTY_HEADER; HEADER_FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(body_at) = response.parse(bytes).context("read the answer's head")?
        else {
            return Ok(None);
        };
        let status = response.code.unwrap_or_default();
        let body_bytes = match content_length(response.headers)? {
            Some(length) => length,
            None if status == 204 || status == 304 => 0,
            None => bail!("an answer with status {status} and no Content-Length, which this client needs"),
        };
        Ok(Some(Self { status, body_at, body_bytes }))
    }
}

pub(crate) fn content_length(fields: &[httparse::Header<'_>]) -> Result<Option<usize>> {
    let Some(field) = fields.iter().find(|field| field.name.eq_ignore_ascii_case("content-length")) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(field.value).context("Content-Length is not text")?;
    Ok(Some(text.trim().parse().with_context(|| format!("Content-Length is {text:?}"))?))
}

/// The bytes of one request with a bearer and an optional JSON body.
pub fn request_bytes(
    method: &str,
    path: &str,
    host: SocketAddr,
    bearer: &str,
    json: Option<&[u8]>,
) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {bearer}\r\n")
        .into_bytes();
    if let Some(json) = json {
        let fields = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", json.len());
        bytes.extend_from_slice(fields.as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(json.unwrap_or_default());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_only_when_whole() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        for cut in 0..answer.len() - 2 {
            assert_eq!(Head::parse(&answer[..cut]).expect("no error"), None, "cut at {cut}");
        }
        let head = Head::parse(answer).expect("no error");
        assert_eq!(head, Some(Head { status: 200, body_at: answer.len() - 2, body_bytes: 2 }));
    }

    #[test]
    fn an_answer_without_a_length_is_refused_unless_it_has_no_body() {
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(Head::parse(b"HTTP/1.1 204 No Content\r\n\r\n").expect("no error").is_some());
    }
}
